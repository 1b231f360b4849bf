package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// rungs are the times of silence after which the way back in is tried. They lie on either side of what is usual: 30 s and 120 s
// (Linux, RFC 4787 4.3), 60 s, 180 s.
var rungs = []time.Duration{
	15 * time.Second, 30 * time.Second, 45 * time.Second, 65 * time.Second, 95 * time.Second, 130 * time.Second, 185 * time.Second,
}

// LongestIdle is the last of them.
const LongestIdle = 185 * time.Second

const (
	// livelyTime is between the two messages that go out first: where an entry has the shorter time of a lone request at first,
	// it then has the time that the entry of a telephone with keepalives has (nf_conntrack_udp_packet: 2 s).
	livelyTime = 2500 * time.Millisecond
	// rungTime is what a rung takes beside the silence, at the most.
	rungTime = 5 * time.Second
)

// idles reports whether the bindings of a flow are measured.
func (f *PlannedFlow) idles() bool {
	return f.Path.Proto == alg.ProtoSIP && f.Path.Transport == "udp" && f.Path.SourcePort == alg.Ephemeral && !f.Brief
}

// idleFlows returns the flows of a thorough plan whose bindings are measured, by their indexes.
func (p *Plan) idleFlows() (flows []int) {
	if len(p.silences) == 0 {
		return nil
	}
	done := map[alg.Path]bool{}
	for i := range p.Flows {
		if f := &p.Flows[i]; f.idles() && !done[f.Path] {
			done[f.Path] = true
			flows = append(flows, i)
		}
	}
	return flows
}

// idleTime is how long the bindings of a plan take, beside everything else.
func (p *Plan) idleTime() time.Duration {
	if len(p.idleFlows()) == 0 {
		return 0
	}
	return p.silences[len(p.silences)-1] + livelyTime
}

// idle measures how long idle bindings let datagrams back in, each time of silence on a socket of its own. It returns at once; the
// caller waits for the end of it.
func (r *runner) idle(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	if r.session.Grant.Budget.Actions <= 0 {
		return &all
	}
	r.idlePinholes(ctx, &all)
	for _, i := range r.plan.idleFlows() {
		f := r.flows[i]
		r.ledger.mu.Lock()
		known := f != nil && f.mapped.IsValid()
		r.ledger.mu.Unlock()
		if !known {
			continue
		}
		for _, silence := range r.plan.silences {
			if end, ok := ctx.Deadline(); ok && time.Until(end) < silence+livelyTime+rungTime {
				r.note(fmt.Sprintf("bindings that are idle for %.0f s and more were not tried: the run ends before", silence.Seconds()))
				break
			}
			all.Go(func() { r.rung(ctx, i, silence) })
		}
	}
	return &all
}

// awaitIdle waits for the bindings, and says so.
func (r *runner) awaitIdle(ctx context.Context, all *sync.WaitGroup, began time.Time) {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			r.cfg.Progress(Progress{
				Done: r.settled, Total: r.total, What: "idle bindings", Left: max(0, r.plan.idleTime()-time.Since(began)), SoFar: r.soFar,
			})
		}
	}
}

// rung sends two good messages from a socket of its own, is silent, and has the reflector send. What comes in ends it, so that an
// answer to that changes nothing.
func (r *runner) rung(ctx context.Context, flow int, silence time.Duration) {
	f := r.flows[flow]
	s, err := openSocket(ctx, r.cfg.Network, f.local, alg.Ephemeral)
	if err != nil {
		r.note(socketReason(alg.Ephemeral, err))
		return
	}
	defer s.conn.Close()
	s.out.refused = func(e icmpError) { r.refused(s.out, e) }
	var mu sync.Mutex
	var asked []uint32
	var came atomic.Bool
	token := r.session.Grant.Token
	r.wg.Go(func() {
		s.read(func(raw []byte, at time.Time) {
			tag, ok := wire.FindTag(raw, token)
			mu.Lock()
			back := ok && slices.Contains(asked, tag.Number)
			mu.Unlock()
			if back {
				came.Store(true)
				r.ledger.wake()
				return
			}
			r.arrived(&sighting{at: at, raw: raw, local: s.local})
		})
	})
	l := r.newLink(f, s.local)
	l.socket = s.out
	var hello *sent
	for n := range 2 {
		if hello = r.invite(ctx, l, r.bracket(flow), 1); hello == nil {
			return // the paths tell
		}
		r.ledger.wait(ctx, r.patience("udp"), hello.settled)
		if n == 0 && !pause(ctx, livelyTime) {
			return
		}
	}
	if !pause(ctx, silence) {
		return
	}
	t := alg.Trial{
		Kind: alg.TrialBinding, Path: f.plan.Path, Src: s.local, Dst: f.plan.Target, At: time.Now(), Outcome: alg.OutcomeFailed,
		Binding: &alg.Binding{Idle: silence.Seconds()},
	}
	made := 0
	for need := r.need(r.tallies(), f); made < min(need, maxTries) && !came.Load() && ctx.Err() == nil; made++ {
		a := wire.Action{Action: wire.ActionRequest, To: hello.there.seq, Method: "OPTIONS", Number: r.nextNumber()}
		mu.Lock()
		asked = append(asked, a.Number)
		mu.Unlock()
		if _, err := r.session.Act(ctx, a); err != nil {
			if ctx.Err() == nil {
				r.note("the reflector did not send to an idle binding: " + err.Error())
			}
			return
		}
		r.ledger.wait(ctx, 20*time.Millisecond, came.Load)
	}
	r.ledger.wait(ctx, r.patience("udp"), came.Load)
	switch {
	case came.Load():
		t.Outcome = alg.OutcomeOK
	case ctx.Err() != nil:
		return
	}
	r.mu.Lock()
	r.trials = append(r.trials, t)
	r.mu.Unlock()
}

// pause waits; false says that the run ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
