package alg

// Linux finds a Via by the text "SIP/2.0/UDP " with a blank behind it, and so misses one whose line is folded there
// (net/netfilter/nf_conntrack_sip.c, ct_sip_hdrs).
var viaFoldedUntouched = Rule{
	ID:       "via-folded-untouched",
	Severity: Info,
	Summary:  "a Via that is folded over two lines was left as it was, while the same address was rewritten elsewhere in the message",
	Symptom:  "None by itself: hardly any phone folds its Via. It tells gateways apart: this one does not read folded lines.",
	Advice:   turnOff,
	Source:   "RFC 3261 7.3.1",
	message: func(x *exchange) (Change, bool) {
		c, ok := x.missed("via[0].sent-by")
		return c, ok && folded(&x.sent, "via[0].sent-by") && x.rewroteOwn(hostOf(c.Sent))
	},
}
