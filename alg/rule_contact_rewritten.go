package alg

var contactRewritten = Rule{
	ID:       "contact-rewritten",
	Severity: Warning,
	Summary:  "a Contact was rewritten",
	Symptom: "Incoming calls fail, registrations get lost, or calls end after about 32 s: later requests of the call go to an " +
		"address that works only while the application gateway remembers it.",
	Advice: turnOff,
	Source: "RFC 3261 8.1.1.8, 20.10",
	change: func(_ *exchange, c *Change) bool { return isField(c, "contact") },
}
