package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"nofixup/alg"
)

// TextOptions say how text is rendered. The zero value suits a pipe.
type TextOptions struct {
	Color bool // mark with ANSI colours as well
	Width int  // columns to wrap at; 0 means 100
}

// Text writes the report: the verdict and its cause first, then the paths, what became of the media of calls, the findings with
// the octets as sent and as received, and what to do.
func Text(w io.Writer, r *alg.Report, opts TextOptions) error {
	if opts.Width <= 0 {
		opts.Width = 100
	}
	t := &text{opts: opts, report: r}
	t.verdict()
	t.network()
	t.probes()
	t.calls()
	t.passages()
	t.notes()
	t.paths()
	t.media()
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
	if !t.opts.Color || s == "" || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.buf, format, args...) }

// clean makes text from elsewhere fit for a terminal: what is not printable (control characters, marks that turn the
// writing direction) is escaped. A report may come from a file, and names in it from the wire.
func clean(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	q := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// wrapped writes a paragraph, indented by indent and its first line by first, which stands within the indent.
func (t *text) wrapped(indent int, first, paragraph string) { t.labelled(indent, first, "", paragraph) }

// labelled is like wrapped and paints what stands first.
func (t *text) labelled(indent int, first, style, paragraph string) {
	line := t.paint(style, first) + strings.Repeat(" ", max(0, indent-len([]rune(first))))
	column := indent
	for i, word := range strings.Fields(paragraph) {
		word = clean(word)
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
	if t.fromCapture() {
		t.captureVerdict()
		return
	}
	r := t.report
	what := t.protos(func(alg.PathResult) bool { return true })
	between := "between here and the reflector"
	if r.Network.Local.IsValid() && r.Network.Reflector.IsValid() {
		between = fmt.Sprintf("between %s and %s", r.Network.Local, r.Network.Reflector)
	}
	switch r.Verdict {
	case alg.OverallClean:
		t.headline("CLEAN", green, fmt.Sprintf("%s %s, in both directions", passing(what), between))
	case alg.OverallInterference:
		t.headline("INTERFERENCE", red, t.deed(between))
	default:
		t.headline("INCONCLUSIVE", yellow, fmt.Sprintf("it could not be told whether %s %s", passing(what), between))
	}
	for _, c := range r.Triggers {
		t.wrapped(7, "cause", c)
	}
}

// passing says that protocols pass. What is in media nobody compares.
func passing(what string) string {
	switch {
	case what == alg.ProtoName(alg.ProtoMedia):
		return what + " passes"
	case several(what):
		return what + " pass untouched"
	}
	return what + " passes untouched"
}

// several reports whether a list of names has more than one.
func several(what string) bool { return strings.Contains(what, " and ") }

func (t *text) headline(verdict, color, what string) {
	t.labelled(len(verdict)+2, verdict, bold+";"+color, what)
}

// protos names the protocols of the paths that match, and the transport or the family where not all of the protocol do: "SIP
// over UDP", "SIP over IPv4". A control counts where no other path matches.
func (t *text) protos(match func(alg.PathResult) bool) string {
	type kind struct{ proto, transport string }
	paths := slices.DeleteFunc(slices.Clone(t.report.Paths), func(p alg.PathResult) bool { return p.Control })
	if !slices.ContainsFunc(paths, match) {
		paths = t.report.Paths
	}
	matched, other := map[kind]bool{}, map[string]bool{}
	family, families := map[string]map[int]bool{}, map[string]map[int]bool{}
	for _, p := range paths {
		if match(p) {
			matched[kind{p.Proto, p.Transport}] = true
			if family[p.Proto] == nil {
				family[p.Proto] = map[int]bool{}
			}
			family[p.Proto][p.Family] = true
		}
		if families[p.Proto] == nil {
			families[p.Proto] = map[int]bool{}
		}
		families[p.Proto][p.Family] = true
	}
	for _, p := range paths {
		if !matched[kind{p.Proto, p.Transport}] {
			other[p.Proto] = true
		}
	}
	var names []string
	for k := range matched {
		name := clean(alg.ProtoName(k.proto))
		if other[k.proto] && k.proto == alg.ProtoMedia {
			name += " of calls" // which go over the transport, media does not
		}
		if other[k.proto] {
			name += " over " + clean(strings.ToUpper(k.transport))
		}
		if of := family[k.proto]; len(of) == 1 && len(families[k.proto]) > 1 {
			for version := range of {
				name += fmt.Sprintf(" over IPv%d", version)
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	switch names = slices.Compact(names); len(names) {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
}

// deed says in a few words what happens.
func (t *text) deed(between string) string {
	worst := alg.Clean
	for _, p := range t.report.Paths {
		for _, v := range []alg.Verdict{p.Outbound, p.Inbound} {
			switch {
			case v == alg.Altered: // what users must know first
				worst = alg.Altered
			case worst != alg.Altered && !p.Control: // all else on a control takes nothing from the others
				worst = worst.Worse(v)
			}
		}
	}
	what := t.protos(func(p alg.PathResult) bool { return p.Outbound == worst || p.Inbound == worst })
	switch worst {
	case alg.Altered:
		deed := fmt.Sprintf("something %s rewrites %s", between, what)
		if media := t.blockedMedia(); media != "" {
			deed += fmt.Sprintf(", and %s is blocked", media)
		}
		return deed
	case alg.Dropped:
		return fmt.Sprintf("something %s drops %s messages", between, what)
	case alg.Blocked:
		if media := t.blockedMedia(); media != "" && strings.HasPrefix(what, alg.ProtoName(alg.ProtoMedia)) {
			what = media // and nothing else: names in capitals come first
		}
		if several(what) {
			return fmt.Sprintf("%s are blocked %s", what, between)
		}
		return fmt.Sprintf("%s is blocked %s", what, between)
	case alg.Intercepted:
		if !slices.ContainsFunc(t.report.Findings, func(f alg.Finding) bool { return strings.HasPrefix(f.Field, "tls.") }) {
			return fmt.Sprintf("something %s completes TCP in the place of the far end: %s goes through it", between, what)
		}
		return fmt.Sprintf("something %s terminates TLS: %s does not reach the far end unread", between, what)
	case alg.Redirected:
		return fmt.Sprintf("something %s delivers %s messages to another port than they are sent to", between, what)
	case alg.Inspected:
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
	line := n.Local.String()
	if n.Interface != "" {
		line += fmt.Sprintf(" (%s, MTU %d)", n.Interface, n.MTU)
	}
	switch {
	case n.NAT && n.Public.IsValid():
		line += " -> NAT -> " + n.Public.String()
	case n.Public.IsValid():
		line += " -> no NAT"
	}
	if n.Reflector.IsValid() {
		line += " -> reflector " + n.Reflector.String()
	}
	t.printf("\nnetwork\n")
	t.wrapped(2, "", line)
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
		proto := t.pathName(p.Path)
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t\n", proto, port, p.SourcePort, verdictText(p.Outbound), verdictText(p.Inbound))
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
		if p := &t.report.Paths[i-1]; p.Reason != "" && !told(p) {
			t.wrapped(6, "", p.Reason)
		}
	}
}

// pathName is the protocol of a path, its transport and, where it is not the usual one, its family.
func (t *text) pathName(p alg.Path) string {
	name := p.Proto + "/" + p.Transport
	if p.Proto == alg.ProtoMedia {
		name = "media, call over " + t.callName(p)
	}
	if p.Family == 6 {
		name += " IPv6"
	}
	return clean(name)
}

// told reports whether the findings say all that the reason of a path does: octets differ, and nothing else is to be said.
func told(p *alg.PathResult) bool {
	return (p.Outbound == alg.Clean || p.Outbound == alg.Altered) && (p.Inbound == alg.Clean || p.Inbound == alg.Altered)
}

// verdictText is one word.
func verdictText(v alg.Verdict) string {
	if v == "" {
		return "?"
	}
	return strings.ReplaceAll(clean(string(v)), " ", "_")
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

func (t *text) advice() {
	var seen []string
	for _, r := range t.report.Findings {
		if r.Severity != alg.Info || t.report.Verdict == alg.OverallInterference {
			seen = appendNew(seen, r.Advice)
		}
	}
	if t.report.Verdict == alg.OverallInconclusive && !t.fromCapture() {
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

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
