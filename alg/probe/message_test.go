package probe

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	sipgosip "github.com/emiago/sipgo/sip"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

func sample(v6 bool) template {
	t := template{
		tag: wire.Tag{Token: wire.Token{1, 2, 3}, Number: 77}, own: netip.MustParseAddrPort("10.0.0.9:5060"), transport: "udp",
		server: netip.MustParseAddr("203.0.113.10"), media: 40000, agent: "nofixup/0", nonce: "abcdefghijkl",
	}
	if v6 {
		t.own, t.server = netip.MustParseAddrPort("[2001:db8:fd00:10:aaaa:bbbb:cccc:9999]:40000"), netip.MustParseAddr("2001:db8:203::10")
	}
	return t
}

// TestMessages shows that a real stack takes every message that we send and call valid, and reads in it what we mean.
func TestMessages(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for step, raw := range messages(v6) {
			tmpl := sample(v6)
			if len(raw) > 1300 {
				t.Errorf("%s: %d octets; above 1,300 RFC 3261 18.1.1 asks for TCP", step, len(raw))
			}
			msg, err := sipgosip.ParseMessage(raw)
			if err != nil {
				t.Errorf("%s: sipgo refuses it: %v\n%s", step, err, raw)
				continue
			}
			req, ok := msg.(*sipgosip.Request)
			if !ok {
				t.Errorf("%s: no request", step)
				continue
			}
			if via := req.Via(); via == nil || via.Port != int(tmpl.own.Port()) {
				t.Errorf("%s: Via %v", step, via)
			}
			if c := req.Contact(); c == nil {
				if !slices.Contains([]string{"ACK", "BYE", "CANCEL", "INFO", "MESSAGE", "PRACK"}, string(req.Method)) {
					t.Errorf("%s: no Contact", step)
				}
			} else if c.Address.Port != int(tmpl.own.Port()) {
				t.Errorf("%s: Contact %v", step, c)
			}
			if got := len(req.Body()); req.ContentLength() == nil || int(*req.ContentLength()) != got {
				t.Errorf("%s: Content-Length %v, body of %d octets", step, req.ContentLength(), got)
			}
			if req.CSeq() == nil || string(req.CSeq().MethodName) != string(req.Method) {
				t.Errorf("%s: CSeq %v of a %s", step, req.CSeq(), req.Method)
			}
			if tag, ok := wire.FindTag(raw, tmpl.tag.Token); !ok || tag != tmpl.tag {
				t.Errorf("%s: names itself %v", step, tag)
			}
			if at := bytes.Index(raw, []byte("ontact:")); step == stepInvite && (at < 0 || at > 500) {
				t.Errorf("%s: Contact at octet %d: an ICMP error quotes 500", step, at)
			}
		}
	}
}

// messages are all requests that are meant to be valid, by step.
func messages(v6 bool) map[string][]byte {
	tmpl := sample(v6)
	tmpl.call, tmpl.cseq = 12, 2
	out := map[string][]byte{}
	for _, step := range []string{
		stepOptions, stepBracket, stepRegister, stepInvite, stepCanary, stepMessage, stepSubscribe, stepCall, stepDeregister,
	} {
		out[step] = tmpl.compose(step)
	}
	tcp := tmpl
	tcp.transport = "tcp"
	out["invite over tcp"] = tcp.compose(stepInvite)
	before := tmpl
	before.tag.Number--
	invite := sip.Parse(before.compose(stepCall))
	response := sip.Parse([]byte("SIP/2.0 200 OK\r\nTo: <sip:x@y>;tag=nonce\r\nContact: <sip:there@203.0.113.10:5060>\r\n\r\n"))
	for i, c := range inCall {
		out[stepCall+"-"+c.name] = tmpl.inDialog(c.method, i+2, &invite, &response)
	}
	out[stepCall+"-ack"] = tmpl.inDialog("ACK", 1, &invite, &response)
	out[stepCancel+"-cancel"] = tmpl.cancel(&invite)
	return out
}

// TestResponses shows that a real stack takes what we answer to a server's requests.
func TestResponses(t *testing.T) {
	request := sip.Parse([]byte("INVITE sip:nofixup@10.0.0.9:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bKa\r\n" +
		"v: SIP/2.0/UDP 203.0.113.11:5060;branch=z9hG4bKb\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x@y\r\n" +
		"CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"))
	for _, status := range []int{180, 200} {
		tmpl := sample(false)
		if status != 200 {
			tmpl.media = 0
		}
		raw := tmpl.respond(status, &request)
		msg, err := sipgosip.ParseMessage(raw)
		if err != nil {
			t.Fatalf("%d: %v\n%s", status, err, raw)
		}
		res, ok := msg.(*sipgosip.Response)
		if !ok || int(res.StatusCode) != status || len(res.GetHeaders("Via")) != 2 {
			t.Errorf("%d: %v", status, msg)
		}
		if tag, _ := wire.FindTag(raw, tmpl.tag.Token); tag != tmpl.tag {
			t.Errorf("%d: names itself %v", status, tag)
		}
		if got := len(res.Body()); (got > 0) != (status == 200) || int(*res.ContentLength()) != got {
			t.Errorf("%d: body of %d octets", status, got)
		}
	}
}

// TestNoCSeq shows that the message breaks the rule that it is meant to break and no other: with a CSeq it is valid.
func TestNoCSeq(t *testing.T) {
	tmpl := sample(false)
	raw := tmpl.compose(stepNoCSeq)
	msg := sip.Parse(raw)
	if msg.Value(sip.HeaderCSeq, 0) != nil {
		t.Fatal("there is a CSeq")
	}
	whole := strings.Replace(string(raw), "Max-Forwards", "CSeq: 1 INVITE\r\nMax-Forwards", 1)
	if _, err := sipgosip.ParseMessage([]byte(whole)); err != nil {
		t.Errorf("with a CSeq: %v", err)
	}
}

// TestAck shows that an acknowledgement is what RFC 3261 17.1.1.3 asks for, and has a number of its own.
func TestAck(t *testing.T) {
	tmpl := sample(false)
	invite := sip.Parse(tmpl.compose(stepInvite))
	response := sip.Parse([]byte("SIP/2.0 486 Busy Here\r\nTo: <sip:x@y>;tag=nonce\r\n\r\n"))
	next := tmpl
	next.tag.Number++
	raw := next.ack(&invite, &response)
	ack := sip.Parse(raw)
	for _, h := range []sip.Header{sip.HeaderVia, sip.HeaderFrom, sip.HeaderCallID} {
		if !bytes.Equal(ack.Value(h, 0), invite.Value(h, 0)) {
			t.Errorf("%v: %q, in the INVITE %q", h, ack.Value(h, 0), invite.Value(h, 0))
		}
	}
	if got := string(ack.Value(sip.HeaderTo, 0)); got != "<sip:x@y>;tag=nonce" {
		t.Errorf("To: %q", got)
	}
	if got := string(ack.Value(sip.HeaderCSeq, 0)); got != "1 ACK" {
		t.Errorf("CSeq: %q", got)
	}
	if tag, _ := wire.FindTag(raw, tmpl.tag.Token); tag != next.tag {
		t.Errorf("names itself %v, want %v", tag, next.tag)
	}
	if _, err := sipgosip.ParseMessage(raw); err != nil {
		t.Error(err)
	}
}

func TestReceived(t *testing.T) {
	for via, want := range map[string]string{
		"SIP/2.0/UDP 10.0.0.9:5060;received=198.51.100.2;rport=5060": "198.51.100.2",
		"SIP/2.0/UDP [fd00::9]:5060;received=[2001:db8::1]":          "2001:db8::1",
		"SIP/2.0/UDP [fd00::9]:5060;received=2001:db8::1":            "2001:db8::1",
		"SIP/2.0/UDP 10.0.0.9:5060;rport":                            "invalid IP",
		"SIP/2.0/UDP 10.0.0.9:5060;received=somewhere":               "invalid IP",
	} {
		if got := received([]byte("SIP/2.0 200 OK\r\nVia: " + via + "\r\n\r\n")); got.String() != want {
			t.Errorf("%s: %s, want %s", via, got, want)
		}
	}
}
