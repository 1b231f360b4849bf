package alg

var registerUnanswered = Rule{
	ID:       "register-unanswered",
	Severity: Critical,
	Summary:  "a client repeats its REGISTER since it hears no answer",
	Symptom:  "The phone does not register: no calls in, and with most servers none out.",
	Advice: "Look whether the REGISTER arrives at the server, with a second capture there, and whether the answer leaves it. What drops " +
		"it on the way may be a firewall's rule, or an application gateway that takes offence at it.",
	Source: "RFC 3261 10.2.7, 17.1.2.2",
}
