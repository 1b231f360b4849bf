package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nofixup/alg"
)

// fromCapture reports that the evidence is what captures hold.
func (t *text) fromCapture() bool { return t.report.Source == "capture" }

// captureVerdict is the headline of a report on captures.
func (t *text) captureVerdict() {
	r := t.report
	const between = "between the two captures"
	calls := t.callsSummary()
	switch {
	case r.Verdict == alg.OverallInterference:
		t.headline("INTERFERENCE", red, t.deed(between))
		for _, c := range r.Triggers { // which the control port of a probe tells
			t.wrapped(7, "cause", c)
		}
		if calls != "" {
			t.wrapped(7, "calls", calls)
		}
	case r.Fault():
		what := calls
		if list := faults(r); len(list) > 0 {
			what += "; " + strings.Join(list, ", ")
		}
		t.headline("FAULT", red, what)
	case r.Verdict == alg.OverallClean:
		t.headline("CLEAN", green, fmt.Sprintf("%s %s, in both directions; %s", passing(t.protos(func(alg.PathResult) bool { return true })), between, calls))
	case len(r.Evidence.Points) == 0 && t.heardAll():
		t.headline("NO FAULT SEEN", green, calls+". One capture does not show whether anything on the way was rewritten: a second one from the other side does (--inside, --outside).")
	default:
		t.headline("INCONCLUSIVE", yellow, calls)
	}
	if n := signsOf(r); n > 0 && r.Verdict == alg.OverallInconclusive {
		t.wrapped(7, "signs", fmt.Sprintf("of an application gateway (kinds: %d): captures from both sides would prove or refute them", n))
	}
}

// heardAll reports that there are calls, and that of each it could be told that its audio is as agreed.
func (t *text) heardAll() bool {
	for _, c := range t.report.Calls {
		if c.Audio == alg.AudioUnknown {
			return false
		}
	}
	return len(t.report.Calls) > 0
}

// callsSummary counts calls by their audio.
func (t *text) callsSummary() string {
	calls := t.report.Calls
	switch {
	case len(calls) == 0 && len(t.report.Probes) > 0:
		return "the capture holds a probe of nofixup and no other call"
	case len(calls) == 0:
		return "the capture holds no call"
	}
	n := map[string]int{}
	for _, c := range calls {
		n[c.Audio]++
	}
	var parts []string
	for _, k := range []struct{ audio, what string }{
		{alg.AudioOneWay, "with audio one way only"},
		{alg.AudioNone, "with no audio"},
		{alg.AudioTwoWay, "with audio both ways"},
		{alg.AudioNotExpected, "not answered or without audio both ways by agreement"},
		{alg.AudioUnknown, "of whose audio too little passed to tell"},
	} {
		if n[k.audio] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[k.audio], k.what))
		}
	}
	what := "calls"
	if len(calls) == 1 {
		what = "call"
	}
	return fmt.Sprintf("%d %s: %s", len(calls), what, strings.Join(parts, ", "))
}

// maxCalls is how many calls the table has; the JSON form has all.
const maxCalls = 20

// calls lists calls, those with a fault first.
func (t *text) calls() {
	if !t.fromCapture() || len(t.report.Calls) == 0 {
		return
	}
	var bad, good [][]row
	for i := range t.report.Calls {
		c := &t.report.Calls[i]
		r := row{cells: []string{
			c.Start.UTC().Format("15:04:05.000"), c.Proto, c.From + " -> " + c.To, state(c),
			fmt.Sprintf("%.0f s", c.End.Sub(c.Start).Seconds()), t.lossOf(c), c.Audio, cmp.Or(c.Cause, c.Why),
		}}
		if c.Missing != "" {
			r.cells[6] += ", nothing " + string(c.Missing)
		}
		rows := append([]row{r}, legs(c)...)
		if c.Audio == alg.AudioOneWay || c.Audio == alg.AudioNone {
			bad = append(bad, rows)
		} else {
			good = append(good, rows)
		}
	}
	list := append(bad, good...)
	t.printf("\ncalls")
	t.table("start (UTC)\tproto\tcall\tstate\tlasted\tRTP lost\taudio\tcause", slices.Concat(list[:min(len(list), maxCalls)]...))
	if len(list) > maxCalls {
		t.wrapped(2, "", fmt.Sprintf("and %d more: see --json", len(list)-maxCalls))
	}
}

// legs are the parts of a call that a server joined.
func legs(c *alg.Call) (list []row) {
	for _, l := range c.Legs {
		list = append(list, row{cells: []string{"", "", fmt.Sprintf("- leg %s -> %s", l.Caller, l.Callee), l.State, "", "", l.Audio, l.Cause}})
	}
	return list
}

// state is how far a call came.
func state(c *alg.Call) string {
	if c.Began {
		return c.State + ", began before"
	}
	return c.State
}

// lossOf is the worst loss of a call's streams.
func (t *text) lossOf(c *alg.Call) string {
	worst, any := 0.0, false
	for _, i := range c.Streams {
		if i < 0 || i >= len(t.report.Streams) {
			continue
		}
		s := &t.report.Streams[i]
		if n := s.Packets + s.Lost; n > 0 {
			any = true
			worst = max(worst, 100*float64(s.Lost)/float64(n))
		}
	}
	if !any {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", worst)
}

// notes are what limits the meaning of a report on captures.
func (t *text) notes() {
	if !t.fromCapture() || len(t.report.Network.Notes) == 0 || t.report.Network.Local.IsValid() {
		return
	}
	t.printf("\nnotes\n")
	for _, n := range t.report.Network.Notes {
		t.wrapped(4, "  -", n)
	}
}
