package reflector

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"nofixup/reflector/wire"
)

// store holds the live sessions and bounds them. A session's own lock may be taken while holding the store's, never the
// other way round.
type store struct {
	limits   Limits
	counters *counters
	log      *slog.Logger
	start    time.Time // the zero of session.used
	key      [32]byte  // makes nonces
	rate     *rateLimit
	octets   atomic.Int64 // of memory charged for receipts

	mu       sync.RWMutex
	closed   bool
	sessions map[string]*session
	tokens   map[wire.Token]*session
}

func newStore(limits Limits, c *counters, log *slog.Logger) *store {
	st := &store{
		limits:   limits,
		counters: c,
		log:      log,
		start:    time.Now(),
		rate:     newRateLimit(limits.OpenBurst, limits.OpenRefill),
		sessions: make(map[string]*session),
		tokens:   make(map[wire.Token]*session),
	}
	rand.Read(st.key[:]) // never fails
	return st
}

// Reasons for which no session is opened.
var (
	errClosed    = errors.New("the reflector is shutting down")
	errRate      = errors.New("too many sessions opened from this network")
	errPerSource = errors.New("too many live sessions from this address")
	errFull      = errors.New("no room for another session")
)

// open makes a session for the source, or says why not and when to come again.
func (st *store) open(source netip.AddrPort) (sess *session, retry time.Duration, err error) {
	if wait, ok := st.rate.take(source.Addr()); !ok {
		st.counters.limited.Add(1)
		return nil, wait, errRate
	}
	narrow, _ := neighbourhood(source.Addr())
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return nil, 0, errClosed
	}
	same := 0
	for _, s := range st.sessions {
		if s.source == narrow {
			same++
		}
	}
	if same >= st.limits.SessionsPerSource && !st.evict(func(s *session) bool { return s.source == narrow }) {
		st.counters.limited.Add(1)
		return nil, st.limits.Idle, errPerSource
	}
	// A session must find room for what it was promised, at least as things stand now.
	for len(st.sessions) >= st.limits.Sessions || st.octets.Load()+int64(st.limits.SessionOctets) > st.limits.Octets {
		if !st.evict(func(*session) bool { return true }) {
			st.counters.full.Add(1)
			return nil, st.limits.Idle, errFull
		}
	}
	sess = &session{
		id:       wire.NewToken().String(), // 128 random bits each
		secret:   wire.NewToken().String(),
		token:    wire.NewToken(),
		observed: source,
		source:   narrow,
		limits:   &st.limits,
		renewals: st.limits.Renewals,
		proven:   []netip.Addr{source.Addr()}, // it completed a TCP handshake
	}
	st.touch(sess)
	sess.timer = time.AfterFunc(st.limits.Lifetime, func() {
		if st.remove(sess, "expired") {
			st.counters.expired.Add(1)
		}
	})
	st.sessions[sess.id] = sess
	st.tokens[sess.token] = sess
	st.counters.opened.Add(1)
	st.log.Info("session opened", "session", sess.id, "source", logPrefix(source.Addr()), "sessions", len(st.sessions))
	return sess, 0, nil
}

// logPrefix cuts an address to what a log may hold of it.
func logPrefix(addr netip.Addr) netip.Prefix {
	_, wide := neighbourhood(addr)
	return wide
}

// byToken returns the live session whose token stands in the datagram, or nil.
func (st *store) byToken(datagram []byte) *session {
	for tag := range wire.Tags(datagram) {
		st.mu.RLock()
		sess := st.tokens[tag.Token]
		st.mu.RUnlock()
		if sess != nil {
			return sess
		}
	}
	return nil
}

// authorize returns the session with that id if the secret is its own. An id that does not exist takes as long.
func (st *store) authorize(id, secret string) *session {
	st.mu.RLock()
	sess := st.sessions[id]
	st.mu.RUnlock()
	want := id // any text of the usual length: the comparison below must not succeed
	if sess != nil {
		want = sess.secret
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(want)) != 1 || sess == nil {
		return nil
	}
	st.touch(sess)
	return sess
}

// touch notes that the session's client is there.
func (st *store) touch(sess *session) { sess.used.Store(int64(time.Since(st.start))) }

// renew starts the session's lifetime anew, if it may.
func (st *store) renew(sess *session) bool {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.gone || sess.renewals == 0 {
		return false
	}
	sess.renewals--
	sess.timer.Reset(st.limits.Lifetime)
	return true
}

// remove ends a session, or says that it had ended before. When it returns, nothing more leaves for that session.
func (st *store) remove(sess *session, why string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.removeLocked(sess, why)
}

func (st *store) removeLocked(sess *session, why string) bool {
	if st.sessions[sess.id] != sess {
		return false
	}
	delete(st.sessions, sess.id)
	delete(st.tokens, sess.token)
	charged, receipts, dropped := sess.end()
	st.octets.Add(-charged)
	st.log.Info("session ended", "session", sess.id, "source", logPrefix(sess.observed.Addr()), "why", why,
		"receipts", receipts, "dropped", dropped, "sessions", len(st.sessions))
	return true
}

// evict ends the session that has been idle for longest of those that may be ended, if there is one. The store is locked.
func (st *store) evict(may func(*session) bool) bool {
	var oldest *session
	for _, s := range st.sessions {
		if may(s) && (oldest == nil || s.used.Load() < oldest.used.Load()) {
			oldest = s
		}
	}
	if oldest == nil || time.Since(st.start)-time.Duration(oldest.used.Load()) < st.limits.Idle {
		return false
	}
	st.counters.evicted.Add(1)
	return st.removeLocked(oldest, "evicted")
}

// reserve charges memory for a session before it is used. If all of it is taken an idle session makes room.
func (st *store) reserve(sess *session, n int64) bool {
	if st.octets.Add(n) <= st.limits.Octets {
		return true
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for st.octets.Load() > st.limits.Octets {
		if !st.evict(func(s *session) bool { return s != sess }) {
			st.octets.Add(-n)
			return false
		}
	}
	return true
}

// nonceLen is the length of a nonce in octets of text: 60 bits.
const nonceLen = 12

// nonce returns what answers to an address carry as To tag, and what proves the address when it comes back from there. It is
// made of the session and the address, so nothing is kept for it. A prefix MAC is safe here: its input has one length.
func (st *store) nonce(token wire.Token, addr netip.Addr) [nonceLen]byte {
	var in [len(st.key) + len(token) + 16]byte
	as16 := addr.As16()
	n := copy(in[:], st.key[:])
	n += copy(in[n:], token[:])
	copy(in[n:], as16[:])
	sum := sha256.Sum256(in[:])
	var text [nonceLen]byte
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz234567"[sum[i]&31]
	}
	return text
}

func (st *store) live() int {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return len(st.sessions)
}

// close ends all sessions and opens no more.
func (st *store) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.closed = true
	for _, sess := range st.sessions {
		st.removeLocked(sess, "shutdown")
	}
}
