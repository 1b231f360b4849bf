package alg

var headerRemoved = Rule{
	ID:       "header-removed",
	Severity: Warning,
	Summary:  "a header, or a part of one, was removed",
	Symptom:  "Features that need the header do not work: transfers, caller identity, session timers, encryption.",
	Advice:   turnOff,
	Source:   "RFC 3261 7.3",
	change:   func(x *exchange, c *Change) bool { return c.Kind == ChangeRemoved && inHeader(x, c) },
}
