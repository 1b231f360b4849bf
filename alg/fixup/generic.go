package fixup

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// This file has what rows are made of that imitate no source code but a
// documented habit: replace the addresses of the packet in some lines, keep the
// notation, and set Content-Length (or forget to).

// viaLines and so on name lines for literals: header names in lower case, in
// both forms, SDP lines with their "=", and "" for the first line.
var (
	startLine    = []string{""}
	dialogLines  = []string{"via", "v", "from", "f", "contact", "m", "call-id", "i", "route", "record-route"}
	sessionLines = []string{"o=", "c="}
)

// literals finds the IPv4 addresses, each with the port that follows it, in the
// given kinds of lines.
func literals(kinds ...[]string) finder {
	kind := slices.Concat(kinds...)
	return func(m *message, from int) (span, bool) {
		body := bodyAt(m.buf)
		for at := bytes.LastIndexByte(m.buf[:from], '\n') + 1; at < len(m.buf); {
			end := len(m.buf)
			if n := bytes.IndexByte(m.buf[at:], '\n'); n >= 0 {
				end = at + n + 1
			}
			if slices.Contains(kind, lineKind(m.buf[at:end], at, body)) {
				for i := max(at, from); i < end; i++ {
					if s, ok := literalAt(m.buf, i); ok {
						return s, true
					}
				}
			}
			at = end
		}
		return span{}, false
	}
}

// bodyAt is where the body begins, the end of the message if it has none.
func bodyAt(b []byte) int {
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return i + 4
	}
	return len(b)
}

func lineKind(line []byte, at, body int) string {
	switch {
	case at == 0:
		return ""
	case at >= body && len(line) >= 2:
		return string(line[:2])
	case at < body:
		name, _, _ := strings.Cut(string(line), ":")
		return strings.ToLower(strings.TrimRight(name, " \t"))
	}
	return "\n"
}

// literalAt reads an address that begins at i and is no part of a longer word.
func literalAt(b []byte, i int) (span, bool) {
	if i > 0 && (digit(b[i-1]) || letter(b[i-1]) || b[i-1] == '.' || b[i-1] == '-') {
		return span{}, false
	}
	addr, end, ok := readAddr4(b, i)
	if !ok {
		return span{}, false
	}
	s := span{off: i, end: end, addr: netip.AddrPortFrom(addr, 0), next: end}
	if end < len(b) && b[end] == ':' {
		if port, ok := number(b, end+1); ok && port <= 65535 {
			s.end = digits(b, end+1)
			s.addr = netip.AddrPortFrom(addr, uint16(port))
			s.next = s.end
		}
	}
	return s, true
}

// swapped is the other side's reading of an address of the packet, with a port
// only where one was written.
func swapped(m *message, s span) string {
	was, is := m.src, m.newSrc
	if s.addr.Addr() != was.Addr() {
		was, is = m.dst, m.newDst
	}
	switch {
	case s.addr.Addr() != was.Addr() || was.Addr() == is.Addr():
		return string(m.buf[s.off:s.end])
	case s.addr.Port() == 0:
		return is.Addr().String()
	case s.addr.Port() == was.Port():
		return is.String()
	}
	return netip.AddrPortFrom(is.Addr(), s.addr.Port()).String()
}

func outbound(m *message, _ span) bool { return m.out }
func inbound(m *message, _ span) bool  { return !m.out }

// setLength makes Content-Length true where rows above have changed something,
// if there is one.
func setLength(m *message) bool {
	off, end, how := fieldLength.header(m.buf, 0, m.six())
	body := bodyAt(m.buf)
	if !m.edited || how != found || off > body {
		return true
	}
	return m.splice(off, end, strconv.Itoa(len(m.buf)-body))
}
