package alg

var headerReformatted = Rule{
	ID:       "header-reformatted",
	Severity: Info,
	Summary:  "a header was written anew: its name, spacing, folding or place is another, its value is the same",
	Symptom:  "None by itself; it shows that something on the path parses SIP and writes it again. Signatures over the message fail.",
	Advice:   turnOff,
	Source:   "RFC 3261 7.3.1",
	change: func(_ *exchange, c *Change) bool {
		return (c.Kind == ChangeReformatted || c.Kind == ChangeReordered) && ofHeader(c.Field)
	},
}
