package alg

import (
	"bytes"
	"net/netip"
)

// FortiGate writes the origin that it replaced into a line of its own (nat-trace, on by default).
var signProductMark = Rule{
	ID:       "sign-product-mark",
	Severity: Warning,
	Summary:  "a line in the description is the mark of a product that rewrites it",
	Symptom:  "None by itself: what else the gateway does shows in other messages.",
	Advice:   proveIt,
	Source:   "RFC 8866 5.4",
	Benign:   true,
}

func (h *Heard) mark(d described) (Sign, bool) {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(d.info), []byte("(o=IN IP"))
	if !ok || len(rest) < 2 {
		return Sign{}, false
	}
	a, err := netip.ParseAddr(string(bytes.TrimRight(bytes.TrimSpace(rest[1:]), ")")))
	if err != nil || d.origin.addr == a.Unmap() {
		return Sign{}, false
	}
	return Sign{
		Rule: &signProductMark, Field: d.infoPath, Got: d.info, Confidence: High,
		Evidence: "the origin was " + a.String() + " before a FortiGate rewrote it (nat-trace)",
	}, true
}
