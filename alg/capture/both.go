package capture

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"nofixup/alg"
	"nofixup/alg/media"
)

// two reports what two vantage points show, on either side of a box.
func two(ctx context.Context, cfg *Config) (*alg.Report, error) {
	most := cmp.Or(cfg.Limits.Messages, DefaultMessages)
	maxEvidence := cmp.Or(cfg.Limits.Evidence, DefaultEvidence)
	b := &between{inside: &vantage{calls: Calls{Max: cfg.MaxCalls}, most: most}, outside: &vantage{calls: Calls{Max: cfg.MaxCalls}, most: most}}
	var signalling Signalling // of the outside, where requests of both sides show that nobody answers
	outside := func(m *Message) {
		b.outside.add(m)
		signalling.Add(m)
	}
	limits := cfg.Limits
	if limits.Streams == 0 {
		limits.Streams = media.DefaultMaxStreams / 2 // so that both together take no more than one does
	}
	shown := bothProgress(cfg)
	for i, side := range []struct {
		*vantage
		files   []string
		message func(*Message)
	}{{b.inside, cfg.Inside, b.inside.add}, {b.outside, cfg.Outside, outside}} {
		c, err := Read(ctx, side.files, Options{
			Limits: limits, Message: side.message, Progress: shown[i], Stdin: cfg.Stdin, traces: true, other: b.inside.capture.highest(), // of the inside itself nothing is known yet
		})
		if err != nil {
			return nil, err
		}
		side.capture = c
	}
	b.match()
	b.findEnds()
	b.pairStreams()
	b.bounds()
	points := b.points()
	b.passages()
	for i := range points {
		points[i].Complete = points[i].Complete && b.missed[i] == 0
	}
	cases, joints, added := b.cases(points)
	cases = append(cases, b.probes(points, joints)...)

	var j alg.Judge
	kept := 0
	evidence := alg.Evidence{Complete: true, Points: points}
	for i := range cases {
		c := &cases[i]
		fresh := j.Add(*c)
		size := 0
		for k := range c.Pairs {
			for _, s := range []*alg.Sighting{c.Pairs[k].Inside, c.Pairs[k].Outside} {
				if s != nil {
					size += len(s.Raw)
				}
			}
		}
		// What shows nothing new is judged and left out when there is no room.
		if kept+size > maxEvidence && (len(fresh) == 0 || kept+size > 2*maxEvidence) {
			evidence.Complete = false
			continue
		}
		kept += size
		evidence.Flows, evidence.Pairs = append(evidence.Flows, c.Flows...), append(evidence.Pairs, c.Pairs...)
	}
	evidence.Flows = unique(evidence.Flows)
	calls, alone := b.observed(&j)
	signalling.Judge(&j)
	r := j.Report()
	r.Calls, r.Evidence, r.Passages, r.Clock = calls, evidence, b.passed, b.clock()
	r.Streams = append(b.inside.capture.StreamsAt(alg.Inside), b.outsideStreams()...)
	r.Started = time.Unix(0, b.inside.capture.First).UTC()
	b.network(r, joints)
	b.mediaNotes(r)
	b.notes(r, alone, added)
	if signalling.Left > 0 {
		r.Network.Notes = append(r.Network.Notes, fmt.Sprintf("outside: %d requests without an answer found no room", signalling.Left))
	}
	r.Probes, r.Network.Reflector = b.probeList(), b.reflector(r.Network.Local)
	return r, nil
}

// highest says up to which hash the streams of a capture can be known at another point, by SSRC.
func (c *Capture) highest() map[uint32]uint32 {
	if c == nil {
		return nil
	}
	most := map[uint32]uint32{}
	for i := range c.Streams {
		s := &c.Streams[i]
		most[s.SSRC] = max(most[s.SSRC], s.Trace.Highest())
	}
	return most
}

// unique leaves out flows that several cases have: two calls over one connection.
func unique(flows []alg.Flow) []alg.Flow {
	known := map[int]bool{}
	return slices.DeleteFunc(flows, func(f alg.Flow) bool {
		again := known[f.ID]
		known[f.ID] = true
		return again
	})
}

// margin is left out at both ends of the time that two captures have in common: what is on the way then is in one alone.
const margin = int64(time.Second)

// common is the time that both captures cover, by the clock of the inside.
func (b *between) common() (from, to int64) {
	in, out := b.inside.capture, b.outside.capture
	return max(in.First, out.First-b.offset), min(in.Last, out.Last-b.offset)
}

// points are the vantage points, in the time of the inside.
func (b *between) points() []alg.Point {
	from, to := b.common()
	from, to = from+margin, to-margin
	// Nearer to either end, what both saw shows that both looked.
	for _, s := range b.inside.list {
		if s.other != nil {
			from, to = min(from, s.At), max(to, s.At)
		}
	}
	var list []alg.Point
	for i, v := range []*vantage{b.inside, b.outside} {
		list = append(list, alg.Point{
			Name: []string{alg.Inside, alg.Outside}[i], Role: alg.RoleCapture, From: time.Unix(0, from).UTC(), To: time.Unix(0, to).UTC(),
			Complete: v.capture.Complete() && v.left == 0 && v.cut == 0 && v.probes.left() == "",
		})
	}
	return list
}

// observed judges the calls: what arrives at either end is what passed the vantage point on its side. alone counts the calls
// that one point alone has.
func (b *between) observed(j *alg.Judge) (calls []alg.Call, alone [2]int) {
	ins, outs := b.inside.calls.Observed(b.inside.capture), b.outside.calls.Observed(b.outside.capture)
	names := map[string]string{} // of calls, inside to outside
	innerCallee := map[string]bool{}
	for _, s := range b.inside.list {
		if s.other == nil || s.Call == "" {
			continue
		}
		if _, ok := names[s.Call]; !ok {
			names[s.Call] = s.other.Call
			callers := b.inside.calls.index[s.Call]
			if callers != nil {
				end := callers.flow.Ends[inner(s.Flow, s.other.Flow)]
				if s.Flow == callers.flow {
					innerCallee[s.Call] = end == callers.ends[callee]
				}
			}
		}
	}
	index := map[string]int{}
	for i := range outs {
		b.shift(&outs[i], len(b.inside.capture.Streams))
		index[outs[i].ID] = i
	}
	matched := map[int]bool{}
	streams := b.passageOf()
	media := mediaJudge{j, streams, b.lossy(), b.clock()}
	for i := range ins {
		o := &ins[i]
		k, ok := index[names[o.ID]]
		if !ok {
			alone[0]++
			calls = append(calls, j.AddCall(o))
			media.add(o, &calls[len(calls)-1])
			continue
		}
		matched[k] = true
		o.Callee = innerCallee[o.ID]
		b.merge(o, &outs[k])
		blocked(o, streams)
		calls = append(calls, j.AddCall(o))
		media.add(o, &calls[len(calls)-1])
	}
	for i := range outs {
		if matched[i] {
			continue
		}
		alone[1]++
		o := &outs[i]
		calls = append(calls, j.AddCall(o))
		media.add(o, &calls[len(calls)-1])
	}
	return b.inside.calls.Legs(calls), alone
}

// shift puts what the outside saw into the time and the numbering of the inside.
func (b *between) shift(o *alg.Observed, base int) {
	back := -time.Duration(b.offset)
	o.Start, o.End = o.Start.Add(back), o.End.Add(back)
	for i := range o.Ways {
		w := &o.Ways[i]
		if w.Packets > 0 {
			w.First, w.Last = w.First.Add(back), w.Last.Add(back)
		}
	}
	for i := range o.Streams {
		o.Streams[i] += base
	}
}

// merge takes what the outside saw of a call: of the way towards the outer end what arrived there, of the way towards the inner
// end what was sent, and what came back instead.
func (b *between) merge(o, out *alg.Observed) {
	none := b.outside.mute() || len(out.Streams) == 0 && b.local(o) // of its media outside
	o.Streams = append(o.Streams, out.Streams...)
	near, far := 0, 1
	if o.Callee {
		near, far = 1, 0
	}
	in := &o.Ways[near]
	seen := out.Ways[near]
	in.Written = in.Announced
	in.Before, in.Announced, in.Path, in.Natted = seen.Packets, seen.Announced, seen.Path, seen.Natted && !none
	if seen.Packets > 0 {
		in.Went, in.By = seen.Went, seen.By // as it was sent
	}
	if b.inside.mute() && !b.outside.mute() {
		seen.Written, seen.Before = in.Written, 0
		*in = seen
	}
	in.Errors, in.NoWay, in.Refused = max(in.Errors, seen.Errors), max(in.NoWay, seen.NoWay), max(in.Refused, seen.Refused)
	if before := o.Ways[far]; !none {
		o.Ways[far] = out.Ways[far]
		o.Ways[far].Before = before.Packets
		if o.Ways[far].Packets == 0 {
			o.Ways[far].Went = before.Went
		}
		o.Ways[far].Expected = o.Ways[far].Expected && before.Expected
	}
	if out.Unacked != nil && (o.Unacked == nil || out.Unacked.Count > o.Unacked.Count) {
		o.Unacked = out.Unacked
	}
}

func (b *between) outsideStreams() []alg.Stream {
	list := b.outside.capture.StreamsAt(alg.Outside)
	for i := range list {
		list[i].First, list[i].Last = list[i].First.Add(-time.Duration(b.offset)), list[i].Last.Add(-time.Duration(b.offset))
	}
	return list
}

// network fills in the translation, if there is one of one address.
func (b *between) network(r *alg.Report, joints map[*Flow]*joint) {
	maps := map[[2]netip.Addr]int{}
	for _, f := range joints {
		in, out := f.ends()
		maps[[2]netip.Addr{in[0].Addr(), out[0].Addr()}]++
	}
	// IPv4 goes first, as in a probe: that is where networks translate. Then the one that most flows have.
	var best [2]netip.Addr
	for k, n := range maps {
		switch {
		case !best[0].IsValid(), k[0].Is4() && !best[0].Is4():
			best = k
		case k[0].Is4() == best[0].Is4() && (n > maps[best] || n == maps[best] && k[0].Less(best[0])):
			best = k
		}
	}
	if !best[0].IsValid() {
		return
	}
	r.Network.Local, r.Network.Public, r.Network.NAT = best[0], best[1], best[0] != best[1]
	if r.Network.NAT {
		r.Network.NATs = 1
	}
	if len(maps) > 1 {
		r.Network.Notes = append(r.Network.Notes, fmt.Sprintf("%d more addresses of the inside were seen on both sides", len(maps)-1))
	}
}

// notes say what limits the meaning of the result.
func (b *between) notes(r *alg.Report, alone [2]int, added map[string]int) {
	n := &r.Network.Notes
	matched := 0
	for _, s := range b.inside.list {
		if s.other != nil {
			matched++
		}
	}
	*n = append(*n, fmt.Sprintf("%d of %d messages inside and %d outside were found on the other side", matched, len(b.inside.list), len(b.outside.list)))
	if d := time.Duration(b.offset).Round(time.Microsecond); d > time.Millisecond || d < -time.Millisecond {
		*n = append(*n, fmt.Sprintf("the clock of the outside capture differs by %s%s; times are the inside's", d, b.doubtSays()))
	}
	for i, what := range []string{"inside", "outside"} {
		if alone[i] > 0 {
			*n = append(*n, fmt.Sprintf("calls seen %[2]s alone, which are judged by one side: %[1]d", alone[i], what))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(added)) {
		if len(*n) > 30 {
			break
		}
		*n = append(*n, fmt.Sprintf("%d × %s on a flow of both sides was seen only after the box: the box sent it, or the other capture lacks it", added[name], name))
	}
	for i, v := range []*vantage{b.inside, b.outside} {
		point := []string{alg.Inside, alg.Outside}[i]
		*n = append(*n, v.capture.notes(point)...)
		if v.cut > 0 {
			*n = append(*n, fmt.Sprintf("%s: %d messages were not captured whole (snap length) and are not compared", point, v.cut))
		}
		if v.left > 0 {
			*n = append(*n, fmt.Sprintf("%s: %d messages beyond %d MiB were not compared", point, v.left, v.most>>20))
		}
		if left := v.probes.left(); left != "" {
			*n = append(*n, point+": "+left)
		}
		if v.calls.Left > 0 {
			*n = append(*n, fmt.Sprintf("%s: calls beyond the first %d were not followed", point, len(v.calls.order)))
		}
	}
	if !r.Evidence.Complete {
		*n = append(*n, "the evidence has no more messages than there was room for: all were judged")
	}
}
