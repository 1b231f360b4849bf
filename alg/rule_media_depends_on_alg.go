package alg

var mediaDependsOnALG = Rule{
	ID:       "media-depends-on-alg",
	Severity: Warning,
	Summary:  "media arrives at the announced address only because of an application gateway",
	Symptom:  "None as it is. Without the gateway calls have one-way audio with every service that sends media to the announced address.",
	Advice:   "Before you turn the gateway off, see that the service sends media back to where it comes from (symmetric RTP, also called latching or comedia), or that the endpoints use ICE. Nearly all do.",
	Source:   "RFC 4961, RFC 8445",
	Benign:   true,
}
