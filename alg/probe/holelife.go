package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// stepPinholeIdle is a call like stepPinhole, whose announced port is tried only after a time of silence.
const stepPinholeIdle = "pinhole-idle"

// holeSilences are the rungs after which announced ports are tried, each of which takes a datagram of the session's few. Linux keeps
// what a call announces for 180 s (sip_exp_policy in nf_conntrack_sip.c), and up to 16 s more with 250 ticks a second, where a timer
// of that length is as coarse (kernel/time/timer.c): the last rung may find its port open still.
var holeSilences = []time.Duration{30 * time.Second, 95 * time.Second, 185 * time.Second}

// idleHoles returns the flow whose announced ports are tried after silence, and the times of that: none where the session has hardly
// enough datagrams for those that are tried at once.
func (r *runner) idleHoles() (flow int, silences []time.Duration) {
	flow = -1
	for _, round := range r.plan.Rounds {
		for _, s := range round.Steps {
			f := r.flows[s.Flow]
			if s.Name != stepPinhole || s.Role == alg.RoleControl || f == nil || f.plan.Path.Transport != "udp" {
				continue
			}
			if flow < 0 || f.plan.Path.Family < r.flows[flow].plan.Path.Family {
				flow = s.Flow
			}
		}
	}
	const enough = 24 // what is tried at once takes up to 15 for each family, and tells more
	if flow < 0 || !r.makesHoles() || r.session.Grant.Budget.Pinholes < enough {
		return flow, nil
	}
	for _, silence := range holeSilences {
		if slices.Contains(r.plan.silences, silence) {
			silences = append(silences, silence)
		}
	}
	return flow, silences
}

// idlePinholes measures how long announced ports stay open, each time of silence in a call of its own. It returns at once; the caller
// waits for all.
func (r *runner) idlePinholes(ctx context.Context, all *sync.WaitGroup) {
	flow, silences := r.idleHoles()
	for _, silence := range silences {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < silence+livelyTime+rungTime {
			r.note(fmt.Sprintf("announced ports after %.0f s and more were not tried: the run ends before", silence.Seconds()))
			return
		}
		all.Go(func() { r.idlePinhole(ctx, flow, silence) })
	}
}

// idlePinhole makes a call, is silent, and has the reflector send one datagram to the port that the call announced.
func (r *runner) idlePinhole(ctx context.Context, flow int, silence time.Duration) {
	l := r.ownSocket(ctx, r.flows[flow], nil)
	if l == nil {
		return
	}
	port, heard, closing := r.listenForMedia(ctx, l.local().Addr())
	if heard == nil {
		return
	}
	defer closing()
	s := Step{Flow: flow, Name: stepPinholeIdle, Shape: alg.ShapeLocal, Role: alg.RoleProbe}
	call := r.announce(ctx, l, s, 1, port)
	if call == nil || !pause(ctx, silence) {
		return
	}
	x, _ := r.shoot(ctx, l, wire.Action{Action: wire.ActionPinhole, To: call.offer.there.seq, From: wire.FromMedia})
	if x == nil {
		return
	}
	r.collect(ctx, heard, []*shot{x})
	if !x.arrived && ctx.Err() != nil {
		return
	}
	t := r.holeTrial(l, x, r.firewall())
	t.Pinhole.Idle = silence.Seconds()
	r.mu.Lock()
	r.trials = append(r.trials, t)
	r.mu.Unlock()
	// The way back for the 486 may be closed by now. Where a NAT opens it from another port the 486 would go astray, and what the
	// call has opened is gone with the old one.
	hello := r.invite(ctx, l, r.bracket(flow), 1)
	if hello != nil && hello.there.remote == call.offer.there.remote {
		call.hangUp(ctx)
	}
}
