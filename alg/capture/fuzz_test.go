package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"nofixup/alg"
	"nofixup/alg/media"
)

// fileSeeds are small captures: of both formats, with calls, tunnels, fragments, and a lab's.
func fileSeeds(f *testing.F) [][]byte {
	f.Helper()
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bobMedia)
	k := talkOf(3, "x")
	shots := timed(
		udpFrame(f, alice, bob, message), udpFrame(f, bobMedia, aliceMedia, rtpPacket(f, 1, 0, 1)), udpFrame(f, bobMedia, aliceMedia, rtpPacket(f, 1, 0, 2)),
		tcpFrame(f, alice, bob, 0, 0, "S", nil), tcpFrame(f, alice, bob, 200, 0, "A", k.stream[199:]), tcpFrame(f, alice, bob, 1, 0, "A", k.stream[:199]),
		ether(stack(f, ip(alice.Addr(), bob.Addr(), 47, 9))),
	)
	for _, b := range fragmented(f, packetUDP(f, alice6, bob6, 0, message), 160) {
		shots = append(shots, shot{at: start, data: b})
	}
	le, be := binary.LittleEndian, binary.BigEndian
	seeds := [][]byte{pcapFile(le, magicMicro, 1, shots), pcapFile(be, magicNano, 1, shots), pcapFile(le, magicModified, 1, shots)}
	for _, order := range []byteOrder{le, be} {
		ng := slices.Concat(sectionBlock(order), interfaceBlock(order, 1, 9), interfaceBlock(order, 101, 0x80|20))
		for i, s := range shots {
			ng = append(ng, packetBlock(order, i%2, uint64(s.at), s.data)...)
		}
		seeds = append(seeds, ng)
	}
	for _, kind := range []int{0, 9, 101, 113, 276, 105, 127} {
		seeds = append(seeds, pcapFile(le, magicMicro, kind, shots))
	}
	files, err := filepath.Glob("../../testdata/h323/*.lan.pcap")
	if err != nil || len(files) == 0 {
		f.Fatalf("no captures: %v", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b[:min(len(b), 3<<10)])
	}
	return append(seeds, callSeeds(f)...)
}

// callSeeds are captures of calls: forked, held and refused, through a PBX, over WebSocket, with media in TURN.
func callSeeds(f *testing.F) [][]byte {
	forked, web := &scene{t: f}, &scene{t: f}
	forked.call(phone, bob, 5000, body(phoneMedia), body(bobMedia))
	forked.send(210, bob, phone, tagged(says(ok200, "c1", "1 INVITE", phone, body(phoneBMedia)), "8"))
	forked.reinvite(1000, 7, "200 OK", body(bobMedia, "a=sendonly"), body(phoneMedia, "a=recvonly"))
	forked.reinvite(2000, 8, "488 Not Acceptable Here", body(bobMedia), "")
	forked.leg("c2", bob, proxy, 20, 190, 4900, body(phoneMedia), body(bobMedia))
	forked.talk(250, phoneMedia, bobMedia, 1, 9)
	c := &connection{s: web, ends: [2]netip.AddrPort{netip.MustParseAddrPort("198.51.100.20:41000"), bob}}
	c.send(0, 0, []byte(upgrade), webFrame(0x81, true, says(invite, "c1", "1 INVITE", phone, body(phoneMedia))))
	c.send(10, 1, []byte(switched), webFrame(0x81, false, says(ok200, "c1", "1 INVITE", phone, body(bobMedia))))
	web.send(20, phoneMedia, proxy, stunWith(turnBind, attr(attrChannel, []byte{0x40, 1, 0, 0}), xored(attrPeer, bobMedia)))
	web.send(21, proxy, phoneMedia, stunWith(turnAllocated, xored(attrRelayed, proxy)))
	for i := range 4 {
		web.send(int64(30+i), phoneMedia, proxy, append([]byte{0x40, 1, 0, 172}, rtpPacket(f, 1, 0, i)...))
	}
	var seeds [][]byte
	for _, s := range []*scene{forked, web} {
		b, err := os.ReadFile(s.file("seed.pcap"))
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, b)
	}
	return seeds
}

// FuzzRead reads files of any content: nothing panics, every octet of a message is of the file, and what is counted fits.
func FuzzRead(f *testing.F) {
	for _, s := range fileSeeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		octets := 0
		last := 0
		calls := Calls{Max: 8}
		c, err := Read(context.Background(), []string{"-"}, Options{
			Stdin:  bytes.NewReader(file),
			Limits: Limits{Flows: 16, Streams: 16, Buffered: 4096},
			Message: func(m *Message) {
				octets += len(m.Raw)
				if m.ID != last+1 || m.Flow == nil || m.Proto == "" || m.End-m.Off != len(m.Raw) || len(m.Frames) == 0 || m.Missing < 0 {
					t.Fatalf("%+v", m)
				}
				last = m.ID
				calls.Add(m)
			},
			RTP: func(s *media.Stream, _ int64, b []byte) {
				if s == nil || len(b) < 12 {
					t.Fatal("RTP without header")
				}
			},
		})
		if err != nil {
			return
		}
		if octets > 2*len(file) || c.Packets > len(file)/12 || len(c.Flows) > 3*16+c.Packets {
			t.Fatalf("%d octets of messages, %d packets, %d flows of %d octets", octets, c.Packets, len(c.Flows), len(file))
		}
		checkCalls(t, &calls, c)
		// Without anybody who looks at the packets of RTP, most are taken another way.
		again, err := Read(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(file), Limits: Limits{Flows: 16, Streams: 16, Buffered: 4096}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(again.Flows, c.Flows...) {
			f.recent = [recentLen]recent{} // hashes, of another seed each time
		}
		if !reflect.DeepEqual(again, c) {
			t.Fatalf("%d flows, %d streams, %+v; with a look at RTP %d, %d, %+v", len(again.Flows), len(again.Streams), again.Left, len(c.Flows), len(c.Streams), c.Left)
		}
		for _, d := range c.Damages {
			if d.Off < 0 || d.Off > int64(len(file)) || d.What == "" {
				t.Fatalf("%v", d)
			}
		}
		for _, s := range c.Streams {
			if s.Flow == nil || s.Packets == 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// FuzzSplit reads files of any content in two halves: nothing panics, and all that is in the file is looked at once.
func FuzzSplit(f *testing.F) {
	ng := slices.Concat(sectionBlock(binary.LittleEndian), interfaceBlock(binary.LittleEndian, 1, 9))
	for _, s := range busy(f, 120) {
		ng = append(ng, packetBlock(binary.LittleEndian, 0, uint64(s.at), s.data)...)
	}
	for _, seed := range [][]byte{pcapFile(binary.LittleEndian, magicNano, 1, busy(f, 120)), ng} {
		if !cutInTwo(f, seed) {
			f.Fatal("a seed is not cut")
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		read := func(o Options) *Capture {
			last := 0
			o.traces = true
			o.Message = func(m *Message) {
				if m.ID != last+1 || m.Flow == nil || m.Proto == "" || m.End-m.Off != len(m.Raw) || len(m.Frames) == 0 || m.Missing < 0 {
					t.Fatalf("%+v", m)
				}
				last = m.ID
			}
			c, err := Read(context.Background(), []string{name}, o)
			if err != nil {
				return nil
			}
			return c
		}
		whole, halves := read(Options{OneCore: true}), read(Options{splitLen: 1, splitKeep: 1 << 10})
		if whole == nil || halves == nil {
			if whole != halves {
				t.Fatalf("%v and %v", whole, halves)
			}
			return
		}
		if halves.Packets != whole.Packets || halves.Messages != whole.Messages || halves.Damaged != whole.Damaged || halves.First != whole.First || halves.Last != whole.Last ||
			halves.Left.Dropped != whole.Left.Dropped || halves.Left.Malformed != whole.Left.Malformed {
			t.Fatalf("%d packets, %d messages, %d places of damage, %+v; want %d, %d, %d, %+v", halves.Packets, halves.Messages, halves.Damaged, halves.Left, whole.Packets, whole.Messages, whole.Damaged, whole.Left)
		}
		for _, s := range halves.Streams {
			if s.Flow == nil || s.Packets == 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// cutInTwo reports whether a file can be read in two halves.
func cutInTwo(f *testing.F, file []byte) bool {
	f.Helper()
	name := filepath.Join(f.TempDir(), "file")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		f.Fatal(err)
	}
	src, err := os.Open(name)
	if err != nil {
		f.Fatal(err)
	}
	defer src.Close()
	r := &run{options: Options{splitLen: 1}, analyser: newAnalyser(Limits{}), buf: make([]byte, 2*blockLen+maxRecord)}
	in, err := newReader(name, src, r.buf)
	if err != nil {
		f.Fatal(err)
	}
	back := r.split(src, in)
	back.stop()
	return back != nil
}

// checkCalls judges what a file holds: every stream that a call has is one, and legs do not come from nowhere.
func checkCalls(t *testing.T, calls *Calls, c *Capture) {
	t.Helper()
	var j alg.Judge
	var list []alg.Call
	observed := calls.Observed(c)
	for i := range observed {
		for _, w := range observed[i].Ways {
			if w.Packets < 0 || w.Quiet < 0 {
				t.Fatalf("%+v", w)
			}
		}
		list = append(list, j.AddCall(&observed[i]))
	}
	joined := calls.Legs(list)
	legs := 0
	for i := range joined {
		legs += max(1, len(joined[i].Legs))
		for _, s := range joined[i].Streams {
			if s < 0 || s >= len(c.Streams) {
				t.Fatalf("%d of %d streams", s, len(c.Streams))
			}
		}
	}
	if len(list) > 8 || legs != len(list) {
		t.Fatalf("%d calls, %d legs", len(list), legs)
	}
}

// FuzzFrame decodes frames of every link layer.
func FuzzFrame(f *testing.F) {
	n := 0
	for _, kind := range []int{linkEthernet, linkRaw, linkNull, linkSLL, linkSLL2, linkPPP, 105, 127, 143} {
		for _, b := range [][]byte{
			udpFrame(f, alice, bob, sipMessage("INVITE sip:a@b SIP/2.0", "x", bob)),
			slices.Concat(macs, hexed(0x88, 0x64, 0x11, 0, 0, 1, 0, 50, 0, 0x21), packetUDP(f, alice, bob, 1, rtpPacket(f, 1, 0, 1))),
			ether(stack(f, ip(alice.Addr(), bob.Addr(), 47, 9))),
		} {
			f.Add(uint16(kind), b)
			n++
		}
	}
	if n == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, kind uint16, b []byte) {
		var d decoder
		packets := 0
		d.take = func(p *packet) {
			packets++
			if len(p.payload) > len(b) || p.size < 0 {
				t.Fatalf("%d octets of payload, %d on the wire, of %d", len(p.payload), p.size, len(b))
			}
		}
		for i := range 3 {
			d.frame(&Frame{Number: i + 1, At: start, Link: int(kind), Data: b, Size: len(b)}, i+1)
		}
		d.fragments.finish(&d)
		checkPlain(t, b)
		if packets > 6 {
			t.Fatalf("%d packets of 3 frames", packets)
		}
	})
}

// checkPlain asserts that the short way through the layers comes to what the long one does.
func checkPlain(t *testing.T, b []byte) {
	t.Helper()
	var long, short packet
	d := decoder{take: func(p *packet) { short = *p }}
	if !d.plain(b) {
		return
	}
	d = decoder{take: func(p *packet) { long = *p }}
	d.ethernet(b, len(b), 0)
	if !reflect.DeepEqual(long, short) {
		t.Fatalf("%+v, by the layers %+v", short, long)
	}
}
