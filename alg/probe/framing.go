package probe

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"time"

	"nofixup/alg"
)

// Steps that send a message over TCP otherwise than whole in a segment of its own. Where it is cut says nothing about the
// message (RFC 3261 18.3): only a gateway that reads segments and not the stream treats it otherwise.
const (
	stepSplitHeaders = alg.StepInviteSplitHeaders
	stepSplitBody    = alg.StepInviteSplitBody
	stepOctets       = alg.StepOptionsOctets
	stepInvitePair   = "invite-pair"
	stepPing         = "options-ping"
	stepNoLength     = "invite-unframed"
)

// framing is one way to send a message over a stream.
type framing struct {
	name string
	of   string // the step whose message it is
	slow bool   // each takes a connection on every flow, and time: the rest is for who asks for it

	head   string                  // octets ahead of the message
	made   func(raw []byte) []byte // nil leaves the message as it is
	cuts   func(raw []byte) []int  // nil sends it whole
	behind bool                    // another message follows: what comes after it must not be swallowed
	apart  bool                    // that one has a segment of its own
}

// framings are tried on every port that gets all steps, on each connection one.
var framings = []framing{
	{name: stepSplitHeaders, of: stepInvite, cuts: func(raw []byte) []int { return []int{lineOf(raw, "Contact")} }},
	{name: stepSplitBody, of: stepInvite, cuts: func(raw []byte) []int {
		body := bodyOf(raw)
		return []int{body + (len(raw)-body)/2}
	}},
	{name: stepInvitePair, of: stepInvite, slow: true, behind: true},
	// A keepalive (RFC 5626 3.5.1, 4.4.1) stands between messages, here ahead of one in the same segment.
	{name: stepPing, of: stepOptions, slow: true, head: "\r\n\r\n"},
	// Octet by octet where it matters.
	{name: stepOctets, of: stepOptions, slow: true, cuts: func(raw []byte) []int {
		cuts := make([]int, singles)
		for i := range cuts {
			cuts[i] = lineOf(raw, "Via") + i
		}
		return cuts
	}},
	{
		name: stepNoLength, of: stepInvite, slow: true, behind: true, apart: true,
		made: func(raw []byte) []byte {
			// Where no length is told there is no body (RFC 3261 18.3), so there must be none: it would pass for a message.
			return without(without(raw[:bodyOf(raw)], "Content-Type"), "Content-Length")
		},
	},
}

// singles is how many octets are sent one by one, from the beginning of the Via on, with the address in it: the reflector may
// have a receipt for each, and a session has only so many.
const singles = 48

// framingOf returns the framing of a step.
func framingOf(name string) (framing, bool) {
	i := slices.IndexFunc(framings, func(f framing) bool { return f.name == name })
	if i < 0 {
		return framing{}, false
	}
	return framings[i], true
}

// framingSteps are the framings as steps, those that break a rule apart from the others.
func framingSteps() (valid, invalid []Step) {
	for _, f := range framings {
		s := Step{Name: f.name, Shape: alg.ShapeLocal, Breaks: breaksOf(f.name), Script: true}
		if s.Breaks == "" {
			valid = append(valid, s)
		} else {
			invalid = append(invalid, s)
		}
	}
	return valid, invalid
}

// belongs reports whether the framing is part of a plan: nobody but the ends sees how octets inside TLS are cut.
func (f framing) belongs(transport string, thorough bool) bool {
	return transport == "tcp" && (thorough || !f.slow)
}

// messages are the names that its messages bear in the evidence.
func (f framing) messages() []string {
	if f.behind {
		return []string{f.name, f.name + "-" + stepOptions}
	}
	return []string{f.name}
}

// framed sends the messages of a framing.
func (r *runner) framed(ctx context.Context, l *link, f framing, s Step, try int, own netip.AddrPort) {
	s.Script = false
	t := r.template(l, own, s)
	m := &sent{number: t.tag.Number, link: l, step: s, try: try, invite: f.of == stepInvite}
	if m.invite {
		t.media = r.ports.take(mediaPorts)
	}
	m.raw = t.compose(f.of)
	if f.made != nil {
		m.raw = f.made(m.raw)
	}
	m.raw = append([]byte(f.head), m.raw...)
	if f.cuts != nil {
		m.cuts = f.cuts(m.raw)
		r.mu.Lock()
		r.parts += len(m.cuts)
		r.mu.Unlock()
	}
	if !f.behind {
		r.transmit(m)
		return
	}
	next := s.part(stepOptions) // keeps no rule: it is a good message
	u := r.template(l, own, next)
	n := &sent{number: u.tag.Number, link: l, step: next, try: try, raw: u.options()}
	if !f.apart {
		r.transmit(m, n)
		return
	}
	r.transmit(m)
	select {
	case <-time.After(splitPause):
	case <-ctx.Done():
	}
	r.transmit(n)
}

// lineOf is where the first header line of a name begins.
func lineOf(raw []byte, name string) int { return bytes.Index(raw, []byte("\r\n"+name+": ")) + 2 }

// bodyOf is where the body begins.
func bodyOf(raw []byte) int { return bytes.Index(raw, []byte("\r\n\r\n")) + 4 }
