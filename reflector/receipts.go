package reflector

import (
	"bytes"
	"errors"
	"syscall"

	"nofixup/reflector/wire"
)

// endRoom is what the receipts of a connection's two ends take. It is set aside when the session gets the connection, so that
// a stream which ends because the budget is spent can say so.
const endRoom = 2

// attach makes the connection the session's, or says that it cannot be. The reading goroutine calls it.
func (st *stream) attach(sess *session) bool {
	store := st.srv.store
	store.touch(sess)
	if !store.reserve(sess, endRoom*receiptOverhead) {
		sess.drop()
		st.srv.counters.streamsSpent.Add(1)
		return false
	}
	st.tcp = tcpInfo(st.accepted) // receiptOverhead has room for it
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.gone || len(sess.streams) >= sess.limits.StreamsPerSession || !sess.room(0, 1+endRoom) {
		store.octets.Add(-endRoom * receiptOverhead)
		if !sess.gone {
			sess.dropped++
			st.srv.counters.streamsSpent.Add(1)
		}
		return false
	}
	sess.held += endRoom
	sess.charged += endRoom * receiptOverhead
	sess.connections++
	st.sess, st.num = sess, sess.connections
	if sess.streams == nil {
		sess.streams = make(map[uint64]*stream)
	}
	sess.streams[st.num] = st
	if addr := st.remote.Addr(); !sess.isProven(addr) {
		sess.prove(addr) // by its handshake, and the token
	}
	return true
}

// handled is a message and what becomes of it.
type handled struct {
	frame
	fate
}

// answer gives the reads their receipts and sends the answers to the messages that they completed. It says why the
// connection is to be closed, or nothing.
func (st *stream) answer(frames []frame) (end string) {
	replies := make([]handled, len(frames))
	var most int64 // that the receipts can take
	for i, f := range frames {
		r := handled{f, st.speaks.answer(st.buf[f.off:f.end])}
		if r.silence == "" && st.remote.Port() < minAnsweredPort {
			r.silence, r.answers = wire.SilencePort, nil
		}
		for _, answer := range r.answers {
			most += int64(len(answer)) + receiptOverhead
		}
		replies[i] = r
	}
	for _, m := range st.reads {
		most += int64(m.n) + receiptOverhead
	}
	if st.untold() {
		most += handshakeOverhead
	}
	store := st.srv.store
	store.touch(st.sess)
	if !store.reserve(st.sess, most) {
		st.sess.drop()
		st.srv.counters.streamsSpent.Add(1)
		return wire.EndBudget
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	took, ok := st.keep(replies)
	store.octets.Add(took - most)
	if !ok {
		return wire.EndBudget
	}
	st.timeWrites()
	for _, r := range replies {
		for _, answer := range r.answers {
			if err := st.srv.send(st, answer, leave{proven: true}, st.local, st.remote); err != nil {
				return st.broken
			}
			st.srv.counters.answered.Add(1)
			st.srv.counters.answeredOctets.Add(uint64(len(answer)))
		}
	}
	return ""
}

// keep keeps the receipts of the reads and of the answers, and returns the memory that they take. Answers for which there is no
// room are taken out of replies. What is kept is written afterwards, and not with the session locked: a client that takes
// nothing would hold up all others. A write that fails is told by the receipt of the stream's end, whose offset says how much
// was taken. ok is false when there is no room for what came. The stream is locked.
func (st *stream) keep(replies []handled) (took int64, ok bool) {
	sess := st.sess
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.gone {
		return 0, false
	}
	before := sess.charged
	defer func() {
		took = sess.charged - before
		sess.notify()
	}()
	start := st.in - int64(len(st.buf)) // of buf in the stream
	silence := wire.SilencePartial
	var in *wire.Receipt
	for i, m := range st.reads {
		if !sess.room(m.n, 1) {
			sess.dropped++
			st.srv.counters.streamsSpent.Add(1)
			return 0, false
		}
		in = sess.keep(wire.Receipt{
			At: m.at, Direction: wire.In, Transport: st.transport(), Local: st.local, Remote: st.remote, Conn: st.num, Off: m.off,
			Data:    bytes.Clone(st.buf[m.off-start:][:m.n]),
			Proven:  true,
			Silence: wire.SilencePartial,
		})
		in.TCP, st.tcp = st.tcp, nil
		if st.untold() {
			in.TLS, st.told = st.tls, true
			sess.charged += handshakeOverhead
		}
		st.srv.counters.streamReads.Add(1)
		if i < len(st.reads)-1 {
			st.srv.counters.silence(wire.SilencePartial)
		}
	}
	st.reads = st.reads[:0]
	off := st.out
	for i := range replies {
		r := &replies[i]
		if where := (span{start + int64(r.off), r.end - r.off, r.silence == wire.SilenceQuiet}); r.sip {
			st.remember(in.Seq, where)
		} else if r.silence != wire.SilenceMalformed {
			st.rememberAll(in.Seq, where)
		}
		for j, answer := range r.answers {
			reason := ""
			switch {
			case !st.closing.IsZero() || st.broken != "":
				reason = wire.SilenceFailed
			case !sess.room(len(answer), 1):
				reason = wire.SilenceBudget
			}
			if reason != "" {
				if r.answers = r.answers[:j]; j == 0 {
					r.silence = reason
				}
				break
			}
			sess.keep(wire.Receipt{
				At: now(), Direction: wire.Out, Transport: st.transport(), Local: st.local, Remote: st.remote, Conn: st.num, Off: off,
				Data:    answer,
				Answers: in.Seq,
			})
			off += int64(len(answer))
		}
		// One answer is enough for a read to be no silent one; else a message says why that waits for the client to have it
		// answered, or the first.
		if i == 0 || r.silence == "" || r.silence == wire.SilenceQuiet && silence != "" {
			silence = r.silence
		}
	}
	in.Silence = silence
	st.srv.counters.silence(silence)
	return 0, true
}

// remember notes which message a receipt completed. Where there are several it is the last one, but for an INVITE that the
// client wants to have answered. The session is locked.
func (st *stream) remember(seq uint64, s span) {
	if st.messages == nil {
		st.messages = make(map[uint64]span)
	}
	if !st.messages[seq].quiet || s.quiet {
		st.messages[seq] = s
	}
}

// rememberAll notes messages of H.323 that a receipt completed, all of them as one: they follow each other, and what lies between
// them keeps the connection alive. The session is locked.
func (st *stream) rememberAll(seq uint64, s span) {
	if st.messages == nil {
		st.messages = make(map[uint64]span)
	}
	if first, ok := st.messages[seq]; ok {
		s.off, s.n = first.off, int(s.off-first.off)+s.n
	}
	st.messages[seq] = s
}

// finish closes the connection and says why each direction ended.
func (st *stream) finish(in string) {
	st.hangUp()
	if st.sess == nil {
		st.srv.counters.streamsTokenless.Add(1)
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	out := wire.EndClosed
	if st.broken != "" {
		in, out = st.broken, st.broken
	}
	sess := st.sess
	sess.mu.Lock()
	defer sess.mu.Unlock()
	delete(sess.streams, st.num)
	if sess.gone {
		return
	}
	st.end(wire.In, st.in, in)
	if st.closing.IsZero() {
		st.end(wire.Out, st.out, out)
	}
	sess.notify()
}

// keepOut keeps the receipt of a message that is about to be written. The stream is locked.
func (st *stream) keepOut(r wire.Receipt) (seq uint64, err error) {
	sess := st.sess
	sess.mu.Lock()
	defer sess.mu.Unlock()
	switch {
	case sess.gone:
		return 0, errNoSession
	case sess.streams[st.num] != st || !st.closing.IsZero() || st.broken != "":
		return 0, errConnection
	case !sess.room(len(r.Data), 1):
		return 0, errNoRoom
	}
	r.At, r.Conn, r.Off = now(), st.num, st.out
	seq = sess.keep(r).Seq
	sess.notify()
	return seq, nil
}

// end keeps the receipt that room was set aside for. Stream and session are locked.
func (st *stream) end(d wire.Direction, off int64, why string) (seq uint64) {
	sess := st.sess
	sess.held--
	sess.charged -= receiptOverhead
	return sess.keep(wire.Receipt{
		At: now(), Direction: d, Transport: st.transport(), Local: st.local, Remote: st.remote, Conn: st.num, Off: off,
		Data: []byte{}, End: why, Proven: d == wire.In,
	}).Seq
}

// isReset says whether a connection was reset: by the other end, or by something on the way.
func isReset(err error) bool {
	const wsaECONNRESET, wsaECONNABORTED = syscall.Errno(10054), syscall.Errno(10053)
	for _, e := range [...]error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, wsaECONNRESET, wsaECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
