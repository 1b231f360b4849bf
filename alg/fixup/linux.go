package fixup

import (
	"net/netip"
	"strconv"
)

// minLinux is the length of "SIP/2.0 200": the helper lets shorter payloads
// pass unseen, for example the keep-alives of RFC 5626 3.5.1.
const minLinux = 11

// linuxRules are the two passes of the Linux helper over a message: process_sip
// in nf_conntrack_sip.c tracks the dialog, edits the SDP and drops; nf_nat_sip
// in nf_nat_sip.c then edits the headers of what is translated.
var linuxRules = []rule{
	{name: "dialog and SDP", do: linuxTrack},
	{name: "headers", do: func(m *message) bool { return !m.flow.translated() || m.apply(linuxHeaders, 0) }},
}

// linuxHeaders replace an address and port only where they are those of the
// packet itself, and write both in any case.
var linuxHeaders = []rule{
	{name: "Request-URI", find: requestURI, put: mapped},
	{name: "topmost Via", find: topVia, when: sender, put: mapped, then: []rule{
		{name: "maddr", find: addrParam("maddr=", true), when: isSource, put: mappedSource},
		{name: "received", find: addrParam("received=", false), when: isDestination, put: mappedDestination},
		{name: "rport", find: portParam("rport="), when: isDestinationPort, put: mappedPort},
	}},
	{name: "Contact", find: uriIn(&fieldContact), each: true, put: mapped},
	{name: "From", find: uriIn(&fieldFrom), put: mapped},
	{name: "To", find: uriIn(&fieldTo), put: mapped},
	{name: "reply port", do: redirectReply},
}

func (m *message) six() bool { return m.src.Addr().Is6() }

func (m *message) isRequest() bool { return !hasFold(m.buf, "SIP/2.0") }

// linuxUDP is a datagram: a whole message.
func linuxUDP(m *message, s *Style) bool {
	return len(m.buf) < minLinux || m.apply(s.rules, 0)
}

// linuxTCP is a segment, which the helper takes for a sequence of whole
// messages. What has no Content-Length, and what reaches beyond the segment,
// passes (sip_help_tcp).
func linuxTCP(m *message, s *Style) bool {
	var done []byte
	rest := m.buf
	for len(rest) >= 1 && (len(done) > 0 || len(rest) >= minLinux) {
		size, ok := linuxFrame(rest)
		if !ok || size > len(rest) {
			break
		}
		m.buf = append([]byte(nil), rest[:size]...)
		if !m.apply(s.rules, 0) {
			return false
		}
		done, rest = append(done, m.buf...), rest[size:]
	}
	m.buf = append(done, rest...)
	return true
}

// linuxFrame is the length of the message at the start of b by its
// Content-Length, if there is one and the headers end.
func linuxFrame(b []byte) (int, bool) {
	off, _, how := fieldLength.header(b, 0, false)
	if how != found {
		return 0, false
	}
	length, ok := number(b, off)
	if !ok || int(length) > len(b) {
		return 0, false
	}
	for i := digits(b, off); i+4 <= len(b); i++ {
		if string(b[i:i+4]) == "\r\n\r\n" {
			return i + 4 + int(length), true
		}
	}
	return 0, false
}

// mapped is the other side's reading of an address and port that the packet
// itself has, and what was there for any other.
func mapped(m *message, s span) string {
	to := s.addr
	switch s.addr {
	case m.src:
		to = m.newSrc
	case m.dst:
		to = m.newDst
		if m.flow.forced != 0 {
			to = netip.AddrPortFrom(to.Addr(), m.flow.forced)
		}
	}
	if to == s.addr {
		return string(m.buf[s.off:s.end])
	}
	return to.String()
}

// sender: the Via of a request names who sent it, that of a response who will
// get it.
func sender(m *message, s span) bool {
	if m.isRequest() {
		return s.addr == m.src
	}
	return s.addr == m.dst
}

func isSource(m *message, s span) bool      { return s.addr.Addr() == m.src.Addr() }
func isDestination(m *message, s span) bool { return s.addr.Addr() == m.dst.Addr() }

func isDestinationPort(m *message, s span) bool { return s.addr.Port() == m.dst.Port() }

func mappedSource(m *message, s span) string {
	if m.src.Addr() == m.newSrc.Addr() {
		return string(m.buf[s.off:s.end])
	}
	if m.six() {
		return "[" + m.newSrc.Addr().String() + "]"
	}
	return m.newSrc.Addr().String()
}

func mappedDestination(m *message, s span) string {
	if m.dst.Addr() == m.newDst.Addr() {
		return string(m.buf[s.off:s.end])
	}
	return m.newDst.Addr().String()
}

func mappedPort(m *message, s span) string {
	if m.dst.Port() == m.newDst.Port() {
		return string(m.buf[s.off:s.end])
	}
	return strconv.Itoa(int(m.newDst.Port()))
}

// requestURI finds the address in the first line (ct_sip_parse_request): a
// method of letters, one octet, and the first "sip:" from there on.
func requestURI(m *message, _ int) (span, bool) {
	b := m.buf
	i := 0
	for i < len(b) && letter(b[i]) {
		i++
	}
	if !m.isRequest() || i == 0 || i+1 >= len(b) {
		return span{}, false
	}
	for i++; ; i++ {
		if i >= len(b)-len("sip:") || b[i] == '\r' || b[i] == '\n' {
			return span{}, false
		}
		if hasFold(b[i:], "sip:") {
			break
		}
	}
	off, end, ok := measureURI(b, i+len("sip:"), m.six())
	if !ok {
		return span{}, false
	}
	return m.spanAt(off, end), true
}

// spanAt is the place of an address and port that were measured before.
func (m *message) spanAt(off, end int) span {
	addr, _, _ := readAddrPort(m.buf, off, m.six())
	return span{off: off, end: end, addr: addr, next: end}
}

func topVia(m *message, _ int) (span, bool) {
	via := &fieldViaUDP
	if m.flow.proto == "tcp" {
		via = &fieldViaTCP
	}
	return uriIn(via)(m, 0)
}

// uriIn finds the address in the first header that has one, and from there on
// in the values and headers that follow. The place to go on from is the end of
// the address as it was: when the replacement is shorter, the helper jumps over
// octets, and may miss the comma before the next value.
func uriIn(f *field) finder {
	return func(m *message, from int) (span, bool) {
		off, end, ok := f.walk(m.buf, from, from > 0, m.six())
		if !ok {
			return span{}, false
		}
		return m.spanAt(off, end), true
	}
}

// param finds the value of a parameter after from and before the next comma.
func param(b []byte, from int, name string) (off, limit int, ok bool) {
	if limit = search(b, from, ",", true); limit < 0 {
		limit = len(b)
	}
	off = search(b[:limit], from, name, true)
	return off + len(name), limit, off >= 0
}

func addrParam(name string, brackets bool) finder {
	return func(m *message, from int) (span, bool) {
		off, limit, ok := param(m.buf, from, name)
		if !ok {
			return span{}, false
		}
		addr, end, ok := readAddr(m.buf[:limit], off, m.six(), brackets)
		return span{off: off, end: end, addr: netip.AddrPortFrom(addr, 0), next: end}, ok
	}
}

func portParam(name string) finder {
	return func(m *message, from int) (span, bool) {
		off, limit, ok := param(m.buf, from, name)
		if !ok {
			return span{}, false
		}
		n, ok := number(m.buf[:limit], off)
		end := digits(m.buf[:limit], off)
		return span{off: off, end: end, addr: netip.AddrPortFrom(netip.Addr{}, uint16(n)), next: end}, ok && n <= 65535
	}
}

// rememberViaPort is for telephones that send from a high port and listen on
// another one, which they name in the Via: every later packet of the other
// direction goes there (process_sip_request).
func rememberViaPort(m *message) {
	off, end, ok := fieldViaUDP.walk(m.buf, 0, false, m.six())
	if !ok {
		return
	}
	if s := m.spanAt(off, end); s.addr.Addr() == m.src.Addr() && s.addr.Port() != m.src.Port() {
		m.flow.forced = s.addr.Port()
	}
}

// redirectReply sends a packet of the reply direction to the remembered port.
func redirectReply(m *message) bool {
	if m.reply && m.flow.forced != 0 {
		m.newDst = netip.AddrPortFrom(m.newDst.Addr(), m.flow.forced)
	}
	return true
}
