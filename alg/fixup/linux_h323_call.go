package fixup

import "net/netip"

// call is a message of call signalling (process_q931). False drops it.
func (h *h323) call(t *tree) bool {
	pdu := t.get("pdu")
	body := pdu.get("body")
	if setup := body.get("setup"); setup != nil {
		if !h.setup(setup) {
			return false
		}
	} else if facility := body.get("facility"); facility.get("reason", "callForwarded") != nil {
		if !h.forwarded(facility.get("alternativeAddress")) {
			return false
		}
	} else if body != nil && len(body.parts) > 0 {
		if !h.expectH245(body.parts[0].get("h245Address")) || !h.fastStart(body.parts[0]) {
			return false
		}
	}
	for _, c := range pdu.get("h245Control").items() {
		if !h.control(c) {
			return false
		}
	}
	return true
}

// setup writes the addresses of both ends over whatever a Setup says of them,
// unless the host is right already (process_setup). So they are those of the
// packet as it leaves, also where the message came from somewhere else.
func (h *h323) setup(t *tree) bool {
	if !h.expectH245(t.get("h245Address")) {
		return false
	}
	if !h.six() && h.flow.translated() {
		for _, end := range []struct {
			name string
			a    netip.AddrPort
		}{{"destCallSignalAddress", h.newDst}, {"sourceCallSignalAddress", h.newSrc}} {
			if at, a, ok := h.address(t.get(end.name)); ok && a.Addr() != end.a.Addr() {
				h.put(at, end.a)
			}
		}
	}
	return h.fastStart(t)
}

// expectH245 is for where a connection of H.245 shall go (expect_h245).
func (h *h323) expectH245(t *tree) bool {
	at, a, ok := h.own(t)
	return !ok || h.expectSignalling(at, a, h.expectation("tcp", a, helperH245))
}

// forwarded is for where a call shall go instead (expect_callforwarding). When
// that is on the side of the caller the call does not pass here, and it is left
// alone; the helper asks the routing table.
func (h *h323) forwarded(t *tree) bool {
	at, a, ok := h.address(t)
	if !ok || a.Port() == 0 || h.box.inside[a.Addr()] == h.box.inside[h.newDst.Addr()] {
		return true
	}
	e := h.expectation("tcp", a, helperQ931)
	if !h.translates() {
		e.at = a
		return h.await(e)
	}
	if port := h.awaitAt(e, a.Port()); port != 0 {
		h.put(at, netip.AddrPortFrom(h.newSrc.Addr(), port))
	}
	return true
}

func (h *h323) fastStart(t *tree) bool {
	for _, c := range t.get("fastStart").items() {
		if !h.channel(c) {
			return false
		}
	}
	return true
}

// control is a message of H.245 (process_h245).
func (h *h323) control(t *tree) bool {
	if c := t.get("request", "openLogicalChannel"); c != nil {
		return h.channel(c)
	}
	if ack := t.get("response", "openLogicalChannelAck"); ack != nil {
		return h.media(ack.get("reverse", "multiplex", "rtp")) && h.media(ack.get("forward", "rtp"))
	}
	return true
}

// channel is an OpenLogicalChannel (process_olc).
func (h *h323) channel(t *tree) bool {
	return h.media(t.get("forward", "multiplex", "rtp")) && h.media(t.get("reverse", "multiplex", "rtp"))
}

func (h *h323) media(t *tree) bool {
	return h.expectRTP(t.get("mediaChannel", "unicast")) && h.expectRTP(t.get("mediaControlChannel", "unicast"))
}

// expectRTP opens the pinholes for the pair of ports that an address belongs to
// and writes their public side into the message (expect_rtp_rtcp,
// nat_rtp_rtcp). A connection has room for four pairs: later ones are left as
// they are. A pair that another connection has announced gets the next free
// ports above; where nothing is translated that drops the message.
func (h *h323) expectRTP(t *tree) bool {
	at, a, ok := h.own(t)
	if !ok {
		return true
	}
	even := a.Port() &^ 1
	rtp := h.expectation("udp", netip.AddrPortFrom(a.Addr(), even), helperNone)
	rtcp := h.expectation("udp", netip.AddrPortFrom(a.Addr(), even|1), helperNone)
	if !h.translates() {
		if !h.await(rtp) {
			return false
		}
		if !h.await(rtcp) {
			h.box.forget(rtp)
			return false
		}
		return true
	}
	pair := -1
	for i, known := range h.flow.pairs {
		if known == even || known == 0 {
			pair = i
			break
		}
	}
	if pair < 0 {
		return true
	}
	for port := even; port != 0; port += 2 {
		rtp.at = netip.AddrPortFrom(rtp.at.Addr(), port)
		rtcp.at = netip.AddrPortFrom(rtcp.at.Addr(), port|1)
		if !h.await(rtp) {
			continue
		}
		if !h.await(rtcp) {
			h.box.forget(rtp)
			continue
		}
		h.flow.pairs[pair] = even
		h.put(at, netip.AddrPortFrom(h.newSrc.Addr(), port|a.Port()&1))
		break
	}
	return true
}
