package alg

var nonconformingDropped = Rule{
	ID:       "nonconforming-dropped",
	Severity: Info,
	Summary:  "a message that breaks SIP's rules is dropped on this port only: something there reads SIP",
	Symptom: "None by itself. It proves an application gateway even where it changes no octet of this probe, for example because " +
		"a second NAT hides the addresses that it looks for.",
	Advice: turnOff,
	Source: "RFC 3261 8.1.1",
}
