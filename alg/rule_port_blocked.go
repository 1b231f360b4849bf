package alg

var portBlocked = Rule{
	ID:       "port-blocked",
	Severity: Critical,
	Summary:  "nothing arrives on this port, while HTTPS to the same address works",
	Symptom:  "Phones cannot register or call at all over this transport and port.",
	Advice: "Allow the port towards the service in the firewall's rules, for both directions of the same flow. This is a rule " +
		"of a firewall, not an application gateway.",
	Source: "RFC 3261 18",
}
