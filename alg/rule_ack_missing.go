package alg

var ackMissing = Rule{
	ID:       "ack-missing",
	Severity: Critical,
	Summary:  "the ACK of a call does not arrive",
	Symptom:  "Calls that end after about 32 s: who answered repeats the answer, gets no ACK, and gives up.",
	Advice: "Compare the Contact of the answer with the address that the ACK is sent to: a Contact that nobody can reach, or one that " +
		"was rewritten, sends the ACK astray. Else look for what drops it on the way.",
	Source: "RFC 3261 13.3.1.4",
}
