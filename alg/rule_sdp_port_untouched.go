package alg

var sdpPortUntouched = Rule{
	ID:       "sdp-port-untouched",
	Severity: Critical,
	Summary:  "the address for media was rewritten to the public one, and the port was left as it was although it is another one there",
	Symptom:  "One-way audio and video: the far end sends its media to a port at which the firewall expects nothing.",
	Advice:   turnOff,
	Source:   "RFC 3264 5.1",
}
