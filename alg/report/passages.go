package report

import (
	"cmp"
	"fmt"
	"slices"

	"nofixup/alg"
)

// passages lists what became of media between two captures, the worst first.
func (t *text) passages() {
	r := t.report
	if len(r.Passages) == 0 {
		return
	}
	names := map[string]string{}
	for i := range r.Calls {
		names[r.Calls[i].ID] = r.Calls[i].From + " -> " + r.Calls[i].To
	}
	list := slices.Clone(r.Passages)
	slices.SortStableFunc(list, func(a, b alg.Passage) int { return cmp.Compare(worse(&b), worse(&a)) })
	var rows []row
	for i := range list[:min(len(list), maxCalls)] {
		p := &list[i]
		inner, as, far, dscp := t.endsOf(p)
		rows = append(rows, row{cells: []string{cmp.Or(names[p.Call], "-"), cmp.Or(string(p.Direction), "?"), inner, as, far, lostBetween(p), lostBefore(p), delayOf(p), dscp}})
	}
	t.printf("\nmedia between the two captures")
	t.table("call\tdirection\tinside\tseen outside as\tfar end\tlost between\tlost before\tdelay\tDSCP", rows)
	if len(list) > maxCalls {
		t.wrapped(2, "", fmt.Sprintf("and %d more: see --json", len(list)-maxCalls))
	}
}

// worse is how bad a passage is: the share that was lost in between, more for what never came at all.
func worse(p *alg.Passage) float64 {
	switch {
	case p.Blocked:
		return 2
	case !p.Counted || p.Sent == 0:
		return 0
	}
	return float64(p.Lost) / float64(p.Sent)
}

// endsOf says where the ends of a stream are: the inner one as either side saw it, and the other.
func (t *text) endsOf(p *alg.Passage) (inner, as, far, dscp string) {
	var in, out *alg.Stream
	for _, i := range p.Streams {
		if i < 0 || i >= len(t.report.Streams) {
			continue
		}
		if s := &t.report.Streams[i]; s.Point == alg.Outside {
			out = s
		} else {
			in = s
		}
	}
	ends := func(s *alg.Stream) (near, other string) {
		if s == nil {
			return "-", ""
		}
		if p.Direction == alg.Inbound {
			return s.Dst.String(), s.Src.String()
		}
		return s.Src.String(), s.Dst.String()
	}
	inner, far = ends(in)
	as, seen := ends(out)
	switch {
	case far == "":
		far = seen
	case seen != "" && seen != far:
		far += ", outside " + seen // a relay
	}
	if as == inner {
		as = "the same"
	}
	first, second := in, out
	if p.Direction == alg.Inbound {
		first, second = out, in
	}
	switch {
	case first != nil && second != nil && first.DSCP != second.DSCP:
		dscp = fmt.Sprintf("%d, then %d", first.DSCP, second.DSCP)
	case cmp.Or(first, second) != nil:
		dscp = fmt.Sprint(cmp.Or(first, second).DSCP)
	}
	return inner, as, far, dscp
}

func lostBetween(p *alg.Passage) string {
	switch {
	case p.Blocked:
		return fmt.Sprintf("all %d", p.Sent)
	case !p.Counted || p.Sent == 0:
		return "?"
	}
	return fmt.Sprintf("%d of %d (%.1f %%)", p.Lost, p.Sent, 100*float64(p.Lost)/float64(p.Sent))
}

func lostBefore(p *alg.Passage) string {
	switch {
	case !p.Counted || p.Blocked:
		return "-"
	case p.Missed > 0:
		return fmt.Sprintf("%d, and %d by the capture", p.Before, p.Missed)
	}
	return fmt.Sprint(p.Before)
}

func delayOf(p *alg.Passage) string {
	if p.Samples == 0 {
		return "-"
	}
	// Where the clocks were set by this alone it can come out a little below nothing.
	return fmt.Sprintf("%.1f ms, at most %.1f", max(0, p.Delay), max(0, p.MaxDelay))
}
