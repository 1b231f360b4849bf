package alg

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"nofixup/sip"
)

// splits lists messages that are sent whole as one step, and cut into several segments as others: what differs between these
// is what a gateway makes of segments.
var splits = []struct {
	proto string
	whole string
	parts []string
	rule  *Rule // of a message that was rewritten whole and left alone in parts
}{
	{ProtoH323, StepSetup, []string{StepSetupSplitHeader, StepSetupSplitMiddle}, &h323SplitUntouched},
	{ProtoSIP, StepInvite, []string{StepInviteSplitHeaders, StepInviteSplitBody}, &sipSplitUntouched},
	{ProtoSIP, StepOptions, []string{StepOptionsOctets}, &sipSplitUntouched},
}

// judgeSplits reports what messages that were sent in parts show beside the same messages in one segment.
func (j *caseJudge) judgeSplits(steps []*step) {
	for i := range splits {
		split := &splits[i]
		for _, s := range steps {
			// Datagrams are never cut, nor are the answers, which bear the name of the request.
			if s.path.Proto != split.proto || s.path.Transport != "tcp" || !s.outbound || s.delivered == 0 || !slices.Contains(split.parts, s.name) {
				continue
			}
			k := slices.IndexFunc(steps, func(w *step) bool {
				return w.side == s.side && w.name == split.whole && w.shape == s.shape && w.changed
			})
			switch {
			case k < 0:
			case !s.changed:
				j.untouched(split.rule, s)
			case split.proto == ProtoSIP:
				j.partly(s, steps[k])
			}
		}
	}
}

// untouched reports that the messages of a step were left alone.
func (j *caseJudge) untouched(rule *Rule, s *step) {
	for _, p := range s.tries {
		if !p.Delivered() {
			continue
		}
		sent, got := p.ends()
		f, fresh := j.finding(rule, s.path, directionOf(s.outbound), nameOf(j.flows[p.Flow].Proto(), sent.Raw), "")
		if fresh {
			f.Shape = s.shape
		}
		f.Count++
		if len(f.Marks) < maxMarks {
			f.Marks = append(f.Marks, Mark{Pair: p.ID, SentEnd: len(sent.Raw), GotEnd: len(got.Raw)})
		}
	}
}

// partly reports the fields in which the messages of a step still hold the sender's own address although others of them do
// not, and although all of these were rewritten when the same message came whole. Each message is cut once, however many fields
// it has: the far end has a say in that.
func (j *caseJudge) partly(s, whole *step) {
	var all map[string]bool
	for _, p := range whole.tries {
		if fields := j.ownRewritten(p); all == nil {
			all = fields
		} else if fields != nil {
			maps.DeleteFunc(all, func(f string, _ bool) bool { return !fields[f] })
		}
	}
	for _, p := range s.tries {
		done := j.ownRewritten(p)
		if done == nil {
			continue
		}
		flow := j.flows[p.Flow]
		x := j.exchange(p, flow)
		for _, c := range missed(x, func(f string) bool { return all[f] && !done[f] }) {
			j.report(&sipPartlyRewritten, x, flow, &c)
		}
	}
}

// ownRewritten are the fields that held the sender's own address and arrived with another one, nil if there are none.
func (j *caseJudge) ownRewritten(p *Pair) (fields map[string]bool) {
	flow := j.flows[p.Flow]
	if !p.Delivered() {
		return nil
	}
	own := []byte(flow.Inside[0].Addr().String())
	for _, c := range Compare(flow.Proto(), p) {
		if c.Kind != ChangeAltered || !bytes.Contains(c.Sent, own) || bytes.Equal(c.Sent, c.Got) {
			continue
		}
		if fields == nil {
			fields = make(map[string]bool)
		}
		fields[c.Field] = true
	}
	return fields
}

// missed are the wanted fields of a message that arrived as they were sent, in the order of the message.
func missed(x *exchange, want func(field string) bool) (list []Change) {
	sent, got := leavesByPath(&x.sent, want), leavesByPath(&x.got, want)
	for field, s := range sent {
		g, ok := got[field]
		a, b := x.sent.Raw[s.off:s.end], x.got.Raw[g.off:g.end]
		if ok && bytes.Equal(a, b) {
			list = append(list, Change{Kind: ChangeMissed, Field: field, Sent: a, Got: b, SentOff: s.off, GotOff: g.off})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return cmp.Compare(a.SentOff, b.SentOff) })
	return list
}

// leavesByPath are the wanted fields of a message, of those with one path the first.
func leavesByPath(m *sip.Message, want func(field string) bool) map[string]leaf {
	found := make(map[string]leaf)
	for _, l := range new(sheet).lines(m, new(names)) {
		for _, f := range l.leaves {
			path := f.path()
			if _, ok := found[path]; !ok && want(path) {
				found[path] = f
			}
		}
	}
	return found
}
