package media

// Bounds of RFC 3550 A.1: a jump forward of less than maxDropout is loss, one backward of at most maxMisorder is
// reordering, and anything else is a stray packet or a sender that started again.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// order says how a packet fits into the sequence.
type order uint8

const (
	inOrder   order = iota // the next one, or one after a gap
	late                   // older than the newest one, and new
	duplicate              // seen before
	stray                  // far off: counted, but part of no run unless the next packet follows it
)

// sequence follows the sequence numbers of a stream (RFC 3550 A.1) and remembers which of the last 128 arrived, so that a
// duplicate never hides a loss.
type sequence struct {
	newest   uint64    // extended: cycles and 16 bits, beginning at 1<<32 so that there is room below the first
	window   [2]uint64 // bit i of the 128: newest-i arrived
	received uint64    // different packets of this run

	base     uint64 // extended number of the first packet of this run
	bad      uint32 // the number after a stray packet, or 1<<16
	expected uint64 // of earlier runs
	earlier  uint64 // received in earlier runs

	duplicates, late, strays, restarts uint32
	gaps, longest                      uint32 // runs of missing numbers, and the longest
}

func (q *sequence) start(seq uint16) {
	q.newest = 1<<32 | uint64(seq)
	q.base = q.newest
	q.window = [2]uint64{1, 0}
	q.bad = 1 << 16
	q.received = 1
}

// next takes the next packet if its number is the next one.
func (q *sequence) next(seq uint16) bool {
	if seq != uint16(q.newest)+1 {
		return false
	}
	q.newest++
	q.window[1] = q.window[1]<<1 | q.window[0]>>63
	q.window[0] = q.window[0]<<1 | 1
	q.received++
	return true
}

// add takes the next packet, in the order of arrival.
func (q *sequence) add(seq uint16) order {
	if q.next(seq) {
		return inOrder
	}
	switch d := seq - uint16(q.newest); {
	case d == 0:
		q.duplicates++
		return duplicate
	case d < maxDropout:
		q.gaps++
		q.longest = max(q.longest, uint32(d)-1)
		q.shift(uint(d))
		q.newest += uint64(d)
		q.received++
		return inOrder
	case d >= 1<<16-maxMisorder:
		return q.old(uint(uint16(-d)))
	}
	if uint32(seq) != q.bad {
		q.bad = uint32(seq + 1)
		q.strays++
		return stray
	}
	// Two in sequence: the sender started again. The first of them belongs to the new run.
	q.expected += q.newest - q.base + 1
	q.earlier += q.received
	q.strays--
	q.restarts++
	q.start(seq - 1)
	return q.add(seq)
}

// old takes a packet that is so many numbers, 1 to maxMisorder, older than the newest.
func (q *sequence) old(back uint) order {
	if q.arrived(back) {
		q.duplicates++
		return duplicate
	}
	n := q.newest - uint64(back)
	if q.arrived(back-1) && q.arrived(back+1) && n > q.base && q.gaps > 0 {
		q.gaps-- // the gap was this packet alone
	}
	q.window[back>>6] |= 1 << (back & 63)
	q.base = min(q.base, n) // the stream began with an older one
	q.received++
	q.late++
	return late
}

func (q *sequence) arrived(back uint) bool { return q.window[back>>6]>>(back&63)&1 != 0 }

// shift makes room for d new numbers, of which the last one arrived.
func (q *sequence) shift(d uint) {
	switch {
	case d < 64:
		q.window[1] = q.window[1]<<d | q.window[0]>>(64-d)
		q.window[0] = q.window[0]<<d | 1
	case d < 128:
		q.window[1] = q.window[0] << (d - 64)
		q.window[0] = 1
	default:
		q.window = [2]uint64{1, 0}
	}
}

// totals returns how many packets were to be expected, and how many different ones came.
func (q *sequence) totals() (expected, received uint64) {
	return q.expected + q.newest - q.base + 1, q.earlier + q.received
}

// join appends what another account of the same stream saw later. Loss on the seam is counted; that a packet was late or
// came twice across the seam is not known.
func (q *sequence) join(next *sequence) {
	gaps, longest := q.gaps+next.gaps, max(q.longest, next.longest)
	duplicates, lateOnes, strays := q.duplicates+next.duplicates, q.late+next.late, q.strays+next.strays
	restarts := q.restarts + next.restarts
	expected, received := q.totals()
	if next.restarts == 0 {
		switch d := uint16(next.base) - uint16(q.newest); {
		case d >= 1 && d < maxDropout:
			expected += uint64(d) - 1
			if d > 1 {
				gaps, longest = gaps+1, max(longest, uint32(d)-1)
			}
		case d == 0 || d >= 1<<16-maxMisorder:
			// It begins with numbers that lie before the newest one here: late ones, counted as expected on both sides.
			expected -= uint64(uint16(-d)) + 1
		default:
			restarts++
		}
	}
	e, r := next.totals()
	expected, received = expected+e, received+r
	*q = *next
	own, mine := next.newest-next.base+1, next.received
	q.expected, q.earlier = expected-own, received-mine
	q.gaps, q.longest, q.duplicates, q.late, q.strays, q.restarts = gaps, longest, duplicates, lateOnes, strays, restarts
}
