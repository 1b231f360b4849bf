package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nofixup/alg"
)

var (
	pbx       = netip.MustParseAddrPort("203.0.113.5:5060")
	pbxMedia  = netip.MustParseAddrPort("203.0.113.5:7000")
	pbxMediaB = netip.MustParseAddrPort("203.0.113.5:7002")
)

// leg is a call that begins and is answered at these times and lasts to the end, with more header lines in its INVITE.
func (s *scene) leg(id string, from, to netip.AddrPort, begin, answer, end int64, offer, reply string, lines ...string) {
	first := says(invite, id, "1 INVITE", from, offer)
	for _, l := range lines {
		first = bytes.Replace(first, []byte("Max-Forwards"), []byte(l+"\r\nMax-Forwards"), 1)
	}
	s.send(begin, from, to, first)
	if answer > 0 {
		s.send(answer, to, from, says(ok200, id, "1 INVITE", from, reply))
		s.send(answer+10, from, to, says("ACK sip:b@example.net SIP/2.0", id, "1 ACK", from, ""))
		s.send(end, from, to, says("BYE sip:b@example.net SIP/2.0", id, "2 BYE", from, ""))
		return
	}
	s.send(end, from, to, says("CANCEL sip:b@example.net SIP/2.0", id, "1 CANCEL", from, ""))
}

// A server that hands calls on makes one call of several Call-IDs; calls that have nothing to do with one another stay apart.
func TestLegs(t *testing.T) {
	away := netip.MustParseAddrPort("203.0.113.200:5060") // an SBC's other address
	awayMedia := netip.MustParseAddrPort("203.0.113.200:9000")
	origin := func(b, o string) string { return strings.Replace(b, "o=- 1 1", "o="+o, 1) }
	for _, tc := range []struct {
		name  string
		calls []string // "legs audio cause" of each
		make  func(s *scene)
	}{
		{"a PBX with a relay", []string{"2 two-way "}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 2100, 20000, body(phoneMedia), body(pbxMedia))
			s.leg("c2", pbx, bob, 50, 2000, 20010, body(pbxMediaB), body(bobMedia))
			s.talk(2200, phoneMedia, pbxMedia, 1, 800)
			s.talk(2201, pbxMediaB, bobMedia, 1, 800)
			s.talk(2200, bobMedia, pbxMediaB, 2, 800)
			s.talk(2201, pbxMedia, phoneMedia, 2, 800)
		}},
		{"a PBX that loses what comes back", []string{"2 one-way media-one-way"}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 2100, 20000, body(phoneMedia), body(pbxMedia))
			s.leg("c2", pbx, bob, 50, 2000, 20010, body(pbxMediaB), body(bobMedia))
			s.talk(2200, phoneMedia, pbxMedia, 1, 800)
			s.talk(2201, pbxMediaB, bobMedia, 1, 800)
			s.talk(2201, pbxMedia, phoneMedia, 2, 800)
		}},
		{"a PBX that hands media on", []string{"2 two-way "}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 2100, 20000, body(phoneMedia), body(bobMedia))
			s.leg("c2", pbx, bob, 50, 2000, 20010, body(phoneMedia), body(bobMedia))
			s.talk(2200, phoneMedia, bobMedia, 1, 800)
			s.talk(2200, bobMedia, phoneMedia, 2, 800)
		}},
		{"a PBX that re-INVITEs both ends to direct media", []string{"2 two-way "}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 2100, 30000, body(phoneMedia), body(pbxMedia))
			s.leg("c2", pbx, bob, 50, 2000, 30010, body(pbxMediaB), body(bobMedia))
			s.talk(2100, phoneMedia, pbxMedia, 1, 20)
			s.talk(2101, pbxMediaB, bobMedia, 1, 20)
			s.talk(2100, bobMedia, pbxMediaB, 2, 20)
			s.talk(2101, pbxMedia, phoneMedia, 2, 20)
			s.send(2300, pbx, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "7 INVITE", pbx, body(bobMedia)))
			s.send(2400, phone, pbx, says("from callee SIP/2.0 200 OK", "c1", "7 INVITE", pbx, body(phoneMedia)))
			s.send(2410, pbx, bob, says("INVITE sip:b@example.net SIP/2.0", "c2", "7 INVITE", pbx, body(phoneMedia)))
			s.send(2500, bob, pbx, says(ok200, "c2", "7 INVITE", pbx, body(bobMedia)))
			s.talkFrom(2500, phoneMedia, bobMedia, 1, 20, 1300)
			s.talkFrom(2500, bobMedia, phoneMedia, 2, 20, 1300)
		}},
		{"an SBC with two addresses that leaves o= alone", []string{"2 two-way "}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 2100, 20000, origin(body(phoneMedia), "alice 77812 1"), body(pbxMedia))
			second := strings.Replace(origin(body(phoneMedia), "alice 77812 1"), "c=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 4000", "c=IN IP4 203.0.113.200\r\nt=0 0\r\nm=audio 9000", 1)
			s.leg("other", away, bob, 50, 2000, 20010, second, body(bobMedia))
			s.talk(2200, phoneMedia, pbxMedia, 1, 800)
			s.talk(2201, awayMedia, bobMedia, 1, 800)
			s.talk(2200, bobMedia, awayMedia, 2, 800)
			s.talk(2201, pbxMedia, phoneMedia, 2, 800)
		}},
		{"an SBC with two addresses that rewrites all but SSRCs", []string{"2 two-way "}, func(s *scene) {
			other := func(b []byte) []byte {
				return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("sip:b@"), []byte("sip:+4930123@")), []byte("sip:a@"), []byte("sip:trunk@"))
			}
			s.leg("c1", phone, pbx, 0, 2100, 20000, body(phoneMedia), body(pbxMedia))
			before := len(s.shots)
			s.leg("other", away, bob, 50, 2000, 20010, body(awayMedia), body(bobMedia))
			for i, x := range s.shots[before:] {
				s.shots[before+i].data = ether(packetUDP(s.t, []netip.AddrPort{away, bob}[map[bool]int{true: 1}[i == 1]], []netip.AddrPort{bob, away}[map[bool]int{true: 1}[i == 1]], uint16(900+i), other(x.data[42:])))
			}
			s.talk(2200, phoneMedia, pbxMedia, 77, 800)
			s.talk(2201, awayMedia, bobMedia, 77, 800)
			s.talk(2200, bobMedia, awayMedia, 88, 800)
			s.talk(2201, pbxMedia, phoneMedia, 88, 800)
		}},
		{"a generator of calls with the same SSRCs", []string{"0 two-way ", "0 two-way ", "0 two-way "}, func(s *scene) {
			for i, host := range []string{"198.51.100.41", "198.51.100.42", "198.51.100.43"} {
				d, ip := int64(i)*30, netip.MustParseAddr(host)
				own, media := netip.AddrPortFrom(ip, 5060), netip.AddrPortFrom(ip, 4000)
				far := netip.AddrPortFrom([]netip.Addr{bob.Addr(), pbx.Addr(), away.Addr()}[i], 5060)
				s.leg(fmt.Sprintf("a%d", i), own, far, d, d+2000, 20000, body(media), body(port(bobMedia, 2*i)))
				s.talk(d+2200, media, port(bobMedia, 2*i), 1, 800)
				s.talk(d+2200, port(bobMedia, 2*i), media, 2, 800)
			}
		}},
		{"a voice menu that calls on after it answered, with a Session-ID", []string{"2 unknown "}, func(s *scene) {
			const id = "Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000"
			s.leg("c1", phone, pbx, 0, 100, 60000, body(phoneMedia), body(pbxMedia), id)
			s.leg("c2", pbx, bob, 20000, 22000, 60000, body(pbxMediaB), body(bobMedia), id)
		}},
		{"a voice menu that calls on after it answered, without", []string{"0 unknown ", "0 unknown "}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 100, 60000, body(phoneMedia), body(pbxMedia))
			s.leg("c2", pbx, bob, 20000, 22000, 60000, body(pbxMediaB), body(bobMedia))
		}},
		{"a PBX that rings two", []string{"3 unknown "}, func(s *scene) {
			s.leg("c1", phone, pbx, 0, 2100, 20000, body(phoneMedia), body(pbxMedia))
			s.leg("c2", pbx, bob, 50, 2000, 20010, body(pbxMediaB), body(bobMedia))
			s.leg("c3", pbx, phoneB, 60, 0, 2050, body(port(pbxMediaB, 2)), "")
		}},
		{"two calls at once between the same users", []string{"0 unknown ", "0 unknown ", "0 unknown ", "0 unknown "}, func(s *scene) {
			for i := range 2 {
				d := int64(i) * 100
				s.leg(fmt.Sprintf("a%d", i), phone, pbx, d, d+2100, 20000, body(port(phoneMedia, 2*i)), body(port(pbxMedia, 4*i)))
			}
			for i := range 2 {
				d := int64(i) * 100
				s.leg(fmt.Sprintf("b%d", i), pbx, bob, d+150, d+2000, 20000, body(port(pbxMediaB, 4*i)), body(port(bobMedia, 2*i)))
			}
		}},
		{"the same users one after the other", []string{"2 unknown ", "2 unknown "}, func(s *scene) {
			for i := range 2 {
				d := int64(i) * 30000
				s.leg(fmt.Sprintf("a%d", i), phone, pbx, d, d+2100, d+20000, body(phoneMedia), body(pbxMedia))
				s.leg(fmt.Sprintf("b%d", i), pbx, bob, d+50, d+2000, d+20000, body(pbxMediaB), body(bobMedia))
			}
		}},
		{"a generator of calls with one description for all", []string{"0 unknown ", "0 unknown ", "0 unknown "}, func(s *scene) {
			for i := range 3 {
				d := int64(i) * 20
				s.leg(fmt.Sprintf("a%d", i), phone, bob, d, d+100, 20000, origin(body(phoneMedia), "user1 53655765 2353687637"), body(bobMedia))
			}
		}},
		{"two calls to two servers with one description", []string{"0 unknown ", "0 unknown "}, func(s *scene) {
			s.leg("a", phone, bob, 0, 5000, 20000, body(phoneMedia), body(bobMedia))
			s.leg("b", phone, pbx, 100, 5000, 20000, body(phoneMedia), body(pbxMedia))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			r := s.report()
			var got []string
			for _, c := range r.Calls {
				got = append(got, fmt.Sprintf("%d %s %s", len(c.Legs), c.Audio, c.Cause))
			}
			if strings.Join(got, "\n") != strings.Join(tc.calls, "\n") {
				t.Errorf("%q, want %q, findings %v", got, tc.calls, ids(r))
			}
			for _, c := range r.Calls {
				if len(c.Legs) > 0 && (c.Legs[0].ID != c.ID || !c.Legs[1].Caller.IsValid()) {
					t.Errorf("%+v", c)
				}
				if c.Audio == alg.AudioTwoWay && len(c.Streams) == 0 {
					t.Errorf("no streams: %+v", c)
				}
			}
		})
	}
}

// The PBX is on the inside: of its call both captures have the leg to the outside, and the inside alone has the phone's.
func TestLegsBetween(t *testing.T) {
	local, localMedia := netip.MustParseAddrPort("192.168.1.30:5060"), netip.MustParseAddrPort("192.168.1.30:4100")
	in, out := &scene{t: t}, &scene{t: t}
	in.leg("c1", local, alice, 2000, 4100, 14000, body(localMedia), body(port(aliceMedia, 10)))
	in.talk(4200, localMedia, port(aliceMedia, 10), 1, 480)
	in.talk(4201, port(aliceMedia, 10), localMedia, 2, 480)
	for _, side := range []struct {
		s          *scene
		own, media netip.AddrPort
	}{{in, alice, aliceMedia}, {out, nat, natMedia}} {
		for _, at := range []int64{0, 18000} {
			side.s.send(at, side.own, bob, []byte("\r\n\r\n"))
		}
		side.s.leg("c2", side.own, bob, 2050, 4000, 14010, body(aliceMedia), body(bobMedia))
		side.s.talk(4200, side.media, bobMedia, 1, 480)
		side.s.talk(4201, bobMedia, side.media, 2, 480)
	}
	r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Calls) != 1 || len(r.Calls[0].Legs) != 2 || r.Calls[0].Audio != alg.AudioTwoWay || r.Fault() {
		t.Errorf("%+v, %v", r.Calls, ids(r))
	}
}

func port(a netip.AddrPort, n int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), a.Port()+uint16(n))
}
