package fixup

import (
	"net/netip"
	"time"
)

// How long the RAS helper keeps a flow: what a registration asks for, without
// that as long as the module's default, and for the answer to the end of one.
const (
	lifeRegistered   = 300 // seconds
	lifeUnregistered = 30 * time.Second
)

// linuxRAS is a datagram of RAS (ras_help).
func linuxRAS(m *message) bool {
	h := &h323{message: m, class: classRAS}
	t, ok := decode(m.buf, 0, len(m.buf), tRAS)
	if !ok || len(t.parts) == 0 {
		return true
	}
	body := t.parts[0]
	switch body.name {
	case "gatekeeperRequest":
		h.rasAddress(body.get("rasAddress"))
	case "gatekeeperConfirm":
		return h.gatekeeper(body.get("rasAddress"))
	case "registrationRequest":
		return h.register(body)
	case "registrationConfirm":
		h.registered(body)
	case "unregistrationRequest":
		h.unregister(body)
	case "admissionRequest":
		h.admission(body)
	case "admissionConfirm":
		return h.admitted(body.get("destCallSignalAddress"))
	case "locationRequest":
		h.rasAddress(body.get("replyAddress"))
	case "locationConfirm":
		return h.callee(body.get("callSignalAddress"))
	case "infoRequestResponse":
		h.rasAddress(body.get("rasAddress"))
		h.signalAddress(body.get("callSignalAddress").items()...)
	}
	return true
}

// rewrites reports whether the flow is one whose addresses are rewritten at all.
func (h *h323) rewrites() bool { return !h.six() && h.flow.translated() }

// rasAddress rewrites the first address that is, with its port, what the packet
// comes from (set_ras_addr).
func (h *h323) rasAddress(list ...*tree) {
	for _, t := range list {
		if at, a, ok := h.address(t); ok && a == h.src && h.rewrites() {
			h.put(at, h.newSrc)
			return
		}
	}
}

// signalAddress rewrites the first address that is the registered one on this
// side of the box to what it is on the other (set_sig_addr).
func (h *h323) signalAddress(list ...*tree) {
	here, there := h.flow.signalling[h.way()], h.flow.signalling[1-h.way()]
	for _, t := range list {
		at, a, ok := h.address(t)
		if !ok || !h.rewrites() || a.Port() != here {
			continue
		}
		switch a.Addr() {
		case h.src.Addr():
			h.loopback(list[0], at, netip.AddrPortFrom(h.newSrc.Addr(), there))
			return
		case h.dst.Addr():
			h.put(at, netip.AddrPortFrom(h.newDst.Addr(), there))
			return
		}
	}
}

// loopback writes an address, instead over the first one of the list when that
// is of the loopback network, as GnomeMeeting sent it.
func (h *h323) loopback(first *tree, at int, a netip.AddrPort) {
	if x, old, ok := h.address(first); ok && old.Addr().IsLoopback() {
		at = x
	}
	h.put(at, a)
}

// gatekeeper expects the registration at the address that the gatekeeper gives,
// if that is not where it answered from (process_gcf).
func (h *h323) gatekeeper(t *tree) bool {
	_, a, ok := h.address(t)
	if !ok || a == h.src || h.flow.pinhole {
		return true
	}
	return h.third("udp", a, helperRAS, false)
}

// callee expects a call to the address that the gatekeeper gives (process_lcf).
func (h *h323) callee(t *tree) bool {
	_, a, ok := h.address(t)
	return !ok || h.third("tcp", a, helperQ931, true)
}

// third expects a flow from the receiver of the message to a third party.
func (h *h323) third(proto string, a netip.AddrPort, then helper, stays bool) bool {
	e := h.expectation(proto, a, then)
	e.at, e.stays = a, stays
	return h.await(e)
}

// register expects the calls that the gatekeeper will send to the first address
// of the list that is the sender's (process_rrq, expect_q931).
func (h *h323) register(t *tree) bool {
	signal := t.get("callSignalAddress").items()
	for i, item := range signal {
		at, a, ok := h.own(item)
		if !ok {
			continue
		}
		e := h.expectation("tcp", a, helperQ931)
		e.stays = true
		if !h.expectSignalling(at, a, e) {
			return false
		}
		if !h.translates() {
			h.flow.signalling[h.way()] = a.Port()
		} else if i > 0 && h.flow.signalling[h.way()] == a.Port() {
			// GnomeMeeting put an address of the loopback network in front.
			if first, old, ok := h.address(signal[0]); ok && old.Addr().IsLoopback() {
				h.put(first, e.at)
			}
		}
		break
	}
	h.rasAddress(t.get("rasAddress").items()...)
	h.flow.registered = lifeRegistered
	if ttl := t.get("timeToLive"); ttl != nil {
		h.flow.registered = ttl.value
	}
	return true
}

// registered keeps the flow for as long as the gatekeeper grants (process_rcf).
// It means to keep the expectation as well, but looks for it without the
// gatekeeper's address and never finds it.
func (h *h323) registered(t *tree) {
	h.signalAddress(t.get("callSignalAddress").items()...)
	if ttl := t.get("timeToLive"); ttl != nil {
		h.flow.registered = ttl.value
	}
	if h.flow.registered > 0 {
		h.flow.until = h.now.Add(time.Duration(h.flow.registered) * time.Second)
	}
}

// unregister forgets what was registered (process_urq).
func (h *h323) unregister(t *tree) {
	h.signalAddress(t.get("callSignalAddress").items()...)
	h.box.flush(h.flow, func(class) bool { return true })
	h.flow.signalling = [2]uint16{}
	h.flow.until = h.now.Add(lifeUnregistered)
}

// admission rewrites the address of the caller, or that of the callee when it
// is the registered one (process_arq).
func (h *h323) admission(t *tree) {
	if !h.rewrites() {
		return
	}
	at, a, ok := h.address(t.get("destCallSignalAddress"))
	if ok && a == netip.AddrPortFrom(h.src.Addr(), h.flow.signalling[h.way()]) {
		h.put(at, netip.AddrPortFrom(h.newSrc.Addr(), h.flow.signalling[1-h.way()]))
		return
	}
	at, a, ok = h.address(t.get("srcCallSignalAddress"))
	if ok && a.Addr() == h.src.Addr() {
		h.put(at, netip.AddrPortFrom(h.newSrc.Addr(), a.Port()))
	}
}

// admitted expects the call to where the gatekeeper says. For one who answers
// that is the own address (process_acf).
func (h *h323) admitted(t *tree) bool {
	_, a, ok := h.address(t)
	switch {
	case !ok:
		return true
	case a.Addr() == h.dst.Addr():
		h.signalAddress(t)
		return true
	}
	return h.third("tcp", a, helperQ931, true)
}
