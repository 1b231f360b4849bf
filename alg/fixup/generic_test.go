package fixup

import (
	"io"
	"net/netip"
	"strings"
	"testing"
)

const (
	genericRequest = "INVITE sip:10.0.0.90 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 10.0.0.9:5060;branch=x\r\n" +
		"v: SIP/2.0/UDP 10.0.0.9:7000\r\n" +
		"To: <sip:10.0.0.9>\r\n" +
		"Call-ID: 1@10.0.0.9\r\n" +
		"Contact: <sip:10.0.0.9>, <sip:a@10.0.0.9:5060>, <sip:110.0.0.9>\r\n" +
		"X-Canary: 10.0.0.9\r\n" +
		"Content-Length: 44\r\n" +
		"\r\n" +
		"o=- 1 1 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\n"
	genericAnswer = "SIP/2.0 200 OK\r\nTo: <sip:198.51.100.2:5060>\r\nVia: SIP/2.0/UDP 198.51.100.2\r\nX-Canary: 198.51.100.2\r\nl:0\r\n\r\n"
)

// TestGenericStyles has every kind of line that the rows know, and some that
// look like one.
func TestGenericStyles(t *testing.T) {
	dialog := strings.NewReplacer(
		"UDP 10.0.0.9", "UDP 198.51.100.2", "To: <sip:10.0.0.9", "To: <sip:198.51.100.2", "Call-ID: 1@10.0.0.9", "Call-ID: 1@198.51.100.2",
		"sip:10.0.0.9>,", "sip:198.51.100.2>,", "a@10.0.0.9", "a@198.51.100.2")
	session := strings.NewReplacer("IN IP4 10.0.0.9", "IN IP4 198.51.100.2", "Length: 44", "Length: 52")
	noLength := strings.NewReplacer("IN IP4 10.0.0.9", "IN IP4 198.51.100.2")
	back := strings.NewReplacer("To: <sip:198.51.100.2", "To: <sip:10.0.0.9", "UDP 198.51.100.2", "UDP 10.0.0.9")
	all, allBack := strings.NewReplacer("10.0.0.90", "10.0.0.90", "110.0.0.9", "110.0.0.9", "10.0.0.9", "198.51.100.2"), strings.NewReplacer("198.51.100.2", "10.0.0.9")
	for style, want := range map[string][2]string{
		"none":          {genericRequest, genericAnswer},
		"full-headers":  {session.Replace(dialog.Replace(genericRequest)), back.Replace(genericAnswer)},
		"sdp-only":      {session.Replace(genericRequest), genericAnswer},
		"broken-length": {noLength.Replace(genericRequest), genericAnswer},
		"inbound-only":  {genericRequest, back.Replace(genericAnswer)},
		"replace":       {all.Replace(genericRequest), allBack.Replace(genericAnswer)},
	} {
		for _, proto := range []string{"udp", "tcp"} {
			box := newBox(t, Config{Style: style})
			expectPass(t, box, proto+" "+style, Packet{Proto: proto, Src: insidePort, Dst: outsidePort}, genericRequest, want[0])
			expectPass(t, box, proto+" "+style, Packet{Proto: proto, Src: outsidePort, Dst: publicPort}, genericAnswer, want[1])

			// Another port is of interest to one style only.
			box = newBox(t, Config{Style: style})
			elsewhere := netip.AddrPortFrom(outsidePort.Addr(), 15060)
			same := [2]string{genericRequest, genericAnswer}
			if box.Style().Everywhere {
				same = want
			}
			expectPass(t, box, proto+" "+style+" 15060", Packet{Proto: proto, Src: insidePort, Dst: elsewhere}, genericRequest, same[0])
			expectPass(t, box, proto+" "+style+" 15060", Packet{Proto: proto, Src: elsewhere, Dst: publicPort}, genericAnswer, same[1])
		}
	}
}

// TestAdjacent: a replacement that is shorter does not hide what follows it.
func TestAdjacent(t *testing.T) {
	for style, want := range map[string]string{
		"inbound-only": "SIP/2.0 200 OK\r\nVia: 10.0.0.9,10.0.0.9,10.0.0.9\r\n\r\n",
		"replace":      "SIP/2.0 200 OK\r\nVia: 10.0.0.9,10.0.0.9,10.0.0.9\r\n\r\n",
	} {
		b := newBox(t, Config{Style: style})
		b.Out(Packet{Proto: "udp", Src: insidePort, Dst: outsidePort})
		expectPass(t, b, style, Packet{Proto: "udp", Src: outsidePort, Dst: publicPort}, strings.ReplaceAll(want, "10.0.0.9", "198.51.100.2"), want)
	}
}

// expectPass sends one payload through the box, towards whichever side it is
// for, and checks what leaves.
func expectPass(t *testing.T, b *Box, what string, p Packet, sent, want string) {
	t.Helper()
	pass, way := b.In, "in"
	if b.inside[p.Src.Addr()] {
		pass, way = b.Out, "out"
	}
	p.Payload = []byte(sent)
	if got, ok := pass(p); !ok || string(got.Payload) != want {
		t.Errorf("%s, %s: passed %v\n%s\nwant\n%s", what, way, ok, show(got.Payload), show([]byte(want)))
	}
}

// TestSegments: on TCP what is whole in a segment is treated, and nothing else
// but by the style that knows no messages.
func TestSegments(t *testing.T) {
	const (
		private = "INVITE sip:x SIP/2.0\r\nl: 19\r\n\r\nc=IN IP4 10.0.0.9\r\n"
		public  = "INVITE sip:x SIP/2.0\r\nl: 23\r\n\r\nc=IN IP4 198.51.100.2\r\n"
		stale   = "INVITE sip:x SIP/2.0\r\nl: 19\r\n\r\nc=IN IP4 198.51.100.2\r\n"
		head    = "INVITE sip:x SIP/2.0\r\nl: 19\r\n\r\n"
		body    = "c=IN IP4 10.0.0.9\r\n"
		endless = "INVITE sip:x SIP/2.0\r\n\r\n" + body
		other   = "POST / HTTP/1.1\r\nContent-Length: 19\r\n\r\n" + body
	)
	for _, tt := range []struct{ style, sent, want string }{
		{"sdp-only", private, public},
		{"sdp-only", private + private, public + public},
		{"sdp-only", "\r\n\r\n" + private + "\r\n" + private + "\r\n", "\r\n\r\n" + public + "\r\n" + public + "\r\n"},
		{"sdp-only", private + head, public + head},
		{"sdp-only", head, head},
		{"sdp-only", head + body[:18], head + body[:18]},
		{"sdp-only", body, body},
		{"sdp-only", body + private, body + private},
		{"sdp-only", endless, endless},
		{"sdp-only", private + endless + private, public + endless + private},
		{"sdp-only", other, other},
		{"sdp-only", strings.Replace(private, "19", "99999999999", 1), strings.Replace(private, "19", "99999999999", 1)},
		{"broken-length", private + private, stale + stale},
		{"full-headers", "BYE sip:x SIP/2.0\r\nt: <sip:10.0.0.9>\r\nl: 0\r\n\r\n", "BYE sip:x SIP/2.0\r\nt: <sip:198.51.100.2>\r\nl: 0\r\n\r\n"},
		{"replace", head, head},
		{"replace", body, "c=IN IP4 198.51.100.2\r\n"},
		{"replace", "c=IN IP4 10.0.", "c=IN IP4 10.0."},
		{"replace", "10.0.0.9 10.0.0.9:7 x10.0.0.9 10.0.0.90 10.0.0.9", "198.51.100.2 198.51.100.2:7 x10.0.0.9 10.0.0.90 198.51.100.2"},
	} {
		expectPass(t, newBox(t, Config{Style: tt.style}), tt.style, Packet{Proto: "tcp", Src: insidePort, Dst: outsidePort}, tt.sent, tt.want)
	}
}

// TestStreamChangesLength: the receiver reads the stream that the box made,
// whatever its lengths, and replies find their way back.
func TestStreamChangesLength(t *testing.T) {
	const private, public = "OPTIONS sip:x SIP/2.0\r\nf: <sip:10.0.0.9>\r\nl: 0\r\n\r\n", "OPTIONS sip:x SIP/2.0\r\nf: <sip:198.51.100.2>\r\nl: 0\r\n\r\n"
	client, server := connected(t, newNetwork(t, Config{Style: "full-headers"}), ":5060", "5060")
	io.WriteString(client, private+private[:20])
	io.WriteString(client, private[20:])
	io.WriteString(client, private)
	client.(*conn).CloseWrite()
	if got, err := io.ReadAll(server); string(got) != public+private+public || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	io.WriteString(server, public)
	server.Close()
	if got, err := io.ReadAll(client); string(got) != private || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
