package alg

var mediaFromElsewhere = Rule{
	ID:       "media-from-elsewhere",
	Severity: Info,
	Summary:  "media comes from another address than the one that was announced for it, and audio passes both ways all the same",
	Symptom:  "None here. A firewall may let only the announced address pass.",
	Advice:   "Nothing, as long as audio passes: media servers and NATs do that.",
	Source:   "RFC 4961",
	Benign:   true,
}
