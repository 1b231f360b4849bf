package alg

var routeRewritten = Rule{
	ID:       "route-rewritten",
	Severity: Warning,
	Summary:  "a route was rewritten (Route, Record-Route, Path or Service-Route)",
	Symptom:  "Later requests of the call take another way than the servers asked for: ACK, hold or BYE get lost, calls end after about 32 s.",
	Advice:   turnOff,
	Source:   "RFC 3261 12.2.1.1, 16.12",
	change: func(_ *exchange, c *Change) bool {
		return isField(c, "route") || isField(c, "record-route") || isField(c, "path") || isField(c, "service-route")
	},
}
