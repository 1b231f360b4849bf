package alg

// h323Rewritten takes every change that no other rule names, so that no octet that differs goes unreported.
var h323Rewritten = Rule{
	ID:       "h323-rewritten",
	Severity: Warning,
	Summary:  "the message was changed",
	Symptom:  "Depends on the field.",
	Advice:   turnOffH323,
	Source:   "H.225.0 7",
	change:   func(*exchange, *Change) bool { return true },
}
