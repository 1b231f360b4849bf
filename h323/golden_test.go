package h323

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// check asserts what holds for every input: spans are in range, in order, disjoint and not empty, which makes spans and gaps
// joined the input; no two have the same path, and paths are printable.
func check(t *testing.T, raw []byte, spans []Span) {
	t.Helper()
	at := 0
	paths := make(map[string]bool, len(spans))
	for i, s := range spans {
		if int(s.Off) < at || s.Off >= s.End || int(s.End) > len(raw) {
			t.Fatalf("span %d [%d,%d) %s after %d in %d octets", i, s.Off, s.End, s.Path(), at, len(raw))
		}
		at = int(s.End)
		path := s.Path()
		if paths[path] {
			t.Fatalf("two spans have the path %s", path)
		}
		paths[path] = true
		for _, c := range path {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("path %q", path)
			}
		}
		if s.Part == PartIP && s.End-s.Off != 4 && s.End-s.Off != 16 || s.Part == PartPort && s.End-s.Off != 2 {
			t.Fatalf("%s has %d octets", path, s.End-s.Off)
		}
	}
}

func TestCaptures(t *testing.T) {
	golden := map[string]*strings.Builder{}
	for _, c := range captures(t) {
		p := c.parse()
		name := fmt.Sprintf("%s frame %d", c.file, c.frame)
		check(t, c.raw, p.Spans)
		if p.Message == MessageNone || len(p.Notes) > 0 || !slices.Equal(p.Spans, c.spans(nil)) {
			t.Errorf("%s: %v, notes %v", name, p.Message, p.Notes)
		}
		if golden[c.file] == nil {
			golden[c.file] = &strings.Builder{}
		}
		golden[c.file].WriteString(describe(c))
	}
	for file, got := range golden {
		path := filepath.Join("../testdata/h323", strings.TrimSuffix(file, ".pcap")+".golden")
		if *updateGolden {
			if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s: differs from %s; -update writes it anew", file, path)
		}
	}
}

// A place is an address, or a port, in a frame.
type place struct {
	frame, off, size int
	value            string
}

// dissectedField is a line of tshark's dissection as XML, numberField the one that has the number of the frame.
var (
	dissectedField = regexp.MustCompile(`<field name="([^"]*)".*? size="(\d+)" pos="(\d+)"[^>]*? value="([0-9a-f]*)"`)
	numberField    = regexp.MustCompile(`<field name="num" .* show="(\d+)"`)
)

// addressFields are the names that tshark has for the parts of transport addresses.
var addressFields = strings.Fields(`
	h225.ipV4 h225.ipV4_port h225.ipV6 h225.ipV6_port h225.src_route_ipV4 h225.ipV4_src_port h225.ipx_port
	h225.h245Ip h225.h245IpPort h225.ip h225.port h225.h245IpxPort h225.h245Ip6 h225.h245Ip6port
	h225.route_item h225.node h225.netnum h225.netBios h225.nsap
	h245.ip4_network h245.tsapIdentifier h245.node h245.netnum h245.ipx.tsapIdentifier h245.ip6_network h245.ipv6.tsapIdentifier
	h245.netBios h245.network h245.iPSrcRoute.tsapIdentifier h245.route_item h245.nsap
	h245.mip4_network h245.multicast.tsapIdentifier h245.mip6_network h245.multicast_IPv6.tsapIdentifier`)

// tshark returns where tshark finds transport addresses in a file, and the frames that it finds malformed. It skips the test
// if there is no tshark.
func tshark(t *testing.T, file string, options ...string) (places []place, malformed []int) {
	t.Helper()
	program, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("NOFIXUP_LAB") == "required" {
			t.Fatalf("NOFIXUP_LAB=required: %v", err)
		}
		t.Skipf("needs tshark: %v", err)
	}
	cmd := exec.Command(program, append([]string{"-n", "-r", file, "-T", "pdml"}, options...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, stderr.String())
	}
	frame := 0
	for line := range strings.Lines(string(out)) {
		if m := numberField.FindStringSubmatch(line); m != nil {
			frame, _ = strconv.Atoi(m[1])
		}
		if strings.Contains(line, `name="_ws.malformed"`) && !slices.Contains(malformed, frame) {
			malformed = append(malformed, frame)
		}
		m := dissectedField.FindStringSubmatch(line)
		if m == nil || !slices.Contains(addressFields, m[1]) {
			continue
		}
		size, _ := strconv.Atoi(m[2])
		pos, _ := strconv.Atoi(m[3])
		places = append(places, place{frame, pos, size, m[4]})
	}
	return places, malformed
}

// address says whether the span is one of those that tshark has a name for in addressFields.
func (s Span) address() bool {
	switch s.Part {
	case PartIP, PartPort, PartRoute, PartNode, PartNetnum, PartAddress:
		return true
	}
	return false
}

// TestDissected has tshark name the transport addresses of the captures: none may be missed, and none be elsewhere.
func TestDissected(t *testing.T) {
	got := map[string][]place{}
	for _, c := range captures(t) {
		for _, s := range c.spans(nil) {
			if s.address() {
				got[c.file] = append(got[c.file], place{c.frame, c.off + int(s.Off), int(s.End - s.Off), fmt.Sprintf("%x", s.Bytes(c.raw))})
			}
		}
	}
	total := 0
	for file, list := range got {
		want, malformed := tshark(t, filepath.Join("../testdata/h323", file), "-Y", "h225 || h245")
		if !slices.Equal(list, want) || len(malformed) > 0 {
			t.Errorf("%s: %v, tshark has %v and %v malformed", file, list, want, malformed)
		}
		total += len(want)
	}
	if total < 200 {
		t.Errorf("%d parts of addresses in all captures", total)
	}
}
