package netlab_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"nofixup/alg/netlab"
)

// vectorDir holds what the kernel was seen to do, and a README that explains the format.
const vectorDir = "../fixup/testdata/linux"

// message is a UDP datagram or what is sent over TCP in one piece, with the addresses that one side of the router sees.
type message struct {
	Proto    string // "udp" or "tcp"
	Src, Dst netip.AddrPort
	Payload  []byte
}

// String shows a message line by line, with every octet that is not plain text escaped. Nil stands for a message that did
// not arrive.
func (m *message) String() string {
	if m == nil {
		return "dropped"
	}
	return fmt.Sprintf("%s %v to %v\n%s", m.Proto, m.Src, m.Dst, strings.Join(literals(m.Payload), "\n"))
}

func (m *message) equal(o *message) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.Proto == o.Proto && m.Src == o.Src && m.Dst == o.Dst && bytes.Equal(m.Payload, o.Payload)
}

// exchange is one step of a vector: a message, and what arrives of it, nil for nothing.
type exchange struct {
	sent message
	want *message
}

// vector is one file of vectorDir.
type vector struct {
	name, file string
	mode       netlab.Mode
	nat        string // an nft rule, or "" for none
	steps      []exchange
	archive    *txtar.Archive
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	var all []vector
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{
			name: strings.TrimSuffix(filepath.Base(file), ".txt"), file: file, mode: netlab.ALG, archive: txtar.Parse(data),
		}
		if err := v.read(); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, v)
	}
	return all
}

// read fills in the vector from its archive.
func (v *vector) read() error {
	for _, f := range v.archive.Files {
		fields := strings.Fields(string(f.Data))
		var last *exchange
		if len(v.steps) > 0 {
			last = &v.steps[len(v.steps)-1]
		}
		var err error
		switch {
		case f.Name == "mode" && len(fields) == 1:
			v.mode = netlab.Mode(fields[0])
			if v.mode != netlab.ALG && v.mode != netlab.FirewallALG {
				err = fmt.Errorf("no vector is for %q", v.mode)
			}
		case f.Name == "nat" && len(fields) == 3:
			v.nat, err = natRule(fields[0], fields[1], fields[2])
		case f.Name == "from" && len(fields) == 3:
			m := message{Proto: fields[0]}
			m.Src, m.Dst, err = addrPorts(fields[1], fields[2])
			v.steps = append(v.steps, exchange{sent: m})
		case last != nil && (f.Name == "sent" || f.Name == "sent quoted"):
			last.sent.Payload, err = decode(f)
		case last != nil && f.Name == "to" && len(fields) == 2:
			last.want = &message{Proto: last.sent.Proto}
			last.want.Src, last.want.Dst, err = addrPorts(fields[0], fields[1])
		case last != nil && f.Name == "to" && string(bytes.TrimSpace(f.Data)) == "dropped":
			last.want = nil
		case last != nil && last.want != nil && (f.Name == "got" || f.Name == "got quoted"):
			last.want.Payload, err = decode(f)
		default:
			err = fmt.Errorf("no such section here: %q", f.Data)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if len(v.steps) == 0 {
		return fmt.Errorf("no steps")
	}
	return nil
}

func addrPorts(src, dst string) (s, d netip.AddrPort, err error) {
	if s, err = netip.ParseAddrPort(src); err == nil {
		d, err = netip.ParseAddrPort(dst)
	}
	return s, d, err
}

func natRule(proto, inside, public string) (string, error) {
	in, out, err := addrPorts(inside, public)
	return fmt.Sprintf("ip saddr %v %s sport %d snat to %v", in.Addr(), proto, in.Port(), out), err
}

// portNumber matches whatever could be a port that is free for all.
var portNumber = regexp.MustCompile(`\b[1-9][0-9]{3,4}\b`)

// ports lists all ports that the vector mentions anywhere. A message that the router redirects goes to one of them: to
// one of an address that the helper has read in some message.
func (v *vector) ports() []uint16 {
	var ports []uint16
	for _, text := range portNumber.FindAllString(string(txtar.Format(v.archive)), -1) {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil && n >= 1024 {
			ports = append(ports, uint16(n))
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// decode returns the octets of a section: lines that end in CRLF on the wire or, in a "quoted" section, Go string
// literals that follow each other.
func decode(f txtar.File) ([]byte, error) {
	data := bytes.ReplaceAll(f.Data, []byte("\r\n"), []byte("\n"))
	if !strings.HasSuffix(f.Name, " quoted") {
		return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), nil
	}
	var out []byte
	for line := range strings.Lines(string(data)) {
		s, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, line)
		}
		out = append(out, s...)
	}
	return out, nil
}

// plainText matches a payload that a section can hold without quotes: lines of printable ASCII and tabs that end in CRLF.
var plainText = regexp.MustCompile(`^([\t -~]*\r\n)*$`)

// encode is the inverse of decode.
func encode(name string, payload []byte) txtar.File {
	f := txtar.File{Name: name, Data: bytes.ReplaceAll(payload, []byte("\r\n"), []byte("\n"))}
	// A line that looks like the name of a section would begin one.
	if plainText.Match(payload) && len(txtar.Parse(f.Data).Files) == 0 {
		return f
	}
	f.Name, f.Data = name+" quoted", nil
	for _, line := range literals(payload) {
		f.Data = append(f.Data, line+"\n"...)
	}
	return f
}

// literals writes octets as Go string literals, one for each line of them.
func literals(b []byte) []string {
	var out []string
	for line := range strings.Lines(string(b)) {
		out = append(out, strconv.Quote(line))
	}
	return out
}

// record writes the file of the vector anew if something else has arrived than what it says.
func (v *vector) record(arrived []*message) error {
	var files []txtar.File
	changed := false
	i := -1
	for _, f := range v.archive.Files {
		switch f.Name {
		case "from":
			i++
			changed = changed || !arrived[i].equal(v.steps[i].want)
		case "to", "got", "got quoted":
			continue
		}
		files = append(files, f)
		if f.Name != "sent" && f.Name != "sent quoted" {
			continue
		}
		if m := arrived[i]; m == nil {
			files = append(files, txtar.File{Name: "to", Data: []byte("dropped\n")})
		} else {
			files = append(files, txtar.File{Name: "to", Data: fmt.Appendf(nil, "%v %v\n", m.Src, m.Dst)}, encode("got", m.Payload))
		}
	}
	if !changed {
		return nil
	}
	return os.WriteFile(v.file, txtar.Format(&txtar.Archive{Comment: v.archive.Comment, Files: files}), 0o644)
}
