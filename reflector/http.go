package reflector

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"nofixup/reflector/wire"
)

// about is the answer to whoever opens the reflector's address in a browser.
const about = `This is a nofixup reflector, the far end of a test for SIP and H.323 application gateways.
It keeps what a test client sends to it for as long as that client's session lives, for that client alone,
and answers nothing else. The protocol is described in docs/protocol.md of the nofixup source.
`

// serveHTTP is the control protocol. Whatever is no success closes its connection, so that only who has a session holds one
// open.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.counters.requests.Add(1)
	defer func() {
		if fault := recover(); fault != nil {
			s.counters.panics.Add(1)
			s.cfg.Log.Error("request dropped: fault in the reflector", "stack", string(debug.Stack()))
			panic(http.ErrAbortHandler)
		}
	}()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	body, err := s.body(w, r)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			problem(w, http.StatusRequestEntityTooLarge, "the body is too large", "only actions have one, and a small one")
		} else {
			problem(w, http.StatusBadRequest, "the body did not arrive", "")
		}
		return
	}
	const prefix = "/v1/sessions"
	rest, ok := strings.CutPrefix(r.URL.Path, prefix)
	id, verb, deep := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case r.URL.Path == "/":
		if allow(w, r, http.MethodGet, http.MethodHead) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Connection", "close")
			io.WriteString(w, about)
		}
	case ok && rest == "":
		if allow(w, r, http.MethodPost) {
			s.open(w, r)
		}
	case !ok || rest[0] != '/' || id == "" || deep && verb != "receipts" && verb != "media" && verb != "renew" && verb != "actions":
		problem(w, http.StatusNotFound, "no such page", "the paths are listed in docs/protocol.md")
	case !deep:
		if sess := s.authorize(w, r, id, http.MethodDelete); sess != nil {
			s.delete(w, sess)
		}
	case verb == "receipts":
		if sess := s.authorize(w, r, id, http.MethodGet); sess != nil {
			s.receipts(w, r, sess)
		}
	case verb == "media":
		if sess := s.authorize(w, r, id, http.MethodGet); sess != nil {
			s.mediaRecords(w, r, sess)
		}
	case verb == "renew":
		if sess := s.authorize(w, r, id, http.MethodPost); sess != nil {
			s.renew(w, r, sess)
		}
	case verb == "actions":
		if sess := s.authorize(w, r, id, http.MethodPost); sess != nil {
			s.act(w, sess, body)
		}
	}
}

// body reads what a request holds beside its header. It is bounded, and small.
func (s *Server) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := s.cfg.Limits.BodyOctets
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

// allow says whether the request has one of the methods, and answers it if not.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	problem(w, http.StatusMethodNotAllowed, "method not allowed here", "allowed: "+strings.Join(methods, ", "))
	return false
}

// authorize returns the session if the request has the method and the session's secret, and answers it if not. It does not
// tell a session that never was from a wrong secret.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request, id, method string) *session {
	if !allow(w, r, method) {
		return nil
	}
	var sess *session
	if secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		sess = s.store.authorize(id, secret)
	}
	if sess == nil {
		noSession(w)
	}
	return sess
}

func noSession(w http.ResponseWriter) {
	problem(w, http.StatusNotFound, "no such session", "it has expired or was ended, or the secret is wrong: open a new one")
}

func (s *Server) open(w http.ResponseWriter, r *http.Request) {
	source, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		problem(w, http.StatusInternalServerError, "the address of the request is not known", "")
		return
	}
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	sess, retry, err := s.store.open(source)
	if err != nil {
		status, hint := http.StatusServiceUnavailable, "try again later, or run a reflector of your own"
		if errors.Is(err, errRate) || errors.Is(err, errPerSource) {
			status, hint = http.StatusTooManyRequests, "end sessions when they are done with, or wait"
		}
		if retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
		}
		problem(w, status, err.Error(), hint)
		return
	}
	reply(w, http.StatusCreated, s.grant(r, sess))
}

// grant says what the session may use, as seen from the connection of the request.
func (s *Server) grant(r *http.Request, sess *session) wire.Grant {
	g := wire.Grant{
		Session:  sess.id,
		Secret:   sess.secret,
		Token:    sess.token,
		Server:   "nofixup-reflector " + s.cfg.Version,
		Observed: sess.observed,
		Targets:  []wire.Target{},
		Budget:   s.cfg.Limits.budget(),
	}
	sess.mu.Lock()
	g.Budget.Renewals = sess.renewals
	sess.mu.Unlock()
	var arrived netip.AddrPort
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		arrived = addrPort(addr)
	}
	g.Unused = s.unusedFor(arrived)
	for _, svc := range s.udp {
		if told, ok := svc.told(arrived.Addr()); ok {
			g.Targets = append(g.Targets, wire.Target{Service: svc.service, Transport: "udp", Addr: told})
		}
	}
	for _, l := range s.tcp {
		told, ok := l.told(arrived.Addr())
		switch {
		case !ok || l.service == ServiceH245:
		case l.service == wire.ServiceSIPS:
			g.Targets = append(g.Targets,
				wire.Target{Service: wire.ServiceSIPS, Transport: "tls", Addr: told},
				wire.Target{Service: wire.ServiceSIP, Transport: "tcp", Addr: told})
			s.identity.describe(&g)
		default:
			g.Targets = append(g.Targets, wire.Target{Service: l.service, Transport: "tcp", Addr: told})
		}
	}
	g.Media = s.mediaRanges(arrived.Addr())
	// A client that found the reflector by a name goes on using it unless the certificate also holds for the address.
	for _, end := range s.https {
		told, ok := end.told(arrived.Addr())
		here := end.local.Addr() == arrived.Addr() || end.local.Addr().IsUnspecified()
		if ok && here && end.local.Port() == arrived.Port() && s.identity.goodFor(told.Addr()) {
			g.Control = "https://" + hostPort(told)
		}
	}
	return g
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request, sess *session) {
	if !s.store.renew(sess) {
		problem(w, http.StatusConflict, "the session cannot be renewed any more", "open a new one")
		return
	}
	reply(w, http.StatusOK, s.grant(r, sess))
}

func (s *Server) delete(w http.ResponseWriter, sess *session) {
	if s.store.remove(sess, "deleted") {
		s.counters.deleted.Add(1)
	}
	w.WriteHeader(http.StatusNoContent)
}

// receipts answers a poll: after is the last sequence number that the client has, wait the seconds to wait for another one.
func (s *Server) receipts(w http.ResponseWriter, r *http.Request, sess *session) {
	after, wait, ok := s.poll(w, r, sess)
	if !ok {
		return
	}
	pages, dropped, ok := sess.after(r.Context(), s.stop, after, wait)
	s.polled(sess)
	if !ok {
		noSession(w)
		return
	}
	s.writeReceipts(w, after, pages, dropped)
}

// poll reads what a poll asks for and counts it as one that waits, or answers it and says that it is none. Who is counted
// calls polled afterwards.
func (s *Server) poll(w http.ResponseWriter, r *http.Request, sess *session) (after uint64, wait time.Duration, ok bool) {
	query := r.URL.Query()
	if text := query.Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			problem(w, http.StatusBadRequest, "after: not a sequence number", "a decimal number from 0 on")
			return 0, 0, false
		}
		after = n
	}
	if text := query.Get("wait"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(seconds) || seconds < 0 {
			problem(w, http.StatusBadRequest, "wait: not a time", "decimal seconds from 0 on")
			return 0, 0, false
		}
		wait = time.Duration(min(seconds, wire.MaxWait.Seconds()) * float64(time.Second))
	}
	// The deadline for reading the request would end the wait, since the server goes on reading to see the client leave.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(wait + s.cfg.Limits.Request))
	if !sess.enter() {
		problem(w, http.StatusTooManyRequests, "too many polls of this session are waiting", "wait for one to end")
		return 0, 0, false
	}
	s.counters.polls.Add(1)
	return after, wait, true
}

// polled counts a poll as one that waits no longer.
func (s *Server) polled(sess *session) {
	s.counters.polls.Add(-1)
	sess.leave()
}

// writeReceipts writes a wire.Receipts one receipt at a time, so that an answer of any size takes no memory of its own.
func (s *Server) writeReceipts(w http.ResponseWriter, next uint64, pages [][]wire.Receipt, dropped int) {
	// Not every ResponseWriter has deadlines; the server's has.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.Limits.Answer))
	w.Header().Set("Content-Type", "application/json")
	if s.stopping() {
		w.Header().Set("Connection", "close")
	}
	out := bufio.NewWriterSize(w, 16<<10)
	enc := json.NewEncoder(out)
	out.WriteString(`{"receipts":[`)
	first := true
	for _, page := range pages {
		for i := range page {
			if !first {
				out.WriteByte(',')
			}
			first = false
			if enc.Encode(&page[i]) != nil {
				return // the client is gone: the connection's writes fail
			}
			next = page[i].Seq
		}
	}
	out.WriteString(`],"next":` + strconv.FormatUint(next, 10))
	if dropped > 0 {
		out.WriteString(`,"dropped":` + strconv.Itoa(dropped))
	}
	out.WriteString("}\n")
	out.Flush() // as above
}

// reply writes a success.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// problem writes what is no success, and has the connection closed after it.
func problem(w http.ResponseWriter, status int, what, hint string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(wire.Problem{Error: what, Hint: hint})
}
