package alg

var rasAddressRewritten = Rule{
	ID:       "ras-address-rewritten",
	Severity: Warning,
	Summary:  "an address in a message of registration and admission (RAS) was rewritten",
	Symptom: "Registration at the gatekeeper fails or gets lost, or incoming calls do not arrive: the gatekeeper is told an address " +
		"that works only while the application gateway remembers it.",
	Advice: turnOffH323,
	Source: "H.225.0 7.8 to 7.11",
	change: func(x *exchange, c *Change) bool { return x.proto == ProtoRAS && replaced(c) && isAddress(c.Field) },
}
