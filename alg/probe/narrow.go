package probe

import (
	"context"
	"net/netip"
	"slices"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
)

// narrow asks for more where what was found asks for it. A gateway behind another NAT leaves messages with this computer's
// own address alone, but it gives itself away by what it writes into answers on their way in: the address by which it
// knows this computer, which is the inner NAT's. With that address the probe goes out once more.
func (r *runner) narrow(ctx context.Context) {
	r.inner = r.innerAddresses()
	var news []netip.Addr
	for _, a := range r.inner {
		if !slices.Contains(r.cfg.Plan.ViaAddresses, a) {
			news = append(news, a)
		}
	}
	if len(news) == 0 || ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	r.cfg.Plan.ViaAddresses = append(slices.Clone(r.cfg.Plan.ViaAddresses), news...)
	r.mu.Unlock()
	r.plan.round("inner address", viaSteps(news))
	for _, a := range news {
		r.plan.farewell(shapeVia(a))
	}
	round := r.plan.Rounds[len(r.plan.Rounds)-1]
	r.total += len(round.Steps)
	r.round(ctx, round)
}

// innerAddresses returns the addresses, other than this computer's own, that stand in messages as they arrived where the
// reflector had written the source that it saw: in received of an answer (RFC 3581), in destCallSignalAddress of a Setup.
func (r *runner) innerAddresses() []netip.Addr {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	var found []netip.Addr
	look := func(at *link, wrote, read netip.Addr) {
		// The public address is no inner one: a gateway that put a message before this one moved it here. More than a few
		// would be a box that makes addresses up.
		if wrote.IsValid() && read.IsValid() && read != wrote && read != at.local().Addr() && read != at.Outside[0].Addr() &&
			!slices.Contains(found, read) && len(found) < maxInner {
			found = append(found, read)
		}
	}
	for _, m := range r.ledger.order {
		if m.reply != nil && m.answer != nil && m.link.Path.Speaks() == alg.ProtoSIP {
			look(m.link, received(m.reply.raw), received(m.answer.raw))
		}
	}
	for _, a := range r.ledger.requests {
		if a.out != nil && a.in != nil && a.link.Path.Proto == alg.ProtoH323 {
			look(a.link, calledAddress(a.out.raw), calledAddress(a.in.raw))
		}
	}
	return found
}

// hiddenRAS enters a trial for RAS behind a NAT where nothing else could have told of a second one: no message of RAS names the
// address that the reflector sees, so that a gateway in an outer box leaves no trace in them.
func (r *runner) hiddenRAS() {
	r.ledger.mu.Lock()
	// Families in which an answer or a Setup named that address, on a port that a gateway watches.
	told := map[int]bool{}
	translated := map[*flow]bool{}
	for _, m := range r.ledger.order {
		f := m.link.flow
		if m.reply != nil && m.answer != nil && m.link.Path.Proto == alg.ProtoSIP && !m.link.Path.Control && received(m.reply.raw).IsValid() {
			told[f.plan.Path.Family] = true
		}
		if m.link.Path.Proto == alg.ProtoRAS && !m.link.Path.Control {
			translated[f] = translated[f] || m.link.Translated()
		}
	}
	for _, a := range r.ledger.requests {
		if a.out != nil && a.in != nil && a.link.Path.Proto == alg.ProtoH323 && !a.link.Path.Control && calledAddress(a.out.raw).IsValid() {
			told[a.link.Path.Family] = true
		}
	}
	r.ledger.mu.Unlock()
	for f, nat := range translated {
		if nat && !told[f.plan.Path.Family] && len(r.cfg.Plan.ViaAddresses) == 0 {
			r.trial(alg.TrialStep, f.plan, f.local, "a second NAT could hide a gateway, and RAS alone cannot tell: test SIP or H.323 as well")
		}
	}
}

// calledAddress returns the address in destCallSignalAddress of a Setup, the zero address if there is none.
func calledAddress(raw []byte) netip.Addr {
	to, _ := addressIn(raw, h323.FieldDestCallSignalAddress)
	return to.Addr()
}

const maxInner = 2

// received returns the address in the received parameter of the topmost Via, the zero address if there is none.
func received(raw []byte) netip.Addr {
	msg := sip.Parse(raw)
	span, ok := msg.Find("via[0].received")
	if !ok {
		return netip.Addr{}
	}
	text := string(span.Bytes(raw))
	if n := len(text); n > 2 && text[0] == '[' && text[n-1] == ']' {
		text = text[1 : n-1]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}
