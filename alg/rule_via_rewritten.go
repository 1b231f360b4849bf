package alg

var viaRewritten = Rule{
	ID:       "via-rewritten",
	Severity: Warning,
	Summary:  "a Via was rewritten",
	Symptom: "Answers can go astray: a server that answers to the Via, or checks it against the source, is told an address " +
		"that the phone does not know.",
	Advice: turnOff,
	Source: "RFC 3261 18.1.1, 20.42",
	change: func(_ *exchange, c *Change) bool { return isField(c, "via") && c.Kind != ChangeInserted },
}
