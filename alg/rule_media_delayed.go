package alg

var mediaDelayed = Rule{
	ID:       "media-delayed",
	Severity: Info,
	Summary:  "media takes long between the two captures",
	Symptom:  "People talk at the same time, and words are missing where a receiver waits no longer.",
	Advice:   "Look for a queue that is always full, a tunnel by way of somewhere else, and a relay that buffers; mark media (DSCP EF, RFC 4594 4.1) and give it precedence.",
	Source:   "ITU-T G.114",
	Benign:   true,
}
