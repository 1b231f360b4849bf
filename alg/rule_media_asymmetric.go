package alg

var mediaAsymmetric = Rule{
	ID:       "media-asymmetric",
	Severity: Info,
	Summary:  "media comes from another port than the one announced for it",
	Symptom:  "None here. A far end that sends media back to where it comes from is not heard, and a firewall may let only the announced port pass.",
	Advice:   "Set the phone or PBX to send media from the port that it listens on (symmetric RTP).",
	Source:   "RFC 4961",
	Benign:   true,
}
