package alg

import "strings"

var bodyCorrupted = Rule{
	ID:       "body-corrupted",
	Severity: Critical,
	Summary:  "a body that is no SDP was changed",
	Symptom:  "Presence, message waiting, dialog state, recordings or chat show wrong data or none; signed bodies are rejected.",
	Advice:   turnOff,
	Source:   "RFC 3261 7.4",
	change: func(_ *exchange, c *Change) bool {
		return strings.HasPrefix(c.Field, "body")
	},
}
