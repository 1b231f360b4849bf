package alg

var mediaBlocked = Rule{
	ID:       "media-blocked",
	Severity: Critical,
	Summary:  "media does not get through",
	Symptom:  "Calls connect and stay silent.",
	Advice:   "Allow UDP to the media ports of the service, and the answers to it, in the firewall's rules. Where a call on another port has media, an application gateway is in the way: turn it off.",
	Source:   "RFC 3550 11",
}
