package alg

var mediaOneWay = Rule{
	ID:       "media-one-way",
	Severity: Critical,
	Summary:  "media passes one way only",
	Symptom:  "One-way audio and video: one side hears the other and is not heard.",
	Advice:   "Where a gateway rewrote the call, turn it off; else allow UDP from the media ports of the service, as answers to what is sent to them, for as long as a call lasts.",
	Source:   "RFC 3264 5.1, RFC 4961",
}
