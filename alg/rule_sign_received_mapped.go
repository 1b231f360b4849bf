package alg

import (
	"fmt"
	"net/netip"
	"strconv"

	"nofixup/sip"
)

// A server writes the address that it saw a request come from into the answer. A gateway that translates messages both ways maps
// it back to the private one, which the server cannot have seen (net/netfilter/nf_nat_sip.c: "received=").
var signReceivedMapped = Rule{
	ID:       "sign-received-mapped",
	Severity: Warning,
	Summary:  "an answer says that the request came from a private address, which its public sender cannot have seen behind a NAT",
	Symptom:  "Clients that learn their public address from received= do not learn it.",
	Advice:   proveIt,
	Source:   "RFC 3261 18.2.1, RFC 3581 4",
	Benign:   true,
}

// receivedMapped looks at the topmost Via of an answer that reaches its client.
func (h *Heard) receivedMapped() (Sign, bool) {
	m, client := h.Message, h.Dst
	if m.IsRequest() || !Private(client.Addr()) || Private(h.Src.Addr()) {
		return Sign{}, false
	}
	v, ok := param(m, sip.HeaderVia, 0, "received")
	if !ok || hostPort(v).Addr() != client.Addr() {
		return Sign{}, false
	}
	s := Sign{
		Rule: &signReceivedMapped, Field: "via[0].received", Got: v, Confidence: Low, Otherwise: "a network without a NAT between the two", Client: client.Addr(),
		Evidence: fmt.Sprintf("%s, from %s", client.Addr(), h.Src),
	}
	if v, ok := param(m, sip.HeaderVia, 0, "rport"); ok {
		if port, err := strconv.ParseUint(string(v), 10, 16); err == nil && uint16(port) != client.Port() {
			s.Confidence, s.Otherwise = High, ""
			s.Evidence += fmt.Sprintf("; rport=%d is not the client's port, %d, so there is a NAT", port, client.Port())
		}
	}
	return s, true
}

// Natted returns the client that an answer shows to be behind a NAT: its server saw another address.
func (h *Heard) Natted() (netip.Addr, bool) {
	m := h.Message
	if m.IsRequest() {
		return netip.Addr{}, false
	}
	v, ok := param(m, sip.HeaderVia, 0, "received")
	a := hostPort(v).Addr()
	return h.Dst.Addr(), ok && a.IsValid() && !Private(a) && Private(h.Dst.Addr())
}

// Settle raises or lowers confidence by what the whole capture shows: natted says that a client is known to be behind a NAT, stun
// that an address was learnt from STUN.
func (s *Sign) Settle(natted, stun bool) {
	switch {
	case s.Rule.ID == signReceivedMapped.ID && natted:
		s.Confidence, s.Otherwise = High, ""
		s.Evidence += "; other answers show that there is a NAT"
	case stun && s.Own.IsValid():
		s.Confidence, s.Otherwise = Low, "the client asks a STUN server for this address"
	}
}
