package alg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// measureLoss estimates the loss of each direction from the control flows: nobody has a reason to drop what goes there. A
// control flow on which nothing arrives at all is closed, not lossy.
func (j *caseJudge) measureLoss(steps []*step) {
	type count struct{ lost, delivered int }
	j.control = map[side]bool{}
	sides := map[side]*count{}
	for _, s := range steps {
		// A message that breaks the rules may be dropped for that on any port; it measures nothing. Nor does one that may be
		// lost for its size, nor a variant of what is dropped.
		if !s.path.Control || s.breaks != "" || s.datagram().Octets > 0 || s.isVariant() {
			continue
		}
		c := sides[s.side]
		if c == nil {
			c = new(count)
			sides[s.side] = c
		}
		c.lost += s.lost
		c.delivered += s.delivered
	}
	sum := map[bool]*count{true: {}, false: {}}
	for at, c := range sides {
		j.control[at] = c.delivered > 0
		if c.delivered > 0 {
			sum[at.outbound].lost += c.lost
			sum[at.outbound].delivered += c.delivered
		}
	}
	j.loss, j.seen = map[bool]float64{}, map[bool]bool{}
	for outbound, c := range sum {
		j.loss[outbound] = LossEstimate(c.lost, c.lost+c.delivered)
		j.seen[outbound] = c.delivered > 0
	}
	if len(j.c.Flows) > 0 && j.seen[false] {
		if p := j.c.Flows[0].Path; p.Proto == ProtoSIP && p.Transport == "udp" {
			j.udpLoss[p.Family] = j.loss[false]
		}
	}
}

// controlSide reports whether the control port was tried from the same source port in the same direction, and whether
// anything arrived there.
func (j *caseJudge) controlSide(at side) (tried, works bool) {
	for k, ok := range j.control {
		if k.outbound == at.outbound && k.path.SourcePort == at.path.SourcePort {
			tried, works = true, works || ok
		}
	}
	for _, t := range j.c.Trials {
		tried = tried || t.Kind == TrialConnect && t.Path.Control && t.Path.SourcePort == at.path.SourcePort
	}
	return tried, works
}

// webControl reports that the control is on a port of the web: the neutral port was closed, so that a firewall which lets only
// the web out is as good an explanation as one that stops this port.
func (j *caseJudge) webControl() bool {
	for _, f := range j.flows {
		if f.Path.Control && f.Path.Transport == "tcp" && (f.Path.Port == 443 || f.Path.Port == 80) {
			return true
		}
	}
	return false
}

// verdict judges one direction of one path by its steps; the worst one wins. The reason is empty for a clean side.
func (j *caseJudge) verdict(at side, all []*step) (Verdict, string) {
	var steps []*step
	for _, s := range all {
		if s.side == at {
			steps = append(steps, s)
		}
	}
	if len(steps) == 0 {
		return j.unconnected(at)
	}
	var delivered, lost int
	for _, s := range steps {
		delivered += s.delivered
		if s.breaks == "" && s.datagram().Octets == 0 { // others can be dropped for what they are
			lost += s.lost
		}
	}
	if delivered == 0 && j.c.captured() {
		return Untested, fmt.Sprintf("none of %d messages was seen on both sides", len(steps))
	}
	if delivered == 0 {
		return j.silent(at, steps, lost, slices.ContainsFunc(all, func(s *step) bool { return s.outbound == at.outbound && s.delivered > 0 }))
	}
	worst, reason := Clean, ""
	var changed, dropped, redirected []string
	for _, s := range steps {
		v, why := j.stepVerdict(s, steps)
		switch v {
		case Altered:
			if !s.isVariant() || len(changed) == 0 {
				changed = appendNew(changed, s.name)
			}
		case Dropped:
			dropped = appendNew(dropped, s.name)
		}
		if s.redirected {
			redirected = appendNew(redirected, s.name)
		}
		if v.rank() > worst.rank() {
			worst, reason = v, why
		}
	}
	if worst == Altered {
		reason = "octets of " + strings.Join(changed, ", ") + " differ"
		if len(dropped) > 0 {
			reason += ", and these are dropped: " + strings.Join(dropped, ", ")
		}
		if len(redirected) > 0 {
			reason += ", and these are delivered to another port: " + strings.Join(redirected, ", ")
		}
	}
	return worst, reason
}

// unconnected judges a side on which nothing was sent: on TCP because no connection came about, time and again.
func (j *caseJudge) unconnected(at side) (Verdict, string) {
	failed, why, what := 0, "", "connection"
	for _, t := range j.c.Trials {
		if (t.Kind == TrialConnect || t.Kind == TrialTLS) && t.Path == at.path && t.Outcome == OutcomeFailed {
			failed++
			why = t.Detail
			if t.Kind == TrialTLS {
				what = "TLS handshake" // TCP connects, so that is the plainer of the two
			}
		}
	}
	need := j.connects()
	switch {
	case failed == 0:
		return Untested, "nothing was sent"
	case !at.outbound:
		return Untested, "nothing was sent, for want of a connection"
	case need == 0:
		return Untested, "too lossy: most connections to the control port do not come about either"
	case failed < need:
		return Untested, fmt.Sprintf("no %s (%s) in %d tries, %d would prove it", what, why, failed, need)
	}
	reason := fmt.Sprintf("no %s in %d tries: %s", what, failed, why)
	if what != "connection" {
		reason = fmt.Sprintf("the TLS handshake does not come about in %d tries, while TCP connects: %s", failed, why)
	}
	tried, works := j.controlSide(at)
	switch {
	case works && j.webControl():
		reason += "; nor to the neutral port, while a port of the web can be connected to: a firewall lets none of these ports out"
	case works:
		reason += "; the control port can be connected to"
	case tried:
		reason += ", nor to the control port: a firewall lets none of these ports out"
	}
	if !at.path.Control {
		j.connectFinding(at, failed, why)
	}
	return Blocked, reason
}

// connects is how many attempts to connect must fail to prove a closed port, by what happened on the control port.
func (j *caseJudge) connects() int {
	failed, made := 0, 0
	for _, t := range j.c.Trials {
		if t.Kind == TrialConnect && t.Path.Control && t.Outcome == OutcomeFailed {
			failed++
		}
	}
	for _, f := range j.flows {
		if f.Path.Control && f.Path.Transport == "tcp" {
			made++
		}
	}
	return Connects(failed, made)
}

// connectFinding reports connections that did not come about.
func (j *caseJudge) connectFinding(at side, count int, why string) {
	f, fresh := j.finding(&portBlocked, at.path, directionOf(at.outbound), "connect", "")
	if fresh {
		f.Summary += ": " + why
	}
	f.Count += count
}

// silent judges a side on which nothing arrived at all; elsewhere says that on another path something did.
func (j *caseJudge) silent(at side, steps []*step, lost int, elsewhere bool) (Verdict, string) {
	need := TriesUnmeasured(at.path.Transport)
	if j.seen[at.outbound] {
		need = TriesOn(at.path.Transport, j.loss[at.outbound])
	}
	switch {
	case need == 0:
		return Untested, fmt.Sprintf("too lossy: about %.0f %% of the control messages are lost", 100*j.loss[at.outbound])
	case lost == 0:
		return Untested, "it is not known whether anything arrived"
	case lost < need:
		return Untested, fmt.Sprintf("nothing arrived, but only %d messages were sent, %d would prove it", lost, need)
	case !at.outbound && !elsewhere:
		return Untested, "no answer arrives on any port: a firewall on this computer may drop them"
	case at.path.Control:
		return Blocked, "nothing arrives on this port"
	}
	before := len(j.findings)
	j.lossFinding(&portBlocked, at, steps)
	reason := fmt.Sprintf("nothing arrives on this port in %d tries", lost)
	if why := j.refusals(at.path); why != "" && at.outbound {
		reason += ", " + why
		for _, f := range j.findings[before:] {
			f.Summary += "; " + why
		}
	}
	switch tried, works := j.controlSide(at); {
	case works:
		return Blocked, reason + ", while the control port works"
	case !tried:
		return Blocked, reason + "; there is no control port to compare with"
	case elsewhere:
		return Blocked, reason + ", nor on the control port from this source port, while it does from another: a firewall stops this source port"
	default:
		return Blocked, reason + ", nor on the control port: a firewall lets none of these ports out"
	}
}

// stepVerdict judges one step of a side on which something arrived.
func (j *caseJudge) stepVerdict(s *step, all []*step) (Verdict, string) {
	switch {
	case s.changed:
		return Altered, ""
	case s.redirected:
		return Redirected, s.name + " is delivered to another port of this computer than it was sent to"
	case s.delivered > 0, s.tries[0].Role == RoleBracket, s.isVariant(): // these prove by passing, never by getting lost
		return Clean, ""
	case s.lost == 0 && j.proxied[s.path] && s.refusedBefore():
		return Clean, ""
	case s.lost == 0:
		return Untested, "it is not known whether " + s.name + " arrived"
	}
	if j.pathDrops(s) {
		return Clean, "" // see largeDatagrams
	}
	q := j.lossOf(s)
	need := TriesOn(s.path.Transport, q)
	control, tried := j.controlOf(s)
	what := s.name
	if odd := cmp.Or(s.breaks, s.trait); odd != "" {
		what += " (" + odd + ")"
	}
	switch {
	case s.path.Control:
		return Untested, what + " is lost on the control port"
	case !tried:
		return Untested, what + " was lost; without a control port that proves nothing"
	case !control:
		return Untested, what + " is lost on the control port as well: the cause is not this port"
	case need == 0:
		return Untested, fmt.Sprintf("too lossy: about %.0f %% of the control messages are lost", 100*q)
	case s.lost < need:
		return Untested, fmt.Sprintf("%s was lost %d times, %d would prove a drop", what, s.lost, need)
	case !bracketed(s, all):
		return Untested, what + " was lost, and so were the messages around it"
	case j.proxied[s.path] && j.hopByHop(s):
		return Clean, ""
	case j.proxied[s.path] && s.refusable():
		j.lossFinding(&sipProxyRefused, s.side, []*step{s})
		return Clean, ""
	case s.breaks != "":
		j.lossFinding(&nonconformingDropped, s.side, []*step{s})
		return Inspected, fmt.Sprintf("%s is dropped here, in %d tries, and passes to the control port", what, s.lost)
	default:
		j.lossFinding(&messageDropped, s.side, []*step{s})
		return Dropped, fmt.Sprintf("%s is dropped here, in %d tries, and passes to the control port", what, s.lost)
	}
}

// controlOf reports whether the same step was delivered on the control port, and whether it was tried there at all.
func (j *caseJudge) controlOf(s *step) (delivered, tried bool) {
	ids := map[int]bool{}
	for _, p := range s.tries {
		if p.Control != 0 {
			ids[p.Control] = true
		}
	}
	for i := range j.c.Pairs {
		p := &j.c.Pairs[i]
		flow := j.flows[p.Flow]
		if flow == nil || !flow.Path.Control || p.Outbound != s.outbound {
			continue
		}
		if ids[p.ID] || p.Step == s.name && p.Shape == s.shape && flow.Path.SourcePort == s.path.SourcePort {
			tried = true
			delivered = delivered || p.Delivered()
		}
	}
	return delivered, tried
}

// bracketed reports that good messages of the same side passed before the first and after the last lost try.
func bracketed(s *step, all []*step) bool {
	var from, to time.Time
	for _, p := range s.tries {
		sent, _ := p.ends()
		if sent == nil {
			continue
		}
		if from.IsZero() || sent.At.Before(from) {
			from = sent.At
		}
		if sent.At.After(to) {
			to = sent.At
		}
	}
	var before, after bool
	for _, o := range all {
		if o == s || o.breaks != "" {
			continue
		}
		for _, p := range o.tries {
			if sent, _ := p.ends(); p.Delivered() {
				before = before || sent.At.Before(from)
				after = after || sent.At.After(to)
			}
		}
	}
	return before && after
}

// lossFinding reports messages that did not arrive, one finding for each kind of message.
func (j *caseJudge) lossFinding(rule *Rule, at side, steps []*step) {
	for _, s := range steps {
		for _, p := range s.tries {
			sent, _ := p.ends()
			if sent == nil || p.Delivered() {
				continue
			}
			name := s.name
			if x := nameOf(j.flows[p.Flow].Proto(), sent.Raw); x != "" {
				name = x
			}
			field := ""
			if s.breaks != "" || s.trait != "" || s.datagram().Octets > 0 {
				field = s.name
			}
			f, fresh := j.finding(rule, at.path, directionOf(at.outbound), name, field)
			if fresh {
				f.Shape = s.shape
				if at.path.Speaks() == ProtoSIP {
					f.Sent = startLine(sent.Raw)
				}
				if odd := cmp.Or(s.breaks, s.trait); odd != "" {
					f.Summary += ": " + odd
				}
				if lines := j.needed(s); len(lines) > 0 {
					f.Summary += "; it passes without " + strings.Join(lines, ", or without ")
				}
			}
			f.Count++
			if len(f.Marks) < maxMarks {
				f.Marks = append(f.Marks, Mark{Pair: p.ID, SentEnd: len(sent.Raw)})
			}
		}
	}
}
