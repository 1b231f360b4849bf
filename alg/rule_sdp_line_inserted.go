package alg

import "strings"

var sdpLineInserted = Rule{
	ID:       "sdp-line-inserted",
	Severity: Warning,
	Summary:  "a line, or a part of one, was inserted into the SDP",
	Symptom: "Mostly none; strict endpoints reject an SDP with lines out of order. Some firewalls leave a trace of the " +
		"original address in such a line.",
	Advice: turnOff,
	Source: "RFC 8866 5",
	change: func(_ *exchange, c *Change) bool {
		return strings.HasPrefix(c.Field, "sdp.") && c.Kind == ChangeInserted
	},
}
