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

// inHeader reports whether a change lies before the body.
func inHeader(x *exchange, c *Change) bool {
	if c.Kind == ChangeInserted {
		return c.GotOff < x.got.BodyOff
	}
	return c.SentOff < x.sent.BodyOff
}
