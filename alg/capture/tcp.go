package capture

import (
	"encoding/binary"
	"slices"

	"nofixup/h323"
	"nofixup/sip"
)

const (
	// maxAhead is how many segments, and octets of them, wait for what is missing before them.
	maxAhead       = 64
	maxAheadOctets = 128 << 10
	// maxStream is how many octets of one direction wait for the rest of their message: the parsers' own limit of a message.
	maxStream = sip.DefaultHeadLimit + sip.DefaultBodyLimit
	// maxTries is how many pieces of a stream are looked at before it is something that nobody here knows.
	maxTries = 12
	// maxMarks is how many segments of one message are remembered.
	maxMarks = 256
)

// TCP flags.
const (
	flagFIN = 1
	flagSYN = 2
	flagRST = 4
	flagACK = 16
)

// tcpState is what all connections share.
type tcpState struct {
	buffered int    // octets that wait
	given    uint64 // octets that were given up since too many waited
	gaps     uint64
	unframed uint64 // messages whose end nobody can tell
}

// conn puts the segments of a connection into order. It exists while a connection may yet speak something that is known.
type conn struct {
	halves [2]half
	tries  int
	web    bool // SIP over WebSocket
	state  TCPState
}

// half is one direction.
type half struct {
	synced bool
	next   uint32 // sequence number of the octet after buf
	acked  uint32 // of the one that the receiver waits for, by its last acknowledgement
	off    int64  // where buf begins in the stream
	buf    []byte
	marks  []mark // which segments buf is from
	ahead  []ahead
	octets int // in ahead
	broken bool

	upgraded bool // to WebSocket: what follows are its frames

	sip  sip.Framer
	tpkt h323.Framer
}

// mark says which frame the octets of a stream from off on came in.
type mark struct {
	off   int64
	at    int64
	frame int
}

type ahead struct {
	seq   uint32
	data  []byte
	at    int64
	frame int
}

// segment takes a TCP segment.
func (a *analyser) segment(e *entry, dir int, p *packet) {
	seq, ack := binary.BigEndian.Uint32(p.transport[4:]), binary.BigEndian.Uint32(p.transport[8:])
	flags := p.transport[13]
	c := e.conn
	if flags&flagSYN != 0 {
		if c != nil && flags&flagACK == 0 && c.halves[dir].synced && seq+1 != c.halves[dir].next || e.done && flags&flagACK == 0 {
			if len(a.flows) >= a.limits.Flows { // each connection is a flow, also where they share an entry
				a.closeConn(e)
				e.done = true
				a.full++
				return
			}
			c = a.reopen(e, dir, p) // the same ports again: another connection
		}
		if c == nil {
			c = &conn{}
			e.conn = c
		}
		if flags&flagACK == 0 {
			c.state.SYN, e.opener = true, uint8(dir)
		} else {
			c.state.Accepted, e.opener = true, uint8(1-dir)
		}
		h := &c.halves[dir]
		if !h.synced {
			h.synced, h.next = true, seq+1
		}
		seq++
	}
	if c == nil {
		if e.done || p.size == 0 {
			e.ended(dir, flags, p.at)
			return
		}
		c = &conn{}
		e.conn = c
	}
	h := &c.halves[dir]
	if p.size > 0 {
		if !h.synced {
			h.synced, h.next, h.broken = true, seq, true // the capture began in the middle
		}
		a.place(e, dir, p, seq)
	}
	if e.conn == nil {
		return
	}
	// What the other end acknowledges and nobody saw will not come any more.
	if peer := &c.halves[1-dir]; flags&flagACK != 0 {
		peer.acked = ack
	}
	if peer := &c.halves[1-dir]; flags&flagACK != 0 && len(peer.ahead) > 0 && int32(ack-peer.ahead[0].seq) > 0 {
		a.bridge(e, 1-dir, true)
	}
	if e.conn != nil {
		c.ended(side(e, dir), flags, p.at)
		if e.flow != nil {
			*e.flow.TCP = c.state
		}
	}
}

// side is 0 for the direction of the client.
func side(e *entry, dir int) int { return dir ^ int(e.opener) }

func (c *conn) ended(side int, flags uint8, at int64) { c.state.ended(side, flags, at) }

func (s *TCPState) ended(side int, flags uint8, at int64) {
	if flags&(flagFIN|flagRST) == 0 {
		return
	}
	if s.Ended == 0 {
		s.Ended = at
	}
	s.FIN[side] = s.FIN[side] || flags&flagFIN != 0
	s.RST[side] = s.RST[side] || flags&flagRST != 0
}

// ended notes the end of a connection whose octets nobody looks at any more.
func (e *entry) ended(dir int, flags uint8, at int64) {
	if e.flow != nil && e.flow.TCP != nil {
		e.flow.TCP.ended(side(e, dir), flags, at)
	}
}

// reopen ends the connection that an entry stands for, so that it can stand for the next one between the same ports.
func (a *analyser) reopen(e *entry, dir int, p *packet) *conn {
	a.closeConn(e)
	if e.flow != nil {
		e.settle()
	}
	*e = entry{key: e.key, first: p.at, last: p.at, opener: uint8(dir), epoch: a.announced.epoch - 1}
	return nil
}

// place puts the octets of a segment where they belong.
func (a *analyser) place(e *entry, dir int, p *packet, seq uint32) {
	h := &e.conn.halves[dir]
	data := p.payload
	switch d := int32(seq - h.next); {
	case d > 0:
		a.keepAhead(e, dir, p, seq)
		return
	case d < 0:
		again := -int64(d)
		if again >= int64(len(data)) {
			return // sent again
		}
		data = data[again:]
	}
	a.extend(e, dir, data, p.at, p.frame)
	if e.conn != nil && p.cut() {
		a.gap(e, dir, p.size-len(p.payload), true)
		h.next += uint32(p.size - len(p.payload))
	}
	a.catchUp(e, dir)
}

// keepAhead keeps a segment before which something is missing. One that was cut by the capture is as good as not there.
func (a *analyser) keepAhead(e *entry, dir int, p *packet, seq uint32) {
	h := &e.conn.halves[dir]
	if p.cut() || int32(seq-h.next) > 1<<24 {
		return
	}
	i, found := slices.BinarySearchFunc(h.ahead, seq, func(s ahead, seq uint32) int { return int(int32(s.seq - seq)) })
	if found && len(h.ahead[i].data) >= len(p.payload) {
		return
	}
	h.ahead = slices.Insert(h.ahead, i, ahead{seq, slices.Clone(p.payload), p.at, p.frame})
	h.octets += len(p.payload)
	a.tcp.buffered += len(p.payload)
	if len(h.ahead) > maxAhead || h.octets > maxAheadOctets {
		a.bridge(e, dir, true)
	}
	a.relieve()
}

// relieve gives up octets that wait when too many do: those of connections that are idle, and if that is not enough all.
func (a *analyser) relieve() {
	if a.tcp.buffered <= a.limits.Buffered {
		return
	}
	for _, idle := range []int64{idleTime / 6, 0} {
		for _, e := range a.entries {
			if e.conn != nil && a.now-e.last >= idle {
				for i := range e.conn.halves {
					a.giveUp(&e.conn.halves[i])
				}
			}
		}
		if a.tcp.buffered <= a.limits.Buffered*7/8 {
			return
		}
	}
}

// giveUp forgets what waits in one direction.
func (a *analyser) giveUp(h *half) {
	if n := len(h.buf) + h.octets; n > 0 {
		a.tcp.given += uint64(n)
		a.tcp.buffered -= h.octets
		h.off += int64(len(h.buf))
		a.reset(h)
		h.buf, h.ahead, h.octets, h.broken = nil, nil, 0, true
	}
}

// bridge goes on after a place where octets are missing: in the capture alone, or they never arrived.
func (a *analyser) bridge(e *entry, dir int, arrived bool) {
	h := &e.conn.halves[dir]
	if len(h.ahead) == 0 {
		return
	}
	a.gap(e, dir, int(int32(h.ahead[0].seq-h.next)), arrived)
	h.next = h.ahead[0].seq
	a.catchUp(e, dir)
}

// gap ends what is in the buffer: the next octets do not follow it. arrived says that they did, and only the capture lacks them.
func (a *analyser) gap(e *entry, dir, missing int, arrived bool) {
	c := e.conn
	h := &c.halves[dir]
	if arrived {
		c.state.Gaps++
		if missing > 0 {
			c.state.Missing += uint64(missing)
		}
		if e.flow != nil {
			a.tcp.gaps++
			*e.flow.TCP = c.state
		}
	}
	a.truncated(e, dir, missing)
	h.off += int64(len(h.buf) + max(missing, 0))
	a.reset(h)
	h.broken = true
}

func (a *analyser) reset(h *half) {
	a.tcp.buffered -= len(h.buf)
	h.buf, h.marks = h.buf[:0], h.marks[:0]
	h.sip, h.tpkt = sip.Framer{}, h323.Framer{}
}

// catchUp takes the segments that follow now.
func (a *analyser) catchUp(e *entry, dir int) {
	for e.conn != nil {
		h := &e.conn.halves[dir]
		if len(h.ahead) == 0 || int32(h.ahead[0].seq-h.next) > 0 {
			return
		}
		s := h.ahead[0]
		h.ahead = h.ahead[1:]
		h.octets -= len(s.data)
		a.tcp.buffered -= len(s.data)
		if again := int(int32(h.next - s.seq)); again < len(s.data) {
			a.extend(e, dir, s.data[again:], s.at, s.frame)
		}
	}
}

// extend appends octets to a stream and takes the messages off that are complete now.
func (a *analyser) extend(e *entry, dir int, data []byte, at int64, frame int) {
	if len(data) == 0 {
		return
	}
	h := &e.conn.halves[dir]
	h.next += uint32(len(data))
	if len(h.marks) < maxMarks {
		h.marks = append(h.marks, mark{h.off + int64(len(h.buf)), at, frame})
	} else {
		h.marks[maxMarks-1].at = at
	}
	h.buf = append(h.buf, data...)
	a.tcp.buffered += len(data)
	n := a.frames(e, dir, at)
	if e.conn == nil {
		return
	}
	if len(h.buf)-n > maxStream {
		a.tcp.given += uint64(len(h.buf) - n)
		n = len(h.buf)
		h.broken, h.sip, h.tpkt = true, sip.Framer{}, h323.Framer{}
	}
	h.consume(a, n)
	a.relieve()
}

// consume takes n octets off the front.
func (h *half) consume(a *analyser, n int) {
	if n == 0 {
		return
	}
	h.off += int64(n)
	h.buf = append(h.buf[:0], h.buf[n:]...)
	a.tcp.buffered -= n
	i := 0
	for i+1 < len(h.marks) && h.marks[i+1].off <= h.off {
		i++
	}
	if len(h.buf) == 0 {
		i = len(h.marks)
	}
	h.marks = append(h.marks[:0], h.marks[i:]...)
}

// numbers are the frames that octets from..to of the buffer came in, and when the last of them did.
func (h *half) numbers(from, to int) (frames []int, at int64) {
	begin, end := h.off+int64(from), h.off+int64(to)
	for i, m := range h.marks {
		if m.off >= end {
			break
		}
		if i+1 < len(h.marks) && h.marks[i+1].off <= begin {
			continue
		}
		frames, at = append(frames, m.frame), m.at
	}
	return frames, at
}

// release frees what a connection holds.
func (a *analyser) release(e *entry) {
	if e.conn == nil {
		return
	}
	for i := range e.conn.halves {
		h := &e.conn.halves[i]
		a.tcp.buffered -= len(h.buf) + h.octets
	}
	e.conn = nil
}

// acknowledged reports whether octets that are missing in one direction have arrived for all that is known: the receiver
// acknowledged them, beside a FIN, or nothing of it was seen.
func (e *entry) acknowledged(dir int) bool {
	h := &e.conn.halves[dir]
	return e.dirs[1-dir].packets == 0 || h.acked != 0 && int32(h.acked-h.next) > 1
}

// closeConn takes what is left of a connection whose end is reached.
func (a *analyser) closeConn(e *entry) {
	for dir := range 2 {
		for e.conn != nil && len(e.conn.halves[dir].ahead) > 0 {
			a.bridge(e, dir, e.acknowledged(dir))
		}
		if e.conn != nil && len(e.conn.halves[dir].buf) > 0 {
			if e.acknowledged(dir) {
				a.gap(e, dir, 0, true)
			} else {
				a.truncated(e, dir, 0)
			}
		}
	}
	if e.conn != nil && e.flow != nil {
		*e.flow.TCP = e.conn.state
	}
	a.release(e)
}
