package alg

var largeMessageLost = Rule{
	ID:       "large-message-lost",
	Severity: Critical,
	Summary:  "a message that is too large for one packet is not answered",
	Symptom:  "Calls with long session descriptions (video, ICE, many codecs) do not come about, short ones do.",
	Advice: "Let the phones use SIP over TCP or TLS, as RFC 3261 18.1.1 asks for above 1,300 octets. Where UDP must do, let the " +
		"firewall pass IP fragments and ICMP \"fragmentation needed\" (IPv6: \"packet too big\"), or shorten the messages.",
	Source: "RFC 3261 18.1.1, RFC 8900",
}
