package fixup

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// This file has what rows are made of that imitate no source code but a
// documented habit: replace the addresses of the packet in some lines, or in all
// it carries, keep the notation, and set Content-Length (or forget to).

// viaLines and so on name lines for literals: header names in lower case, in
// both forms, SDP lines with their "=", and "" for the first line.
var (
	startLine    = []string{""}
	dialogLines  = []string{"via", "v", "from", "f", "to", "t", "contact", "m", "call-id", "i", "route", "record-route"}
	sessionLines = []string{"o=", "c="}
)

// literals finds the IPv4 addresses, each with the port that follows it, in the
// given kinds of lines.
func literals(kinds ...[]string) finder {
	kind := slices.Concat(kinds...)
	return func(m *message, from int) (span, bool) {
		body := bodyAt(m.buf)
		for at := bytes.LastIndexByte(m.buf[:from], '\n') + 1; at < len(m.buf); {
			end := lineEnd(m.buf, at)
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

// lineEnd is where the line after the one at an offset begins.
func lineEnd(b []byte, at int) int {
	if n := bytes.IndexByte(b[at:], '\n'); n >= 0 {
		return at + n + 1
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
		if name, _, _ := strings.Cut(string(line), ":"); !blank(line[0]) && name != "" {
			return strings.ToLower(strings.TrimRight(name, " \t"))
		}
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
	s := span{off: i, end: end, addr: netip.AddrPortFrom(addr, 0)}
	if end < len(b) && b[end] == ':' {
		if port, ok := number(b, end+1); ok && port <= 65535 {
			s.end = digits(b, end+1)
			s.addr = netip.AddrPortFrom(addr, uint16(port))
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

// anywhere finds the translated address of the packet as text, in whatever the
// packet carries and without its port.
func anywhere(m *message, from int) (span, bool) {
	was, is := m.src.Addr(), m.newSrc.Addr()
	if was == is {
		was, is = m.dst.Addr(), m.newDst.Addr()
	}
	if was == is {
		return span{}, false
	}
	text := []byte(was.String())
	for i := from; ; i++ {
		n := bytes.Index(m.buf[i:], text)
		if n < 0 {
			return span{}, false
		}
		i += n
		if s, ok := literalAt(m.buf, i); ok && s.addr.Addr() == was {
			end := i + len(text)
			return span{off: i, end: end, addr: netip.AddrPortFrom(was, 0)}, true
		}
	}
}

// translation is the other side's reading of what anywhere finds.
func translation(m *message, s span) string {
	if s.addr.Addr() == m.src.Addr() && m.src.Addr() != m.newSrc.Addr() {
		return m.newSrc.Addr().String()
	}
	return m.newDst.Addr().String()
}

// given is the address that an administrator gave a box to replace.
const given = "10.9.9.9"

// givenText finds it as text, in whatever the packet carries.
func givenText(m *message, from int) (span, bool) {
	for i := from; ; i++ {
		n := bytes.Index(m.buf[i:], []byte(given))
		if n < 0 {
			return span{}, false
		}
		i += n
		if s, ok := literalAt(m.buf, i); ok && s.addr.Addr().String() == given {
			return span{off: i, end: i + len(given), addr: netip.AddrPortFrom(s.addr.Addr(), 0)}, true
		}
	}
}

func publicText(m *message, _ span) string { return m.box.public.String() }

func outbound(m *message, _ span) bool { return m.out }
func inbound(m *message, _ span) bool  { return !m.out }

// setLength makes Content-Length true where rows above have changed something,
// if there is one.
func setLength(m *message) bool {
	off, end, ok := lengthAt(m.buf)
	if !m.edited || !ok || !bytes.Contains(m.buf[end:], []byte("\r\n\r\n")) {
		return true
	}
	return m.splice(off, end, strconv.Itoa(len(m.buf)-bodyAt(m.buf)))
}

// lengthAt finds the number in the Content-Length header.
func lengthAt(b []byte) (off, end int, ok bool) {
	h, ok := headerAt(b, "content-length", "l")
	end = digits(b, h.off)
	return h.off, end, ok && end > h.off
}

// header is a header with its continuation lines: where it begins, its value
// without the white space around it, and where the next one begins.
type header struct{ line, off, end, next int }

// headerAt finds the first header of the given names.
func headerAt(b []byte, names ...string) (header, bool) {
	body := bodyAt(b)
	for at := 0; at < body; {
		next := lineEnd(b, at)
		if at == 0 || !slices.Contains(names, lineKind(b[at:next], at, body)) {
			at = next
			continue
		}
		for next < body && blank(b[next]) {
			next = lineEnd(b, next)
		}
		off := at + bytes.IndexByte(b[at:next], ':') + 1
		value := bytes.TrimRight(b[off:next], " \t\r\n")
		return header{at, off + len(value) - len(bytes.TrimLeft(value, " \t\r\n")), off + len(value), next}, true
	}
	return header{}, false
}

// wholeMessages is what boxes make of a stream that look at segments, not at
// the stream: a message that is whole in its segment is treated, several one
// after the other. From the first octet on that is no such message, so also
// from one without Content-Length on, the segment passes as it is.
func wholeMessages(m *message, s *Style) bool {
	var done []byte
	rest := m.buf
	for {
		begin, end, ok := wholeMessage(rest)
		if !ok {
			m.buf = append(done, rest...)
			return true
		}
		m.buf, m.edited = bytes.Clone(rest[begin:end]), false
		if !m.apply(s.rules, 0) {
			return false
		}
		done = append(append(done, rest[:begin]...), m.buf...)
		rest = rest[end:]
	}
}

// wholeMessage finds a message at the start of b, behind the empty lines that
// may precede it (RFC 3261 7.5).
func wholeMessage(b []byte) (begin, end int, ok bool) {
	for begin < len(b) && (b[begin] == '\r' || b[begin] == '\n') {
		begin++
	}
	msg := b[begin:]
	head := bytes.Index(msg, []byte("\r\n\r\n"))
	if head < 0 || !isSIP(msg) {
		return 0, 0, false
	}
	off, _, ok := lengthAt(msg)
	if !ok {
		return 0, 0, false
	}
	length, ok := number(msg, off)
	if body := head + 4; ok && int64(length) <= int64(len(msg)-body) {
		return begin, begin + body + int(length), true
	}
	return 0, 0, false
}

// isSIP reports whether the first line is one of SIP.
func isSIP(b []byte) bool {
	line := bytes.TrimRight(b[:lineEnd(b, 0)], "\r\n")
	return bytes.HasPrefix(line, []byte("SIP/2.0 ")) || bytes.HasSuffix(line, []byte(" SIP/2.0"))
}
