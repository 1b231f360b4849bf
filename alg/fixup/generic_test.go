package fixup

import (
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
	genericAnswer = "SIP/2.0 200 OK\r\nTo: <sip:198.51.100.2:5060>\r\nVia: SIP/2.0/UDP 198.51.100.2\r\nX-Canary: 198.51.100.2\r\n\r\n"
)

// TestGenericStyles has every kind of line that the rows know, and some that
// look like one.
func TestGenericStyles(t *testing.T) {
	dialog := strings.NewReplacer(
		"UDP 10.0.0.9", "UDP 198.51.100.2", "Call-ID: 1@10.0.0.9", "Call-ID: 1@198.51.100.2",
		"sip:10.0.0.9>,", "sip:198.51.100.2>,", "a@10.0.0.9", "a@198.51.100.2")
	session := strings.NewReplacer("IN IP4 10.0.0.9", "IN IP4 198.51.100.2", "Length: 44", "Length: 52")
	noLength := strings.NewReplacer("IN IP4 10.0.0.9", "IN IP4 198.51.100.2")
	back := strings.NewReplacer("To: <sip:198.51.100.2", "To: <sip:10.0.0.9", "UDP 198.51.100.2", "UDP 10.0.0.9")
	for style, want := range map[string][2]string{
		"none":          {genericRequest, genericAnswer},
		"full-headers":  {session.Replace(dialog.Replace(genericRequest)), back.Replace(genericAnswer)},
		"sdp-only":      {session.Replace(genericRequest), genericAnswer},
		"broken-length": {noLength.Replace(genericRequest), genericAnswer},
		"inbound-only":  {genericRequest, back.Replace(genericAnswer)},
	} {
		box, err := NewBox(Config{Style: style})
		if err != nil {
			t.Fatal(err)
		}
		in, public, out := netip.MustParseAddrPort("10.0.0.9:5060"), netip.MustParseAddrPort("198.51.100.2:5060"), netip.MustParseAddrPort("203.0.113.10:5060")
		got, ok := box.Out(Packet{Proto: "udp", Src: in, Dst: out, Payload: []byte(genericRequest)})
		if !ok || string(got.Payload) != want[0] {
			t.Errorf("%s: out: %v\n%s\nwant\n%s", style, ok, got.Payload, want[0])
		}
		got, ok = box.In(Packet{Proto: "udp", Src: out, Dst: public, Payload: []byte(genericAnswer)})
		if !ok || string(got.Payload) != want[1] {
			t.Errorf("%s: in: %v\n%s\nwant\n%s", style, ok, got.Payload, want[1])
		}
	}
}
