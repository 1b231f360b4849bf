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

// DefaultCalls is how many calls are followed unless told otherwise.
const DefaultCalls = 1 << 15

// maxMedia is how many announced addresses are kept of one call.
const maxMedia = 32

// Calls follows the calls that messages make: those of SIP by Call-ID, those of H.323 by callIdentifier. The zero value is
// ready.
type Calls struct {
	Max  int // calls that are followed, DefaultCalls if 0
	Left int // messages of calls beyond that

	index map[string]*call
	order []*call
	msg   sip.Message
	pdu   h323.PDU
}

// The ends of a call.
const (
	caller = 0
	callee = 1
)

// call is what is known of one call.
type call struct {
	id, proto string
	flow      *Flow
	ends      [2]netip.AddrPort // from and to where its first message went
	tag       string            // From tag of the caller
	names     [2]string
	first     int64
	last      int64
	ringing   bool
	answered  int64
	ended     int64
	failed    string // status of the answer that refused it, or how it ended before an answer
	frames    []int

	modes  [2]string // of the last description of either end; empty before there is one
	since  int64     // when they last changed
	agreed [2]int64  // nanoseconds for which audio was to go towards the caller, the callee
	fax    bool
	moved  bool // media was agreed on anew in the middle of the call: a hold, another address
	media  []announcedBy

	cseq    string // of the INVITE that was answered
	oks     int    // answers 2xx to it, repeated ones included
	okFirst int64
	okLast  int64
	ackSeen bool
}

// announcedBy is an address for media with the end that announced it.
type announcedBy struct {
	*Announcement
	end    int
	frames []int
	natted bool // by a message from a public address
}

// Add takes the next message.
func (c *Calls) Add(m *Message) {
	if m.Call == "" || m.Stray || m.Copy != 0 || m.Proto == alg.ProtoRAS {
		return
	}
	k := c.index[m.Call]
	if k == nil {
		if k = c.open(m); k == nil {
			return
		}
	}
	k.last = max(k.last, m.At)
	if m.Proto == alg.ProtoSIP {
		c.msg.Parse(m.Raw)
		k.sip(m, &c.msg)
		return
	}
	if m.Proto == alg.ProtoH245 {
		c.pdu.ParseH245(m.Raw)
	} else {
		c.pdu.ParseCall(m.Raw)
	}
	k.h323(m, &c.pdu)
}

// open begins a call with a message that can begin one, else it returns nil.
func (c *Calls) open(m *Message) *call {
	most := c.Max
	if most == 0 {
		most = DefaultCalls
	}
	k := &call{id: m.Call, proto: m.Proto, flow: m.Flow, first: m.At, frames: m.Frames, ends: [2]netip.AddrPort{m.Src, m.Dst}}
	if m.Proto == alg.ProtoSIP {
		s := &c.msg
		s.Parse(m.Raw)
		if string(s.Method()) != "INVITE" {
			return nil
		}
		k.tag = tag(s, "from.tag")
		k.names = [2]string{uri(s.Value(sip.HeaderFrom, 0)), uri(s.Value(sip.HeaderTo, 0))}
	} else {
		c.pdu.ParseCall(m.Raw)
		if m.Proto != alg.ProtoH323 || c.pdu.Message != h323.Setup {
			return nil
		}
		k.names = [2]string{m.Src.String(), m.Dst.String()}
	}
	if len(c.index) >= most {
		c.Left++
		return nil
	}
	if c.index == nil {
		c.index = map[string]*call{}
	}
	c.index[k.id] = k
	c.order = append(c.order, k)
	return k
}

// tag is a parameter of a header that tells dialogs apart.
func tag(s *sip.Message, path string) string {
	span, ok := s.Find(path)
	if !ok {
		return ""
	}
	return string(span.Bytes(s.Raw))
}

// uri is the URI of a From or To, for people.
func uri(v []byte) string {
	if i := bytes.IndexByte(v, '<'); i >= 0 {
		v = v[i+1:]
		if i := bytes.IndexByte(v, '>'); i >= 0 {
			v = v[:i]
		}
	} else if i := bytes.IndexByte(v, ';'); i >= 0 {
		v = v[:i]
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(v[:min(len(v), 200)])), "?")
}

// sip follows a call of SIP.
func (k *call) sip(m *Message, s *sip.Message) {
	cseq, method, _ := strings.Cut(string(bytes.TrimSpace(s.Value(sip.HeaderCSeq, 0))), " ")
	method = strings.TrimSpace(method)
	from := tag(s, "from.tag") == k.tag // the request is the caller's
	end := callee
	if from == s.IsRequest() {
		end = caller
	}
	status := s.Status()
	switch {
	case s.IsRequest():
		switch string(s.Method()) {
		case "BYE":
			k.end(m.At)
		case "CANCEL":
			if k.answered == 0 {
				k.failed = "cancelled"
			}
		case "ACK":
			if cseq == k.cseq {
				k.ackSeen = true
			}
		}
	case method == "INVITE" && status >= 200 && status < 300:
		if k.answered == 0 {
			k.answered, k.failed = m.At, ""
			k.since = m.At
		}
		if end == callee && k.cseq == "" {
			k.cseq = cseq
		}
		// The same answer on its next hop is no repetition.
		if cseq == k.cseq && m.Flow == k.flow {
			if k.oks == 0 {
				k.okFirst = m.At
			}
			k.oks++
			k.okLast = m.At
		}
	case method == "INVITE" && status >= 300 && k.answered == 0 && status != 401 && status != 407 && k.failed != "cancelled":
		k.failed = strconv.Itoa(status)
	case method == "INVITE" && status >= 180 && status < 200:
		k.ringing = true
	}
	if off, stop, ok := s.SDP(); ok && status < 300 {
		k.described(m, end, stop > off)
	}
}

// described takes a session description of an end.
func (k *call) described(m *Message, end int, some bool) {
	if !some {
		return
	}
	mode := "inactive" // audio is not in it, or declined
	for _, a := range m.Announced {
		switch a.Kind {
		case KindImage:
			k.fax = true
		case KindAudio:
			if mode = a.Mode; mode == "" {
				mode = "sendrecv"
			}
			if a.Addr.Addr().IsUnspecified() { // hold as RFC 2543 had it
				mode = "sendonly"
			}
			k.announce(m, a, end)
		}
	}
	k.agree(m.At)
	k.modes[end] = mode
	k.moved = k.moved || k.answered > 0 && m.At-k.answered > int64(time.Second)
}

func (k *call) announce(m *Message, a *Announcement, end int) {
	if len(k.media) == maxMedia {
		k.media = append(k.media[:maxMedia/2], k.media[maxMedia/2+1:]...)
	}
	k.media = append(k.media, announcedBy{a, end, m.Frames, !alg.Private(m.Src.Addr()) && alg.Private(a.Addr.Addr())})
}

// agree adds up for how long audio was to go either way until that time.
func (k *call) agree(at int64) {
	if k.answered == 0 || at <= k.since {
		return
	}
	until := at
	if k.ended > 0 {
		until = min(until, k.ended)
	}
	for end := range k.modes {
		if sends(k.modes[1-end]) && receives(k.modes[end]) {
			k.agreed[end] += max(0, until-k.since)
		}
	}
	k.since = at
}

func sends(mode string) bool    { return mode == "sendrecv" || mode == "sendonly" }
func receives(mode string) bool { return mode == "sendrecv" || mode == "recvonly" }

func (k *call) end(at int64) {
	if k.ended == 0 {
		k.agree(at)
		k.ended = at
	}
}

// h323 follows a call of H.323.
func (k *call) h323(m *Message, p *h323.PDU) {
	end := callee
	if m.Proto == alg.ProtoH323 && m.FromClient() || m.Proto == alg.ProtoH245 && m.Src.Addr() == k.ends[caller].Addr() {
		end = caller // who connects for call signalling calls
	}
	switch p.Message {
	case h323.Connect:
		if k.answered == 0 {
			k.answered, k.since = m.At, m.At
		}
	case h323.Alerting:
		k.ringing = true
	case h323.ReleaseComplete:
		if k.answered == 0 {
			k.failed = "refused"
			if end == caller {
				k.failed = "cancelled"
			}
		}
		k.end(m.At)
	case h323.EndSessionCommand:
		k.end(m.At)
	}
	for _, a := range m.Announced {
		if a.Kind != KindMedia {
			continue
		}
		k.agree(m.At)
		k.modes[end] = "sendrecv"
		k.announce(m, a, end)
	}
}

// state says in a word how far the call came.
func (k *call) state() string {
	switch {
	case k.answered > 0 && k.ended > 0:
		return "ended"
	case k.answered > 0:
		return "answered" // the capture ends before the call does
	case k.failed == "cancelled" || k.failed == "refused":
		return k.failed
	case k.failed != "":
		return "failed " + k.failed
	case k.ended > 0:
		return "ended unanswered"
	case k.ringing:
		return "ringing"
	}
	return "unanswered"
}

// Observed is what a capture shows of the calls, in the order in which they began, with the streams that belong to each as
// places in Capture.Streams.
func (c *Calls) Observed(of *Capture) []alg.Observed {
	list := make([]alg.Observed, len(c.order))
	owner := map[*Announcement]announcedOwner{}
	for i, k := range c.order {
		k.agree(max(k.last, of.Last))
		list[i] = k.observed()
		for _, a := range k.media {
			owner[a.Announcement] = announcedOwner{i, a.end}
		}
	}
	for i := range of.Streams {
		s := &of.Streams[i]
		at, ok := owner[s.Receiver]
		towards := at.end
		if !ok {
			if at, ok = owner[s.Sender]; !ok {
				continue
			}
			towards = 1 - at.end
		}
		c.order[at.call].stream(&list[at.call], towards, i, s)
	}
	return list
}

type announcedOwner struct{ call, end int }

// minAgreed is for how long audio must have been agreed on to be missed, in nanoseconds.
const minAgreed = int64(3 * time.Second)

func (k *call) observed() alg.Observed {
	end := k.last
	if k.ended > 0 {
		end = k.ended
	}
	o := alg.Observed{
		Call: alg.Call{
			ID: k.id, Proto: k.proto, State: k.state(), From: k.names[caller], To: k.names[callee],
			Start: time.Unix(0, k.first).UTC(), End: time.Unix(0, end).UTC(), Streams: []int{},
		},
		Path: k.flow.Path(), Answered: k.answered > 0, Frames: k.frames,
		Callee: alg.Private(k.ends[callee].Addr()) && !alg.Private(k.ends[caller].Addr()),
	}
	for i := range o.Ways {
		w := &o.Ways[i]
		w.Expected = k.agreed[i] >= minAgreed && !k.fax
		w.Far = k.ends[1-i].Addr()
		for _, a := range k.media {
			if a.end == i {
				w.Hosts = appendNew(w.Hosts, a.Addr.Addr())
				w.Announced, w.Path, w.Frames, w.Natted, w.Origin = a.Addr, a.Path, a.frames, a.natted, a.Origin
			}
		}
	}
	if k.oks > 1 {
		o.Unacked = &alg.Unacked{Count: k.oks, Span: time.Duration(k.okLast - k.okFirst), Seen: k.ackSeen}
	}
	return o
}

func appendNew(list []netip.Addr, a netip.Addr) []netip.Addr {
	if slices.Contains(list, a) {
		return list
	}
	return append(list, a)
}

// stream adds a stream to the way that it goes.
func (k *call) stream(o *alg.Observed, towards, index int, s *Stream) {
	o.Streams = append(o.Streams, index)
	if k.answered == 0 {
		return
	}
	from, to := max(s.First, k.answered), s.Last
	if k.ended > 0 {
		to = min(to, k.ended)
	}
	if to < from || s.Last <= s.First {
		return // only before the answer, or only after the end
	}
	n := int(float64(s.Packets-uint64(s.Duplicates)) * float64(to-from) / float64(s.Last-s.First))
	w := &o.Ways[towards]
	first, last := time.Unix(0, from).UTC(), time.Unix(0, to).UTC()
	steady := s.Silence < time.Second && !k.moved
	for _, p := range s.Payloads {
		steady = steady && p.Format.Payload != 13 && p.Format.Payload != 19 // comfort noise (RFC 3389)
	}
	if w.Packets == 0 {
		w.First, w.Last, w.Steady, w.Went, w.Source = first, last, steady, s.Dst, s.Src
	} else {
		w.Steady = w.Steady && steady
		if first.Before(w.First) {
			w.First = first
		}
		if last.After(w.Last) {
			w.Last = last
		}
		if n > w.Packets {
			w.Went, w.Source = s.Dst, s.Src
		}
	}
	w.Packets += n
	if s.Flow == nil {
		return
	}
	for i := range s.Flow.Errors {
		e := &s.Flow.Errors[i]
		if e.Src == s.Src && e.Dst == s.Dst && e.Unreachable() {
			stop := e.Last
			if k.ended > 0 {
				stop = min(stop, k.ended)
			}
			w.Errors += e.Count
			w.Refused = max(w.Refused, time.Duration(stop-max(e.First, k.answered)))
			w.By = e.From
			if portless := e.Family == 4 && e.Code != 3 || e.Family == 6 && e.Code != 4; portless && to-e.First >= minAgreed/3 {
				w.NoWay += e.Count
			}
		}
	}
}

// StreamsAt are the streams of a capture as reports have them; point is alg.Inside, alg.Outside or empty.
func (c *Capture) StreamsAt(point string) []alg.Stream {
	var list []alg.Stream
	for i := range c.Streams {
		list = append(list, c.Streams[i].at(point))
	}
	return list
}

func (s *Stream) at(point string) alg.Stream {
	r := alg.Stream{
		Src: s.Src, Dst: s.Dst, SSRC: fmt.Sprintf("0x%08x", s.SSRC), Packets: int(s.Packets) - int(s.Duplicates), Lost: int(s.Lost),
		Late: int(s.Late), Duplicates: int(s.Duplicates), Jitter: float64(s.MeanJitter) / float64(time.Millisecond),
		First: time.Unix(0, s.First).UTC(), Last: time.Unix(0, s.Last).UTC(), Point: point, DSCP: int(s.DSCP),
	}
	var most uint64
	for _, p := range s.Payloads {
		if p.Packets > most {
			most, r.Payload, r.Codec = p.Packets, int(p.Format.Payload), p.Format.Name
		}
	}
	return r
}
