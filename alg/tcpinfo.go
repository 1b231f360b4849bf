package alg

import (
	"fmt"
	"strings"
)

// TCP is what the systems at both ends say of connections: a hint at who is at the other end. Where somebody in between completes them, each
// end knows the way to him alone. That the ends agree proves nothing, and that they do not is no verdict by itself.
type TCP struct {
	Unused *TCPEnd `json:"unused,omitempty"` // this end of the connection to where nobody listens
	Client *TCPEnd `json:"client,omitempty"` // this end of an ordinary connection on the same path
	Server *TCPEnd `json:"server,omitempty"` // the reflector's end of that one
}

// TCPEnd is what one end of a connection knows of it, when it has just come about. 0 stands for what is not known.
type TCPEnd struct {
	RTT float64 `json:"rtt_ms,omitempty"` // round trip, in milliseconds
	MSS int     `json:"mss,omitempty"`    // largest segment that it sends, in octets without TCP options: what the other end announced, or less
}

// String says what is known, "" if nothing is.
func (t *TCP) String() string {
	if t == nil {
		return ""
	}
	var parts []string
	if u := t.Unused; u != nil && u.RTT > 0 {
		parts = append(parts, fmt.Sprintf("who is there answers in %.2f ms", u.RTT))
	}
	if c, s := t.Client, t.Server; c != nil && s != nil {
		if c.RTT > 0 && s.RTT > 0 {
			parts = append(parts, fmt.Sprintf("a connection to the reflector has a round trip of %.2f ms here and %.2f ms at the reflector", c.RTT, s.RTT))
		}
		if c.MSS > 0 && s.MSS > 0 {
			parts = append(parts, fmt.Sprintf("an MSS of %d here and %d at the reflector", c.MSS, s.MSS))
		}
	}
	return strings.Join(parts, ", ")
}
