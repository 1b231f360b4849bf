package alg

var headerInserted = Rule{
	ID:       "header-inserted",
	Severity: Warning,
	Summary:  "a header, or a part of one, was inserted",
	Symptom:  "Mostly none; large messages can become too large for one datagram.",
	Advice:   turnOff,
	Source:   "RFC 3261 7.3",
	change:   func(x *exchange, c *Change) bool { return c.Kind == ChangeInserted && inHeader(x, c) },
}

// inHeader reports whether a change lies in a header: before the body, and where there are headers at all.
func inHeader(x *exchange, c *Change) bool {
	if !ofHeader(c.Field) || isField(c, "start-line") || isField(c, "blank-line") {
		return false
	}
	if c.Kind == ChangeInserted {
		return c.GotOff < x.got.BodyOff
	}
	return c.SentOff < x.sent.BodyOff
}
