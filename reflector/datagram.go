package reflector

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"nofixup/reflector/wire"
)

// service is a UDP socket that takes probes, with the scratch memory of the one goroutine that reads it.
type service struct {
	endpoint
	sock    socket
	compose composer
	ras     *gatekeeper // nil where there is no RAS
}

// receive reads datagrams until the socket is closed.
func (s *Server) receive(svc *service) {
	take, most := s.datagram, s.store.limits.MessageOctets
	if svc.service == ServiceMedia {
		take, most = s.takeMediaPacket, maxMediaPacket
	}
	buf := make([]byte, most+1) // one more, so that a datagram which is too large shows
	const pause, maxPause = 5 * time.Millisecond, time.Second
	for wait := pause; ; {
		n, remote, err := svc.sock.read(buf)
		switch {
		case err == nil:
			wait = pause
			take(svc, buf[:n], remote)
		case errors.Is(err, net.ErrClosed), s.stopping():
			return
		default:
			// Some systems report here that an earlier answer was refused by its receiver. What lasts must not spin.
			s.counters.readErrors.Add(1)
			time.Sleep(wait)
			wait = min(2*wait, maxPause)
		}
	}
}

// datagram handles one datagram, the cheapest check first. Nothing is allocated, and no lock but a read lock taken, for
// what carries no live token.
func (s *Server) datagram(svc *service, raw []byte, remote netip.AddrPort) {
	c := &s.counters
	defer func() {
		if fault := recover(); fault != nil {
			// The stack holds no payload; the fault itself might.
			c.panics.Add(1)
			s.cfg.Log.Error("datagram dropped: fault in the reflector", "stack", string(debug.Stack()))
		}
	}()
	c.received.Add(1)
	c.receivedOctets.Add(uint64(len(raw)))
	switch {
	case len(raw) == 0:
		c.empty.Add(1)
		return
	case len(raw) > s.store.limits.MessageOctets:
		c.oversize.Add(1)
		return
	case !answerable(remote):
		c.badSource.Add(1)
		return
	}
	sess := s.store.byToken(raw)
	if sess == nil {
		c.tokenless.Add(1)
		return
	}
	s.store.touch(sess)
	// The answer is no longer than the request, so this is the most that the two receipts can take.
	most := 2 * (int64(len(raw)) + receiptOverhead)
	if !s.store.reserve(sess, most) {
		sess.drop()
		c.spent.Add(1)
		return
	}
	var took int64
	defer func() { s.store.octets.Add(took - most) }()
	sess.mu.Lock()
	defer sess.mu.Unlock()
	switch {
	case sess.gone:
		c.tokenless.Add(1)
		return
	case !sess.room(len(raw), 1):
		sess.dropped++
		c.spent.Add(1)
		return
	}
	before := sess.charged
	defer func() {
		took = sess.charged - before
		sess.notify()
	}()
	s.keep(svc, sess, raw, remote)
}

// answerable says whether a datagram from there can have been sent by somebody.
func answerable(remote netip.AddrPort) bool {
	addr := remote.Addr()
	return remote.Port() != 0 && addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() &&
		addr != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// keep gives the datagram its receipt and then, if it may have one, its answer. The session is locked.
func (s *Server) keep(svc *service, sess *session, raw []byte, remote netip.AddrPort) {
	local, ttl, _ := svc.sock.arrival()
	nonce := s.store.nonce(sess.token, remote.Addr())
	proven := sess.isProven(remote.Addr()) || bytes.Contains(raw, nonce[:]) && sess.prove(remote.Addr())
	at := now()
	in := sess.keep(wire.Receipt{
		At:        at,
		Direction: wire.In,
		Transport: "udp",
		Local:     local,
		Remote:    remote,
		TTL:       ttl,
		Data:      bytes.Clone(raw),
		Proven:    proven,
		Silence:   wire.SilenceFailed, // until it is known better: what follows reads what a stranger wrote
	})
	s.counters.kept.Add(1)
	silence := wire.SilenceFailed
	defer func() {
		in.Silence = silence
		s.counters.silence(silence)
	}()
	var answer []byte
	answer, silence = s.answer(svc, raw, local, remote, nonce[:])
	switch {
	case silence != "":
		return
	case remote.Port() < minAnsweredPort:
		silence = wire.SilencePort
		return
	case !proven && sess.answers >= s.store.limits.UnprovenAnswers:
		silence = wire.SilenceUnproven
		return
	case !sess.room(len(answer), 1):
		silence = wire.SilenceBudget
		return
	}
	silence = wire.SilenceFailed
	// However well the address is known, an answer over UDP stays within its request.
	if err := s.send(svc.sock, answer, leave{request: len(raw)}, local, remote); err != nil {
		return
	}
	s.counters.answered.Add(1)
	s.counters.answeredOctets.Add(uint64(len(answer)))
	silence = ""
	if !proven {
		sess.answers++
	}
	sess.keep(wire.Receipt{
		At:        now(),
		Direction: wire.Out,
		Transport: "udp",
		Local:     local,
		Remote:    remote,
		Data:      bytes.Clone(answer),
		Answers:   in.Seq,
	})
}

// now is the wall time of a receipt.
func now() time.Time { return time.Now().UTC().Round(0) }
