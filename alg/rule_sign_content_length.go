package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"nofixup/sip"
)

// Whoever replaces an address by a longer one and forgets the length leaves the difference behind; Linux counts the body of a
// multipart message from its v= line (net/netfilter/nf_nat_sip.c).
var signContentLength = Rule{
	ID:       "sign-content-length",
	Severity: Warning,
	Summary:  "Content-Length does not say how long the body is",
	Symptom:  "The far end rejects the message or cuts its SDP short: calls fail, or over TCP the whole connection stalls.",
	Advice:   proveIt,
	Source:   "RFC 3261 18.3, 20.14",
	Benign:   true,
}

// contentLength compares the length with that of a datagram; on a stream it is what a message ends by.
func (h *Heard) contentLength(d described) (Sign, bool) {
	m := h.Message
	n, ok := m.ContentLength()
	body := m.Body()
	if !ok || h.Path.Transport != "udp" || n == len(body) {
		return Sign{}, false
	}
	more := len(body) - n
	if more > 0 && len(bytes.Trim(body[n:], "\r\n \x00")) == 0 {
		return Sign{}, false // line ends behind the body are harmless, and many add them
	}
	s := Sign{
		Rule: &signContentLength, Field: "content-length", Sent: fmt.Append(nil, len(body)), Got: fmt.Append(nil, n), Confidence: Low,
		Otherwise: "a sender that counts wrong",
		Evidence:  fmt.Sprintf("%d, and the body has %d octets", n, len(body)),
	}
	if d.end > m.BodyOff && d.off > m.BodyOff && n == len(m.Raw)-d.off {
		s.Confidence, s.Otherwise = High, ""
		s.Evidence += "; it counts from the v= line, as the helper of Linux does"
		return s, true
	}
	if from, ok := h.grown(body, more); ok {
		s.Confidence, s.Otherwise, s.Own = Medium, "a sender that counts wrong by just as much", h.Src.Addr()
		s.Evidence += fmt.Sprintf(": as many more as %s takes than %s", h.Src.Addr(), from)
	}
	return s, true
}

// LeftOver is the sign that octets of a stream stand between two messages and belong to none.
func LeftOver(path Path, d Direction, octets []byte, frames []int) Sign {
	return Sign{
		Rule: &signContentLength, Field: "raw", Got: bytes.Clone(short(octets)), Confidence: Low, Otherwise: "a sender that counts wrong",
		Evidence: fmt.Sprintf("%d octets behind a message belong to none", len(octets)),
		Path:     path, Direction: d, Message: "octets", Frames: frames, Count: 1,
	}
}

// grown finds a private address in the headers that the sender's public one took the place of in the body, by the octets that
// the body has more, or fewer.
func (h *Heard) grown(body []byte, more int) (netip.Addr, bool) {
	own := h.Src.Addr()
	if Private(own) {
		return netip.Addr{}, false
	}
	n := bytes.Count(body, textOf(own))
	for _, a := range h.privateAddrs() {
		each := len(textOf(own)) - len(textOf(a))
		for k := 1; k <= min(n, 8); k++ {
			if each != 0 && k*each == more {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// privateAddrs are the private addresses in a message's headers of its sender, the Call-ID's host among them.
func (h *Heard) privateAddrs() (list []netip.Addr) {
	m := h.Message
	add := func(a netip.Addr) {
		if a.IsValid() && Private(a) {
			list = append(list, a)
		}
	}
	add(hostPort(part(m, sip.HeaderVia, 0, sip.PartSentBy)).Addr())
	add(Contact(m).Addr())
	add(uriAddr(m, sip.HeaderFrom, 0).Addr())
	if _, host, ok := strings.Cut(h.Call, "@"); ok {
		add(hostPort([]byte(host)).Addr())
	}
	return list
}

// direct reports a request that no proxy forwarded.
func (h *Heard) direct() bool {
	return h.Message.IsRequest() && countOf(h.Message, sip.HeaderVia) == 1 && countOf(h.Message, sip.HeaderRecordRoute) == 0
}
