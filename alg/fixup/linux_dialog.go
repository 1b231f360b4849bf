package fixup

import (
	"net/netip"
	"time"
)

// lifeLinux is how long the helper keeps a flow that it looks at
// (sip_timeout).
const lifeLinux = 3600 * time.Second

// linuxMethods are what the helper tracks; anything else passes it without a
// look at CSeq or body (sip_handlers in nf_conntrack_sip.c).
var linuxMethods = []struct {
	name     string
	request  func(m *message, cseq uint32) bool
	response func(m *message, cseq, status uint32) bool
}{
	{"INVITE", linuxInvite, linuxAnswer},
	{"UPDATE", linuxOffer, linuxAnswer},
	{"ACK", linuxOffer, nil},
	{"PRACK", linuxOffer, linuxAnswer},
	{"BYE", linuxBye, nil},
	{"REGISTER", linuxRegister, linuxRegistered},
}

// linuxTrack is process_sip_msg: false drops the message.
func linuxTrack(m *message) bool {
	if hasFold(m.buf, "SIP/2.0 ") {
		return linuxResponse(m)
	}
	rememberViaPort(m)
	for _, h := range linuxMethods {
		n := len(h.name)
		if len(m.buf) < n+2 || !hasFold(m.buf, h.name) || m.buf[n] != ' ' || !letter(m.buf[n+1]) {
			continue
		}
		_, cseq, ok := linuxCSeq(m)
		return ok && h.request(m, cseq)
	}
	return true
}

func linuxResponse(m *message) bool {
	status, _ := number(m.buf, len("SIP/2.0 "))
	end, cseq, ok := linuxCSeq(m)
	if status == 0 || !ok {
		return false
	}
	for _, h := range linuxMethods {
		if h.response != nil && end < len(m.buf) && hasFold(m.buf[end+1:], h.name) {
			return h.response(m, cseq, status)
		}
	}
	return true
}

// linuxCSeq returns the sequence number and the offset of its end.
func linuxCSeq(m *message) (end int, cseq uint32, ok bool) {
	off, end, how := fieldCSeq.header(m.buf, 0, m.six())
	if how != found {
		return 0, 0, false
	}
	cseq, ok = number(m.buf, off)
	return end, cseq, ok
}

func linuxInvite(m *message, cseq uint32) bool {
	m.box.flush(m.flow, isMedia)
	if !linuxSDP(m) {
		return false
	}
	m.flow.invite = cseq
	return true
}

func linuxOffer(m *message, _ uint32) bool { return linuxSDP(m) }

func linuxBye(m *message, _ uint32) bool {
	m.box.flush(m.flow, isMedia)
	return true
}

func linuxAnswer(m *message, cseq, status uint32) bool {
	if status >= 100 && status <= 299 {
		return linuxSDP(m)
	}
	if m.flow.invite == cseq {
		m.box.flush(m.flow, isMedia)
	}
	return true
}

// linuxRegister expects the calls that the registrar will send to the first
// Contact, and points that Contact at the expectation. Here the address alone
// counts: a Contact with another port is rewritten too
// (process_register_request, nf_nat_sip_expect).
func linuxRegister(m *message, cseq uint32) bool {
	if m.flow.pinhole {
		return true
	}
	expires := linuxExpires(m)
	off, end, ok := fieldContact.walk(m.buf, 0, false, m.six())
	if !ok {
		return true
	}
	contact := m.spanAt(off, end)
	proto, ok := linuxTransport(m, end)
	if contact.addr.Addr() != m.src.Addr() || !ok {
		return true
	}
	if expires, ok = linuxExpiresParam(m, end, expires); !ok {
		return false
	}
	if expires > 0 && !linuxExpectCalls(m, contact, proto) {
		return false
	}
	m.flow.register = cseq
	return true
}

// maxTries is how many public ports are tried for a registration whose own one
// another flow has registered (nf_nat_exp_find_port in nf_nat_helper.c).
const maxTries = 128

// linuxExpectCalls expects calls to a Contact and writes into the message where
// they are expected: the public address with the port of the Contact, that of
// the flow if the Contact has the flow's own, or a random one above when
// another flow has registered it.
func linuxExpectCalls(m *message, contact span, proto string) bool {
	at := contact.addr
	if m.flow.translated() {
		port, own := at.Port(), m.src.Port()
		if m.flow.forced != 0 {
			own = m.flow.forced
		}
		if port == own {
			port = m.newSrc.Port()
		}
		at = netip.AddrPortFrom(m.newSrc.Addr(), port)
	}
	for lowest, tries := at.Port(), 0; ; {
		switch m.box.expect(&expectation{
			expectKey: expectKey{proto, m.newDst.Addr(), at},
			class:     classSignalling,
			helper:    helperSIP,
			flow:      m.flow,
			saved:     contact.addr,
			until:     m.now.Add(lifeLinux),
			inactive:  true,
			stays:     true,
		}, m.now) {
		case expectDone:
			if at == contact.addr {
				return true
			}
			return m.splice(contact.off, contact.end, at.String())
		case expectBusy:
			above := 65535 - int(lowest)
			if tries++; !m.flow.translated() || above == 0 || tries > maxTries {
				return false
			}
			at = netip.AddrPortFrom(at.Addr(), lowest+uint16(m.box.chance.IntN(above)))
		default:
			return false
		}
	}
}

// linuxRegistered opens the pinhole of a registration for as long as the
// registrar grants, or closes it.
func linuxRegistered(m *message, cseq, status uint32) bool {
	if m.flow.register != cseq || status < 200 {
		return true
	}
	defaults := linuxExpires(m)
	for at := 0; status <= 299; {
		off, end, ok := fieldContact.walk(m.buf, at, at > 0, m.six())
		if !ok {
			break
		}
		contact := m.spanAt(off, end)
		at = end
		proto, ok := linuxTransport(m, end)
		if contact.addr.Addr() != m.dst.Addr() || !ok {
			continue
		}
		expires, ok := linuxExpiresParam(m, end, defaults)
		if !ok {
			return false
		}
		if expires == 0 {
			break
		}
		e := m.box.awaited(expectKey{proto, m.src.Addr(), contact.addr}, m.now)
		if e != nil && e.flow == m.flow && e.class == classSignalling {
			e.inactive, e.until = false, m.now.Add(time.Duration(expires)*time.Second)
			return true
		}
	}
	m.box.flush(m.flow, func(c class) bool { return c == classSignalling })
	return true
}

func linuxExpires(m *message) uint32 {
	off, _, how := fieldExpires.header(m.buf, 0, m.six())
	if how != found {
		return 0
	}
	n, _ := number(m.buf, off)
	return n
}

// linuxExpiresParam reads expires= after a Contact; one without a number is an
// error.
func linuxExpiresParam(m *message, from int, otherwise uint32) (uint32, bool) {
	off, limit, ok := param(m.buf, from, "expires=")
	if !ok {
		return otherwise, true
	}
	return number(m.buf[:limit], off)
}

// linuxTransport reads transport= after a Contact, which has to be the one that
// the message came over.
func linuxTransport(m *message, from int) (string, bool) {
	off, limit, ok := param(m.buf, from, "transport=")
	if !ok {
		return m.flow.proto, true
	}
	return m.flow.proto, hasFold(m.buf[off:limit], m.flow.proto)
}
