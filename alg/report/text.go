package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"nofixup/alg"
)

// TextOptions say how text is rendered. The zero value suits a pipe.
type TextOptions struct {
	Color bool // mark with ANSI colours as well
	Width int  // columns to wrap at; 0 means 100
}

// Text writes the report: the verdict and its cause first, then the paths, the findings with the octets as sent and as
// received, and what to do.
func Text(w io.Writer, r *alg.Report, opts TextOptions) error {
	if opts.Width <= 0 {
		opts.Width = 100
	}
	t := &text{opts: opts, report: r}
	t.verdict()
	t.network()
	t.paths()
	t.findings()
	t.advice()
	_, err := w.Write(t.buf.Bytes())
	return err
}

type text struct {
	opts   TextOptions
	report *alg.Report
	buf    bytes.Buffer
}

// ANSI colours (ECMA-48 8.3.117).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (t *text) paint(style, s string) string {
	if !t.opts.Color || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.buf, format, args...) }

// wrapped writes a paragraph, indented by indent and its first line by first, which stands within the indent.
func (t *text) wrapped(indent int, first, paragraph string) {
	line := first + strings.Repeat(" ", max(0, indent-len([]rune(first))))
	column := indent
	for i, word := range strings.Fields(paragraph) {
		n := len([]rune(word))
		switch {
		case i > 0 && column+1+n > t.opts.Width:
			t.printf("%s\n", line)
			line = strings.Repeat(" ", indent) + word
			column = indent + n
		case i > 0:
			line += " " + word
			column += 1 + n
		default:
			line += word
			column += n
		}
	}
	t.printf("%s\n", line)
}

func (t *text) verdict() {
	r := t.report
	protos := map[string]bool{}
	for _, p := range r.Paths {
		protos[strings.ToUpper(p.Proto)] = true
	}
	what := "nothing"
	if len(protos) > 0 {
		var names []string
		for p := range protos {
			names = append(names, p)
		}
		slices.Sort(names)
		what = strings.Join(names, " and ")
	}
	between := "between here and the reflector"
	if r.Network.Local.IsValid() && r.Network.Reflector.IsValid() {
		between = fmt.Sprintf("between %s and %s", r.Network.Local, r.Network.Reflector)
	}
	switch r.Verdict {
	case alg.OverallClean:
		t.printf("%s  %s passes untouched %s, in both directions\n", t.paint(bold+";"+green, "CLEAN"), what, between)
	case alg.OverallInterference:
		t.printf("%s  %s\n", t.paint(bold+";"+red, "INTERFERENCE"), t.deed(what, between))
	default:
		t.printf("%s  it could not be told whether %s passes untouched %s\n", t.paint(bold+";"+yellow, "INCONCLUSIVE"), what, between)
	}
	for _, c := range r.Triggers {
		t.wrapped(7, "cause", c)
	}
}

// deed says in a few words what happens.
func (t *text) deed(what, between string) string {
	worst := alg.Clean
	for _, p := range t.report.Paths {
		worst = worst.Worse(p.Outbound).Worse(p.Inbound)
	}
	altered := slices.ContainsFunc(t.report.Paths, func(p alg.PathResult) bool {
		return p.Outbound == alg.Altered || p.Inbound == alg.Altered
	})
	switch {
	case altered:
		return fmt.Sprintf("something %s rewrites %s", between, what)
	case worst == alg.Dropped:
		return fmt.Sprintf("something %s drops %s messages", between, what)
	case worst == alg.Blocked:
		return fmt.Sprintf("%s is blocked %s", what, between)
	case worst == alg.Inspected:
		return fmt.Sprintf("something %s reads %s, though it changed no octet of it", between, what)
	default:
		return fmt.Sprintf("%s does not pass untouched %s", what, between)
	}
}

func (t *text) network() {
	n := t.report.Network
	if !n.Local.IsValid() {
		return
	}
	t.printf("\nnetwork\n  %s", n.Local)
	if n.Interface != "" {
		t.printf(" (%s, MTU %d)", n.Interface, n.MTU)
	}
	switch {
	case n.NAT && n.Public.IsValid():
		t.printf(" -> NAT -> %s", n.Public)
	case n.Public.IsValid():
		t.printf(" -> no NAT")
	}
	if n.Reflector.IsValid() {
		t.printf(" -> reflector %s", n.Reflector)
	}
	t.printf("\n")
	for _, note := range n.Notes {
		t.wrapped(4, "  -", note)
	}
}

func (t *text) paths() {
	if len(t.report.Paths) == 0 {
		return
	}
	t.printf("\npaths\n")
	// Colours would count as width to the tab writer: they are put in afterwards.
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "  protocol\tport\tsource port\toutbound\tinbound\t")
	for _, p := range t.report.Paths {
		port := fmt.Sprint(p.Port)
		if p.Control {
			port += " (control)"
		}
		proto := p.Proto + "/" + p.Transport
		if p.Family == 6 {
			proto += " IPv6"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t\n", proto, port, p.SourcePort, p.Outbound, p.Inbound)
	}
	tw.Flush()
	rows := strings.Split(strings.TrimRight(table.String(), "\n"), "\n")
	for i, row := range rows {
		row = strings.TrimRight(row, " ")
		if i == 0 {
			t.printf("%s\n", t.paint(dim, row))
			continue
		}
		t.printf("%s\n", t.paintVerdicts(row))
		if reason := t.report.Paths[i-1].Reason; reason != "" {
			t.wrapped(6, "", reason)
		}
	}
}

func (t *text) paintVerdicts(row string) string {
	fields := strings.Fields(row)
	if !t.opts.Color || len(fields) < 2 {
		return row
	}
	head := row
	var tail string
	for _, v := range []string{fields[len(fields)-1], fields[len(fields)-2]} {
		i := strings.LastIndex(head, v)
		tail = t.paint(verdictColor(alg.Verdict(v)), v) + head[i+len(v):] + tail
		head = head[:i]
	}
	return head + tail
}

func verdictColor(v alg.Verdict) string {
	switch {
	case v.Interference():
		return red
	case v == alg.Clean:
		return green
	default:
		return yellow
	}
}

// row is what one paragraph of the findings shows: findings that differ only in message and source port belong together.
type row struct {
	alg.Finding
	messages []string
	sources  []string
}

func rows(findings []alg.Finding) []row {
	var out []row
	for _, f := range findings {
		i := slices.IndexFunc(out, func(r row) bool {
			return r.ID == f.ID && r.Proto == f.Proto && r.Transport == f.Transport && r.Family == f.Family &&
				r.Port == f.Port && r.Direction == f.Direction && r.Field == f.Field
		})
		if i < 0 {
			out = append(out, row{Finding: f})
			i = len(out) - 1
		} else {
			out[i].Count += f.Count
			if len(out[i].Marks) == 0 {
				out[i].Marks = f.Marks
			}
		}
		out[i].messages = appendNew(out[i].messages, f.Message)
		out[i].sources = appendNew(out[i].sources, f.SourcePort.String())
	}
	slices.SortStableFunc(out, func(a, b row) int { return cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)) })
	return out
}

func severityRank(s alg.Severity) int {
	return slices.Index([]alg.Severity{alg.Critical, alg.Warning, alg.Info}, s)
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (t *text) findings() {
	list := rows(t.report.Findings)
	if len(list) == 0 {
		return
	}
	t.printf("\nfindings\n")
	pairs := map[int]*alg.Pair{}
	for i := range t.report.Evidence.Pairs {
		p := &t.report.Evidence.Pairs[i]
		pairs[p.ID] = p
	}
	last := ""
	for _, r := range list {
		// The effect of a rule is told once, with its first finding.
		effect := r.Symptom
		if r.ID == last {
			effect = ""
		}
		last = r.ID
		style := map[alg.Severity]string{alg.Critical: red, alg.Warning: yellow, alg.Info: dim}[r.Severity]
		t.printf("\n  %s  %s\n", t.paint(bold+";"+style, strings.ToUpper(string(r.Severity))), t.paint(bold, r.ID))
		where := fmt.Sprintf("%s/%s/%d %s", r.Proto, r.Transport, r.Port, r.Direction)
		if r.Family == 6 {
			where += ", IPv6"
		}
		if r.Field != "" {
			where += ": " + r.Field
		}
		where += fmt.Sprintf(", in %s from source port %s", strings.Join(r.messages, ", "), strings.Join(r.sources, " and "))
		t.wrapped(4, "", where)
		t.wrapped(4, "", r.Summary)
		t.octets(&r.Finding, pairs)
		if effect != "" {
			t.wrapped(12, "    effect", effect)
		}
	}
}

// octets shows the lines that differ, as they were on the wire, with what differs underlined.
func (t *text) octets(f *alg.Finding, pairs map[int]*alg.Pair) {
	if len(f.Marks) == 0 {
		return
	}
	m := f.Marks[0]
	p := pairs[m.Pair]
	if p == nil {
		return
	}
	sent, got := p.Inside, p.Outside
	if !p.Outbound {
		sent, got = got, sent
	}
	switch {
	case got == nil:
		t.printf("    sent  %s\n    got   %s\n", excerptLine(sent, 0, 0).text, t.paint(dim, "(nothing arrived)"))
		return
	case m.SentOff == m.SentEnd:
		t.printf("    sent  %s\n", t.paint(dim, "(not there)"))
		t.excerpt("got", green, excerptLine(got, m.GotOff, m.GotEnd))
	case m.GotOff == m.GotEnd:
		t.excerpt("sent", red, excerptLine(sent, m.SentOff, m.SentEnd))
		t.printf("    got   %s\n", t.paint(dim, "(not there)"))
	default:
		t.excerpt("sent", red, excerptLine(sent, m.SentOff, m.SentEnd))
		t.excerpt("got", green, excerptLine(got, m.GotOff, m.GotEnd))
	}
}

func (t *text) excerpt(label, style string, e excerpt) {
	t.printf("    %-4s  %s%s%s\n", label, e.text[:e.from], t.paint(style, e.text[e.from:e.to]), e.text[e.to:])
	if e.to > e.from {
		t.printf("          %s%s\n", strings.Repeat(" ", e.from), t.paint(style, strings.Repeat("^", e.to-e.from)))
	}
}

func (t *text) advice() {
	var seen []string
	for _, r := range rows(t.report.Findings) {
		if r.Severity != alg.Info || t.report.Verdict == alg.OverallInterference {
			seen = appendNew(seen, r.Advice)
		}
	}
	if t.report.Verdict == alg.OverallInconclusive {
		seen = appendNew(seen, "See the reasons beside the paths that are untested, mend what can be mended there, and run nofixup again.")
	}
	if len(seen) == 0 {
		return
	}
	t.printf("\nwhat to do\n")
	for _, a := range seen {
		t.wrapped(4, "  -", a)
	}
}
