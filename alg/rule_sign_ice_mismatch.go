package alg

import (
	"fmt"
	"net/netip"
	"slices"
)

// ICE has this check of its own, for it does not work through whoever rewrites c= and m= and leaves the candidates.
var signIceMismatch = Rule{
	ID:       "sign-ice-mismatch",
	Severity: Warning,
	Summary:  "the address for media is none of the candidates of ICE",
	Symptom:  "ICE is given up (\"ice-mismatch\"): audio goes by the rewritten address or not at all.",
	Advice:   proveIt,
	Source:   "RFC 8839 4.2.5, 5.3",
	Benign:   true,
}

// iceMismatches finds media sections whose default destination is none of their candidates.
func (d *described) iceMismatches(h *Heard) (list []Sign) {
	const relay = "a session border controller or relay that steers the media"
	for i := range d.media {
		m := &d.media[i]
		if m.mismatch != "" {
			list = append(list, Sign{
				Rule: &signIceMismatch, Field: m.mismatch, Got: Bytes("ice-mismatch"), Confidence: Low, Otherwise: relay,
				Evidence: "the other end says that it got such a description",
			})
			continue
		}
		p, ok := d.address(i)
		to := netip.AddrPortFrom(p.addr, uint16(m.port))
		// Port 9 and the unspecified address: candidates come later (RFC 8840).
		if !ok || len(m.candidates) == 0 || m.unknown || m.port == 0 || m.port == 9 || p.addr.IsUnspecified() || slices.Contains(m.candidates, to) {
			continue
		}
		s := Sign{
			Rule: &signIceMismatch, Field: p.path, Sent: Bytes(m.candidates[0].String()), Got: Bytes(to.String()), Confidence: Low, Otherwise: relay,
			Evidence: fmt.Sprintf("%s, while the candidates are %s", to, candidates(m.candidates)),
		}
		private := slices.ContainsFunc(m.candidates, func(a netip.AddrPort) bool { return Private(a.Addr()) })
		if p.addr == h.Src.Addr() && !Private(p.addr) && private && h.direct() {
			s.Own = p.addr
			s.Confidence, s.Otherwise = Medium, "a client with a fixed public address that its candidates lack"
		}
		list = append(list, s)
	}
	return list
}

func candidates(list []netip.AddrPort) string {
	var names []string
	for _, a := range list[:min(len(list), 4)] {
		names = append(names, a.String())
	}
	return and(names)
}
