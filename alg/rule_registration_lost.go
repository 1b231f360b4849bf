package alg

var registrationLost = Rule{
	ID:       "registration-lost",
	Severity: Critical,
	Summary:  "a call goes to where a client registered, and nobody is there any more",
	Symptom:  "Incoming calls do not ring, or only for some time after the phone was restarted or registered.",
	Advice: "Have the phone send a keepalive more often than the NAT forgets (RFC 5626 4.4), or register more often, and the server send " +
		"calls to where the last REGISTER came from. A phone that was switched off without saying so looks the same.",
	Source: "RFC 3261 10.2.4, RFC 5626 4.4, RFC 4787 4.3",
}
