package capture

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"time"

	"nofixup/alg/media"
)

const (
	// minPrints is how many packets two streams must share to be one whose SSRC was rewritten.
	minPrints = 3
	// enoughPrints is how many they should share, going by the time that they have in common, for the absence of any to mean
	// that they are two.
	enoughPrints = 6
	// drifted is how far the sequence numbers of one stream may seem apart where nothing but its times tells.
	drifted = 500
	// nearby is how far apart a relay sends on what it got, in nanoseconds.
	nearby = int64(time.Second)
	// maxHashes is how many streams that share a hash are looked at, maxTwins how many that one may be are remembered: a hostile
	// capture has very many.
	maxHashes = 16
	maxTwins  = 4
)

// twins are two streams that may be one, seen at either point.
type twins struct {
	in, out int     // places in Capture.Streams
	diffs   []int64 // by how much later the outside has packets that both know, in ascending order
	shift   uint64  // of the outside's sequence numbers against the inside's
	known   bool    // shift is known
	shared  int     // ends that are the same
	ssrc    bool
	apart   int64 // how much later or earlier the outside has it, beyond what the clocks differ by
}

// median of what is in ascending order.
func median(list []int64) int64 { return list[len(list)/2] }

// compare finds out whether two streams may be one. They are if packets of both have the same payload, in the same order and at
// the same time; where no payload tells, SSRC, sequence numbers and time have to.
func (b *between) compare(i, o int) (t twins, ok bool) {
	in, out := &b.inside.capture.Streams[i], &b.outside.capture.Streams[o]
	t = twins{in: i, out: o, ssrc: in.SSRC == out.SSRC}
	src, dst := in.Src == out.Src, in.Dst == out.Dst
	for _, same := range []bool{src, dst} {
		if same {
			t.shared++
		}
	}
	if in.Trace == nil || out.Trace == nil {
		return t, false
	}
	t.common(in.Trace, out.Trace)
	if len(t.diffs) > 0 && b.timed {
		t.apart = abs(median(t.diffs) - b.offset)
		if t.apart > farApart {
			return t, false
		}
	}
	switch due := b.due(in, out); {
	case !t.ssrc && !b.related(&t, in, out):
		return t, false
	case len(t.diffs) >= minPrints && len(t.diffs) >= due/4:
		return t, true
	case !t.ssrc, !b.timed, due >= enoughPrints:
		return t, false
	}
	// Too little of it has a payload that is like no other: silence, tones, octets that were not captured.
	return t, b.inStep(&t, in, out)
}

// related reports that two streams of different SSRC have more in common than payload: music and announcements are the same in many
// streams, at times at once. What a relay sends on belongs to the same call, or has an end in common where no call is known.
func (b *between) related(t *twins, in, out *Stream) bool {
	if t.apart > nearby {
		return false
	}
	known := false
	for _, x := range []*Announcement{in.Receiver, in.Sender} {
		for _, y := range []*Announcement{out.Receiver, out.Sender} {
			if x != nil && y != nil {
				known = true
				if b.calls[x.Call] == y.Call {
					return true
				}
			}
		}
	}
	return !known && (t.shared > 0 || !b.timed || len(t.diffs) >= enoughPrints)
}

// common finds the packets that both streams are known by: those that are as many numbers apart as most are.
func (t *twins) common(in, out *media.Trace) {
	type hit struct {
		shift uint64
		diff  int64
	}
	var hits [64]hit
	n := 0
	x, y := in.Prints, out.Prints
	for len(x) > 0 && len(y) > 0 {
		switch c := cmp.Compare(x[0].Hash, y[0].Hash); {
		case c < 0:
			x = x[1:]
		case c > 0:
			y = y[1:]
		default:
			if !x[0].Repeated && !y[0].Repeated && n < len(hits) {
				hits[n] = hit{y[0].Sequence - x[0].Sequence, y[0].At - x[0].At}
				n++
			}
			x, y = x[1:], y[1:]
		}
	}
	most := 0
	for _, h := range hits[:n] {
		count := 0
		for _, g := range hits[:n] {
			if g.shift == h.shift {
				count++
			}
		}
		if count > most {
			most, t.shift, t.known = count, h.shift, true
		}
	}
	for _, h := range hits[:n] {
		if h.shift == t.shift {
			t.diffs = append(t.diffs, h.diff)
		}
	}
	slices.Sort(t.diffs)
}

// due is about how many packets two streams that are one must know each other by, going by the time that they have in common.
func (b *between) due(in, out *Stream) int {
	usable := func(t *media.Trace) (n int) {
		for i := range t.Prints {
			if !t.Prints[i].Repeated {
				n++
			}
		}
		return n
	}
	longer := max(in.Last-in.First, out.Last-out.First)
	n := min(usable(in.Trace), usable(out.Trace))
	if !b.timed || longer <= 0 {
		return 0
	}
	both := min(in.Last, out.Last-b.offset) - max(in.First, out.First-b.offset)
	return int(int64(n) * max(0, both) / longer)
}

// inStep reports that two streams are at the same numbers at the same time, and notes how far these are apart.
func (b *between) inStep(t *twins, in, out *Stream) bool {
	from, to := max(in.First, out.First-b.offset), min(in.Last, out.Last-b.offset)
	if to < from {
		return false
	}
	x, y := numberAt(in, from), numberAt(out, from+b.offset)
	d := int16(uint16(y) - uint16(x))
	if d < -drifted || d > drifted {
		return false
	}
	// The numbers are the same; how the two points count beyond 16 bits differs by whole rounds.
	t.shift, t.known = y-x-uint64(int64(d)), true
	return true
}

// numberAt is about which sequence number a stream was at at that time: between two packets whose times are known it is taken to
// go evenly.
func numberAt(s *Stream, at int64) uint64 {
	loN, loAt, hiN, hiAt := s.Trace.First, s.First, s.Trace.Last, s.Last
	for _, p := range s.Trace.Prints {
		if p.At <= at && p.At > loAt && p.Sequence >= loN && p.Sequence <= hiN {
			loN, loAt = p.Sequence, p.At
		}
	}
	for _, p := range s.Trace.Prints {
		if p.At > at && p.At < hiAt && p.Sequence >= loN && p.Sequence <= hiN {
			hiN, hiAt = p.Sequence, p.At
		}
	}
	switch {
	case at <= loAt || hiAt <= loAt:
		return loN
	case at >= hiAt:
		return hiN
	}
	return loN + uint64(float64(hiN-loN)*float64(at-loAt)/float64(hiAt-loAt))
}

func abs(n int64) int64 { return max(n, -n) }

// streamKey is what streams are looked up by: SSRC, with one of the ends where that is the same on both sides.
type streamKey struct {
	ssrc uint32
	end  netip.AddrPort
	dst  bool
}

// bySSRC finds the pairs of streams that have the same SSRC and may be one.
func (b *between) bySSRC() (list []twins) {
	index := map[streamKey][]int{}
	for o := range b.outside.capture.Streams {
		s := &b.outside.capture.Streams[o]
		for _, k := range []streamKey{{s.SSRC, s.Src, false}, {s.SSRC, s.Dst, true}, {ssrc: s.SSRC}} {
			if len(index[k]) < maxAlike {
				index[k] = append(index[k], o)
			}
		}
	}
	for i := range b.inside.capture.Streams {
		s := &b.inside.capture.Streams[i]
		var done []int
		var found []twins
		for _, k := range []streamKey{{s.SSRC, s.Src, false}, {s.SSRC, s.Dst, true}, {ssrc: s.SSRC}} {
			for _, o := range index[k] {
				if slices.Contains(done, o) {
					continue
				}
				done = append(done, o)
				if t, ok := b.compare(i, o); ok {
					found = append(found, t)
				}
			}
		}
		list = append(list, best(found)...)
	}
	return list
}

// byPayload finds pairs among the streams that are not taken: those whose SSRC somebody rewrote.
func (b *between) byPayload(in, out map[int]bool) (list []twins) {
	type place struct {
		hash uint64
		out  int
	}
	var index []place
	for o := range b.outside.capture.Streams {
		if t := b.outside.capture.Streams[o].Trace; t != nil && !out[o] {
			for _, p := range t.Prints {
				if !p.Repeated {
					index = append(index, place{p.Hash, o})
				}
			}
		}
	}
	slices.SortFunc(index, func(x, y place) int { return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.out, y.out)) })
	for i := range b.inside.capture.Streams {
		t := b.inside.capture.Streams[i].Trace
		if t == nil || in[i] {
			continue
		}
		hits := map[int]int{}
		for _, p := range t.Prints {
			at := sort.Search(len(index), func(k int) bool { return index[k].hash >= p.Hash })
			for n := 0; n < maxHashes && at < len(index) && index[at].hash == p.Hash && !p.Repeated; n++ {
				hits[index[at].out]++
				at++
			}
		}
		var found []twins
		for o, n := range hits {
			if n < minPrints {
				continue
			}
			if t, ok := b.compare(i, o); ok {
				found = append(found, t)
			}
		}
		list = append(list, best(found)...)
	}
	return list
}

// best are the first few of the streams that one may be.
func best(list []twins) []twins {
	slices.SortFunc(list, better)
	return list[:min(len(list), maxTwins)]
}

// better orders by what makes two streams more likely to be one: ends that are the same, then packets that both are known by, then
// nearness in time.
func better(x, y twins) int {
	return cmp.Or(cmp.Compare(y.shared, x.shared), cmp.Compare(len(y.diffs), len(x.diffs)), cmp.Compare(x.apart, y.apart), cmp.Compare(x.in, y.in), cmp.Compare(x.out, y.out))
}

// pick takes the best of the pairs, each stream once.
func pick(list []twins, in, out map[int]bool) (picked []twins) {
	slices.SortFunc(list, better)
	for _, t := range list {
		if !in[t.in] && !out[t.out] {
			in[t.in], out[t.out] = true, true
			picked = append(picked, t)
		}
	}
	return picked
}

// pairStreams finds the streams of the inside at the outside.
func (b *between) pairStreams() {
	in, out := map[int]bool{}, map[int]bool{}
	b.paired = pick(b.bySSRC(), in, out)
	b.paired = append(b.paired, pick(b.byPayload(in, out), in, out)...)
	slices.SortFunc(b.paired, func(x, y twins) int { return cmp.Compare(x.in, y.in) })
}

// clocksOfMedia finds the difference of the clocks by media, where no message did: as clocks does, by streams that share enough
// packets to be known by nothing else.
func (b *between) clocksOfMedia() bool {
	in, out := map[int]bool{}, map[int]bool{}
	list := b.bySSRC()
	for _, t := range list {
		in[t.in], out[t.out] = true, true
	}
	list = append(list, b.byPayload(in, out)...)
	list = slices.DeleteFunc(list, func(t twins) bool { return len(t.diffs) < enoughPrints })
	var diffs [2][]int64
	for _, t := range pick(list, map[int]bool{}, map[int]bool{}) {
		outbound, known := b.outbound(&t)
		if !known || outbound {
			diffs[0] = append(diffs[0], median(t.diffs))
		}
		if !known || !outbound {
			diffs[1] = append(diffs[1], median(t.diffs))
		}
	}
	return b.setOffset(diffs)
}
