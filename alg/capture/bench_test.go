package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
)

// BenchmarkRead reads 300 calls at once with a stream each way, from memory: what it costs beside reading the file.
func BenchmarkRead(b *testing.B) {
	var shots []shot
	const calls, packets = 300, 200
	at := func(a netip.AddrPort, i int) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), uint16(10000+2*i)) }
	for i := range calls {
		shots = append(shots, shot{at: start, data: udpFrame(b, alice, bob, sipMessage("INVITE sip:c@d SIP/2.0", string(rune('a'+i)), at(aliceMedia, i)))})
		shots = append(shots, shot{at: start, data: udpFrame(b, bob, alice, sipMessage("SIP/2.0 200 OK", string(rune('a'+i)), at(bobMedia, i)))})
	}
	for n := range packets {
		for i := range calls {
			when := start + int64(n)*20*ms + int64(i)*1000
			shots = append(shots, shot{at: when, data: udpFrame(b, at(aliceMedia, i), at(bobMedia, i), rtpPacket(b, uint32(2*i), 0, n))},
				shot{at: when, data: udpFrame(b, at(bobMedia, i), at(aliceMedia, i), rtpPacket(b, uint32(2*i+1), 0, n))})
		}
	}
	le := binary.LittleEndian
	ng := append(sectionBlock(le), interfaceBlock(le, 1, 9)...)
	for _, s := range shots {
		ng = append(ng, packetBlock(le, 0, uint64(s.at), s.data)...)
	}
	for name, file := range map[string][]byte{"pcap": pcapFile(le, magicNano, 1, shots), "pcapng": ng} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := Read(context.Background(), []string{"-"}, Options{Stdin: io.Reader(bytes.NewReader(file)), Message: func(*Message) {}})
				if err != nil || len(c.Streams) != 2*calls || c.Messages != 2*calls {
					b.Fatalf("%v, %d streams", err, len(c.Streams))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(shots)), "ns/packet")
		})
	}
}
