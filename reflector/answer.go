package reflector

import (
	"bytes"
	"net/netip"
	"strconv"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

// composer makes the answers of a stateless SIP server (RFC 3261 8.2.6 and 8.2.7): the header lines that a response takes
// over from its request stand in it octet for octet, so that an application gateway on the way back meets what it knows. It
// reuses its memory; an answer is good until the next one.
type composer struct {
	msg   sip.Message
	lines []line
	out   []byte
}

// line is a header line of the request, with the lines that continue it and without the line end.
type line struct {
	header      sip.Header
	off, end    int
	first, last int // its spans: msg.Spans[first:last], the name first
}

// maxSpans is the most spans that a composer keeps memory for: 96 KiB. A datagram made to have more costs its own allocation.
const maxSpans = 4096

// shortening lists what an answer may lose to be no longer than its request, one after the other.
type shortening int

const (
	complete shortening = iota
	noAllow             // no Allow (RFC 3261 8.2.1 wants one in a 405)
	noReason            // no reason phrase (25.1 allows an empty one)
	noLength            // no Content-Length, which UDP can do without (18.3)
	tooLong
)

// answer returns the response to a datagram that came from the given address, with tag as To tag if it has none; or the
// reason for which there is none. The response is not longer than the request.
func (c *composer) answer(req []byte, remote netip.AddrPort, tag []byte) (answer []byte, silence string) {
	if silence = c.parse(req); silence != "" {
		return nil, silence
	}
	for less := complete; less < tooLong; less++ {
		if c.write(remote, tag, less); len(c.out) <= len(req) {
			return c.out, ""
		}
	}
	return nil, wire.SilenceLarger
}

// parse looks at a message before it is answered. It gives the reason for which it cannot be, or none.
func (c *composer) parse(req []byte) (silence string) {
	if cap(c.msg.Spans) > maxSpans {
		c.msg.Spans = nil
	}
	c.msg.Parse(req)
	c.lines = c.lines[:0]
	switch method := c.msg.Method(); {
	case c.msg.Status() > 0:
		return wire.SilenceResponse
	case method == nil:
		return wire.SilenceMalformed
	case string(method) == "ACK":
		return wire.SilenceACK
	}
	c.split()
	for _, h := range [...]sip.Header{sip.HeaderVia, sip.HeaderFrom, sip.HeaderTo, sip.HeaderCallID, sip.HeaderCSeq} {
		if l := c.find(h); l == nil || l.last-l.first < 2 {
			return wire.SilenceMalformed
		}
	}
	if !c.hasSentBy() {
		return wire.SilenceMalformed
	}
	if c.isQuiet() {
		return wire.SilenceQuiet
	}
	return ""
}

// isQuiet says whether the message asks for no automatic answer: a tag in its request line has wire.Quiet directly behind it.
// That is so for an INVITE, for its CANCEL, which has the same Request-URI (RFC 3261 9.1), and for what is sent to a Contact of
// ours that says so, in a dialog that the client plays through.
func (c *composer) isQuiet() bool {
	switch string(c.msg.Method()) {
	case "OPTIONS", "REGISTER":
		return false
	}
	first, _, _ := bytes.Cut(bytes.TrimLeft(c.msg.Raw, "\r\n"), []byte("\n"))
	return marked(first, wire.Quiet)
}

// marked says whether a tag in the text has the mark directly behind it. Whose tag it is does not matter.
func marked(text []byte, mark string) bool {
	for i := 0; ; {
		n := bytes.Index(text[i:], []byte(mark))
		if n < 0 {
			return false
		}
		i += n
		if i >= wire.TagLen {
			for range wire.Tags(text[i-wire.TagLen : i]) {
				return true
			}
		}
		i += len(mark)
	}
}

// split finds the header lines. Spans leave brackets, quotes and separators at the edges of a value out, so a line ends where
// the white space before the next one begins.
func (c *composer) split() {
	c.lines = c.lines[:0]
	spans := c.msg.Spans
	for i, s := range spans {
		if i > 0 && s.Line == spans[i-1].Line {
			continue
		}
		if n := len(c.lines); n > 0 {
			c.lines[n-1].end, c.lines[n-1].last = int(s.Off), i
		}
		if s.Header == sip.Body {
			break
		}
		c.lines = append(c.lines, line{header: s.Header, off: int(s.Off), end: len(c.msg.Raw), first: i, last: len(spans)})
	}
	for i := range c.lines {
		l := &c.lines[i]
		l.end = l.off + len(bytes.TrimRight(c.msg.Raw[l.off:l.end], " \t\r\n"))
	}
}

// find returns the first line of a header, or nil.
func (c *composer) find(h sip.Header) *line {
	for i := range c.lines {
		if c.lines[i].header == h {
			return &c.lines[i]
		}
	}
	return nil
}

// hasSentBy says whether the topmost Via names a sender. Without that it is none.
func (c *composer) hasSentBy() bool {
	l := c.find(sip.HeaderVia)
	for _, s := range c.msg.Spans[l.first:l.last] {
		if s.Index == 0 && s.Part == sip.PartSentBy {
			return true
		}
	}
	return false
}

// write composes the automatic response into c.out.
func (c *composer) write(remote netip.AddrPort, tag []byte, less shortening) {
	method := string(c.msg.Method())
	status, reason, allow := outcome(method)
	if less >= noReason {
		reason = ""
	}
	out := c.appendHead(c.out[:0], status, reason, remote, tag)
	if method == "REGISTER" {
		out = c.appendBinding(out)
	}
	if allow && less < noAllow {
		out = append(out, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, MESSAGE\r\n"...)
	}
	if less < noLength {
		out = append(out, "Content-Length: 0\r\n"...)
	}
	c.out = append(out, "\r\n"...)
}

// appendHead appends what every response begins with: the status line and what it takes over from the request.
func (c *composer) appendHead(out []byte, status, reason string, remote netip.AddrPort, tag []byte) []byte {
	out = append(out, "SIP/2.0 "...)
	out = append(out, status...)
	out = append(out, ' ')
	out = append(out, reason...)
	out = append(out, "\r\n"...)
	top := true
	for i := range c.lines {
		switch l := &c.lines[i]; {
		case l.header == sip.HeaderVia && top:
			top = false
			out = append(c.appendTopVia(out, l, remote), "\r\n"...)
		case l.header == sip.HeaderVia:
			out = c.appendLine(out, l)
		}
	}
	out = c.appendLine(out, c.find(sip.HeaderFrom))
	to := c.find(sip.HeaderTo)
	out = append(out, c.msg.Raw[to.off:to.end]...)
	if !c.hasParam(to, "tag") {
		out = append(out, ";tag="...)
		out = append(out, tag...)
	}
	out = append(out, "\r\n"...)
	out = c.appendLine(out, c.find(sip.HeaderCallID))
	return c.appendLine(out, c.find(sip.HeaderCSeq))
}

// outcome returns what a method is answered with. A call is refused as busy, so that an application gateway closes what it
// opened for its media; no dialog and no transaction is ever kept, so what belongs to one gets 481 (RFC 3261 9.2, 12.2.2).
func outcome(method string) (status, reason string, allow bool) {
	switch method {
	case "OPTIONS", "REGISTER", "MESSAGE":
		return "200", "OK", false
	case "INVITE":
		return "486", "Busy Here", false
	case "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "NOTIFY":
		return "481", "No Such Call", false
	}
	return "405", "Method Not Allowed", true
}

func (c *composer) appendLine(out []byte, l *line) []byte {
	out = append(out, c.msg.Raw[l.off:l.end]...)
	return append(out, "\r\n"...)
}

// appendTopVia appends the topmost Via line. Its first value gets received if its sent-by is not the address that the
// request came from (RFC 3261 18.2.1) or if it has rport, and rport gets the port (RFC 3581 4). Nothing else is changed.
func (c *composer) appendTopVia(out []byte, l *line, remote netip.AddrPort) []byte {
	var sentBy, rport, received *sip.Span
	at := l.off // where a new parameter goes: after the last leaf of the first value
	for i := l.first; i < l.last; i++ {
		s := &c.msg.Spans[i]
		if s.Index != 0 || s.Part == sip.PartName {
			continue
		}
		at = int(s.End)
		switch {
		case s.Part == sip.PartSentBy:
			sentBy = s
		case c.isParam(s, "rport") && rport == nil:
			rport = s
		case c.isParam(s, "received") && received == nil:
			received = s
		}
	}
	addr := remote.Addr().WithZone("")
	add := received == nil && (rport != nil || sentByHost(sentBy.Bytes(c.msg.Raw)) != addr)
	done := l.off // up to here the line is written
	for i := l.first; i < l.last; i++ {
		s := &c.msg.Spans[i]
		switch {
		case s == rport && valueless(s):
			out = append(out, c.msg.Raw[done:s.End]...)
			out = appendEquals(out, s)
			out = strconv.AppendUint(out, uint64(remote.Port()), 10)
			done = int(s.End)
		case s == received:
			if valueless(s) {
				out = append(out, c.msg.Raw[done:s.End]...)
				out = appendEquals(out, s)
			} else {
				out = append(out, c.msg.Raw[done:s.Off]...)
			}
			out = addr.AppendTo(out)
			done = int(s.End)
		}
		if add && int(s.End) == at {
			out = append(out, c.msg.Raw[done:at]...)
			out = append(out, ";received="...)
			out = addr.AppendTo(out)
			done = at
		}
	}
	return append(out, c.msg.Raw[done:l.end]...)
}

// valueless says whether a parameter has no value: its span is then its name, or its name and an equals sign.
func valueless(s *sip.Span) bool { return s.Off == s.NameOff }

func appendEquals(out []byte, s *sip.Span) []byte {
	if s.End == s.NameEnd {
		out = append(out, '=')
	}
	return out
}

// sentByHost returns the host of a sent-by if it is an IP address, or none.
func sentByHost(sentBy []byte) netip.Addr {
	host := string(bytes.TrimSpace(sentBy))
	if len(host) > 0 && host[0] == '[' {
		if i := bytes.IndexByte(sentBy, ']'); i > 0 {
			host = string(sentBy[1:i])
		}
	} else if i := bytes.IndexByte(sentBy, ':'); i >= 0 {
		host = string(bytes.TrimSpace(sentBy[:i]))
	}
	addr, _ := netip.ParseAddr(host) // a name is the zero address, which nothing comes from
	return addr.Unmap()
}

// hasParam says whether the first value of a line has a header parameter of that name.
func (c *composer) hasParam(l *line, name string) bool {
	for i := l.first; i < l.last; i++ {
		if c.isParam(&c.msg.Spans[i], name) {
			return true
		}
	}
	return false
}

func (c *composer) isParam(s *sip.Span, name string) bool {
	return s.Part == sip.PartParam && bytes.EqualFold(c.msg.Raw[s.NameOff:s.NameEnd], []byte(name))
}

// maxExpires is the longest registration in seconds: an application gateway keeps a pinhole open for as long.
const maxExpires = 60

// appendBinding appends what the answer to a REGISTER says of the registration: the request's Contact lines and the time that
// is left. "Contact: *" is a request's alone (RFC 3261 10.2.2).
func (c *composer) appendBinding(out []byte) []byte {
	for i := range c.lines {
		l := &c.lines[i]
		if l.header != sip.HeaderContact || l.last-l.first < 2 || string(c.msg.Spans[l.first+1].Bytes(c.msg.Raw)) == "*" {
			continue
		}
		out = c.appendLine(out, l)
	}
	expires := uint64(maxExpires)
	if v := c.msg.Value(sip.HeaderExpires, 0); v != nil {
		if n, err := strconv.ParseUint(string(v), 10, 32); err == nil {
			expires = min(n, maxExpires)
		}
	}
	out = append(out, "Expires: "...)
	out = strconv.AppendUint(out, expires, 10)
	return append(out, "\r\n"...)
}
