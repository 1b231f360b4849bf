package fixup

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	insideH225  = netip.MustParseAddrPort("10.0.0.9:40001")
	outsideH225 = netip.MustParseAddrPort("203.0.113.10:1720")
)

func h323Vectors(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/linux-h323/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	return files
}

func h323Vector(t testing.TB, name string) vector {
	t.Helper()
	return readVector(t, filepath.Join("testdata/linux-h323", name+".txt"))
}

// line is a TCP connection of a vector.
type line struct {
	outer, inner net.Conn
}

// TestH323Streams takes the vectors through the hosts of a network: every step
// over TCP is a Write, connections from outside go to where they are expected.
func TestH323Streams(t *testing.T) {
	for _, file := range h323Vectors(t) {
		v := readVector(t, file)
		if v.mode != "alg" || len(v.nat) > 0 || strings.Contains(file, "-again") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { replayStreams(t, v) })
		})
	}
}

func replayStreams(t *testing.T, v vector) {
	n, err := New(Config{Style: "linux", Latency: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	lines := make(map[netip.AddrPort]*line) // by the end outside
	for i, s := range v.steps {
		out := n.Inside().owns(s.src.Addr())
		if s.proto == "udp" {
			if s.dropped {
				continue
			}
			from, to := n.Outside(), n.Inside()
			if out {
				from, to = to, from
			}
			got := datagramThrough(t, from, to, s)
			if !bytes.Equal(got, s.got) {
				t.Errorf("step %d: %x, the kernel: %x", i+1, got, s.got)
			}
			continue
		}
		at := s.src
		if out {
			at = s.dst
		}
		l := lines[at]
		if l == nil {
			l = &line{}
			lines[at] = l
			from, to, dst, listen := n.Outside(), n.Inside(), s.dst, s.to
			near, far := &l.outer, &l.inner
			if out {
				from, to, near, far = to, from, far, near
			}
			ln, err := to.Listen(t.Context(), "tcp", listen.String())
			if err != nil {
				t.Fatal(err)
			}
			if *near, err = from.DialContext(t.Context(), "tcp", s.src.String(), dst.String()); err != nil {
				t.Fatalf("step %d: %v", i+1, err)
			}
			if *far, err = ln.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		from, to := l.outer, l.inner
		if out {
			from, to = to, from
		}
		if _, err := from.Write(s.sent); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		got := make([]byte, len(s.got))
		if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, s.got) {
			t.Errorf("step %d: %v\n%x\nthe kernel:\n%x", i+1, err, got, s.got)
		}
	}
}

func datagramThrough(t *testing.T, from, to *Host, s step) []byte {
	t.Helper()
	ctx := context.Background()
	far, err := to.ListenPacket(ctx, "udp", s.to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := from.ListenPacket(ctx, "udp", s.src.String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	if _, err := near.WriteTo(s.sent, net.UDPAddrFromAddrPort(s.dst)); err != nil {
		t.Fatal(err)
	}
	_ = far.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, maxDatagram)
	k, _, err := far.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:k]
}

// TestH323OtherStyles: they know nothing of H.323.
func TestH323OtherStyles(t *testing.T) {
	v := h323Vector(t, "setup-12")
	grq := h323Vector(t, "grq")
	for _, style := range Styles() {
		b := newBox(t, Config{Style: style.Name})
		for _, s := range []step{v.steps[0], grq.steps[0]} {
			got, ok := b.Out(Packet{Proto: s.proto, Src: s.src, Dst: s.dst, Payload: bytes.Clone(s.sent)})
			want := s.sent
			if style.h323 {
				want = s.got
			}
			if !ok || !bytes.Equal(got.Payload, want) {
				t.Errorf("%s: %v, %x", style.Name, ok, got.Payload)
			}
		}
	}
}

// TestH245PortTaken: an address for H.245 that another call has announced gets
// another public port, at random, and the connection to it gets through.
func TestH245PortTaken(t *testing.T) {
	b := newBox(t, Config{Style: "linux", Seed: 1})
	s := h323Vector(t, "facility-h245").steps[0]
	ports := make(map[string]bool)
	for i := range uint16(3) {
		src := netip.AddrPortFrom(insideH225.Addr(), insideH225.Port()+i)
		got, ok := b.Out(Packet{Proto: "tcp", Src: src, Dst: outsideH225, Payload: bytes.Clone(s.sent)})
		at := bytes.Index(got.Payload, []byte{198, 51, 100, 2})
		if !ok || at < 0 || len(got.Payload) != len(s.sent) {
			t.Fatalf("call %d: %v, %x", i, ok, got.Payload)
		}
		port := uint16(got.Payload[at+4])<<8 | uint16(got.Payload[at+5])
		ports[string(got.Payload[at+4:at+6])] = true
		if i == 0 && port != 41000 || port < 41000 {
			t.Errorf("call %d: port %d", i, port)
		}
		in, ok := b.In(Packet{
			Proto: "tcp", Open: true, Src: netip.MustParseAddrPort("203.0.113.10:40101"),
			Dst: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.2"), port),
		})
		if !ok || in.Dst.String() != "10.0.0.9:41000" {
			t.Errorf("call %d: connection %v to %v", i, ok, in.Dst)
		}
		// The one that got through is not expected any more: announce it again.
		b.Out(Packet{Proto: "tcp", Src: src, Dst: outsideH225, Payload: bytes.Clone(s.sent)})
	}
	if len(ports) != 3 {
		t.Errorf("%d ports for 3 calls", len(ports))
	}
}

// TestExpectedLifeH323: the way in is open for four minutes.
func TestExpectedLifeH323(t *testing.T) {
	for _, name := range []string{"facility-h245", "rrq"} {
		for _, tt := range []struct {
			after time.Duration
			open  bool
		}{{lifeExpectedH323 - time.Second, true}, {lifeExpectedH323 + time.Second, false}} {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t, Config{Style: "linux"})
				s := h323Vector(t, name).steps[0]
				b.Out(Packet{Proto: s.proto, Src: s.src, Dst: s.dst, Payload: bytes.Clone(s.sent)})
				if s.proto == "udp" { // the flow itself must live as long
					for range 10 {
						time.Sleep(tt.after / 10)
						b.Out(Packet{Proto: s.proto, Src: s.src, Dst: s.dst, Payload: []byte{0xFF}})
					}
				} else {
					time.Sleep(tt.after)
				}
				port := uint16(41000)
				if s.proto == "udp" {
					port = 1720
				}
				_, ok := b.In(Packet{
					Proto: "tcp", Open: true, Src: netip.MustParseAddrPort("203.0.113.10:40101"),
					Dst: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.2"), port),
				})
				if ok != tt.open {
					t.Errorf("%s after %v: %v", name, tt.after, ok)
				}
			})
		}
	}
}

// TestBitmap: the bits as they are, but for those that end with the fourth
// octet and do not begin with the first one.
func TestBitmap(t *testing.T) {
	octets := []byte{0xA5, 0x3C, 0x96, 0x0F, 0xE1, 0x77}
	all := uint64(0xA53C960FE177) << 16
	for bit := range 8 {
		for n := range 33 {
			r := bitReader{b: octets, end: len(octets), bit: bit}
			want := uint32(all << bit >> 32)
			if bit+n == 32 {
				want = uint32(all >> 32)
			}
			want &= ^uint32(0) << (32 - n)
			if got := r.bitmap(n); got != want || r.cur*8+r.bit != bit+n {
				t.Errorf("%d bits from %d: %08x, want %08x; then at %d.%d", n, bit, got, want, r.cur, r.bit)
			}
		}
	}
}

// FuzzH323: whatever octets come in, nothing panics, nothing is read beyond
// them, nothing gets another length, and what is rewritten is an address of the
// packet.
func FuzzH323(f *testing.F) {
	for _, file := range h323Vectors(f) {
		for _, s := range readVector(f, file).steps {
			f.Add(s.sent)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > maxDatagram {
			return
		}
		for _, s := range []*shape{tUserInformation, tControl, tRAS} {
			decode(payload, 0, len(payload), s)
			decode(payload, 0, len(payload)/2, s)
		}
		for _, h := range []helper{helperQ931, helperH245, helperRAS} {
			for _, out := range []bool{true, false} {
				b := newBox(t, Config{Style: "linux"})
				public := netip.AddrPortFrom(b.public, insideH225.Port())
				flow := &flow{proto: "tcp", inside: insideH225, public: public, outside: outsideH225, helper: h}
				m := &message{
					box: b, flow: flow, now: time.Now(), out: out, reply: !out,
					src: insideH225, dst: outsideH225, newSrc: public, newDst: outsideH225, buf: bytes.Clone(payload),
				}
				if !out {
					m.src, m.newSrc, m.dst, m.newDst = outsideH225, outsideH225, public, insideH225
				}
				b.style.handle(m)
				if len(m.buf) != len(payload) {
					t.Errorf("%d: %d octets become %d", h, len(payload), len(m.buf))
				}
				source, destination := m.newSrc.Addr().AsSlice(), m.newDst.Addr().AsSlice()
				if !bytes.Equal(m.buf, payload) && !bytes.Contains(m.buf, source) && !bytes.Contains(m.buf, destination) {
					t.Errorf("%d: rewritten, but not to an address of the packet: %x", h, m.buf)
				}
			}
		}
	})
}
