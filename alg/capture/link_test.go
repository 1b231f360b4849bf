package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// hexed are octets of headers.
func hexed(b ...byte) []byte { return b }

// Every link layer and tunnel gives the message within, with its addresses.
func TestLinks(t *testing.T) {
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bob)
	p4, p6 := packetUDP(t, alice, bob, 7, message), packetUDP(t, alice6, bob6, 0, message)
	router1, router2 := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	outer := func(proto layers.IPProtocol, inner ...[]byte) []byte {
		return ether(stack(t, ip(router1, router2, proto, 9), gopacket.Payload(slices.Concat(inner...))))
	}
	udp := func(port uint16, inner ...[]byte) []byte {
		return ether(packetUDP(t, netip.AddrPortFrom(router1, 40000), netip.AddrPortFrom(router2, port), 9, slices.Concat(inner...)))
	}
	tag := func(kind uint16, id byte, rest []byte) []byte { // behind the addresses of Ethernet
		return slices.Concat(binary.BigEndian.AppendUint16(nil, kind), hexed(0, id), rest)
	}
	typed4, typed6 := slices.Concat(hexed(8, 0), p4), slices.Concat(hexed(0x86, 0xdd), p6)
	gtp := slices.Concat(hexed(0x30, 255), binary.BigEndian.AppendUint16(nil, uint16(len(p4))), hexed(0, 0, 0, 7))
	gtpExt := slices.Concat(hexed(0x34, 255), binary.BigEndian.AppendUint16(nil, uint16(len(p4)+8)), hexed(0, 0, 0, 7, 0, 0, 0, 0x85, 1, 0, 9, 0))
	tests := []struct {
		name  string
		link  int
		frame []byte
		six   bool
	}{
		{"Ethernet", 1, ether(p4), false},
		{"Ethernet, IPv6", 1, ether(p6), true},
		{"802.1Q", 1, slices.Concat(macs, tag(0x8100, 5, typed4)), false},
		{"QinQ", 1, slices.Concat(macs, tag(0x88a8, 5, tag(0x8100, 6, typed6))), true},
		{"QinQ of old", 1, slices.Concat(macs, tag(0x9100, 5, tag(0x8100, 6, typed4))), false},
		{"MPLS, two labels", 1, slices.Concat(macs, hexed(0x88, 0x47, 0, 1, 0x20, 64, 0, 2, 0x21, 64), p4), false},
		{"MPLS within a VLAN", 1, slices.Concat(macs, tag(0x8100, 5, slices.Concat(hexed(0x88, 0x47, 0, 2, 0x21, 64), p6))), true},
		{"PPPoE", 1, slices.Concat(macs, hexed(0x88, 0x64, 0x11, 0, 0, 1), binary.BigEndian.AppendUint16(nil, uint16(len(p4)+2)), hexed(0, 0x21), p4), false},
		{"PPPoE, IPv6", 1, slices.Concat(macs, hexed(0x88, 0x64, 0x11, 0, 0, 1), binary.BigEndian.AppendUint16(nil, uint16(len(p6)+2)), hexed(0, 0x57), p6), true},
		{"Linux cooked", 113, slices.Concat(hexed(0, 0, 0, 1, 0, 6), macs[:6], hexed(0, 0), typed4), false},
		{"Linux cooked with a VLAN", 113, slices.Concat(hexed(0, 0, 0, 1, 0, 6), macs[:6], hexed(0, 0), tag(0x8100, 5, typed4)), false},
		{"Linux cooked v2", 276, slices.Concat(hexed(0x86, 0xdd, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6), macs[:6], hexed(0, 0), p6), true},
		{"raw IP", 101, p4, false},
		{"raw IP of BSD", 12, p6, true},
		{"raw IPv6", 229, p6, true},
		{"BSD loopback, little-endian", 0, slices.Concat(hexed(2, 0, 0, 0), p4), false},
		{"BSD loopback, big-endian", 108, slices.Concat(hexed(0, 0, 0, 24), p6), true},
		{"PPP", 9, slices.Concat(hexed(0xff, 3, 0, 0x21), p4), false},
		{"GRE", 1, outer(47, hexed(0, 0), typed4), false},
		{"GRE with key and number", 1, outer(47, hexed(0x30, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 2), p4), false},
		{"GRE with Ethernet", 1, outer(47, hexed(0, 0, 0x65, 0x58), ether(p6)), true},
		{"ERSPAN I", 1, outer(47, hexed(0, 0, 0x88, 0xbe), ether(p4)), false},
		{"ERSPAN II", 1, outer(47, hexed(0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 1, 0, 0, 0, 2), ether(p4)), false},
		{"ERSPAN III", 1, outer(47, hexed(0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0), ether(p4)), false},
		{"ERSPAN III with a subheader", 1, outer(47, hexed(0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8), ether(p6)), true},
		{"IPIP", 1, outer(4, p4), false},
		{"6in4", 1, outer(41, p6), true},
		{"GTP-U", 1, udp(2152, gtp, p4), false},
		{"GTP-U with an extension", 1, udp(2152, gtpExt, p4), false},
		{"VXLAN", 1, udp(4789, hexed(8, 0, 0, 0, 0, 0, 5, 0), ether(p4)), false},
		{"VXLAN within GRE", 1, outer(47, hexed(0, 0, 8, 0), udp(4789, hexed(8, 0, 0, 0, 0, 0, 5, 0), ether(p6))[14:]), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := of(t, test.link, timed(test.frame)...)
			src, dst := alice, bob
			if test.six {
				src, dst = alice6, bob6
			}
			if len(r.messages) != 1 {
				t.Fatalf("%d messages, %+v", len(r.messages), r.Left)
			}
			m := r.messages[0]
			if !bytes.Equal(m.Raw, message) || m.Src != src || m.Dst != dst || m.Missing != 0 || m.Flow.Octets[0] != uint64(len(message)) {
				t.Errorf("%d octets %v > %v, %d missing, %d on the wire", len(m.Raw), m.Src, m.Dst, m.Missing, m.Flow.Octets[0])
			}
			// The same with the frame cut anywhere: nothing else is ever seen.
			for n := range test.frame {
				r := of(t, test.link, shot{at: start, data: test.frame[:n], size: len(test.frame)})
				for _, m := range r.messages {
					if !bytes.HasPrefix(message, m.Raw) || m.Missing != len(message)-len(m.Raw) {
						t.Fatalf("cut at %d: %d octets, %d missing", n, len(m.Raw), m.Missing)
					}
				}
			}
		})
	}
}

// The usual packet goes the short way, anything unusual does not.
func TestPlain(t *testing.T) {
	usual := udpFrame(t, alice, bob, sipMessage("INVITE sip:a@b SIP/2.0", "x", bob))
	d := decoder{take: func(*packet) {}}
	if !d.plain(usual) || !d.plain(slices.Concat(usual, make([]byte, 4))) {
		t.Error("not plain")
	}
	checkPlain(t, usual)
	checkPlain(t, slices.Concat(usual, make([]byte, 4))) // padded
	for _, at := range []int{12, 14, 16, 17, 20, 21, 23, 38, 39} {
		b := slices.Clone(usual)
		b[at] ^= 0x21
		if d.plain(b) {
			t.Errorf("plain with octet %d changed", at)
		}
	}
	if d.plain(usual[:len(usual)-1]) || d.plain(udpFrame(t, alice6, bob6, nil)) {
		t.Error("plain")
	}
}

func TestUnknownLink(t *testing.T) {
	r := of(t, 247, timed(make([]byte, 60), make([]byte, 60))...)
	if r.Left.Links[247] != 2 || r.Complete() {
		t.Errorf("%+v", r.Left)
	}
}

// Headers of tunnels that end too early are counted: on these gopacket panics.
func TestTunnelHeaderCut(t *testing.T) {
	for _, tc := range []struct {
		name      string
		payload   []byte
		malformed uint64
	}{
		{"GRE of three octets", hexed(0, 0, 8), 1},
		{"GRE without its key", hexed(0x20, 0, 8, 0, 0, 0), 1},
		{"GRE whose routing has no end", hexed(0x40, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 9), 1},
		{"ERSPAN of four octets", hexed(0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0), 1},
		{"GRE around nothing", hexed(0, 0, 8, 0), 0},
	} {
		r := of(t, 1, timed(ether(stack(t, ip(alice.Addr(), bob.Addr(), 47, 1), gopacket.Payload(tc.payload))))...)
		if r.Left.Malformed != tc.malformed || len(r.messages) != 0 {
			t.Errorf("%s: %d malformed, want %d; %d messages", tc.name, r.Left.Malformed, tc.malformed, len(r.messages))
		}
	}
}

// A datagram to the port of a tunnel that holds none is a datagram.
func TestTunnelPortWithoutTunnel(t *testing.T) {
	for _, port := range []uint16{2152, 4789, 8472} {
		r := of(t, 1, timed(udpFrame(t, alice, netip.AddrPortFrom(bob.Addr(), port), sipMessage("OPTIONS sip:a SIP/2.0", "x", netip.AddrPort{})))...)
		if len(r.messages) != 1 {
			t.Errorf("port %d: %d messages", port, len(r.messages))
		}
	}
}

// fragmented cuts an IP packet into fragments of so many octets of payload.
func fragmented(t testing.TB, packet []byte, size int) [][]byte {
	t.Helper()
	var list [][]byte
	if packet[0]>>4 == 4 {
		head, body := packet[:20], packet[20:]
		for off := 0; off < len(body); off += size {
			end := min(off+size, len(body))
			f := slices.Concat(head, body[off:end])
			binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
			flags := uint16(off / 8)
			if end < len(body) {
				flags |= 0x2000
			}
			binary.BigEndian.PutUint16(f[6:], flags)
			list = append(list, ether(f))
		}
		return list
	}
	head, body := slices.Clone(packet[:40]), packet[40:]
	next := head[6]
	head[6] = 44
	for off := 0; off < len(body); off += size {
		end := min(off+size, len(body))
		flags := uint16(off)
		if end < len(body) {
			flags |= 1
		}
		f := slices.Concat(head, hexed(next, 0), binary.BigEndian.AppendUint16(nil, flags), hexed(0, 0, 0, 9), body[off:end])
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
		list = append(list, ether(f))
	}
	return list
}

func TestFragments(t *testing.T) {
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bob, string(bytes.Repeat([]byte("a=x\r\n"), 600)))
	r := rand.New(rand.NewPCG(9, 9))
	for _, packet := range [][]byte{packetUDP(t, alice, bob, 7, message), packetUDP(t, alice6, bob6, 0, message)} {
		for range 20 {
			frames := fragmented(t, packet, 8*(1+r.IntN(180)))
			r.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
			if len(frames) < 100 {
				frames = append(frames[:1:1], frames...) // the first one twice
			}
			got := of(t, 1, timed(frames...)...)
			if len(frames) > maxPieces {
				continue // more than any sender makes
			}
			if len(got.messages) != 1 || !bytes.Equal(got.messages[0].Raw, message) || len(got.messages[0].Frames) < 2 {
				t.Fatalf("%d fragments: %v", len(frames), starts(got.messages))
			}
		}
	}
}

// A large INVITE of which a fragment got lost is reported with what there is of it.
func TestFragmentLost(t *testing.T) {
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bob, string(bytes.Repeat([]byte("a=x\r\n"), 600)))
	frames := fragmented(t, packetUDP(t, alice, bob, 7, message), 1480)
	r := of(t, 1, timed(frames[0])...)
	if len(r.messages) != 1 || r.Left.Fragmented != 1 {
		t.Fatalf("%v, %+v", starts(r.messages), r.Left)
	}
	if m := r.messages[0]; m.Missing != len(message)-len(m.Raw) || len(m.Raw) != 1472 {
		t.Errorf("%d octets, %d missing of %d", len(m.Raw), m.Missing, len(message))
	}
	if r = of(t, 1, timed(frames[1])...); len(r.messages) != 0 || r.Left.Fragmented != 1 {
		t.Errorf("%v, %+v", starts(r.messages), r.Left)
	}
}

// What the capture cut off (snap length) is missing in fragments as it is elsewhere: the packet came all the same, in time.
func TestFragmentsCut(t *testing.T) {
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bobMedia, string(bytes.Repeat([]byte("a=x\r\n"), 600)))
	var shots []shot
	add := func(at int64, packet []byte) {
		for _, f := range fragmented(t, packet, 96) {
			shots = append(shots, shot{at: start + at, data: f[:min(len(f), 100)], size: len(f)})
		}
	}
	add(0, packetUDP(t, alice, bob, 7, message[:1500]))
	for i := range 50 {
		add(int64(i)*20_000_000, packetUDP(t, aliceMedia, bobMedia, uint16(100+i), rtpPacket(t, 7, 0, i)))
	}
	r := of(t, 1, shots...)
	if len(r.messages) != 1 || r.messages[0].Missing != 1500-len(r.messages[0].Raw) || r.messages[0].Fragments != 16 || len(r.messages[0].Raw) != 58 {
		t.Errorf("%v, %+v", starts(r.messages), r.messages)
	}
	if len(r.Streams) != 1 || r.Streams[0].Packets != 50 || r.Streams[0].Lost != 0 || r.Streams[0].Strays != 0 || r.Left.Fragmented != 0 {
		t.Errorf("%+v, %+v", r.Streams, r.Left)
	}
}

// More packets are begun than anybody sends: memory stays bounded, and one that is complete is still found.
func TestFragmentFlood(t *testing.T) {
	var shots []shot
	packet := packetUDP(t, alice, bob, 7, make([]byte, 3000))
	for i := range 5000 {
		binary.BigEndian.PutUint16(packet[4:], uint16(i))
		shots = append(shots, shot{at: start, data: fragmented(t, packet, 1480)[0]})
	}
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bob, string(bytes.Repeat([]byte("a=x\r\n"), 600)))
	for _, f := range fragmented(t, packetUDP(t, alice, bob, 9999, message), 1480) {
		shots = append(shots, shot{at: start, data: f})
	}
	r := of(t, 1, shots...)
	if len(r.messages) != 1 || r.Left.Fragmented != 5000 {
		t.Errorf("%d messages, %+v", len(r.messages), r.Left)
	}
}
