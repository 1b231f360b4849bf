package alg

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Path is what a verdict is about: a protocol on a transport to a port, from a class of source ports.
type Path struct {
	Proto      string     `json:"proto"`       // "sip", "sips", "h323" or "ras"
	Transport  string     `json:"transport"`   // "udp", "tcp" or "tls"
	Family     int        `json:"family"`      // 4 or 6
	Port       uint16     `json:"port"`        // destination port at the reflector
	SourcePort SourcePort `json:"source_port"` // "5060" or "ephemeral"
	Control    bool       `json:"control"`     // the same messages to a port that no application gateway knows
}

// String gives the path as "sip/udp/5060 from 5060".
func (p Path) String() string {
	s := fmt.Sprintf("%s/%s/%d from %s", p.Proto, p.Transport, p.Port, p.SourcePort)
	if p.Family == 6 {
		s += " (IPv6)"
	}
	return s
}

// Speaks is the protocol of the messages on the path.
func (p Path) Speaks() string {
	if p.Proto == ProtoSIPS {
		return ProtoSIP
	}
	return p.Proto
}

// ProtoName is what people call the protocol of a path.
func ProtoName(proto string) string {
	switch proto {
	case ProtoH323:
		return "H.323"
	case ProtoSIPS:
		return "SIP over TLS"
	case ProtoMedia:
		return "media"
	}
	return strings.ToUpper(proto)
}

// SourcePort is the source port that a path is about. Zero stands for a port of the system's choice: application gateways
// tell the well-known port from all others, but not the others from each other.
type SourcePort uint16

// Ephemeral is a source port of the system's choice.
const Ephemeral SourcePort = 0

func (p SourcePort) String() string {
	if p == Ephemeral {
		return "ephemeral"
	}
	return strconv.Itoa(int(p))
}

// MarshalJSON writes "5060" or "ephemeral".
func (p SourcePort) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (p *SourcePort) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == Ephemeral.String() {
		*p = Ephemeral
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return fmt.Errorf("source port %q: want a port or %q", s, Ephemeral)
	}
	*p = SourcePort(n)
	return nil
}

// Verdict says what happens to messages on one path in one direction.
type Verdict string

// The verdicts, from the best evidence of an untouched path to none at all.
const (
	Clean       Verdict = "clean"       // every planned step was delivered, every octet equal
	Altered     Verdict = "altered"     // delivered, octets differ
	Dropped     Verdict = "dropped"     // a valid message was lost while others, and the same one to the control port, passed
	Blocked     Verdict = "blocked"     // nothing arrived on this port while HTTPS to the same address worked
	Redirected  Verdict = "redirected"  // delivered to another socket than the one whose mapping it was sent to
	Intercepted Verdict = "intercepted" // TLS or TCP is terminated by somebody else
	Inspected   Verdict = "inspected"   // octets equal, yet something on the path understands the protocol
	Untested    Verdict = "untested"    // no evidence either way
)

// Interference reports whether the verdict says that something on the path touched the protocol.
func (v Verdict) Interference() bool { return v != Clean && v != Untested && v != "" }

// rank orders verdicts so that the worst step wins within a path: interference before untested before clean. That messages are
// altered concerns every call, that some are dropped perhaps only some endpoints' calls; the findings tell both.
func (v Verdict) rank() int {
	for i, w := range []Verdict{"", Clean, Untested, Inspected, Redirected, Dropped, Altered, Intercepted, Blocked} {
		if v == w {
			return i
		}
	}
	return 0
}

// Worse returns the worse of two verdicts.
func (v Verdict) Worse(w Verdict) Verdict {
	if w.rank() > v.rank() {
		return w
	}
	return v
}

// Overall is the verdict of a whole report.
type Overall string

// Overall verdicts.
const (
	OverallClean        Overall = "clean"        // every path that was asked for is clean
	OverallInterference Overall = "interference" // some path is not
	OverallInconclusive Overall = "inconclusive" // no interference seen, but not everything could be tested
)

// Direction is seen from the network that is being tested: outbound leaves it.
type Direction string

// Directions of a finding.
const (
	Outbound Direction = "outbound"
	Inbound  Direction = "inbound"
)

func directionOf(outbound bool) Direction {
	if outbound {
		return Outbound
	}
	return Inbound
}
