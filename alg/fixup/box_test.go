package fixup

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	insidePort  = netip.MustParseAddrPort("10.0.0.9:5060")
	publicPort  = netip.MustParseAddrPort("198.51.100.2:5060")
	outsidePort = netip.MustParseAddrPort("203.0.113.10:5060")
)

func newBox(t testing.TB, cfg Config) *Box {
	t.Helper()
	b, err := NewBox(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func invite(port int) []byte {
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\nc=IN IP4 10.0.0.9\r\nm=audio %d RTP/AVP 0\r\n", port)
	return fmt.Appendf(nil, "INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: %d\r\n\r\n%s", len(sdp), sdp)
}

// TestPinholeLife: the way in for media is open for three minutes.
func TestPinholeLife(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		open  bool
	}{{lifeExpected - time.Second, true}, {lifeExpected + time.Second, false}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, Config{Style: "linux"})
			if _, ok := b.Out(Packet{Proto: "udp", Src: insidePort, Dst: outsidePort, Payload: invite(20000)}); !ok {
				t.Fatal("INVITE dropped")
			}
			time.Sleep(tt.after)
			rtp := Packet{
				Proto: "udp", Src: netip.MustParseAddrPort("203.0.113.10:7000"),
				Dst: netip.MustParseAddrPort("198.51.100.2:20000"), Payload: []byte("rtp"),
			}
			got, ok := b.In(rtp)
			if ok != tt.open || ok && got.Dst.String() != "10.0.0.9:20000" {
				t.Errorf("after %v: %v, %v", tt.after, got.Dst, ok)
			}
			// One datagram takes the pinhole: the next port is not let in.
			rtp.Src = netip.MustParseAddrPort("203.0.113.10:7001")
			if _, ok := b.In(rtp); ok {
				t.Errorf("a second source port got in")
			}
		})
	}
}

// TestSecondRegistration: a Contact that another flow has registered gets
// another public port, at random.
func TestSecondRegistration(t *testing.T) {
	b := newBox(t, Config{Style: "linux", Seed: 1})
	var contacts []string
	for port := range uint16(3) {
		got, ok := b.Out(Packet{
			Proto: "udp", Src: netip.AddrPortFrom(insidePort.Addr(), 40000+port), Dst: outsidePort,
			Payload: []byte("REGISTER sip:x SIP/2.0\r\nCSeq: 1 REGISTER\r\nContact: <sip:10.0.0.9:5070>;expires=60\r\n\r\n"),
		})
		_, contact, _ := strings.Cut(string(got.Payload), "Contact: <sip:198.51.100.2:")
		contact, _, _ = strings.Cut(contact, ">")
		if !ok || contact == "" {
			t.Fatalf("flow %d: %v, %s", port, ok, got.Payload)
		}
		contacts = append(contacts, contact)
	}
	if contacts[0] != "5070" || contacts[1] == "5070" || contacts[2] == "5070" || contacts[1] == contacts[2] {
		t.Errorf("ports %v", contacts)
	}
}

// TestBoxForgets: flows that are over leave nothing behind.
func TestBoxForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, Config{Style: "linux"})
		for round := range 5 {
			for port := range 2000 {
				src := netip.AddrPortFrom(insidePort.Addr(), uint16(10000+port))
				if _, ok := b.Out(Packet{Proto: "udp", Src: src, Dst: outsidePort, Payload: invite(20000 + 2*port)}); !ok {
					t.Fatalf("round %d: INVITE %d dropped", round, port)
				}
			}
			time.Sleep(2 * lifeLinux)
		}
		if len(b.flows) > 2*4001 || len(b.publics) > 4001 || len(b.expected) > 2*4001 {
			t.Errorf("%d flows, %d mappings, %d expectations", len(b.flows), len(b.publics), len(b.expected))
		}
		for _, f := range b.flows {
			b.drop(f)
		}
		if n := len(b.flows) + len(b.publics) + len(b.owner) + len(b.users) + len(b.expected); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

// TestMessageTooLong: a replacement that does not fit into a datagram drops it.
func TestMessageTooLong(t *testing.T) {
	b := newBox(t, Config{Style: "linux"})
	head := "OPTIONS sip:x SIP/2.0\r\nContact: <sip:10.0.0.9:5060>\r\n\r\n"
	for size, want := range map[int]bool{maxDatagram - 4: true, maxDatagram - 3: false} {
		p := Packet{Proto: "udp", Src: insidePort, Dst: outsidePort, Payload: append([]byte(head), make([]byte, size-len(head))...)}
		if got, ok := b.Out(p); ok != want || ok && len(got.Payload) != maxDatagram {
			t.Errorf("%d octets: %v, %d", size, ok, len(got.Payload))
		}
	}
}

// FuzzBox: whatever passes, nothing panics, nothing grows beyond a datagram,
// and plain translation changes nothing.
func FuzzBox(f *testing.F) {
	files, _ := filepath.Glob("testdata/linux/*.txt")
	if len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, file := range files {
		for _, s := range readVector(f, file).steps {
			f.Add(s.sent)
		}
	}
	f.Add([]byte(genericRequest + "\r\n\r\n" + genericAnswer))
	f.Add([]byte("INVITE sip:x SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.9 ;x=\"a,b\";rport , SIP/2.0/UDP c\r\nMax-Forwards: 70\r\nl: 1\r\n\r\nx"))
	f.Add([]byte("x 198.51.100.2"))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.2:5060;branch=" + branchMark + "\r\n , b\r\nl:0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > maxDatagram {
			return
		}
		for _, style := range Styles() {
			for _, proto := range []string{"udp", "tcp"} {
				b := newBox(t, Config{Style: style.Name})
				b.Out(Packet{Proto: proto, Src: insidePort, Dst: outsidePort, Payload: []byte("x")})
				out, ok := b.Out(Packet{Proto: proto, Src: insidePort, Dst: outsidePort, Payload: bytes.Clone(payload)})
				in, ok2 := b.In(Packet{Proto: proto, Src: outsidePort, Dst: publicPort, Payload: bytes.Clone(payload)})
				if proto == "udp" && (len(out.Payload) > maxDatagram || len(in.Payload) > maxDatagram) {
					t.Errorf("%s: %d and %d octets", style.Name, len(out.Payload), len(in.Payload))
				}
				if style.Name == "none" && (!ok || !ok2 || !bytes.Equal(out.Payload, payload) || !bytes.Equal(in.Payload, payload)) {
					t.Errorf("plain translation changed %q", payload)
				}
				if style.Name == "inbound-only" && (!ok || !bytes.Equal(out.Payload, payload)) {
					t.Errorf("what leaves was changed: %q", payload)
				}
				if style.Name == "sdp-only" && (!ok2 || !bytes.Equal(in.Payload, payload)) {
					t.Errorf("what comes in was changed: %q", payload)
				}
			}
		}
	})
}
