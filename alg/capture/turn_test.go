package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
)

// stunWith is a STUN message of a type with attributes.
func stunWith(kind uint16, attrs ...[]byte) []byte {
	body := slices.Concat(attrs...)
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return slices.Concat(b, []byte{0x21, 0x12, 0xa4, 0x42}, make([]byte, 12), body)
}

func attr(kind uint16, v []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
	return append(b, make([]byte, (4-len(v)%4)%4)...)
}

// xored is an address as STUN hides it from gateways.
func xored(kind uint16, a netip.AddrPort) []byte {
	ip := a.Addr().As4()
	v := binary.BigEndian.AppendUint16([]byte{0, 1}, a.Port()^0x2112)
	for i, c := range []byte{0x21, 0x12, 0xa4, 0x42} {
		v = append(v, ip[i]^c)
	}
	return attr(kind, v)
}

// Media that a TURN server relays is media of the call: in channels, in indications, and where the capture began too late to
// tell whose.
func TestTURN(t *testing.T) {
	server, relayed := netip.MustParseAddrPort("198.51.100.77:3478"), netip.MustParseAddrPort("198.51.100.77:50000")
	channel := func(b []byte) []byte {
		return slices.Concat([]byte{0x40, 1}, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
	}
	indication := func(kind uint16) func(b []byte) []byte {
		return func(b []byte) []byte { return stunWith(kind, xored(attrPeer, bobMedia), attr(attrData, b)) }
	}
	for _, tc := range []struct {
		name          string
		out, in       func([]byte) []byte
		bound, answer bool
		audio         string
		streams       int
	}{
		{"channels", channel, channel, true, true, alg.AudioTwoWay, 2},
		{"channels, nothing comes back", channel, channel, true, false, alg.AudioOneWay, 1},
		{"indications", indication(turnSend), indication(turnData), true, true, alg.AudioTwoWay, 2},
		{"unknown channels", channel, channel, false, true, alg.AudioUnknown, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			s.send(0, aliceMedia, server, stunWith(0x0003))
			if tc.bound {
				s.send(1, server, aliceMedia, stunWith(turnAllocated, xored(attrRelayed, relayed)))
				s.send(2, aliceMedia, server, stunWith(turnBind, attr(attrChannel, []byte{0x40, 1, 0, 0}), xored(attrPeer, bobMedia)))
			}
			s.call(alice, bob, 10000, body(relayed), body(bobMedia))
			for i := range 480 {
				s.send(250+int64(i)*20, aliceMedia, server, tc.out(rtpPacket(t, 1, 0, i)))
				if tc.answer {
					s.send(260+int64(i)*20, server, aliceMedia, tc.in(rtpPacket(t, 2, 0, i)))
				}
			}
			r := s.report()
			if len(r.Calls) != 1 || r.Calls[0].Audio != tc.audio || len(r.Streams) != tc.streams || r.Streams[0].Packets != 480 {
				t.Fatalf("%+v, %d streams, %v", r.Calls, len(r.Streams), ids(r))
			}
			if x := r.Streams[0]; tc.bound && (x.Src != relayed || x.Dst != bobMedia) {
				t.Errorf("%v > %v", x.Src, x.Dst)
			}
		})
	}
}

// What looks like a channel and is none, and a channel within a channel, end well.
func TestTURNNone(t *testing.T) {
	server := netip.MustParseAddrPort("198.51.100.77:3478")
	s := &scene{t: t}
	s.send(0, aliceMedia, server, stunWith(0x0003))
	nested := rtpPacket(t, 1, 0, 1)
	for range 2000 {
		nested = slices.Concat([]byte{0x40, 1}, binary.BigEndian.AppendUint16(nil, uint16(len(nested))), nested)
	}
	for i, b := range [][]byte{nested, {0x40}, {0x40, 1, 0, 0}, {0x40, 1, 0xff, 0xff, 1}, {0x7f, 1, 0, 1, 1}, stunWith(turnBind), stunWith(turnSend, attr(attrData, []byte{1})), stunWith(turnAllocated, attr(attrRelayed, []byte(strings.Repeat("x", 8))))} {
		s.send(int64(i)+1, aliceMedia, server, b)
	}
	r := analyse(t, s.file("turn.pcap"))
	if len(r.Streams) != 0 || len(r.Flows) != 1 || r.Flows[0].Proto != ProtoSTUN {
		t.Errorf("%d streams, %d flows", len(r.Streams), len(r.Flows))
	}
}

// Of clients and channels that are too many it is said that they are not followed, and how many messages were about them.
func TestTURNFull(t *testing.T) {
	server, relayed := netip.MustParseAddrPort("198.51.100.77:3478"), netip.MustParseAddrPort("198.51.100.77:50000")
	bind := func(channel int) []byte {
		return stunWith(turnBind, attr(attrChannel, []byte{0x40, byte(channel), 0, 0}), xored(attrPeer, bobMedia))
	}
	const note = " messages are about clients and channels of TURN servers for which there was no room: what they relay is not followed"
	for _, tc := range []struct {
		name              string
		clients, channels int
		full              uint64
	}{
		{"all", maxAllocations, 1, 0},
		{"clients", maxAllocations + 3, 1, 3 * 3},
		{"channels", 1, maxTurnChannels + 2, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			for i := range tc.clients {
				client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4000)
				s.send(int64(i), server, client, stunWith(turnAllocated, xored(attrRelayed, relayed)))
				for channel := range tc.channels {
					s.send(int64(i), client, server, bind(channel))
				}
				s.send(int64(i), client, server, bind(0)) // again, which takes no more room
			}
			r := analyse(t, s.file("turn.pcap"))
			if r.Left.Relays != tc.full || r.Complete() != (tc.full == 0) {
				t.Errorf("%d, want %d; complete %v", r.Left.Relays, tc.full, r.Complete())
			}
			notes := r.notes("")
			if slices.Contains(notes, fmt.Sprint(tc.full)+note) != (tc.full > 0) || tc.full == 0 && len(notes) > 0 {
				t.Errorf("%q", notes)
			}
		})
	}
}
