package alg

import "strings"

var viaRewritten = Rule{
	ID:       "via-rewritten",
	Severity: Warning,
	Summary:  "a Via was rewritten",
	Symptom: "Answers can go astray: a server that answers to the Via, or checks it against the source, is told an address " +
		"that the phone does not know.",
	Advice: turnOff,
	Source: "RFC 3261 18.1.1, 20.42",
	change: func(_ *exchange, c *Change) bool {
		// A whole Via that comes is an inserted header; a parameter that comes changes the Via that it comes to.
		return isField(c, "via") && (c.Kind != ChangeInserted || strings.Contains(c.Field, "."))
	},
}
