package capture

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"time"

	"nofixup/alg"
)

const (
	// minPassing is how much of a stream must have been due at a point for its absence there to mean anything: packets, and
	// nanoseconds.
	minPassing     = 50
	minPassingTime = int64(2 * time.Second)
)

// findEnds notes the addresses that signal through the box, as either side sees them, and which messages passed both points.
func (b *between) findEnds() {
	b.calls = map[string]string{}
	for _, v := range []*vantage{b.inside, b.outside} {
		v.near, v.far, v.crossed, v.passed = map[netip.Addr]bool{}, map[netip.Addr]bool{}, map[int]*seen{}, map[string]bool{}
	}
	for _, s := range b.inside.list {
		if s.other == nil {
			continue
		}
		f := joint{inside: s.Flow, outside: s.other.Flow, inner: inner(s.Flow, s.other.Flow)}
		in, out := f.ends()
		b.inside.near[in[0].Addr()], b.inside.far[in[1].Addr()] = true, true
		b.outside.near[out[1].Addr()], b.outside.far[out[0].Addr()] = true, true
		b.inside.crossed[s.ID], b.outside.crossed[s.other.ID] = s, s.other
		if _, ok := b.calls[s.Call]; !ok && s.Call != "" {
			b.calls[s.Call] = s.other.Call
		}
		if s.other.Call != "" {
			b.outside.passed[s.other.Call] = true
		}
	}
}

// crossing is what of one side is known to pass the other.
type crossing struct {
	*between
	side   int // 0 the inside
	own    *vantage
	fit    bool                // both captures have all that passed
	times  map[string][2]int64 // of calls, when the first and the last message passed both points
	media  map[string][]*Stream
	bySSRC map[uint32][]*Stream
	from   map[netip.Addr]bool          // what sends streams that pass the other side
	spans  [][2]int64                   // of streams that pass both, in order of their beginning, each with the latest end so far
	alone  map[netip.AddrPort][]*Stream // streams of the other side that are no stream of this one, by their end that no NAT changes
}

func (b *between) crossing(side int) *crossing {
	c := &crossing{
		between: b, side: side, own: []*vantage{b.inside, b.outside}[side], fit: b.inside.whole() && b.outside.whole(),
		times: map[string][2]int64{}, media: map[string][]*Stream{}, bySSRC: map[uint32][]*Stream{}, from: map[netip.Addr]bool{},
		alone: map[netip.AddrPort][]*Stream{},
	}
	other := []*vantage{b.outside, b.inside}[side]
	taken := map[int]bool{}
	for i := range b.paired {
		taken[[]int{b.paired[i].out, b.paired[i].in}[side]] = true
	}
	for i := range other.capture.Streams {
		if s := &other.capture.Streams[i]; !taken[i] {
			end := c.outer(s)
			c.alone[end] = append(c.alone[end], s)
		}
	}
	for _, m := range c.own.crossed {
		t, ok := c.times[m.Call]
		if !ok {
			t = [2]int64{m.At, m.At}
		}
		c.times[m.Call] = [2]int64{min(t[0], m.At), max(t[1], m.At)}
	}
	for i := range b.paired {
		t := &b.paired[i]
		s := &c.own.capture.Streams[[]int{t.in, t.out}[side]]
		for _, a := range []*Announcement{s.Receiver, s.Sender} {
			if a != nil {
				c.media[a.Call] = append(c.media[a.Call], s)
				break
			}
		}
		if outbound, known := b.outbound(t); !known || outbound == (side == 0) {
			c.from[s.Src.Addr()] = true
			c.bySSRC[s.SSRC] = append(c.bySSRC[s.SSRC], s)
		}
		if s.Last-s.First >= minPassingTime {
			c.spans = append(c.spans, [2]int64{s.First, s.Last})
		}
	}
	slices.SortFunc(c.spans, func(x, y [2]int64) int { return cmp.Compare(x[0], y[0]) })
	for i := 1; i < len(c.spans); i++ {
		c.spans[i][1] = max(c.spans[i][1], c.spans[i-1][1])
	}
	return c
}

// whole reports that all that the files hold was looked at.
func (v *vantage) whole() bool { return v.capture.Complete() && v.left == 0 && v.cut == 0 }

// dropped reports that a stream of this side was to pass the other between two times, and never did: both captures are complete
// and have media of that time at all, since one that was made of port 5060 alone lacks all of it; the stream belongs to a call
// whose messages, or whose other media, pass both points meanwhile; and its receiver is on the other side.
func (c *crossing) dropped(s *Stream, from, to int64) bool {
	from, to = max(from, s.First), min(to, s.Last)
	if !c.fit || to-from < minPassingTime || share(s, from, to) < minPassing {
		return false
	}
	call := c.call(s)
	return call != "" && !c.stays(s) && !c.forwarded(s) && !c.replaced(s) && c.passes(call, from, to) && c.mediaThen(from, to)
}

// call is the call of a stream, if a message of it that passed both points announced one of the stream's ends, coming from there.
func (c *crossing) call(s *Stream) string {
	inward := c.side == 1
	for _, a := range []*Announcement{s.Receiver, s.Sender} {
		if a == nil {
			continue
		}
		m := c.own.crossed[a.Message]
		if m == nil {
			continue
		}
		if c.side == 1 {
			m = m.other
		}
		fromInner := m.Src == m.Flow.Ends[inner(m.Flow, m.other.Flow)]
		if fromInner == (inward == (a == s.Receiver)) {
			return a.Call
		}
	}
	return ""
}

// stays reports that the receiver of a stream is on this side as well, or has an address that is of no use on the other.
func (c *crossing) stays(s *Stream) bool {
	dst := s.Dst.Addr()
	return c.own.near[dst] || alg.Private(dst) && !c.own.far[dst]
}

// forwarded reports that somebody on this side takes in the stream and sends on what passes.
func (c *crossing) forwarded(s *Stream) bool {
	list := c.bySSRC[s.SSRC]
	return c.from[s.Dst.Addr()] || len(list) > maxAlike || slices.ContainsFunc(list, func(o *Stream) bool {
		return o.First <= s.Last && s.First <= o.Last
	})
}

// outer is the end of a stream that is beyond the NAT, if it goes from this side to the other.
func (c *crossing) outer(s *Stream) netip.AddrPort {
	if c.side == 0 {
		return s.Dst
	}
	return s.Src
}

// replaced reports that another stream goes on at the other side in place of this one: what is in between transcodes it, or
// encrypts it.
func (c *crossing) replaced(s *Stream) bool {
	list, ahead := c.alone[c.outer(s)], c.offset // of the other side's clock
	if c.side == 1 {
		ahead = -ahead
	}
	return len(list) > maxAlike || slices.ContainsFunc(list, func(o *Stream) bool {
		return o.First-ahead <= s.Last && s.First <= o.Last-ahead
	})
}

// passes reports that messages of a call pass both points before and after what goes on in that time, or other media meanwhile.
func (c *crossing) passes(call string, from, to int64) bool {
	t, ok := c.times[call]
	if !ok || t[0] > from+int64(time.Second) {
		return false
	}
	return t[1] >= from+minPassingTime || slices.ContainsFunc(c.media[call], func(o *Stream) bool {
		return min(o.Last, to)-max(o.First, from) >= minPassingTime
	})
}

// mediaThen reports that media of the time passed both points.
func (c *crossing) mediaThen(from, to int64) bool {
	i := sort.Search(len(c.spans), func(i int) bool { return c.spans[i][0] > to-minPassingTime })
	return i > 0 && c.spans[i-1][1] >= from+minPassingTime
}
