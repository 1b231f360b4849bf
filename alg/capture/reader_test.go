package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// want are the frames that a reader should give.
func checkFrames(t *testing.T, file []byte, want []shot, tolerance int64) *Reader {
	t.Helper()
	r, err := NewReader("f", bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	for i, w := range want {
		if !r.Next(&f) {
			t.Fatalf("%d frames, want %d: %v", i, len(want), r.Damages)
		}
		if f.Number != i+1 || !bytes.Equal(f.Data, w.data) || f.At-w.at > tolerance || w.at-f.At > tolerance || f.Link != 1 {
			t.Fatalf("frame %d: number %d, %d octets, %d ns off, link %d", i+1, f.Number, len(f.Data), f.At-w.at, f.Link)
		}
	}
	if r.Next(&f) {
		t.Fatal("one frame too many")
	}
	return r
}

func someShots(n int) []shot {
	r := rand.New(rand.NewPCG(1, 2))
	var list []shot
	for i := range n {
		b := make([]byte, 14+r.IntN(1500))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		list = append(list, shot{at: start + int64(i)*1234567891, data: b})
	}
	return list
}

func TestFormats(t *testing.T) {
	shots := someShots(500)
	for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, magic := range []uint32{magicMicro, magicNano, magicModified} {
			tolerance := int64(999)
			if magic == magicNano {
				tolerance = 0
			}
			if r := checkFrames(t, pcapFile(order, magic, 1, shots), shots, tolerance); r.Damaged != 0 {
				t.Errorf("%v", r.Damages)
			}
		}
		for _, res := range []struct {
			option    byte
			units     func(ns int64) uint64
			tolerance int64
		}{
			{0, func(ns int64) uint64 { return uint64(ns / 1000) }, 999},
			{6, func(ns int64) uint64 { return uint64(ns / 1000) }, 999},
			{9, func(ns int64) uint64 { return uint64(ns) }, 0},
			{3, func(ns int64) uint64 { return uint64(ns / 1e6) }, 999999},
			{10, func(ns int64) uint64 { return uint64(ns) * 10 }, 0},
			{0x80 | 20, func(ns int64) uint64 {
				return uint64(ns/1e9)<<20 | uint64(float64(ns%1e9)/1e9*(1<<20))
			}, 1000},
		} {
			file := append(sectionBlock(order), interfaceBlock(order, 1, res.option)...)
			for _, s := range shots {
				file = append(file, packetBlock(order, 0, res.units(s.at), s.data)...)
			}
			if r := checkFrames(t, file, shots, res.tolerance); r.Damaged != 0 {
				t.Errorf("resolution %#x: %v", res.option, r.Damages)
			}
		}
	}
}

func TestSections(t *testing.T) {
	shots := someShots(4)
	le, be := binary.LittleEndian, binary.BigEndian
	simple := be.AppendUint32(nil, uint32(len(shots[3].data)))
	stats := func(drops uint64) []byte {
		b := make([]byte, 12)
		b = be.AppendUint16(b, 5)
		b = be.AppendUint16(b, 8)
		return append(be.AppendUint64(b, drops), 0, 0, 0, 0)
	}
	file := slices.Concat(
		sectionBlock(le), interfaceBlock(le, 113, 0), interfaceBlock(le, 1, 9),
		block(le, blockNames, bytes.Repeat([]byte{1}, 2<<20)), // larger than any buffer
		packetBlock(le, 1, uint64(shots[0].at), shots[0].data),
		block(le, 0x0bad, []byte("custom")),
		packetBlock(le, 1, uint64(shots[1].at), shots[1].data),
		sectionBlock(be), interfaceBlock(be, 1, 9),
		packetBlock(be, 0, uint64(shots[2].at), shots[2].data),
		block(be, blockStats, stats(3)), block(be, blockStats, stats(7)),
		block(be, blockSimple, append(simple, shots[3].data...)),
	)
	shots[3].at = shots[2].at // a simple packet has no time
	r := checkFrames(t, file, shots, 0)
	if r.Damaged != 0 || r.Dropped != 7 {
		t.Errorf("%v, %d dropped", r.Damages, r.Dropped)
	}
}

func TestCompressed(t *testing.T) {
	plain := pcapFile(binary.LittleEndian, magicMicro, 1, timed(udpFrame(t, alice, bob, sipMessage("INVITE sip:a@b SIP/2.0", "x", bob))))
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range write(t, plain, gz.Bytes(), zst.Bytes()) {
		if r := analyse(t, name); len(r.messages) != 1 || !r.Complete() {
			t.Errorf("%s: %d messages, %+v", name, len(r.messages), r.Left)
		}
	}
	r := analyse(t, write(t, gz.Bytes()[:gz.Len()-20])...)
	if r.Damaged == 0 || r.Complete() {
		t.Error("a compressed file that was cut passes for whole")
	}
	c, err := Read(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(gz.Bytes())})
	if err != nil || c.Messages != 1 {
		t.Errorf("standard input: %v", err)
	}
}

func TestRolling(t *testing.T) {
	message := sipMessage("INVITE sip:a@b SIP/2.0", "x", bob)
	shots := timed(
		tcpFrame(t, alice, bob, 100, 0, "S", nil),
		tcpFrame(t, alice, bob, 101, 0, "A", message[:100]),
		tcpFrame(t, alice, bob, 201, 0, "A", message[100:]),
		udpFrame(t, alice, bob, sipMessage("BYE sip:a@b SIP/2.0", "x", bob)),
	)
	file := func(s ...shot) []byte { return pcapFile(binary.LittleEndian, magicNano, 1, s) }
	names := write(t, file(shots[2]), file(shots[3]), file(shots[0], shots[1]))
	r := analyse(t, names...)
	if got, want := starts(r.messages), []string{"[2 3] INVITE sip:a@b SIP/2.0", "[4] BYE sip:a@b SIP/2.0"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if name, n := r.Frame(3); name != names[0] || n != 1 {
		t.Errorf("frame 3 is %d of %s", n, name)
	}
	if r.Left.Unordered {
		t.Error("files in order are called unordered")
	}
}

// Files that overlap in time, as captures of two interfaces do, are read side by side; a compressed one of them after the
// others, and that is said.
func TestOverlapping(t *testing.T) {
	shots := busy(t, 20000)
	var parts [3][]shot
	for i, s := range shots {
		parts[(i/7+i/1000)%3] = append(parts[(i/7+i/1000)%3], s)
	}
	le := binary.LittleEndian
	all := [][]byte{pcapFile(le, magicNano, 1, parts[0]), ngFile(binary.BigEndian, 1, parts[1]), pcapFile(le, magicNano, 1, parts[2])}
	want := memory(t, pcapFile(le, magicNano, 1, shots))
	names := write(t, append(all, pcapFile(le, magicNano, 1, []shot{{at: shots[len(shots)-1].at + 50*ms, data: shots[0].data}}))...)
	var last Progress
	var r result
	c, err := Read(context.Background(), names, Options{
		Message:  func(m *Message) { r.messages = append(r.messages, m) },
		Progress: func(p Progress) { last = p },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Capture = c
	if r.Left.Unordered || r.Damaged > 0 || r.Packets != len(shots)+1 || last.Read > last.Total {
		t.Errorf("%d packets of %d, %v, %+v", r.Packets, len(shots)+1, r.Damages, last)
	}
	if len(want.messages) == 0 || len(r.messages) != len(want.messages) {
		t.Fatalf("%d messages, want %d", len(r.messages), len(want.messages))
	}
	for i, m := range want.messages {
		g := r.messages[i]
		if !bytes.Equal(g.Raw, m.Raw) || g.At != m.At || g.Flow.ID != m.Flow.ID || len(g.Frames) != len(m.Frames) {
			t.Fatalf("message %d: %v, want %v", m.ID, starts(r.messages[i:i+1]), starts(want.messages[i:i+1]))
		}
		for j, n := range m.Frames {
			name, number := r.Frame(g.Frames[j])
			if part := parts[slices.Index(names, name)]; part[number-1].at != shots[n-1].at {
				t.Fatalf("message %d: frame %d is %d of %s", m.ID, g.Frames[j], number, name)
			}
		}
	}
	compareStreams(t, r.Streams, want.Streams)

	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(all[1])
	z.Close()
	if r = analyse(t, write(t, all[0], packed.Bytes(), all[2])...); !r.Left.Unordered || r.Packets != len(shots) {
		t.Errorf("%d packets; a compressed file that overlaps passes for ordered: %v", r.Packets, !r.Left.Unordered)
	}
}

func TestNoCapture(t *testing.T) {
	for _, b := range [][]byte{nil, {0xd4}, []byte("INVITE sip:a@b SIP/2.0\r\n\r\n"), bytes.Repeat([]byte{0}, 1000)} {
		if _, err := NewReader("f", bytes.NewReader(b)); !errors.Is(err, errFormat) {
			t.Errorf("%q: %v", b[:min(len(b), 10)], err)
		}
	}
	if _, err := Read(context.Background(), []string{filepath.Join(t.TempDir(), "none")}, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// Wherever a file is cut, what is there before the cut is read, and the cut is reported unless it falls between records.
func TestCut(t *testing.T) {
	shots := someShots(3)
	le := binary.LittleEndian
	ng := append(sectionBlock(le), interfaceBlock(le, 1, 9)...)
	for _, s := range shots {
		ng = append(ng, packetBlock(le, 0, uint64(s.at), s.data)...)
	}
	for name, file := range map[string][]byte{"pcap": pcapFile(le, magicNano, 1, shots), "pcapng": ng} {
		silent := 0
		for n := 48; n < len(file); n++ {
			r, err := NewReader("f", bytes.NewReader(file[:n]))
			if err != nil {
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
			var f Frame
			frames := 0
			for r.Next(&f) {
				if !bytes.HasPrefix(shots[frames].data, f.Data) {
					t.Fatalf("%s cut at %d: frame %d is another", name, n, frames)
				}
				frames++
			}
			if r.Damaged == 0 {
				silent++
			}
			if r.Damaged > 1 {
				t.Fatalf("%s cut at %d: %v", name, n, r.Damages)
			}
		}
		if silent > 3 {
			t.Errorf("%s: %d cuts were not reported", name, silent)
		}
	}
}

// A record in the middle is damaged: the others are found again, the offset says where it was, and what a length claims is
// neither believed nor allocated.
func TestDamaged(t *testing.T) {
	shots := someShots(200)
	le := binary.LittleEndian
	pcap, at := pcapFile(le, magicNano, 1, shots), 24
	ng := append(sectionBlock(le), interfaceBlock(le, 1, 9)...)
	var ngAt int
	for i, s := range shots {
		if i == 50 {
			ngAt = len(ng)
		}
		ng = append(ng, packetBlock(le, 0, uint64(s.at), s.data)...)
	}
	for _, s := range shots[:50] {
		at += 16 + len(s.data)
	}
	for _, claim := range []uint32{math.MaxUint32, 1 << 31, maxRecord + 1} {
		hurt := slices.Clone(pcap)
		le.PutUint32(hurt[at+8:], claim)
		checkDamage(t, hurt, int64(at), 199, shots)
		hurt = slices.Clone(ng)
		le.PutUint32(hurt[ngAt+4:], claim&^3)
		checkDamage(t, hurt, int64(ngAt), 199, shots)
	}
	hurt := slices.Clone(ng)
	le.PutUint32(hurt[ngAt+4:], le.Uint32(hurt[ngAt+4:])+8) // the two lengths disagree
	checkDamage(t, hurt, int64(ngAt), 199, shots)
	for i := range 100 {
		hurt[ngAt+i] = byte(i * 7)
		pcap[at+i] = byte(i * 7)
	}
	checkDamage(t, hurt, int64(ngAt), 199, shots)
}

func checkDamage(t *testing.T, file []byte, off int64, frames int, shots []shot) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := NewReader("f", bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	got := 0
	for r.Next(&f) {
		if slices.ContainsFunc(shots, func(s shot) bool { return bytes.Equal(s.data, f.Data) }) {
			got++
		}
	}
	runtime.ReadMemStats(&after)
	if got < frames || r.Damaged != 1 || r.Damages[0].Off != off || !strings.Contains(r.Damages[0].String(), "f: offset ") {
		t.Errorf("%d frames, want %d; %v, want offset %d", got, frames, r.Damages, off)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d octets allocated", n)
	}
}
