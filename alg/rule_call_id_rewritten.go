package alg

var callIDRewritten = Rule{
	ID:       "call-id-rewritten",
	Severity: Warning,
	Summary:  "the Call-ID was rewritten",
	Symptom: "Transfers with Replaces, call pickup and call records that join both sides fail, since the two ends know the " +
		"call by different names.",
	Advice: turnOff,
	Source: "RFC 3261 8.1.1.4, RFC 3891",
	change: func(_ *exchange, c *Change) bool { return isField(c, "call-id") && c.Kind == ChangeAltered },
}
