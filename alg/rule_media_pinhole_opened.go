package alg

var mediaPinholeOpened = Rule{
	ID:       "media-pinhole-opened",
	Severity: Warning,
	Summary:  "a port that was announced for media is open from outside, one beside it that nobody announced is not: something read the call",
	Symptom:  "None by itself. Media and calls depend on a gateway that reads every call, and breaks when it does not understand one.",
	Advice:   turnOff,
	Source:   "RFC 3261 1, RFC 7092 1, H.323 6",
}
