package alg

import "strings"

var sdpRewritten = Rule{
	ID:       "sdp-rewritten",
	Severity: Warning,
	Summary:  "the SDP was changed",
	Symptom:  "Depends on the line: media, codecs or timing that the endpoints did not agree on.",
	Advice:   turnOff,
	Source:   "RFC 8866",
	change:   func(_ *exchange, c *Change) bool { return strings.HasPrefix(c.Field, "sdp.") },
}
