package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// refusedError is a connection that was refused, with what the system told of it.
type refusedError struct {
	by     netip.Addr // who sent the ICMP error; the zero address for a reset
	reason string     // what it says; "" for a reset
	err    error
}

func (e *refusedError) Error() string { return e.err.Error() }

// why says in a few words how it was refused, and by whom.
func (e *refusedError) why() string {
	if e.reason == "" {
		return "it is refused with a reset"
	}
	return fmt.Sprintf("it is refused by ICMP: %s from %s", e.reason, e.by)
}

func (e *refusedError) Unwrap() error { return e.err }

// refusedTrial enters a connection that did not come about.
func (r *runner) refusedTrial(f *flow, err error) {
	r.failed(alg.Trial{
		Kind: alg.TrialConnect, Path: f.plan.Path, Src: netip.AddrPortFrom(f.local, uint16(f.plan.Path.SourcePort)), Dst: f.plan.Target,
		By: refusedBy(err), Detail: connectReason(err),
	})
}

// refusedBy is who refused a connection, the zero address where that is not known.
func refusedBy(err error) netip.Addr {
	if e := (*refusedError)(nil); errors.As(err, &e) {
		return e.by
	}
	return netip.Addr{}
}

// minQuote is from how many octets on a quote would hold the tag of a message of ours.
const minQuote = 200

// refused takes an ICMP error for a datagram. It must quote a message of ours, or too little to tell: then address and ports, by
// which the system found the socket, are what there is to go by. That a message was refused does not say that it did not arrive;
// the judge asks who refused only where nothing does.
func (r *runner) refused(s *datagrams, e icmpError) {
	var f *flow
	if tag, ok := wire.FindTag(e.quoted, r.session.Grant.Token); ok {
		r.ledger.mu.Lock()
		if m := r.ledger.sent[tag.Number]; m != nil && m.link.socket == s {
			f = m.link.flow
		}
		r.ledger.mu.Unlock()
	} else if len(e.quoted) < minQuote {
		for _, g := range r.flows {
			if g != nil && g.udp != nil && g.udp.socket == s && g.plan.Target == e.to {
				f = g
			}
		}
	}
	if f == nil {
		return
	}
	if e.tooBig {
		if e.nextMTU > 0 && e.by.IsValid() {
			r.note(fmt.Sprintf("%s says that the next link carries %d octets: larger packets with DF do not pass it", e.by, e.nextMTU))
		}
		return
	}
	t := alg.Trial{
		Kind: alg.TrialRefused, Path: f.plan.Path, Src: f.udp.local(), Dst: f.plan.Target, By: e.by, Detail: e.reason,
	}
	r.mu.Lock()
	known := slices.ContainsFunc(r.trials, func(o alg.Trial) bool {
		return o.Kind == t.Kind && o.Path == t.Path && o.By == t.By && o.Detail == t.Detail
	})
	// Each path is refused by one or two, in one or two ways; whoever makes up more is not worth remembering.
	full := len(slices.DeleteFunc(slices.Clone(r.trials), func(o alg.Trial) bool { return o.Kind != t.Kind })) >= maxRefusals
	r.mu.Unlock()
	if !known && !full {
		r.failed(t)
	}
}

const maxRefusals = 64
