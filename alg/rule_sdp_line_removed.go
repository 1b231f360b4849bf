package alg

import "strings"

var sdpLineRemoved = Rule{
	ID:       "sdp-line-removed",
	Severity: Critical,
	Summary:  "a line, or a part of one, was removed from the SDP",
	Symptom:  "Media, codecs or encryption that were offered are not used: no video, no audio, or a call that fails.",
	Advice:   turnOff,
	Source:   "RFC 8866 5",
	change: func(_ *exchange, c *Change) bool {
		return strings.HasPrefix(c.Field, "sdp.") && c.Kind == ChangeRemoved
	},
}
