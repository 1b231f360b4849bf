package alg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/sip"
)

// crlf gives lines the ends that messages have.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimPrefix(s, "\n"), "\n", "\r\n"))
}

// signMessage is an INVITE with a description; every %s is written by who calls.
func signMessage(via, contact string, more, body string) []byte {
	b := crlf(body)
	return append(crlf(fmt.Sprintf(`INVITE sip:b@example.net SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bK1
%sFrom: <sip:a@example.net>;tag=1
To: <sip:b@example.net>
Call-ID: c@10.0.0.9
CSeq: 1 INVITE
Contact: <sip:a@%s>
Content-Type: application/sdp
Content-Length: %d

`, via, more, contact, len(b))), b...)
}

func signBody(o, c string, lines ...string) string {
	return fmt.Sprintf("v=0\no=- 1 1 IN IP4 %s\ns=-\nc=IN IP4 %s\nt=0 0\nm=audio 4000 RTP/AVP 0\n", o, c) + strings.Join(lines, "")
}

func signsOf(raw []byte, src, dst string) (list []string) {
	m := sip.Parse(raw)
	h := &Heard{
		Path: Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst),
		Call: string(m.Value(sip.HeaderCallID, 0)), Message: &m,
	}
	for _, s := range h.Signs() {
		list = append(list, fmt.Sprintf("%s %s %s", s.Rule.ID, s.Field, s.Confidence))
	}
	return list
}

// What one message shows by itself: a private client's public address is 198.51.100.2.
func TestSigns(t *testing.T) {
	const public, private, nat, server = "198.51.100.2:40060", "10.0.0.9:5060", "198.51.100.2:40060", "203.0.113.5:5060"
	const pub, priv = "198.51.100.2", "10.0.0.9"
	mixed := func(field string, c Confidence) []string {
		return []string{fmt.Sprintf("sign-mixed-addresses %s %s", field, c)}
	}
	multipart := func(length int) []byte {
		body := "--b\nContent-Type: application/sdp\n\n" + signBody(pub, pub) + "--b--\n"
		m := string(signMessage(public, public, "", body))
		m = strings.Replace(m, "application/sdp", "multipart/mixed;boundary=b", 1)
		return []byte(strings.Replace(m, fmt.Sprintf("Content-Length: %d", len(crlf(body))), fmt.Sprintf("Content-Length: %d", length), 1))
	}
	whole := len(crlf(signBody(pub, pub) + "--b--\n"))
	shortened := func(less int, body string) []byte {
		n := len(crlf(body))
		return []byte(strings.Replace(string(signMessage(private, private, "", body)), fmt.Sprintf("Content-Length: %d", n), fmt.Sprintf("Content-Length: %d", n-less), 1))
	}
	for _, tc := range []struct {
		name     string
		raw      []byte
		src, dst string
		want     []string
	}{
		{"all private, seen outside: a NAT", signMessage(private, private, "", signBody(priv, priv)), nat, server, nil},
		{"all public: STUN", signMessage(public, public, "", signBody(pub, pub)), nat, server, nil},
		{"mixed, seen inside: the client's own", signMessage(private, public, "", signBody(priv, pub)), "10.0.0.9:5060", server, nil},
		{"Contact learnt from received=", signMessage(private, public, "", signBody(priv, priv)), nat, server, mixed("via[0].sent-by", Low)},
		{"STUN for media alone", signMessage(private, private, "", signBody(priv, pub)), nat, server, mixed("via[0].sent-by", Low)},
		{"o= left", signMessage(public, public, "", signBody(priv, pub)), nat, server, mixed("sdp.o.address", Low)},
		{"Via rewritten, Contact left", signMessage(public, private, "", signBody(pub, pub)), nat, server, mixed("contact[0].uri.host", Medium)},
		{"the second medium left", signMessage(public, public, "", signBody(pub, pub, "m=video 4002 RTP/AVP 34\n", "c=IN IP4 10.0.0.9\n")), nat, server, mixed("sdp.media[1].c.address", Medium)},
		{"a second medium that is declined", signMessage(public, public, "", signBody(pub, pub, "m=video 0 RTP/AVP 34\n", "c=IN IP4 10.0.0.9\n")), nat, server, mixed("sdp.media[1].c.address", Low)},
		{"a=rtcp left", signMessage(public, public, "", signBody(pub, pub, "a=rtcp:4001 IN IP4 10.0.0.9\n")), nat, server, mixed("sdp.media[0].a[rtcp]", Medium)},
		{"a proxy with a relay", signMessage("203.0.113.5:5060", private, "Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK0\nRecord-Route: <sip:203.0.113.5;lr>\n", signBody(priv, "203.0.113.5")), server, "192.0.2.9:5060", mixed("sdp.o.address", Low)},
		{"ICE as it should be", signMessage(public, public, "", signBody(pub, pub, "a=candidate:1 1 UDP 2130706431 10.0.0.9 4000 typ host\n", "a=candidate:2 1 UDP 1694498815 198.51.100.2 4000 typ srflx raddr 10.0.0.9 rport 4000\n")), nat, server, nil},
		{"ICE, the candidates left", signMessage(public, public, "", signBody(pub, pub, "a=candidate:1 1 UDP 2130706431 10.0.0.9 4000 typ host\n")), nat, server, []string{"sign-ice-mismatch sdp.c.address medium"}},
		{"ICE through a relay", signMessage("203.0.113.5:5060", private, "Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK0\n", signBody("203.0.113.5", "203.0.113.5", "a=candidate:1 1 UDP 2130706431 10.0.0.9 4000 typ host\n")), server, "192.0.2.9:5060", []string{"sign-ice-mismatch sdp.c.address low"}},
		{"ICE, candidates later", []byte(strings.Replace(string(signMessage(public, public, "", signBody(pub, "0.0.0.0", "a=candidate:1 1 UDP 2130706431 10.0.0.9 4000 typ host\n"))), "m=audio 4000", "m=audio 9", 1)), nat, server, []string{"sign-content-length content-length low"}},
		{"ICE, names of mDNS", signMessage(public, public, "", signBody(pub, pub, "a=candidate:1 1 UDP 2130706431 f.local 4000 typ host\n")), nat, server, nil},
		{"ice-mismatch", signMessage(public, public, "", signBody(pub, pub, "a=ice-mismatch\n")), nat, server, []string{"sign-ice-mismatch sdp.media[0].a[ice-mismatch] low"}},
		{"the length of what Linux counts", multipart(whole), nat, server, []string{"sign-content-length content-length high"}},
		{"multipart with the right length", multipart(len(crlf("--b\nContent-Type: application/sdp\n\n" + signBody(pub, pub) + "--b--\n"))), nat, server, nil},
		{"the length from before two addresses grew", shortened(2*(len(pub)-len(priv)), signBody(pub, pub)), nat, server, append(mixed("via[0].sent-by", Low), "sign-content-length content-length medium")},
		{"a length that is wrong", shortened(3, signBody(priv, priv)), nat, server, []string{"sign-content-length content-length low"}},
		{"line ends behind the body", append(signMessage(private, private, "", signBody(priv, priv)), "\r\n\r\n"...), nat, server, nil},
		{"the mark of a FortiGate", signMessage(public, public, "", strings.Replace(signBody(pub, pub), "s=-\n", "s=-\ni=(o=IN IP4 10.0.0.9)\n", 1)), nat, server, []string{"sign-product-mark sdp.i high"}},
		{"another i=", signMessage(public, public, "", strings.Replace(signBody(pub, pub), "s=-\n", "s=-\ni=a seminar\n", 1)), nat, server, nil},
		{"received mapped back, rport not", crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.9:5060;rport=40060;received=10.0.0.9;branch=z9hG4bK1\nCSeq: 1 INVITE\n\n"), server, private, []string{"sign-received-mapped via[0].received high"}},
		{"received, maybe without a NAT", crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.9:5060;rport=5060;received=10.0.0.9;branch=z9hG4bK1\nCSeq: 1 INVITE\n\n"), server, private, []string{"sign-received-mapped via[0].received low"}},
		{"received as a NAT makes it", crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.9:5060;rport=40060;received=198.51.100.2;branch=z9hG4bK1\nCSeq: 1 INVITE\n\n"), server, private, nil},
		{"received within one private network", crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.9:5060;rport=5060;received=10.0.0.9;branch=z9hG4bK1\nCSeq: 1 INVITE\n\n"), "10.0.0.1:5060", private, nil},
	} {
		if got := signsOf(tc.raw, tc.src, tc.dst); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// What an answer has to repeat, and what a second transmission has to be.
func TestAnswerSigns(t *testing.T) {
	const server = "203.0.113.5:5060"
	request := func(m string) string {
		return "INVITE sip:b@example.net SIP/2.0\n" + m
	}
	const rest = "From: <sip:a@10.0.0.9>;tag=1\nTo: <sip:b@example.net>\nCall-ID: c@10.0.0.9\nCSeq: 1 INVITE\n"
	const via = "Via: SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bK1\n"
	heard := func(m string, src, dst string) *Heard {
		p := sip.Parse(crlf(m + "\n"))
		return &Heard{Path: Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Message: &p}
	}
	for _, tc := range []struct {
		name, request, answer string
		want                  []string
	}{
		{"as it should be", via + rest, "Via: SIP/2.0/UDP 10.0.0.9:5060;rport=40060;received=198.51.100.2;branch=z9hG4bK1\n" + strings.Replace(rest, "To: <sip:b@example.net>", "To: <sip:b@example.net>;tag=2", 1), nil},
		{"spelled otherwise", via + rest, "v: SIP/2.0/UDP 10.0.0.9;rport=40060;branch=z9hG4bK1\n" + strings.Replace(strings.Replace(rest, "To: <sip:b@example.net>", "t: \"B\" <sip:b@EXAMPLE.net:5060>;tag=2", 1), "From: ", "f:", 1), nil},
		{"Via", via + rest, "Via: SIP/2.0/UDP 198.51.100.2:40060;rport=40060;branch=z9hG4bK1\n" + rest, []string{"via[0].sent-by high"}},
		{"the port in Via", via + rest, "Via: SIP/2.0/UDP 10.0.0.9:40060;rport=40060;branch=z9hG4bK1\n" + rest, []string{"via[0].sent-by high"}},
		{"a name in Via", strings.Replace(via, "10.0.0.9:5060", "a.example.net", 1) + rest, strings.Replace(via, "10.0.0.9:5060", "b.example.net", 1) + rest, []string{"via[0].sent-by medium"}},
		{"a Via that is gone", via + "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK0\n" + rest, via + rest, []string{"via medium"}},
		{"From", via + rest, via + strings.Replace(rest, "a@10.0.0.9", "a@198.51.100.2", 1), []string{"from.uri.host high"}},
		{"the port in From", via + rest, via + strings.Replace(rest, "a@10.0.0.9>", "a@10.0.0.9:40060>", 1), []string{"from.uri.port medium"}},
		{"To", via + rest, via + strings.Replace(rest, "b@example.net", "b@198.51.100.2", 1), []string{"to.uri.host high"}},
		{"Call-ID", via + rest, via + strings.Replace(rest, "c@10.0.0.9", "c@198.51.100.2", 1), []string{"call-id high"}},
	} {
		q := heard(request(tc.request), "10.0.0.9:5060", server)
		a := heard("SIP/2.0 200 OK\n"+tc.answer, server, "10.0.0.9:5060")
		var got []string
		for _, s := range a.AnswerSigns(q) {
			got = append(got, fmt.Sprintf("%s %s", s.Field, s.Confidence))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}

	q := heard(request(strings.Replace(via, ";rport", "", 1)+rest), "10.0.0.9:40000", server)
	filled := strings.Replace(via, "rport", "rport=40060", 1) + rest
	if s, ok := heard("SIP/2.0 200 OK\n"+filled, server, "10.0.0.9:5060").RedirectSign(q); ok {
		t.Errorf("nobody asked with rport: %+v", s)
	}
	q = heard(request(via+rest), "10.0.0.9:40000", server)
	for _, tc := range []struct {
		answer, dst string
		want        Confidence
	}{
		{filled, "10.0.0.9:40000", ""},
		{filled, "10.0.0.9:5060", High},
		{strings.Replace(via, "rport", "rport=40000", 1) + rest, "10.0.0.9:5060", Medium},
		{via + rest, "10.0.0.9:5060", ""}, // a server that knows nothing of rport
		{filled, "10.0.0.7:5060", ""},     // somebody else's
	} {
		if s, _ := heard("SIP/2.0 200 OK\n"+tc.answer, server, tc.dst).RedirectSign(q); s.Confidence != tc.want {
			t.Errorf("%s, %s: %q, want %q", tc.answer, tc.dst, s.Confidence, tc.want)
		}
	}

	again := func(m string) (fields []string) {
		for _, s := range heard(request(m), "10.0.0.9:5060", server).RepetitionSigns(heard(request(via+rest), "10.0.0.9:5060", server)) {
			fields = append(fields, s.Field)
		}
		return fields
	}
	if got := again(via + rest); got != nil {
		t.Errorf("the same: %v", got)
	}
	if got := again(via + rest + "Timestamp: 2\n"); got != nil {
		t.Errorf("another timestamp: %v", got)
	}
	if got := again(strings.Replace(via, "10.0.0.9", "198.51.100.2", 1) + rest); !slices.Equal(got, []string{"via[0].sent-by"}) {
		t.Errorf("another Via: %v", got)
	}
}

// A sign is a warning at most, and one that something harmless explains is for information; none changes the verdict.
func TestSignFindings(t *testing.T) {
	for _, tc := range []struct {
		first, then Confidence
		severity    Severity
	}{{Low, Low, Info}, {Low, High, Warning}, {High, Low, Warning}, {Medium, Medium, Warning}} {
		var j Judge
		for _, c := range []Confidence{tc.first, tc.then} {
			j.AddSign(&Sign{Rule: &signMixedAddresses, Confidence: c, Count: 1, Evidence: string(c), Path: Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}})
		}
		r := j.Report()
		if len(r.Findings) != 1 || r.Findings[0].Severity != tc.severity || r.Findings[0].Count != 2 || r.Fault() || r.Verdict != OverallInconclusive {
			t.Errorf("%s and %s: %s, %+v", tc.first, tc.then, r.Verdict, r.Findings)
		}
	}
}
