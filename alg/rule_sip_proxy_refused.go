package alg

// A proxy checks what it forwards (RFC 3261 16.3): what breaks the rules, or is no SIP, it need not let through. That it
// does so says nothing of a gateway.
var sipProxyRefused = Rule{
	ID:       "sip-proxy-refused",
	Severity: Info,
	Summary:  "the SIP proxy on the way does not forward a message that it need not forward",
	Symptom:  "None: no phone sends such a message.",
	Advice:   sipProxy.Advice,
	Source:   "RFC 3261 16.3",
	Benign:   true,
}
