package probe

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"nofixup/alg"
)

// tally counts what became of the messages of one flow, or of several, in each direction.
type tally struct {
	sent, received    int // outbound
	replied, answered int // inbound
}

// tallies counts by flow. Messages that break the rules on purpose measure nothing: they may be dropped for that.
func (r *runner) tallies() map[*flow]*tally {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	out := map[*flow]*tally{}
	for _, f := range r.flows {
		if f != nil {
			out[f] = new(tally)
		}
	}
	for _, m := range r.ledger.order {
		if m.step.Breaks != "" || m.failed != nil {
			continue
		}
		t := out[m.flow]
		t.sent++
		if m.receipt != nil {
			t.received++
		}
		if m.reply != nil {
			t.replied++
			if m.answer != nil {
				t.answered++
			}
		}
	}
	return out
}

// need is how many tries prove a drop at the loss measured so far on the control flows. A control flow on which nothing
// arrives at all is closed, not lossy.
func (r *runner) need(tallies map[*flow]*tally) int {
	var all tally
	for f, t := range tallies {
		if !f.Path.Control {
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
	if worst == 0 {
		return alg.TriesUnmeasured()
	}
	if n := alg.Tries(worst); n > 0 {
		// Two more than it takes now: what is lost later raises the estimate by which the judge counts.
		return n + 2
	}
	return maxTries // too lossy to prove anything, as far as a few messages tell: more of them may get through
}

// closed reports that a flow has lost enough messages, and delivered none, to be given up: outbound, or only its answers.
func (t *tally) closed(need int) (outbound, inbound bool) {
	return t.received == 0 && t.sent >= need, t.answered == 0 && t.replied >= need
}

// done reports whether nothing more is to be learnt from a step: some try of it got through and, if the reflector answered
// any, an answer came back and its acknowledgement got through as well; or its flow is closed.
func (r *runner) done(s Step, t *tally, need int) bool {
	noWay, noAnswers := t.closed(need)
	if noWay {
		return true
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	var there, answered, back, acknowledged bool
	for _, m := range r.ledger.order {
		if m.step != s {
			continue
		}
		if m.receipt != nil {
			there = true
			m.flow.mapped = m.receipt.Remote
		}
		answered = answered || m.reply != nil || m.receipt != nil && m.receipt.Silence == ""
		back = back || m.answer != nil
		acknowledged = acknowledged || !m.invite || m.ack != nil && m.ack.receipt != nil
	}
	return there && (!answered || noAnswers || back && acknowledged)
}

// lastReceipts fetches what there is, so that a receipt that is missing afterwards is missing for good.
func (r *runner) lastReceipts(ctx context.Context) {
	r.ledger.mu.Lock()
	all, after := slices.Clone(r.ledger.order), r.ledger.after
	r.ledger.mu.Unlock()
	r.ledger.await(ctx, all, r.patience())
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
	r.wg.Wait()
	r.end()
}

// end deletes the session, so that the reflector forgets what it saw.
func (r *runner) end() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	_ = r.session.Close(ctx) // it ends by itself, too
	r.client.CloseIdle()
}

// report makes evidence of the ledger and has it judged.
func (r *runner) report(ctx context.Context) *alg.Report {
	evidence := r.evidence()
	evidence.Complete = ctx.Err() == nil && r.asked.After(r.started)
	r.unsent(ctx)
	var judge alg.Judge
	for _, c := range evidence.Cases(r.trials) {
		judge.Add(c)
	}
	report := judge.Report()
	report.Version, report.Source = r.cfg.Version, r.cfg.Kind
	report.Started, report.Duration = r.started, time.Since(r.started).Milliseconds()
	report.Trials = append(report.Trials, r.trials...)
	report.Evidence = evidence
	r.describe(&report.Network, evidence.Flows)
	if ctx.Err() != nil {
		report.Network.Notes = append(report.Network.Notes, "the run was cut short: what was not tested by then is untested")
	}
	return report
}

// unsent enters a trial for every planned step of which not even one message left: what was not sent must not pass for
// clean. What the plan itself leaves out is no such step: a public address that is the local one, the end of a
// registration that never came about, and anything after the first messages on a flow that lets nothing through.
func (r *runner) unsent(ctx context.Context) {
	tallies := r.tallies()
	need := r.need(tallies)
	left := map[Step]bool{}
	refused := map[Step]error{}
	r.ledger.mu.Lock()
	for _, m := range r.ledger.order {
		if m.failed == nil {
			left[m.step] = true
		} else {
			refused[m.step] = m.failed
		}
	}
	r.ledger.mu.Unlock()
	for _, round := range append(slices.Clone(r.plan.Rounds), r.plan.Farewell) {
		for _, s := range round.Steps {
			f := r.flows[s.Flow]
			if f == nil || left[s] || !r.ready(s) {
				continue
			}
			if noWay, _ := tallies[f].closed(need); noWay {
				continue
			}
			why := "the session's budget is used up"
			switch {
			case refused[s] != nil:
				why = "this computer refuses to send it: " + refused[s].Error()
			case ctx.Err() != nil:
				why = "the run was cut short"
			}
			r.trials = append(r.trials, alg.Trial{
				Kind: "step", Path: f.Path, Src: f.socket.local, Dst: f.plan.Target, At: time.Now(),
				Outcome: alg.OutcomeFailed, Detail: s.Name + " with " + s.Shape + " address was not sent: " + why,
			})
		}
	}
}

// evidence lays both sides of every message beside each other, the reflector's times brought to this computer's clock.
func (r *runner) evidence() alg.Evidence {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	// The fastest message took at least half a round trip.
	skew := l.skew - r.rtt/2
	now := time.Now()
	e := alg.Evidence{Points: []alg.Point{
		{Name: alg.Inside, Role: "client", From: r.started, To: now, Complete: true},
		{Name: alg.Outside, Role: "reflector", From: r.started, To: r.asked, Complete: l.dropped == 0 && r.asked.After(r.started)},
	}, Flows: []alg.Flow{}, Pairs: []alg.Pair{}}
	control := map[controlKey]int{}
	for seq, m := range l.order {
		if m.failed != nil {
			continue
		}
		out := alg.Pair{
			ID: len(e.Pairs) + 1, Flow: m.flow.ID, Seq: seq + 1, Try: m.try, Outbound: true,
			Step: m.step.Name, Shape: m.step.Shape, Role: m.step.Role, Breaks: m.step.Breaks,
			Inside: &alg.Sighting{At: m.at, End: len(m.raw), Raw: m.raw},
		}
		if m.receipt != nil {
			out.Outside = &alg.Sighting{At: m.receipt.At.Add(-skew), End: len(m.receipt.Data), Raw: m.receipt.Data}
			m.flow.mapped = m.receipt.Remote
			m.flow.Outside = [2]netip.AddrPort{m.receipt.Remote, m.receipt.Local}
		}
		e.Pairs = append(e.Pairs, out)
		if m.flow.Path.Control && (control[keyOf(&out, m.flow)] == 0 || out.Delivered()) {
			control[keyOf(&out, m.flow)] = out.ID
		}
		if m.reply == nil {
			continue
		}
		in := alg.Pair{
			ID: len(e.Pairs) + 1, Flow: m.flow.ID, Seq: seq + 1, Try: m.try,
			Step: m.step.Name, Shape: m.step.Shape, Role: m.step.Role,
			Outside: &alg.Sighting{At: m.reply.At.Add(-skew), End: len(m.reply.Data), Raw: m.reply.Data},
		}
		if m.answer != nil {
			in.Inside = &alg.Sighting{At: m.answer.at, End: len(m.answer.raw), Raw: m.answer.raw}
		}
		e.Pairs = append(e.Pairs, in)
		if m.flow.Path.Control && (control[keyOf(&in, m.flow)] == 0 || in.Delivered()) {
			control[keyOf(&in, m.flow)] = in.ID
		}
	}
	for _, f := range r.flows {
		if f != nil {
			e.Flows = append(e.Flows, f.Flow)
		}
	}
	for i := range e.Pairs {
		p := &e.Pairs[i]
		if f := r.flows[p.Flow-1]; !f.Path.Control {
			p.Control = control[keyOf(p, f)]
		}
	}
	return e
}

// controlKey names what a pair and its control have in common.
type controlKey struct {
	family      int
	source      alg.SourcePort
	outbound    bool
	step, shape string
}

func keyOf(p *alg.Pair, f *flow) controlKey {
	return controlKey{f.Path.Family, f.Path.SourcePort, p.Outbound, p.Step, p.Shape}
}

// describe says what was learnt about the network.
func (r *runner) describe(n *alg.Network, flows []alg.Flow) {
	n.Local = r.local
	if d, ok := r.cfg.Network.(describer); ok {
		n.Interface, n.MTU = d.Interface(r.local)
	}
	for i := range flows {
		f := &flows[i]
		n.NAT = n.NAT || f.Translated()
		if f.Outside[0].IsValid() && (!n.Public.IsValid() || f.Inside[0].Addr() == r.local) {
			n.Public, n.Reflector = f.Outside[0].Addr(), f.Inside[1].Addr()
		}
	}
	if n.NAT {
		n.NATs = 1
	}
	for _, a := range r.inner {
		n.NATs = 2
		n.Notes = append(n.Notes, "a second NAT lies on the way: the box that rewrites knows this computer as "+a.String()+", and was tested with that address, too")
	}
	n.Notes = append(n.Notes, r.notes...)
	if !n.Reflector.IsValid() && len(r.plan.Flows) > 0 {
		n.Reflector = r.plan.Flows[0].Target.Addr()
	}
	if seen := r.session.Grant.Observed.Addr().Unmap(); n.Public.IsValid() && seen.IsValid() && seen.Is4() == n.Public.Is4() && seen != n.Public {
		n.Notes = append(n.Notes, "HTTPS arrives from "+seen.String()+", SIP from "+n.Public.String()+": the network has several public addresses")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pollErr != nil {
		n.Notes = append(n.Notes, "receipts stopped coming: "+r.pollErr.Error())
	}
	if r.ledger.dropped > 0 {
		n.Notes = append(n.Notes, "the session's budget was used up: some messages got no receipt")
	}
}
