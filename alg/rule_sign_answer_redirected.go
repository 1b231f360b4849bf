package alg

var signAnswerRedirected = Rule{
	ID:       "sign-answer-redirected",
	Severity: Warning,
	Summary:  "an answer is delivered to another port than the request came from, although it says that it was sent back there",
	Symptom:  "Phones that send from one port and name another in their Via wait for answers in vain.",
	Advice:   proveIt,
	Source:   "RFC 3581 4",
	Benign:   true,
}
