package reflector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"

	"nofixup/reflector/wire"
)

// refusal is why an action is not done.
type refusal struct {
	status     int
	what, hint string
}

func (e *refusal) Error() string { return e.what }

func refuse(status int, what, hint string) error { return &refusal{status, what, hint} }

// Refusals that say the same every time.
var (
	errNoSession    = refuse(http.StatusNotFound, "no such session", "it has expired or was ended, or the secret is wrong: open a new one")
	errNoRoom       = refuse(http.StatusServiceUnavailable, "no room for the receipt of what would be sent", "the budget of messages or octets is spent: open a new session")
	errNotSent      = refuse(http.StatusServiceUnavailable, "the system refused to send the message", "")
	errConnection   = refuse(http.StatusConflict, "the connection is gone", "open another one and send the message again")
	errActions      = refuse(http.StatusTooManyRequests, "the budget of actions is spent", "open a new session")
	errNoReceipt    = refuse(http.StatusNotFound, "to: no such receipt", "the seq of a receipt of this session")
	errUnprovenPort = refuse(http.StatusForbidden, "the port has not proven itself to the session",
		"name a message from there that holds the To tag of an answer")
	errUnproven    = refuse(http.StatusForbidden, "the address has not proven itself to the session", "send a message with the To tag of an answer from there, or use TCP")
	errServicePort = refuse(http.StatusForbidden, "the port could be another service's", "send from a port above 1023")
	errNoH225      = refuse(http.StatusBadRequest, "to: not a receipt of an H.225 connection", "any receipt of a connection to the service h225, or of one to the neutral service that began with a TPKT")
	errNoSIP       = refuse(http.StatusBadRequest, "to: the receipt is none of SIP", "a receipt of a SIP message")
	errNoMessage   = refuse(http.StatusBadRequest, "to: the receipt is none of a message", "a receipt of direction in: on TCP the one that completed a message, while the connection is open")
)

// act reads an action and does it.
func (s *Server) act(w http.ResponseWriter, sess *session, body []byte) {
	var a wire.Action
	err := json.Unmarshal(body, &a)
	if err != nil {
		err = refuse(http.StatusBadRequest, "the body is no action", "one JSON object, as docs/protocol.md has it")
	} else if err = s.check(a); err == nil {
		var sent wire.Sent
		if isMedia(a) {
			sent, err = s.sendMedia(sess, a)
		} else {
			sent.Seq, err = s.perform(sess, a)
		}
		if err == nil {
			reply(w, http.StatusOK, sent)
			return
		}
	}
	s.counters.actionsFailed.Add(1)
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{http.StatusBadRequest, err.Error(), ""}
	}
	problem(w, r.status, r.what, r.hint)
}

// What an action may ask for.
var (
	actionStatuses = []int{100, 180, 183, 200, 202, 404, 481, 486, 487}
	actionMethods  = []string{"OPTIONS", "INVITE", "ACK", "BYE", "NOTIFY", "MESSAGE", "INFO", "UPDATE"}
)

// isMedia says whether an action sends media.
func isMedia(a wire.Action) bool {
	return a.Action == wire.ActionMedia || a.Action == wire.ActionPinhole
}

// check refuses what neither a receipt nor a record could make possible.
func (s *Server) check(a wire.Action) error {
	if isMedia(a) {
		return checkMedia(a, &s.cfg.Limits)
	}
	return checkAction(a)
}

// checkAction is check for what sends messages.
func checkAction(a wire.Action) error {
	bad := func(what, hint string, args ...any) error {
		return refuse(http.StatusBadRequest, what, fmt.Sprintf(hint, args...))
	}
	switch {
	case a.Record != 0 || a.Line != 0 || a.RTCP || a.Count != 0 || a.Size != 0 || a.Interval != 0 || a.From != "" || a.Neighbour:
		return bad(a.Action+": a field does not apply", "record, line, rtcp, count, size, interval, from and neighbour are for media")
	case a.Port != 0 && !a.SDP && a.Action != wire.ActionSetup:
		return bad("port: nothing announces it", "with a session description, or a setup")
	case a.To == 0:
		return bad("to: no receipt is named", "the seq of a receipt, from 1 on")
	case a.Number > wire.MaxNumber:
		return bad("number: too large for a tag", "0 to %d", wire.MaxNumber)
	case a.CSeq > maxCSeq:
		return bad("cseq: too large", "1 to %d (RFC 3261 8.1.1.5)", maxCSeq)
	}
	switch a.Action {
	case wire.ActionRespond:
		switch {
		case a.Method != "" || a.Dialog || a.CSeq != 0:
			return bad("respond: method, dialog and cseq do not apply", "a response takes them over from its request")
		case !slices.Contains(actionStatuses, a.Status):
			return bad("status: not one that is sent", "one of %v", actionStatuses)
		case a.SDP && a.Status != 183 && a.Status != 200:
			return bad("sdp: not with this status", "with 183 and 200")
		}
	case wire.ActionRequest:
		switch {
		case a.Status != 0:
			return bad("request: status does not apply", "a request has a method")
		case !slices.Contains(actionMethods, a.Method):
			return bad("method: not one that is sent", "one of %v", actionMethods)
		case a.SDP && a.Method != "INVITE" && a.Method != "UPDATE":
			return bad("sdp: not with this method", "with INVITE and UPDATE")
		case !a.Dialog && (a.Method == "ACK" || a.Method == "BYE" || a.Method == "UPDATE"):
			return bad("dialog: this method belongs to one", "ACK, BYE and UPDATE want \"dialog\":true")
		}
	case wire.ActionSetup:
		if a != (wire.Action{Action: a.Action, To: a.To, Number: a.Number, Port: a.Port}) {
			return bad("setup: only to, number and port apply", "the seq of a receipt of the connection, and the number of the message")
		}
	case wire.ActionClose:
		if a != (wire.Action{Action: a.Action, To: a.To}) {
			return bad("close: only to applies", "the seq of a receipt of the connection")
		}
	default:
		return bad("action: no such kind", "one of %s, %s, %s, %s, %s, %s", wire.ActionRespond, wire.ActionRequest, wire.ActionSetup, wire.ActionClose,
			wire.ActionMedia, wire.ActionPinhole)
	}
	return nil
}

// maxCSeq is the largest sequence number: it must be less than 2^31 (RFC 3261 8.1.1.5).
const maxCSeq = 1<<31 - 1

// occasion is the message that an action goes by, and where it came from.
type occasion struct {
	receipt wire.Receipt
	message []byte
	stream  *stream // tcp: the connection
}

// perform does an action and returns the Seq of its receipt. Only what was sent counts.
func (s *Server) perform(sess *session, a wire.Action) (seq uint64, err error) {
	o, err := sess.occasion(a)
	if err != nil {
		return 0, err
	}
	if a.Action == wire.ActionClose {
		return s.closeByAction(sess, o.stream)
	}
	defer func() {
		if seq == 0 {
			sess.mu.Lock()
			sess.actions--
			sess.mu.Unlock()
		}
	}()
	if a.Action == wire.ActionRequest && !a.Dialog && o.stream == nil {
		// Behind one address there may be strangers. A request that nobody expects goes only to a port from which the
		// address's nonce came: who sent it there receives what goes to it.
		nonce := s.store.nonce(sess.token, o.receipt.Remote.Addr())
		if !bytes.Contains(o.message, nonce[:]) {
			return 0, errUnprovenPort
		}
	}
	own, svc := s.ownAddress(o)
	if svc != nil && svc.takesRAS(o.message) {
		return 0, errNoSIP
	}
	if a.Port != 0 {
		if err := s.checkMediaPort(o.receipt.Local.Addr(), a.Port); err != nil {
			return 0, err
		}
	}
	text, err := s.composeAction(sess, a, o, own)
	if err != nil {
		return 0, err
	}
	if len(text) > s.cfg.Limits.MessageOctets {
		return 0, refuse(http.StatusBadRequest, "the message would be too large", "the request that it answers has too much in it")
	}
	if tag, _ := wire.FindTag(text, sess.token); tag.Number != a.Number {
		return 0, refuse(http.StatusBadRequest, "number: not the newest in the message", "numbers go upward within a session: the message would repeat one that is higher")
	}
	receipt := wire.Receipt{
		Direction: wire.Out, Transport: o.receipt.Transport, Local: o.receipt.Local, Remote: o.receipt.Remote, Data: text,
	}
	if a.Action == wire.ActionRespond {
		receipt.Answers = a.To
	}
	most := int64(len(text)) + receiptOverhead
	if !s.store.reserve(sess, most) {
		return 0, errNoRoom
	}
	if o.stream != nil {
		seq, err = s.actOverTCP(sess, o.stream, receipt)
	} else {
		seq, err = s.actOverUDP(sess, svc, receipt)
	}
	if seq == 0 {
		s.store.octets.Add(-most)
	}
	if err != nil {
		return seq, err
	}
	s.counters.actions.Add(1)
	s.counters.actionOctets.Add(uint64(len(text)))
	return seq, nil
}

// composeAction makes the message that an action sends.
func (s *Server) composeAction(sess *session, a wire.Action, o occasion, own netip.AddrPort) ([]byte, error) {
	if a.Action == wire.ActionSetup {
		return o.stream.setup(sess.token, a.Number, a.Port)
	}
	nonce := s.store.nonce(sess.token, o.receipt.Remote.Addr())
	t := template{
		Action: a, token: sess.token, nonce: string(nonce[:]), own: own, remote: o.receipt.Remote, transport: o.receipt.Transport,
		turn: s.mediaTurn(), media: s.mediaPorts,
	}
	return t.compose(o.message)
}

// occasion finds what an action goes by, and takes it off the budget.
func (s *session) occasion(a wire.Action) (o occasion, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.gone:
		return o, errNoSession
	case a.To > uint64(s.receipts):
		return o, errNoReceipt
	}
	o.receipt = s.receipt(a.To)
	o.stream = s.streams[o.receipt.Conn] // numbers begin at 1
	switch {
	case a.Action == wire.ActionClose && o.receipt.Conn == 0:
		return o, refuse(http.StatusBadRequest, "to: not a receipt of a connection", "a receipt with conn")
	case a.Action == wire.ActionSetup && o.receipt.Conn == 0:
		return o, errNoH225
	case o.receipt.Conn != 0 && o.stream == nil:
		return o, errConnection
	case a.Action == wire.ActionClose:
		return o, nil
	case o.receipt.Direction != wire.In && a.Action != wire.ActionSetup:
		return o, errNoMessage
	case !s.isProven(o.receipt.Remote.Addr()) && o.stream == nil:
		return o, errUnproven
	case o.receipt.Remote.Port() < minAnsweredPort:
		return o, errServicePort
	}
	if o.message, err = s.message(o, a); err != nil {
		return o, err
	}
	if s.actions >= s.limits.Actions {
		return o, errActions
	}
	s.actions++
	return o, nil
}

// message returns the message that an action goes by, nil for a Setup, which goes by a connection. The session is locked.
func (s *session) message(o occasion, a wire.Action) ([]byte, error) {
	if o.stream == nil {
		return o.receipt.Data, nil
	}
	switch o.stream.speaks.(type) {
	case *h225:
		if a.Action == wire.ActionSetup {
			return nil, nil
		}
		if !isMedia(a) {
			return nil, errNoSIP
		}
	case *h245:
		if a.Action != wire.ActionSetup && !isMedia(a) {
			return nil, errNoSIP
		}
	}
	if a.Action == wire.ActionSetup {
		return nil, errNoH225
	}
	if message := s.completed(o.stream, a.To); message != nil {
		return message, nil
	}
	return nil, errNoMessage
}

// receipt returns a receipt that there is. The session is locked.
func (s *session) receipt(seq uint64) wire.Receipt {
	i := seq - 1
	return s.pages[i/pageSize][i%pageSize]
}

// completed returns the message that was complete with a receipt, put together from those that hold its octets; nil if there
// was none. The session is locked.
func (s *session) completed(st *stream, seq uint64) []byte {
	where, ok := st.messages[seq]
	if !ok {
		return nil
	}
	var parts [][]byte // the last one first
	for ; seq > 0; seq-- {
		r := s.receipt(seq)
		if r.Conn != st.num || r.Direction != wire.In {
			continue
		}
		parts = append(parts, r.Data)
		if r.Off <= where.off {
			slices.Reverse(parts)
			return bytes.Join(parts, nil)[where.off-r.Off:][:where.n]
		}
	}
	return nil
}

// actOverUDP sends a message from the socket that heard of its receiver.
func (s *Server) actOverUDP(sess *session, svc *service, r wire.Receipt) (seq uint64, err error) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	switch {
	case sess.gone:
		return 0, errNoSession
	case svc == nil:
		return 0, errNotSent
	case !sess.room(len(r.Data), 1):
		return 0, errNoRoom
	}
	why := leave{proven: sess.isProven(r.Remote.Addr())}
	if s.send(svc.sock, r.Data, why, r.Local, r.Remote) != nil {
		return 0, errNotSent
	}
	r.At = now()
	seq = sess.keep(r).Seq
	sess.notify()
	return seq, nil
}

// actOverTCP sends a message over a connection. Its receipt is kept first: see stream.keep.
func (s *Server) actOverTCP(sess *session, st *stream, r wire.Receipt) (seq uint64, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if seq, err = st.keepOut(r); err != nil {
		return 0, err
	}
	st.timeWrites()
	if s.send(st, r.Data, leave{proven: true}, r.Local, r.Remote) != nil {
		return seq, errConnection
	}
	return seq, nil
}

// closeByAction closes a connection, this end first, and returns the receipt of that.
func (s *Server) closeByAction(sess *session, st *stream) (uint64, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	sess.mu.Lock()
	defer sess.mu.Unlock()
	switch {
	case sess.gone:
		return 0, errNoSession
	case sess.streams[st.num] != st || !st.closing.IsZero() || st.broken != "":
		return 0, errConnection
	}
	seq := st.end(wire.Out, st.out, wire.EndClosed)
	st.shut()
	sess.notify()
	return seq, nil
}

// ownAddress returns what the client knows as the address that a message came to, and over UDP the socket of it.
func (s *Server) ownAddress(o occasion) (own netip.AddrPort, svc *service) {
	local := o.receipt.Local
	end := endpoint{local: local, tell: local.Addr()}
	if o.stream != nil {
		end = o.stream.on.endpoint
	} else {
		for _, u := range s.udp {
			exact := u.local == local
			wild := u.local.Addr().IsUnspecified() && u.local.Addr().Is6() == local.Addr().Is6() && u.local.Port() == local.Port()
			if exact || wild && svc == nil {
				svc, end = u, u.endpoint
			}
		}
	}
	return end.own(local), svc
}
