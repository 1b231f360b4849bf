package capture

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/media"
)

// A stream that passes one capture and never the other was dropped in between, where all is known that could say otherwise.
func TestDropped(t *testing.T) {
	all := func(int) bool { return true }
	other := audio{at: 300, ssrc: 77, seed: 77, n: 500}
	deskMedia, deskNAT := netip.MustParseAddrPort("192.168.1.77:4000"), netip.MustParseAddrPort("198.51.100.2:47000")
	for _, tc := range []struct {
		name         string
		make         func(d *duo)
		audio, cause string
		missing      alg.Direction
		blocked      int // passages
		want         []string
	}{
		{"outbound", func(d *duo) {
			out := plainOut
			out.lost = all
			d.both(out, plainIn)
		}, alg.AudioOneWay, "media-blocked", alg.Outbound, 1, []string{"media-blocked", "media-one-way"}},
		{"inbound", func(d *duo) {
			in := plainIn
			in.lost = all
			d.call("c1", 0, 10300, natMedia, bobMedia) // a phone that knows its public address
			d.talk(plainOut, aliceMedia, natMedia, bobMedia, true)
			d.talk(in, aliceMedia, natMedia, bobMedia, false)
			d.quiet(-3000, 13000)
		}, alg.AudioOneWay, "media-blocked", alg.Inbound, 1, []string{"media-blocked", "media-one-way"}},
		{"both ways, while another call has audio", func(d *duo) {
			out, in := plainOut, plainIn
			out.lost, in.lost = all, all
			d.both(out, in)
			d.call("c2", 0, 10300, deskMedia, netip.AddrPortFrom(bobMedia.Addr(), 7000))
			d.talk(other, deskMedia, deskNAT, netip.AddrPortFrom(bobMedia.Addr(), 7000), true)
			d.talk(audio{at: 310, ssrc: 78, seed: 78, n: 490}, deskMedia, deskNAT, netip.AddrPortFrom(bobMedia.Addr(), 7000), false)
		}, alg.AudioOneWay, "media-address-private", alg.Inbound, 2, nil},
		{"to a private address that a gateway left in the offer", func(d *duo) {
			d.call("c1", 0, 10300, aliceMedia, bobMedia)
			d.talk(plainOut, aliceMedia, natMedia, bobMedia, true)
			for i := range 500 {
				d.out.send(310+int64(i)*20, bobMedia, aliceMedia, sound(d.in.t, 2, 2, i))
			}
			d.quiet(-3000, 13000)
		}, alg.AudioOneWay, "media-address-private", alg.Inbound, 0, []string{"media-address-private", "media-one-way"}},
		{"the outside capture has no media", func(d *duo) {
			d.both(plainOut, plainIn)
			d.out.forget(func(netip.Addr, byte) bool { return true })
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"the inside capture has no media", func(d *duo) {
			d.both(plainOut, plainIn)
			d.in.forget(func(netip.Addr, byte) bool { return true })
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"the outside capture lacks octets", func(d *duo) {
			out := plainOut
			out.lost = all
			d.both(out, plainIn)
			f := udpFrame(t, phone, proxy, says("OPTIONS sip:b@example.net SIP/2.0", "c9", "1 OPTIONS", phone, ""))
			d.out.shots = append(d.out.shots, shot{at: start + 500*ms, data: f[:len(f)-10], size: len(f)})
		}, alg.AudioOneWay, "media-one-way", alg.Outbound, 0, []string{"media-one-way"}},
		{"media between two phones of the inside", func(d *duo) {
			d.both(plainOut, plainIn)
			for i := range 500 {
				d.in.send(300+int64(i)*20, aliceMedia, deskMedia, sound(d.in.t, 99, 99, i))
				d.in.send(305+int64(i)*20, deskMedia, aliceMedia, sound(d.in.t, 98, 98, i))
			}
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"an outside server that hands the phone over to another phone of the inside", func(d *duo) {
			d.call("c1", 0, 10300, aliceMedia, deskMedia)
			for i := range 500 {
				d.in.send(300+int64(i)*20, aliceMedia, deskMedia, sound(d.in.t, 99, 99, i))
				d.in.send(305+int64(i)*20, deskMedia, aliceMedia, sound(d.in.t, 98, 98, i))
			}
			d.call("c2", 0, 10300, netip.AddrPortFrom(aliceMedia.Addr(), 9000), netip.AddrPortFrom(bobMedia.Addr(), 9000))
			d.talk(other, netip.AddrPortFrom(aliceMedia.Addr(), 9000), natMedia, netip.AddrPortFrom(bobMedia.Addr(), 9000), true)
			d.talk(audio{at: 310, ssrc: 78, seed: 78, n: 490}, netip.AddrPortFrom(aliceMedia.Addr(), 9000), natMedia, netip.AddrPortFrom(bobMedia.Addr(), 9000), false)
			d.quiet(-3000, 13000)
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"a gateway that transcodes", func(d *duo) {
			d.call("c1", 0, 10300, aliceMedia, bobMedia)
			for i := range 500 {
				at := 300 + int64(i)*20
				d.in.send(at, aliceMedia, bobMedia, sound(d.in.t, 1, 1, i))
				d.out.send(at+30, natMedia, bobMedia, sound(d.in.t, 11, 11, i))
				d.out.send(at, bobMedia, natMedia, sound(d.in.t, 2, 2, i))
				d.in.send(at+30, bobMedia, aliceMedia, sound(d.in.t, 12, 12, i))
			}
			d.call("c2", 0, 10300, deskMedia, netip.AddrPortFrom(bobMedia.Addr(), 7000))
			d.talk(other, deskMedia, deskNAT, netip.AddrPortFrom(bobMedia.Addr(), 7000), true)
			d.talk(audio{at: 310, ssrc: 78, seed: 78, n: 490}, deskMedia, deskNAT, netip.AddrPortFrom(bobMedia.Addr(), 7000), false)
			d.quiet(-3000, 13000)
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"a gateway that encrypts", func(d *duo) {
			d.call("c1", 0, 10300, aliceMedia, bobMedia)
			for i := range 500 {
				at := 300 + int64(i)*20
				d.in.send(at, aliceMedia, bobMedia, sound(d.in.t, 1, 1, i))
				d.out.send(at+1, natMedia, bobMedia, sound(d.in.t, 1, 11, i))
			}
			d.talk(plainIn, aliceMedia, natMedia, bobMedia, false)
			d.quiet(-3000, 13000)
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"too little to tell", func(d *duo) {
			d.both(plainOut, plainIn)
			d.talk(audio{at: 300, ssrc: 77, seed: 77, n: 40, lost: all}, aliceMedia, natMedia, bobMedia, true)
		}, alg.AudioTwoWay, "media-latched", "", 0, []string{"media-latched"}},
		{"a second stream of a call that has audio", func(d *duo) {
			d.call("c1", 0, 10300, aliceMedia, bobMedia)
			d.talk(plainOut, aliceMedia, natMedia, bobMedia, true)
			d.talk(plainIn, aliceMedia, natMedia, bobMedia, false)
			d.talk(audio{at: 300, ssrc: 77, seed: 77, n: 500, lost: all}, netip.AddrPortFrom(aliceMedia.Addr(), 4002), natMedia, bobMedia, true)
			d.quiet(-3000, 13000)
		}, alg.AudioTwoWay, "media-latched", "", 1, []string{"media-blocked", "media-latched"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDuo(t)
			tc.make(d)
			r := d.report()
			c := r.Calls[0]
			if tc.want == nil { // what it comes to is of no matter here
				tc.audio, tc.cause, tc.missing, tc.want = c.Audio, c.Cause, c.Missing, ids(r)
			}
			if c.Audio != tc.audio || c.Cause != tc.cause || c.Missing != tc.missing || !slices.Equal(ids(r), tc.want) {
				t.Errorf("%s because of %q, missing %q, findings %v, notes %q", c.Audio, c.Cause, c.Missing, ids(r), r.Network.Notes)
			}
			n := 0
			for _, p := range r.Passages {
				if p.Blocked {
					n++
				}
			}
			if n != tc.blocked {
				t.Errorf("%d blocked: %+v", n, r.Passages)
			}
		})
	}
}

// The same SSRC says little: phones have been seen that use one for all calls.
func TestSameSSRC(t *testing.T) {
	at := func(a netip.AddrPort, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), port) }
	for _, tc := range []struct {
		name   string
		apart  int64  // ms between the calls
		relay  bool   // both ends differ outside
		lost   bool   // of the second call nothing comes out
		silent bool   // the streams of both calls are silence, at other numbers
		want   [2]int // packets lost in between
		pairs  int
	}{
		{"at the same time", 0, false, false, false, [2]int{50, 0}, 2},
		{"one after the other", 12000, false, false, false, [2]int{50, 0}, 2},
		{"at the same time, through a relay", 0, true, false, false, [2]int{50, 0}, 2},
		{"one after the other, through a relay", 12000, true, false, false, [2]int{50, 0}, 2},
		{"nothing comes of the second, through a relay", 0, true, true, false, [2]int{50, 0}, 1},
		{"silence, at the same time", 0, false, false, true, [2]int{50, 0}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDuo(t)
			for i := range 2 {
				port := uint16(4000 + 10*i)
				id := []string{"c1", "c2"}[i]
				base := int64(i) * tc.apart
				d.call(id, base, base+10300, at(aliceMedia, port), at(bobMedia, port))
				a := audio{at: base + 300, ssrc: 5, seed: uint64(10 + i), n: 500}
				if i == 0 {
					a.lost = func(n int) bool { return n%10 == 3 }
				} else if tc.lost {
					a.lost = func(int) bool { return true }
				}
				if tc.silent {
					a.packet = func(n int) []byte {
						b := rtpPacket(t, 5, 0, n+20000*i)
						for k := range 160 {
							b[12+k] = 0xff
						}
						return b
					}
				}
				for n := range a.n {
					when := a.at + int64(n)*20
					packet := sound(t, a.ssrc, a.seed, n)
					if a.packet != nil {
						packet = a.packet(n)
					}
					d.in.send(when, at(aliceMedia, port), at(bobMedia, port), packet)
					dst := at(bobMedia, port)
					if tc.relay {
						dst = at(phoneMedia, port)
					}
					if a.lost == nil || !a.lost(n) {
						d.out.send(when+1, at(natMedia, port), dst, packet)
					}
				}
			}
			d.quiet(-3000, 26000)
			r := d.report()
			var lost [2]int
			pairs := 0
			for _, p := range r.Passages {
				if len(p.Streams) < 2 {
					continue
				}
				pairs++
				if in, out := r.Streams[p.Streams[0]], r.Streams[p.Streams[1]]; in.Src.Port() != out.Src.Port() {
					t.Errorf("%s is not %s", in.Src, out.Src)
				}
				lost[(r.Streams[p.Streams[0]].Src.Port()-4000)/10] = p.Lost
			}
			if lost != tc.want || pairs != tc.pairs {
				t.Errorf("%d pairs, lost %v: %+v", pairs, lost, r.Passages)
			}
		})
	}
}

// Music is the same in many streams at once: a relay that writes its own SSRC does not make one of two calls.
func TestSameMusic(t *testing.T) {
	d := newDuo(t)
	for i := range 2 {
		port := uint16(4000 + 10*i)
		near, far, as := netip.AddrPortFrom(aliceMedia.Addr(), port), netip.AddrPortFrom(bobMedia.Addr(), port), netip.AddrPortFrom(natMedia.Addr(), port)
		d.call([]string{"c1", "c2"}[i], 0, 10300, near, far)
		// Both hear the same; of the first call nothing gets through.
		music := audio{at: 300, ssrc: uint32(20 + i), as: uint32(30 + i), seed: 9, n: 490}
		if i == 0 {
			music.lost = func(int) bool { return true }
		}
		d.talk(music, near, as, far, false)
		d.talk(audio{at: 300, ssrc: uint32(40 + i), seed: uint64(40 + i), n: 490}, near, as, far, true)
	}
	d.quiet(-3000, 13000)
	r := d.report()
	for _, p := range r.Passages {
		if p.Direction == alg.Inbound && len(p.Streams) == 2 && p.Call != "c2" {
			t.Errorf("%+v", p)
		}
	}
	if len(r.Passages) < 3 {
		t.Errorf("%+v", r.Passages)
	}
}

// Captures of media alone: the clocks are told from it.
func TestMediaAlone(t *testing.T) {
	for _, clock := range []int64{0, 3000, 3600000} {
		d := newDuo(t)
		d.clock = clock
		out := plainOut
		out.lost = func(i int) bool { return i%10 == 5 }
		d.talk(out, aliceMedia, natMedia, bobMedia, true)
		d.talk(plainIn, aliceMedia, natMedia, bobMedia, false)
		for _, s := range []*scene{d.in, d.out} {
			for _, at := range []int64{-2000, 13000} {
				s.send(at+clock*int64(map[bool]int{true: 0, false: 1}[s == d.in]), alice, bob, []byte("x"))
			}
		}
		r := d.report()
		if len(r.Passages) != 2 || r.Clock == nil || r.Clock.Offset != float64(clock) || r.Clock.Doubt != 1 {
			t.Fatalf("clock %d: %+v, %+v", clock, r.Clock, r.Passages)
		}
		if p := passageOf(t, r, alg.Outbound); p.Sent != 500 || p.Lost != 50 || p.Samples == 0 || p.Delay != 1 {
			t.Errorf("clock %d: %+v", clock, p)
		}
	}
	// One direction alone: delay and clock are one.
	d := newDuo(t)
	d.clock, d.took = 5000, 300
	d.talk(plainOut, aliceMedia, natMedia, bobMedia, true)
	r := d.report()
	if r.Clock == nil || r.Clock.Offset != 5300 || r.Clock.Doubt != -1 || len(ids(r)) != 0 {
		t.Errorf("%+v, %v", r.Clock, ids(r))
	}
	if !strings.Contains(strings.Join(r.Network.Notes, "\n"), "one direction") {
		t.Errorf("%q", r.Network.Notes)
	}
}

// Very many streams that are all alike are paired in bounded time and memory.
func TestAlike(t *testing.T) {
	const flows, packets = 4000, 40
	for name, ssrc := range map[string]func(i int) uint32{"the same SSRC": func(int) uint32 { return 7 }, "others": func(i int) uint32 { return uint32(i) + 1 }} {
		t.Run(name, func(t *testing.T) {
			b := &between{inside: &vantage{}, outside: &vantage{}}
			for side, v := range []*vantage{b.inside, b.outside} {
				table := media.Table{Traces: true}
				for i := range flows {
					src, dst := netip.AddrPortFrom(aliceMedia.Addr(), uint16(1000+i)), netip.AddrPortFrom(bobMedia.Addr(), uint16(1000+i))
					if side == 1 {
						src, dst = netip.AddrPortFrom(natMedia.Addr(), uint16(20000+i)), netip.AddrPortFrom(phoneMedia.Addr(), uint16(20000+i))
					}
					f := table.Flow(src, dst)
					f.Announce(start, nil)
					for n := range packets {
						p := sound(t, ssrc(i)+uint32(side)*50000*(ssrc(1)-ssrc(0)), 1, n)
						f.Add(start+int64(n)*20*ms+int64(side)*ms, 0, p, len(p))
					}
				}
				v.capture = &Capture{First: start - 5000*ms, Last: start + 9000*ms}
				for s := range table.Streams() {
					v.capture.Streams = append(v.capture.Streams, Stream{Stats: s.Stats()})
				}
			}
			before := time.Now()
			b.match()
			b.findEnds()
			b.pairStreams()
			b.bounds()
			b.passages()
			if took := time.Since(before); took > 10*time.Second {
				t.Errorf("%v", took)
			} else {
				t.Log(took, len(b.paired))
			}
		})
	}
}

// A NAT with several addresses that gives signalling and media different ones is named: far ends that compare them refuse it.
func TestOtherAddress(t *testing.T) {
	d := newDuo(t)
	d.call("c1", 0, 10300, aliceMedia, bobMedia)
	d.talk(plainOut, aliceMedia, netip.MustParseAddrPort("198.51.100.3:40000"), bobMedia, true)
	d.talk(plainIn, aliceMedia, netip.MustParseAddrPort("198.51.100.3:40000"), bobMedia, false)
	d.quiet(-3000, 13000)
	r := d.report()
	const want = "streams whose public address is not that of the signalling: 2, such as 192.168.1.10 signals from 198.51.100.2 and has its media at 198.51.100.3"
	if !strings.Contains(strings.Join(r.Network.Notes, "\n"), want) {
		t.Errorf("%q", r.Network.Notes)
	}
}
