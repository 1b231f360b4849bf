package fixup

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// helper is what looks at the payload of a flow. A flow has the one of its
// first packet's destination port, or that of the expectation it fulfils.
type helper int

const (
	helperNone helper = iota
	helperSIP         // the rules of the style
	helperQ931        // call signalling of H.323, TCP
	helperH245        // its media control, TCP
	helperRAS         // its registration, UDP
)

// The ports of nf_conntrack_h323.h.
const (
	portRAS  = 1719
	portQ931 = 1720
)

// lifeExpectedH323 is how long the H.323 helper waits for a flow.
const lifeExpectedH323 = 240 * time.Second

// h323 is one message of H.323 on its way through the helper. What it rewrites
// keeps its length: an address is 4 octets and a port 2, all on their own.
type h323 struct {
	*message
	data  int // where the message begins in the payload; offsets in trees count from there
	class class
}

// linuxSegment goes over the packets (TPKT, RFC 1006) of a segment, Q.931 or
// H.245 (q931_help, h245_help). A segment is all that is looked at, except that
// a header of four octets alone makes the next segment its contents, which
// NetMeeting sent so (get_tpkt_data). Nothing is dropped for not being
// understood, but the rest of the segment is passed over.
func linuxSegment(m *message) bool {
	waiting := &m.flow.waiting[m.way()]
	length := *waiting
	*waiting = 0
	off, end := 0, len(m.buf)
	if end < 4 || m.buf[0] != 3 || m.buf[1] != 0 {
		if length == 0 || length > end {
			return true
		}
		// What stands behind it is not searched for another packet unless it
		// begins with a header, as always.
		if how := m.h323(0, length); how != decoded {
			return how != failed
		}
		off = length
	}
	for first := off == 0; ; first = false {
		left := end - off
		if left < 4 || left == 4 && !first || m.buf[off] != 3 || m.buf[off+1] != 0 {
			return true
		}
		length := int(binary.BigEndian.Uint16(m.buf[off+2:]))
		switch {
		case length < 4:
			return true
		case length > left:
			if left == 4 {
				*waiting = length - 4
			}
			return true
		}
		if how := m.h323(off+4, length-4); how != decoded {
			return how != failed
		}
		off += length
	}
}

// h323 treats one packet. It is stopped when there is nothing to understand,
// and failed when the segment has to be dropped.
func (m *message) h323(off, length int) outcome {
	h := &h323{message: m, data: off, class: classH245}
	process, from, shape := h.control, 0, tControl
	if m.flow.helper == helperQ931 {
		h.class = classQ931
		var ok bool
		if from, length, ok = userUser(m.buf[off : off+length]); !ok {
			return stopped
		}
		process, shape = h.call, tUserInformation
	}
	t, ok := decode(m.buf[off:], from, from+length, shape)
	switch {
	case !ok:
		return stopped
	case !process(t):
		return failed
	}
	return decoded
}

// userUser finds the encoding in a message of Q.931 (DecodeQ931). Every other
// information element is taken for one with a length.
func userUser(b []byte) (from, length int, ok bool) {
	const discriminator, element = 0x08, 0x7E
	if len(b) < 2 || b[0] != discriminator {
		return 0, 0, false
	}
	at := 2 + int(b[1]) // the message type, behind the call reference
	if len(b) < at+2 {
		return 0, 0, false
	}
	if at++; b[at]&0x80 != 0 {
		at++
	}
	for at+3 <= len(b) {
		if b[at] == element {
			n := int(binary.BigEndian.Uint16(b[at+1:]))
			// The first octet of it is a discriminator again.
			return at + 4, n - 1, n > 0 && at+3+n <= len(b)
		}
		at += 2 + int(b[at+1])
	}
	return 0, 0, false
}

// way is the direction of a message by the first packet of its flow.
func (m *message) way() int {
	if m.reply {
		return 1
	}
	return 0
}

// translates reports whether the sender's address is another one beyond the
// box. The addresses in IPv6 are only tracked.
func (h *h323) translates() bool {
	return !h.six() && h.flow.translated() && h.src.Addr() != h.newSrc.Addr()
}

// address is the transport address in a tree, if there is one of the family of
// the flow, and where it is (get_h225_addr).
func (h *h323) address(t *tree) (at int, a netip.AddrPort, ok bool) {
	kind, size := "ip", 4
	if h.six() {
		kind, size = "ip6", 16
	}
	place := t.get(kind, "at")
	if place == nil {
		return 0, a, false
	}
	at = h.data + place.at
	if at+size+2 > len(h.buf) {
		return 0, a, false
	}
	addr, _ := netip.AddrFromSlice(h.buf[at : at+size])
	return at, netip.AddrPortFrom(addr, binary.BigEndian.Uint16(h.buf[at+size:])), true
}

// own is an address that is the sender's and has a port.
func (h *h323) own(t *tree) (at int, a netip.AddrPort, ok bool) {
	at, a, ok = h.address(t)
	return at, a, ok && a.Addr() == h.src.Addr() && a.Port() != 0
}

// put writes an IPv4 address and port (set_addr in nf_nat_h323.c).
func (h *h323) put(at int, a netip.AddrPort) {
	h.splice(at, at+6, string(binary.BigEndian.AppendUint16(a.Addr().AsSlice(), a.Port())))
}

// expectation is one for a flow from the other side to an address of the
// sender, which has the public address there.
func (h *h323) expectation(proto string, a netip.AddrPort, then helper) *expectation {
	return &expectation{
		expectKey: expectKey{proto, h.newDst.Addr(), netip.AddrPortFrom(h.newSrc.Addr(), a.Port())},
		class:     h.class,
		flow:      h.flow,
		helper:    then,
		saved:     a,
		until:     h.now.Add(lifeExpectedH323),
	}
}

// await adds an expectation where nothing is translated. One that is taken
// drops the message.
func (h *h323) await(e *expectation) bool { return h.box.expect(e, h.now) == expectDone }

// awaitAt adds an expectation at a public port, at a random one above if that
// is taken, and returns the port. It is 0 when there is none, and then nothing
// is rewritten (nf_nat_exp_find_port).
func (h *h323) awaitAt(e *expectation, lowest uint16) uint16 {
	above := 65535 - int(lowest)
	port := lowest
	for tries := min(above, maxTries); ; tries-- {
		e.at = netip.AddrPortFrom(e.at.Addr(), port)
		switch {
		case h.await(e):
			return port
		case tries == 0:
			return 0
		}
		port = lowest + uint16(h.box.chance.IntN(above))
	}
}

// expectSignalling awaits a TCP connection to an address in the message, and
// writes into it where that is expected (nat_h245, nat_q931). False drops the
// message.
func (h *h323) expectSignalling(at int, a netip.AddrPort, e *expectation) bool {
	if !h.translates() {
		return h.await(e)
	}
	sig, way := &h.flow.signalling, h.way()
	lowest := a.Port()
	if sig[way] == lowest { // announced before
		lowest = sig[1-way]
	}
	if port := h.awaitAt(e, lowest); port != 0 {
		h.put(at, netip.AddrPortFrom(h.newSrc.Addr(), port))
		sig[way], sig[1-way] = a.Port(), port
	}
	return true
}
