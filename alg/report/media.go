package report

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"nofixup/alg"
)

// media tells what a user hears, what arrived where, and what the far end should be set to.
func (t *text) media() {
	rows, holes, idle := t.mediaRows(), t.holeRows(), append(t.bindingRows(), t.holeLifeRows()...)
	s := t.report.Media
	if s == nil && len(rows)+len(holes)+len(idle) == 0 {
		return
	}
	t.printf("\nmedia\n")
	if s != nil {
		t.wrapped(2, "", s.Hears)
		if s.Without != "" {
			t.wrapped(2, "", s.Without)
		}
	}
	t.table("call\tdirection\ttowards\tmedia\tsent\tarrived\tloss\tjitter\tfirst after\tport\tDSCP", rows)
	t.table("pinhole of\tto the port\tfrom\tsent\tarrived", holes)
	if slices.ContainsFunc(t.report.Trials, func(r alg.Trial) bool {
		return r.Pinhole != nil && r.Pinhole.Idle == 0 && r.Pinhole.NotSent == "" && r.Outcome != alg.OutcomeOK && r.Pinhole.Listening != alg.FirewallNone
	}) {
		t.wrapped(6, "", "what did not arrive may have been stopped by a firewall on this computer: there is one, or that could not be told")
	}
	t.table("silence on\topen after\tclosed after", idle)
	if s != nil && len(s.Settings) > 0 {
		t.printf("\n  settings for the far end\n")
		for _, x := range s.Settings {
			t.wrapped(6, "    -", x)
		}
	}
}

// row is one of a table: cells, of which the first is left out where it repeats the one above, and what stands in place of
// those that are missing.
type row struct {
	cells   []string
	instead string
}

// table writes rows under a header of cells that end with tabs, nothing if there are none.
func (t *text) table(header string, rows []row) {
	if len(rows) == 0 {
		return
	}
	columns := strings.Split(header, "\t")
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "  %s\t\n", header)
	last := ""
	for _, r := range rows {
		cells := slices.Clone(r.cells)
		for i := range cells {
			cells[i] = clean(cells[i])
		}
		if cells[0] == last {
			cells[0] = ""
		}
		last = cmp.Or(cells[0], last)
		cells = append(cells, make([]string, max(0, len(columns)-len(cells)))...)
		fmt.Fprintf(tw, "  %s\t\n", strings.Join(cells, "\t"))
	}
	tw.Flush()
	t.printf("\n")
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for i, line := range lines {
		if line = strings.TrimRight(line, " "); i == 0 {
			t.printf("%s\n", t.paint(dim, line))
			continue
		}
		// What was not sent has no numbers: the reason stands where they would.
		if r := rows[i-1]; r.instead != "" {
			at := 0
			if next := len(r.cells); next < len(columns) {
				at = strings.Index(lines[0], columns[next])
			}
			line += strings.Repeat(" ", max(2, at-len([]rune(line)))) + t.paint(yellow, clean(r.instead))
		}
		t.printf("%s\n", line)
	}
}

// callName is over what the calls of a path of media go: "sip/udp".
func (t *text) callName(p alg.Path) string {
	var protos []string
	for _, r := range t.report.Trials {
		if r.Media != nil && r.Path == p {
			protos = appendNew(protos, r.Media.Signalling)
		}
	}
	if len(protos) != 1 {
		return p.Transport // none, or the control port of several
	}
	return protos[0] + "/" + p.Transport
}

// portName names a path by its protocol, transport and port, and by its source port where that is not any one.
func portName(proto string, p alg.Path) string {
	s := fmt.Sprintf("%s/%s %d", proto, p.Transport, p.Port)
	if p.SourcePort != alg.Ephemeral {
		s += fmt.Sprintf(" from %d", p.SourcePort)
	}
	if p.Family == 6 {
		s += " IPv6"
	}
	if p.Control {
		s += " (control)"
	}
	return s
}

// groups groups trials that are of a kind by a key, in the order of the report's paths and, within one, of ranks.
func groups[K comparable](t *text, of func(*alg.Trial) (key K, rank []int, ok bool)) [][]*alg.Trial {
	type group struct {
		rank   []int
		trials []*alg.Trial
	}
	index := map[K]int{}
	var all []group
	for i := range t.report.Trials {
		trial := &t.report.Trials[i]
		key, rank, ok := of(trial)
		if !ok {
			continue
		}
		k, known := index[key]
		if !known {
			at := slices.IndexFunc(t.report.Paths, func(r alg.PathResult) bool { return r.Path == trial.Path })
			k = len(all)
			index[key] = k
			all = append(all, group{rank: append([]int{at}, rank...)})
		}
		all[k].trials = append(all[k].trials, trial)
	}
	slices.SortStableFunc(all, func(a, b group) int { return slices.Compare(a.rank, b.rank) })
	var out [][]*alg.Trial
	for _, g := range all {
		out = append(out, g.trials)
	}
	return out
}

// order ranks booleans: what is so stands first.
func order(first bool) int {
	if first {
		return 0
	}
	return 1
}

// mediaRows are what became of media, one row for all that went the same way and met the same fate.
func (t *text) mediaRows() []row {
	type key struct {
		path                               alg.Path
		signalling, kind, towards, instead string
		outbound, dead                     bool
	}
	var rows []row
	for _, g := range groups(t, func(r *alg.Trial) (key, []int, bool) {
		m := r.Media
		if m == nil {
			return key{}, nil, false
		}
		kind := slices.Index([]string{alg.MediaAudio, alg.MediaVideo, alg.MediaRTCP}, m.Kind)
		return key{r.Path, m.Signalling, m.Kind, m.Towards, m.NotSent, m.Outbound, m.Received == 0},
			[]int{order(m.Signalling == alg.ProtoSIP), order(m.Outbound), order(m.Towards == alg.TowardsAnnounced), kind}, true
	}) {
		m := g[0].Media
		direction := alg.Inbound
		if m.Outbound {
			direction = alg.Outbound
		}
		x := row{cells: []string{portName(m.Signalling, g[0].Path), string(direction), m.Towards, m.Kind}}
		if m.NotSent != "" {
			x.instead = unsent(m.NotSent)
		} else {
			x.cells = append(x.cells, measures(g)...)
		}
		rows = append(rows, x)
	}
	return rows
}

// unsent says why nothing was sent to where a call announced its media.
func unsent(why string) string {
	switch why {
	case "none":
		why = "no port is announced"
	case "name":
		why = "what is announced is no address"
	case "port":
		why = "nobody has media on that port"
	case "announced":
		why = "a call announces it"
	}
	return "not sent: " + why
}

// measures are the numbers of media that went the same way: the worst of jitter and delay, all ports, all marks.
func measures(g []*alg.Trial) []string {
	sent, received, late, twice := 0, 0, 0, 0
	jitter, first := -1.0, -1.0
	kept, seen := true, false
	var marks []string
	for _, r := range g {
		m := r.Media
		sent += m.Sent
		received += m.Received
		if m.Received > 0 {
			first = max(first, m.Delay)
		}
		if m.Seen.IsValid() {
			seen = true
			kept = kept && m.Seen.Port() == r.Src.Port()
		}
		if m.Stream != nil {
			jitter = max(jitter, m.Stream.Jitter)
			// 0 on arrival here mostly means that this computer's system does not tell.
			if m.Outbound || m.Stream.DSCP > 0 {
				marks = appendNew(marks, fmt.Sprint(m.Stream.DSCP))
			}
			late += m.Stream.Late
			twice += m.Stream.Duplicates
		}
	}
	loss, port := "-", "-"
	if sent > 0 {
		loss = fmt.Sprintf("%.0f %%", 100*float64(max(0, sent-received))/float64(sent))
	}
	switch {
	case seen && kept:
		port = "kept"
	case seen:
		port = "changed"
	}
	arrived := fmt.Sprint(received)
	if late > 0 {
		arrived += fmt.Sprintf(", %d late", late)
	}
	if twice > 0 {
		arrived += fmt.Sprintf(", %d twice", twice)
	}
	return []string{
		fmt.Sprint(sent), arrived, loss, milliseconds(jitter), milliseconds(first), port, cmp.Or(strings.Join(marks, ", "), "-"),
	}
}

// milliseconds writes a time; what is below zero is not known.
func milliseconds(ms float64) string {
	if ms < 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// holeRows are the datagrams from outside to ports that nothing was sent from.
func (t *text) holeRows() []row {
	type key struct {
		path            alg.Path
		from, instead   string
		neighbour, rtcp bool
	}
	var rows []row
	for _, g := range groups(t, func(r *alg.Trial) (key, []int, bool) {
		h := r.Pinhole
		if h == nil || h.Idle > 0 {
			return key{}, nil, false
		}
		return key{r.Path, h.From, h.NotSent, h.Neighbour, h.RTCP}, []int{order(!h.Neighbour), order(!h.RTCP)}, true
	}) {
		h := g[0].Pinhole
		to := "announced"
		switch {
		case h.Neighbour:
			to = "not announced"
		case h.RTCP:
			to = "announced, RTCP"
		}
		from := map[string]string{"media": "the far end's media port", "port": "another port of it", "host": "another address"}[h.From]
		x := row{cells: []string{portName(g[0].Path.Proto, g[0].Path), to, cmp.Or(from, h.From)}}
		if h.NotSent != "" {
			x.instead = unsent(h.NotSent)
		} else {
			arrived := 0
			for _, r := range g {
				if r.Outcome == alg.OutcomeOK {
					arrived++
				}
			}
			x.cells = append(x.cells, fmt.Sprint(len(g)), fmt.Sprint(arrived))
		}
		rows = append(rows, x)
	}
	return rows
}

// bindingRows are the times of silence after which something came back in, or nothing did.
func (t *text) bindingRows() []row {
	return t.silences("", func(r *alg.Trial) (seconds float64, ok bool) {
		if r.Binding == nil {
			return 0, false
		}
		return r.Binding.Idle, true
	})
}

// holeLifeRows are the same of ports that a call announced, where something opened them: elsewhere nothing was there to close.
func (t *text) holeLifeRows() []row {
	return t.silences("pinhole of ", func(r *alg.Trial) (seconds float64, ok bool) {
		if h := r.Pinhole; h == nil || h.Idle == 0 || h.NotSent != "" || !slices.ContainsFunc(t.report.Findings, func(f alg.Finding) bool {
			return f.ID == "media-pinhole-opened" && f.Path() == r.Path
		}) {
			return 0, false
		}
		return r.Pinhole.Idle, true
	})
}

// silences are rows of the trials that were made after a time of silence.
func (t *text) silences(of string, silence func(*alg.Trial) (seconds float64, ok bool)) []row {
	var rows []row
	for _, g := range groups(t, func(r *alg.Trial) (alg.Path, []int, bool) {
		_, ok := silence(r)
		return r.Path, nil, ok
	}) {
		seconds := func(r *alg.Trial) float64 {
			s, _ := silence(r)
			return s
		}
		slices.SortStableFunc(g, func(a, b *alg.Trial) int { return cmp.Compare(seconds(a), seconds(b)) })
		var open, closed []string
		for _, r := range g {
			idle := fmt.Sprintf("%.0f s", seconds(r))
			if r.Outcome == alg.OutcomeOK {
				open = appendNew(open, idle)
			} else {
				closed = appendNew(closed, idle)
			}
		}
		rows = append(rows, row{cells: []string{
			of + portName(g[0].Path.Proto, g[0].Path), cmp.Or(strings.Join(open, ", "), "-"), cmp.Or(strings.Join(closed, ", "), "-"),
		}})
	}
	return rows
}

// follows shows what media that does not pass follows from: the field of the call that a gateway left as it was.
func (t *text) follows(p *paragraph) {
	for _, f := range p.findings {
		if f.Cause == "" {
			continue
		}
		if f.Field == "" {
			t.wrapped(4, "", "follows from "+f.Cause)
			continue
		}
		t.wrapped(4, "", fmt.Sprintf("follows from %s: %s", f.Cause, f.Field))
		if strings.HasPrefix(f.Field, "sdp.") {
			t.labelled(10, "    sent", "", string(f.Sent))
			t.labelled(10, "    got", "", string(f.Got))
			continue
		}
		t.leaf("sent", "", f.Field, f.Sent, "(not there)")
		t.leaf("got", "", f.Field, f.Got, "(not there)")
	}
}

// blockedMedia names the media that does not pass, empty if all does: with the direction where it is but one.
func (t *text) blockedMedia() string {
	var out, in bool
	blocked := func(p alg.PathResult) bool {
		return p.Proto == alg.ProtoMedia && !p.Control && (p.Outbound == alg.Blocked || p.Inbound == alg.Blocked)
	}
	for _, p := range t.report.Paths {
		if blocked(p) {
			out = out || p.Outbound == alg.Blocked
			in = in || p.Inbound == alg.Blocked
		}
	}
	switch {
	case out && in:
		return t.protos(blocked)
	case out:
		return "outbound " + t.protos(blocked)
	case in:
		return "inbound " + t.protos(blocked)
	}
	return ""
}
