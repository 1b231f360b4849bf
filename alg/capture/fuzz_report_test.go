package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nofixup/alg"
	"nofixup/alg/report"
)

// small are limits that a fuzzer reaches.
var small = Limits{Flows: 16, Streams: 16, Buffered: 4096, Messages: 64 << 10, Evidence: 16 << 10}

// ngFile writes frames as pcapng.
func ngFile(order byteOrder, link int, shots []shot) []byte {
	b := slices.Concat(sectionBlock(order), interfaceBlock(order, link, 9))
	for _, s := range shots {
		b = append(b, packetBlock(order, 0, uint64(s.at), s.data)...)
	}
	return b
}

// translated is a short call as two captures on either side of a NAT show it.
func translated(t testing.TB) (inside, outside []shot) {
	public := netip.MustParseAddrPort("198.51.100.7:40000")
	media := netip.MustParseAddrPort("198.51.100.7:41000")
	for i, m := range []struct {
		out     bool
		in, ext []byte
	}{
		{true, sipMessage("INVITE sip:c@d SIP/2.0", "x", aliceMedia), sipMessage("INVITE sip:c@d SIP/2.0", "x", media)},
		{false, sipMessage("SIP/2.0 200 OK", "x", bobMedia), sipMessage("SIP/2.0 200 OK", "x", bobMedia)},
		{true, sipMessage("ACK sip:c@d SIP/2.0", "x", netip.AddrPort{}), sipMessage("ACK sip:c@d SIP/2.0", "x", netip.AddrPort{})},
		{true, sipMessage("BYE sip:c@d SIP/2.0", "x", netip.AddrPort{}), nil},
	} {
		at := start + int64(i)*1500*ms
		src, dst, ext := alice, bob, public
		if !m.out {
			inside = append(inside, shot{at: at, data: udpFrame(t, dst, src, m.in)})
			outside = append(outside, shot{at: at, data: udpFrame(t, dst, ext, m.ext)})
			continue
		}
		inside = append(inside, shot{at: at, data: udpFrame(t, src, dst, m.in)})
		if m.ext != nil {
			outside = append(outside, shot{at: at, data: udpFrame(t, ext, dst, m.ext)})
		}
	}
	for i := range 6 {
		at := start + 4600*ms + int64(i)*20*ms
		inside = append(inside, shot{at: at, data: udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, 1, 0, i))})
		outside = append(outside, shot{at: at, data: udpFrame(t, media, bobMedia, rtpPacket(t, 1, 0, i))})
	}
	return inside, outside
}

// checkReport asserts what holds of every report, whatever is in the files: it can be shown, and what points somewhere points at
// something.
func checkReport(t *testing.T, r *alg.Report, octets int) {
	t.Helper()
	if err := r.WriteJSON(io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := report.Text(io.Discard, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Calls {
		for _, i := range c.Streams {
			if i < 0 || i >= len(r.Streams) {
				t.Fatalf("call %q: stream %d of %d", c.ID, i, len(r.Streams))
			}
		}
	}
	pairs, flows := map[int]bool{}, map[int]bool{}
	kept := 0
	for _, f := range r.Evidence.Flows {
		flows[f.ID] = true
	}
	for _, p := range r.Evidence.Pairs {
		pairs[p.ID] = true
		if !flows[p.Flow] {
			t.Fatalf("pair %d is of flow %d, which is not there", p.ID, p.Flow)
		}
		for _, s := range []*alg.Sighting{p.Inside, p.Outside} {
			if s != nil {
				kept += len(s.Raw)
			}
		}
	}
	if kept > 2*octets || len(r.Streams) > octets/24+16 {
		t.Fatalf("%d octets of evidence, %d streams of %d octets", kept, len(r.Streams), octets)
	}
	for _, f := range r.Findings {
		if f.ID == "" || f.Count <= 0 || f.Summary == "" {
			t.Fatalf("%+v", f)
		}
		for _, m := range f.Marks {
			if r.Evidence.Complete && !pairs[m.Pair] {
				t.Fatalf("%s: pair %d is not there", f.ID, m.Pair)
			}
		}
	}
}

// FuzzReport judges one file of any content.
func FuzzReport(f *testing.F) {
	in, _ := translated(f)
	seeds := append(fileSeeds(f), pcapFile(binary.LittleEndian, magicMicro, 1, in), ngFile(binary.BigEndian, 1, in))
	if len(seeds) < 10 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Report(context.Background(), Config{Files: []string{"-"}, Stdin: bytes.NewReader(file), Limits: small, MaxCalls: 16})
		if err != nil {
			return
		}
		checkReport(t, r, len(file))
	})
}

// FuzzReportTwo judges two files of any content as the two sides of a box.
func FuzzReportTwo(f *testing.F) {
	in, out := translated(f)
	le, be := binary.LittleEndian, binary.BigEndian
	n := 0
	add := func(inside, outside []byte) {
		f.Add(inside, outside)
		n++
	}
	add(pcapFile(le, magicMicro, 1, in), pcapFile(be, magicNano, 1, out))
	add(ngFile(le, 1, in), ngFile(be, 1, out))
	add(ngFile(le, 1, in), pcapFile(le, magicNano, 1, out))
	files, err := filepath.Glob("../../testdata/h323/*.lan.pcap")
	if err != nil || len(files) == 0 {
		f.Fatalf("no captures: %v", err)
	}
	for _, name := range files {
		var b [2][]byte
		for i, name := range []string{name, name[:len(name)-len("lan.pcap")] + "wan.pcap"} {
			if b[i], err = os.ReadFile(name); err != nil {
				f.Fatal(err)
			}
			b[i] = b[i][:min(len(b[i]), 4<<10)]
		}
		add(b[0], b[1])
	}
	if n < 5 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, inside, outside []byte) {
		name := filepath.Join(t.TempDir(), "outside")
		if err := os.WriteFile(name, outside, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Report(context.Background(), Config{
			Inside: []string{"-"}, Outside: []string{name}, Stdin: bytes.NewReader(inside), Limits: small, MaxCalls: 16,
		})
		if err != nil {
			return
		}
		checkReport(t, r, len(inside)+len(outside))
	})
}
