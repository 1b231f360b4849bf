package capture

import (
	"fmt"
	"net/netip"
	"time"

	"nofixup/alg"
)

// passageOf are the passages by the streams of either point, as reports number them.
func (b *between) passageOf() map[int]*alg.Passage {
	index := map[int]*alg.Passage{}
	for i := range b.passed {
		for _, s := range b.passed[i].Streams {
			index[s] = &b.passed[i]
		}
	}
	return index
}

// mute reports that a capture has no media at all: it was made of signalling alone.
func (v *vantage) mute() bool { return len(v.capture.Streams) == 0 }

// local reports that a call has its media, both ways, between two hosts of the inside: a server outside handed them to each other.
func (b *between) local(o *alg.Observed) bool {
	type ends struct{ src, dst netip.Addr }
	there := map[ends]bool{}
	for _, i := range o.Streams {
		s := &b.inside.capture.Streams[i]
		k := ends{s.Src.Addr(), s.Dst.Addr()}
		if !alg.Private(k.src) || !alg.Private(k.dst) || b.inside.far[k.src] || b.inside.far[k.dst] {
			return false
		}
		there[k] = true
	}
	for k := range there {
		if there[ends{k.dst, k.src}] {
			return true
		}
	}
	return false
}

// blocked notes on which way of a call a stream never came to the other point.
func blocked(o *alg.Observed, streams map[int]*alg.Passage) {
	for _, s := range o.Streams {
		if p := streams[s]; p != nil && p.Blocked {
			towards := 1 // the callee, who is outside unless o says otherwise
			if (p.Direction == alg.Outbound) == o.Callee {
				towards = 0
			}
			o.Ways[towards].Blocked = true
		}
	}
}

// mediaJudge judges streams that passed both points, or only one.
type mediaJudge struct {
	*alg.Judge
	streams map[int]*alg.Passage // see passageOf
	lossy   [2]float64
	clock   *alg.Clock
}

// add judges the streams of a call.
func (j *mediaJudge) add(o *alg.Observed, c *alg.Call) {
	for _, s := range o.Streams {
		if p := j.streams[s]; p != nil && p.Call == "" {
			p.Call = o.ID
			j.AddPassage(p, o, c, j.lossy, j.clock)
		}
	}
}

// lossy is which share of the media either capture lost by itself: what passed the other point, and must have passed here before.
func (b *between) lossy() (share [2]float64) {
	var came [2]int
	for i := range b.passed {
		side := 0
		if b.passed[i].Direction == alg.Inbound {
			side = 1
		}
		came[side] += b.passed[i].Sent
	}
	for side := range share {
		if n := came[side] + b.missed[side]; n > 0 {
			share[side] = float64(b.missed[side]) / float64(n)
		}
	}
	return share
}

// clock is by how much the clocks differ, nil if nothing tells.
func (b *between) clock() *alg.Clock {
	if !b.timed {
		return nil
	}
	c := &alg.Clock{Offset: milliseconds(b.offset), Doubt: -1, Drift: milliseconds(b.drift)}
	if b.doubt >= 0 {
		c.Doubt = milliseconds(b.doubt)
	}
	return c
}

// mediaNotes say what limits the meaning of the passages, and which NAT has several addresses.
func (b *between) mediaNotes(r *alg.Report) {
	n := &r.Network.Notes
	in, out := b.inside.capture.Streams, b.outside.capture.Streams
	if len(in)+len(out) == 0 {
		return
	}
	*n = append(*n, fmt.Sprintf("%d of %d RTP streams inside and %d outside were found on the other side", len(b.paired), len(in), len(out)))
	for side, point := range []string{alg.Inside, alg.Outside} {
		if own, other := [][]Stream{in, out}[side], [][]Stream{out, in}[side]; len(own) == 0 && len(other) > 0 {
			*n = append(*n, point+": the capture holds no media, so that calls are judged by the media of the other side")
		}
		untraced := 0
		for i := range [][]Stream{in, out}[side] {
			if [][]Stream{in, out}[side][i].Trace == nil {
				untraced++
			}
		}
		if untraced > 0 {
			*n = append(*n, fmt.Sprintf("%s: %d RTP streams were not compared: there was no room for what they are known by", point, untraced))
		}
		if b.missed[side] > 0 {
			*n = append(*n, fmt.Sprintf("%s: %d packets of RTP that came from there are missing: the capture lost packets, so that absence there means nothing", point, b.missed[side]))
		}
	}
	rewritten := 0
	for i := range b.paired {
		if !b.paired[i].ssrc {
			rewritten++
		}
	}
	if rewritten > 0 {
		*n = append(*n, fmt.Sprintf("the SSRC of %d streams differs on the two sides, with the same payload: a relay is in between", rewritten))
	}
	b.publicAddresses(r)
}

// publicAddresses notes media that leaves by another public address than the signalling of the same host does.
func (b *between) publicAddresses(r *alg.Report) {
	signalling := map[netip.Addr]netip.Addr{}
	for _, s := range b.inside.list {
		if s.other != nil {
			f := joint{inside: s.Flow, outside: s.other.Flow, inner: inner(s.Flow, s.other.Flow)}
			in, out := f.ends()
			signalling[in[0].Addr()] = out[0].Addr()
		}
	}
	count := 0
	var first string
	for i := range b.paired {
		t := &b.paired[i]
		x, y := &b.inside.capture.Streams[t.in], &b.outside.capture.Streams[t.out]
		from, to := x.Src.Addr(), y.Src.Addr()
		if outbound, known := b.outbound(t); !known || t.shared != 1 {
			continue
		} else if !outbound {
			from, to = x.Dst.Addr(), y.Dst.Addr()
		}
		if public := signalling[from]; public.IsValid() && public != to && !alg.Private(to) {
			if count++; count == 1 {
				first = fmt.Sprintf("%s signals from %s and has its media at %s", from, public, to)
			}
		}
	}
	if count > 0 {
		r.Network.Notes = append(r.Network.Notes, fmt.Sprintf("streams whose public address is not that of the signalling: %d, such as %s; far ends that compare the two refuse such media (RFC 4787 4.1)", count, first))
	}
}

// doubtSays says how far off the clocks may be.
func (b *between) doubtSays() string {
	if b.doubt < 0 {
		return "; only one direction was seen on both sides, so that delay cannot be told from it"
	}
	return fmt.Sprintf(", ± %s", time.Duration(b.doubt).Round(time.Microsecond))
}
