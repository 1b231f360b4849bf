package capture

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"github.com/pion/rtp"

	"nofixup/alg/media"
)

// What is taken of many packets at once gives what the long way through the layers gives, whatever comes in between: other
// streams on the same ports, reports, packets that came late, twice or cut, padding, extensions, and conversations that share a place.
func TestKnown(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var shots []shot
	add := func(frame []byte) {
		shots = append(shots, shot{at: start + int64(len(shots))*ms/4 + r.Int64N(ms), data: frame})
	}
	seq := map[int]int{}
	for range 20000 {
		n := r.IntN(60)
		near, far := netip.AddrPortFrom(aliceMedia.Addr(), uint16(10000+2*(n/2))), netip.AddrPortFrom(bobMedia.Addr(), uint16(20000+2*(n/2)))
		if n%2 == 1 {
			near, far = far, near
		}
		seq[n]++
		header := rtp.Header{Version: 2, SSRC: uint32(n + 1), SequenceNumber: uint16(65400 + seq[n]), Timestamp: uint32(seq[n]) * 160}
		switch r.IntN(60) {
		case 0:
			continue
		case 1:
			header.SequenceNumber -= uint16(r.IntN(5))
		case 2:
			header.SSRC += 1000
		case 3:
			header.PayloadType = uint8(r.IntN(128))
		case 4:
			header.CSRC = []uint32{1, 2}
		case 5:
			header.Extension, header.ExtensionProfile = true, 0xbede
		case 6:
			add(udpFrame(t, near, far, []byte{0x80, 201, 0, 1, 0, 0, 0, 1}))
		case 7:
			add(udpFrame(t, netip.AddrPortFrom(bob.Addr(), 53), near, []byte{0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}))
		case 8:
			add(udpFrame(t, alice, bob, sipMessage("INVITE sip:c@d SIP/2.0", near.String(), near)))
		}
		b, err := (&rtp.Packet{Header: header, Payload: make([]byte, 20+r.IntN(140))}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(60) == 0 {
			b[0] |= 0x20 // padding, by the last octet none or too much
		}
		frame := udpFrame(t, near, far, b)
		if r.IntN(60) == 0 {
			frame = frame[:len(frame)-r.IntN(len(b))]
		}
		add(frame)
	}
	le := binary.LittleEndian
	ng := append(sectionBlock(le), interfaceBlock(le, 1, 9)...)
	for _, s := range shots {
		ng = append(ng, packetBlock(le, 0, uint64(s.at), s.data)...)
	}
	for name, file := range map[string][]byte{
		"pcap": pcapFile(le, magicNano, 1, shots), "pcap, big-endian": pcapFile(binary.BigEndian, magicMicro, 1, shots), "pcapng": ng,
	} {
		file := write(t, file)
		quick, err := Read(context.Background(), file, Options{traces: true})
		if err != nil {
			t.Fatal(err)
		}
		long, err := Read(context.Background(), file, Options{traces: true, RTP: ignored})
		if err != nil {
			t.Fatal(err)
		}
		if len(long.Streams) < 60 || long.Packets != len(shots) {
			t.Fatalf("%s: %d streams, %d packets", name, len(long.Streams), long.Packets)
		}
		for _, f := range append(quick.Flows, long.Flows...) {
			f.recent = [recentLen]recent{} // hashes, of another seed each time
		}
		if !reflect.DeepEqual(quick, long) {
			t.Errorf("%s: %d flows, %d streams; want %d, %d", name, len(quick.Flows), len(quick.Streams), len(long.Flows), len(long.Streams))
			compareStreams(t, quick.Streams, long.Streams)
		}
	}
}

// ignored takes every packet of RTP, so that none is taken the quick way.
func ignored(*media.Stream, int64, []byte) {}
