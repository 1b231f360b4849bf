package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkReport reads and judges 60 MB of calls from files: in both formats, and both sides.
func BenchmarkReport(b *testing.B) {
	name := filepath.Join(b.TempDir(), "c")
	packets := generateFiles(b, name, 120, 20)
	in, ng, out := name+".in.pcap", name+".in.pcapng", name+".out.pcap"
	for _, bench := range []struct {
		name    string
		cfg     Config
		packets int
	}{
		{"pcap", Config{Files: []string{in}}, packets},
		{"pcapng", Config{Files: []string{ng}}, packets},
		{"pair", Config{Inside: []string{in}, Outside: []string{out}}, 2 * packets},
	} {
		b.Run(bench.name, func(b *testing.B) {
			octets := int64(0)
			for _, f := range append(append(bench.cfg.Files, bench.cfg.Inside...), bench.cfg.Outside...) {
				info, err := os.Stat(f)
				if err != nil {
					b.Fatal(err)
				}
				octets += info.Size()
			}
			b.SetBytes(octets)
			b.ReportAllocs()
			for b.Loop() {
				r, err := Report(context.Background(), bench.cfg)
				if err != nil || len(r.Calls) != 120 {
					b.Fatalf("%v", err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(bench.packets), "ns/packet")
			b.ReportMetric(float64(b.N)*float64(bench.packets)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

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
