package capture

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/sip"
)

// Bounds of what is kept of requests. A request waits for its answer for 32 s (RFC 3261 17.1.1.2, timer B and F).
const (
	maxRequests  = 1 << 12 // that wait
	maxWaiting   = 8 << 20 // octets of those
	waitTime     = int64(40 * time.Second)
	maxUnsettled = 1 << 12 // that got no answer
	maxSigns     = 1 << 9  // different ones
	maxNames     = 256     // octets of a name that is kept
	maxRepeated  = 11      // transmissions of one request that are compared: no client sends more (RFC 3261 17.1.2.2)
)

// Signalling follows requests of SIP and their answers: those that get none, and what does not fit together in what passes. The
// zero value is ready.
type Signalling struct {
	Left int // what there was no room for

	seed     maphash.Seed
	ready    bool
	msg, old sip.Message
	heard    alg.Heard // the message at hand
	before   alg.Heard // the request that it answers or repeats
	waiting  map[requestKey]*request
	queue    []*request // the oldest first
	octets   int
	open     []*request // without an answer, when no answer can come any more
	single   int        // of those, how many were sent once
	short    map[shortKey]bool
	signs    map[signKey]*alg.Sign
	order    []*alg.Sign
	natted   map[netip.Addr]bool
	probed   map[int]bool // flows with messages of nofixup
	dialogs  dialogs
	clients  clients
	faxes    []*request
}

// requestKey names a request at one hop. The client's port is none of it, so that an answer which goes to another one is known.
type requestKey struct {
	client netip.Addr
	server netip.AddrPort
	hash   uint64 // of branch and CSeq
}

// shortKey is who sends requests where.
type shortKey struct {
	flow int
	from netip.AddrPort
}

type signKey struct {
	rule, message, field string
	path                 alg.Path
	direction            alg.Direction
}

// request is one request that waits for an answer.
type request struct {
	*Message    // the first transmission; without its octets when it waits no longer
	key         requestKey
	method      string
	first, last int64
	count       int
	answered    int64 // when the first answer passed, 0 if none did
	answers     int
	late        int // transmissions after that
	partial     int
	pieces      int
	frames      []int
	inDialog    bool
	image       bool // it offers T.38 in a dialog
	status      int
	contact     *party // of whom it goes to
	binding     *alg.Registration
	kept        int
}

// Add takes the next message. What nofixup sends itself, with odd addresses and to nobody at times, is none of anybody's.
func (g *Signalling) Add(m *Message) {
	if m.Proto != alg.ProtoSIP || m.Copy != 0 {
		return
	}
	if !g.ready {
		g.seed, g.ready = maphash.MakeSeed(), true
		g.waiting, g.signs, g.short, g.natted = map[requestKey]*request{}, map[signKey]*alg.Sign{}, map[shortKey]bool{}, map[netip.Addr]bool{}
		g.probed = map[int]bool{}
	}
	if len(m.Probes) > 0 {
		if len(g.probed) < maxRequests {
			g.probed[m.Flow.ID] = true
		}
		return
	}
	if m.Stray {
		if !g.probed[m.Flow.ID] {
			g.sign(alg.LeftOver(m.Flow.Path(), directionOf(m), m.Raw, m.Frames))
		}
		return
	}
	s := m.sip(&g.msg)
	if s.Method() == nil && s.Status() == 0 {
		return
	}
	g.expire(m.At)
	h := hear(&g.heard, m, s)
	if m.Missing == 0 {
		for _, sign := range h.Signs() {
			g.sign(sign)
		}
	}
	if client, ok := h.Natted(); ok && len(g.natted) < maxRequests {
		g.natted[client] = true
	}
	if s.IsRequest() {
		g.request(m, s, h)
	} else {
		g.answer(m, s, h)
	}
	g.dialogs.add(g.hash(s.Value(sip.HeaderCallID, 0)), m, s, g)
}

// hear makes h what judging takes of a message.
func hear(h *alg.Heard, m *Message, s *sip.Message) *alg.Heard {
	h.Path, h.Direction, h.Src, h.Dst = m.Flow.Path(), directionOf(m), m.Src, m.Dst
	h.Call, h.Frames, h.Message = bounded(m.Call), m.Frames[:min(len(m.Frames), 8)], s
	return h
}

// directionOf is outbound for what leaves a private network, else for what the client of the flow sends.
func directionOf(m *Message) alg.Direction {
	from, to := alg.Private(m.Src.Addr()), alg.Private(m.Dst.Addr())
	if from && !to || from == to && m.FromClient() {
		return alg.Outbound
	}
	return alg.Inbound
}

// clip copies as much of a field as is kept of it.
func clip(b []byte) []byte { return bytes.Clone(b[:min(len(b), maxNames)]) }

// bounded cuts what is kept of a name.
func bounded(s string) string {
	if len(s) > maxNames {
		return strings.ToValidUTF8(strings.Clone(s[:maxNames]), "?")
	}
	return s
}

func (g *Signalling) hash(parts ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	for _, p := range parts {
		h.Write(p)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// key names the request that a message is or answers.
func (g *Signalling) key(s *sip.Message, client netip.Addr, server netip.AddrPort) (k requestKey, method string, ok bool) {
	number, name, _ := bytes.Cut(bytes.TrimSpace(s.Value(sip.HeaderCSeq, 0)), []byte(" "))
	name = bytes.TrimSpace(name)
	branch := via(s, "branch")
	if len(branch) == 0 || len(number) == 0 || len(name) > 32 {
		return k, "", false
	}
	return requestKey{client, server, g.hash(branch, number, name)}, string(name), true
}

// via is a parameter of the topmost Via.
func via(s *sip.Message, name string) []byte {
	for _, v := range s.Spans {
		if v.Header == sip.HeaderVia && v.Index == 0 && v.Part == sip.PartParam && bytes.EqualFold(s.Raw[v.NameOff:v.NameEnd], []byte(name)) {
			return v.Bytes(s.Raw)
		}
	}
	return nil
}

// tagOf is the tag in From or To.
func tagOf(s *sip.Message, h sip.Header) []byte {
	for _, v := range s.Spans {
		if v.Header == h && v.Part == sip.PartParam && bytes.EqualFold(s.Raw[v.NameOff:v.NameEnd], []byte("tag")) {
			return v.Bytes(s.Raw)
		}
	}
	return nil
}

func (g *Signalling) request(m *Message, s *sip.Message, h *alg.Heard) {
	method := string(s.Method())
	if method == "ACK" {
		return // nobody answers it
	}
	k, name, ok := g.key(s, m.Src.Addr(), m.Dst)
	if !ok || name != method {
		return
	}
	r := g.waiting[k]
	if r == nil {
		r = &request{Message: m, key: k, method: method, first: m.At, inDialog: len(tagOf(s, sip.HeaderTo)) > 0, frames: m.Frames[:min(len(m.Frames), 8)]}
		r.kept = len(m.Raw)
		r.contact = g.dialogs.to(g.hash(s.Value(sip.HeaderCallID, 0)), s, g)
		if !r.inDialog {
			r.binding = g.clients.at(m)
		}
		r.image = method == "INVITE" && r.inDialog && offersImage(m)
		g.waiting[k] = r
		g.queue = append(g.queue, r)
		g.octets += r.kept
	} else {
		if r.Missing == 0 && m.Missing == 0 && r.Src == m.Src && r.count <= maxRepeated {
			g.old.Parse(r.Raw)
			for _, sign := range h.RepetitionSigns(hear(&g.before, r.Message, &g.old)) {
				g.sign(sign)
			}
		}
		if len(r.frames) < 16 {
			r.frames = append(r.frames[:len(r.frames):len(r.frames)], m.Frames[:min(len(m.Frames), 8)]...)
		}
		if r.answered > 0 {
			r.late++
		}
	}
	r.count++
	r.last = max(r.last, m.At)
	switch {
	case m.Fragments == 1 && m.Missing > 0:
		r.partial++
	case m.Fragments > 0:
		r.pieces = max(r.pieces, m.Fragments)
	}
}

func offersImage(m *Message) bool {
	for _, a := range m.Announced {
		if a.Kind == KindImage {
			return true
		}
	}
	return false
}

func (g *Signalling) answer(m *Message, s *sip.Message, h *alg.Heard) {
	k, _, ok := g.key(s, m.Dst.Addr(), m.Src)
	if !ok {
		return
	}
	r := g.waiting[k]
	if r == nil {
		return
	}
	r.answers++
	fresh := r.answered == 0
	if fresh {
		r.answered = m.At
	}
	status := s.Status()
	if r.status < 200 {
		r.status = status
	}
	if m.Missing == 0 && r.Missing == 0 {
		g.old.Parse(r.Raw)
		request := hear(&g.before, r.Message, &g.old)
		for _, sign := range h.AnswerSigns(request) {
			g.sign(sign)
		}
		if sign, ok := h.RedirectSign(request); ok {
			g.sign(sign)
		}
		if fresh && r.method == "REGISTER" && status >= 200 && status < 300 {
			g.clients.registered(m, r.Message, s, &g.old, g)
		}
	}
	if r.pieces == 0 && r.partial == 0 && fresh && len(g.short) < maxRequests {
		g.short[shortKey{r.Flow.ID, r.Src}] = true
	}
	if r.image && status >= 300 && status != 401 && status != 407 && status != 491 && len(g.faxes) < maxUnsettled {
		r.image = false // told once
		g.faxes = append(g.faxes, &request{Message: &Message{Flow: r.Flow, Src: r.Src, Dst: r.Dst, Call: r.Call}, method: r.method, frames: m.Frames, status: status})
	}
}

// expire settles requests that wait no longer.
func (g *Signalling) expire(now int64) {
	for len(g.queue) > 0 {
		r := g.queue[0]
		if len(g.queue) <= maxRequests && g.octets <= maxWaiting && now-r.first <= waitTime {
			return
		}
		g.queue[0] = nil
		g.queue = g.queue[1:]
		g.settle(r)
	}
}

// settle keeps of a request what may be worth telling.
func (g *Signalling) settle(r *request) {
	delete(g.waiting, r.key)
	g.octets -= r.kept
	switch {
	case r.answered > 0 && r.late < 3, r.Flow.Transport != "udp":
		return
	case len(g.open) >= maxUnsettled, r.count == 1 && g.single >= maxUnsettled/2:
		g.Left++
		return
	case r.count == 1:
		g.single++
	}
	m := *r.Message
	m.Raw, m.Announced, m.Call = nil, nil, bounded(m.Call)
	m.End = r.kept + m.Missing
	r.Message = &m
	g.open = append(g.open, r)
}

// sign adds a sign to those of its kind.
func (g *Signalling) sign(s alg.Sign) {
	k := signKey{s.Rule.ID, s.Message, s.Field, s.Path, s.Direction}
	was := g.signs[k]
	switch {
	case was == nil && len(g.order) >= maxSigns:
		g.Left++
	case was == nil:
		s.Sent, s.Got = clip(s.Sent), clip(s.Got)
		g.signs[k] = &s
		g.order = append(g.order, &s)
	case s.Surer(was):
		s.Count += was.Count
		s.Sent, s.Got = clip(s.Sent), clip(s.Got)
		*was = s
	default:
		was.Count++
		if len(was.Frames) < 16 {
			was.Frames = append(was.Frames[:len(was.Frames):len(was.Frames)], s.Frames...)
		}
	}
}

// Judge hands on what was found, when the capture is read to its end.
func (g *Signalling) Judge(j *alg.Judge) {
	for _, r := range g.queue {
		g.settle(r)
	}
	g.queue = nil
	for _, r := range g.open {
		j.AddRequest(g.unanswered(r))
	}
	for _, r := range g.faxes {
		q := &alg.Request{Path: r.Flow.Path(), Direction: directionOf(r.Message), Call: bounded(r.Call), Method: r.method, Src: r.Src, Dst: r.Dst, Frames: r.frames}
		j.AddFaxRefused(q, r.status)
	}
	for _, b := range g.clients.moved() {
		j.AddBinding(b)
	}
}

// Signs hands on the signs of an application gateway.
func (g *Signalling) Signs(j *alg.Judge, of *Capture) {
	learnt := map[netip.Addr]bool{}
	for _, m := range of.Mappings {
		learnt[m.Mapped.Addr()] = true
	}
	for _, f := range of.Flows {
		if f.STUNs > 0 {
			learnt[f.Ends[0].Addr()] = true
		}
	}
	for _, s := range g.order {
		s.Settle(g.natted[s.Client], learnt[s.Own])
		j.AddSign(s)
	}
}

// unanswered is a request as judging takes it.
func (g *Signalling) unanswered(r *request) *alg.Request {
	q := &alg.Request{
		Path: r.Flow.Path(), Direction: directionOf(r.Message), Call: r.Call, Method: r.method, Src: r.Src, Dst: r.Dst, Count: r.count,
		Span: time.Duration(r.last - r.first), Frames: r.frames, InDialog: r.inDialog, Answers: r.answers, Late: r.late,
		Size: r.End, Pieces: r.pieces, Partial: r.partial, Smaller: g.short[shortKey{r.Flow.ID, r.Src}], Binding: r.binding,
	}
	if r.contact != nil {
		q.Contact, q.Signals = r.contact.contact, r.contact.from
	}
	for i := range r.Flow.Errors {
		e := &r.Flow.Errors[i]
		if e.Src != r.Src || e.Dst != r.Dst || e.Last < r.first || e.First > r.last+int64(5*time.Second) {
			continue
		}
		switch {
		case e.Unreachable():
			q.Refused += e.Count
			q.By = e.From
		case e.TooLarge():
			q.TooLarge += e.Count
			q.By = e.From
		}
	}
	return q
}
