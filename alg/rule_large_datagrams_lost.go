package alg

var largeDatagramsLost = Rule{
	ID:       "large-datagrams-lost",
	Severity: Info,
	Summary:  "large datagrams are lost on every port, so that this is the path and no application gateway",
	Symptom: "Calls with long session descriptions (video, ICE, many codecs) fail over UDP while short ones work; registrations with " +
		"long credentials, too.",
	Advice: "Let the phones use SIP over TCP or TLS, as RFC 3261 18.1.1 asks for above 1,300 octets. Where UDP must do, let the " +
		"firewall pass IP fragments and ICMP \"fragmentation needed\" (IPv6: \"packet too big\"), or shorten the messages.",
	Source: "RFC 3261 18.1.1, RFC 8900",
	Benign: true,
}
