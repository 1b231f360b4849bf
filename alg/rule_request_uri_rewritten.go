package alg

var requestURIRewritten = Rule{
	ID:       "request-uri-rewritten",
	Severity: Warning,
	Summary:  "the start line was rewritten",
	Symptom:  "Requests reach the wrong user or none: 404 Not Found, failing registrations, digest authentication that fails.",
	Advice:   turnOff,
	Source:   "RFC 3261 8.1.1.1, 7.1",
	change: func(x *exchange, c *Change) bool {
		sip := x.sent.IsRequest() || x.sent.Status() > 0 // the first line of something else is no start line
		return isField(c, "request-uri") || isField(c, "start-line") && sip
	},
}
