package alg

import (
	"bytes"
	"strconv"
	"strings"

	"nofixup/sip"
)

// A SIP proxy on the path says so: it adds a Via above ours, takes one from Max-Forwards, and may fill in received and
// rport and ask to stay in the route (RFC 3261 16.6, RFC 3581 4). That is no gateway that pretends not to be there.
var sipProxy = Rule{
	ID:       "sip-proxy",
	Severity: Info,
	Summary:  "a SIP proxy forwards the message: it added a Via and took one from Max-Forwards",
	Symptom:  "None by itself: calls go through that proxy.",
	Advice:   "Find out whose proxy it is. If nobody meant it to be there, it is a firewall's SIP proxy: turn it off.",
	Source:   "RFC 3261 16.6",
	Benign:   true,
	change: func(x *exchange, c *Change) bool {
		if x.pair != nil && proxysOwn(x) || len(x.proxies) > 0 && c.Kind == ChangeInserted && lineEnds(c.Got) {
			return true
		}
		if !x.sent.IsRequest() {
			// On the way back a proxy takes its own Via off again (RFC 3261 16.7), also where the status is none.
			return c.Kind == ChangeRemoved && c.Field == "via[0]" && x.proxies[sentBy(&x.sent)]
		}
		if !x.proxied {
			return false
		}
		switch {
		case c.Kind == ChangeRemoved && lineEnds(c.Sent): // a keepalive is for the next hop (RFC 5626 4.4.1)
			return true
		case c.Kind == ChangeReformatted && isField(c, "via"): // ours may now stand behind its own, in one line
			return true
		case c.Kind == ChangeInserted && (isField(c, "via") || isField(c, "record-route")):
			return true
		case c.Field == "max-forwards":
			return true
		case isField(c, "via"):
			return strings.HasSuffix(c.Field, ".received") || strings.HasSuffix(c.Field, ".rport")
		}
		return false
	},
}

// sentBy is the topmost Via's host and port.
func sentBy(m *sip.Message) string {
	s, _ := m.Find("via[0].sent-by")
	return string(s.Bytes(m.Raw))
}

// proxied reports whether a message gained a Via and lost a hop on the way (RFC 3261 16.6).
func proxied(changes []Change) bool {
	var via, hops bool
	for i := range changes {
		c := &changes[i]
		if c.Kind == ChangeInserted && c.Field == "via[0]" {
			via = true
		}
		if c.Field == "max-forwards" && c.Kind == ChangeAltered {
			sent, err1 := strconv.Atoi(string(bytes.TrimSpace(c.Sent)))
			got, err2 := strconv.Atoi(string(bytes.TrimSpace(c.Got)))
			hops = err1 == nil && err2 == nil && got == sent-1
		}
	}
	return via && hops
}

// isField reports whether a change is about a header or line, as a whole or in one of its fields.
func isField(c *Change, name string) bool {
	rest, ok := strings.CutPrefix(c.Field, name)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
