package alg

import (
	"bytes"

	"nofixup/h323"
)

// A gateway that reads only part of a message leaves the rest private. The far end then has a public address to signal to
// and a private one to send media to: the call connects, and one side hears nothing. Linux does so with Setup messages
// whose extension bitmap has 27 bits (net/netfilter/nf_conntrack_h323_asn1.c, get_bitmap).
var h323PartlyRewritten = Rule{
	ID:       "h323-partly-rewritten",
	Severity: Critical,
	Summary:  "the address for signalling was rewritten, the address for media of the same message was not",
	Symptom: "One-way audio and video: the call connects, but the far end sends its media to the private address of the caller, " +
		"which it cannot reach.",
	Advice: turnOffH323,
	Source: "H.225.0 7.3.10",
	message: func(x *exchange) (Change, bool) {
		sent, got := x.pair.ends()
		own, ok := rewrittenSource(x)
		if !ok || x.pair.Shape != ShapeLocal && x.pair.Shape != "" {
			return Change{}, false // to the address of somebody else a gateway owes nothing
		}
		if len(sent.Raw) != len(got.Raw) {
			return Change{}, false // the octets stand elsewhere
		}
		spans := h323Spans(x.proto, sent.Raw)
		for _, field := range []h323.Field{h323.FieldMediaChannel, h323.FieldMediaControlChannel} {
			for _, s := range spans {
				off, end := int(s.Off), int(s.End)
				if s.Part != h323.PartIP || s.InnerField != field || !bytes.Equal(sent.Raw[off:end], own) || !bytes.Equal(got.Raw[off:end], own) {
					continue
				}
				return Change{
					Kind: ChangeMissed, Field: s.Path(), Sent: sent.Raw[off:end], Got: got.Raw[off:end], SentOff: off, GotOff: off,
				}, true
			}
		}
		return Change{}, false
	},
}

// rewrittenSource returns the address in sourceCallSignalAddress as it was sent, if it arrived as another one.
func rewrittenSource(x *exchange) ([]byte, bool) {
	for i := range x.changes {
		c := &x.changes[i]
		if c.Field == "setup.sourceCallSignalAddress.ip" && replaced(c) {
			return c.Sent, true
		}
	}
	return nil, false
}
