package alg

var h245AddressRewritten = Rule{
	ID:       "h245-address-rewritten",
	Severity: Critical,
	Summary:  "the address for the H.245 connection was rewritten",
	Symptom: "Calls connect and stay silent, or end after some seconds: the connection that negotiates audio and video goes to an " +
		"address that works only while the application gateway remembers it.",
	Advice: turnOffH323,
	Source: "H.225.0 7.3",
	change: func(_ *exchange, c *Change) bool { return replaced(c) && hasField(c.Field, "h245Address") },
}
