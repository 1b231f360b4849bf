package media

import (
	"math"
	"net/netip"
	"time"
)

const (
	// probation is how many packets in sequence make a stream of what nothing announced. RFC 3550 A.1 has two, for ports that
	// are known to carry RTP; on any port at all other protocols look like RTP for two packets.
	probation = 5

	// maxPayloads is how many payload types of one stream are counted each by itself.
	maxPayloads = 6

	// guessTime is how long a clock of unknown rate is watched, in nanoseconds.
	guessTime = int64(time.Second)
)

// PayloadCount is how many packets had a payload type.
type PayloadCount struct {
	Format  Format
	Packets uint64
}

// Stats is the account of one stream.
type Stats struct {
	Src, Dst netip.AddrPort
	SSRC     uint32

	Announced bool  // signalling announced the address that it goes to or comes from
	Valid     bool  // it is a stream: announced, or past probation
	Delay     int64 // nanoseconds from Flow.Announce to the first packet; 0 if not announced or if it began before that

	First, Last int64  // arrival of the first and the last packet
	Packets     uint64 // all that arrived, duplicates included
	Octets      uint64 // of payload, without RTP header and padding (RFC 3550 6.4.1)

	FirstSequence uint16
	Expected      uint64 // by extended sequence number (RFC 3550 A.3)
	Lost          uint64 // expected ones that never came; a duplicate stands for none
	Duplicates    uint32 // came again
	Late          uint32 // came after a later one
	Strays        uint32 // far off the sequence
	Restarts      uint32 // the sequence began anew (RFC 3550 A.1)
	Gaps          uint32 // runs of missing packets
	LongestGap    uint32 // packets

	// Jitter is RFC 3550 A.8 at the last packet, its mean and maximum, all 0 while the clock rate is unknown.
	Jitter, MeanJitter, MaxJitter time.Duration

	Silence     time.Duration // longest time between two packets
	SilenceAt   int64         // when it began
	SilenceLost uint32        // packets missing in it: 0 says that the sender was silent, not the network lossy
	Pauses      uint32        // times of a second and more without a packet

	Payloads      []PayloadCount // in the order of appearance, at most 6
	MorePayloads  uint64         // packets of further payload types
	DSCP          uint8          // of the first packet
	DSCPs         uint64         // bit n: a packet had DSCP n
	ClockGuessed  bool           // the clock rate was told from the stream itself
	SenderReports uint32
	Sender        SenderReport    // the last one, if there is one
	Reports       uint32          // reception reports of the far end about this stream
	Reception     ReceptionReport // the last one
	WorstFraction uint8           // highest loss of a report, in 1/256 (RFC 3550 6.4.1)

	Trace *Trace // nil unless Table.Traces is set
}

// pauseTime is what counts as a pause, in nanoseconds.
const pauseTime = int64(time.Second)

// Stream follows one RTP stream. What a packet needs that is nothing special stands in front, in two lines of a processor's
// cache, and the rest elsewhere, so that many streams share a page of memory: with many calls at once, waiting for memory is most
// of the work.
type Stream struct {
	ssrc      uint32
	payload   uint8 // of the last packet, 0xff: none or to be looked up anew
	slot      uint8 // where payload is counted, maxPayloads for further ones
	steady    bool  // packets of this type say something about jitter
	dscp      uint8
	last      int64
	arrival   int64   // of the packet that jitter was last computed with
	tick      float64 // nanoseconds per tick of the clock, 0 if unknown
	timestamp uint32  // of the same packet as arrival
	used      uint8   // of formats
	guessed   bool
	dropped   bool // forgotten by the table
	linked    bool // found by its SSRC

	jitter, jitterSum, jitterMax float64 // nanoseconds

	jittered        uint32 // packets in jitterSum
	most            uint32 // up to which hash a packet is kept in trace, 0 where there is none
	packets, octets uint64
	silence         int64
	seq             sequence

	*account
}

// account is what is looked at now and then.
type account struct {
	trace trace // its table is nil where it is not wanted

	counts    [maxPayloads]uint64
	counted   uint64 // packets that are in counts or more: those of payload since it last changed are not
	formats   [maxPayloads]Format
	more      uint64
	dscps     uint64
	firstDSCP uint8

	flow      *Flow
	next      *Stream // of the same flow
	same      *Stream // of the same SSRC
	first     int64
	firstSeq  uint16
	clocked   bool   // the clock was known from the first packet on
	stamp     uint32 // timestamp of the first packet
	silenceAt int64
	silent    uint32
	pauses    uint32
	watch     int64  // since when a clock of unknown rate is watched
	watched   uint32 // its timestamp then
	depth     uint8

	senders       uint32
	sender        SenderReport
	reports       uint32
	reception     ReceptionReport
	worstFraction uint8
}

// SSRC is the stream's synchronisation source.
func (s *Stream) SSRC() uint32 { return s.ssrc }

// Flow is the pair of addresses that the stream runs between.
func (s *Stream) Flow() *Flow { return s.flow }

// Valid says whether it is a stream at all: its address was announced, or it is past probation.
func (s *Stream) Valid() bool { return s.flow.announced || s.seq.received+s.seq.earlier >= probation }

// Packets is how many packets arrived, duplicates included.
func (s *Stream) Packets() uint64 { return s.packets }

// First is when the first packet arrived.
func (s *Stream) First() int64 { return s.first }

// Add takes a datagram if it is a packet of the stream; else it returns false and leaves the datagram to Flow.Add, whose
// parameters it has. Most packets are of the same stream as the one before, and need no more than that.
func (s *Stream) Add(at int64, dscp uint8, b []byte, size int) bool {
	h, ok := ParseHeader(b)
	if !ok || h.SSRC != s.ssrc {
		return false
	}
	head, n := headerLen, size-headerLen
	if b[0] != 0x80 || size < headerLen { // most packets have neither padding nor extension nor contributing sources
		if head, n, ok = octets(b, size); !ok {
			return false
		}
	}
	s.take(at, dscp, h, b, head, n)
	return true
}

// take takes a packet whose header has head octets and whose payload has n.
func (s *Stream) take(at int64, dscp uint8, h Header, b []byte, head, n int) {
	before := s.seq.newest
	if place := s.add(at, dscp, h, n); s.most == 0 || place == duplicate || place == stray {
		return
	}
	if s.seq.newest != before+1 {
		s.trace.follow(before, h.Sequence, &s.seq)
	}
	// Of most packets no more is looked at than what is at hand.
	if hash, ok := fingerprint(front(b, head, n), h); ok && uint32(hash>>32) <= s.most {
		s.keep(hash, at, h.Sequence)
	}
}

// keep keeps a packet in the trace, whose hash is low enough.
func (s *Stream) keep(hash uint64, at int64, number uint16) {
	s.trace.keep(Print{Hash: hash, At: at, Sequence: s.trace.number(number, &s.seq)})
	s.most = s.trace.most()
}

func (s *Stream) start(at int64, dscp uint8, h Header, n int) {
	s.seq.start(h.Sequence)
	s.firstSeq, s.first, s.last = h.Sequence, at, at
	s.firstDSCP, s.dscp, s.dscps = dscp, dscp, 1<<(dscp&63)
	s.payload = 0xff
	s.lookUp(at, h)
	s.arrival, s.timestamp = at, h.Timestamp
	s.clocked, s.stamp = s.tick != 0 && s.steady, h.Timestamp
	s.count(n)
	if s.trace.table != nil {
		s.trace.first, s.most = s.seq.newest, s.trace.most()
	}
}

// add takes a packet with n octets of payload.
func (s *Stream) add(at int64, dscp uint8, h Header, n int) (place order) {
	before := s.seq.newest
	if !s.seq.next(h.Sequence) {
		place = s.seq.add(h.Sequence)
	}
	if gap := at - s.last; gap > 0 {
		if gap >= pauseTime {
			s.pauses++
		}
		if gap > s.silence {
			s.silence, s.silenceAt, s.silent = gap, s.last, 0
			if d := s.seq.newest - before; place == inOrder && d < maxDropout {
				s.silent = uint32(d) - 1
			}
		}
		s.last = at
	}
	if dscp != s.dscp {
		s.dscp, s.dscps = dscp, s.dscps|1<<(dscp&63)
	}
	if h.Payload != s.payload {
		s.lookUp(at, h)
	}
	s.count(n)
	if place == duplicate || place == stray {
		return place
	}
	if s.tick == 0 {
		s.watchClock(at, h)
		return place
	}
	if !s.steady {
		return place
	}
	// RFC 3550 A.8 in nanoseconds instead of ticks. Timestamps wrap; a difference of theirs is signed.
	d := math.Abs(float64(at-s.arrival) - float64(int32(h.Timestamp-s.timestamp))*s.tick)
	s.arrival, s.timestamp = at, h.Timestamp
	s.jitter += (d - s.jitter) / 16
	s.jitterSum += s.jitter
	s.jittered++
	if s.jitter > s.jitterMax {
		s.jitterMax = s.jitter
	}
	return place
}

func (s *Stream) count(n int) {
	s.packets++
	s.octets += uint64(n)
}

// countPayload books the packets since the payload type last changed.
func (s *Stream) countPayload() {
	n := s.packets - s.counted
	s.counted = s.packets
	if s.slot < maxPayloads {
		s.counts[s.slot] += n
	} else {
		s.more += n
	}
}

// lookUp finds out what the payload type of a packet stands for, when it is another than the last one's.
func (s *Stream) lookUp(at int64, h Header) {
	s.countPayload()
	f := s.flow.format(h.Payload)
	was := s.tick
	s.payload = h.Payload
	// Packets of an event all bear the time at which it began (RFC 4733 2.5.1), comfort noise comes when it likes.
	s.steady = f.Name != "CN" && f.Name != "telephone-event"
	if s.steady {
		if s.tick = 0; f.Rate != 0 {
			s.tick, s.guessed = 1e9/float64(f.Rate), false
		}
		if s.tick != was {
			s.arrival, s.timestamp = at, h.Timestamp
			s.watch, s.watched = at, h.Timestamp
		}
	}
	for s.slot = 0; s.slot < s.used; s.slot++ {
		if s.formats[s.slot].Payload == h.Payload {
			s.formats[s.slot] = f
			return
		}
	}
	if s.slot < maxPayloads {
		s.formats[s.slot] = f
		s.used++
	}
}

// watchClock tells the rate of a clock that nobody named from how it runs.
func (s *Stream) watchClock(at int64, h Header) {
	d := at - s.watch
	if d < guessTime || !s.steady {
		return
	}
	if rate := guessRate(h.Timestamp-s.watched, d); rate != 0 {
		s.tick, s.guessed = 1e9/float64(rate), true
		s.arrival, s.timestamp = at, h.Timestamp
		if s.slot < maxPayloads {
			s.formats[s.slot].Rate = rate
		}
		return
	}
	s.watch, s.watched = at, h.Timestamp
}

// join appends what another account of the same stream saw later.
func (s *Stream) join(next *Stream) {
	s.pauses += next.pauses
	if next.first-s.last >= pauseTime {
		s.pauses++
	}
	if gap := next.first - s.last; gap > s.silence {
		s.silence, s.silenceAt, s.silent = gap, s.last, 0
		if d := next.firstSeq - uint16(s.seq.newest); d > 0 && d < maxDropout {
			s.silent = uint32(d) - 1
		}
	}
	if next.silence > s.silence {
		s.silence, s.silenceAt, s.silent = next.silence, next.silenceAt, next.silent
	}
	s.countPayload()
	next.countPayload()
	if s.most > 0 && next.most > 0 {
		s.trace.join(&next.trace, s.seq.newest, next.seq.newest)
		s.most = s.trace.most()
	} else {
		s.trace, s.most = trace{}, 0
	}
	s.seq.join(&next.seq)
	s.joinJitter(next)
	for i := range next.used {
		s.joinCount(next.formats[i], next.counts[i])
	}
	s.more += next.more
	s.counted += next.counted
	s.payload, s.slot = 0xff, maxPayloads
	s.arrival, s.timestamp = next.arrival, next.timestamp
	s.last = max(s.last, next.last)
	s.packets, s.octets = s.packets+next.packets, s.octets+next.octets
	s.dscp, s.dscps = next.dscp, s.dscps|next.dscps
	if next.senders > 0 {
		s.sender = next.sender
	}
	if next.reports > 0 {
		s.reception = next.reception
	}
	s.senders, s.reports = s.senders+next.senders, s.reports+next.reports
	s.worstFraction = max(s.worstFraction, next.worstFraction)
}

// joinJitter goes on with the jitter where next began. The filter of RFC 3550 A.8 is linear: what was there at the seam fades with
// every packet after it. The maximum is that of both sides and of the seam.
func (s *Stream) joinJitter(next *Stream) {
	if next.clocked && s.tick == next.tick && s.steady {
		d := math.Abs(float64(next.first-s.arrival) - float64(int32(next.stamp-s.timestamp))*s.tick)
		s.jitter += (d - s.jitter) / 16
		s.jitterSum += s.jitter
		s.jittered++
		s.jitterMax = max(s.jitterMax, s.jitter)
	}
	left := math.Pow(15./16, float64(next.jittered))
	s.jitterSum += next.jitterSum + s.jitter*15*(1-left)
	s.jittered += next.jittered
	s.jitter = next.jitter + s.jitter*left
	s.jitterMax = max(s.jitterMax, next.jitterMax)
}

func (s *Stream) joinCount(f Format, n uint64) {
	for i := range s.used {
		if s.formats[i].Payload == f.Payload {
			s.counts[i] += n
			if s.formats[i].Rate == 0 {
				s.formats[i] = f
			}
			return
		}
	}
	if s.used < maxPayloads {
		s.formats[s.used], s.counts[s.used] = f, n
		s.used++
		return
	}
	s.more += n
}

// Stats returns the account so far.
func (s *Stream) Stats() Stats {
	s.countPayload()
	expected, received := s.seq.totals()
	st := Stats{
		Src: s.flow.Src, Dst: s.flow.Dst, SSRC: s.ssrc,
		Announced: s.flow.announced, Valid: s.Valid(),
		First: s.first, Last: s.last, Packets: s.packets, Octets: s.octets,
		FirstSequence: s.firstSeq, Expected: expected,
		Duplicates: s.seq.duplicates, Late: s.seq.late, Strays: s.seq.strays, Restarts: s.seq.restarts,
		Gaps: s.seq.gaps, LongestGap: s.seq.longest,
		Jitter: time.Duration(s.jitter), MaxJitter: time.Duration(s.jitterMax),
		Silence: time.Duration(s.silence), SilenceAt: s.silenceAt, SilenceLost: s.silent, Pauses: s.pauses,
		MorePayloads: s.more, DSCP: s.firstDSCP, DSCPs: s.dscps, ClockGuessed: s.guessed,
		SenderReports: s.senders, Sender: s.sender,
		Reports: s.reports, Reception: s.reception, WorstFraction: s.worstFraction,
		Trace: s.trace.result(s.seq.newest),
	}
	if expected > received {
		st.Lost = expected - received
	}
	if s.jittered > 0 {
		st.MeanJitter = time.Duration(s.jitterSum / float64(s.jittered))
	}
	if s.flow.announced && s.first > s.flow.announcedAt {
		st.Delay = s.first - s.flow.announcedAt
	}
	for i := range s.used {
		f := s.formats[i]
		if known := s.flow.format(f.Payload); known.Rate != 0 {
			f = known // announced since
		}
		st.Payloads = append(st.Payloads, PayloadCount{f, s.counts[i]})
	}
	return st
}
