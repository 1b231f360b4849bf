package capture

import (
	"math"
	"time"

	"nofixup/alg"
	"nofixup/alg/media"
)

// outbound reports that a stream goes from the inside to the outside: the end that a NAT left as it was is the outer one. Where
// it left both, or a relay changed both, what messages showed to be inside tells, and then which address is private.
func (b *between) outbound(t *twins) (outbound, known bool) {
	in, out := &b.inside.capture.Streams[t.in], &b.outside.capture.Streams[t.out]
	src, dst := in.Src == out.Src, in.Dst == out.Dst
	switch {
	case dst && !src:
		return true, true
	case src && !dst:
		return false, true
	}
	from, to := b.inside.near[in.Src.Addr()], b.inside.near[in.Dst.Addr()]
	if from != to {
		return from, true
	}
	from, to = alg.Private(in.Src.Addr()), alg.Private(in.Dst.Addr())
	return from, from != to
}

// bounds narrows down by how much the clocks differ: nothing arrives before it was sent, so that what goes out says the most that
// it can be, and what comes in the least.
func (b *between) bounds() {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	take := func(diff int64, outbound bool) {
		if outbound {
			most = min(most, diff)
		} else {
			least = max(least, diff)
		}
	}
	for _, s := range b.inside.list {
		if s.other != nil && !s.again && !s.other.again {
			if src, dst := shared(s.Message, s.other.Message); src != dst {
				take(s.other.At-s.At, dst)
			}
		}
	}
	for i := range b.paired {
		t := &b.paired[i]
		if outbound, known := b.outbound(t); known && len(t.diffs) >= minPrints {
			take(t.diffs[0], outbound)
			take(t.diffs[len(t.diffs)-1], outbound)
		}
	}
	if least == math.MinInt64 || most == math.MaxInt64 {
		b.doubt = -1
		return
	}
	if least <= most {
		b.offset = min(max(b.offset, least), most)
		b.doubt = max(most-b.offset, b.offset-least)
		return
	}
	b.doubt, b.drift = least-most, least-most
}

// quick is in how much time a packet that takes no longer than others passes both points, beside what it takes, in nanoseconds: what
// passed one point that long before the end of a capture, or after its beginning, must be there at the other.
const quick = int64(40 * time.Millisecond)

// passages say what became of every stream that both points saw, and of those that never came to the second one.
func (b *between) passages() {
	from, to := b.common()
	in, out := map[int]bool{}, map[int]bool{}
	b.missed = [2]int{}
	for i := range b.paired {
		t := &b.paired[i]
		in[t.in], out[t.out] = true, true
		p := b.passage(t, from, to)
		if p.Direction == alg.Outbound {
			b.missed[0] += p.Missed
		} else {
			b.missed[1] += p.Missed
		}
		b.passed = append(b.passed, p)
	}
	for side, v := range []*vantage{b.inside, b.outside} {
		c := b.crossing(side)
		from, to := from+margin, to-margin
		if side == 1 {
			from, to = from+b.offset, to+b.offset
		}
		for i := range v.capture.Streams {
			if taken := []map[int]bool{in, out}[side]; !taken[i] && c.dropped(&v.capture.Streams[i], from, to) {
				b.passed = append(b.passed, b.blocked(side, i, from, to))
			}
		}
	}
}

// passage says what became of a stream that both points saw, of what passed the first in the time, of the inside, that the captures have in common.
func (b *between) passage(t *twins, from, to int64) alg.Passage {
	base := len(b.inside.capture.Streams)
	p := alg.Passage{Streams: []int{t.in, base + t.out}}
	up, down := &b.inside.capture.Streams[t.in], &b.outside.capture.Streams[t.out]
	shift, sign := t.shift, int64(1)
	outbound, known := b.outbound(t)
	if known {
		p.Direction = alg.Outbound
	}
	if known && !outbound {
		p.Direction = alg.Inbound
		up, down, shift, sign = down, up, -shift, -1
		p.Streams[0], p.Streams[1] = p.Streams[1], p.Streams[0]
		from, to = from+b.offset, to+b.offset
	}
	if n := len(t.diffs); n >= minPrints && known && b.doubt >= 0 {
		p.Samples = n
		worst := t.diffs[n-1]
		if sign < 0 {
			worst = t.diffs[0]
		}
		p.Delay, p.MaxDelay = milliseconds(sign*(median(t.diffs)-b.offset)), milliseconds(sign*(worst-b.offset))
	}
	slack := int64(time.Second)
	if p.Samples > 0 {
		slack = min(slack, 2*b.doubt+int64(max(0, p.MaxDelay)*float64(time.Millisecond))+quick)
	}
	from, to = from+slack, to-slack
	if !known || to <= from || up.First > to || up.Last < from {
		return p
	}
	if !up.Trace.Whole || !down.Trace.Whole || !t.known {
		// How the numbers of the one follow from those of the other is not known all the way: what can be counted is all of it.
		if sent, came := arrived(up), arrived(down); up.First >= from && up.Last <= to {
			p.Counted, p.Sent, p.Lost, p.Before = true, sent, max(0, sent-came), int(up.Lost)
		}
		return p
	}
	lo, hi := up.Trace.First, up.Trace.Last
	if up.First < from {
		lo = numberAt(up, from)
	}
	if up.Last > to {
		hi = numberAt(up, to)
	}
	p.Counted = true
	p.Sent = int(up.Trace.Count(lo, hi))
	both := countBoth(up.Trace, down.Trace, shift, lo, hi)
	p.Lost = p.Sent - both
	p.Before = int(hi-lo+1) - p.Sent
	p.Missed = int(down.Trace.Count(lo+shift, hi+shift)) - both
	p.Before -= min(p.Before, p.Missed)
	return p
}

func arrived(s *Stream) int { return int(s.Packets) - int(s.Duplicates) }

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }

// countBoth is how many of the numbers from one to another came at both points.
func countBoth(up, down *media.Trace, shift, from, to uint64) (n int) {
	lo := from
	for _, r := range append(up.Missing[:len(up.Missing):len(up.Missing)], media.Run{From: max(to, up.Last) + 1}) {
		if r.From > lo {
			if hi := min(r.From-1, to); hi >= max(lo, up.First) {
				n += int(down.Count(max(lo, up.First)+shift, hi+shift))
			}
		}
		if lo = max(lo, r.To+1); r.From > to {
			break
		}
	}
	return n
}

// blocked says of a stream that it passes one point alone.
func (b *between) blocked(side, i int, from, to int64) alg.Passage {
	v := []*vantage{b.inside, b.outside}[side]
	s := &v.capture.Streams[i]
	p := alg.Passage{Streams: []int{i}, Direction: alg.Outbound, Blocked: true, Counted: true}
	if side == 1 {
		p.Streams[0] += len(b.inside.capture.Streams)
		p.Direction = alg.Inbound
	}
	p.Sent = share(s, from, to)
	p.Lost = p.Sent
	return p
}

// share is about how many packets of a stream came between two times.
func share(s *Stream, from, to int64) int {
	both := min(s.Last, to) - max(s.First, from)
	if both <= 0 || s.Last <= s.First {
		return 0
	}
	return int(float64(arrived(s)) * float64(both) / float64(s.Last-s.First))
}
