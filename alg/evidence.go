package alg

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"
)

// Evidence is all that was seen in one run; judging it again gives the same report.
type Evidence struct {
	Complete bool    `json:"complete"` // false when the run was cut short
	Points   []Point `json:"points"`
	Flows    []Flow  `json:"flows"`
	Pairs    []Pair  `json:"pairs"`
}

// Names of the two vantage points on either side of the box.
const (
	Inside  = "inside"
	Outside = "outside"
)

// RoleCapture is the Role of a point that is a capture.
const RoleCapture = "capture"

// Point is a vantage point. That a message is missing at a point means "lost" only where the point covered the time and
// was complete.
type Point struct {
	Name     string    `json:"name"` // Inside or Outside
	Role     string    `json:"role"` // what it is: "client", "reflector", "capture"
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Complete bool      `json:"complete"` // everything that passed between From and To was seen
}

// covers reports whether the absence of something that was due at t means that it did not arrive.
func (p *Point) covers(t time.Time) bool {
	return p != nil && p.Complete && !t.Before(p.From) && !t.After(p.To)
}

// Flow is one conversation between two sockets, as each side of the box saw its addresses.
type Flow struct {
	ID      int               `json:"id"`
	Parent  int               `json:"parent,omitempty"` // the flow that announced this one, 0 if none
	Path    Path              `json:"path"`
	Call    string            `json:"call,omitempty"`
	Probe   string            `json:"probe,omitempty"` // in captures: the token of the probe of nofixup that it belongs to
	Inside  [2]netip.AddrPort `json:"inside"`          // client, server, as seen inside
	Outside [2]netip.AddrPort `json:"outside"`         // client, server, as seen outside; invalid when nothing was seen there
}

// Protocols that a flow speaks, and so how its octets are read. H.245 belongs to the path of its H.225 call.
const (
	ProtoSIP  = "sip"
	ProtoSIPS = "sips" // SIP over TLS: a protocol of paths, what flows speak on them is SIP
	ProtoH323 = "h323" // H.225.0 call signalling; as the protocol of a path also its H.245
	ProtoH245 = "h245"
	ProtoRAS  = "ras"
)

// Proto is the protocol that the flow speaks.
func (f *Flow) Proto() string {
	if f.Path.Proto == ProtoH323 && f.Parent != 0 {
		return ProtoH245
	}
	return f.Path.Speaks()
}

// Translated reports whether the client's address differs on the two sides of the box: there is a NAT. A port that alone
// differs is one, too.
func (f *Flow) Translated() bool {
	return f.Outside[0].IsValid() && f.Inside[0] != f.Outside[0]
}

// Sighting is one message as one point saw it.
type Sighting struct {
	At     time.Time `json:"at"`
	Off    int       `json:"off"` // where Raw begins in the stream of its direction; 0 for a datagram
	End    int       `json:"end"` // where it ends
	Raw    Bytes     `json:"raw"` // the exact octets
	Frames []int     `json:"frames,omitempty"`

	To netip.AddrPort `json:"to,omitzero"` // the socket that it arrived at, where that is not the flow's own
}

// Role says why a message was sent.
type Role string

// Roles of a [Pair].
const (
	RoleProbe   Role = "probe"   // what the path is judged by
	RoleBracket Role = "bracket" // a message known to be good, sent around a step that may be dropped, or to make a call with media
	RoleControl Role = "control" // the same message on the control port
	RoleCause   Role = "cause"   // a variant that tells what sets a box off: by what is done to it, never by getting lost
)

// Shapes of the addresses in a message.
const (
	ShapeLocal  = "local"  // the client's own address and port
	ShapePublic = "public" // the address and port that the reflector saw, as a PBX that knows its public address writes
	ShapeNone   = "none"   // a message that sets a box off whatever addresses it holds
	// An intermediate address is "via ADDRESS".
)

// Pair is one message seen on both sides of whatever lies between. One side may be missing.
type Pair struct {
	ID       int       `json:"id"` // from 1
	Flow     int       `json:"flow"`
	Seq      int       `json:"seq"` // order of sending within the run
	Try      int       `json:"try"` // from 1
	Outbound bool      `json:"outbound"`
	Step     string    `json:"step"`  // what was sent, "invite"; an answer bears the name of its request's step
	Shape    string    `json:"shape"` // whose addresses the message holds
	Role     Role      `json:"role"`
	Trait    string    `json:"trait,omitempty"`    // what is odd about the message, "a host name in c="
	Breaks   string    `json:"breaks,omitempty"`   // the rule that the message breaks on purpose, "RFC 3261 8.1.1: no CSeq"
	Control  int       `json:"control,omitempty"`  // the pair of the same step on the control port
	Datagram Datagram  `json:"datagram,omitzero"`  // of a message that was sent for its size
	Delay    float64   `json:"delay_ms,omitempty"` // of captures: how much later than the first point the second has it, at least, in ms
	Inside   *Sighting `json:"inside"`
	Outside  *Sighting `json:"outside"`
}

// ends returns the octets on the sending and on the receiving side.
func (p *Pair) ends() (sent, got *Sighting) {
	if p.Outbound {
		return p.Inside, p.Outside
	}
	return p.Outside, p.Inside
}

// Delivered reports whether the message was seen on both sides.
func (p *Pair) Delivered() bool { return p.Inside != nil && p.Outside != nil }

// Outcome is how a [Trial] ended.
type Outcome string

// Outcomes of a trial.
const (
	OutcomeOK     Outcome = "ok"
	OutcomeFailed Outcome = "failed"
	OutcomeUnsent Outcome = "unsent" // it was not made, since it could have harmed or shown nothing
)

// Kinds of a [Trial].
const (
	TrialSocket  = "socket"  // a source port of this computer could not be had
	TrialStep    = "step"    // a planned message was not sent
	TrialConnect = "connect" // a TCP connection came about or did not
	TrialTLS     = "tls"     // a TLS handshake came about, or did not
	TrialRefused = "refused" // an ICMP error came for a datagram that was sent
	TrialBan     = "ban"     // from one message on nothing that was sent arrived
	TrialUnused  = "unused"  // a connection to an address at which nobody listens came about or, as it should be, did not
	TrialH245    = "h245"    // the connection for H.245 that a call announced came about or did not
	TrialMedia   = "media"   // media of a call arrived, some of it or all, or did not
	TrialPinhole = "pinhole" // a datagram from outside came in to a port from which nothing was ever sent, or did not
	TrialBinding = "binding" // a datagram came back in after a time of silence, or did not
)

// Trial is one attempt with an outcome and no octets to compare.
type Trial struct {
	Kind    string         `json:"kind"` // one of the Trial constants
	Path    Path           `json:"path"`
	Src     netip.AddrPort `json:"src"`
	Dst     netip.AddrPort `json:"dst"`
	At      time.Time      `json:"at"`
	Outcome Outcome        `json:"outcome"`
	By      netip.Addr     `json:"by,omitzero"`    // who refused it, where the system tells
	Step    string         `json:"step,omitempty"` // of kind ban: what was sent last before it
	Detail  string         `json:"detail,omitempty"`
	TLS     *TLS           `json:"tls,omitempty"` // of kind tls: the handshake, as far as it came
	TCP     *TCP           `json:"tcp,omitempty"` // of kind unused, where it came about: what the systems tell of connections
	Media   *Media         `json:"media,omitempty"`
	Pinhole *Pinhole       `json:"pinhole,omitempty"`
	Binding *Binding       `json:"binding,omitempty"`
}

// judged reports that a trial that failed has a verdict or a finding of its own: it leaves no doubt about others.
func (t *Trial) judged() bool {
	switch t.Kind {
	case TrialConnect, TrialTLS, TrialH245, TrialRefused, TrialUnused, TrialMedia, TrialPinhole, TrialBinding:
		return true
	case TrialBan:
		return t.Step != ""
	}
	return false
}

// Case is what is judged together: here all flows of one protocol, transport and address family, with their control.
type Case struct {
	Points []Point
	Flows  []Flow
	Pairs  []Pair
	Trials []Trial

	// Holes are the trials of other cases that tell what filters datagrams of the same address family on their way in.
	Holes []Trial

	// CutShort says that the run ended early: what was planned may not have been sent, so that nothing is clean.
	CutShort bool
}

func (c *Case) point(name string) *Point {
	for i := range c.Points {
		if c.Points[i].Name == name {
			return &c.Points[i]
		}
	}
	return nil
}

// captured reports that the messages come from captures of real calls. Nobody planned them: what a gateway does to others they
// need not show, and of two captures each may miss what the other has. Those of a probe were planned.
func (c *Case) captured() bool {
	p := c.point(Inside)
	return p != nil && p.Role == RoleCapture && !slices.ContainsFunc(c.Flows, func(f Flow) bool { return f.Probe != "" })
}

// group names the flows that are judged together.
type group struct {
	proto, transport string
	family           int
	probe            string
}

func (p Path) group() group { return group{p.Proto, p.Transport, p.Family, ""} }

// Cases cuts the evidence, and the trials made beside it, into what is judged together, in the order of first appearance.
func (e *Evidence) Cases(trials []Trial) []Case {
	var cases []Case
	index := map[group]int{}
	at := func(p Path, probe string) *Case {
		g := p.group()
		g.probe = probe
		i, ok := index[g]
		if !ok {
			i = len(cases)
			index[g] = i
			cases = append(cases, Case{Points: e.Points, CutShort: !e.Complete})
		}
		return &cases[i]
	}
	flows := map[int]*Flow{}
	for i := range e.Flows {
		f := &e.Flows[i]
		flows[f.ID] = f
		c := at(f.Path, f.Probe)
		c.Flows = append(c.Flows, *f)
	}
	for _, p := range e.Pairs {
		f := flows[p.Flow]
		if f == nil {
			continue // a damaged report: a pair of no flow belongs to no path
		}
		c := at(f.Path, f.Probe)
		c.Pairs = append(c.Pairs, p)
	}
	for _, t := range trials {
		c := at(t.Path, "")
		c.Trials = append(c.Trials, t)
	}
	for _, t := range trials {
		if t.Pinhole == nil {
			continue
		}
		for g, i := range index {
			if g.family == t.Path.Family && g != t.Path.group() {
				cases[i].Holes = append(cases[i].Holes, t)
			}
		}
	}
	return cases
}

// Bytes are octets of the wire. In JSON they are a string where they are valid UTF-8, else
// {"data": "…", "format": "base64"}; both keep every octet.
type Bytes []byte

type encoded struct {
	Data   string `json:"data"`
	Format string `json:"format"`
}

// MarshalJSON writes a string or, for what is no UTF-8, an object with base64.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if utf8.Valid(b) {
		// Every < of a SIP message would become \u003c; whoever wants that has the outer encoder do it.
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		err := enc.Encode(string(b))
		return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
	}
	return json.Marshal(encoded{base64.StdEncoding.EncodeToString(b), "base64"})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (b *Bytes) UnmarshalJSON(in []byte) error {
	if len(in) > 0 && in[0] == '{' {
		var e encoded
		if err := json.Unmarshal(in, &e); err != nil {
			return err
		}
		if e.Format != "base64" {
			return fmt.Errorf("octets: unknown format %q", e.Format)
		}
		raw, err := base64.StdEncoding.DecodeString(e.Data)
		*b = raw
		return err
	}
	var s string
	if err := json.Unmarshal(in, &s); err != nil {
		return err
	}
	*b = Bytes(s)
	return nil
}
