package probe

import (
	"context"
	"slices"
	"time"

	"nofixup/alg"
)

// tally counts what became of the messages of one flow, or of several, in each direction.
type tally struct {
	sent, received    int // outbound
	replied, answered int // inbound, of answers and of what the reflector was asked to send
	unconnected       int // tcp: connections that did not come about
	connected         int // and those that did
}

// tallies counts by flow. Messages that break the rules on purpose measure nothing: they may be dropped for that; nor do
// variants of what is dropped.
func (r *runner) tallies() map[*flow]*tally {
	out := map[*flow]*tally{}
	r.mu.Lock()
	for _, f := range r.flows {
		if f != nil {
			out[f] = &tally{unconnected: f.unconnected, connected: f.connected}
		}
	}
	r.mu.Unlock()
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range r.ledger.order {
		if m.step.Breaks != "" || m.step.Role == alg.RoleCause || m.step.Datagram.Octets > 0 || m.failed != nil {
			continue
		}
		t := out[m.link.flow]
		t.sent++
		if m.there != nil {
			t.received++
		}
		if m.reply != nil {
			t.replied++
			if m.answer != nil {
				t.answered++
			}
		}
	}
	for _, a := range r.ledger.requests {
		if a.out == nil {
			continue
		}
		t := out[a.link.flow]
		t.replied++
		if a.in != nil {
			t.answered++
		}
	}
	return out
}

// need is how many tries prove a drop at the loss measured so far on the control flows like f. A control flow on which
// nothing arrives at all is closed, not lossy.
func (r *runner) need(tallies map[*flow]*tally, like *flow) int {
	transport := like.plan.Path.Transport
	worst := r.worstLoss(tallies, like)
	if worst == 0 {
		return alg.TriesUnmeasured(transport)
	}
	if n := alg.TriesOn(transport, worst); n > 0 {
		// Some more than it takes now: what is lost later raises the estimate by which the judge counts.
		return n + alg.TriesOn(transport, 1e-3)
	}
	return maxTries // too lossy to prove anything, as far as a few messages tell: more of them may get through
}

// worstLoss is the loss measured so far on the control flows like f, that of the worse direction; 0 if there is no measure.
func (r *runner) worstLoss(tallies map[*flow]*tally, like *flow) float64 {
	transport := like.plan.Path.Transport
	var all tally
	for f, t := range tallies {
		if p := f.plan.Path; !p.Control || p.Proto != like.plan.Path.Proto || p.Transport != transport || p.Family != like.plan.Path.Family {
			continue
		}
		if t.received > 0 {
			all.sent += t.sent
			all.received += t.received
		}
		if t.answered > 0 {
			all.replied += t.replied
			all.answered += t.answered
		}
	}
	worst := 0.0
	if all.sent > 0 {
		worst = alg.LossEstimate(all.sent-all.received, all.sent)
	}
	if all.replied > 0 {
		worst = max(worst, alg.LossEstimate(all.replied-all.answered, all.replied))
	}
	return worst
}

// connects is how many attempts to connect must fail on a flow, as the judge asks for; 0 if nothing can be proven.
func (r *runner) connects(tallies map[*flow]*tally, like *flow) int {
	failed, made := 0, 0
	for f, t := range tallies {
		if p := f.plan.Path; p.Control && p.Proto == like.plan.Path.Proto && p.Transport == "tcp" && p.Family == like.plan.Path.Family {
			failed += t.unconnected
			made += t.connected
		}
	}
	return alg.Connects(failed, made)
}

// closed reports that a flow has lost enough messages, and delivered none, to be given up: outbound, or only its answers.
func (t *tally) closed(need, connects int) (outbound, inbound bool) {
	if connects == 0 {
		connects = maxTries
	}
	return t.received == 0 && (t.sent >= need || t.unconnected >= connects), t.answered == 0 && t.replied >= need
}

// done reports whether nothing more is to be learnt from a step: some try of it got through and, if the reflector answered
// any, an answer came back and its acknowledgement got through as well; or its flow is closed.
func (r *runner) done(s Step, t *tally, need, connects int) bool {
	noWay, noAnswers := t.closed(need, connects)
	if noWay {
		return true
	}
	if s.Script {
		// Over UDP every message of a script was repeated for itself.
		return r.flows[s.Flow].udp != nil || r.scriptDone(s, noAnswers)
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	var there, answered, back, acknowledged bool
	for _, m := range r.ledger.order {
		if m.step != s {
			continue
		}
		there = there || m.there != nil
		answered = answered || m.reply != nil || m.there != nil && m.mute == ""
		back = back || m.answer != nil
		acknowledged = acknowledged || !m.invite || m.ack != nil && m.ack.there != nil
	}
	return there && (!answered || noAnswers || back && acknowledged)
}

// lastReceipts fetches what there is, so that a receipt that is missing afterwards is missing for good.
func (r *runner) lastReceipts(ctx context.Context) {
	r.ledger.mu.Lock()
	all, after := slices.Clone(r.ledger.order), r.ledger.after
	r.ledger.mu.Unlock()
	r.ledger.await(ctx, all, r.patience("udp"))
	if r.offline {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, goodbye+4*r.rtt)
		defer cancel()
	}
	asked := time.Now()
	receipts, err := r.session.Receipts(ctx, after, 0)
	if err != nil {
		return
	}
	r.ledger.report(receipts)
	r.asked = asked
}

// close ends everything: the poll, the sockets, the session.
func (r *runner) close() {
	if r.stopPoll != nil {
		r.stopPoll()
	}
	for _, s := range r.sockets {
		s.conn.Close()
	}
	for _, l := range r.links {
		if l.stream != nil {
			l.stream.Close()
		}
	}
	r.wg.Wait()
	r.end()
}

// end deletes the session, so that the reflector forgets what it saw.
func (r *runner) end() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye+4*r.rtt)
	defer cancel()
	_ = r.session.Close(ctx) // it ends by itself, too
	r.client.CloseIdle()
}

// report makes evidence of the ledger and has it judged.
func (r *runner) report(ctx context.Context) *alg.Report {
	r.ledger.finish()
	evidence := r.evidence()
	evidence.Complete = ctx.Err() == nil && r.asked.After(r.started)
	r.unsent(ctx)
	report := r.judge(evidence).Report()
	report.Version, report.Source = r.cfg.Version, r.cfg.Kind
	report.Started, report.Duration = r.started, time.Since(r.started).Milliseconds()
	report.Trials = append(report.Trials, r.allTrials()...)
	report.Evidence = evidence
	r.describe(&report.Network, evidence.Flows)
	if ctx.Err() != nil {
		report.Network.Notes = append(report.Network.Notes, "the run was cut short: what was not tested by then is untested")
	}
	return report
}

// judge judges evidence and the trials so far.
func (r *runner) judge(evidence alg.Evidence) *alg.Judge {
	judge := new(alg.Judge)
	for _, c := range evidence.Cases(r.allTrials()) {
		judge.Add(c)
	}
	return judge
}

// unsent enters a trial for every planned step of which not even one message left: what was not sent must not pass for
// clean. What the plan itself leaves out is no such step: a public address that is the local one, the end of a
// registration that never came about, and anything after the first messages on a flow that lets nothing through.
func (r *runner) unsent(ctx context.Context) {
	r.hiddenRAS()
	r.silentCalls(ctx)
	tallies := r.tallies()
	type key struct {
		flow        int
		name, shape string
	}
	left := map[key]bool{}
	refused := map[key]error{}
	r.ledger.mu.Lock()
	for _, m := range r.ledger.order {
		k := key{m.step.Flow, m.step.Name, m.step.Shape}
		if m.failed == nil {
			left[k] = true
		} else {
			refused[k] = m.failed
		}
	}
	for _, a := range r.ledger.requests {
		if a.out != nil {
			left[key{a.step.Flow, a.step.Name, a.step.Shape}] = true
		}
	}
	r.ledger.mu.Unlock()
	for _, round := range append(slices.Clone(r.plan.Rounds), r.plan.Farewell) {
		for _, s := range round.Steps {
			f := r.flows[s.Flow]
			if f != nil && r.actionless(s) {
				r.trial(alg.TrialStep, f.plan, f.local, s.Name+" was not tested: this reflector sends nothing of its own accord")
				continue
			}
			if f == nil || !r.ready(s) {
				continue
			}
			if noWay, _ := tallies[f].closed(r.need(tallies, f), r.connects(tallies, f)); noWay {
				continue
			}
			for _, name := range r.due(s) {
				k := key{s.Flow, name, s.Shape}
				if left[k] {
					continue
				}
				why := "the session's budget is used up"
				switch {
				case refused[k] != nil:
					why = "this computer refuses to send it: " + refused[k].Error()
				case f.refused != nil:
					why = f.refused.Error()
				case ctx.Err() != nil:
					why = "the run was cut short"
				case f.unconnected > 0:
					why = "there was no connection"
				case s.Name == stepSetupH245 && r.withoutH245():
					why = "the reflector takes no H.245 on connections of its own"
				case s.Script:
					why = "what comes before it did not get through"
				}
				if f.refused == nil {
					why = name + " with " + s.Shape + " address was not sent: " + why
				}
				r.trial(alg.TrialStep, f.plan, f.local, why)
			}
		}
	}
}

// evidence lays both sides of every message beside each other, the reflector's times brought to this computer's clock.
func (r *runner) evidence() alg.Evidence {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	r.mu.Lock() // idle bindings open links beside everything else
	links := slices.Clone(r.links)
	r.mu.Unlock()
	// The fastest message took at least half a round trip.
	skew := l.skew - r.rtt/2
	now := time.Now()
	e := alg.Evidence{Points: []alg.Point{
		{Name: alg.Inside, Role: "client", From: r.started, To: now, Complete: true},
		{Name: alg.Outside, Role: "reflector", From: r.started, To: r.asked, Complete: l.dropped == 0 && r.asked.After(r.started)},
	}, Flows: []alg.Flow{}, Pairs: []alg.Pair{}}
	here := func(at *link, s *sighting) *alg.Sighting {
		if s == nil {
			return nil
		}
		seen := &alg.Sighting{At: s.at, Off: s.off, End: s.off + len(s.raw), Raw: s.raw}
		if s.local != at.local() {
			seen.To = s.local
		}
		return seen
	}
	there := func(s *sighting) *alg.Sighting {
		if s == nil {
			return nil
		}
		return &alg.Sighting{At: s.at.Add(-skew), Off: s.off, End: s.off + len(s.raw), Raw: s.raw}
	}
	control := map[controlKey]int{}
	add := func(seq int, at *link, s Step, try int, outbound bool, inside, outside *alg.Sighting) {
		p := alg.Pair{
			ID: len(e.Pairs) + 1, Flow: at.ID, Seq: seq, Try: try, Outbound: outbound,
			Step: s.Name, Shape: s.Shape, Role: s.Role, Trait: s.Trait, Breaks: s.Breaks, Inside: inside, Outside: outside,
		}
		if outbound {
			p.Datagram = r.datagram(s)
		}
		e.Pairs = append(e.Pairs, p)
		if k := keyOf(&p, at); at.Path.Control && (control[k] == 0 || p.Delivered()) {
			control[k] = p.ID
		}
	}
	// All that the reflector sent by then is known: somebody else sent this.
	elsewhere := func(s *sighting) bool { return s.at.Before(r.asked) && l.dropped == 0 }
	somebody := func(number uint32, at *link, s Step, try int, got *sighting) {
		if at.Path.Speaks() != alg.ProtoSIP {
			return
		}
		s.Name += "-answered"
		add(int(number), at, s, try, false, here(at, got), &alg.Sighting{At: got.at, Raw: alg.Bytes{}})
	}
	for _, a := range l.trying {
		somebody(a.number, a.link, a.step, a.try, a.in)
	}
	for _, m := range l.order {
		if m.failed != nil {
			continue
		}
		add(int(m.number), m.link, m.step, m.try, true, here(m.link, &sighting{at: m.at, off: m.off, raw: m.raw}), there(m.there))
		if m.reply != nil {
			add(int(m.number), m.link, m.step, m.try, false, here(m.link, m.answer), there(m.reply))
		} else if m.answer != nil && elsewhere(m.answer) {
			somebody(m.number, m.link, m.step, m.try, m.answer)
		}
	}
	for _, a := range l.requests {
		switch {
		case a.out != nil:
			add(int(a.number), a.link, a.step, a.try, false, here(a.link, a.in), there(a.out))
		case a.in != nil && elsewhere(a.in):
			add(int(a.number), a.link, a.link.inserted(), a.try, false, here(a.link, a.in), &alg.Sighting{At: a.in.at, Raw: alg.Bytes{}})
		}
	}
	for _, x := range l.extra {
		switch {
		case !x.inbound:
			got := there(x.got)
			add(0, x.link, x.link.inserted(), x.link.try, true, &alg.Sighting{At: got.At, Raw: alg.Bytes{}}, got)
		case x.got.at.Before(r.asked) && l.dropped == 0:
			add(0, x.link, x.link.inserted(), x.link.try, false, here(x.link, x.got), &alg.Sighting{At: x.got.at, Raw: alg.Bytes{}})
		}
	}
	for _, at := range links {
		e.Flows = append(e.Flows, at.Flow)
	}
	for i := range e.Pairs {
		p := &e.Pairs[i]
		if at := links[p.Flow-1]; !at.Path.Control {
			p.Control = control[keyOf(p, at)]
		}
	}
	return e
}

// controlKey names what a pair and its control have in common.
type controlKey struct {
	proto       string
	transport   string
	family      int
	source      alg.SourcePort
	outbound    bool
	step, shape string
}

func keyOf(p *alg.Pair, at *link) controlKey {
	return controlKey{at.Path.Speaks(), at.Path.Transport, at.Path.Family, at.Path.SourcePort, p.Outbound, p.Step, p.Shape}
}
