package alg

var mediaLossy = Rule{
	ID:       "media-lossy",
	Severity: Warning,
	Summary:  "much of the media gets lost",
	Symptom:  "Words are missing, and pictures freeze.",
	Advice:   "Look for a line that is too narrow or too long, Wi-Fi, and policing of UDP; mark media (DSCP EF, RFC 4594 4.1) and give it precedence. It is no application gateway.",
	Source:   "RFC 3550 6.4.1",
	Benign:   true,
}
