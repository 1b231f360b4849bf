package capture

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
)

// generated is a pcap file of so many packets that is made while it is read.
type generated struct {
	n, total int
	make     func(i int) []byte // an IP packet
	rest     []byte
}

func (g *generated) Read(b []byte) (int, error) {
	if g.rest == nil {
		g.rest = pcapFile(binary.LittleEndian, magicNano, linkRaw, nil)
	}
	for len(g.rest) < len(b) && g.n < g.total {
		p := g.make(g.n)
		at := start + int64(g.n)*1000
		le := binary.LittleEndian
		g.rest = le.AppendUint32(g.rest, uint32(at/1e9))
		g.rest = le.AppendUint32(g.rest, uint32(at%1e9))
		g.rest = le.AppendUint32(g.rest, uint32(len(p)))
		g.rest = le.AppendUint32(g.rest, uint32(len(p)))
		g.rest = append(g.rest, p...)
		g.n++
	}
	n := copy(b, g.rest)
	g.rest = g.rest[:copy(g.rest, g.rest[n:])]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// numbered puts a number into the address that a packet is from.
func numbered(packet []byte, i int) []byte {
	binary.BigEndian.PutUint32(packet[12:], 10<<24|uint32(i)&0xffffff)
	binary.BigEndian.PutUint16(packet[20:], uint16(1024+i>>24))
	return packet
}

// many is how many conversations a hostile file has here: a million, or NOFIXUP_MANY.
func many(t *testing.T) int {
	if s := os.Getenv("NOFIXUP_MANY"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return 300_000
	}
	return 1_000_000
}

// Files with more conversations, streams, calls or half-open connections than anybody can keep: memory stays below 512 MiB, a
// call at the end is found nevertheless, and what was left out is counted.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("memory, which is what is measured, is another with the race detector")
	}
	n := many(t)
	invite := packetUDP(t, alice, bob, 1, sipMessage("INVITE sip:a@b SIP/2.0", "00000000", bobMedia))
	at := 28 + len("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: ")
	segment := packetTCP(t, alice, bob, 1, 1, "A", []byte("MESSAGE sip:a SIP/2.0\r\nContent-Length: 9000\r\n"))
	stream := packetUDP(t, aliceMedia, bobMedia, 1, rtpPacket(t, 1, 0, 1))
	tests := []struct {
		name string
		make func(i int) []byte
		left func(c *Capture) uint64
	}{
		{"tiny flows", func(i int) []byte { return numbered(packetTiny, i) }, func(c *Capture) uint64 { return c.Left.Forgotten + c.Left.Flows }},
		{"one packet of RTP each", func(i int) []byte { return numbered(stream, i) }, func(c *Capture) uint64 { return c.Left.Forgotten + c.Left.Flows + c.Left.Streams }},
		{"streams", func(i int) []byte {
			binary.BigEndian.PutUint16(stream[30:], uint16(i%6))
			return numbered(stream, i/6)
		}, func(c *Capture) uint64 { return c.Left.Flows + c.Left.Streams + c.Left.Forgotten }},
		{"calls from one address", func(i int) []byte {
			copy(invite[at:], fmt.Sprintf("%08d", i))
			return invite
		}, nil},
		{"calls", func(i int) []byte {
			copy(invite[at:], fmt.Sprintf("%08d", i))
			return numbered(invite, i)
		}, func(c *Capture) uint64 { return c.Left.Flows }},
		{"half messages", func(i int) []byte { return numbered(segment, i) }, func(c *Capture) uint64 { return c.Left.Flows + c.Left.Octets }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			runtime.GC()
			debug.FreeOSMemory()
			most := uint64(0)
			found := 0
			g := &generated{total: n, make: test.make}
			last := packetUDP(t, alice6, bob6, 1, sipMessage("OPTIONS sip:a@b SIP/2.0", "last", netip.AddrPort{}))
			c, err := Read(context.Background(), []string{"-"}, Options{
				Stdin: io.MultiReader(g, &generated{total: 1, rest: []byte{}, make: func(int) []byte { return last }}),
				Message: func(m *Message) {
					if m.Call == "last" {
						found++
					}
				},
				Progress: func(Progress) {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					most = max(most, m.Sys-m.HeapReleased)
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d packets, %d flows, %d streams, %d MiB, %+v", c.Packets, len(c.Flows), len(c.Streams), most>>20, c.Left)
			if most > 512<<20 {
				t.Errorf("%d MiB", most>>20)
			}
			if test.left != nil && n > 2*DefaultFlows && test.left(c) == 0 {
				t.Errorf("nothing was left out of %d, by its own account", n)
			}
			if found != 1 && len(c.Flows) < DefaultFlows {
				t.Error("the call at the end was not found")
			}
		})
	}
}

// packetTiny is a datagram of nothing that is known.
var packetTiny = []byte{0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 203, 0, 113, 10, 4, 0, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4}
