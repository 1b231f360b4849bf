package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"nofixup/alg"
)

// What real captures hold beside a plain call, made anew: none of it is an ALG, and audio is one-way where nothing comes back
// alone.
func TestTwins(t *testing.T) {
	stun := slices.Concat([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12))
	audio := func(r *alg.Report) string {
		var list []string
		for _, c := range r.Calls {
			list = append(list, fmt.Sprintf("%s %s %v %s", c.State, c.Audio, c.Packets, c.Cause))
		}
		return strings.Join(list, ", ")
	}
	for _, tc := range []struct {
		name, want string
		streams    string // packets, and those lost if any were
		make       func(s *scene)
	}{
		{"a private description, STUN on the ports of media, declined video, and ICMP after BYE", "ended two-way [487 488] media-latched", "488 490", func(s *scene) {
			s.call(alice, bob, 10000, body(aliceMedia, "m=video 9078 RTP/AVP 96"), body(bobMedia, "m=video 0 RTP/AVP 96", "a=inactive"))
			s.send(240, aliceMedia, bobMedia, stun)
			s.send(241, aliceMedia, bobMedia, stun)
			s.talk(250, aliceMedia, bobMedia, 1, 488)
			s.talk(270, bobMedia, aliceMedia, 2, 490)
			s.refuse(10010, alice.Addr(), bobMedia, aliceMedia, 3, 3)
		}},
		{"recvonly and sendonly", "ended not-expected [425 0] ", "425", func(s *scene) {
			s.call(phone, bob, 9000, body(phoneMedia, "a=recvonly"), body(bobMedia, "a=sendonly"))
			s.talk(250, bobMedia, phoneMedia, 2, 425)
		}},
		{"a short call, comfort noise", "ended two-way [42 24] ", "42 24", func(s *scene) {
			s.call(phone, bob, 1500, body(phoneMedia), body(bobMedia))
			s.talk(250, bobMedia, phoneMedia, 2, 42)
			s.talk(260, phoneMedia, bobMedia, 1, 23)
			s.send(1300, phoneMedia, bobMedia, rtpPacket(s.t, 1, 13, 23))
		}},
		{"the same IP identification twice", "ended two-way [480 480] ", "480 480", func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
			for i, x := range slices.Clone(s.shots) {
				if i%3 == 0 {
					s.shots = append(s.shots, shot{at: x.at + 20000, data: x.data})
				}
			}
		}},
		{"silence suppression is no loss", "ended two-way [300 480] ", "480 300", func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			for i := range 6 {
				s.talkFrom(250+int64(i)*1600, bobMedia, phoneMedia, 2, 50*i, 50)
			}
		}},
		{"a message quoted by ICMP", "unanswered not-expected [0 0] ", "", func(s *scene) {
			m := says(invite, "c1", "1 INVITE", phone, body(phoneMedia))
			s.send(0, phone, bob, m)
			icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}
			b := stack(s.t, ip(bob.Addr(), phone.Addr(), layers.IPProtocolICMPv4, 9), icmp, gopacket.Payload(packetUDP(s.t, phone, bob, 1, m)))
			s.shots = append(s.shots, shot{at: start + 10*ms, data: ether(b)})
		}},
		{"a media server that is not the signalling peer", "ended two-way [480 480] ", "480 480", func(s *scene) {
			server := netip.MustParseAddrPort("203.0.113.77:9000")
			s.call(phone, bob, 10000, body(phoneMedia), body(server))
			s.talk(250, phoneMedia, server, 1, 480)
			s.talk(250, server, phoneMedia, 2, 480)
		}},
		{"it sends from another port than it listens at", "ended two-way [480 480] media-asymmetric", "480 480", func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, netip.AddrPortFrom(bobMedia.Addr(), 5800), phoneMedia, 2, 480)
		}},
		{"other ports than 5060", "ended two-way [480 480] ", "480 480", func(s *scene) {
			s.call(netip.AddrPortFrom(phone.Addr(), 15999), netip.AddrPortFrom(bob.Addr(), 7777), 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"the web on port 5060", "ended two-way [480 480] ", "480 480", func(s *scene) {
			web := &connection{s: s, ends: [2]netip.AddrPort{netip.MustParseAddrPort("198.51.100.20:41000"), bob}}
			web.send(50, 0, []byte("GET / HTTP/1.1\r\nHost: sip.example.net\r\n\r\n"))
			web.send(60, 1, []byte("HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\nINVITE sip:a@b SIP/2.0 is no SIP"))
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"SRTP with keys by DTLS, and ICE", "ended two-way [480 480] ", "480 480", func(s *scene) {
			secured := func(a netip.AddrPort) string {
				return strings.Replace(body(a, "a=rtcp-mux", "a=setup:actpass", fmt.Sprintf("a=candidate:1 1 udp 2130706431 10.9.9.9 %d typ host", a.Port())), "RTP/AVP", "UDP/TLS/RTP/SAVPF", 1)
			}
			s.call(phone, bob, 10000, secured(phoneMedia), secured(bobMedia))
			hello := slices.Concat([]byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1}, make([]byte, 59))
			for i := range int64(3) {
				s.send(210+i, phoneMedia, bobMedia, stun)
				s.send(215+i, bobMedia, phoneMedia, stun)
				s.send(220+i, phoneMedia, bobMedia, hello)
				s.send(225+i, bobMedia, phoneMedia, hello)
			}
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
			for i := range int64(100) { // SRTCP: the header alone is in clear
				s.send(255+i*90, bobMedia, phoneMedia, slices.Concat([]byte{0x80, 200, 0, 6, 0, 0, 0, 2}, bytes.Repeat([]byte{byte(i * 7)}, 34)))
			}
		}},
		{"packets lost on the way", "ended two-way [450 480] ", "480 450-29", func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			for i := range 480 {
				if i%16 != 15 {
					s.send(250+int64(i)*20, bobMedia, phoneMedia, rtpPacket(s.t, 2, 0, i))
				}
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			r := s.report()
			var streams []string
			for _, x := range r.Streams {
				n := fmt.Sprint(x.Packets)
				if x.Lost > 0 {
					n += fmt.Sprintf("-%d", x.Lost)
				}
				streams = append(streams, n)
			}
			if got := audio(r); got != tc.want || strings.Join(streams, " ") != tc.streams || r.Fault() {
				t.Errorf("%s, streams %s, findings %v; want %s, %s", got, streams, ids(r), tc.want, tc.streams)
			}
		})
	}
}

// A call through a proxy with a relay, over IPv6 in fragments on a cooked link.
func TestTwinFragments(t *testing.T) {
	sipp, server, media, relay := netip.MustParseAddrPort("[2001:db8:1::10]:15060"), netip.MustParseAddrPort("[2001:db8:1::20]:5062"), netip.MustParseAddrPort("[2001:db8:1::10]:15062"), netip.MustParseAddrPort("[2001:db8:1::30]:30002")
	described := func(a netip.AddrPort) string {
		return strings.ReplaceAll(body(a, strings.Repeat("a=des:qos mandatory local none\r\n", 40)+"a=sendrecv"), "IP4", "IP6")
	}
	var shots []shot
	at := start
	add := func(src, dst netip.AddrPort, m []byte) {
		at += 5 * ms
		for _, f := range fragmented(t, packetUDP(t, src, dst, 0, m), 1232) {
			cooked := slices.Concat([]byte{0, 0, 0, 1, 0, 6}, macs[:6], []byte{0, 0}, f[12:])
			shots = append(shots, shot{at: at, data: cooked})
		}
	}
	add(sipp, server, says(invite, "c1", "1 INVITE", sipp, described(media)))
	routed := says(invite, "c1", "1 INVITE", sipp, described(relay))
	add(server, bob6, bytes.Replace(routed, []byte("\r\n"), []byte("\r\nVia: SIP/2.0/UDP [2001:db8:1::20]:5062;branch=z9hG4bKp\r\nRecord-Route: <sip:[2001:db8:1::20]:5062;lr>\r\n"), 1))
	add(bob6, server, says(ok200, "c1", "1 INVITE", sipp, described(netip.MustParseAddrPort("[2001:db8:2::10]:25062"))))
	add(server, sipp, says(ok200, "c1", "1 INVITE", sipp, described(netip.MustParseAddrPort("[2001:db8:1::30]:30004"))))
	r, err := Report(t.Context(), Config{Files: write(t, pcapFile(binary.LittleEndian, magicMicro, 113, shots))})
	if err != nil {
		t.Fatal(err)
	}
	if len(shots) < 8 || len(r.Calls) != 1 || r.Calls[0].State != "answered" || r.Calls[0].Audio != alg.AudioUnknown || len(r.Findings) != 0 {
		t.Errorf("%d frames, %+v, %v", len(shots), r.Calls, ids(r))
	}
}

// A call is the same on every link, in every tunnel and in every kind of file.
func TestEveryFile(t *testing.T) {
	s := &scene{t: t}
	s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
	s.talk(250, phoneMedia, bobMedia, 1, 480)
	router1, router2 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	slices.SortStableFunc(s.shots, func(a, b shot) int { return int(min(1, max(-1, a.at-b.at))) })
	through := func(wrap func(packet []byte) []byte) []shot {
		var list []shot
		for _, x := range s.shots {
			list = append(list, shot{at: x.at, data: wrap(x.data[14:])})
		}
		return list
	}
	behind := func(b ...byte) func([]byte) []byte {
		return func(p []byte) []byte { return slices.Concat(macs, b, p) }
	}
	front := func(b ...byte) func([]byte) []byte { return func(p []byte) []byte { return slices.Concat(b, p) } }
	outer := func(proto layers.IPProtocol, head func(p []byte) []byte) func([]byte) []byte {
		return func(p []byte) []byte {
			return ether(stack(t, ip(router1, router2, proto, 9), gopacket.Payload(slices.Concat(head(p), p))))
		}
	}
	udp := func(port uint16, head func(p []byte) []byte) func([]byte) []byte {
		return func(p []byte) []byte {
			return ether(packetUDP(t, netip.AddrPortFrom(router1, 40000), netip.AddrPortFrom(router2, port), 9, slices.Concat(head(p), p)))
		}
	}
	none := func([]byte) []byte { return nil }
	length := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	le := func(link int, list []shot) []byte { return pcapFile(binary.LittleEndian, magicNano, link, list) }
	plain := le(1, s.shots)
	var gz bytes.Buffer
	g := gzip.NewWriter(&gz)
	if _, err := g.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	ng := slices.Concat(sectionBlock(binary.BigEndian), interfaceBlock(binary.BigEndian, 1, 9))
	for _, x := range s.shots {
		ng = append(ng, packetBlock(binary.BigEndian, 0, uint64(x.at), x.data)...)
	}
	for name, file := range map[string][]byte{
		"nanoseconds": plain, "big-endian": pcapFile(binary.BigEndian, magicMicro, 1, s.shots), "gzip": gz.Bytes(), "pcapng": ng,
		"802.1Q": le(1, through(behind(0x81, 0, 0, 5, 8, 0))), "QinQ": le(1, through(behind(0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0))),
		"MPLS": le(1, through(behind(0x88, 0x47, 0, 2, 0x21, 64))),
		"PPPoE": le(1, through(func(p []byte) []byte {
			return slices.Concat(macs, []byte{0x88, 0x64, 0x11, 0, 0, 1}, length(len(p)+2), []byte{0, 0x21}, p)
		})),
		"Linux cooked":    le(113, through(front(0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0))),
		"Linux cooked v2": le(276, through(front(8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0))),
		"raw IP":          le(101, through(front())), "BSD loopback": le(0, through(front(2, 0, 0, 0))),
		"GRE":  le(1, through(outer(47, func([]byte) []byte { return []byte{0, 0, 8, 0} }))),
		"IPIP": le(1, through(outer(4, none))),
		"GTP-U": le(1, through(udp(2152, func(p []byte) []byte {
			return slices.Concat([]byte{0x30, 255}, length(len(p)), []byte{0, 0, 0, 7})
		}))),
		"VXLAN": le(1, through(udp(4789, func([]byte) []byte { return slices.Concat([]byte{8, 0, 0, 0, 0, 0, 5, 0}, macs, []byte{8, 0}) }))),
		"cut":   plain[:len(plain)-200], // in the last message of all
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Report(t.Context(), Config{Files: write(t, file)})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Calls) != 1 || r.Calls[0].Audio != alg.AudioOneWay || r.Calls[0].State != "ended" || r.Calls[0].Packets != [2]int{0, 480} || !slices.Equal(ids(r), []string{"media-one-way"}) {
				t.Errorf("%+v, %v", r.Calls, ids(r))
			}
			if damaged := len(r.Network.Notes) > 0; damaged != (name == "cut") {
				t.Errorf("notes %q", r.Network.Notes)
			}
		})
	}
}
