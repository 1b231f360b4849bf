package alg

var signRepetitionAltered = Rule{
	ID:       "sign-repetition-altered",
	Severity: Warning,
	Summary:  "a message that is sent again has another address in it than the first time",
	Symptom:  "None by itself. A server that takes the two for different messages answers both.",
	Advice:   proveIt,
	Source:   "RFC 3261 17.1.1.2",
	Benign:   true,
}
