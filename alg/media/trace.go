package media

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

const (
	// maxPrints is how many packets of a stream are kept to know it by: enough that a tenth of it in common still shows.
	maxPrints = 32
	// maxRuns is how many runs of missing numbers are kept of one stream, and maxAllRuns of all streams of a table.
	maxRuns    = 1 << 12
	maxAllRuns = 1 << 20
	// maxTraces is how many streams of a table are traced, in less than a KiB each.
	maxTraces = 1 << 15
)

// Trace is what tells a stream at one point of the network from others at another point, and which of its packets came.
type Trace struct {
	First, Last uint64 // sequence numbers, extended beyond 16 bits; where they begin to count differs from point to point
	Missing     []Run  // numbers between First and Last that never came, in order
	// Whole says that Missing is complete: the sequence never began anew, and there were not too many runs.
	Whole  bool
	Prints []Print // by Hash; at most 32
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
	next     uint64 // the number after the newest
	first    uint64
	shift    uint64 // of this account's numbers against those of Stream.seq
	most     uint64 // hash of the last print, once there are enough
	n        int
	restarts uint32
	broken   bool
	missing  []Run
	prints   [maxPrints]Print
	table    *Table
}

// newTrace returns a trace for another stream, or nil where none is wanted or there is no room.
func (t *Table) newTrace() *trace {
	if !t.Traces || t.traces >= maxTraces {
		return nil
	}
	t.traces++
	return &trace{most: math.MaxUint64, table: t}
}

func (t *trace) start(seq *sequence) {
	t.first, t.next = seq.newest, seq.newest+1
}

// add takes a packet that is no duplicate and not astray. head is how long its header is, n its payload.
func (t *trace) add(at int64, b []byte, h Header, head, n int, seq *sequence) {
	number := seq.newest - uint64(uint16(seq.newest)-h.Sequence) + t.shift
	switch {
	case seq.restarts != t.restarts:
		t.restarts, t.broken = seq.restarts, true
	case t.broken:
	case number == t.next:
		t.next++
	case number > t.next:
		t.miss(Run{t.next, number - 1})
		t.next = number + 1
	default:
		t.came(number)
	}
	t.print(at, b, h, head, n, number)
}

// print keeps a packet if its hash is low enough.
func (t *trace) print(at int64, b []byte, h Header, head, n int, number uint64) {
	if hash, ok := fingerprint(b, h, head, n); ok && hash <= t.most {
		t.keep(Print{Hash: hash, At: at, Sequence: number})
	}
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
			return
		}
	}
}

// keep puts a print into its place.
func (t *trace) keep(p Print) {
	i := t.n
	for i > 0 && t.prints[i-1].Hash > p.Hash {
		i--
	}
	if i > 0 && t.prints[i-1].Hash == p.Hash {
		t.prints[i-1].Repeated = true
		return
	}
	if t.n < maxPrints {
		t.n++
	}
	copy(t.prints[i+1:t.n], t.prints[i:])
	t.prints[i] = p
	if t.n == maxPrints {
		t.most = t.prints[maxPrints-1].Hash
	}
}

// fingerprint is a hash of the first 16 octets of a payload, fewer where it is shorter: what is farther behind costs another look
// into memory. Silence looks the same in every packet and every stream; its hash takes in SSRC and sequence number, so that it
// is only known where both are as they were. ok is false where too little of the payload is there.
func fingerprint(b []byte, h Header, head, n int) (hash uint64, ok bool) {
	n = min(n, 16)
	if n < 8 || len(b) < head+n {
		return 0, false
	}
	x, y := binary.LittleEndian.Uint64(b[head:]), binary.LittleEndian.Uint64(b[head+n-8:])
	if x == y && x == bits.RotateLeft64(x, 8) {
		x ^= uint64(h.SSRC)<<16 | uint64(h.Sequence)
	}
	hi, lo := bits.Mul64(x^0x9e3779b97f4a7c15, y^0xd6e8feb86659fd93)
	hash = (hi ^ lo) * 0x9e3779b97f4a7c15
	return hash ^ hash>>32, true
}

// join appends what another trace of the same stream saw later; d is the distance from the newest number here to the oldest there.
func (t *trace) join(next *trace) {
	d := uint16(next.first) - uint16(t.next-1)
	switch {
	case t.broken || next.broken || next.restarts > 0:
		t.broken = true
	case d >= 1 && d < maxDropout:
		next.shift = t.next - 1 + uint64(d) - next.first
		if d > 1 {
			t.miss(Run{t.next, t.next + uint64(d) - 2})
		}
	case d == 0 || d >= 1<<16-maxMisorder:
		// It begins with numbers that lie before the newest one here.
		next.shift = t.next - 1 - uint64(-d) - next.first
	default:
		t.broken = true
	}
	if !t.broken {
		lost := next.missing
		for number := next.first; number+next.shift < t.next && number < next.next; number++ {
			if len(lost) > 0 && number > lost[0].To {
				lost = lost[1:]
			}
			if len(lost) == 0 || number < lost[0].From {
				t.came(number + next.shift)
			}
		}
		for _, r := range lost {
			if r = (Run{max(r.From+next.shift, t.next), r.To + next.shift}); r.From <= r.To {
				t.miss(r)
			}
		}
		t.next = max(t.next, next.next+next.shift)
	}
	for _, p := range next.prints[:next.n] {
		p.Sequence += next.shift
		if p.Hash > t.most {
			break
		}
		again := p.Repeated
		t.keep(p)
		for i := range t.prints[:t.n] {
			if again && t.prints[i].Hash == p.Hash {
				t.prints[i].Repeated = true
			}
		}
	}
	// The stream's own numbers go on as the later account had them.
	t.shift, t.restarts = next.shift, next.restarts
}

// result is the trace as others use it.
func (t *trace) result() *Trace {
	if t == nil {
		return nil
	}
	return &Trace{First: t.first, Last: t.next - 1, Missing: t.missing, Whole: !t.broken, Prints: t.prints[:t.n:t.n]}
}
