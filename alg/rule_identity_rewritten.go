package alg

import "strings"

var identityRewritten = Rule{
	ID:       "identity-rewritten",
	Severity: Warning,
	Summary:  "who calls or is called was rewritten (From, To, P-Asserted-Identity and the like)",
	Symptom: "Registrations and calls are refused because the server does not know the domain, digest authentication fails, or " +
		"the caller is shown wrongly.",
	Advice: turnOff,
	Source: "RFC 3261 8.1.1.2, 8.1.1.3; RFC 3325",
	change: func(_ *exchange, c *Change) bool {
		for _, name := range []string{
			"from", "to", "p-asserted-identity", "p-preferred-identity", "remote-party-id",
			"diversion", "history-info", "refer-to", "referred-by", "reply-to",
		} {
			// A whole header that comes or goes is another rule's; a part of one is part of who it names.
			part := c.Kind == ChangeAltered || strings.Contains(c.Field, ".")
			if isField(c, name) && part {
				return true
			}
		}
		return false
	},
}
