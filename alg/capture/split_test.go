package capture

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"
)

// busy is a capture in which calls begin and end all the time, on ports that are used again, with loss, with messages in
// fragments and on TCP, with packets of other protocols.
func busy(t testing.TB, n int) []shot {
	t.Helper()
	r := rand.New(rand.NewPCG(41, 42))
	var shots []shot
	at := start
	add := func(data []byte) {
		at += int64(r.IntN(2_000_000))
		shots = append(shots, shot{at: at, data: data})
	}
	type call struct{ n, seq, port int }
	var calls []call
	k := talkOf(400, "tcp")
	sent := 0
	add(tcpFrame(t, alice, bob, 0, 0, "S", nil))
	for i := 0; len(shots) < n; i++ {
		if i%17 == 0 {
			c := call{n: i, port: 10000 + 2*(len(calls)%40)}
			near, far := netip.AddrPortFrom(aliceMedia.Addr(), uint16(c.port)), netip.AddrPortFrom(bobMedia.Addr(), uint16(c.port))
			name := fmt.Sprintf("call-%d", i)
			invite := sipMessage("INVITE sip:c@d SIP/2.0", name, near)
			if i%2 == 0 {
				for _, f := range fragmented(t, packetUDP(t, alice, bob, uint16(i), invite), 240) {
					add(f)
				}
			} else {
				add(udpFrame(t, alice, bob, invite))
			}
			add(udpFrame(t, bob, alice, sipMessage("SIP/2.0 200 OK", name, far)))
			calls = append(calls, c)
		}
		if i%5 == 0 && sent < len(k.stream)-200 {
			add(tcpFrame(t, alice, bob, uint32(sent)+1, 1, "A", k.stream[sent:sent+200]))
			sent += 200
		}
		if i%31 == 0 {
			add(udpFrame(t, netip.AddrPortFrom(bob.Addr(), 53), alice, []byte{0x80, byte(i), 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, byte(i)}))
		}
		for j := max(0, len(calls)-20); j < len(calls); j++ {
			c := &calls[j]
			near, far := netip.AddrPortFrom(aliceMedia.Addr(), uint16(c.port)), netip.AddrPortFrom(bobMedia.Addr(), uint16(c.port))
			c.seq++
			if r.IntN(100) != 0 {
				add(udpFrame(t, near, far, rtpPacket(t, uint32(c.n+1), 0, c.seq)))
			}
			if r.IntN(50) == 0 {
				add(udpFrame(t, near, far, []byte{0x80, 201, 0, 1, 0, 0, 0, 1}))
			}
		}
	}
	return shots
}

// A file that is read in two halves gives what it gives when it is read in one go.
func TestSplit(t *testing.T) {
	shots := busy(t, 60000)
	le := binary.LittleEndian
	ng := slices.Concat(sectionBlock(le), interfaceBlock(le, 113, 0), interfaceBlock(le, 1, 9))
	described := slices.Clone(ng)
	for i, s := range shots {
		ng = append(ng, packetBlock(le, 1, uint64(s.at), s.data)...)
		if i == 20000 {
			described = append(described, interfaceBlock(le, 1, 9)...)
		}
		described = append(described, packetBlock(le, 1+i/30000, uint64(s.at), s.data)...)
	}
	cut := pcapFile(le, magicNano, 1, shots)
	for name, file := range map[string][]byte{
		"pcap": pcapFile(le, magicNano, 1, shots), "pcap, big-endian": pcapFile(binary.BigEndian, magicNano, 1, shots),
		"pcapng": ng, "an interface described on the way": described, "cut": cut[:len(cut)-50],
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, file)[0]
			read := func(o Options) (*Capture, []*Message) {
				var list []*Message
				o.Message, o.traces = func(m *Message) { list = append(list, m) }, true
				c, err := Read(context.Background(), []string{file}, o)
				if err != nil {
					t.Fatal(err)
				}
				return c, list
			}
			whole, want := read(Options{OneCore: true})
			halves, got := read(Options{splitLen: 1, splitKeep: 50 << 10})
			if len(want) < 500 || len(whole.Streams) < 100 || len(got) != len(want) {
				t.Fatalf("%d messages, want %d; %d streams", len(got), len(want), len(whole.Streams))
			}
			for i, m := range want {
				g := got[i]
				if !bytes.Equal(g.Raw, m.Raw) || !slices.Equal(g.Frames, m.Frames) || g.At != m.At || g.Off != m.Off || g.Call != m.Call || g.Missing != m.Missing || g.Flow.ID != m.Flow.ID {
					t.Fatalf("message %d: %v, want %v", m.ID, starts(got[i:i+1]), starts(want[i:i+1]))
				}
			}
			if halves.Packets != whole.Packets || halves.First != whole.First || halves.Last != whole.Last || len(halves.Flows) != len(whole.Flows) || halves.Damaged != whole.Damaged {
				t.Errorf("%d packets, %d flows, %v; want %d, %d, %v", halves.Packets, len(halves.Flows), halves.Damages, whole.Packets, len(whole.Flows), whole.Damages)
			}
			compareStreams(t, halves.Streams, whole.Streams)
		})
	}
}

func compareStreams(t *testing.T, got, want []Stream) {
	t.Helper()
	order := func(a, b Stream) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.SSRC, b.SSRC)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if len(got) != len(want) {
		t.Fatalf("%d streams, want %d", len(got), len(want))
	}
	call := func(a *Announcement) string {
		if a == nil {
			return ""
		}
		return a.Call
	}
	for i := range want {
		g, w := got[i], want[i]
		if call(g.Receiver) != call(w.Receiver) || call(g.Sender) != call(w.Sender) {
			t.Errorf("stream %x: of call %q and %q, want %q and %q", w.SSRC, call(g.Receiver), call(g.Sender), call(w.Receiver), call(w.Sender))
		}
		for i, got := range []time.Duration{g.Jitter, g.MeanJitter} {
			if want := []time.Duration{w.Jitter, w.MeanJitter}[i]; (got - want).Abs() > time.Microsecond {
				t.Errorf("stream %x: jitter %v, want %v", w.SSRC, got, want)
			}
		}
		g.Jitter, g.MeanJitter, g.MaxJitter, g.Delay = w.Jitter, w.MeanJitter, w.MaxJitter, w.Delay
		if !reflect.DeepEqual(g.Stats, w.Stats) {
			t.Errorf("stream %x:\n got %+v\nwant %+v", w.SSRC, g.Stats, w.Stats)
		}
	}
}

// More is left to the first half than is kept: the rest of the file is read by one core, and nothing is missing.
func TestSplitOfOthers(t *testing.T) {
	g := &generated{total: 2*maxLater + 300_000, make: func(i int) []byte { return numbered(packetTiny, i%1000) }}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadFrom(g); err != nil {
		t.Fatal(err)
	}
	c, err := Read(context.Background(), []string{f.Name()}, Options{splitLen: 1})
	if err != nil || c.Packets != g.total || c.Damaged != 0 {
		t.Errorf("%v, %d packets, want %d", err, c.Packets, g.total)
	}
}

func TestCancelled(t *testing.T) {
	file := write(t, pcapFile(binary.LittleEndian, magicNano, 1, busy(t, 10000)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, file, Options{splitLen: 1}); err != context.Canceled {
		t.Errorf("%v", err)
	}
}

// Packets of media that come in fragments are put together in their turn: a stream of which some packets are in fragments has no
// loss, however the file was read.
func TestSplitFragmentedMedia(t *testing.T) {
	for _, missing := range []bool{false, true} {
		var shots []shot
		const n = 6000
		for i := range n {
			at := start + int64(i)*20_000_000
			p := rtpPacket(t, 7, 0, i)
			if i%3 > 0 {
				shots = append(shots, shot{at: at, data: udpFrame(t, aliceMedia, bobMedia, p)})
				continue
			}
			list := fragmented(t, packetUDP(t, aliceMedia, bobMedia, uint16(i), p), 80)
			if missing && i%10 == 0 {
				list = list[:len(list)-1]
			}
			for _, f := range list {
				shots = append(shots, shot{at: at, data: f})
			}
			if i%30 == 3 { // what is no media is left to the first half, and so are its fragments
				for _, f := range fragmented(t, packetUDP(t, alice, bob, uint16(i), sipMessage("INVITE sip:c@d SIP/2.0", fmt.Sprint(i), aliceMedia)), 240) {
					shots = append(shots, shot{at: at, data: f})
				}
			}
		}
		file := write(t, pcapFile(binary.LittleEndian, magicNano, 1, shots))
		read := func(o Options) *Capture {
			c, err := Read(context.Background(), file, o)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		whole, halves := read(Options{OneCore: true}), read(Options{splitLen: 1})
		if len(whole.Streams) != 1 || whole.Messages != n/30 || len(halves.Streams) != 1 {
			t.Fatalf("%d messages, %+v, %+v", whole.Messages, whole.Streams, halves.Streams)
		}
		if !reflect.DeepEqual(halves.Left, whole.Left) || halves.Messages != whole.Messages {
			t.Errorf("%d messages, left: %+v, want %+v", halves.Messages, halves.Left, whole.Left)
		}
		lost := 0
		if missing {
			lost = n/30 - 1 // the stream begins with the second packet
		}
		if int(whole.Streams[0].Lost) != lost {
			t.Errorf("%+v", whole.Streams)
		}
		compareStreams(t, halves.Streams, whole.Streams)
	}
}
