package fixup

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// TestProxy has requests and answers as they come and as they leave the proxy.
// BRANCH stands for a branch of the proxy.
func TestProxy(t *testing.T) {
	branch := regexp.MustCompile(`z9hG4bKf1b0\.[0-9a-f]{32}\.0`)
	for _, tt := range []struct {
		name       string
		in         bool
		sent, want string
	}{
		{
			"request", false,
			"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bKa\r\nMax-Forwards: 70\r\nl: 0\r\n\r\n",
			"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;rport;branch=BRANCH\r\n" +
				"Via: SIP/2.0/UDP 10.0.0.9:5060;rport=5060;branch=z9hG4bKa;received=10.0.0.9\r\nMax-Forwards: 69\r\nl: 0\r\n\r\n",
		},
		{
			"request from outside", true,
			"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.10:5060;RPORT \r\nMax-Forwards: 100\r\nl: 0\r\n\r\n",
			"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;rport;branch=BRANCH\r\n" +
				"Via: SIP/2.0/UDP 203.0.113.10:5060;RPORT=5060;received=203.0.113.10 \r\nMax-Forwards: 99\r\nl: 0\r\n\r\n",
		},
		{
			"INVITE, nothing to tell the client, folded and compact", false,
			"INVITE sip:x SIP/2.0\r\nMAX-forwards : 10\r\nv: SIP/2.0/UDP 10.0.0.9\r\n ;branch=z9hG4bKa\r\nRecord-Route: <sip:a>\r\nl: 2\r\n\r\nab",
			"INVITE sip:x SIP/2.0\r\nRecord-Route: <sip:198.51.100.2:5060;lr>\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;rport;branch=BRANCH\r\n" +
				"MAX-forwards : 9\r\nv: SIP/2.0/UDP 10.0.0.9\r\n ;branch=z9hG4bKa\r\nRecord-Route: <sip:a>\r\nl: 2\r\n\r\nab",
		},
		{
			"another address in Via, two values, no Max-Forwards", false,
			"BYE sip:x SIP/2.0\r\nv: SIP/2.0/UDP 198.51.100.2:5060 ;x=\"a,b\" , SIP/2.0/UDP c;rport\r\nl: 0\r\n\r\n",
			"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;rport;branch=BRANCH\r\nMax-Forwards: 70\r\n" +
				"v: SIP/2.0/UDP 198.51.100.2:5060 ;x=\"a,b\";received=10.0.0.9 , SIP/2.0/UDP c;rport\r\nl: 0\r\n\r\n",
		},
		{
			"answer", true,
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;rport=5060;branch=BRANCH;received=198.51.100.2\r\nVia: SIP/2.0/UDP 10.0.0.9\r\nl: 0\r\n\r\n",
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9\r\nl: 0\r\n\r\n",
		},
		{
			"answer from inside, in one line", false,
			"SIP/2.0 200 OK\r\nv:SIP/2.0/UDP 198.51.100.2:5060;branch=BRANCH,\r\n SIP/2.0/UDP 10.0.0.9\r\nl: 0\r\n\r\n",
			"SIP/2.0 200 OK\r\nv:SIP/2.0/UDP 10.0.0.9\r\nl: 0\r\n\r\n",
		},
		{
			"the Via of a client that knows its public address", true,
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bKa\r\nl: 0\r\n\r\n",
			"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bKa\r\nl: 0\r\n\r\n",
		},
		{"no Via", false, "OPTIONS sip:x SIP/2.0\r\nl: 6\r\n\r\nVia: x", "OPTIONS sip:x SIP/2.0\r\nl: 6\r\n\r\nVia: x"},
		{"no SIP", false, "GET / HTTP/1.1\r\nVia: 1.1 a\r\nl: 0\r\n\r\n", "GET / HTTP/1.1\r\nVia: 1.1 a\r\nl: 0\r\n\r\n"},
		{"keep-alive", false, "\r\n\r\n", "\r\n\r\n"},
	} {
		for _, proto := range []string{"udp", "tcp"} {
			b := newBox(t, Config{Style: "proxy"})
			b.Out(Packet{Proto: proto, Src: insidePort, Dst: outsidePort, Payload: []byte("x")})
			p, pass := Packet{Proto: proto, Src: insidePort, Dst: outsidePort}, b.Out
			if tt.in {
				p, pass = Packet{Proto: proto, Src: outsidePort, Dst: publicPort}, b.In
			}
			text := strings.NewReplacer()
			if proto == "tcp" {
				text = strings.NewReplacer("/UDP", "/TCP", "5060;lr", "5060;transport=tcp;lr")
			}
			p.Payload = []byte(text.Replace(strings.Replace(tt.sent, "BRANCH", branchMark+strings.Repeat("0", 32)+".0", 1)))
			got, ok := pass(p)
			got.Payload = branch.ReplaceAll(got.Payload, []byte("BRANCH"))
			if want := []byte(text.Replace(tt.want)); !ok || !bytes.Equal(got.Payload, want) {
				t.Errorf("%s %s: passed %v\n%s\nwant\n%s", proto, tt.name, ok, show(got.Payload), show(want))
			}
		}
	}
}

// TestProxyBranch: what belongs to one transaction of the client gets one
// branch, what does not another one.
func TestProxyBranch(t *testing.T) {
	b := newBox(t, Config{Style: "proxy"})
	branch := func(method, own string) string {
		p, _ := b.Out(Packet{Proto: "udp", Src: insidePort, Dst: outsidePort, Payload: []byte(
			method + " sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;rport;branch=" + own + "\r\nMax-Forwards: 2\r\n\r\n",
		)})
		_, after, _ := strings.Cut(string(p.Payload), branchMark)
		after, _, _ = strings.Cut(after, "\r\n")
		return after
	}
	first := branch("INVITE", "z9hG4bKa")
	if first == "" || branch("INVITE", "z9hG4bKa") != first || branch("ACK", "z9hG4bKa") != first || branch("INVITE", "z9hG4bKb") == first {
		t.Errorf("branches do not follow the client's: %q", first)
	}
}

// TestProxyLimits: what the proxy does not forward, and what it leaves alone.
func TestProxyLimits(t *testing.T) {
	b := newBox(t, Config{Style: "proxy"})
	last := "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9\r\nMax-Forwards: 0\r\n\r\n"
	if p, ok := b.Out(Packet{Proto: "udp", Src: insidePort, Dst: outsidePort, Payload: []byte(last)}); ok {
		t.Errorf("the last hop: %s", p.Payload)
	}
	six := Packet{Proto: "udp", Src: netip.MustParseAddrPort("[fd00:10::9]:5060"), Dst: netip.MustParseAddrPort("[2001:db8:203::10]:5060")}
	expectPass(t, b, "IPv6", six, last, last)
	other := Packet{Proto: "udp", Src: insidePort, Dst: netip.MustParseAddrPort("203.0.113.10:15060")}
	expectPass(t, b, "another port", other, last, last)
}
