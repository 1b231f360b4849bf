package alg

import "bytes"

// Linux looks at the topmost Via alone (net/netfilter/nf_nat_sip.c).
var viaLowerUntouched = Rule{
	ID:       "via-lower-untouched",
	Severity: Info,
	Summary:  "the topmost Via was rewritten, a lower one with the same address was left as it was",
	Symptom:  "None by itself. It tells gateways apart: this one looks at the topmost Via alone.",
	Advice:   turnOff,
	Source:   "RFC 3261 20.42",
	message: func(x *exchange) (Change, bool) {
		c, ok := x.missed("via[1].sent-by")
		was := x.rewrote("via[0].sent-by")
		return c, ok && was != nil && bytes.Equal(was, c.Sent)
	},
}
