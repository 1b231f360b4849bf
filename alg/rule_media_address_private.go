package alg

// A call may name a private address if somebody on the way knows better, be it a far end that sends back to where media comes
// from or a gateway. Where nothing arrives nobody did.
var mediaAddressPrivate = Rule{
	ID:       "media-address-private",
	Severity: Critical,
	Summary:  "the address that was announced for media is private, the far end is not, and no media arrives",
	Symptom:  "One-way audio and video: the call connects, but the far end sends its media to an address that it cannot reach.",
	Advice: "Have the far end send media back to where it comes from (symmetric RTP, \"latching\", \"comedia\"), or the phone announce " +
		"its public address (STUN, ICE, \"external address\").",
	Source: "RFC 3264 5.1, RFC 4961, H.245 B.3",
}
