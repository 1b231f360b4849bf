package capture

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"nofixup/alg"
	"nofixup/alg/media"
)

// duo is what is seen on both sides of a box. Times are in ms by the clock of the inside.
type duo struct {
	in, out *scene
	clock   int64 // by how much the outside's is ahead
	took    int64 // ms that every packet takes
}

func newDuo(t *testing.T) *duo {
	return &duo{in: &scene{t: t}, out: &scene{t: t}, took: 1}
}

// goes and comes are one datagram on its way out, or in, as both sides see it; either octets may be nil.
func (d *duo) goes(at int64, src, as, dst netip.AddrPort, sent, got []byte) {
	if sent != nil {
		d.in.send(at, src, dst, sent)
	}
	if got != nil {
		d.out.send(at+d.clock+d.took, as, dst, got)
	}
}

func (d *duo) comes(at int64, src, as, dst netip.AddrPort, sent, got []byte) {
	if sent != nil {
		d.out.send(at+d.clock, src, as, sent)
	}
	if got != nil {
		d.in.send(at+d.took, src, dst, got)
	}
}

// quiet makes the captures begin and end at these times.
func (d *duo) quiet(from, to int64) {
	for _, at := range []int64{from, to} {
		d.in.send(at, alice, bob, []byte("\r\n\r\n"))
		d.out.send(at+d.clock, nat, bob, []byte("\r\n\r\n"))
	}
}

// call is the signalling of a call by the phone inside, answered after 200 ms.
func (d *duo) call(id string, at, end int64, near, far netip.AddrPort) {
	out := func(at int64, m []byte) { d.goes(at, alice, nat, bob, m, m) }
	in := func(at int64, m []byte) { d.comes(at, bob, nat, alice, m, m) }
	out(at, says(invite, id, "1 INVITE", alice, body(near)))
	in(at+200, says(ok200, id, "1 INVITE", alice, body(far)))
	out(at+220, says("ACK sip:b@example.net SIP/2.0", id, "1 ACK", alice, ""))
	out(end, says("BYE sip:b@example.net SIP/2.0", id, "2 BYE", alice, ""))
	in(end+20, says(ok200, id, "2 BYE", alice, ""))
}

// sound is the n-th packet of a stream, with a payload like no other's of another seed.
func sound(t testing.TB, ssrc uint32, seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	p := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: uint32(n) * 160, SSRC: ssrc}, Payload: make([]byte, 160)}
	for i := range p.Payload {
		p.Payload[i] = byte(r.Uint32())
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// audio is one stream of a call that goes through the box.
type audio struct {
	at       int64
	ssrc, as uint32 // as is the SSRC behind the box, 0 if that is the same
	seed     uint64
	n        int
	lost     func(i int) bool // in the box
	before   func(i int) bool
	late     func(i int) int64
	packet   func(i int) []byte
}

func (d *duo) talk(a audio, near, as, far netip.AddrPort, outbound bool) {
	for i := range a.n {
		at := a.at + int64(i)*20
		packet := a.packet
		if packet == nil {
			packet = func(i int) []byte { return sound(d.in.t, a.ssrc, a.seed, i) }
		}
		sent := packet(i)
		got := slices.Clone(sent)
		if a.as != 0 {
			got[8], got[9], got[10], got[11] = byte(a.as>>24), byte(a.as>>16), byte(a.as>>8), byte(a.as)
		}
		if a.lost != nil && a.lost(i) {
			got = nil
		}
		if a.before != nil && a.before(i) {
			continue
		}
		took := d.took
		if a.late != nil {
			d.took += a.late(i)
		}
		if outbound {
			d.goes(at, near, as, far, sent, got)
		} else {
			d.comes(at, far, as, near, sent, got)
		}
		d.took = took
	}
}

// both is a call with audio both ways that lasts ten seconds.
func (d *duo) both(out, in audio) {
	d.call("c1", 0, 10300, aliceMedia, bobMedia)
	d.talk(out, aliceMedia, natMedia, bobMedia, true)
	d.talk(in, aliceMedia, natMedia, bobMedia, false)
	d.quiet(-3000, 13000)
}

// forget takes packets of media out of a capture, by where they go to and the last octet of their number.
func (s *scene) forget(which func(to netip.Addr, n byte) bool) {
	s.t.Helper()
	before := len(s.shots)
	s.shots = slices.DeleteFunc(s.shots, func(x shot) bool {
		udp := x.data[14+20:]
		return len(udp) == 8+172 && udp[8] == 0x80 && which(netip.AddrFrom4([4]byte(x.data[14+16:])), udp[8+3])
	})
	if len(s.shots) == before {
		s.t.Fatal("nothing taken out")
	}
}

func (d *duo) report() *alg.Report {
	d.in.t.Helper()
	r, err := Report(d.in.t.Context(), Config{Inside: []string{d.in.file("in.pcap")}, Outside: []string{d.out.file("out.pcap")}})
	if err != nil {
		d.in.t.Fatal(err)
	}
	return r
}

// passageOf is the passage of that direction.
func passageOf(t *testing.T, r *alg.Report, dir alg.Direction) alg.Passage {
	t.Helper()
	for _, p := range r.Passages {
		if p.Direction == dir {
			return p
		}
	}
	t.Fatalf("no %s passage in %+v", dir, r.Passages)
	return alg.Passage{}
}

var (
	plainOut = audio{at: 300, ssrc: 1, seed: 1, n: 500}
	plainIn  = audio{at: 310, ssrc: 2, seed: 2, n: 499}
)

// What two captures of one call with audio both ways show of its media.
func TestPassages(t *testing.T) {
	tenth := func(i int) bool { return i%10 == 7 }
	for _, tc := range []struct {
		name    string
		make    func(d *duo)
		out, in [4]int // packets that passed the first point, were lost after that, before that, and by its capture
		want    []string
	}{
		{"a NAT", func(d *duo) { d.both(plainOut, plainIn) }, [4]int{500}, [4]int{499}, nil},
		{"lost in between", func(d *duo) {
			out := plainOut
			out.lost = tenth
			d.both(out, plainIn)
		}, [4]int{500, 50}, [4]int{499}, []string{"media-lossy"}},
		{"lost in between, at either end of the stream as well", func(d *duo) {
			out, in := plainOut, plainIn
			out.lost = func(i int) bool { return i < 3 || i > 497 }
			in.lost = func(i int) bool { return i == 0 || i == 200 || i == 498 }
			d.both(out, in)
		}, [4]int{500, 5}, [4]int{499, 3}, nil},
		{"lost before", func(d *duo) {
			in := plainIn
			in.before = tenth
			d.both(plainOut, in)
		}, [4]int{500}, [4]int{449, 0, 50}, nil},
		{"lost before and in between", func(d *duo) {
			in := plainIn
			in.before, in.lost = tenth, func(i int) bool { return i%10 == 8 }
			d.both(plainOut, in)
		}, [4]int{500}, [4]int{449, 50, 50}, []string{"media-lossy"}},
		{"out of order and lost", func(d *duo) {
			out := plainOut
			out.late = func(i int) int64 { return int64(i%5) * 25 }
			out.lost = func(i int) bool { return i%100 == 50 }
			d.both(out, plainIn)
		}, [4]int{500, 5}, [4]int{499}, nil},
		{"every packet twice", func(d *duo) {
			d.both(plainOut, plainIn)
			for _, s := range []*scene{d.in, d.out} {
				for _, x := range slices.Clone(s.shots) {
					s.shots = append(s.shots, shot{at: x.at + 5000, data: x.data})
				}
			}
		}, [4]int{500}, [4]int{499}, nil},
		{"the sender's capture lost some", func(d *duo) {
			out := plainOut
			out.lost = func(i int) bool { return i%8 == 3 }
			d.both(out, plainIn)
			d.in.forget(func(to netip.Addr, n byte) bool { return to == bobMedia.Addr() && n%8 == 5 }) // of what came through
		}, [4]int{438, 63, 0, 62}, [4]int{499}, []string{"media-lossy"}},
		{"the receiver's capture lost some", func(d *duo) {
			d.both(plainOut, plainIn)
			d.out.forget(func(_ netip.Addr, n byte) bool { return n%8 == 5 })
		}, [4]int{500, 62}, [4]int{437, 0, 0, 62}, nil},
		{"silence both ways", func(d *duo) {
			out, in := plainOut, plainIn
			quiet := func(ssrc uint32) func(int) []byte {
				return func(i int) []byte {
					b := rtpPacket(d.in.t, ssrc, 0, i)
					for k := range 160 {
						b[12+k] = 0xff
					}
					return b
				}
			}
			out.packet, in.packet = quiet(1), quiet(2)
			out.lost = tenth
			d.both(out, in)
		}, [4]int{500, 50}, [4]int{499}, []string{"media-lossy"}},
		{"payload that is too short to know it by", func(d *duo) {
			out, in := plainOut, plainIn
			short := func(ssrc uint32) func(int) []byte {
				return func(i int) []byte { return rtpPacket(d.in.t, ssrc, 0, i)[:16] }
			}
			out.packet, in.packet = short(1), short(2)
			out.lost = tenth
			d.both(out, in)
		}, [4]int{500, 50}, [4]int{499}, []string{"media-lossy"}},
		{"a relay with SSRC of its own", func(d *duo) {
			out, in := plainOut, plainIn
			out.as, in.as = 0x101, 0x202
			out.lost = tenth
			d.both(out, in)
		}, [4]int{500, 50}, [4]int{499}, []string{"media-lossy"}},
		{"the stream goes on to another one from the outside, as by a relay", func(d *duo) {
			d.both(plainOut, plainIn)
			for i := range 500 {
				d.out.send(305+int64(i)*20, netip.AddrPortFrom(bobMedia.Addr(), 7000), phoneMedia, sound(t, 1, 1, i))
				d.out.send(309+int64(i)*20, phoneMedia, netip.AddrPortFrom(bobMedia.Addr(), 7000), sound(t, 2, 2, i))
			}
		}, [4]int{500}, [4]int{499}, nil},
		{"one that came from another one of the inside", func(d *duo) {
			d.both(plainOut, plainIn)
			desk := netip.MustParseAddrPort("192.168.1.77:4000")
			for i := range 500 {
				d.in.send(298+int64(i)*20, desk, netip.AddrPortFrom(aliceMedia.Addr(), 7000), sound(t, 1, 1, i))
			}
		}, [4]int{500}, [4]int{499}, nil},
		{"the outside begins later and ends earlier", func(d *duo) {
			out := plainOut
			out.lost = tenth
			d.both(out, plainIn)
			d.out.shots = slices.DeleteFunc(d.out.shots, func(x shot) bool { return x.at < start+4000*ms || x.at > start+8000*ms })
		}, [4]int{196, 20}, [4]int{196}, []string{"media-lossy"}},
		{"the inside begins later, the outside ends earlier", func(d *duo) {
			d.both(plainOut, plainIn)
			d.in.shots = slices.DeleteFunc(d.in.shots, func(x shot) bool { return x.at < start+3000*ms })
			d.out.shots = slices.DeleteFunc(d.out.shots, func(x shot) bool { return x.at > start+7000*ms })
		}, [4]int{196}, [4]int{196}, nil},
		{"slow", func(d *duo) {
			d.took = 200
			d.both(plainOut, plainIn)
		}, [4]int{500}, [4]int{499}, []string{"media-delayed", "media-delayed"}},
		{"some packets are slow", func(d *duo) {
			in := plainIn
			in.late = func(i int) int64 { return int64(i/100%2) * 400 }
			d.both(plainOut, in)
		}, [4]int{500}, [4]int{499}, []string{"media-delayed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, clock := range []time.Duration{0, 3 * time.Second, -time.Hour} {
				d := newDuo(t)
				d.clock = clock.Milliseconds()
				tc.make(d)
				if clock != 0 && strings.Contains(tc.name, "begins later") || clock != 0 && strings.HasPrefix(tc.name, "the stream goes on") {
					continue // made for one clock
				}
				r := d.report()
				if len(r.Passages) != 2 {
					t.Fatalf("clock %v: %+v", clock, r.Passages)
				}
				for dir, want := range map[alg.Direction][4]int{alg.Outbound: tc.out, alg.Inbound: tc.in} {
					p := passageOf(t, r, dir)
					if got := [4]int{p.Sent, p.Lost, p.Before, p.Missed}; got != want || !p.Counted || p.Blocked || p.Call != "c1" {
						t.Errorf("clock %v, %s: %v, want %v: %+v", clock, dir, got, want, p)
					}
				}
				if r.Clock == nil || math.Abs(r.Clock.Offset-float64(d.clock)) > 100 || math.Abs(r.Clock.Offset-float64(d.clock)) > r.Clock.Doubt+0.01 {
					t.Errorf("clock %v: %+v", clock, r.Clock)
				}
				want := append(slices.Clone(tc.want), "media-latched") // the phone writes its private address: a NAT alone
				if got := ids(r); !slices.Equal(got, want) {
					t.Errorf("clock %v: findings %v, want %v, notes %q", clock, got, want, r.Network.Notes)
				}
			}
		})
	}
}

// Whatever the streams of both sides are, what is said of them adds up.
func FuzzPassages(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x03\x00\x01\x03\x41\x01", 40)), int64(0))
	f.Add([]byte(strings.Repeat("\x03\x00\x01\x01\x00\x01\x02\x00\x02", 40)), int64(3e9))
	f.Add([]byte(strings.Repeat("\x0b\x00\x01\x13\x00\xff", 40)), int64(-1))
	f.Fuzz(func(t *testing.T, ops []byte, clock int64) {
		clock %= int64(48 * time.Hour)
		tables := [2]media.Table{{Traces: true}, {Traces: true}}
		var seq [4]uint16
		for i := 0; i+2 < len(ops); i += 3 {
			ssrc := uint32(ops[i]>>2&3) + 1
			seq[ssrc-1] += uint16(ops[i+2])
			if ops[i]>>6 == 3 {
				seq[ssrc-1] += 20000
			}
			p := rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq[ssrc-1], SSRC: ssrc}, Payload: make([]byte, ops[i+1]&63)}
			r := rand.New(rand.NewPCG(uint64(ssrc), uint64(seq[ssrc-1])))
			for k := range p.Payload {
				p.Payload[k] = byte(r.Uint32() >> (ops[i+1] >> 6 * 8))
			}
			b, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			for side, ends := range [2][2]netip.AddrPort{{aliceMedia, bobMedia}, {natMedia, bobMedia}} {
				if ops[i]>>side&1 != 0 {
					flow := tables[side].Flow(ends[ssrc&1], ends[1-ssrc&1])
					flow.Announce(start, nil)
					flow.Add(start+int64(i)*7*ms+clock*int64(side), 0, b, len(b))
				}
			}
		}
		b := &between{inside: &vantage{}, outside: &vantage{}}
		for side, v := range []*vantage{b.inside, b.outside} {
			c := &Capture{First: start + clock*int64(side), Last: start + clock*int64(side) + int64(len(ops))*7*ms}
			for s := range tables[side].Streams() {
				c.Streams = append(c.Streams, Stream{Stats: s.Stats()})
			}
			v.capture = c
		}
		b.match()
		b.findEnds()
		b.pairStreams()
		b.bounds()
		b.passages()
		for _, p := range b.passed {
			if p.Sent < 0 || p.Lost < 0 || p.Lost > p.Sent || p.Before < 0 || p.Missed < 0 || len(p.Streams) != 2 {
				t.Fatalf("%+v", p)
			}
		}
	})
}
