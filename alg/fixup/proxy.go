package fixup

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// This file is a SIP proxy in the path, as session routers with Kamailio in
// them and siproxd are: stateless (RFC 3261 16.11), and transparent below SIP,
// that is messages go where they were sent to, and Route is left alone.

// branchMark begins every branch of the proxy, so that it knows its Via again.
// The whole has the shape of Kamailio's.
const branchMark = "z9hG4bKf1b0."

// forward takes a request or a response through the proxy. What is no SIP over
// IPv4, or has no Via, passes as it is.
func forward(m *message) bool {
	via, ok := headerAt(m.buf, "via", "v")
	if !ok || m.six() || !isSIP(m.buf) {
		return true
	}
	sentBy := netip.AddrPortFrom(m.box.public, m.flow.public.Port())
	own := fmt.Sprintf("SIP/2.0/%s %s;", strings.ToUpper(m.flow.proto), sentBy)
	first := firstValue(m.buf[via.off:via.end])
	if bytes.HasPrefix(m.buf, []byte("SIP/2.0 ")) {
		// RFC 3261 16.7, step 3.
		switch {
		case !bytes.HasPrefix(first, []byte(own)) || !bytes.Contains(first, []byte(";branch="+branchMark)):
			return true
		case via.off+len(first) == via.end:
			return m.splice(via.line, via.next, "")
		}
		rest := bytes.TrimLeft(m.buf[via.off+len(first)+1:via.end], " \t\r\n")
		return m.splice(via.off, via.end-len(rest), "")
	}
	// One branch for all that the client takes for one transaction, which its
	// own topmost Via names (16.11).
	hash := fnv.New128a()
	hash.Write(first)
	top := fmt.Sprintf("Via: %srport;branch=%s%x.0\r\n", own, branchMark, hash.Sum(nil))
	if bytes.HasPrefix(m.buf, []byte("INVITE ")) {
		param := ""
		if m.flow.proto == "tcp" {
			param = ";transport=tcp"
		}
		top = fmt.Sprintf("Record-Route: <sip:%s%s;lr>\r\n", sentBy, param) + top
	}
	if !received(m, via.off, via.off+len(first)) {
		return false
	}
	if hops, ok := headerAt(m.buf, "max-forwards"); !ok {
		top += "Max-Forwards: 70\r\n"
	} else if n, ok := number(m.buf, hops.off); ok {
		// The answer to the last hop, 483, is not given: the box sends nothing
		// of its own.
		if n == 0 || !m.splice(hops.off, digits(m.buf, hops.off), strconv.Itoa(int(n)-1)) {
			return false
		}
	}
	line := lineEnd(m.buf, 0)
	return m.splice(line, line, top)
}

// firstValue is the part of a header's value before the first comma that is not
// quoted.
func firstValue(b []byte) []byte {
	quoted := false
	i := slices.IndexFunc(b, func(c byte) bool {
		quoted = quoted != (c == '"')
		return c == ',' && !quoted
	})
	if i >= 0 {
		return b[:i]
	}
	return b
}

// received notes in the Via value buf[off:end] where the request came from:
// rport gets the port if it is there without one, and received is added with it
// or where sent-by is not the address (RFC 3581 4, RFC 3261 18.2.1).
func received(m *message, off, end int) bool {
	sentBy, _, _ := strings.Cut(string(m.buf[off:end]), ";")
	host := strings.TrimSpace(sentBy)
	host, _, _ = strings.Cut(host[strings.LastIndexAny(host, " \t\r\n")+1:], ":")
	add := host != m.src.Addr().String()

	end = off + len(bytes.TrimRight(m.buf[off:end], " \t\r\n"))
	for i := off + len(sentBy); i < end; {
		next := end
		if n := bytes.IndexByte(m.buf[i+1:end], ';'); n >= 0 {
			next = i + 1 + n
		}
		name, _, valued := strings.Cut(string(m.buf[i+1:next]), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "received":
			return true
		case "rport":
			if valued {
				break
			}
			add = true
			at := i + 1 + len(strings.TrimRight(name, " \t\r\n"))
			text := fmt.Sprintf("=%d", m.src.Port())
			if !m.splice(at, at, text) {
				return false
			}
			next, end = next+len(text), end+len(text)
		}
		i = next
	}
	return !add || m.splice(end, end, ";received="+m.src.Addr().String())
}
