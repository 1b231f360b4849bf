package media

import (
	"iter"
	"net/netip"
)

// The bounds that a zero Table has.
const (
	// DefaultMaxStreams is enough for 65,000 calls at once with a stream each way, in about 64 MiB.
	DefaultMaxStreams = 1 << 17
	// DefaultMaxFlows bounds the pairs of addresses that are kept.
	DefaultMaxFlows = 1 << 18

	// maxEager is how many streams of an announced flow begin with their first packet; further ones, and those of flows that
	// nothing announced, take two in sequence. Else random octets would fill the table.
	maxEager = 4
	// maxPerFlow is how many streams a flow may have: they are searched one by one.
	maxPerFlow = 64
	// maxSame is how many streams of one SSRC are found by it: a relay makes a few, more is somebody's intent.
	maxSame = 64
)

// Table is the account of all streams at one point. The zero value is ready. It is not safe for concurrent use.
type Table struct {
	// MaxStreams and MaxFlows are the most that is kept; 0 means the defaults.
	MaxStreams, MaxFlows int
	// Eager makes streams begin with their first packet also where nothing was announced yet: for an account that is joined to
	// an earlier one, which knows what was. They count as little as others before they are past probation.
	Eager bool
	// Traces makes every stream keep a Trace, to be found at another point.
	Traces bool
	// Other are the traces of another point, by SSRC, as [Trace.Highest] has them: no packet needs to be kept that cannot be known there.
	Other map[uint32]uint32
	// Overflow is how many packets of streams, or first packets of flows, found no room.
	Overflow uint64

	flows   map[[2]netip.AddrPort]*Flow
	order   []*Stream
	alive   int
	bySSRC  map[uint32]*Stream
	unplace uint64 // reports about streams that are not known
	traces  int
	runs    int // of missing numbers, in all traces
}

// Flow is one direction between two transport addresses.
type Flow struct {
	last *Stream // that the last packet belonged to; first, since every packet needs it

	Src, Dst netip.AddrPort

	table       *Table
	streams     *Stream
	n           int // streams
	formats     []Format
	announced   bool
	announcedAt int64

	// A packet that may be the first of a stream, until a second one says so.
	waiting     bool
	pending     Header
	pendingAt   int64
	pendingLen  int
	pendingDSCP uint8
	pendingHash uint64 // of its payload, if hashed
	hashed      bool

	// RTCPs is how many datagrams of RTCP were seen, Byes how many BYE packets in them.
	RTCPs, Byes uint64
}

// Flow returns the flow between two addresses, a new one if there is none. It returns nil when the table is full; the call
// counts as overflow. Who sees a flow's packets in a row keeps the flow.
func (t *Table) Flow(src, dst netip.AddrPort) *Flow {
	key := [2]netip.AddrPort{src, dst}
	if f := t.flows[key]; f != nil {
		return f
	}
	if len(t.flows) >= bound(t.MaxFlows, DefaultMaxFlows) {
		t.Overflow++
		return nil
	}
	if t.flows == nil {
		t.flows = map[[2]netip.AddrPort]*Flow{}
		t.bySSRC = map[uint32]*Stream{}
	}
	f := &Flow{Src: src, Dst: dst, table: t}
	t.flows[key] = f
	return f
}

func bound(n, standard int) int {
	if n == 0 {
		return standard
	}
	return n
}

// Announce says that signalling named one of the flow's ends for media at that time, with these formats; a later call
// replaces the formats. Formats may be nil: static payload types need none. The slice is kept and not changed.
func (f *Flow) Announce(at int64, formats []Format) {
	if !f.announced {
		f.announced, f.announcedAt = true, at
	}
	if formats != nil {
		f.formats = formats
		for s := f.streams; s != nil; s = s.next {
			s.payload = 0xff // looked up anew with the next packet
		}
	}
}

// Announced says whether Announce was called.
func (f *Flow) Announced() bool { return f.announced }

// Streams yields the flow's streams, the newest first.
func (f *Flow) Streams() iter.Seq[*Stream] {
	return func(yield func(*Stream) bool) {
		for s := f.streams; s != nil; s = s.next {
			if !yield(s) {
				return
			}
		}
	}
}

// format returns what a payload type stands for on this flow. What was agreed on goes before what RFC 3551 says: nobody
// keeps anybody from giving type 18 another meaning.
func (f *Flow) format(payload uint8) Format {
	for _, g := range f.formats {
		if g.Payload == payload && g.Rate != 0 {
			return g
		}
	}
	if g, ok := StaticFormat(payload); ok {
		return g
	}
	return Format{Payload: payload}
}

// Add takes a datagram that arrived at that time with that DSCP, and says what it is. b is its payload as far as it was
// captured, size its length on the wire in octets. Nothing of b is kept. The stream is nil unless the datagram is RTP of
// one that is known.
func (f *Flow) Add(at int64, dscp uint8, b []byte, size int) (Kind, *Stream) {
	h, ok := ParseHeader(b)
	if !ok {
		if Classify(b) == RTCP {
			f.addRTCP(at, b)
			return RTCP, nil
		}
		return None, nil
	}
	head, n, ok := octets(b, size)
	if !ok {
		return None, nil
	}
	if s := f.last; s != nil && s.ssrc == h.SSRC {
		s.take(at, dscp, h, b, head, n)
		return RTP, s
	}
	for s := f.streams; s != nil; s = s.next {
		if s.ssrc == h.SSRC {
			f.last = s
			s.take(at, dscp, h, b, head, n)
			return RTP, s
		}
	}
	return f.begin(at, dscp, h, head, n, b, size)
}

// begin takes a packet of an SSRC that the flow does not have.
func (f *Flow) begin(at int64, dscp uint8, h Header, head, n int, b []byte, size int) (Kind, *Stream) {
	if (f.announced || f.table.Eager && plausible(h, b, size)) && f.n < maxEager {
		s := f.open(h.SSRC)
		if s == nil {
			return RTP, nil
		}
		s.start(at, dscp, h, n)
		if hash, ok := fingerprint(front(b, head, n), h); ok && s.most > 0 && uint32(hash>>32) <= s.most {
			s.keep(hash, at, h.Sequence)
		}
		return RTP, s
	}
	if !f.announced && !plausible(h, b, size) {
		return None, nil
	}
	p := f.pending
	if step := h.Sequence - p.Sequence; !f.waiting || p.SSRC != h.SSRC || step == 0 || step > 20 || int32(h.Timestamp-p.Timestamp) < 0 {
		f.waiting, f.pending, f.pendingAt, f.pendingLen, f.pendingDSCP = true, h, at, n, dscp
		if f.table.Traces {
			f.pendingHash, f.hashed = fingerprint(front(b, head, n), h)
		}
		return RTP, nil
	}
	f.waiting = false
	s := f.open(h.SSRC)
	if s == nil {
		return RTP, nil
	}
	s.start(f.pendingAt, f.pendingDSCP, p, f.pendingLen)
	if f.hashed && s.most > 0 && uint32(f.pendingHash>>32) <= s.most {
		s.keep(f.pendingHash, f.pendingAt, p.Sequence)
	}
	s.take(at, dscp, h, b, head, n)
	return RTP, s
}

// open makes a stream, or returns nil if there is no room.
func (f *Flow) open(ssrc uint32) *Stream {
	t := f.table
	if f.n >= maxPerFlow || t.alive >= bound(t.MaxStreams, DefaultMaxStreams) {
		t.Overflow++
		return nil
	}
	s := &Stream{ssrc: ssrc, account: &account{flow: f, next: f.streams, trace: t.newTrace(ssrc)}}
	f.streams, f.last = s, s
	f.n++
	t.alive++
	if head := t.bySSRC[ssrc]; head == nil || head.depth < maxSame {
		s.same, s.linked = head, true
		if head != nil {
			s.depth = head.depth + 1
		}
		t.bySSRC[ssrc] = s
	}
	t.order = append(t.order, s)
	return s
}

// Forget drops a flow and its streams from the table: it was no media, and there is none to come.
func (t *Table) Forget(f *Flow) {
	delete(t.flows, [2]netip.AddrPort{f.Src, f.Dst})
	for s := f.streams; s != nil; s = s.next {
		s.dropped = true
		t.alive--
		if s.trace.table != nil {
			t.traces, t.runs = t.traces-1, t.runs-len(s.trace.missing)
			s.trace, s.most = trace{}, 0
		}
		t.unlink(s)
	}
	f.streams, f.last, f.n, f.waiting = nil, nil, 0, false
	if len(t.order) > 64 && t.alive < len(t.order)/2 {
		kept := t.order[:0]
		for _, s := range t.order {
			if !s.dropped {
				kept = append(kept, s)
			}
		}
		clear(t.order[len(kept):])
		t.order = kept
	}
}

func (t *Table) unlink(s *Stream) {
	if !s.linked {
		return
	}
	head := t.bySSRC[s.ssrc]
	if head == s {
		if s.same == nil {
			delete(t.bySSRC, s.ssrc)
		} else {
			t.bySSRC[s.ssrc] = s.same
		}
		return
	}
	for p := head; p != nil; p = p.same {
		if p.same == s {
			p.same = s.same
			return
		}
	}
}

// Streams yields the streams that are valid, in the order in which they began.
func (t *Table) Streams() iter.Seq[*Stream] {
	return func(yield func(*Stream) bool) {
		for _, s := range t.order {
			if !s.dropped && s.Valid() && !yield(s) {
				return
			}
		}
	}
}

// Len is how many streams are kept, those on probation included.
func (t *Table) Len() int { return t.alive }

// Join appends to f what another flow between the same addresses, of another table, saw later.
func (f *Flow) Join(next *Flow) {
	f.RTCPs, f.Byes = f.RTCPs+next.RTCPs, f.Byes+next.Byes
	if next.announced {
		f.Announce(next.announcedAt, next.formats)
	}
	// The oldest first, so that the order stays the one of appearance.
	var list [maxPerFlow]*Stream
	n := 0
	for s := next.streams; s != nil; s = s.next {
		list[n] = s
		n++
	}
	for i := n - 1; i >= 0; i-- {
		s := list[i]
		own := f.streams
		for own != nil && own.ssrc != s.ssrc {
			own = own.next
		}
		if own != nil {
			own.join(s)
			continue
		}
		if own = f.open(s.ssrc); own == nil {
			continue
		}
		fresh, linked := *own.account, own.linked
		*own = *s // the other table is not used any more
		own.linked, own.payload = linked, 0xff
		own.flow, own.next = f, fresh.next
		own.same, own.depth = fresh.same, fresh.depth
		if fresh.trace.table != nil && own.trace.table != nil {
			own.trace.table = f.table
		} else {
			own.trace, own.most = trace{}, 0
		}
	}
	if next.waiting {
		f.waiting, f.pending, f.pendingAt, f.pendingLen, f.pendingDSCP = true, next.pending, next.pendingAt, next.pendingLen, next.pendingDSCP
		f.pendingHash, f.hashed = next.pendingHash, next.hashed
	}
}
