package alg

var mediaLatched = Rule{
	ID:       "media-latched",
	Severity: Info,
	Summary:  "the address that was announced for media is private, and audio passes both ways all the same",
	Symptom:  "None: the far end sends media back to where it comes from (symmetric RTP), or a gateway beyond the capture knows better.",
	Advice:   "Nothing, as long as audio passes. It depends on what mends the address.",
	Source:   "RFC 4961",
	Benign:   true,
}
