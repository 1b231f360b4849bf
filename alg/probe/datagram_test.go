package probe

import (
	"net/netip"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

func sizeTemplate(own string) *template {
	return &template{
		tag: wire.Tag{Number: 999}, own: netip.MustParseAddrPort(own), server: netip.MustParseAddr("203.0.113.10"), media: 20000,
		agent: "nofixup/test", transport: "udp",
	}
}

// TestLarge shows that messages have exactly the size that is asked for, and are SIP with the same body as a small one.
func TestLarge(t *testing.T) {
	for _, own := range []string{"10.0.0.9:5060", "[2001:db8:1234:5678:9abc:def0:1234:5678]:50600"} {
		for octets := 1100; octets < 1700; octets++ {
			raw := sizeTemplate(own).large(octets)
			msg := sip.Parse(raw)
			if len(raw) != octets || string(msg.Method()) != "INVITE" {
				t.Fatalf("%d octets, want %d:\n%s", len(raw), octets, raw)
			}
		}
		for _, s := range sizes {
			raw := sizeTemplate(own).large(s.octets)
			framer := newFramer(alg.ProtoSIP)
			if n, message, err := framer.next(raw); len(raw) != s.octets || n != s.octets || !message || err != nil {
				t.Errorf("%s: %d octets, framed %d, %v, %v", s.name(), len(raw), n, message, err)
			}
		}
	}
}

// TestSTUN shows that the Binding request is as RFC 8489 has it, and that the reflector knows whose it is.
func TestSTUN(t *testing.T) {
	x := sizeTemplate("10.0.0.9:5060")
	raw := x.stun()
	if len(raw)%4 != 0 || int(raw[2])<<8|int(raw[3]) != len(raw)-20 {
		t.Errorf("%d octets, length %x", len(raw), raw[2:4])
	}
	if string(raw[:2]) != "\x00\x01" || string(raw[4:8]) != "\x21\x12\xa4\x42" || string(raw[20:22]) != "\x80\x22" {
		t.Errorf("% x", raw[:24])
	}
	if n := int(raw[22])<<8 | int(raw[23]); n != len("nofixup/test ")+wire.TagLen || (n+3)/4*4 != len(raw)-24 {
		t.Errorf("SOFTWARE of %d octets in %d", n, len(raw))
	}
	if tag, ok := wire.FindTag(raw, x.tag.Token); !ok || tag.Number != 999 {
		t.Errorf("tag %v %v", tag, ok)
	}
}

// TestRefused shows which ICMP errors count for a path: those that quote a message of ours on it, or too little to tell.
func TestRefused(t *testing.T) {
	token := wire.Token{1, 2, 3}
	mine := func(n uint32) []byte { return wire.Tag{Token: token, Number: n}.Append([]byte("OPTIONS sip:")) }
	target := netip.MustParseAddrPort("203.0.113.10:5060")
	long := make([]byte, minQuote)
	for _, tc := range []struct {
		name   string
		e      icmpError
		trials int
		notes  int
	}{
		{"quotes a message", icmpError{to: target, quoted: mine(1)}, 1, 0},
		{"quotes a message, its addresses rewritten", icmpError{to: netip.MustParseAddrPort("192.0.2.1:1"), quoted: mine(1)}, 1, 0},
		{"quotes one that was never sent", icmpError{to: target, quoted: mine(7)}, 0, 0},
		{"quotes one of another socket", icmpError{to: target, quoted: mine(2)}, 0, 0},
		{"quotes no octets of it", icmpError{to: target}, 1, 0},
		{"quotes no octets, of another destination", icmpError{to: netip.MustParseAddrPort("192.0.2.1:5060")}, 0, 0},
		{"quotes another session's", icmpError{to: target, quoted: wire.Tag{Token: wire.Token{9}, Number: 1}.Append(long)}, 0, 0},
		{"quotes something else", icmpError{to: target, quoted: long}, 0, 0},
		{"too big", icmpError{to: target, quoted: mine(1), by: target.Addr(), tooBig: true, nextMTU: 1400}, 0, 1},
	} {
		number := uint32(0)
		r := &runner{ledger: newLedger(token, func() uint32 { number++; return number })}
		r.session = &wire.Session{Grant: wire.Grant{Token: token}}
		socket, other := new(datagrams), new(datagrams)
		f := &flow{plan: PlannedFlow{Target: target, Path: alg.Path{Proto: alg.ProtoSIP, Transport: "udp", Family: 4, Port: 5060}}}
		f.udp = &link{flow: f, socket: socket}
		r.flows = []*flow{nil, f}
		r.ledger.add(&sent{number: 1, link: f.udp, at: time.Now()})
		r.ledger.add(&sent{number: 2, link: &link{flow: f, socket: other}})
		for range 3 { // the same again is the same
			r.refused(socket, tc.e)
		}
		if len(r.trials) != tc.trials || len(r.notes) != tc.notes {
			t.Errorf("%s: trials %+v, notes %q", tc.name, r.trials, r.notes)
		}
	}
}
