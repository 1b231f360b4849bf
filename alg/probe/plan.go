package probe

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// Plan is what a probe will send, as data. What it holds does not depend on what is found: shapes and steps whose
// addresses only the run tells are named, not filled in.
type Plan struct {
	Flows    []PlannedFlow
	Rounds   []Round
	Farewell Round // what is sent at the end, however that comes about

	thorough bool
	silences []time.Duration // after which bindings are tried
}

// PlannedFlow is a source and a destination: every step belongs to one.
type PlannedFlow struct {
	Path   alg.Path
	Target netip.AddrPort // the address is invalid in a plan that was made without asking a reflector
	// Fallbacks are where a control over TCP goes, in this order, if the way to Target is closed.
	Fallbacks []netip.AddrPort
	// Brief says that a few steps are enough: the service has another port, which gets all of them.
	Brief bool
	// Calls says that the flow is there for calls with media alone.
	Calls bool
}

// Round is what is sent side by side before the next round begins.
type Round struct {
	Name  string
	Steps []Step
}

// Step is one message to be sent on a flow, again and again until it arrives or its loss proves something.
type Step struct {
	Flow   int // index into Plan.Flows
	Name   string
	Shape  string
	Role   alg.Role
	Trait  string // what is odd about the message
	Breaks string // the rule that the message breaks on purpose
	Script bool   // several messages that follow from each other, each with a name of its own

	Datagram alg.Datagram // of a message that is sent for its size: how large it is, and DF
}

// Names of the steps of SIP, as they appear in the evidence.
const (
	stepOptions    = alg.StepOptions
	stepRegister   = "register"
	stepInvite     = alg.StepInvite // audio, video and content, long header names
	stepMessage    = "message"
	stepSubscribe  = "subscribe"
	stepCanary     = "invite-spelling" // compact and mixed-case names, a fold, a second Via, a Route, o= other than c=
	stepNoCSeq     = "invite-no-cseq"
	stepAck        = alg.StepAck
	stepDeregister = "deregister"
	stepBracket    = "options" + alg.StepBracket
)

// ShapeVia names the shape that holds the address of a NAT between here and the outermost one.
func shapeVia(addr netip.Addr) string { return "via " + addr.String() }

// PlanOptions choose what is planned. The zero value is the default probe of everything there is.
type PlanOptions struct {
	Protos       []string     // alg.ProtoSIP, alg.ProtoSIPS, alg.ProtoH323, alg.ProtoRAS, alg.ProtoMedia; nil means all
	Families     []int        // 4, 6; nil means both
	ViaAddresses []netip.Addr // addresses of NATs on the way, tested as the client's own
	Thorough     bool         // also what takes long, or leaves something behind for a while

	// Idle is the longest silence after which a thorough plan tries whether anything comes back in; 0 means LongestIdle, less
	// than 0 that none is tried.
	Idle time.Duration
}

// wants reports whether a protocol is asked for.
func (o *PlanOptions) wants(proto string) bool {
	return o.Protos == nil || slices.Contains(o.Protos, proto)
}

// NewPlan plans a probe of the targets, of a reflector that takes media.
func NewPlan(targets []wire.Target, opts PlanOptions) Plan { return newPlan(targets, opts, true) }

func newPlan(targets []wire.Target, opts PlanOptions, takesMedia bool) Plan {
	p := Plan{thorough: opts.Thorough}
	for _, silence := range rungs {
		if opts.Thorough && silence <= cmp.Or(opts.Idle, LongestIdle) {
			p.silences = append(p.silences, silence)
		}
	}
	withMedia := takesMedia && opts.wants(alg.ProtoMedia)
	for _, proto := range protocols {
		offered := slices.ContainsFunc(targets, func(t wire.Target) bool { return t.Service == proto.service })
		forCalls := withMedia && !opts.wants(proto.name) && (proto.name == alg.ProtoSIP || proto.name == alg.ProtoH323)
		if !offered || !opts.wants(proto.name) && !forCalls {
			continue
		}
		if forCalls {
			proto.sources = []alg.SourcePort{alg.Ephemeral}
		}
		first := len(p.Flows)
		for _, service := range []string{proto.service, wire.ServiceNeutral} {
			for _, t := range targets {
				if t.Service == service && slices.Contains(proto.transports, t.Transport) {
					p.target(proto, t, opts.Families)
				}
			}
		}
		if forCalls {
			// Ports beside the first are not called.
			p.Flows = slices.Concat(p.Flows[:first], slices.DeleteFunc(slices.Clone(p.Flows[first:]), func(f PlannedFlow) bool { return f.Brief }))
		}
		for i := range p.Flows[first:] {
			p.Flows[first+i].Calls = forCalls
		}
	}
	// The answers of the first round let every later message prove its source address to the reflector, which answers
	// an unproven one only a few times.
	p.round("contact", stepsOf{
		alg.ProtoSIP:  {{Name: stepOptions, Shape: alg.ShapeLocal}},
		alg.ProtoRAS:  {{Name: stepGRQ, Shape: alg.ShapeLocal}},
		alg.ProtoH323: {{Name: stepFacility, Shape: alg.ShapeLocal}},
	})
	p.round("local addresses", stepsOf{
		alg.ProtoSIP: {
			{Name: stepRegister, Shape: alg.ShapeLocal},
			{Name: stepInvite, Shape: alg.ShapeLocal},
			{Name: stepCanary, Shape: alg.ShapeLocal},
			{Name: stepMessage, Shape: alg.ShapeLocal},
			{Name: stepSubscribe, Shape: alg.ShapeLocal},
		},
		alg.ProtoH323: {
			{Name: stepSetup, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSetup27, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSetup12, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSetup7, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSetupH245, Shape: alg.ShapeLocal, Script: true},
		},
	})
	framed, unframed := framingSteps()
	p.round("calls", stepsOf{
		alg.ProtoSIP: append([]Step{
			{Name: stepCall, Shape: alg.ShapeLocal, Script: true},
			{Name: stepCancel, Shape: alg.ShapeLocal, Script: true},
			{Name: stepCalled, Shape: alg.ShapeLocal, Script: true},
		}, framed...),
		alg.ProtoH323: {
			{Name: stepCalled, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSplitHeader, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSplitMiddle, Shape: alg.ShapeLocal, Script: true},
			{Name: stepSetupPair, Shape: alg.ShapeLocal, Script: true},
		},
	})
	outer := viaSteps(opts.ViaAddresses)
	if opts.Thorough {
		p.round("registration", stepsOf{alg.ProtoRAS: {{Name: stepRRQ, Shape: alg.ShapeLocal}}})
		outer[alg.ProtoRAS] = append(outer[alg.ProtoRAS], Step{Name: stepARQ, Shape: alg.ShapeLocal})
	}
	outer[alg.ProtoSIP] = append([]Step{
		{Name: stepInvite, Shape: alg.ShapePublic},
		{Name: stepCalled, Shape: alg.ShapePublic, Script: true},
	}, outer[alg.ProtoSIP]...)
	outer[alg.ProtoRAS] = append([]Step{{Name: stepGRQ, Shape: alg.ShapePublic}}, outer[alg.ProtoRAS]...)
	outer[alg.ProtoH323] = append([]Step{{Name: stepSetup, Shape: alg.ShapePublic, Script: true}}, outer[alg.ProtoH323]...)
	p.round("outer addresses", outer)
	if withMedia {
		p.Rounds = append(p.Rounds, p.pinholeRounds()...)
		p.liveRounds(opts.Thorough || opts.Protos != nil)
	}
	valid, invalid := oddSteps()
	p.round("odd messages", stepsOf{
		alg.ProtoSIP:  valid,
		alg.ProtoH323: {{Name: stepSetup, Shape: alg.ShapeNone, Script: true}},
	})
	for _, steps := range sizeRounds() {
		if steps := p.spread(stepsOf{alg.ProtoSIP: steps}); len(steps) > 0 {
			p.Rounds = append(p.Rounds, Round{Name: "sizes", Steps: steps})
		}
	}
	p.round("answers to another port", stepsOf{
		alg.ProtoSIP: {{Name: stepViaPort, Shape: alg.ShapeLocal, Trait: traitOf(stepViaPort), Script: true}},
	})
	if opts.Thorough {
		invalid = append(invalid, Step{Name: stepBrokenAnswers, Shape: alg.ShapeLocal, Script: true})
	}
	// What breaks the rules comes last, one by one: it can get the client banned.
	for _, s := range append([]Step{{Name: stepNoCSeq, Shape: alg.ShapeNone, Breaks: breaksOf(stepNoCSeq)}}, append(unframed, invalid...)...) {
		if steps := p.spread(stepsOf{alg.ProtoSIP: {s}}); len(steps) > 0 {
			p.Rounds = append(p.Rounds, Round{Name: "broken messages", Steps: steps})
		}
	}
	shapes := []string{alg.ShapeLocal}
	for _, a := range opts.ViaAddresses {
		shapes = append(shapes, shapeVia(a))
	}
	p.farewell(shapes...)
	if opts.Thorough {
		p.Farewell.Steps = append(p.Farewell.Steps, p.spread(stepsOf{alg.ProtoRAS: {{Name: stepURQ, Shape: alg.ShapeLocal}}})...)
	}
	return p
}

// fallback reports whether there is a control of this protocol, transport and family already: one is enough, and a further
// neutral port over TCP is where it goes if the way to the first is closed.
func (p *Plan) fallback(path alg.Path, to netip.AddrPort) (found bool) {
	for i := range p.Flows {
		f := &p.Flows[i]
		was := f.Path
		if was.Control && was.Proto == path.Proto && was.Transport == path.Transport && was.Family == path.Family {
			found = true
			if path.Transport == "tcp" {
				f.Fallbacks = append(f.Fallbacks, to)
			}
		}
	}
	return found
}

func traitOf(step string) string {
	trait, _ := alg.OddStep(step)
	return trait
}

func breaksOf(step string) string {
	_, breaks := alg.OddStep(step)
	return breaks
}

// oddSteps are the odd messages as steps.
func oddSteps() (valid, invalid []Step) {
	for _, o := range odds {
		s := Step{Name: o.name, Shape: alg.ShapeLocal}
		if s.Trait, s.Breaks = alg.OddStep(o.name); s.Breaks == "" {
			valid = append(valid, s)
		} else {
			invalid = append(invalid, s)
		}
	}
	return valid, invalid
}

// protocols says what is tested: which service of a reflector takes it, over what, and from which source ports. An application
// gateway for SIP may go by the source port; endpoints of H.323 have none of their own.
var protocols = []protocol{
	{alg.ProtoSIP, wire.ServiceSIP, 5060, []string{"udp", "tcp"}, []alg.SourcePort{5060, alg.Ephemeral}},
	{alg.ProtoSIPS, wire.ServiceSIPS, 5061, []string{"tls"}, []alg.SourcePort{alg.Ephemeral}},
	{alg.ProtoH323, wire.ServiceH225, 1720, []string{"tcp"}, []alg.SourcePort{alg.Ephemeral}},
	{alg.ProtoRAS, wire.ServiceRAS, 1719, []string{"udp"}, []alg.SourcePort{alg.Ephemeral}},
}

// Protocols returns what can be tested, by the names that [PlanOptions] takes.
func Protocols() []string {
	var names []string
	for _, p := range protocols {
		names = append(names, p.name)
	}
	return append(names, alg.ProtoMedia)
}

type protocol struct {
	name, service string
	port          uint16 // the usual one
	transports    []string
	sources       []alg.SourcePort
}

// target adds the flows of a protocol to a target.
func (p *Plan) target(proto protocol, t wire.Target, families []int) {
	path := alg.Path{
		Proto: proto.name, Transport: t.Transport, Family: 4, Port: t.Addr.Port(), Control: t.Service == wire.ServiceNeutral,
	}
	if t.Addr.Addr().Is6() {
		path.Family = 6
	}
	if families != nil && !slices.Contains(families, path.Family) || path.Control && p.fallback(path, t.Addr) {
		return
	}
	brief := !path.Control && slices.ContainsFunc(p.Flows, func(f PlannedFlow) bool {
		return f.Path.Proto == path.Proto && f.Path.Transport == path.Transport && f.Target.Addr() == t.Addr.Addr()
	})
	for _, path.SourcePort = range proto.sources {
		if brief && path.SourcePort != alg.Ephemeral {
			continue
		}
		p.Flows = append(p.Flows, PlannedFlow{Target: t.Addr, Path: path, Brief: brief})
	}
}

// fits reports whether a step is sent on a flow at all. On a brief one it is enough to contact, register, call, and break a
// rule: a gateway that is bound to the port as well does there what it does on the other.
func (f *PlannedFlow) fits(s Step) bool {
	if addr, ok := strings.CutPrefix(s.Shape, "via "); ok {
		if a, err := netip.ParseAddr(addr); err != nil || a.Is6() != (f.Path.Family == 6) {
			return false
		}
	}
	if s.Name == stepViaPort {
		return f.asksElsewhere()
	}
	if s.Name == stepPinhole {
		return f.opensPorts()
	}
	if s.Name == stepBrokenAnswers {
		return f.answersBadly()
	}
	if f.Calls {
		return f.fitsCalls(s)
	}
	if !f.Brief {
		return true
	}
	switch s.Name {
	case stepOptions, stepRegister, stepInvite, stepDeregister:
		return s.Shape == alg.ShapeLocal
	}
	return s.Name == stepNoCSeq
}

// fitsCalls reports whether a step is sent on a flow that is there for calls with media: what makes contact, and what would show a
// gateway behind a second NAT.
func (f *PlannedFlow) fitsCalls(s Step) bool {
	switch s.Name {
	case stepOptions, stepFacility:
		return !f.Brief
	case stepInvite:
		return !f.Brief && s.Shape == alg.ShapePublic
	case stepCalled:
		return f.Path.Proto == alg.ProtoH323
	}
	return false
}

// stepsOf are steps by what the flows speak that they go over.
type stepsOf map[string][]Step

// viaSteps are sent with the address of a NAT on the way as the client's own.
func viaSteps(addrs []netip.Addr) stepsOf {
	steps := stepsOf{}
	for _, a := range addrs {
		shape := shapeVia(a)
		steps[alg.ProtoSIP] = append(steps[alg.ProtoSIP], Step{Name: stepInvite, Shape: shape}, Step{Name: stepRegister, Shape: shape})
		steps[alg.ProtoRAS] = append(steps[alg.ProtoRAS], Step{Name: stepGRQ, Shape: shape})
		steps[alg.ProtoH323] = append(steps[alg.ProtoH323], Step{Name: stepSetup, Shape: shape, Script: true})
	}
	return steps
}

// round adds a round with the steps on every flow that they fit.
func (p *Plan) round(name string, steps stepsOf) {
	p.Rounds = append(p.Rounds, Round{Name: name, Steps: p.spread(steps)})
}

// farewell ends the registrations of the given shapes.
func (p *Plan) farewell(shapes ...string) {
	p.Farewell.Name = "goodbye"
	for _, shape := range shapes {
		p.Farewell.Steps = append(p.Farewell.Steps, p.spread(stepsOf{alg.ProtoSIP: {{Name: stepDeregister, Shape: shape}}})...)
	}
}

// spread puts the steps on every flow that they fit.
func (p *Plan) spread(steps stepsOf) []Step {
	var out []Step
	for i, f := range p.Flows {
		for _, s := range steps[f.Path.Speaks()] {
			if !f.fits(s) {
				continue
			}
			if o, ok := oddOf(s.Name); ok && !o.belongs(f.Path.Transport, p.thorough) {
				continue
			}
			if s.Datagram.Octets > 0 && !p.sizeFits(&f, s) {
				continue
			}
			if fr, ok := framingOf(s.Name); ok && !fr.belongs(f.Path.Transport, p.thorough) {
				continue
			}
			s.Flow, s.Role = i, alg.RoleProbe
			if f.Path.Control {
				s.Role = alg.RoleControl
			}
			out = append(out, s)
		}
	}
	return out
}

// Steps is the number of steps in all rounds.
func (p *Plan) Steps() int {
	n := len(p.Farewell.Steps)
	for _, r := range p.Rounds {
		n += len(r.Steps)
	}
	return n
}

// Print writes the plan as a table.
func (p *Plan) Print(w io.Writer) error {
	var table strings.Builder
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "round\tpath\trole\tstep\taddresses\tnote")
	for i, r := range append(slices.Clone(p.Rounds), p.Farewell) {
		for _, s := range r.Steps {
			fmt.Fprintf(tw, "%d %s\t%s\t%s\t%s\t%s\t%s\n", i+1, r.Name, p.Flows[s.Flow].Path, s.Role, s.Name, s.Shape, cmp.Or(s.Breaks, s.Trait))
		}
	}
	tw.Flush() // cannot fail
	for line := range strings.Lines(table.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
