package alg

var registrationMoved = Rule{
	ID:       "registration-moved",
	Severity: Warning,
	Summary:  "a NAT forgot the way to a client between its registrations",
	Symptom:  "Incoming calls do not ring from some time after a registration until the next one.",
	Advice:   "Have the phones send a keepalive more often than that (RFC 5626 4.4), or register more often.",
	Source:   "RFC 4787 4.3, RFC 5626 4.4",
}
