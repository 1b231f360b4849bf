package alg

// messageRewritten takes every change that no other rule names, so that no octet that differs goes unreported.
var messageRewritten = Rule{
	ID:       "message-rewritten",
	Severity: Warning,
	Summary:  "the message was changed",
	Symptom:  "Depends on the field.",
	Advice:   turnOff,
	Source:   "RFC 3261 7",
	change:   func(*exchange, *Change) bool { return true },
}
