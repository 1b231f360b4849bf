package alg

import (
	"bytes"
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
// not, and although all of these were rewritten when the same message came whole.
func (j *caseJudge) partly(s, whole *step) {
	var all []string
	for _, p := range whole.tries {
		if fields := j.ownRewritten(p); len(fields) > 0 {
			if all == nil {
				all = fields
			}
			all = slices.DeleteFunc(all, func(f string) bool { return !slices.Contains(fields, f) })
		}
	}
	for _, p := range s.tries {
		done := j.ownRewritten(p)
		if len(done) == 0 {
			continue
		}
		flow := j.flows[p.Flow]
		x := j.exchange(p, flow)
		for _, field := range all {
			if slices.Contains(done, field) {
				continue
			}
			if c, ok := missed(x, field); ok {
				j.report(&sipPartlyRewritten, x, flow, &c)
			}
		}
	}
}

// ownRewritten are the fields that held the sender's own address and arrived with another one.
func (j *caseJudge) ownRewritten(p *Pair) (fields []string) {
	flow := j.flows[p.Flow]
	if !p.Delivered() {
		return nil
	}
	own := flow.Inside[0]
	for _, c := range Compare(flow.Proto(), p) {
		if c.Kind == ChangeAltered && bytes.Contains(c.Sent, []byte(own.Addr().String())) && !bytes.Equal(c.Sent, c.Got) {
			fields = appendNew(fields, c.Field)
		}
	}
	return fields
}

// missed is a field of a message that arrived as it was sent.
func missed(x *exchange, field string) (Change, bool) {
	sent, ok1 := leafAt(x.sent, field)
	got, ok2 := leafAt(x.got, field)
	a, b := x.sent.Raw[sent.off:sent.end], x.got.Raw[got.off:got.end]
	if !ok1 || !ok2 || !bytes.Equal(a, b) {
		return Change{}, false
	}
	return Change{Kind: ChangeMissed, Field: field, Sent: a, Got: b, SentOff: sent.off, GotOff: got.off}, true
}

// leafAt finds a field by its path.
func leafAt(m sip.Message, field string) (leaf, bool) {
	for _, l := range new(sheet).lines(&m, new(names)) {
		for _, f := range l.leaves {
			if f.path() == field {
				return f, true
			}
		}
	}
	return leaf{}, false
}
