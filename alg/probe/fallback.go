package probe

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
)

// fallBack sends each control over TCP to the first of its ports to which a connection comes about: where only the web is let
// out, the neutral port is closed, but 443 or 80 still tell what happens to the same messages without their port.
func (r *runner) fallBack(ctx context.Context) {
	chosen := map[netip.AddrPort]netip.AddrPort{} // by the port of the plan
	for i := range r.plan.Flows {
		f := &r.plan.Flows[i]
		if len(f.Fallbacks) == 0 {
			continue
		}
		to, ok := chosen[f.Target]
		if !ok {
			to = r.openPort(ctx, *f)
			chosen[f.Target] = to
		}
		f.Target, f.Path.Port = to, to.Port()
	}
}

// openPort tries all ports of a control at once and returns the first, in the order of the plan, that is open; if none is, the
// port that was planned.
func (r *runner) openPort(ctx context.Context, f PlannedFlow) netip.AddrPort {
	local, err := r.source(ctx, f)
	if err != nil {
		return f.Target
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	candidates := append([]netip.AddrPort{f.Target}, f.Fallbacks...)
	errs := make([]error, len(candidates))
	done := make([]chan struct{}, len(candidates))
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, to := range candidates {
		done[i] = make(chan struct{})
		wg.Go(func() {
			defer close(done[i])
			errs[i] = r.connectsTo(ctx, local, to)
		})
	}
	for i, to := range candidates {
		<-done[i]
		if errs[i] == nil {
			if i > 0 {
				r.note(fmt.Sprintf("TCP to the neutral port %d is closed (%s): port %d is the control in its place",
					f.Target.Port(), connectReason(errs[0]), to.Port()))
			}
			cancel() // the others do not matter any more
			return to
		}
	}
	return f.Target
}
