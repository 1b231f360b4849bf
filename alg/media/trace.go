package media

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

const (
	// maxPrints is how many packets of a stream are kept to know it by: enough that a tenth of it in common still shows.
	maxPrints = 24
	// roomForPrints is for so many that enough are left, nearly always, when a quarter of them goes.
	roomForPrints = 40
	// mostAtFirst is up to which hash packets are kept of a stream that has few yet, by its upper half: a fourth of them. Of a second of
	// speech these are a dozen, and to take them all and then drop nearly all of a long stream would take longer.
	mostAtFirst = math.MaxUint32 / 4
	// maxRuns is how many runs of missing numbers are kept of one stream, and maxAllRuns of all streams of a table.
	maxRuns    = 1 << 12
	maxAllRuns = 1 << 20
	// maxTraces is how many streams of a table are traced, in less than a KiB each.
	maxTraces = 1 << 14
)

// Trace is what tells a stream at one point of the network from others at another point, and which of its packets came.
type Trace struct {
	First, Last uint64 // sequence numbers, extended beyond 16 bits; where they begin to count differs from point to point
	Missing     []Run  // numbers between First and Last that never came, in order
	// Whole says that Missing is complete: the sequence never began anew, and there were not too many runs.
	Whole  bool
	Prints []Print // by Hash; at most 24
}

// Run is a run of sequence numbers.
type Run struct{ From, To uint64 } // both inclusive

// Print is a packet that the stream is known by: one of those whose payload has the lowest hashes. So two points choose the same
// ones, whatever became of the header on the way.
type Print struct {
	Hash     uint64
	At       int64 // arrival
	Sequence uint64
	Repeated bool // another packet had the same payload: it tells no time
}

// Count is how many of the numbers from one to another came.
func (t *Trace) Count(from, to uint64) (n uint64) {
	from, to = max(from, t.First), min(to, t.Last)
	if from > to {
		return 0
	}
	n = to - from + 1
	for _, r := range t.Missing {
		if lo, hi := max(r.From, from), min(r.To, to); lo <= hi {
			n -= hi - lo + 1
		}
	}
	return n
}

// trace makes a Trace.
type trace struct {
	table    *Table
	prints   []Print // in the order of arrival, as long as nobody asks for them
	highest  uint32  // see most; 0 as long as that is mostAtFirst
	restarts uint32
	broken   bool
	shift    uint64 // of this account's numbers against those of Stream.seq
	first    uint64
	missing  []Run
}

// Highest is up to which hash, by its upper half, packets at another point can be known by the trace.
func (t *Trace) Highest() uint32 {
	if t == nil || len(t.Prints) < maxPrints {
		return mostAtFirst
	}
	return max(1, uint32(t.Prints[maxPrints-1].Hash>>32))
}

// newTrace returns a trace for another stream, one without a table where none is wanted or there is no room.
func (t *Table) newTrace(ssrc uint32) trace {
	if !t.Traces || t.traces >= maxTraces {
		return trace{}
	}
	t.traces++
	return trace{table: t, highest: t.Other[ssrc]}
}

// follow takes a packet that is not simply the next one: newest is what was before it.
func (t *trace) follow(newest uint64, number uint16, seq *sequence) {
	next, n := newest+1+t.shift, t.number(number, seq)
	switch {
	case seq.restarts != t.restarts:
		t.restarts, t.broken = seq.restarts, true
	case t.broken || n == next:
	case n > next:
		t.miss(Run{next, n - 1})
	default:
		t.came(n)
	}
}

// number is the number of a packet as it is counted here.
func (t *trace) number(number uint16, seq *sequence) uint64 {
	return seq.newest - uint64(uint16(seq.newest)-number) + t.shift
}

// most is up to where a hash is low enough to be kept, by its upper half: 0 never is it.
func (t *trace) most() uint32 {
	if t.highest == 0 {
		return mostAtFirst
	}
	return t.highest
}

// miss adds a run that lies behind all others.
func (t *trace) miss(r Run) {
	if len(t.missing) >= maxRuns || t.table.runs >= maxAllRuns {
		t.broken = true
		return
	}
	t.table.runs++
	t.missing = append(t.missing, r)
}

// came takes a number that is older than the newest off the missing ones.
func (t *trace) came(number uint64) {
	if number < t.first {
		if number+1 < t.first {
			t.missing = slices.Insert(t.missing, 0, Run{number + 1, t.first - 1})
			t.table.runs++
		}
		t.first = number
		return
	}
	for i := len(t.missing) - 1; i >= 0; i-- {
		r := &t.missing[i]
		switch {
		case number > r.To:
			return
		case number < r.From:
		case r.From == r.To:
			t.missing = slices.Delete(t.missing, i, i+1)
			t.table.runs--
			return
		case number == r.From:
			r.From++
			return
		case number == r.To:
			r.To--
			return
		default:
			rest := Run{number + 1, r.To}
			r.To = number - 1
			t.missing = slices.Insert(t.missing, i+1, rest)
			t.table.runs++
			return
		}
	}
}

// keep takes a print. When there are too many, those with the highest hashes go.
func (t *trace) keep(p Print) {
	if t.prints == nil {
		t.prints = make([]Print, 0, roomForPrints)
	}
	if t.prints = append(t.prints, p); len(t.prints) < roomForPrints {
		return
	}
	limit, low := max(1, t.most()/4*3), 0
	for i := range t.prints {
		if uint32(t.prints[i].Hash>>32) <= limit {
			low++
		}
	}
	if low < maxPrints || low > roomForPrints*7/8 {
		t.choose() // one payload again and again, or by chance
		return
	}
	t.highest = limit
	t.prints = slices.DeleteFunc(t.prints, func(p Print) bool { return uint32(p.Hash>>32) > limit })
}

// choose leaves the lowest prints, in order.
func (t *trace) choose() {
	slices.SortStableFunc(t.prints, func(p, q Print) int { return cmp.Compare(p.Hash, q.Hash) })
	kept := t.prints[:0]
	for _, p := range t.prints {
		if n := len(kept); n > 0 && kept[n-1].Hash == p.Hash {
			kept[n-1].Repeated = true
		} else if n < maxPrints {
			kept = append(kept, p)
		} else {
			break
		}
	}
	if t.prints = kept; len(kept) == maxPrints {
		t.highest = max(1, uint32(kept[maxPrints-1].Hash>>32))
	}
}

// printed is how many octets of a payload the fingerprint is of: what is farther behind costs another look into memory.
const printed = 16

// front is what of a packet's payload the fingerprint is of, the first 16 octets of n behind the header, or all where it is shorter;
// nil where they were not captured.
func front(b []byte, head, n int) []byte {
	if n = min(n, printed); len(b) < head+n {
		return nil
	}
	return b[head:][:n]
}

// fingerprint is a hash of the front of a payload. Silence looks the same in every packet and every stream; its hash takes in SSRC and
// sequence number, so that it is only known where both are as they were. ok is false where too little of the payload is there.
func fingerprint(p []byte, h Header) (hash uint64, ok bool) {
	n := len(p)
	if n < 8 {
		return 0, false
	}
	x, y := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[n-8:])
	if x == y && x == bits.RotateLeft64(x, 8) {
		x ^= uint64(h.SSRC)<<16 | uint64(h.Sequence)
	}
	hi, lo := bits.Mul64(x^0x9e3779b97f4a7c15, y^0xd6e8feb86659fd93)
	return (hi ^ lo) * 0x9e3779b97f4a7c15, true
}

// join appends what another trace of the same stream saw later. newest is the newest number of the stream here, last there.
func (t *trace) join(next *trace, newest, last uint64) {
	newest, last = newest+t.shift, last+next.shift
	d := uint16(next.first) - uint16(newest)
	var shift uint64 // from there to here
	switch {
	case t.broken || next.broken || next.restarts > 0:
		t.broken = true
	case d >= 1 && d < maxDropout:
		shift = newest + uint64(d) - next.first
		if d > 1 {
			t.miss(Run{newest + 1, newest + uint64(d) - 1})
		}
	case d == 0 || d >= 1<<16-maxMisorder:
		// It begins with numbers that lie before the newest one here.
		shift = newest - uint64(-d) - next.first
	default:
		t.broken = true
	}
	if !t.broken {
		lost := next.missing
		for number := next.first; number+shift <= newest && number <= last; number++ {
			if len(lost) > 0 && number > lost[0].To {
				lost = lost[1:]
			}
			if len(lost) == 0 || number < lost[0].From {
				t.came(number + shift)
			}
		}
		for _, r := range lost {
			if r = (Run{max(r.From+shift, newest+1), r.To + shift}); r.From <= r.To {
				t.miss(r)
			}
		}
	}
	next.choose()
	for _, p := range next.prints {
		p.Sequence += shift
		t.keep(p)
	}
	// The stream's own numbers go on as the later account had them.
	t.shift, t.restarts = shift+next.shift, next.restarts
}

// result is the trace as others use it.
func (t *trace) result(newest uint64) *Trace {
	if t.table == nil {
		return nil
	}
	t.choose()
	return &Trace{First: t.first, Last: newest + t.shift, Missing: t.missing, Whole: !t.broken, Prints: t.prints}
}
