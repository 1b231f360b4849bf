package probe

import (
	"fmt"
	"slices"
	"strings"

	"nofixup/alg"
)

// size is a message that is sent for its size: an INVITE with a valid session description, filled up with header lines that mean
// nothing. RFC 3261 18.1.1 has a client use TCP above 1,300 octets; phones often do not, and what becomes of their messages is
// the question here. Only requests are large: no answer needs to be, and the reflector sends none larger than its request.
type size struct {
	octets int
	df     string // alg.DFSet or alg.DFClear
	family int    // 0 means both
	usual  bool   // part of the default probe
}

// sizes lie around the usual MTU of 1,500 octets, which is a UDP message of 1,472 over IPv4 and 1,452 over IPv6. What is larger
// travels in fragments: two up to 3,000 octets or so, then three and six. IPv6 has no DF: what fits is sent once.
var sizes = []size{
	{1300, alg.DFSet, 0, false},
	{1400, alg.DFSet, 0, false},
	{1452, alg.DFSet, 6, true},
	{1472, alg.DFSet, 4, true},
	{1300, alg.DFClear, 4, false},
	{1400, alg.DFClear, 4, false},
	{1472, alg.DFClear, 4, false},
	{1500, alg.DFClear, 0, false},
	{1600, alg.DFClear, 0, true},
	{3000, alg.DFClear, 0, true},
	{8000, alg.DFClear, 0, false},
}

// leastFragmented is the smallest size that the default probe sends in fragments.
const leastFragmented = 1600

// name is that of the step, "invite-size-1472-df".
func (s size) name() string {
	name := fmt.Sprintf("%s%d", alg.StepSize, s.octets)
	if s.df == alg.DFSet {
		name += "-df"
	}
	return name
}

// sizeRounds are the sizes as steps: first what fits into one packet of the usual size and the least that does not, then the same
// with DF clear where it was lost with DF set, then what needs fragments, one by one: where they get lost the smallest shows it, and
// the larger ones are not sent.
func sizeRounds() [][]Step {
	rounds := make([][]Step, 2)
	for _, s := range sizes {
		step := Step{Name: s.name(), Shape: alg.ShapeLocal, Trait: traitOf(s.name()), Datagram: alg.Datagram{Octets: s.octets, DF: s.df}}
		switch {
		case s.df == alg.DFSet || s.octets == leastFragmented:
			rounds[0] = append(rounds[0], step)
		case alg.Fragments(s.octets, 4, 0) > 1:
			rounds = append(rounds, []Step{step})
		default:
			rounds[1] = append(rounds[1], step)
		}
	}
	return rounds
}

// sizeFits reports whether a size is part of the plan of a flow. What belongs to the thorough probe alone is sent from one source
// port: it costs the reflector much, and the usual sizes show whether the source port matters.
func (p *Plan) sizeFits(f *PlannedFlow, s Step) bool {
	z := sizes[slices.IndexFunc(sizes, func(z size) bool { return z.name() == s.Name })]
	return f.Path.Transport == "udp" && (z.family == 0 || z.family == f.Path.Family) &&
		(z.usual || p.thorough && f.Path.SourcePort == alg.Ephemeral)
}

// large is an INVITE of exactly so many octets, at least 1,000. What gateways look at stands in front, as in the others.
func (t *template) large(octets int) []byte {
	raw := t.inviteOf(t.sdp(t.address(), t.address(), t.audio(t.media)))
	const most, head, end = 200, "X-Padding: ", "\r\n"
	var fill strings.Builder
	for left := octets - len(raw); left > 0; {
		n := min(most, left)
		if rest := left - n; rest > 0 && rest <= len(head)+len(end) {
			n -= len(head) + len(end) // too little is left for a line of its own
		}
		fill.WriteString(head + strings.Repeat("n", max(0, n-len(head)-len(end))) + end)
		left -= n
	}
	at := strings.Index(string(raw), "Content-Type: ")
	return slices.Concat(raw[:at], []byte(fill.String()), raw[at:])
}

// fragments is in how many packets a step's message leaves this computer.
func (r *runner) fragments(s Step) int {
	f := r.flows[s.Flow]
	return alg.Fragments(s.Datagram.Octets, f.plan.Path.Family, f.mtu)
}

// sendable reports whether a step's message can be sent as it is meant to be: with DF it must fit the interface, and where the
// system does not let DF be chosen there is only one way to send what fits.
func (r *runner) sendable(s Step) bool {
	f := r.flows[s.Flow]
	switch {
	case s.Datagram.Octets == 0:
		return true
	case r.fragments(s) > 1:
		return s.Datagram.DF == alg.DFClear && !f.lossy && !r.lostAny(s.Flow, func(o Step) bool {
			return r.fragments(o) > 1 && o.Datagram.Octets < s.Datagram.Octets
		})
	case s.Datagram.DF == alg.DFClear:
		return f.udp.socket.fragmenting() && r.lostAny(s.Flow, func(o Step) bool {
			return o.Datagram.Octets == s.Datagram.Octets && o.Datagram.DF == alg.DFSet
		})
	}
	return true
}

// lostAny reports that a large message of a kind was sent on a flow, and none of its tries arrived.
func (r *runner) lostAny(flow int, kind func(Step) bool) bool {
	lost := map[string]bool{} // by step
	r.ledger.mu.Lock()
	for _, m := range r.ledger.order {
		if m.step.Flow == flow && m.step.Datagram.Octets > 0 && m.failed == nil && kind(m.step) {
			was, known := lost[m.step.Name]
			lost[m.step.Name] = m.there == nil && (was || !known)
		}
	}
	r.ledger.mu.Unlock()
	for _, gone := range lost {
		if gone {
			return true
		}
	}
	return false
}

// datagram is how the message of a step was sent, for the evidence.
func (r *runner) datagram(s Step) alg.Datagram {
	d := s.Datagram
	if d.Octets > 0 {
		d.Fragments = r.fragments(s)
		if !r.flows[s.Flow].udp.socket.fragmenting() {
			d.DF = ""
		}
	}
	return d
}

// tooLossy leaves messages in fragments out where more than a tenth of all messages to the control port gets lost: they would
// get lost so often that nothing follows from it.
func (r *runner) tooLossy(round Round) {
	tallies := r.tallies()
	share := func(like alg.Path) float64 {
		sent, lost := 0, 0
		for f, t := range tallies {
			p := f.plan.Path
			if p.Control && p.Proto == like.Proto && p.Transport == like.Transport && p.Family == like.Family && t.received > 0 {
				sent += t.sent
				lost += t.sent - t.received
			}
		}
		if sent == 0 {
			return 0
		}
		return float64(lost) / float64(sent)
	}
	for _, s := range round.Steps {
		f := r.flows[s.Flow]
		if f == nil || s.Datagram.Octets == 0 || f.lossy || r.fragments(s) == 1 {
			continue
		}
		if q := share(f.plan.Path); q > alg.MostFragmentLoss && tallies[f].received > 0 {
			f.lossy = true
			r.trial(alg.TrialStep, f.plan, f.local, fmt.Sprintf("too lossy: about %.0f %% of the control messages are lost, so that messages in fragments were not sent", 100*q))
		}
	}
}

// needOf is how many tries prove a drop of a step's message: each of its fragments can get lost.
func (r *runner) needOf(tallies map[*flow]*tally, s Step) int {
	f := r.flows[s.Flow]
	need := r.need(tallies, f)
	if s.Datagram.Octets == 0 || r.fragments(s) == 1 || need >= maxTries {
		return need
	}
	q := alg.Fragmented(r.worstLoss(tallies, f), r.fragments(s))
	if n := alg.TriesOn("udp", q); n > 0 {
		return n + alg.TriesOn("udp", 1e-3)
	}
	return maxTries
}
