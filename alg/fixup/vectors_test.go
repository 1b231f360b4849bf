package fixup

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// step is one message of a vector and what the kernel made of it. The format is
// described in testdata/linux/README.md.
type step struct {
	proto    string
	src, dst netip.AddrPort
	sent     []byte
	dropped  bool
	from, to netip.AddrPort // as the receiver saw them
	got      []byte
}

// vector is one file: its steps, and the box that they need.
type vector struct {
	steps []step
	mode  string   // of the router: "alg" or "firewall-alg"
	nat   []string // a mapping that the router must make: protocol, inside, public
}

func readVector(t testing.TB, file string) vector {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v := vector{mode: "alg"}
	for _, f := range txtar.Parse(data).Files {
		text := strings.TrimSpace(string(f.Data))
		switch f.Name {
		case "mode":
			v.mode = text
			continue
		case "nat":
			v.nat = strings.Fields(text)
			continue
		case "from":
			var proto, src, dst string
			if _, err := fmt.Sscan(text, &proto, &src, &dst); err != nil {
				t.Fatalf("%s: from: %v", file, err)
			}
			v.steps = append(v.steps, step{proto: proto, src: netip.MustParseAddrPort(src), dst: netip.MustParseAddrPort(dst)})
			continue
		}
		if len(v.steps) == 0 {
			t.Fatalf("%s: %s before from", file, f.Name)
		}
		s := &v.steps[len(v.steps)-1]
		switch f.Name {
		case "sent", "sent quoted":
			s.sent = octets(t, f)
		case "got", "got quoted":
			s.got = octets(t, f)
		case "to":
			var src, dst string
			if text == "dropped" {
				s.dropped = true
			} else if _, err := fmt.Sscan(text, &src, &dst); err != nil {
				t.Fatalf("%s: to: %v", file, err)
			} else {
				s.from, s.to = netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
			}
		default:
			t.Fatalf("%s: unknown section %q", file, f.Name)
		}
	}
	if len(v.steps) == 0 {
		t.Fatalf("%s: no steps", file)
	}
	return v
}

// octets decodes a section: lines that end in CRLF on the wire, or, in a
// "quoted" section, Go string literals that follow each other without anything
// between them.
func octets(t testing.TB, f txtar.File) []byte {
	t.Helper()
	data := bytes.ReplaceAll(f.Data, []byte("\r\n"), []byte("\n"))
	if !strings.HasSuffix(f.Name, " quoted") {
		return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	var out []byte
	for line := range strings.Lines(string(data)) {
		s, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("%s: %v: %s", f.Name, err, line)
		}
		out = append(out, s...)
	}
	return out
}

// TestLinuxVectors holds the style "linux" to the octets of the kernel.
func TestLinuxVectors(t *testing.T) { replayVectors(t, "testdata/linux", 40) }

// TestLinuxVectorsH323 does so with H.323.
func TestLinuxVectorsH323(t *testing.T) { replayVectors(t, "testdata/linux-h323", 150) }

func replayVectors(t *testing.T, dir string, least int) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) < least {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			v := readVector(t, file)
			box, err := NewBox(Config{Style: "linux", NoNAT: v.mode == "firewall-alg"})
			if err != nil {
				t.Fatal(err)
			}
			if len(v.nat) == 3 {
				box.adopt(v.nat[0], netip.MustParseAddrPort(v.nat[1]), netip.MustParseAddrPort(v.nat[2]))
			}
			for i, s := range v.steps {
				pass := box.In
				if box.inside[s.src.Addr()] {
					pass = box.Out
				}
				got, ok := pass(Packet{Proto: s.proto, Src: s.src, Dst: s.dst, Payload: bytes.Clone(s.sent)})
				switch {
				case ok == s.dropped:
					t.Errorf("step %d: passed %v, the kernel: %v\n%s", i+1, ok, !s.dropped, s.sent)
				case !ok:
				case got.Src != s.from || got.Dst != s.to:
					t.Errorf("step %d: %v to %v, the kernel: %v to %v", i+1, got.Src, got.Dst, s.from, s.to)
				case !bytes.Equal(got.Payload, s.got):
					t.Errorf("step %d:\n%s\nthe kernel:\n%s", i+1, show(got.Payload), show(s.got))
				}
			}
		})
	}
}

func show(b []byte) string {
	return strings.ReplaceAll(strings.ReplaceAll(strconv.Quote(string(b)), `\r\n`, "\\r\\n\n"), `\"`, `"`)
}
