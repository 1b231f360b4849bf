package alg

// A gateway that reads segments and not the stream finds in each what it knows: Linux takes the rest of a message that is cut
// among its headers for one of its own, and rewrites what stands there (net/netfilter/nf_conntrack_sip.c, sip_help_tcp).
var sipPartlyRewritten = Rule{
	ID:       "sip-partly-rewritten",
	Severity: Critical,
	Summary: "a message that arrives in several segments is rewritten in part: some of the sender's own addresses were replaced, " +
		"others of the same message were not",
	Symptom: "Calls that fail now and then: the far end has a public address for one purpose and a private one for the other, so " +
		"that answers, later requests or the media do not find their way, depending on how the octets happen to be cut.",
	Advice: turnOff,
	Source: "RFC 3261 18.3",
}
