package alg

import (
	"bytes"

	"nofixup/sip"
	"nofixup/sip/sdp"
)

// Linux writes the address that it takes for the media's into o=, whatever stands there, also where that is somebody else's
// and c= stays as it is (net/netfilter/nf_nat_sip.c, nf_nat_sdp_session).
var sdpOriginForced = Rule{
	ID:       "sdp-origin-forced",
	Severity: Warning,
	Summary:  "the origin (o= line of the SDP) was replaced by the address in c=, which is somebody else's and was left as it was",
	Symptom: "Mostly none; endpoints that tell sessions apart by their origin can miss a hold or take a re-INVITE for a new " +
		"session.",
	Advice: turnOff,
	Source: "RFC 8866 5.2",
	change: func(x *exchange, c *Change) bool {
		if c.Kind != ChangeAltered || c.Field != "sdp.o.address" {
			return false
		}
		was, is := connections(&x.sent), connections(&x.got)
		same := func(a []byte) bool { return bytes.Equal(a, c.Got) }
		for i := range min(len(was), len(is)) {
			if same(was[i]) && same(is[i]) {
				return true
			}
		}
		return false
	},
}

// connections returns the addresses in the c= lines of a message.
func connections(m *sip.Message) [][]byte {
	off, end, ok := m.SDP()
	if !ok {
		return nil
	}
	var out [][]byte
	body := m.Raw[off:end]
	for _, s := range sdp.AppendSpans(nil, body) {
		if s.Type == 'c' && s.Part == sdp.PartAddress {
			out = append(out, s.Bytes(body))
		}
	}
	return out
}
