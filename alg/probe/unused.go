package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"nofixup/alg"
)

// unusedTries is how often a connection that fails is tried again: one that comes about is proof by itself, and on the
// control port what fails must not be an accident.
const unusedTries = 3

// tryUnused connects from every flow over TCP to the addresses at which the reflector says that nobody listens. It waits for
// nothing else, and nothing waits for it but the end.
func (r *runner) tryUnused(ctx context.Context) {
	r.connectAllUnused(ctx, false)
	r.mu.Lock()
	proven := slices.ContainsFunc(r.trials, func(t alg.Trial) bool {
		return t.Kind == alg.TrialUnused && t.Outcome == alg.OutcomeOK && !t.Path.Control
	})
	r.mu.Unlock()
	if proven {
		// What is then said of the control port must not hang on a few segments that were lost.
		r.connectAllUnused(ctx, true)
	}
}

// connectAllUnused makes the connections, side by side.
func (r *runner) connectAllUnused(ctx context.Context, controlOnly bool) {
	var wg sync.WaitGroup
	for _, addr := range r.session.Grant.Unused {
		for _, f := range r.flows {
			if f != nil && f.plan.Path.Transport != "udp" && addr.Is6() == (f.plan.Path.Family == 6) && r.strange(addr) &&
				(!controlOnly || f.plan.Path.Control) {
				wg.Go(func() { r.connectUnused(ctx, f, netip.AddrPortFrom(addr, f.plan.Target.Port())) })
			}
		}
	}
	wg.Wait()
}

// strange reports that an address is none of the targets': a reflector that is mistaken about that proves nothing.
func (r *runner) strange(addr netip.Addr) bool {
	return !slices.ContainsFunc(r.plan.Flows, func(f PlannedFlow) bool { return f.Target.Addr() == addr })
}

func (r *runner) connectUnused(ctx context.Context, f *flow, to netip.AddrPort) {
	from := netip.AddrPortFrom(f.local, uint16(f.plan.Path.SourcePort))
	t := alg.Trial{Kind: alg.TrialUnused, Path: f.plan.Path, Src: from, Dst: to}
	for range unusedTries {
		connecting, cancel := context.WithTimeout(ctx, connectTime+4*r.rtt)
		t.At = time.Now()
		conn, err := r.cfg.Network.DialContext(connecting, "tcp", from.String(), to.String())
		cancel()
		if err == nil {
			t.Outcome, t.Detail = alg.OutcomeOK, fmt.Sprintf("after %s, while a request to the reflector takes %s", ms(time.Since(t.At)), ms(r.rtt))
			if local, err := addrPort(conn.LocalAddr()); err == nil {
				t.Src = local
			}
			if end := tcpEnd(conn); end != nil {
				t.TCP = &alg.TCP{Unused: end}
			}
			(&link{stream: conn}).abort()
			r.mu.Lock()
			r.trials = append(r.trials, t)
			r.mu.Unlock()
			return
		}
		if ctx.Err() != nil || errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EACCES) {
			return // this computer's own affair: nothing was tried
		}
		t.Detail = connectReason(err)
	}
	r.failed(t)
}

// tellTCP puts beside what came about where nobody listens what the ends of an ordinary connection on that path know: the first of which
// the reflector told, or else the first. The ledger is locked.
func tellTCP(t *alg.Trial, links []*link) {
	if t.Kind != alg.TrialUnused || t.Outcome != alg.OutcomeOK {
		return
	}
	var told alg.TCP
	if t.TCP != nil {
		told = *t.TCP
	}
	for _, l := range links {
		if l.Path != t.Path || l.Inside[1] != l.flow.plan.Target {
			continue
		}
		if told.Client == nil || l.tcp.Server != nil {
			told.Client, told.Server = l.tcp.Client, l.tcp.Server
		}
		if told.Server != nil {
			break
		}
	}
	if told != (alg.TCP{}) {
		t.TCP = &told
	}
}

// ms gives a time in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
