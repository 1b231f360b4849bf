package capture

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"nofixup/alg"
)

// minAgreed is for how long audio must have been agreed on to be missed, in nanoseconds.
const minAgreed = int64(3 * time.Second)

// carried is the audio of one call between two ends that signal to one another: a relay on the way makes two of one call.
type carried struct {
	ways  [2]alg.Way
	audio [2]int // packets that passed, without any estimate
}

// Observed is what a capture shows of the calls, in the order in which they began, with the streams that belong to each as
// places in Capture.Streams.
func (c *Calls) Observed(of *Capture) []alg.Observed {
	list := make([]alg.Observed, len(c.order))
	parts := make([]map[int]*carried, len(c.order))
	place := map[*call]int{}
	for i, k := range c.order {
		k.agree(max(k.last, of.Last))
		k.partition()
		list[i], parts[i], place[k] = k.observed(), map[int]*carried{}, i
	}
	bare := c.bare()
	for i := range of.Streams {
		s := &of.Streams[i]
		for _, at := range c.owners(s, bare) {
			o := place[at.call]
			list[o].Streams = append(list[o].Streams, i)
			if end := time.Unix(0, s.Last).UTC(); at.call.ended == 0 && at.call.answered > 0 && end.After(list[o].End) {
				list[o].End = end // it goes on without messages
			}
			part := parts[o][at.part]
			if part == nil {
				part = &carried{}
				parts[o][at.part] = part
			}
			at.call.stream(part, at.towards, s)
		}
	}
	for i, k := range c.order {
		k.carry(&list[i], parts[i])
	}
	return list
}

// owner is the call that a stream belongs to, and where it goes in it.
type owner struct {
	call    *call
	towards int
	part    int // as partition numbers them
}

// owners returns the calls that a stream belongs to: one, or two where a server joins what both ends have told it.
func (c *Calls) owners(s *Stream, bare []*call) (list []owner) {
	for i, a := range [2]*Announcement{s.Receiver, s.Sender} {
		if a == nil {
			continue
		}
		k := c.index[a.Call]
		if k == nil || len(list) > 0 && (list[0].call == k || !k.announced(s.Dst)) {
			continue
		}
		if by := k.find(a); by != nil {
			list = append(list, owner{k, by.end ^ i, by.part})
		}
	}
	if len(list) == 0 && s.Receiver == nil && s.Sender == nil {
		list = undescribed(s, bare)
	}
	return list
}

// find returns the entry of an announcement, or that of the same address in another message: a refused offer may have had it.
func (k *call) find(a *Announcement) (by *announcedBy) {
	for i := range k.media {
		m := &k.media[i]
		if m.Announcement == a {
			return m
		}
		if m.Addr == a.Addr && (m.Kind == a.Kind || by == nil) {
			by = m
		}
	}
	return by
}

func (k *call) announced(addr netip.AddrPort) bool {
	for i := range k.media {
		if k.media[i].Addr == addr {
			return true
		}
	}
	return false
}

// partition tells the announced addresses apart by the pair of hosts whose messages had them: a relay on the way tells either
// side another address, a proxy that leaves media alone tells the same.
func (k *call) partition() {
	for i := range k.media {
		k.media[i].part = i + 1
		for j := range i {
			if x, y := &k.media[i], &k.media[j]; x.between == y.between || x.Addr == y.Addr && x.end == y.end {
				k.join(x.part, y.part)
			}
		}
	}
	if k.proto == alg.ProtoSIP && k.whole() {
		return
	}
	for i := range k.media {
		k.media[i].part = 1
	}
}

func (k *call) join(from, to int) {
	for i := range k.media {
		if k.media[i].part == from {
			k.media[i].part = to
		}
	}
}

// whole says whether in every part both ends announced an address: else answers went another way than what they answer.
func (k *call) whole() bool {
	var ends [2]map[int]bool
	for i := range ends {
		ends[i] = map[int]bool{}
		for j := range k.media {
			if k.media[j].end == i {
				ends[i][k.media[j].part] = true
			}
		}
	}
	return maps.Equal(ends[caller], ends[callee])
}

// undescribed finds the call that began before the capture and that a stream between its two ends belongs to, where there is
// one alone.
func undescribed(s *Stream, bare []*call) []owner {
	var found []owner
	for _, k := range bare {
		from, to := k.ends[caller].Addr(), k.ends[callee].Addr()
		if s.First > k.last || s.Last < k.first {
			continue
		}
		switch {
		case s.Src.Addr() == from && s.Dst.Addr() == to:
			found = append(found, owner{k, callee, 0})
		case s.Src.Addr() == to && s.Dst.Addr() == from:
			found = append(found, owner{k, caller, 0})
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found
}

// maxBare is how many calls are looked through for streams that nothing announced.
const maxBare = 256

// bare are the calls of which no description was captured, none if they are too many to tell streams apart by.
func (c *Calls) bare() []*call {
	var list []*call
	for _, k := range c.order {
		if k.began && len(k.media) == 0 {
			list = append(list, k)
		}
	}
	if len(list) > maxBare {
		return nil
	}
	return list
}

func (k *call) observed() alg.Observed {
	end := k.last
	if k.ended > 0 {
		end = k.ended
	}
	return alg.Observed{
		Call: alg.Call{
			ID: k.id, Proto: k.proto, State: k.state(), From: k.names[caller], To: k.names[callee], Began: k.began,
			Start: time.Unix(0, k.first).UTC(), End: time.Unix(0, end).UTC(), Streams: []int{},
		},
		Path: k.flow.Path(), Answered: k.answered > 0, Frames: k.frames,
		Known: k.says[caller].said && k.says[callee].said, Fax: k.wasFax(),
		Callee: alg.Private(k.ends[callee].Addr()) && !alg.Private(k.ends[caller].Addr()),
	}
}

// carry puts what was carried into a call. Of several parts it is the one that shows most clearly that something is missing:
// behind a relay the other half of the way says nothing of this one.
func (k *call) carry(o *alg.Observed, parts map[int]*carried) {
	var best *carried
	at := 0
	for id, p := range parts {
		if best == nil || p.worse(best) || !best.worse(p) && id < at {
			best, at = p, id
		}
	}
	if best != nil {
		o.Ways = best.ways
	}
	for i := range o.Ways {
		w, other := &o.Ways[i], &o.Ways[1-i]
		w.Agreed = k.agreed[i] > 0
		w.Expected = k.agreed[i] >= minAgreed
		w.Far = k.ends[1-i].Addr()
		for j := range k.media {
			a := &k.media[j]
			if a.end != i || best != nil && at > 0 && a.part != at || a.Kind != KindAudio && a.Kind != KindMedia || a.Addr.Addr().IsUnspecified() {
				continue
			}
			if !slices.Contains(w.Hosts, a.Addr.Addr()) {
				w.Hosts = append(w.Hosts, a.Addr.Addr())
			}
			if w.Path == "" || w.Announced != k.says[i].where { // what is in force goes before what was only said
				w.Announced, w.Path, w.Frames, w.Natted, w.Origin = a.Addr, a.Path, a.frames, a.natted, a.Origin
			}
		}
		if w.Packets > 0 && other.Packets > 0 {
			w.Quiet = time.Duration(k.quiet(w.Last.UnixNano(), other.Last.UnixNano()))
		}
	}
	if k.oks > 1 {
		o.Unacked = &alg.Unacked{Count: k.oks, Span: time.Duration(k.okLast - k.okFirst), Seen: k.ackSeen}
	}
}

// worse says whether the audio of p is farther from going both ways than that of q. Of a part with hardly any audio nothing
// can be said.
func (p *carried) worse(q *carried) bool {
	const some = 50
	a, b := max(p.audio[0], p.audio[1]), max(q.audio[0], q.audio[1])
	if a < some || b < some {
		return a > b
	}
	return min(p.audio[0], p.audio[1])*b < min(q.audio[0], q.audio[1])*a
}

// isAudio says whether a stream to an address of the call is audio, where one address may be announced for several media (RFC
// 9143): what its payload types were announced for.
func (k *call) isAudio(s *Stream) bool {
	var audio, other bool
	for _, addr := range [2]netip.AddrPort{s.Dst, s.Src} {
		for i := range k.media {
			a := &k.media[i]
			if a.Addr != addr {
				continue
			}
			if a.Kind == KindMedia { // of H.323: the static types of RFC 3551 tell
				return len(s.Payloads) == 0 || !videoType(s.Payloads[0].Format.Payload)
			}
			is := a.Kind == KindAudio
			for _, p := range s.Payloads {
				for _, f := range a.Formats {
					if f.Payload == p.Format.Payload {
						return is
					}
				}
			}
			audio, other = audio || is, other || !is
		}
	}
	return audio || !other
}

// videoType says whether a static payload type is one of video alone (RFC 3551 6).
func videoType(payload uint8) bool {
	switch payload {
	case 25, 26, 28, 31, 32, 34:
		return true
	}
	return false
}

// stream adds a stream to the way that it goes.
func (k *call) stream(c *carried, towards int, s *Stream) {
	if k.answered == 0 || !k.isAudio(s) {
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
	c.audio[towards] += n
	if n > k.heard[towards].packets {
		k.heard[towards] = heard{s.SSRC, n}
	}
	w := &c.ways[towards]
	first, last := time.Unix(0, from).UTC(), time.Unix(0, to).UTC()
	steady := s.Pauses == 0
	if !steady {
		holds, explained := k.holds(s.First, s.Last, s.SilenceAt, s.SilenceAt+int64(s.Silence))
		steady = explained && int(s.Pauses) <= holds
	}
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
	if s.Flow != nil {
		k.errors(w, s, to)
	}
}

// errors adds the ICMP errors about a stream that lasted, in the call, to that time.
func (k *call) errors(w *alg.Way, s *Stream, to int64) {
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
	list := make([]alg.Stream, 0, len(c.Streams))
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
