package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nofixup/alg"
)

// paragraph is what a rule found on one port in one direction: all fields, messages and source ports.
type paragraph struct {
	*alg.Finding // the first of them
	fields       []string
	messages     []string
	sources      []string
	summaries    []string
	count        int
	findings     []*alg.Finding
}

func paragraphs(findings []alg.Finding) []*paragraph {
	var out []*paragraph
	for i := range findings {
		f := &findings[i]
		k := slices.IndexFunc(out, func(p *paragraph) bool {
			return p.ID == f.ID && p.Proto == f.Proto && p.Transport == f.Transport && p.Family == f.Family &&
				p.Port == f.Port && p.Direction == f.Direction
		})
		if k < 0 {
			k = len(out)
			out = append(out, &paragraph{Finding: f})
		}
		p := out[k]
		p.findings = append(p.findings, f)
		p.count += f.Count
		p.messages = appendNew(p.messages, f.Message)
		p.sources = appendNew(p.sources, f.SourcePort.String())
		p.summaries = appendNew(p.summaries, f.Summary)
		if f.Field != "" {
			p.fields = appendNew(p.fields, f.Field)
		}
	}
	rank := func(p *paragraph) int {
		return slices.Index([]alg.Severity{alg.Critical, alg.Warning, alg.Info}, p.Severity)
	}
	slices.SortStableFunc(out, func(a, b *paragraph) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func (t *text) findings() {
	list := paragraphs(t.report.Findings)
	if len(list) == 0 {
		return
	}
	t.printf("\nfindings\n")
	pairs := map[int]*alg.Pair{}
	for i := range t.report.Evidence.Pairs {
		p := &t.report.Evidence.Pairs[i]
		pairs[p.ID] = p
	}
	var told []string // the effect of a rule is told once
	for _, p := range list {
		style := cmp.Or(map[alg.Severity]string{alg.Critical: red, alg.Warning: yellow}[p.Severity], dim)
		t.printf("\n  %s  %s\n", t.paint(bold+";"+style, clean(strings.ToUpper(string(p.Severity)))), t.paint(bold, clean(p.ID)))
		for _, s := range p.summaries {
			t.wrapped(4, "", s)
		}
		t.wrapped(4, "", t.where(p))
		if p.Confidence != "" {
			t.signs(p)
		} else if strings.HasPrefix(p.Field, "tls.") || p.Field == alg.FieldSocket {
			t.wanted(p)
		} else if p.Proto == alg.ProtoMedia {
			t.follows(p)
		} else if hasLines(p.Proto) {
			t.octets(p, pairs)
		} else {
			t.leaves(p, pairs)
		}
		if !slices.Contains(told, p.ID) {
			told = append(told, p.ID)
			t.wrapped(12, "    effect", p.Symptom)
		}
	}
}

// where names the path, the direction and the messages of a paragraph.
func (t *text) where(p *paragraph) string {
	where := fmt.Sprintf("%s/%s/%d %s", p.Proto, p.Transport, p.Port, p.Direction)
	if p.Proto == alg.ProtoMedia {
		where = fmt.Sprintf("media %s, call over %s/%d", p.Direction, t.callName(p.Path()), p.Port)
	}
	if p.Family == 6 {
		where += ", IPv6"
	}
	return where + fmt.Sprintf(", source port %s: %s", strings.Join(p.sources, " and "), strings.Join(p.messages, ", "))
}

// wanted shows what was to be expected and what came instead: of a TLS handshake the certificate first, it has a name on it.
func (t *text) wanted(p *paragraph) {
	rank := func(f *alg.Finding) int {
		if f.Field == "tls.certificate" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(p.findings, func(a, b *alg.Finding) int { return cmp.Compare(rank(a), rank(b)) })
	for _, f := range p.findings {
		t.wrapped(4, "", f.Field)
		t.labelled(10, "    want", red, string(f.Sent))
		t.labelled(10, "    got", green, string(f.Got))
	}
}

// maxExamples bounds the lines that one paragraph shows.
const maxExamples = 5

// example is one line of one message, as sent and as received, with all that differs in it.
type example struct {
	pair       *alg.Pair
	kind       alg.ChangeKind
	sent, got  int // where the line begins in either message
	fields     []string
	sentMarks  []mark
	gotMarks   []mark
	sentThere  bool // false for a line that was inserted
	gotThere   bool // false for a line that was removed
	nothingGot bool
}

// octets shows the lines that differ, as they were on the wire, with what differs underlined.
func (t *text) octets(p *paragraph, pairs map[int]*alg.Pair) {
	examples := gather(p, pairs)
	rest := 0
	for i, e := range examples {
		if i >= maxExamples {
			rest += len(e.fields)
			continue
		}
		if len(e.fields) > 0 {
			t.wrapped(4, "", strings.Join(e.fields, ", "))
		}
		sent, got := e.pair.Inside, e.pair.Outside
		if !e.pair.Outbound {
			sent, got = got, sent
		}
		t.line("sent", red, sent, e.sent, e.sentMarks, e.sentThere, e)
		if e.nothingGot {
			t.printf("    got   %s\n", t.paint(dim, "(nothing arrived)"))
			continue
		}
		t.line("got", green, got, e.got, e.gotMarks, e.gotThere, e)
	}
	if rest > 0 {
		t.printf("    %s\n", t.paint(dim, fmt.Sprintf("(and %d more fields like these)", rest)))
	}
}

// gather finds an example for every field, as few as show them all: two fields of one line share one.
func gather(p *paragraph, pairs map[int]*alg.Pair) []*example {
	var out []*example
	// A message that shows many fields serves best.
	shows := map[int][]string{}
	for _, f := range p.findings {
		for _, m := range f.Marks {
			shows[m.Pair] = appendNew(shows[m.Pair], f.Field)
		}
	}
	for _, field := range append([]string{""}, p.fields...) {
		var marks []alg.Mark
		var kind alg.ChangeKind
		for _, f := range p.findings {
			if f.Field == field {
				marks = append(marks, f.Marks...)
				kind = cmp.Or(kind, f.Kind)
			}
		}
		marks = slices.DeleteFunc(marks, func(m alg.Mark) bool { return pairs[m.Pair] == nil })
		if len(marks) == 0 {
			continue
		}
		best := marks[0]
		for _, m := range marks {
			if len(shows[m.Pair]) > len(shows[best.Pair]) {
				best = m
			}
		}
		out = place(out, best, pairs[best.Pair], kind, field)
	}
	return out
}

// place adds a mark to the example of its line, or makes one.
func place(out []*example, m alg.Mark, pair *alg.Pair, kind alg.ChangeKind, field string) []*example {
	sent, got := pair.Inside, pair.Outside
	if !pair.Outbound {
		sent, got = got, sent
	}
	if sent == nil {
		return out // a damaged report
	}
	if got == nil {
		return append(out, &example{pair: pair, sentThere: true, nothingGot: true})
	}
	if kind == "" {
		kind = alg.ChangeAltered
	}
	m = narrow(m, sent.Raw, got.Raw)
	e := &example{
		pair: pair, kind: kind, sent: lineStart(sent.Raw, m.SentOff), got: lineStart(got.Raw, m.GotOff),
		sentThere: m.SentOff < m.SentEnd || !wholeLine(got.Raw, m.GotOff, m.GotEnd),
		gotThere:  m.GotOff < m.GotEnd || !wholeLine(sent.Raw, m.SentOff, m.SentEnd),
	}
	if k := slices.IndexFunc(out, func(o *example) bool {
		return o.pair == e.pair && o.sent == e.sent && o.got == e.got && o.sentThere && o.gotThere && e.sentThere && e.gotThere &&
			o.kind != alg.ChangeReordered && e.kind != alg.ChangeReordered
	}); k >= 0 {
		e = out[k]
	} else {
		out = append(out, e)
	}
	if field != "" {
		e.fields = appendNew(e.fields, field)
	}
	if kind != alg.ChangeReordered {
		e.sentMarks = append(e.sentMarks, mark{m.SentOff, m.SentEnd})
		e.gotMarks = append(e.gotMarks, mark{m.GotOff, m.GotEnd})
	}
	return out
}

// narrow cuts what is equal from both ends of a long field, so that what differs comes into view.
func narrow(m alg.Mark, sent, got []byte) alg.Mark {
	const long = 64
	m.SentOff, m.SentEnd = within(m.SentOff, m.SentEnd, len(sent))
	m.GotOff, m.GotEnd = within(m.GotOff, m.GotEnd, len(got))
	a, b := sent[m.SentOff:m.SentEnd], got[m.GotOff:m.GotEnd]
	if len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) || len(a) <= long && len(b) <= long && !bytes.ContainsAny(a, "\n") && !bytes.ContainsAny(b, "\n") {
		return m
	}
	for m.SentOff < m.SentEnd && m.GotOff < m.GotEnd && sent[m.SentOff] == got[m.GotOff] {
		m.SentOff++
		m.GotOff++
	}
	for m.SentOff < m.SentEnd && m.GotOff < m.GotEnd && sent[m.SentEnd-1] == got[m.GotEnd-1] {
		m.SentEnd--
		m.GotEnd--
	}
	// Half a number says nothing: back to the ends of the word.
	for m.SentOff > 0 && word(sent[m.SentOff-1]) && m.GotOff > 0 && sent[m.SentOff-1] == got[m.GotOff-1] {
		m.SentOff--
		m.GotOff--
	}
	for m.SentEnd < len(sent) && word(sent[m.SentEnd]) && m.GotEnd < len(got) && sent[m.SentEnd] == got[m.GotEnd] {
		m.SentEnd++
		m.GotEnd++
	}
	return m
}

// word reports whether c may stand in a name, a number or an address.
func word(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '.' || c == ':' || c == '-'
}

func within(off, end, n int) (int, int) {
	off = min(max(off, 0), n)
	return off, min(max(end, off), n)
}

func lineStart(raw []byte, off int) int {
	return bytes.LastIndexByte(raw[:min(off, len(raw))], '\n') + 1
}

// wholeLine reports whether raw[off:end] is made of whole lines.
func wholeLine(raw []byte, off, end int) bool {
	return off < end && lineStart(raw, off) == off && (end == len(raw) || raw[end-1] == '\n')
}

// line shows one side of an example.
func (t *text) line(label, style string, s *alg.Sighting, off int, marks []mark, there bool, e *example) {
	if !there {
		t.printf("    %-4s  %s\n", label, t.paint(dim, "(not there)"))
		return
	}
	const indent = 10
	x := excerptLine(s.Raw, off, marks, max(20, t.opts.Width-indent))
	t.printf("    %-4s  ", label)
	at := 0
	under := ""
	for _, m := range x.marks {
		t.printf("%s%s", x.text[at:m.off], t.paint(style, x.text[m.off:m.end]))
		under += strings.Repeat(" ", m.off-at) + t.paint(style, strings.Repeat("^", m.end-m.off))
		at = m.end
	}
	t.printf("%s", x.text[at:])
	if e.kind == alg.ChangeReordered {
		t.printf("  %s", t.paint(dim, fmt.Sprintf("(line %d)", bytes.Count(s.Raw[:min(off, len(s.Raw))], []byte("\n"))+1)))
	}
	t.printf("\n")
	if under != "" {
		t.printf("%*s%s\n", indent, "", under)
	}
}
