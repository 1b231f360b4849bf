package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"nofixup/alg"
)

// hasLines reports whether the messages of a protocol are text, which is shown line by line. Others are shown leaf by leaf.
func hasLines(proto string) bool { return proto != alg.ProtoH323 && proto != alg.ProtoRAS }

// leaves shows the fields that differ, each as sent and as received.
func (t *text) leaves(p *paragraph, pairs map[int]*alg.Pair) {
	var seen []string
	for _, f := range p.findings {
		if slices.Contains(seen, f.Field) {
			continue
		}
		seen = append(seen, f.Field)
		switch {
		case len(seen) > maxExamples:
		case f.Kind == "":
			t.whole(f, pairs)
		default:
			t.wrapped(4, "", f.Field)
			t.leaf("sent", red, f.Field, f.Sent, "(not there)")
			if f.Kind == alg.ChangeMissed {
				t.side("got", "", "", "(left as it was)")
				continue
			}
			t.leaf("got", green, f.Field, f.Got, "(not there)")
		}
	}
	if rest := len(seen) - maxExamples; rest > 0 {
		t.printf("    %s\n", t.paint(dim, fmt.Sprintf("(and %d more fields like these)", rest)))
	}
}

// whole shows a message that is not compared field by field.
func (t *text) whole(f *alg.Finding, pairs map[int]*alg.Pair) {
	k := slices.IndexFunc(f.Marks, func(m alg.Mark) bool { return pairs[m.Pair] != nil })
	if k < 0 {
		return
	}
	pair := pairs[f.Marks[k].Pair]
	sent, got := pair.Inside, pair.Outside
	if !pair.Outbound {
		sent, got = got, sent
	}
	if sent == nil {
		return // a damaged report
	}
	t.leaf("sent", "", "", sent.Raw, "(nothing)")
	switch {
	case got == nil:
		t.side("got", "", "", "(nothing arrived)")
	case bytes.Equal(sent.Raw, got.Raw):
		t.side("got", "", "", "(the same)")
	default:
		t.leaf("got", "", "", got.Raw, "(nothing)")
	}
}

func (t *text) leaf(label, style, field string, octets []byte, none string) {
	const indent = 10
	if len(octets) > 0 {
		none = ""
	}
	t.side(label, style, leafText(field, octets, max(20, t.opts.Width-indent)), none)
}

// side writes one side of a change, or in its place why there is none.
func (t *text) side(label, style, value, none string) {
	t.printf("    %-4s  %s%s\n", label, t.paint(style, value), t.paint(dim, none))
}

// leafText renders octets in at most width columns: what they mean, if the field tells, and in hex.
func leafText(field string, octets []byte, width int) string {
	hex := fmt.Sprintf("% x", octets)
	meaning := leafMeaning(field, octets)
	switch both := meaning + " (" + hex + ")"; {
	case meaning != "" && len(both) <= width:
		return both
	case meaning != "" && len(meaning) <= width:
		return meaning
	case len(hex) <= width:
		return hex
	}
	count := fmt.Sprintf(" ... (%d octets)", len(octets))
	return hex[:max(0, width-len(count)+1)/3*3] + count[1:]
}

// leafMeaning is an address, a port or a name as people write it, "" for other fields.
func leafMeaning(field string, octets []byte) string {
	switch {
	case strings.HasSuffix(field, ".ip"):
		if a, ok := netip.AddrFromSlice(octets); ok {
			return a.String()
		}
	case strings.HasSuffix(field, ".port") && len(octets) == 2:
		return strconv.Itoa(int(binary.BigEndian.Uint16(octets)))
	case strings.HasSuffix(field, ".h323-ID") && len(octets)%2 == 0:
		var text []uint16
		for pair := range slices.Chunk(octets, 2) {
			text = append(text, binary.BigEndian.Uint16(pair))
		}
		return strconv.QuoteToASCII(string(utf16.Decode(text)))
	}
	return ""
}
