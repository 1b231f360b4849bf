package probe

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// stepAfter begins the names of the good messages that go out after each message that breaks the rules.
const stepAfter = alg.StepAfter

// breaking reports that a round sends what breaks the rules. Such a round sends one message only, on every flow.
func (round *Round) breaking() bool {
	return len(round.Steps) > 0 && round.Steps[0].Breaks != ""
}

// recheck sees, after a message that breaks the rules, whether good ones still pass on the flows that it went to, the control
// among them. A firewall may take such a message for an attack and ban its sender, with fail2ban and the like from everything;
// what is sent after that gets lost for no reason of its own. Flows that are shut get no more messages.
func (r *runner) recheck(ctx context.Context, round Round) {
	name := round.Steps[0].Name
	tallies := r.tallies()
	check := Round{Name: "good messages"}
	var rest []Step
	for i, f := range r.flows {
		sent := slices.ContainsFunc(round.Steps, func(s Step) bool { return s.Flow == i })
		if f == nil || f.shut != nil || !sent || tallies[f].received == 0 {
			continue
		}
		s := Step{Flow: i, Name: stepAfter + name, Shape: alg.ShapeLocal, Role: alg.RoleBracket}
		// Over TCP it takes a connection more, so that the good message which followed at once will do, until there is a reason.
		if f.udp == nil && r.goodAfter(f, name) {
			rest = append(rest, s)
		} else {
			check.Steps = append(check.Steps, s)
		}
	}
	r.total += len(check.Steps)
	r.round(ctx, check)
	if slices.ContainsFunc(check.Steps, func(s Step) bool { ok, _ := r.passed(s); return !ok }) {
		r.total += len(rest)
		r.round(ctx, Round{check.Name, rest})
		check.Steps = append(check.Steps, rest...)
	}
	later := r.tallies()
	// What the reflector did not report, for want of budget or of HTTPS, is not known to be lost.
	r.ledger.mu.Lock()
	blind := r.ledger.dropped > 0
	r.ledger.mu.Unlock()
	var dead []*flow
	alive, control := false, false
	for _, s := range check.Steps {
		f := r.flows[s.Flow]
		passed, lost := r.passed(s)
		lost += later[f].unconnected - tallies[f].unconnected
		switch {
		case passed:
			alive, control = true, control || f.plan.Path.Control
		case r.need(tallies, f) < maxTries && lost >= r.need(tallies, f):
			dead = append(dead, f)
		}
	}
	if len(dead) == 0 || blind || ctx.Err() != nil {
		return
	}
	web := r.webWorks(ctx, dead[0])
	at := r.firstSent(name)
	for _, f := range dead {
		t := alg.Trial{
			Kind: alg.TrialBan, Path: f.plan.Path, Src: netip.AddrPortFrom(f.local, uint16(f.plan.Path.SourcePort)), Dst: f.plan.Target,
			At: at, Outcome: alg.OutcomeFailed, Step: name, Detail: "nothing arrives on this port any more, while ",
		}
		switch {
		case control && !f.plan.Path.Control:
			t.Detail += "the control port still works"
		case alive:
			t.Detail += "other ports still work"
		case web:
			t.Detail = "nothing arrives on any port that was probed, the control port included, while HTTPS still works"
		default:
			// A line that goes down looks like that as well.
			t.Step = ""
			t.Detail = "after " + name + " nothing arrived any more, HTTPS included: this address was banned, or the line went down"
		}
		if (control || alive) && !web {
			t.Detail += "; HTTPS does not"
		}
		f.shut = &t
		r.mu.Lock()
		r.trials = append(r.trials, t)
		r.mu.Unlock()
	}
	r.offline = !web
}

// passed reports whether some try of a step got through, by the reflector's word or by its answer, and how many did not.
func (r *runner) passed(s Step) (passed bool, lost int) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range r.ledger.order {
		switch {
		case m.step != s || m.failed != nil:
		case m.there != nil || m.answer != nil:
			passed = true
		default:
			lost++
		}
	}
	return passed, lost
}

// goodAfter reports that a message which was sent on a flow after all tries of a step arrived.
func (r *runner) goodAfter(f *flow, name string) bool {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	good := false
	for _, m := range r.ledger.order {
		if m.link.flow == f {
			good = m.step.Name != name && (good || m.there != nil)
		}
	}
	return good
}

// firstSent is when a message of a name was sent first.
func (r *runner) firstSent(name string) time.Time {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range r.ledger.order {
		if m.step.Name == name {
			return m.at
		}
	}
	return time.Now()
}

// webWorks reports whether HTTPS to the reflector still works: a new connection, not the one that receipts come over.
func (r *runner) webWorks(ctx context.Context, f *flow) bool {
	control, err := wire.ParseURL(r.session.Grant.Control)
	if r.session.Grant.Control == "" || err != nil {
		if control, err = wire.ParseURL(r.cfg.Reflector); err != nil {
			return false
		}
	}
	port := uint64(443)
	if text := control.Port(); text != "" {
		port, _ = strconv.ParseUint(text, 10, 16) // ParseURL has read it
	}
	for range reachTries {
		if r.connectsTo(ctx, f.local, netip.AddrPortFrom(f.plan.Target.Addr(), uint16(port))) == nil {
			return true
		}
	}
	return false
}

// after returns the name of the message that a good one is sent after, "" if it is none of these.
func after(step string) string {
	name, ok := strings.CutPrefix(step, stepAfter)
	if !ok {
		return ""
	}
	return name
}
