package sip

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// check asserts what holds for every input: spans are in range, in order, disjoint and not empty, which makes spans and gaps
// joined the input; paths are printable; and no gap holds anything but separators, white space, names that a path repeats and
// one colon.
func check(t *testing.T, msg []byte, spans []Span) {
	t.Helper()
	at := 0
	buf := make([]byte, 0, 256)
	for i, s := range spans {
		if int(s.Off) < at || s.Off >= s.End || int(s.End) > len(msg) {
			t.Fatalf("span %d [%d,%d) after %d in %d octets", i, s.Off, s.End, at, len(msg))
		}
		if s.NameOff > s.NameEnd || s.NameOff < 0 || int(s.NameEnd) > len(msg) {
			t.Fatalf("span %d: name [%d,%d)", i, s.NameOff, s.NameEnd)
		}
		if i > 0 && s.Line < spans[i-1].Line {
			t.Fatalf("span %d is in line %d, after line %d", i, s.Line, spans[i-1].Line)
		}
		gap := msg[at:s.Off]
		if (s.Part == PartParam || s.Part == PartURIParam) && s.NameEnd < s.Off {
			if int(s.NameOff) < at {
				t.Fatalf("span %d: name at %d, within the span that ends at %d", i, s.NameOff, at)
			}
			gap = append(bytes.Clone(msg[at:s.NameOff]), msg[s.NameEnd:s.Off]...)
		}
		if rest := strings.Trim(string(gap), " \t\r\n:;,=<>@?"); rest != "" {
			t.Fatalf("%q lies in the gap before %s", rest, s.Path(msg))
		}
		at = int(s.End)
		if i > 1000 && i < len(spans)-1000 {
			continue // thousands of alike paths prove nothing
		}
		buf = s.AppendPath(buf[:0], msg)
		if len(buf) == 0 || len(buf) > 192 {
			t.Fatalf("path %q", buf)
		}
		for _, c := range append(buf, s.LineKey(msg)...) {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("path %q", buf)
			}
		}
	}
	if rest := strings.Trim(string(msg[at:]), " \t\r\n:;,=<>@?"); rest != "" {
		t.Fatalf("%q lies after the last span", rest)
	}
}

// seeds are messages of all kinds, for every fuzz target of this package.
func seeds(f *testing.F) [][]byte {
	list := []string{
		string(invite(f)),
		"SIP/2.0 200 OK\r\nv: SIP / 2.0 / UDP [::1] : 5060;rport=5060;received=192.0.2.1, SIP/2.0/TCP h;branch=\"q\"\r\n\r\n",
		"REGISTER sips:h:5061;maddr=233.252.0.1 SIP/2.0\nFrom: \"a\\\"b\" <sip:a:b@c;d=e?f>;tag=g\nm: *\nl:\n 3\n\nabc",
		"INVITE tel:+1;a=b SIP/2.0\r\nContact: sip:a@b;x, <sip:c>,,\"d\" <e>\r\nContent-Length: 1\r\nl: 2\r\n\r\n",
		"\r\n\r\nOPTIONS <a> SIP/2.0\r\nhello\r\n: x\r\nX-A:b\r\nx-a : c\r\nVia: SIP/2.0/UDP\r\nRoute: <sip:a\r\n\r\r\nz",
		"A b SIP/2\nc: multipart/mixed;boundary=\"b\"\n\n--b\nContent-Type: application/sdp\n\nv=0\n--b--\n",
		"\x00\r\r\n\t \r\n;=,<>@?\"\\",
		"\r\n\r\n", "\x00", "x",
	}
	var out [][]byte
	for _, s := range list {
		if s == "" {
			f.Fatal("an empty seed")
		}
		out = append(out, []byte(s))
	}
	return out
}

func FuzzSpans(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		was := bytes.Clone(msg)
		m := Parse(msg)
		check(t, msg, m.Spans)
		// Whether there is room for all, some or none of them makes no difference.
		first := Span{Off: 7, Part: PartHost}
		for _, room := range []int{1, 1 + len(m.Spans)/2, 100 + len(m.Spans)} {
			got := AppendSpans(append(make([]Span, 0, room), first), msg)
			if got[0] != first || !slices.Equal(got[1:], m.Spans) {
				t.Fatalf("with room for %d of %d spans: %v, want %v", room-1, len(m.Spans), got[1:], m.Spans)
			}
		}

		line := 0
		for l := range m.Lines() {
			line++
			var name, value []byte
			for _, s := range m.Spans {
				if int(s.Line) == line {
					if s.Header != l.Header || int(s.Off) < l.Off || int(s.End) > l.End {
						t.Fatalf("line %d: %+v, and span %+v", line, l, s)
					}
					if s.Part == PartName {
						name = s.Bytes(msg)
					} else if headers[s.Header].form == formValue {
						value = s.Bytes(msg)
					}
				}
			}
			if !bytes.Equal(name, msg[l.NameOff:l.NameEnd]) {
				t.Fatalf("line %d: name %q, and %q", line, name, msg[l.NameOff:l.NameEnd])
			}
			if headers[l.Header].form == formValue && !bytes.Equal(value, msg[l.ValueOff:l.ValueEnd]) {
				t.Fatalf("line %d: value %q, and %q", line, value, msg[l.ValueOff:l.ValueEnd])
			}
		}
		for _, s := range m.Spans[:min(len(m.Spans), 100)] {
			if found, ok := m.Find(s.Path(msg)); !ok || found.Path(msg) != s.Path(msg) {
				t.Fatalf("%s: found %+v, %v", s.Path(msg), found, ok)
			}
		}
		for _, s := range m.Spans {
			if s.Header <= HeaderOther {
				continue
			}
			if v := m.Value(s.Header, int(s.Index)); v == nil || s.Part != PartName && !bytes.Contains(v, s.Bytes(msg)) {
				t.Fatalf("%s is %q, and its value is %q", s.Path(msg), s.Bytes(msg), v)
			}
		}
		if off, end, ok := m.SDP(); ok && (off < m.BodyOff || off > end || end > len(msg)) || !ok && end != 0 {
			t.Fatalf("SDP at [%d,%d) of %d octets, body at %d", off, end, len(msg), m.BodyOff)
		}
		m.ContentLength()
		m.Status()
		m.Named("x-a", 1)
		if !bytes.Equal(was, msg) {
			t.Fatal("the message was changed")
		}
	})
}

// Between the leaves of well-formed messages stand the separators of the grammar, white space and names only; check holds
// for any input, and here is what it amounts to in the INVITE of the benchmarks.
func TestGaps(t *testing.T) {
	msg := invite(t)
	spans := AppendSpans(nil, msg)
	check(t, msg, spans)
	gaps := len(msg)
	for _, s := range spans {
		gaps -= int(s.End - s.Off)
		if s.Part == PartParam && s.NameEnd < s.Off {
			gaps -= int(s.NameEnd - s.NameOff)
		}
	}
	if gaps > len(msg)/8 {
		t.Errorf("%d of %d octets are in no leaf", gaps, len(msg))
	}
}

func TestAllocs(t *testing.T) {
	msg := invite(t)
	var m Message
	m.Parse(msg)
	buf := make([]byte, 0, 256)
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"Parse", func() { m.Parse(msg) }},
		{"AppendPath", func() {
			for _, s := range m.Spans {
				buf = s.AppendPath(buf[:0], msg)
			}
		}},
		{"Value", func() { m.Value(HeaderContact, 0) }},
		{"SDP", func() { m.SDP() }},
		{"Next", func() { _, _ = Next(msg, Limits{}) }},
		{"Lines", func() {
			for l := range m.Lines() {
				_ = l
			}
		}},
	} {
		if n := testing.AllocsPerRun(100, tt.f); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}
