package alg

// A gateway that changes the body adapts its length: a sign of rewriting even where the addresses look right.
var contentLengthRewritten = Rule{
	ID:       "content-length-rewritten",
	Severity: Warning,
	Summary:  "Content-Length was adapted to a body of another length",
	Symptom:  "None by itself; it shows that something on the path edits message bodies.",
	Advice:   turnOff,
	Source:   "RFC 3261 20.14",
	change: func(_ *exchange, c *Change) bool {
		return isField(c, "content-length") && c.Kind != ChangeReformatted && c.Kind != ChangeReordered
	},
}
