package alg

import "bytes"

// Linux rewrites an address only where the port is the flow's as well, and takes a From without one for port 5060: from
// another source port it leaves it private (net/netfilter/nf_nat_sip.c, map_sip_addr).
var fromUntouched = Rule{
	ID:       "from-untouched",
	Severity: Info,
	Summary: "a From without a port was left as it was, while Via and Contact of the same message, from a port other than 5060, were " +
		"rewritten",
	Symptom: "Mostly none. Servers that compare From with Contact or the source see two different hosts in one message, and the " +
		"private address shows.",
	Advice: turnOff,
	Source: "RFC 3261 19.1.2",
	message: func(x *exchange) (Change, bool) {
		c, ok := x.missed("from.uri.host")
		_, ported := x.sent.Find("from.uri.port")
		_, gotPort := x.got.Find("from.uri.port")
		via := x.rewrote("via[0].sent-by")
		return c, ok && !ported && !gotPort && x.sent.IsRequest() && !bytes.HasSuffix(via, []byte(":5060")) &&
			bytes.Equal(hostOf(via), c.Sent) && bytes.Equal(x.rewrote("contact[0].uri.host"), c.Sent)
	},
}
