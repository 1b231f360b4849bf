package alg

var signAnswerAltered = Rule{
	ID:       "sign-answer-altered",
	Severity: Warning,
	Summary:  "an answer does not repeat what its request had",
	Symptom:  "None by itself. A client that does not find its own Via in an answer drops it: calls and registrations fail.",
	Advice:   proveIt,
	Source:   "RFC 3261 8.2.6.2",
	Benign:   true,
}
