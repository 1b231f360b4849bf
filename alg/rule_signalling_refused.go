package alg

var signallingRefused = Rule{
	ID:       "signalling-refused",
	Severity: Critical,
	Summary:  "nobody is where a request is sent to",
	Symptom:  "The phone does not register, or calls do not come about or cannot be ended.",
	Advice: "Look up who named that address and port. Where the error comes from a firewall, allow the port; where it comes from the " +
		"host itself, nothing listens there.",
	Source: "RFC 792, RFC 4443 3.1, RFC 3261 18.4",
}
