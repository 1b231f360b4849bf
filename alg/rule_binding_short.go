package alg

var bindingShort = Rule{
	ID:       "binding-short",
	Severity: Warning,
	Summary:  "the way back in for calls closes sooner than elsewhere",
	Symptom:  "Calls to here go unanswered some time after the last registration or keepalive.",
	Advice:   "Have the phones send a keepalive more often than that (RFC 5626 4.4), or register more often.",
	Source:   "RFC 4787 4.3",
	Benign:   true,
}
