package alg

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Schema is the version of the report's JSON form. Within a version fields are only added.
const Schema = 1

// Severity says how much a finding matters to the user of a phone.
type Severity string

// Severities, the worst first.
const (
	Critical Severity = "critical" // calls fail or have no audio one way
	Warning  Severity = "warning"  // something that endpoints rely on was changed
	Info     Severity = "info"     // worth knowing
)

func (s Severity) rank() int { return slices.Index([]Severity{Critical, Warning, Info}, s) }

// Report is the result of a run: what docs/report.schema.json describes.
type Report struct {
	Schema   int       `json:"schema"`
	Tool     string    `json:"tool"`
	Version  string    `json:"version"`
	Source   string    `json:"source"` // "probe", "demo"
	Started  time.Time `json:"started"`
	Duration int64     `json:"duration_ms"`
	Verdict  Overall   `json:"verdict"`

	Network  Network       `json:"network"`
	Paths    []PathResult  `json:"paths"`
	Findings []Finding     `json:"findings"`
	Calls    []Call        `json:"calls,omitempty"`
	Streams  []Stream      `json:"streams,omitempty"`
	Probes   []Probe       `json:"probes,omitempty"`   // that captures hold
	Passages []Passage     `json:"passages,omitempty"` // of streams, between two captures
	Clock    *Clock        `json:"clock,omitempty"`    // of two captures
	Media    *MediaSummary `json:"media,omitempty"`
	Trials   []Trial       `json:"trials"`
	Triggers []string      `json:"triggers"` // what sets the box off, one sentence each
	Evidence Evidence      `json:"evidence"`
}

// Network is what was learnt about the network between client and reflector. None of it is interference.
type Network struct {
	Local     netip.Addr `json:"local"`
	Interface string     `json:"interface,omitempty"`
	MTU       int        `json:"mtu,omitempty"`
	Public    netip.Addr `json:"public"` // as the reflector saw the probes, the zero address when it saw none
	NAT       bool       `json:"nat"`
	NATs      int        `json:"nats"` // translations known of: one hides all that lie between it and the client
	Reflector netip.Addr `json:"reflector"`
	Notes     []string   `json:"notes"` // what limits the meaning of the result
	Mappings  []Mapping  `json:"mappings,omitempty"`
}

// Probe is a probe of nofixup that captures hold: its messages are known by the token in them, whatever was made of the rest,
// and are judged as the probe judges them.
type Probe struct {
	Token    string    `json:"token"` // names the session with the reflector in every message
	Started  time.Time `json:"started"`
	Messages int       `json:"messages"` // of SIP and H.323; of two captures those of the inside
	Outside  int       `json:"outside,omitempty"`
}

// Mapping is what a NAT makes of the socket that a path over UDP is tested from.
type Mapping struct {
	Path    Path           `json:"path"`
	Inside  netip.AddrPort `json:"inside"`
	Outside netip.AddrPort `json:"outside"` // as the reflector saw it
}

// PathResult is the verdict on one path, per direction.
type PathResult struct {
	Path
	Outbound Verdict `json:"outbound"`
	Inbound  Verdict `json:"inbound"`
	Reason   string  `json:"reason"` // empty when both are clean
}

// Finding is one kind of change, or one loss, on one path in one direction.
type Finding struct {
	ID         string     `json:"id"` // of the rule
	Severity   Severity   `json:"severity"`
	Proto      string     `json:"proto"`
	Transport  string     `json:"transport"`
	Family     int        `json:"family"`
	Port       uint16     `json:"port"`
	SourcePort SourcePort `json:"source_port"`
	Direction  Direction  `json:"direction"`
	Message    string     `json:"message"`         // method of a request, "486 INVITE" for a response
	Shape      string     `json:"shape"`           // whose addresses the first such message held
	Kind       ChangeKind `json:"kind,omitempty"`  // empty where nothing was compared
	Field      string     `json:"field,omitempty"` // path of the field
	Sent       Bytes      `json:"sent"`            // as on the wire
	Got        Bytes      `json:"got"`
	Count      int        `json:"count"` // messages in which it was seen
	Call       string     `json:"call"`
	Cause      string     `json:"cause,omitempty"` // ID of the finding that this one follows from
	Frames     []int      `json:"frames"`
	Summary    string     `json:"summary"`
	Symptom    string     `json:"symptom"`
	Advice     string     `json:"advice"`
	Confidence Confidence `json:"confidence,omitempty"` // of a sign that one vantage point saw; empty where both sides were compared
	Otherwise  string     `json:"otherwise,omitempty"`  // what else explains such a sign
	Marks      []Mark     `json:"marks"`                // where in the evidence it can be seen; at most maxMarks
}

// Mark points at a change in the evidence: octet offsets into the two sightings of a pair.
type Mark struct {
	Pair    int `json:"pair"`
	SentOff int `json:"sent_off"`
	SentEnd int `json:"sent_end"`
	GotOff  int `json:"got_off"`
	GotEnd  int `json:"got_end"`
}

// maxMarks bounds the marks of one finding: the first few prove it as well as all of them.
const maxMarks = 8

// Path is the path that the finding is about.
func (f *Finding) Path() Path {
	return Path{Proto: f.Proto, Transport: f.Transport, Family: f.Family, Port: f.Port, SourcePort: f.SourcePort}
}

// normalise puts everything into its lasting order and turns absent lists into empty ones.
func (r *Report) normalise() {
	slices.SortStableFunc(r.Paths, func(a, b PathResult) int { return comparePaths(a.Path, b.Path) })
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Severity.rank(), b.Severity.rank()),
			cmp.Compare(a.Direction, b.Direction)*-1, // outbound first
			comparePaths(a.Path(), b.Path()),
			cmp.Compare(a.ID, b.ID), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message),
		)
	})
	r.Paths = list(r.Paths)
	r.Findings = list(r.Findings)
	for i := range r.Findings {
		r.Findings[i].Frames = list(r.Findings[i].Frames)
		r.Findings[i].Marks = list(r.Findings[i].Marks)
	}
	r.Trials = list(r.Trials)
	r.Triggers = list(r.Triggers)
	r.Network.Notes = list(r.Network.Notes)
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func comparePaths(a, b Path) int {
	control := func(p Path) int {
		if p.Control {
			return 1
		}
		return 0
	}
	// Source port 5060 comes before an ephemeral one: that is where gateways act first.
	return cmp.Or(
		cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Transport, b.Transport)*-1, cmp.Compare(a.Family, b.Family),
		cmp.Compare(control(a), control(b)), cmp.Compare(a.Port, b.Port), cmp.Compare(b.SourcePort, a.SourcePort),
	)
}
