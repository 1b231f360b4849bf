package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
)

// perMessage is what a message takes beside its octets, in octets.
const perMessage = 1 << 10

// seen is a message of one vantage point that is to be found at the other.
type seen struct {
	*Message
	name  string // what it is: method or status, type of a message of H.323
	keys  [2]string
	route string // what tells repetitions of one message apart from its like: topmost branch and To tag
	other *seen  // the same message at the other point

	session *probeSession // of a probe
	number  uint32        // in it

	stray *Message // what stands directly before it in its stream and is no message
	again bool     // there are others like it at this point, repetitions or further hops
}

// sighting is the message as judging takes it, with the stray octets before it: whoever reads the stream takes what is behind the
// last empty line of them for its beginning.
func (s *seen) sighting() *alg.Sighting {
	r := s.Sighting()
	if s.stray == nil {
		return r
	}
	before := s.stray.Raw
	if i := bytes.LastIndex(before, []byte("\r\n\r\n")); i >= 0 {
		before = before[i+4:]
	}
	r.Off, r.Raw = r.Off-len(before), slices.Concat(before, s.Raw)
	r.Frames = slices.Concat(s.stray.Frames, r.Frames)
	return r
}

// way is one direction of a flow.
type way struct {
	flow *Flow
	src  netip.AddrPort
}

// maxStrays is in how many directions of connections stray octets wait for what follows them.
const maxStrays = 1 << 10

// vantage keeps the messages of one vantage point.
type vantage struct {
	calls   Calls
	list    []*seen
	most    int // octets that are used for messages
	octets  int
	left    int // messages for which there was no room
	cut     int // that were not captured whole
	msg     sip.Message
	pdu     h323.PDU
	capture *Capture
	probes  sessions
	strays  map[way]*Message // the last ones that are still followed by nothing

	near, far map[netip.Addr]bool // addresses that signal through the box: on this side of it, and beyond
	crossed   map[int]*seen       // messages that passed both points, by ID
	passed    map[string]bool     // calls that have such
	keys      map[string]bool
}

// add takes the next message.
func (v *vantage) add(m *Message) {
	at := way{m.Flow, m.Src}
	if m.Stray && len(v.strays) < maxStrays && len(m.Raw) <= maxStartLine {
		if v.strays == nil {
			v.strays = map[way]*Message{}
		}
		v.strays[at] = m
	}
	if m.Copy != 0 || m.Stray {
		return
	}
	stray := v.strays[at]
	delete(v.strays, at)
	probe, number := v.probes.add(m)
	if probe == &v.probes.rest {
		return
	}
	if probe == nil || probe.played(m) {
		v.calls.Add(m)
	}
	switch {
	case m.Missing > 0 && !unfinished(m):
		v.cut++
		return
	case v.octets+len(m.Raw)+perMessage > v.most:
		v.left++
		return
	}
	v.octets += len(m.Raw) + perMessage
	s := &seen{Message: m, session: probe, number: number}
	if stray != nil && stray.End == m.Off {
		s.stray = stray
	}
	switch m.Proto {
	case alg.ProtoSIP:
		v.sip(s)
	case alg.ProtoRAS:
		v.pdu.ParseRAS(m.Raw)
		s.name = v.pdu.Message.String()
		s.keys[0] = fmt.Sprintf("ras %s %d", s.name, v.pdu.SequenceNumber())
	case alg.ProtoH245:
		v.pdu.ParseH245(m.Raw)
		s.name = v.pdu.Message.String()
		s.keys[0] = "h245 " + m.Call + " " + s.name
	default:
		v.pdu.ParseCall(m.Raw)
		s.name = v.pdu.Message.String()
		s.keys[0] = "h225 " + m.Call + " " + s.name
	}
	if probe != nil && len(m.Probes) > 0 {
		s.keys = [2]string{probe.key(number, m)} // nothing else names it as surely
	}
	v.list = append(v.list, s)
}

// unfinished reports whether the end of a message is not missing in the capture but never came: of a connection of which all that
// arrived was captured.
func unfinished(m *Message) bool { return m.Missing > 0 && m.Flow.TCP != nil && m.Flow.TCP.Gaps == 0 }

// begun reports whether a message is nothing but the beginning of another one, whose rest did not come.
func begun(m, of *seen) bool {
	return m.Missing > 0 && of.Missing == 0 && bytes.HasPrefix(of.Raw, m.Raw)
}

// sip finds what survives a NAT: Call-ID and CSeq; and if a gateway rewrites the Call-ID, the tag of who sent the request.
func (v *vantage) sip(s *seen) {
	m := s.Message.sip(&v.msg)
	cseq := strings.Join(strings.Fields(string(m.Value(sip.HeaderCSeq, 0))), " ")
	s.name = string(m.Method())
	if s.name == "" {
		_, method, _ := strings.Cut(cseq, " ")
		s.name = strconv.Itoa(m.Status()) + " " + method
	}
	s.keys[0] = "sip " + s.Call + " " + cseq + " " + s.name
	if from := tag(m, sip.HeaderFrom); from != "" {
		s.keys[1] = "tag " + from + " " + cseq + " " + s.name
	}
	s.route = short(via(m, "branch")) + " " + tag(m, sip.HeaderTo)
}

// shared reports that one end of two messages has the same address and port, at the same side of both: a NAT between the points
// changes the other. What goes to another address there was sent by somebody in between.
func shared(a, b *Message) (src, dst bool) { return a.Src == b.Src, a.Dst == b.Dst }

// between are the two vantage points on either side of a box.
type between struct {
	inside, outside *vantage
	offset          int64 // of the outside's clock against the inside's, in nanoseconds
	timed           bool  // it is known
	doubt           int64 // how far off it may be; -1 if nothing tells it from delay
	drift           int64 // by how much it changes, at least

	calls  map[string]string // by the names that the inside has for them, those of the outside
	paired []twins           // streams that both points saw
	passed []alg.Passage
	missed [2]int // packets that passed the other point, coming from this side, and are missing in its capture
}

// farApart is how much later a message may pass the second point than the first, in nanoseconds: more is another one.
const farApart = int64(5 * time.Second)

// maxAlike is how many messages that are alike are looked at: a hostile capture has very many.
const maxAlike = 64

// match finds the messages of the inside at the outside: first those whose key is there once on either side, which tell the
// difference of the clocks, then the others by time.
func (b *between) match() {
	if !b.clocks(0) && !b.clocks(1) {
		b.clocksOfMedia()
	}
	for pass := range 2 {
		index := map[string][]*seen{}
		for _, o := range b.outside.list {
			if o.other == nil && o.keys[pass] != "" {
				index[o.keys[pass]] = append(index[o.keys[pass]], o)
			}
		}
		for _, i := range b.inside.list {
			if i.other != nil || i.keys[pass] == "" {
				continue
			}
			list := index[i.keys[pass]]
			for len(list) > 0 && (list[0].other != nil || list[0].At-b.offset < i.At-2*farApart) {
				list = list[1:]
			}
			index[i.keys[pass]] = list
			if o := b.nearest(i, list[:min(len(list), maxAlike)]); o != nil {
				i.other, o.other = o, i
			}
		}
	}
	for _, i := range b.inside.list {
		if o := i.other; o != nil && (begun(i, o) || begun(o, i)) {
			i.other, o.other = nil, nil
		}
	}
	// Nobody takes the beginning of a message for one.
	for _, v := range []*vantage{b.inside, b.outside} {
		v.list = slices.DeleteFunc(v.list, func(s *seen) bool { return s.Missing > 0 && s.other == nil })
	}
}

// clocks finds the difference of the clocks: the median of each direction, and the mean of both, so that what the way takes
// cancels out. It goes by one of the keys of messages, and says whether any was found.
func (b *between) clocks(pass int) bool {
	count := map[string][2]int{}
	for side, v := range []*vantage{b.inside, b.outside} {
		for _, s := range v.list {
			n := count[s.keys[pass]]
			n[side]++
			count[s.keys[pass]] = n
		}
	}
	for _, s := range b.inside.list {
		s.again = s.again || count[s.keys[pass]][0] > 1
	}
	for _, s := range b.outside.list {
		s.again = s.again || count[s.keys[pass]][1] > 1
	}
	once := map[string]*seen{}
	for _, s := range b.inside.list {
		if count[s.keys[pass]] == [2]int{1, 1} {
			once[s.keys[pass]] = s
		}
	}
	var diffs [2][]int64 // towards the end that is the same, and from there
	for _, o := range b.outside.list {
		i := once[o.keys[pass]]
		if i == nil || o.keys[pass] == "" {
			continue
		}
		switch src, dst := shared(i.Message, o.Message); {
		case src && dst: // no NAT: which way it goes is not known
			diffs[0], diffs[1] = append(diffs[0], o.At-i.At), append(diffs[1], o.At-i.At)
		case dst:
			diffs[0] = append(diffs[0], o.At-i.At)
		case src:
			diffs[1] = append(diffs[1], o.At-i.At)
		}
	}
	return b.setOffset(diffs)
}

// setOffset is the mean of the medians of both directions. It says whether there is one.
func (b *between) setOffset(diffs [2][]int64) bool {
	var sum, n int64
	for _, d := range diffs {
		if len(d) > 0 {
			slices.Sort(d)
			sum += d[len(d)/2]
			n++
		}
	}
	if n > 0 {
		b.offset, b.timed = sum/n, true
	}
	return n > 0
}

// nearest is the message that is the same one as i: on the same transport, with one end in common, of those like it the one with
// the same branch and tag, and then the one that is nearest in time.
func (b *between) nearest(i *seen, list []*seen) *seen {
	var best *seen
	var rank [2]int64
	for _, o := range list {
		if o.other != nil || o.Flow.Transport != i.Flow.Transport {
			continue
		}
		if src, dst := shared(i.Message, o.Message); !src && !dst {
			continue
		}
		apart := o.At - b.offset - i.At
		if apart = max(apart, -apart); apart > farApart {
			continue
		}
		r := [2]int64{0, apart}
		if o.route != i.route {
			r[0] = 1
		}
		if i.Flow.Transport == "tcp" {
			r[1] = 0 // in order: the first that is left
		}
		if best == nil || slices.Compare(r[:], rank[:]) < 0 {
			best, rank = o, r
		}
	}
	return best
}

// joint is a flow as both points saw it.
type joint struct {
	inside, outside *Flow
	inner           int // which of the ends at the inside is the inner one
	id              int
}

// inner finds the end of a flow that is on the inside: the one whose address differs outside; where none does, the one with a
// private address, or else the client.
func inner(i, o *Flow) int {
	has := func(end netip.AddrPort) bool { return end == o.Ends[0] || end == o.Ends[1] }
	a, b := has(i.Ends[0]), has(i.Ends[1])
	switch {
	case a && !b:
		return 1
	case b && !a:
		return 0
	}
	if alg.Private(i.Ends[1].Addr()) && !alg.Private(i.Ends[0].Addr()) {
		return 1
	}
	return 0
}

// path is the path of a joint flow: the well-known port decides, on whichever side it is.
func (f *joint) path() alg.Path {
	p := f.inside.Path()
	if p.Transport != "udp" {
		return p
	}
	far, near := f.inside.Ends[1-f.inner].Port(), f.inside.Ends[f.inner].Port()
	p.Port, p.SourcePort = far, alg.Ephemeral
	if !wellKnown(far) && wellKnown(near) {
		p.Port, near = near, far
	}
	if near == 5060 {
		p.SourcePort = alg.SourcePort(near)
	}
	return p
}

func wellKnown(port uint16) bool { return port == 5060 || port == portRAS || port == portRASDiscovery }

// ends are the ends at either point, the inner one first.
func (f *joint) ends() (inside, outside [2]netip.AddrPort) {
	inside = [2]netip.AddrPort{f.inside.Ends[f.inner], f.inside.Ends[1-f.inner]}
	outside = f.outside.Ends
	if outside[0] == inside[1] || outside[1] == inside[0] {
		outside[0], outside[1] = outside[1], outside[0]
	}
	return inside, outside
}

// cases are the evidence of every conversation by itself: the messages of a call, or of a flow that belongs to none. Flows and
// pairs are numbered through all of them. added counts the messages that were seen on the far side of the box alone.
func (b *between) cases(points []alg.Point) (cases []alg.Case, joints map[*Flow]*joint, added map[string]int) {
	joints, added = map[*Flow]*joint{}, map[string]int{}
	parents := map[string]*joint{} // H.225.0 connection of a call
	var order []*joint
	for _, s := range b.inside.list {
		if s.other == nil || s.session != nil || joints[s.Flow] != nil {
			continue
		}
		f := &joint{inside: s.Flow, outside: s.other.Flow, inner: inner(s.Flow, s.other.Flow), id: len(order) + 1}
		joints[s.Flow] = f
		order = append(order, f)
		if s.Proto == alg.ProtoH323 && parents[s.Call] == nil {
			parents[s.Call] = f
		}
	}
	outer := map[*Flow]*joint{}
	for _, f := range order {
		outer[f.outside] = f
	}
	index, listed := map[string]int{}, map[[2]int]bool{} // cases, and which flows each has
	at := func(s *seen, f *joint) *alg.Case {
		k := "flow " + strconv.Itoa(f.id)
		if s.Call != "" && s.Proto != alg.ProtoRAS {
			k = "call " + s.Call
		}
		i, ok := index[k]
		if !ok {
			i = len(cases)
			index[k] = i
			cases = append(cases, alg.Case{Points: points})
		}
		c := &cases[i]
		if !listed[[2]int{i, f.id}] {
			listed[[2]int{i, f.id}] = true
			c.Flows = append(c.Flows, f.flow(s, parents[s.Call]))
		}
		return c
	}
	type try struct {
		flow     int
		step     string
		outbound bool
	}
	tries := map[try]int{}
	seq := 0
	pair := func(s *seen, f *joint) {
		seq++
		c := at(s, f)
		p := alg.Pair{ID: seq, Flow: f.id, Seq: seq, Try: 1, Step: s.name, Role: alg.RoleProbe}
		in, out := s, s.other
		if f.outside == s.Flow && joints[s.Flow] != f {
			in, out = nil, s
		}
		if in != nil {
			p.Outbound = in.Src == f.inside.Ends[f.inner]
			p.Inside = in.sighting()
		} else {
			ends := f.outside.Ends
			p.Outbound = !(out.Src == ends[0] && ends[0] == f.inside.Ends[1-f.inner] || out.Src == ends[1] && ends[1] == f.inside.Ends[1-f.inner])
		}
		if out != nil {
			p.Outside = out.sighting()
			p.Outside.At = p.Outside.At.Add(-time.Duration(b.offset))
		}
		switch {
		case p.Inside != nil && p.Outside != nil:
			p.Delay = b.took(s, p.Outbound)
		case p.Outbound != (p.Inside == nil): // its sender alone had it
		case !b.addedBetween(s, p.Outbound, points):
			added[s.name]++ // nobody was seen to send it: the box did, or the capture lacks it
			return
		case p.Outbound:
			p.Inside = &alg.Sighting{At: p.Outside.At}
		default:
			p.Outside = &alg.Sighting{At: p.Inside.At}
		}
		k := try{p.Flow, p.Step, p.Outbound}
		tries[k]++
		p.Try = tries[k]
		c.Pairs = append(c.Pairs, p)
	}
	for _, s := range b.inside.list {
		if f := joints[s.Flow]; f != nil && s.session == nil {
			pair(s, f)
		}
	}
	for _, s := range b.outside.list {
		if f := outer[s.Flow]; f != nil && s.other == nil && s.session == nil {
			pair(s, f)
		}
	}
	for i := range cases {
		slices.SortStableFunc(cases[i].Pairs, func(a, b alg.Pair) int { return sentAt(&a).Compare(sentAt(&b)) })
	}
	return cases, joints, added
}

// sentAt is when a message was seen first.
func sentAt(p *alg.Pair) time.Time {
	if p.Inside == nil || p.Outside != nil && !p.Outbound {
		return p.Outside.At
	}
	return p.Inside.At
}

// flow is a joint flow as judging takes it. H.245 belongs to the path of its call.
func (f *joint) flow(s *seen, parent *joint) alg.Flow {
	r := alg.Flow{ID: f.id, Path: f.path()}
	if s.Proto != alg.ProtoRAS {
		r.Call = s.Call
	}
	r.Inside, r.Outside = f.ends()
	if s.Proto == alg.ProtoH245 && parent != nil && parent != f {
		r.Parent, r.Path = parent.id, parent.path()
	}
	return r
}
