package alg

var mediaRefused = Rule{
	ID:       "media-refused",
	Severity: Critical,
	Summary:  "nobody is where media is sent to",
	Symptom:  "One-way audio and video: one side hears the other and is not heard.",
	Advice: "Look up who announced that address: where nobody listens there the announcement is wrong or was rewritten. Where " +
		"the error comes from a firewall, allow UDP to the media ports.",
	Source: "RFC 792, RFC 4443 3.1",
}
