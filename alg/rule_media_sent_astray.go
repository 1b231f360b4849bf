package alg

var mediaSentAstray = Rule{
	ID:       "media-sent-astray",
	Severity: Critical,
	Summary:  "media comes from another address than the one that was announced, and what is sent to the announced one is not heard",
	Symptom:  "One-way audio and video: the call connects, and the media goes to somebody else.",
	Advice: "Look up who wrote the announced address: a fixed \"external address\" that is out of date, a STUN answer of another network, a " +
		"gateway that wrote the address of another line. Or have the far end send back to where media comes from (symmetric RTP).",
	Source: "RFC 3264 5.1, RFC 4961",
}
