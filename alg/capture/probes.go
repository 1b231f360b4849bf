package capture

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
)

// leg is a flow of a probe, as either vantage point saw it. The inside saw it whole; outside it may be missing.
type leg struct {
	joint
	flow   alg.Flow
	parent *leg               // of H.245
	called [2]map[string]bool // names that messages of H.323 bear, in and out
	shapes map[uint32]string  // whose addresses messages hold, by their number; 0 stands for all others
}

// probed is one session that both vantage points saw, on its way to become evidence.
type probed struct {
	*between
	session  *probeSession // as the inside saw it
	inside   map[*Flow]*leg
	outside  map[*Flow]*leg
	legs     []*leg
	evidence alg.Evidence
}

type tryKey struct {
	path     alg.Path
	step     string
	shape    string
	outbound bool
}

// probes are the cases that probes of nofixup make: each a probe's own, grouped as the probe itself groups them, so that they
// are judged in the same way. joints takes the flows that both points saw.
func (b *between) probes(points []alg.Point, joints map[*Flow]*joint) (cases []alg.Case) {
	flow, pair := len(joints), len(b.inside.list)+len(b.outside.list)
	for _, s := range b.inside.probes.order {
		p := &probed{
			between: b, session: s, inside: map[*Flow]*leg{}, outside: map[*Flow]*leg{},
			evidence: alg.Evidence{Complete: true, Points: points},
		}
		p.join(&flow)
		p.pairs(&pair)
		for f, l := range p.inside {
			if l.outside != nil {
				joints[f] = &l.joint
			}
		}
		cases = append(cases, p.evidence.Cases(nil)...)
	}
	return cases
}

// probeList are the probes as a report has them: those that the inside saw, and those that only the outside did.
func (b *between) probeList() []alg.Probe {
	list := b.inside.probes.list()
	for _, o := range b.outside.probes.list() {
		i := slices.IndexFunc(list, func(p alg.Probe) bool { return p.Token == o.Token })
		if i < 0 {
			o.Started = o.Started.Add(-time.Duration(b.offset))
			o.Messages, o.Outside = 0, o.Messages
			list = append(list, o)
			continue
		}
		list[i].Outside = o.Messages
	}
	return list
}

// reflector is what the client of the only probe sent to.
func (b *between) reflector(client netip.Addr) (addr netip.Addr) {
	if len(b.inside.probes.order) != 1 {
		return addr
	}
	for _, s := range b.inside.list {
		if s.session != nil && s.Src.Addr() == client {
			return s.Dst.Addr()
		}
	}
	return addr
}

// join finds the flows. What the client sent tells which belong together: an answer may be delivered to another socket.
func (p *probed) join(id *int) {
	for _, outbound := range []bool{true, false} {
		for _, s := range p.between.inside.list {
			if s.session != p.session || p.inside[s.Flow] != nil {
				continue
			}
			inner := p.session.inner(s.Flow)
			if (s.Src == s.Flow.Ends[inner]) != outbound || outbound && s.other == nil {
				continue
			}
			l := p.leg(s.Flow, id)
			if s.other != nil {
				l.outside = s.other.Flow
				if p.outside[l.outside] == nil {
					p.outside[l.outside] = l
				}
			}
		}
	}
	// What was sent and nowhere seen outside.
	for _, s := range p.between.inside.list {
		if s.session == p.session && p.inside[s.Flow] == nil {
			p.leg(s.Flow, id)
		}
	}
	parents := map[string]*leg{}
	for _, l := range p.legs {
		l.flow = l.describe(p.session)
		if l.inside.Proto == alg.ProtoH323 && l.inside.call != "" && parents[l.inside.call] == nil {
			parents[l.inside.call] = l
		}
	}
	for _, l := range p.legs {
		if parent := parents[l.inside.call]; l.inside.Proto == alg.ProtoH245 && parent != nil {
			l.parent = parent
			l.flow.Parent, l.flow.Path = parent.id, parent.flow.Path
		}
		p.evidence.Flows = append(p.evidence.Flows, l.flow)
	}
}

// leg begins a flow.
func (p *probed) leg(f *Flow, id *int) *leg {
	*id++
	l := &leg{joint: joint{inside: f, inner: p.session.inner(f), id: *id}, called: [2]map[string]bool{{}, {}}, shapes: map[uint32]string{}}
	p.inside[f] = l
	p.legs = append(p.legs, l)
	return l
}

// describe is the flow as judging takes it.
func (l *leg) describe(s *probeSession) alg.Flow {
	client, server := l.inside.Ends[l.inner], l.inside.Ends[1-l.inner]
	f := alg.Flow{ID: l.id, Probe: s.token.String(), Path: alg.Path{
		Proto: l.inside.Proto, Transport: l.inside.Transport, Family: family(server.Addr()), Port: server.Port(), Control: s.isControl(l.inside, server),
	}}
	switch {
	case l.inside.Proto == alg.ProtoH245:
		f.Path.Proto = alg.ProtoH323
	case client.Port() == 5060:
		f.Path.SourcePort = alg.SourcePort(client.Port())
	}
	f.Inside = [2]netip.AddrPort{client, server}
	if l.outside != nil {
		_, f.Outside = l.ends()
	}
	return f
}

// turn are the messages of SIP that bear the same number: one of the client's or the reflector's, and the answer to it. What
// comes after the first of either is a repetition, or what a proxy made of it for its own purposes.
type turn struct {
	leg         *leg
	sent, came  *seen // the client's, inside and outside
	back, reply *seen // the reflector's, inside and outside
	trying      []*seen
}

// pairs lays both sides of every message beside each other.
func (p *probed) pairs(id *int) {
	numbers := map[uint32]*turn{}
	var order []*turn
	of := func(s *seen) *turn {
		n := numbers[s.number]
		if n == nil {
			n = &turn{}
			numbers[s.number] = n
			order = append(order, n)
		}
		return n
	}
	first := func(at **seen, s *seen) {
		if *at == nil {
			*at = s
		}
	}
	for _, s := range p.between.inside.list {
		if s.session != p.session {
			continue
		}
		l := p.inside[s.Flow]
		outbound := s.Src == s.Flow.Ends[l.inner]
		switch n := (*turn)(nil); {
		case s.Proto != alg.ProtoSIP:
			p.pair(id, l, outbound, s, s.other)
		case outbound:
			n = of(s)
			first(&n.sent, s)
			if n.leg == nil {
				n.leg = l
			}
		case isTrying(s.Raw) && p.session.steps[s.number].step != "":
			// Only the next hop says so, and the final answer is still to come (RFC 3261 16.2).
			n = of(s)
			n.trying = append(n.trying, s)
		default:
			first(&of(s).back, s)
		}
	}
	for _, s := range p.between.outside.list {
		if s.session == nil || s.session.token != p.session.token {
			continue
		}
		outbound := !p.session.serves(s.Src.Addr())
		switch l := p.outside[s.Flow]; {
		case s.Proto == alg.ProtoSIP && outbound:
			first(&of(s).came, s)
		case s.Proto == alg.ProtoSIP:
			first(&of(s).reply, s)
		case s.other == nil && l != nil:
			p.pair(id, l, outbound, nil, s)
		}
	}
	for _, n := range order {
		if n.sent != nil || n.came != nil && n.came.Flow.Transport == "tcp" && p.outside[n.came.Flow] != nil {
			p.pair(id, cmp.Or(n.leg, p.legOf(n.came, numbers)), true, n.sent, n.came)
		}
		for _, s := range n.trying {
			p.pair(id, cmp.Or(n.leg, p.inside[s.Flow]), false, s, nil)
		}
		if s := cmp.Or(n.reply, n.back); s != nil {
			if l := cmp.Or(n.leg, p.legOf(s, numbers), p.legOf(n.back, numbers)); l != nil {
				p.pair(id, l, false, n.back, n.reply)
			}
		}
	}
	slices.SortStableFunc(p.evidence.Pairs, func(a, b alg.Pair) int { return sentAt(&a).Compare(sentAt(&b)) })
	paths, tries := map[int]alg.Path{}, map[tryKey]int{}
	for i := range p.evidence.Flows {
		paths[p.evidence.Flows[i].ID] = p.evidence.Flows[i].Path
	}
	for i := range p.evidence.Pairs {
		q := &p.evidence.Pairs[i]
		k := tryKey{paths[q.Flow], q.Step, q.Shape, q.Outbound}
		tries[k]++
		q.Try, q.Seq = tries[k], i+1
	}
}

// legOf finds where a message of the reflector's belongs: to the flow of the message that it refers to, or else to its own.
func (p *probed) legOf(s *seen, numbers map[uint32]*turn) *leg {
	if s == nil {
		return nil
	}
	for _, tag := range s.Probes {
		if n := numbers[tag.Number]; n != nil && n.leg != nil {
			return n.leg
		}
	}
	if s.session != p.session { // seen outside
		return p.outside[s.Flow]
	}
	return p.inside[s.Flow]
}

// isTrying reports a 100, which the reflector sends only when it is asked to, and with a number of its own.
func isTrying(raw []byte) bool { return bytes.HasPrefix(raw, []byte("SIP/2.0 100 ")) }

// pair makes evidence of a message.
func (p *probed) pair(id *int, l *leg, outbound bool, in, out *seen) {
	*id++
	s := in
	if s == nil {
		s = out
	}
	q := alg.Pair{ID: *id, Flow: l.id, Outbound: outbound}
	if in != nil {
		q.Inside = in.sighting()
		if !outbound && in.Dst != l.flow.Inside[0] {
			q.Inside.To = in.Dst
		}
	}
	if out != nil {
		q.Outside = out.sighting()
		q.Outside.At = q.Outside.At.Add(-time.Duration(p.offset))
	}
	p.name(&q, l, s)
	if !p.sent(&q, s) {
		return
	}
	p.evidence.Pairs = append(p.evidence.Pairs, q)
}

// sent reports whether a message can be judged: somebody was seen to send it, or somebody in between did.
func (p *probed) sent(q *alg.Pair, s *seen) bool {
	from, to := &q.Inside, q.Outside
	if !q.Outbound {
		from, to = &q.Outside, q.Inside
	}
	if *from != nil {
		return true
	}
	at := p.evidence.Points[0] // both cover the same time
	if !p.evidence.Points[0].Complete || !p.evidence.Points[1].Complete || to.At.Before(at.From) || to.At.After(at.To) {
		return false
	}
	*from = &alg.Sighting{At: to.At, Raw: alg.Bytes{}}
	if q.Step += "-inserted"; s.Proto == alg.ProtoSIP && !q.Outbound {
		q.Step = strings.TrimSuffix(q.Step, "-inserted") + "-answered"
	}
	return true
}

// name says which step a message is of, as the probe does.
func (p *probed) name(q *alg.Pair, l *leg, s *seen) {
	own := p.session.steps[s.number].step
	about := own
	switch {
	case s.Proto == alg.ProtoRAS:
		q.Step = strings.ToLower(s.name)
	case s.Proto != alg.ProtoSIP:
		of := l
		if l.parent != nil {
			of = l.parent
		}
		about = cmp.Or(about, p.session.flows[of.inside])
		q.Step = l.part(about, s.name, q.Outbound)
	case own != "":
		q.Step = own // an answer bears the name of its request's step
		q.Trait, q.Breaks = alg.OddStep(own)
	default:
		about = p.session.belongs(s.Message)
		q.Step = p.unsigned(about, q.Outbound, s)
	}
	q.Role = alg.RoleOf(about, l.flow.Path.Control)
	if about == "" && (s.Proto == alg.ProtoRAS || !q.Outbound) {
		q.Role = alg.RoleOf(q.Step, l.flow.Path.Control) // what the client sends it signs, where it can
	}
	if q.Outbound {
		q.Shape = l.shape(own, s)
	} else if q.Shape = l.shapes[s.number]; q.Shape == "" {
		q.Shape = cmp.Or(l.shapes[0], alg.ShapeLocal)
	}
	if _, df, ok := alg.SizeStep(q.Step); ok && q.Outbound {
		q.Datagram = alg.Datagram{Octets: len(s.Raw), Fragments: len(s.Frames), DF: df}
	}
}

// unsigned names a message of SIP without a signature: an answer or a request of the reflector's, or an acknowledgement.
func (p *probed) unsigned(about string, outbound bool, s *seen) string {
	status, answer := strings.CutPrefix(string(s.Raw[:min(len(s.Raw), 11)]), "SIP/2.0 ")
	switch {
	case answer && about != "":
		return about + "-" + status
	case !outbound:
		return "called-" + strings.ToLower(s.name)
	case s.name == "ACK" && (about == "pinhole" || strings.HasPrefix(about, alg.StepLive)):
		return about + "-" + alg.StepAck
	}
	return strings.ToLower(s.name)
}

// maxParts is how many messages of the same kind on a connection are told apart.
const maxParts = 100

// part names a message of a script over H.323: the first one bears the name of the step.
func (l *leg) part(step, kind string, outbound bool) string {
	called := l.called[0]
	if outbound {
		called = l.called[1]
	}
	name := step
	if !outbound || called[step] || step == "called" || l.inside.Proto == alg.ProtoH245 {
		name = step + "-" + kind
	}
	for n := 2; called[name] && n < maxParts; n++ {
		name = step + "-" + kind + "-" + strconv.Itoa(n)
	}
	called[name] = true
	return name
}

// shape says whose address a message of the client names as its own. Of messages that name none it is that of the ones before.
func (l *leg) shape(step string, s *seen) string {
	addr := l.named(s)
	shape := cmp.Or(l.shapes[0], alg.ShapeLocal)
	switch {
	case step == "invite-no-cseq", s.Proto == alg.ProtoH323 && addr.IsValid() && addr == alg.OtherAddress(addr.Is6()):
		shape = alg.ShapeNone
	case strings.HasPrefix(step, "cause-"): // one that holds other addresses on purpose
		return shape
	case !addr.IsValid():
		return shape
	case addr == l.flow.Inside[0].Addr():
		shape = alg.ShapeLocal
	case addr == l.flow.Outside[0].Addr():
		shape = alg.ShapePublic
	default:
		shape = "via " + addr.String()
	}
	l.shapes[s.number] = shape
	if s.Proto != alg.ProtoSIP && s.Proto != alg.ProtoRAS {
		l.shapes[0] = shape
	}
	return shape
}

// named is the address that a message gives as its sender's: in the topmost Via of a request, the Contact of an answer, the
// transport address of who registers or calls.
func (l *leg) named(s *seen) (addr netip.Addr) {
	if s.Proto != alg.ProtoSIP {
		var p h323.PDU
		if s.Proto == alg.ProtoRAS {
			p.ParseRAS(s.Raw)
		} else if p.ParseCall(s.Raw); p.Message != h323.Setup {
			return addr
		}
		for _, span := range p.Spans {
			if f := span.Field; span.Part == h323.PartIP && (f == h323.FieldSourceCallSignalAddress || f == h323.FieldRASAddress) {
				addr, _ = netip.AddrFromSlice(span.Bytes(s.Raw))
				return addr.Unmap()
			}
		}
		return addr
	}
	m := sip.Parse(s.Raw)
	path := "via[0].sent-by"
	if !m.IsRequest() {
		path = "contact[0].uri.host"
	}
	span, ok := m.Find(path)
	if !ok {
		return addr
	}
	host := string(span.Bytes(s.Raw))
	if end, err := netip.ParseAddrPort(host); err == nil {
		return end.Addr()
	}
	addr, _ = netip.ParseAddr(strings.Trim(host, "[]"))
	return addr
}
