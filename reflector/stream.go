package reflector

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"nofixup/reflector/wire"
)

const (
	// maxEarly bounds the octets of a connection that nobody has claimed yet, and maxEarlyReads the times that are kept of
	// them: later reads count as one with the last.
	maxEarly      = 64 << 10
	maxEarlyReads = 64

	// readStep is the least room that a read is given, readMost the most. A buffer grows with what is in it, so that a
	// sender gets no more memory than it sends.
	readStep = 2 << 10
	readMost = 16 << 10

	// drainTime is how long the other end has for its part after this end has closed its own.
	drainTime = 2 * time.Second
)

// stream is a TCP connection that takes probes. One goroutine reads it, cuts messages and answers them; actions write to it
// as well. Until a live session's token is seen nothing is sent and nothing is kept but what came.
type stream struct {
	srv           *Server
	on            *listener
	conn          net.Conn
	local, remote netip.AddrPort
	born          time.Time
	opened        time.Time       // when the first octet could come: later than born where TLS had to be agreed on first
	tls           *wire.Handshake // nil for a connection in clear
	told          bool            // a receipt has it
	accepted      net.Conn        // the connection as it was accepted: over TLS, conn is another
	tcp           *wire.TCP       // what the system tells of it, until a receipt has it

	// Of the reading goroutine alone.
	buf    []byte // what came and was not yet cut; before the session is known, all that came
	next   int    // where in it the next frame begins
	looked int    // octets of buf in which no live token was found
	reads  []mark // of the octets that have no receipt yet
	in     int64  // octets read
	heard  time.Time
	began  time.Time // when the first octet of the unfinished message came
	sess   *session  // whose it is; who finds the stream in the session finds this set
	num    uint64    // of the connection within the session
	speaks protocol  // chosen with the first octet; who finds the stream in the session finds this set
	live   bool      // h323: answers announce ports of media

	// mu is held while receipts are kept and what they tell is written, so that their order is that of the stream. It is
	// taken before any other lock.
	mu      sync.Mutex
	out     int64     // octets written
	spoke   time.Time // when
	closing time.Time // when this end closed its direction
	broken  string    // why a write failed, one of the wire.End constants

	messages map[uint64]span // where messages stand in the stream, by Seq of the receipt that completed them; sess.mu
}

// mark is one read that has no receipt yet.
type mark struct {
	off int64
	n   int
	at  time.Time
}

// span is a place in a stream.
type span struct {
	off   int64
	n     int
	quiet bool // an INVITE that is for the client to have answered
}

func newStream(s *Server, l *listener, conn net.Conn) *stream {
	st := &stream{srv: s, on: l, conn: conn, accepted: conn, born: time.Now()}
	st.opened = st.born
	st.local, st.remote = addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())
	return st
}

// run reads the connection to its end.
func (st *stream) run() {
	end := wire.EndClosed
	defer func() {
		if fault := recover(); fault != nil {
			// The stack holds no payload; the fault itself might.
			st.srv.counters.panics.Add(1)
			st.srv.cfg.Log.Error("connection dropped: fault in the reflector", "stack", string(debug.Stack()))
		}
		st.finish(end)
	}()
	if st.on.service == wire.ServiceSIPS && !st.secure() {
		return
	}
	for {
		room := st.room()
		if room == nil {
			return
		}
		st.timeRead()
		n, err := st.conn.Read(room)
		if n > 0 {
			var more bool
			if end, more = st.took(n); !more {
				return
			}
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) && st.timeRead() {
			continue // what was written meanwhile has moved the deadline
		}
		end = endOf(err)
		return
	}
}

// endOf says why a read or a write ended the stream.
func endOf(err error) string {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return wire.EndTimeout
	case isReset(err):
		return wire.EndReset
	}
	return wire.EndClosed
}

// timeRead gives the next read its deadline, and says whether that is still to come. All deadlines are absolute: who sends
// single octets gains nothing.
func (st *stream) timeRead() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	deadline := st.deadline()
	// Where a network has no deadlines the read ends with the connection, or with the session.
	_ = st.conn.SetReadDeadline(deadline)
	return time.Now().Before(deadline)
}

// deadline is when the next read must have brought something. The stream is locked.
func (st *stream) deadline() time.Time {
	l := &st.srv.cfg.Limits
	var d time.Time
	switch {
	case st.in == 0:
		d = st.opened.Add(l.StreamFirst)
	case !st.closing.IsZero():
		d = st.closing.Add(drainTime)
	case st.next < len(st.buf) || st.sess == nil:
		d = st.began.Add(l.StreamMessage)
	case st.spoke.After(st.heard):
		d = st.spoke.Add(l.StreamIdle)
	default:
		d = st.heard.Add(l.StreamIdle)
	}
	return earlier(d, st.born.Add(l.StreamLife))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// room returns where the next read goes, behind what is in buf, or nil if nobody has claimed what came and there is enough
// of it.
func (st *stream) room() []byte {
	most := readMost
	if st.sess == nil {
		if most = min(most, maxEarly-len(st.buf)); most <= 0 {
			return nil
		}
	}
	if cap(st.buf)-len(st.buf) < readStep {
		st.buf = slices.Grow(st.buf, readStep)
	}
	return st.buf[len(st.buf):min(cap(st.buf), len(st.buf)+most)]
}

// took deals with n more octets behind buf. When more is false the connection is to be closed, and end says why.
func (st *stream) took(n int) (end string, more bool) {
	at := time.Now()
	fresh := st.next == len(st.buf)
	st.buf = st.buf[:len(st.buf)+n]
	if st.speaks == nil {
		st.speaks = st.speak(st.buf[0])
	}
	if fresh && (st.sess != nil || st.in == 0) {
		st.began = at // before the session is known, keepalives gain no time either
	}
	st.note(n)
	st.heard = at
	st.srv.counters.streamOctets.Add(uint64(n))

	from := st.next
	frames, syntax := st.cut()
	if st.sess == nil {
		sess := st.claimant(frames)
		if sess == nil {
			// The first message had its chance; what cannot be cut will have no second one.
			return wire.EndClosed, len(frames) == 0 && !syntax
		}
		if !st.attach(sess) {
			return wire.EndClosed, false
		}
	}
	if st.next > from {
		st.began = at
	}
	if end = st.answer(frames); end != "" {
		return end, false
	}
	st.buf = append(st.buf[:0], st.buf[st.next:]...)
	st.next = 0
	if len(st.buf) == 0 && cap(st.buf) > readMost {
		st.buf = nil
	}
	if syntax {
		return wire.EndSyntax, false
	}
	return wire.EndClosed, true
}

// note adds n octets to what has no receipt yet.
func (st *stream) note(n int) {
	if last := len(st.reads) - 1; last+1 >= maxEarlyReads {
		st.reads[last].n += n
		st.reads[last].at = now()
	} else {
		st.reads = append(st.reads, mark{off: st.in, n: n, at: now()})
	}
	st.in += int64(n)
}

// cut finds the messages that are complete, as places in buf, and says whether the rest is beyond hope. Keepalives between
// them are passed over.
func (st *stream) cut() (frames []frame, syntax bool) {
	for {
		n, message, err := st.speaks.next(st.buf[st.next:])
		switch {
		case err != nil:
			return frames, !errors.Is(err, errShort)
		case message:
			frames = append(frames, frame{st.next, st.next + n})
		}
		st.next += n
	}
}

// frame is a message in buf.
type frame struct{ off, end int }

// claimant returns the live session whose token stands in the first message, as far as that is there, or nil.
func (st *stream) claimant(frames []frame) *session {
	end := len(st.buf)
	if len(frames) > 0 {
		end = frames[0].end
	}
	from := max(0, st.looked-wire.TagLen+1)
	st.looked = end
	return st.srv.store.byToken(st.buf[from:end])
}

// write hands b to the connection. The stream is locked, and the receipt of b is kept.
func (st *stream) write(b []byte, _, _ netip.AddrPort) error {
	n, err := st.conn.Write(b)
	st.out += int64(n)
	st.spoke = time.Now()
	if err != nil {
		st.broken = endOf(err)
		st.conn.Close()
	}
	return err
}

// timeWrites gives the writes that follow their deadline. It is one for all of them.
func (st *stream) timeWrites() {
	l := &st.srv.cfg.Limits
	_ = st.conn.SetWriteDeadline(earlier(st.born.Add(l.StreamLife), time.Now().Add(l.StreamWrite)))
}

// shut closes the connection, this end first: where the network can, the other end may still send what it has under way.
// The stream is locked.
func (st *stream) shut() {
	st.closing = time.Now()
	half, ok := st.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		st.conn.Close()
		return
	}
	_ = st.conn.SetReadDeadline(st.closing.Add(drainTime)) // for the read that waits
}
