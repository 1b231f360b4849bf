package alg

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// checkPatch asserts what Compare promises: without the octets that the changes name, both messages are the same, and no
// change is about nothing.
func checkPatch(tb testing.TB, sent, got []byte, changes []Change) {
	tb.Helper()
	type cut struct{ off, end int }
	var a, b []cut
	for _, c := range changes {
		if c.SentOff < 0 || c.SentOff+len(c.Sent) > len(sent) || !bytes.Equal(c.Sent, sent[c.SentOff:c.SentOff+len(c.Sent)]) {
			tb.Fatalf("%s %s: %q does not stand at %d of what was sent", c.Kind, c.Field, c.Sent, c.SentOff)
		}
		if c.GotOff < 0 || c.GotOff+len(c.Got) > len(got) || !bytes.Equal(c.Got, got[c.GotOff:c.GotOff+len(c.Got)]) {
			tb.Fatalf("%s %s: %q does not stand at %d of what was received", c.Kind, c.Field, c.Got, c.GotOff)
		}
		if same := bytes.Equal(c.Sent, c.Got); same != (c.Kind == ChangeReordered) {
			tb.Fatalf("%s %s: %q -> %q", c.Kind, c.Field, c.Sent, c.Got)
		}
		if c.Field == "" {
			tb.Fatalf("%s %q -> %q has no field", c.Kind, c.Sent, c.Got)
		}
		a = append(a, cut{c.SentOff, c.SentOff + len(c.Sent)})
		b = append(b, cut{c.GotOff, c.GotOff + len(c.Got)})
	}
	rest := func(raw []byte, cuts []cut) []byte {
		slices.SortFunc(cuts, func(x, y cut) int { return cmp.Or(cmp.Compare(x.off, y.off), cmp.Compare(x.end, y.end)) })
		var out []byte
		at := 0
		for _, c := range cuts {
			if c.off == c.end {
				continue // a place, no octets
			}
			if c.off < at {
				tb.Fatalf("two changes hold octet %d of %q", c.off, raw)
			}
			out = append(out, raw[at:c.off]...)
			at = c.end
		}
		return append(out, raw[at:]...)
	}
	x, y := rest(sent, a), rest(got, b)
	if !bytes.Equal(x, y) {
		tb.Fatalf("octets differ that no change names:\nsent %q\ngot  %q\nleft %q\nleft %q\nchanges %+v", sent, got, x, y, changes)
	}
	if bytes.Equal(sent, got) && len(changes) > 0 {
		tb.Fatalf("equal messages, changes %+v", changes)
	}
	if !slices.IsSortedFunc(changes, func(x, y Change) int { return cmp.Compare(x.SentOff, y.SentOff) }) {
		tb.Fatalf("changes out of order: %+v", changes)
	}
}

// edit changes a message in one of the ways that boxes do, and in some that they do not.
func edit(r *rand.Rand, msg []byte, other []byte) []byte {
	msg = bytes.Clone(msg)
	place := func() int { return r.IntN(len(msg) + 1) }
	lines := bytes.SplitAfter(msg, []byte("\n"))
	line := r.IntN(len(lines))
	switch r.IntN(10) {
	case 0: // one octet
		if len(msg) > 0 {
			msg[r.IntN(len(msg))] = byte(r.IntN(256))
		}
	case 1: // cut off
		msg = msg[:place()]
	case 2: // a line doubled
		lines = slices.Insert(lines, r.IntN(len(lines)+1), lines[line])
		msg = bytes.Join(lines, nil)
	case 3: // a line lost
		msg = bytes.Join(slices.Delete(lines, line, line+1), nil)
	case 4: // two lines swapped
		k := r.IntN(len(lines))
		lines[line], lines[k] = lines[k], lines[line]
		msg = bytes.Join(lines, nil)
	case 5: // an address
		msg = bytes.ReplaceAll(msg, []byte("10.0.0.9"), []byte("198.51.100.2:5060"))
	case 6: // a line from elsewhere
		from := bytes.SplitAfter(other, []byte("\n"))
		lines = slices.Insert(lines, line, from[r.IntN(len(from))])
		msg = bytes.Join(lines, nil)
	case 7: // octets inserted
		at := place()
		msg = slices.Concat(msg[:at], []byte(" ;,\r\n:")[:1+r.IntN(6)], msg[at:])
	case 8: // octets lost
		at := place()
		msg = slices.Concat(msg[:at], msg[min(len(msg), at+r.IntN(20)):])
	case 9: // line ends
		msg = bytes.ReplaceAll(msg, []byte("\r\n"), []byte("\n"))
	}
	return msg
}

func TestCompareEdits(t *testing.T) {
	pairs := readPairs(t)
	r := rand.New(rand.NewPCG(1, 2))
	var again comparison
	for n := range 5000 {
		f := pairs[n%len(pairs)]
		got := f.sent
		for range 1 + r.IntN(4) {
			got = edit(r, got, pairs[r.IntN(len(pairs))].got)
		}
		checkPatch(t, f.sent, got, compareRaw(f.proto, f.sent, got))
		checkPatch(t, got, f.sent, compareRaw(f.proto, got, f.sent))
		checkAgain(t, &again, f.proto, f.sent, got)
	}
}

// checkAgain wants a comparison that was used before to find what a new one does.
func checkAgain(t *testing.T, again *comparison, proto string, sent, got []byte) {
	t.Helper()
	if proto != ProtoSIP {
		return
	}
	again.messages[0].Parse(sent)
	again.messages[1].Parse(got)
	if list, want := again.compareMessages(), compareRaw(proto, sent, got); !slices.EqualFunc(list, want, func(x, y Change) bool { return reflect.DeepEqual(x, y) }) {
		t.Fatalf("%q\n%q\n%v\nwant %v", sent, got, list, want)
	}
}

func FuzzCompare(f *testing.F) {
	for _, p := range readPairs(f) {
		f.Add(p.proto, p.sent, p.got)
	}
	f.Fuzz(func(t *testing.T, proto string, sent, got []byte) {
		var again comparison
		checkAgain(t, &again, proto, got, sent)
		checkAgain(t, &again, proto, sent, got)
		checkPatch(t, sent, got, compareRaw(proto, sent, got))
		checkPatch(t, sent, sent, compareRaw(proto, sent, sent))
	})
}

// Work and memory are bounded whatever the messages are.
func TestCompareBounds(t *testing.T) {
	headers := func(n int, seed uint64) []byte {
		names := make([]int, n)
		for i := range names {
			names[i] = i
		}
		r := rand.New(rand.NewPCG(seed, seed))
		r.Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
		var b strings.Builder
		b.WriteString("OPTIONS sip:203.0.113.10 SIP/2.0\r\n")
		for _, i := range names {
			fmt.Fprintf(&b, "X-%d: %d\r\n", i, i*7)
		}
		b.WriteString("\r\n")
		return []byte(b.String())
	}
	same := func(n int, value string) []byte {
		return []byte("OPTIONS sip:203.0.113.10 SIP/2.0\r\n" + strings.Repeat("Via: SIP/2.0/UDP "+value+"\r\n", n) + "\r\n")
	}
	const max = 64 << 10
	params := func(c string) []byte {
		return []byte("OPTIONS sip:203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9" + strings.Repeat(";"+c, max/2) + "\r\n\r\n")
	}
	sdp := func(lines string) []byte {
		return []byte("INVITE sip:203.0.113.10 SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n" + strings.Repeat(lines, max/len(lines)))
	}
	for _, c := range []struct {
		name      string
		sent, got []byte
	}{
		{"line ends against nothing", bytes.Repeat([]byte("\n"), max), nil},
		{"line ends against one more", bytes.Repeat([]byte("\n"), max), bytes.Repeat([]byte("\n"), max+1)},
		{"line ends against CRLF", bytes.Repeat([]byte("\n"), max), bytes.Repeat([]byte("\r\n"), max/2)},
		{"lines without a colon", bytes.Repeat([]byte("a\n"), max/2), bytes.Repeat([]byte("b\n"), max/2)},
		{"shuffled headers", headers(20000, 1), headers(20000, 2)},
		{"one name", same(2000, "10.0.0.9"), same(2001, "198.51.100.2")},
		{"500 of one name", same(500, strings.Repeat("a", 100)+"10.0.0.9"), same(510, strings.Repeat("a", 100)+"198.51.100.2")},
		{"parameters", params("a"), params("b")},
		{"commas", bytes.ReplaceAll(params("a"), []byte(";"), []byte(",")), bytes.ReplaceAll(params("b"), []byte(";"), []byte(","))},
		{"SDP attributes", sdp("a=x:1\r\n"), sdp("a=x:2\r\n")},
		{"SDP media", sdp("m=audio 1 RTP/AVP 0\r\n"), sdp("m=audio 2 RTP/AVP 0\r\n")},
		{"white space", params(" "), params("\t")},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			changes := compareRaw("sip", c.sent, c.got)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			checkPatch(t, c.sent, c.got, changes)
			mib := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d and %d octets: %d changes, %v, %d MiB allocated", len(c.sent), len(c.got), len(changes), took, mib)
			// Far above what it takes, far below what a quadratic search would: the race detector and a busy machine pass.
			if took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if mib > 512 {
				t.Errorf("allocated %d MiB", mib)
			}
		})
	}
}

func TestCompareMissingSide(t *testing.T) {
	one := &Sighting{Raw: []byte("x")}
	for _, p := range []*Pair{{}, {Outbound: true, Inside: one}, {Outbound: true, Outside: one}, {Inside: one}} {
		if c := Compare("sip", p); c != nil {
			t.Errorf("%+v: %v", p, c)
		}
	}
}

// What no parser knows is compared as a whole.
func TestCompareOtherProtocol(t *testing.T) {
	changes := compareRaw("other", []byte("abc"), []byte("abd"))
	checkPatch(t, []byte("abc"), []byte("abd"), changes)
	if len(changes) != 1 || changes[0].Field != "raw[0:3]" {
		t.Errorf("%+v", changes)
	}
}

func TestRespelt(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		" a \t b ":           "a b",
		"a\r\n b":            "a b",
		"SIP / 2.0 / UDP":    "SIP/2.0/UDP",
		"INVITE , ACK,\tBYE": "INVITE,ACK,BYE",
		`"a  b" <x>`:         `"a  b"<x>`,
		`"a \" b"  c`:        `"a \" b" c`,
		`"a\\"  ,  c`:        `"a\\",c`,
		"1;q = 0.7":          "1;q=0.7",
		"a\xffb  \xfe":       "a\xffb \xfe",
	} {
		var got []byte
		text := squeezed{text: []byte(in)}
		for c, ok := text.next(); ok; c, ok = text.next() {
			got = append(got, c)
		}
		if string(got) != want || !respelt([]byte(in), []byte(want)) || respelt([]byte(in), []byte(want+"x")) || respelt([]byte(want+"x"), []byte(in)) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
