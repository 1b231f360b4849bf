package alg

var sdpOriginRewritten = Rule{
	ID:       "sdp-origin-rewritten",
	Severity: Warning,
	Summary:  "the origin (o= line of the SDP) was rewritten",
	Symptom: "Mostly none; endpoints that tell sessions apart by their origin can miss a hold or take a re-INVITE for a new " +
		"session.",
	Advice: turnOff,
	Source: "RFC 8866 5.2",
	change: func(_ *exchange, c *Change) bool {
		return hasLine(c.Field, "o") && c.Kind != ChangeReformatted && c.Kind != ChangeReordered && !lineRemoved(c)
	},
}
