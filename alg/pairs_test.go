package alg

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the want sections and golden files")

const pairsDir = "../testdata/pairs"

// pairFile is one file of testdata/pairs: see the README there.
type pairFile struct {
	name      string
	archive   *txtar.Archive
	proto     string
	outbound  bool
	sent, got []byte
	want      string
}

func readPairs(tb testing.TB) []pairFile {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(pairsDir, "*.txt"))
	if err != nil {
		tb.Fatal(err)
	}
	if len(names) == 0 {
		tb.Fatalf("%s holds no pairs", pairsDir)
	}
	var out []pairFile
	for _, name := range names {
		f := pairFile{name: strings.TrimSuffix(filepath.Base(name), ".txt")}
		if f.archive, err = txtar.ParseFile(name); err != nil {
			tb.Fatal(err)
		}
		f.proto, f.outbound = ProtoSIP, !hasWord(f.archive.Comment, "inbound")
		for _, proto := range []string{ProtoH323, ProtoH245, ProtoRAS} {
			if hasWord(f.archive.Comment, proto) {
				f.proto = proto
			}
		}
		form := func(section txtar.File) []byte {
			if f.proto == ProtoSIP {
				return wireForm(f.archive.Comment, section.Data)
			}
			raw, err := hexForm(section.Data)
			if err != nil {
				tb.Fatalf("%s: %s: %v", name, section.Name, err)
			}
			return raw
		}
		seen := map[string]bool{}
		for _, s := range f.archive.Files {
			seen[s.Name] = true
			switch s.Name {
			case "sent":
				f.sent = form(s)
			case "got":
				f.got = form(s)
			case "want":
				f.want = string(s.Data)
			default:
				tb.Errorf("%s: unknown section %q", name, s.Name)
			}
		}
		if !seen["sent"] || !seen["got"] || !seen["want"] {
			tb.Errorf("%s: wants the sections sent, got and want", name)
		}
		out = append(out, f)
	}
	return out
}

// hasWord reports whether a comment holds a word.
func hasWord(comment []byte, word string) bool {
	words := strings.FieldsFunc(string(comment), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' })
	return slices.Contains(words, word)
}

// hexForm makes the octets of the wire from a section in hex, with white space and # comments in it.
func hexForm(data []byte) ([]byte, error) {
	var digits []byte
	for line := range bytes.Lines(data) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		digits = append(digits, bytes.Join(bytes.Fields(line), nil)...)
	}
	raw := make([]byte, hex.DecodedLen(len(digits)))
	_, err := hex.Decode(raw, digits)
	return raw, err
}

// wireForm makes the octets of the wire from a section: CRLF line ends unless the comment says raw-lf, none after a
// backslash, and for every \xNN that octet.
func wireForm(comment, data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\\\n"), nil)
	if !bytes.Contains(comment, []byte("raw-lf")) {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	var out []byte
	for len(data) > 0 {
		var c byte
		if n, _ := fmt.Sscanf(string(data[:min(4, len(data))]), `\x%02x`, &c); n == 1 && len(data) >= 4 {
			out = append(out, c)
			data = data[4:]
			continue
		}
		out = append(out, data[0])
		data = data[1:]
	}
	return out
}

var (
	testTime = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)
	client   = netip.MustParseAddrPort("10.0.0.9:5060")
	public   = netip.MustParseAddrPort("198.51.100.2:5060")
	server   = netip.MustParseAddrPort("203.0.113.10:5060")
	sipPath  = Path{Proto: "sip", Transport: "udp", Family: 4, Port: 5060, SourcePort: 5060}
	h323Path = Path{Proto: "h323", Transport: "tcp", Family: 4, Port: 1720}
	rasPath  = Path{Proto: "ras", Transport: "udp", Family: 4, Port: 1719, SourcePort: 1719}
)

// pairFlow is a flow that speaks a protocol. One of H.245 has a call that announced it.
func pairFlow(proto string) Flow {
	f := Flow{ID: 1, Path: sipPath, Inside: [2]netip.AddrPort{client, server}, Outside: [2]netip.AddrPort{client, server}}
	switch proto {
	case ProtoH323:
		f.Path = h323Path
	case ProtoH245:
		f.Path, f.Parent = h323Path, 9
	case ProtoRAS:
		f.Path = rasPath
	}
	return f
}

// pairCase is one delivered message. Inbound, the reflector sent it.
func pairCase(proto string, sent, got []byte, outbound bool) Case {
	a := &Sighting{At: testTime, End: len(sent), Raw: sent}
	b := &Sighting{At: testTime, End: len(got), Raw: got}
	if !outbound {
		a, b = b, a
	}
	return Case{
		Flows: []Flow{pairFlow(proto)},
		Pairs: []Pair{{
			ID: 1, Flow: 1, Seq: 1, Try: 1, Outbound: outbound, Step: "step", Shape: ShapeLocal, Role: RoleProbe, Inside: a, Outside: b,
		}},
	}
}

// wantLines renders findings as the want section has them, in the order of the message.
func wantLines(findings []Finding) string {
	findings = slices.Clone(findings)
	slices.SortStableFunc(findings, func(a, b Finding) int {
		x, y := a.Marks[0], b.Marks[0]
		return cmp.Or(cmp.Compare(x.SentOff, y.SentOff), cmp.Compare(x.GotOff, y.GotOff))
	})
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s %s %q -> %q\n", f.ID, f.Kind, f.Field, f.Sent, f.Got)
	}
	return b.String()
}

func TestPairs(t *testing.T) {
	claimed := map[string]bool{}
	for _, f := range readPairs(t) {
		t.Run(f.name, func(t *testing.T) {
			var j Judge
			findings := j.Add(pairCase(f.proto, f.sent, f.got, f.outbound))
			for _, fi := range findings {
				claimed[fi.ID] = true
			}
			checkPatch(t, f.sent, f.got, compareRaw(f.proto, f.sent, f.got))
			got := wantLines(findings)
			if *update {
				for i := range f.archive.Files {
					if f.archive.Files[i].Name == "want" {
						f.archive.Files[i].Data = []byte(got)
					}
				}
				if err := os.WriteFile(filepath.Join(pairsDir, f.name+".txt"), txtar.Format(f.archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != f.want {
				t.Errorf("findings:\n%swant:\n%s", got, f.want)
			}
			// Nothing but what a service may do leaves a path clean.
			side := j.Report().Paths[0].Outbound
			if !f.outbound {
				side = j.Report().Paths[0].Inbound
			}
			benign := !slices.ContainsFunc(findings, func(f Finding) bool { return f.ID != sipProxy.ID })
			if (side == Clean) != benign || side != Clean && side != Altered {
				t.Errorf("verdict %s", side)
			}
		})
	}
	for _, r := range Rules() {
		if r.change == nil && r.message == nil {
			continue
		}
		if !claimed[r.ID] {
			t.Errorf("no pair shows %s", r.ID)
		}
		if _, err := os.Stat(filepath.Join(pairsDir, r.ID+".txt")); err != nil {
			t.Error(err)
		}
	}
}
