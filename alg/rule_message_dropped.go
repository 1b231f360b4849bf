package alg

// RuleMessageDropped is the ID of the rule about valid messages that do not arrive.
const RuleMessageDropped = "message-dropped"

var messageDropped = Rule{
	ID:       RuleMessageDropped,
	Severity: Critical,
	Summary:  "a valid message is dropped, while others pass and the same one passes to the control port",
	Symptom:  "Calls or registrations fail without any answer: the phone shows a time-out.",
	Advice:   turnOff,
	Source:   "RFC 3261",
}
