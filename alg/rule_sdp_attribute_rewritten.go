package alg

var sdpAttributeRewritten = Rule{
	ID:       "sdp-attribute-rewritten",
	Severity: Warning,
	Summary:  "an attribute (a= line of the SDP) was rewritten",
	Symptom: "Depends on the attribute: RTCP to the wrong place (a=rtcp), failing ICE (a=candidate), failing encryption " +
		"(a=crypto, a=fingerprint), or a codec that is not understood.",
	Advice: turnOff,
	Source: "RFC 8866 5.13",
	change: func(_ *exchange, c *Change) bool {
		return hasLine(c.Field, "a") && c.Kind == ChangeAltered
	},
}
