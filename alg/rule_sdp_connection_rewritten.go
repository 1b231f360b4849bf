package alg

import (
	"bytes"
	"strings"
)

var sdpConnectionRewritten = Rule{
	ID:       "sdp-connection-rewritten",
	Severity: Critical,
	Summary:  "the address for media (c= line of the SDP) was rewritten",
	Symptom: "One-way or no audio: the far end sends its audio to an address that an application gateway wrote, which works " +
		"only as long as that gateway also keeps the port open; holds, transfers and video often break.",
	Advice: turnOff,
	Source: "RFC 8866 5.7",
	change: func(_ *exchange, c *Change) bool {
		return hasLine(c.Field, "c") && c.Kind != ChangeReformatted && c.Kind != ChangeReordered && !lineRemoved(c)
	},
}

// lineRemoved reports whether a change takes away a whole line.
func lineRemoved(c *Change) bool {
	return c.Kind == ChangeRemoved && bytes.HasSuffix(c.Sent, []byte("\n"))
}

// hasLine reports whether a field path is within an SDP line of the given letter: "sdp.c.address" and
// "sdp.media[0].c.address" are within c.
func hasLine(path, letter string) bool {
	path, ok := strings.CutPrefix(path, "sdp.")
	if !ok {
		return false
	}
	for part := range strings.SplitSeq(path, ".") {
		name, _, _ := strings.Cut(part, "[")
		if name == letter {
			return true
		}
		if name != "media" {
			return false
		}
	}
	return false
}
