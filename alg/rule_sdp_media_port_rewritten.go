package alg

import "strings"

var sdpMediaPortRewritten = Rule{
	ID:       "sdp-media-port-rewritten",
	Severity: Critical,
	Summary:  "a media port (m= line of the SDP) was rewritten",
	Symptom:  "One-way or no audio or video: the far end sends to a port that only the application gateway knows.",
	Advice:   turnOff,
	Source:   "RFC 8866 5.14",
	change: func(_ *exchange, c *Change) bool {
		return strings.HasPrefix(c.Field, "sdp.media[") && strings.HasSuffix(c.Field, ".port") && c.Kind == ChangeAltered
	},
}
