package probe

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// Plan is what a probe will send, as data. What it holds does not depend on what is found: shapes and steps whose
// addresses only the run tells are named, not filled in.
type Plan struct {
	Flows    []PlannedFlow
	Rounds   []Round
	Farewell Round // what is sent at the end, however that comes about
}

// PlannedFlow is a source and a destination: every step belongs to one.
type PlannedFlow struct {
	Path   alg.Path
	Target netip.AddrPort // the address is invalid in a plan that was made without asking a reflector
	// Fallbacks are where a control over TCP goes, in this order, if the way to Target is closed.
	Fallbacks []netip.AddrPort
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
	Breaks string // the rule that the message breaks on purpose
	Script bool   // several messages that follow from each other, each with a name of its own
}

// Names of steps, as they appear in the evidence.
const (
	stepOptions    = "options"
	stepRegister   = "register"
	stepInvite     = "invite" // audio, video and content, long header names
	stepMessage    = "message"
	stepSubscribe  = "subscribe"
	stepCanary     = "invite-spelling" // compact and mixed-case names, a fold, a second Via, a Route, o= other than c=
	stepNoCSeq     = "invite-no-cseq"
	stepAck        = "ack"
	stepDeregister = "deregister"
	stepBracket    = "options-bracket"
)

// ShapeVia names the shape that holds the address of a NAT between here and the outermost one.
func shapeVia(addr netip.Addr) string { return "via " + addr.String() }

// PlanOptions choose what is planned. The zero value is the default probe of everything there is.
type PlanOptions struct {
	Families     []int        // 4, 6; nil means both
	ViaAddresses []netip.Addr // addresses of NATs on the way, tested as the client's own
}

// NewPlan plans a probe of the targets.
func NewPlan(targets []wire.Target, opts PlanOptions) Plan {
	var p Plan
	for _, control := range []bool{false, true} {
		for _, t := range targets {
			if t.Transport != "udp" && t.Transport != "tcp" || control != (t.Service == wire.ServiceNeutral) || !control && t.Service != wire.ServiceSIP {
				continue
			}
			family := 4
			if t.Addr.Addr().Is6() {
				family = 6
			}
			if opts.Families != nil && !slices.Contains(opts.Families, family) {
				continue
			}
			if control && p.fallback(t, family) {
				continue
			}
			for _, source := range []alg.SourcePort{5060, alg.Ephemeral} {
				p.Flows = append(p.Flows, PlannedFlow{Target: t.Addr, Path: alg.Path{
					Proto: "sip", Transport: t.Transport, Family: family, Port: t.Addr.Port(), SourcePort: source, Control: control,
				}})
			}
		}
	}
	// The answers of the first round let every later message prove its source address to the reflector, which answers
	// an unproven one only a few times.
	p.round("contact", []Step{{Name: stepOptions, Shape: alg.ShapeLocal}})
	p.round("local addresses", []Step{
		{Name: stepRegister, Shape: alg.ShapeLocal},
		{Name: stepInvite, Shape: alg.ShapeLocal},
		{Name: stepCanary, Shape: alg.ShapeLocal},
		{Name: stepMessage, Shape: alg.ShapeLocal},
		{Name: stepSubscribe, Shape: alg.ShapeLocal},
	})
	p.round("calls", []Step{
		{Name: stepCall, Shape: alg.ShapeLocal, Script: true},
		{Name: stepCancel, Shape: alg.ShapeLocal, Script: true},
		{Name: stepCalled, Shape: alg.ShapeLocal, Script: true},
	})
	p.round("outer addresses", append([]Step{
		{Name: stepInvite, Shape: alg.ShapePublic},
		{Name: stepCalled, Shape: alg.ShapePublic, Script: true},
	}, viaSteps(opts.ViaAddresses)...))
	// What breaks the rules comes last: it can get the client banned.
	p.round("without addresses", []Step{{
		Name: stepNoCSeq, Shape: alg.ShapeNone, Breaks: "RFC 3261 8.1.1: no CSeq",
	}})
	shapes := []string{alg.ShapeLocal}
	for _, a := range opts.ViaAddresses {
		shapes = append(shapes, shapeVia(a))
	}
	p.farewell(shapes...)
	return p
}

// fallback reports whether there is a control of this transport and family already: one is enough, and a further neutral
// port over TCP is where it goes if the way to the first is closed.
func (p *Plan) fallback(t wire.Target, family int) (found bool) {
	for i := range p.Flows {
		f := &p.Flows[i]
		if f.Path.Control && f.Path.Transport == t.Transport && f.Path.Family == family {
			found = true
			if t.Transport == "tcp" {
				f.Fallbacks = append(f.Fallbacks, t.Addr)
			}
		}
	}
	return found
}

// viaSteps are sent with the address of a NAT on the way as the client's own.
func viaSteps(addrs []netip.Addr) []Step {
	var steps []Step
	for _, a := range addrs {
		steps = append(steps, Step{Name: stepInvite, Shape: shapeVia(a)}, Step{Name: stepRegister, Shape: shapeVia(a)})
	}
	return steps
}

// round adds a round with the steps on every flow that they fit.
func (p *Plan) round(name string, steps []Step) {
	p.Rounds = append(p.Rounds, Round{Name: name, Steps: p.spread(steps)})
}

// farewell ends the registrations of the given shapes.
func (p *Plan) farewell(shapes ...string) {
	p.Farewell.Name = "goodbye"
	for _, shape := range shapes {
		p.Farewell.Steps = append(p.Farewell.Steps, p.spread([]Step{{Name: stepDeregister, Shape: shape}})...)
	}
}

// spread puts the steps on every flow that they fit.
func (p *Plan) spread(steps []Step) []Step {
	var out []Step
	for i, f := range p.Flows {
		for _, s := range steps {
			if addr, ok := strings.CutPrefix(s.Shape, "via "); ok {
				if a, err := netip.ParseAddr(addr); err != nil || a.Is6() != (f.Path.Family == 6) {
					continue
				}
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
	fmt.Fprintln(tw, "round\tpath\trole\tstep\taddresses\tbreaks")
	for i, r := range append(slices.Clone(p.Rounds), p.Farewell) {
		for _, s := range r.Steps {
			fmt.Fprintf(tw, "%d %s\t%s\t%s\t%s\t%s\t%s\n", i+1, r.Name, p.Flows[s.Flow].Path, s.Role, s.Name, s.Shape, s.Breaks)
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
