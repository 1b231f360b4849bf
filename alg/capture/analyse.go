package capture

import (
	"cmp"
	"slices"
	"time"

	"nofixup/alg/media"
)

// Limits bound what is kept. A zero field stands for its default.
type Limits struct {
	Flows    int // conversations, DefaultFlows
	Streams  int // of RTP, media.DefaultMaxStreams
	Buffered int // octets of TCP streams that wait for what is missing, DefaultBuffered
	Messages int // octets of the messages of either of two vantage points that wait to be matched, DefaultMessages
	Evidence int // octets of messages that a report has as evidence, DefaultEvidence
}

// The defaults of Limits.
const (
	DefaultFlows    = 1 << 18
	DefaultBuffered = 16 << 20
	DefaultMessages = 40 << 20
	DefaultEvidence = 16 << 20
)

// idleTime is how long a flow in which nothing was recognised must be idle, in nanoseconds of the capture, to make room for
// another.
const idleTime = int64(60 * time.Second)

// flowKey names a conversation: the lower address first, so that both directions have the same.
type flowKey struct {
	a, b   addr
	ap, bp uint16
	proto  uint32
}

// cacheLen is how many entries are found without a look into the map: many times the calls that a capture usually has at
// once, so that few share a place.
const (
	cacheBits = 14
	cacheLen  = 1 << cacheBits
)

// slotOf is where an entry stands in the cache, the same for both directions. Whoever makes many fall together only gets
// the speed of the map.
func slotOf(src, dst addr, sport, dport uint16) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h := (src.lo^src.hi^uint64(sport)<<40)*odd + (dst.lo^dst.hi^uint64(dport)<<40)*odd
	h ^= h >> 32
	return h * odd >> (64 - cacheBits)
}

// of says whether a packet belongs to the conversation of the key, and in which direction it goes. Which one that is nobody can
// foresee, no processor either: so both are computed, without a branch.
func (k *flowKey) of(p *packet) (dir int, ok bool) {
	there := (k.a.lo ^ p.src.lo) | (k.b.lo ^ p.dst.lo) | (k.a.hi ^ p.src.hi) | (k.b.hi ^ p.dst.hi) | uint64(k.ap^p.sport) | uint64(k.bp^p.dport)
	back := (k.a.lo ^ p.dst.lo) | (k.b.lo ^ p.src.lo) | (k.a.hi ^ p.dst.hi) | (k.b.hi ^ p.src.hi) | uint64(k.ap^p.dport) | uint64(k.bp^p.sport)
	if there != 0 {
		dir, there = 1, back
	}
	return dir, there|uint64(k.proto^uint32(p.proto)) == 0
}

// entry is what is kept of every conversation, recognised or not. There may be very many, and of each the fields that every
// packet needs share two lines of a processor's cache.
type entry struct {
	key    flowKey
	last   int64
	kind   kind
	opener uint8 // the direction of the client
	done   bool  // TCP: nothing will be recognised any more
	epoch  uint32
	first  int64

	dirs [2]direction // from a to b, from b to a

	to   [2]*Announcement // of the end that either direction goes to
	flow *Flow            // once something was recognised
	conn *conn            // of TCP, until it is known to be something else
	_    [32]byte         // to a multiple of a cache line
}

type direction struct {
	packets, octets uint64
	stream          *media.Stream // that the last packet of RTP belonged to
	media           *media.Flow
}

// kind is what a flow speaks.
type kind uint8

const (
	unknown kind = iota
	speaksSIP
	speaksCall // H.225.0 call signalling
	speaksH245
	speaksRAS
	speaksMedia
	speaksFax
	speaksSTUN
	speaksTLS
)

// analyser turns packets into flows, messages and streams.
type analyser struct {
	limits  Limits
	message func(*Message)
	packet  func(*media.Stream, int64, []byte) // every packet of RTP

	decoder   decoder
	entries   map[flowKey]*entry
	cache     [2][cacheLen]*entry // the last entry of a place, and the one before
	found     [batchLen]probable
	flows     []*Flow
	table     media.Table
	announced announced
	origins   map[*media.Stream]origins
	tcp       tcpState
	icmp      icmpState
	stun      stunState
	turn      turnState
	parse     parsers

	now      int64
	messages int

	full    uint64 // packets of conversations for which there was no room
	evicted uint64 // conversations that made room
	sweepAt int64  // no use in looking for idle ones before
	half    bool   // it takes media alone, of the second half of a file
}

func newAnalyser(l Limits) *analyser {
	a := &analyser{
		limits: Limits{
			Flows:    cmp.Or(l.Flows, DefaultFlows),
			Streams:  cmp.Or(l.Streams, media.DefaultMaxStreams),
			Buffered: cmp.Or(l.Buffered, DefaultBuffered),
		},
		entries: map[flowKey]*entry{},
	}
	a.table.MaxStreams = a.limits.Streams
	a.table.MaxFlows = 2 * a.limits.Flows
	a.decoder.take = a.take
	return a
}

// take is given every packet that could be decoded.
func (a *analyser) take(p *packet) {
	a.now = max(a.now, p.at)
	if p.proto == protoICMP || p.proto == protoICMPv6 {
		a.icmpError(p)
		return
	}
	e, dir := a.recall(p)
	if e == nil {
		return
	}
	if p.proto == protoTCP {
		a.segment(e, dir, p) // may find that it is the first one of another connection
		e.count(dir, p)
		return
	}
	e.count(dir, p)
	a.datagram(e, dir, p)
}

// recall is find with a look into the cache before.
func (a *analyser) recall(p *packet) (e *entry, dir int) {
	slot := slotOf(p.src, p.dst, p.sport, p.dport)
	for i := range a.cache {
		e := a.cache[i][slot]
		if e == nil {
			break
		}
		if dir, ok := e.key.of(p); ok {
			return e, dir
		}
	}
	if e, dir = a.find(p); e != nil {
		a.cache[0][slot], a.cache[1][slot] = e, a.cache[0][slot]
	}
	return e, dir
}

// find returns the entry of a packet, and the packet's direction; nil if there is no room for it.
func (a *analyser) find(p *packet) (e *entry, dir int) {
	key := flowKey{p.src, p.dst, p.sport, p.dport, uint32(p.proto)}
	if p.dst.less(p.src) || p.dst == p.src && p.dport < p.sport {
		key, dir = flowKey{p.dst, p.src, p.dport, p.sport, uint32(p.proto)}, 1
	}
	if e = a.entries[key]; e == nil {
		e = a.open(key, p, dir)
	}
	return e, dir
}

// hasMedia says whether there is an account of media of either direction.
func (e *entry) hasMedia() bool { return e.dirs[0].media != nil || e.dirs[1].media != nil }

func (e *entry) count(dir int, p *packet) {
	d := &e.dirs[dir]
	d.packets++
	d.octets += uint64(p.size)
	if p.at > e.last {
		e.last = p.at
	}
}

// open makes an entry, or returns nil if there is no room for it.
func (a *analyser) open(key flowKey, p *packet, dir int) *entry {
	if len(a.entries) >= a.limits.Flows && !a.sweep() {
		a.full++
		return nil
	}
	e := &entry{key: key, first: p.at, last: p.at, opener: uint8(dir), epoch: a.announced.epoch - 1}
	a.entries[key] = e
	return e
}

// sweep drops idle conversations in which nothing was recognised, and says whether there is room now. It looks at all of
// them, so it is only worth it where that makes much room.
func (a *analyser) sweep() bool {
	if a.now < a.sweepAt {
		return false
	}
	for _, idle := range []int64{idleTime, idleTime / 10, 0} {
		for key, e := range a.entries {
			if e.flow == nil && a.now-e.last >= idle && !a.promising(e) {
				a.drop(key, e)
			}
		}
		if len(a.entries) <= a.limits.Flows*7/8 {
			return true
		}
	}
	a.sweepAt = a.now + idleTime
	return len(a.entries) < a.limits.Flows
}

// promising says whether an entry has a stream, or one that is just not long enough yet.
func (a *analyser) promising(e *entry) bool {
	young := false
	for i := range e.dirs {
		m := e.dirs[i].media
		if m == nil {
			continue
		}
		for s := range m.Streams() {
			if s.Valid() {
				a.recognise(e, speaksMedia)
				return true
			}
			young = true
		}
	}
	return young && a.now-e.last < idleTime/10
}

func (a *analyser) drop(key flowKey, e *entry) {
	for i := range e.dirs {
		if m := e.dirs[i].media; m != nil {
			for s := range m.Streams() {
				delete(a.origins, s)
			}
			a.table.Forget(m)
		}
	}
	a.release(e)
	delete(a.entries, key)
	slot := slotOf(key.a, key.b, key.ap, key.bp)
	if a.cache[0][slot] == e {
		a.cache[0][slot], a.cache[1][slot] = a.cache[1][slot], nil
	} else if a.cache[1][slot] == e {
		a.cache[1][slot] = nil
	}
	a.evicted++
}

// recognise makes a flow of an entry, which speaks k.
func (a *analyser) recognise(e *entry, k kind) *Flow {
	e.kind = k
	if e.flow == nil {
		f := &Flow{ID: len(a.flows) + 1, Transport: "udp"}
		if e.key.proto == protoTCP {
			f.Transport = "tcp"
		}
		f.Ends[0], f.Ends[1] = e.end(int(e.opener)), e.end(1-int(e.opener))
		e.flow = f
		a.flows = append(a.flows, f)
	}
	e.flow.Proto = protoNames[k]
	return e.flow
}

// settle writes what was counted into the flow.
func (e *entry) settle() {
	f := e.flow
	f.First, f.Last = e.first, e.last
	for side := range 2 {
		d := &e.dirs[side^int(e.opener)]
		f.Packets[side], f.Octets[side], f.media[side] = d.packets, d.octets, d.media
	}
}

// finish ends everything that still waits for more.
func (a *analyser) finish() {
	a.decoder.fragments.finish(&a.decoder)
	list := make([]*entry, 0, len(a.entries))
	for _, e := range a.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, compareEntries) // maps have no order, but what is reported has one
	for _, e := range list {
		a.closeConn(e)
	}
	for _, e := range list {
		a.settleMedia(e)
		if e.flow != nil {
			e.settle()
		}
	}
	a.icmp.settle(a)
}

// compareEntries orders entries by time, and by their addresses where that does not tell.
func compareEntries(x, y *entry) int {
	k, l := &x.key, &y.key
	return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(k.a.hi, l.a.hi), cmp.Compare(k.a.lo, l.a.lo), cmp.Compare(k.ap, l.ap),
		cmp.Compare(k.b.hi, l.b.hi), cmp.Compare(k.b.lo, l.b.lo), cmp.Compare(k.bp, l.bp), cmp.Compare(k.proto, l.proto))
}
