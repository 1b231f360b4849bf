package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	sipgosip "github.com/emiago/sipgo/sip"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
	"nofixup/sip/sdp"
)

// liveMessages are those of a call with media, by the names that they bear in the evidence.
var liveMessages = []string{
	stepLive, "live-180", "live-200", "live-ack", "live-hold", "live-hold-200", "live-hold-ack",
	"live-resume", "live-resume-200", "live-resume-ack", "live-bye", "live-bye-200",
}

// userAgent is a SIP stack that is not ours, sipgo's, on a link of ours: what it writes and reads is entered into the ledger
// like every other message.
type userAgent struct {
	*runner
	link *link
	step Step
	try  int

	ua     *sipgo.UserAgent
	client *sipgo.Client

	mu    sync.Mutex
	names map[uint32]string // of the messages that are still to be written, by their number
	taken map[string]bool
}

// quietly is for the connections of sipgo, which log through a variable of its package.
var quietly sync.Once

// newUserAgent starts one. The link is its own.
func (r *runner) newUserAgent(l *link, s Step, try int) (*userAgent, error) {
	u := &userAgent{runner: r, link: l, step: s, try: try, names: map[uint32]string{}, taken: map[string]bool{}}
	quiet := slog.New(slog.DiscardHandler)
	quietly.Do(func() { sipgosip.SetDefaultLogger(quiet) })
	var err error
	if u.ua, err = sipgo.NewUA(
		sipgo.WithUserAgent(alg.Signature(r.cfg.Version, s.Name, l.Path.Control)),
		sipgo.WithUserAgentTransportLayerOptions(sipgosip.WithTransportLayerLogger(quiet)),
		sipgo.WithUserAgentTransactionLayerOptions(sipgosip.WithTransactionLayerLogger(quiet),
			// The answer to a bracket is none of the stack's.
			sipgosip.WithTransactionLayerUnhandledResponseHandler(func(*sipgosip.Response) {})),
	); err != nil {
		return nil, err
	}
	u.client, err = sipgo.NewClient(u.ua,
		sipgo.WithClientHostname(host(l.local().Addr())), sipgo.WithClientPort(int(l.local().Port())), sipgo.WithClientNAT(),
		sipgo.WithClientConnectionAddr(l.local().String()), sipgo.WithClientLogger(quiet))
	if err != nil {
		u.ua.Close()
		return nil, err
	}
	return u, nil
}

func (u *userAgent) close() {
	u.client.Close()
	u.ua.Close()
}

// write takes a message that the stack sends. The newest number in it names it; a copy of an earlier one is a repetition, which
// over UDP the stack makes by itself. Anything else it sends of its own accord, and nobody could tell it from what somebody on the
// way inserted: it does not leave.
func (u *userAgent) write(raw []byte) error {
	tag, ok := wire.FindTag(raw, u.session.Grant.Token)
	if !ok {
		return errors.New("a message without a tag")
	}
	u.mu.Lock()
	name, fresh := u.names[tag.Number]
	delete(u.names, tag.Number)
	u.mu.Unlock()
	if !fresh {
		u.ledger.mu.Lock()
		m := u.ledger.sent[tag.Number]
		u.ledger.mu.Unlock()
		if m == nil || !bytes.Equal(m.raw, raw) {
			return errors.New("a message that was not asked for")
		}
		_, err := u.put(&sent{link: u.link}, raw)
		return err
	}
	// What is lost of it the stack repeats, or does not: that proves nothing. The calls without media do.
	step := u.step
	step.Name, step.Script, step.Role = name, false, alg.RoleBracket
	m := &sent{number: tag.Number, link: u.link, step: step, try: u.try, raw: append([]byte(nil), raw...)}
	u.transmit(m)
	return m.failed
}

// next numbers the message that the stack is about to send.
func (u *userAgent) next(name string) wire.Tag {
	tag := wire.Tag{Token: u.session.Grant.Token, Number: u.nextNumber()}
	u.mu.Lock()
	defer u.mu.Unlock()
	if name != u.step.Name {
		name = partName(u.step.Name, name, func(n string) bool { return u.taken[n] })
	}
	u.taken[name], u.names[tag.Number] = true, name
	return tag
}

// nameOf is the name of a message that is still to be written.
func (u *userAgent) nameOf(number uint32) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.names[number]
}

// sentAs returns the message with a number, once the reflector has it; nil if it does not get there.
func (u *userAgent) sentAs(ctx context.Context, number uint32) (m *sent) {
	u.ledger.wait(ctx, u.repeating(), func() bool {
		m = u.ledger.sent[number]
		return m != nil && m.there != nil
	})
	if m == nil || m.there == nil {
		return nil
	}
	return m
}

// repeating is how long a message of the stack is waited for: over UDP it is repeated after 0.5, 1.5 and 3.5 s (RFC 3261 17.1.1.2).
func (u *userAgent) repeating() time.Duration {
	if u.link.socket != nil {
		return 4*time.Second + u.patience("udp")
	}
	return u.patience("tcp")
}

// datagramTap is a socket for the stack.
type datagramTap struct {
	*userAgent
	in     chan []byte
	closed chan struct{}
	once   sync.Once
}

func newDatagramTap() *datagramTap {
	return &datagramTap{in: make(chan []byte, 64), closed: make(chan struct{})}
}

// take hands the stack what has arrived; if it does not read, the datagram is lost to it.
func (t *datagramTap) take(raw []byte) {
	select {
	case t.in <- raw:
	default:
	}
}

func (t *datagramTap) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case raw := <-t.in:
		return copy(b, raw), net.UDPAddrFromAddrPort(t.link.Inside[1]), nil
	case <-t.closed:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends to the reflector, wherever the stack wants it to go: to somebody else a gateway may have pointed the call.
func (t *datagramTap) WriteTo(b []byte, to net.Addr) (int, error) {
	t.elsewhere(to)
	return len(b), t.write(b)
}

func (u *userAgent) elsewhere(to net.Addr) {
	if at, err := addrPort(to); err == nil && at != u.link.Inside[1] {
		u.note("a call was pointed to " + at.String() + " by the Contact that arrived here; its requests went to the reflector all the same")
	}
}

func (t *datagramTap) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

func (t *datagramTap) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(t.link.local()) }
func (t *datagramTap) SetDeadline(time.Time) error      { return nil }
func (t *datagramTap) SetReadDeadline(time.Time) error  { return nil }
func (t *datagramTap) SetWriteDeadline(time.Time) error { return nil }

// streamTap is a connection for the stack.
type streamTap struct {
	*userAgent
	*io.PipeReader
}

func (t *streamTap) Write(b []byte) (int, error) { return len(b), t.write(b) }
func (t *streamTap) LocalAddr() net.Addr         { return net.TCPAddrFromAddrPort(t.link.local()) }

func (t *streamTap) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(t.link.Inside[1]) }
func (t *streamTap) SetDeadline(time.Time) error      { return nil }
func (t *streamTap) SetReadDeadline(time.Time) error  { return nil }
func (t *streamTap) SetWriteDeadline(time.Time) error { return nil }
func (t *streamTap) Close() error                     { return t.PipeReader.Close() }

// oneConn is a listener that hands out one connection: the stack serves those that it accepts, and has no other way to take one.
type oneConn struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { conn = l.conn })
	if conn != nil {
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// live makes a call with media by a SIP stack of its own: INVITE, 180, 200, ACK, media both ways, hold, resume, BYE. Over UDP it is
// made once more if it does not come to its media; over TCP the step is repeated over another connection.
func (r *runner) live(ctx context.Context, l *link, s Step, try int) {
	for range liveTries {
		if r.liveOnce(ctx, l, s, try) || l.socket == nil || ctx.Err() != nil {
			return
		}
	}
}

const liveTries = 2

// liveOnce reports whether a call came to its media.
func (r *runner) liveOnce(ctx context.Context, l *link, s Step, try int) bool {
	port, ok := r.livePort(l.Inside[1].Addr())
	if !ok {
		return true // there is no media on this address
	}
	tap := newDatagramTap()
	if l.socket != nil {
		if l = r.ownSocket(ctx, l.flow, tap.take); l == nil {
			return false
		}
	}
	u, err := r.newUserAgent(l, s, try)
	if err != nil {
		r.note("no call with media: " + err.Error())
		return false
	}
	defer u.close()
	var serving sync.WaitGroup
	defer serving.Wait()
	if l.socket != nil {
		tap.userAgent = u
		defer tap.Close()
		serving.Go(func() { _ = u.ua.TransportLayer().ServeUDP(tap) })
	} else {
		reader, writer := io.Pipe()
		l.setTee(writer)
		conn := &streamTap{u, reader}
		one := &oneConn{conn: conn, closed: make(chan struct{})}
		defer close(one.closed)
		defer conn.Close()
		serving.Go(func() { _ = u.ua.TransportLayer().ServeTCP(one) })
	}
	end, err := r.openMedia(ctx, l.local().Addr())
	if err != nil {
		r.note("no ports for media: " + err.Error())
		return false
	}
	defer end.close()
	return u.serving(ctx) && u.call(ctx, end, port)
}

// serving waits until the stack has taken the socket or connection: until then it would open one of its own.
func (u *userAgent) serving(ctx context.Context) bool {
	network := strings.ToLower(u.link.Path.Transport)
	for range openTries {
		if c, err := u.ua.TransportLayer().GetConnection(network, u.link.local().String()); err == nil && c != nil {
			return true
		}
		select {
		case <-time.After(pace):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// call makes the call, and reports whether it came to its media.
func (u *userAgent) call(ctx context.Context, end *mediaEnd, port uint16) bool {
	ctx, cancel := context.WithTimeout(ctx, liveTime+20*u.rtt)
	defer cancel()
	if !u.ready(ctx) {
		return false
	}
	own := u.link.local()
	tag := u.next(u.step.Name)
	t := u.templateOf(u.link, own, tag.Number, u.step)
	to := sipgosip.Uri{Scheme: "sip", User: tag.String() + wire.Quiet, Host: host(u.link.Inside[1].Addr()), Port: int(u.link.Inside[1].Port())}
	invite := sipgosip.NewRequest(sipgosip.INVITE, to)
	invite.SetTransport(t.protocol())
	from := &sipgosip.FromHeader{Address: sipgosip.Uri{Scheme: "sip", User: "nofixup", Host: host(own.Addr())}, Params: sipgosip.NewParams()}
	from.Params.Add("tag", "f"+strconv.Itoa(int(tag.Number))+t.nonce)
	callID := sipgosip.CallIDHeader(tag.String() + "@" + host(own.Addr()))
	invite.AppendHeader(from)
	invite.AppendHeader(&callID)
	invite.AppendHeader(sipgosip.NewHeader("X-Canary", own.String()))
	invite.AppendHeader(sipgosip.NewHeader("User-Agent", t.agent))
	u.describe(invite, end, tag, 1, "")

	contact := sipgosip.ContactHeader{Address: sipgosip.Uri{Scheme: "sip", User: "nofixup", Host: host(own.Addr()), Port: int(own.Port())}}
	if u.link.socket == nil {
		contact.Address.UriParams = sipgosip.NewParams()
		contact.Address.UriParams.Add("transport", "tcp")
	}
	dialogs := sipgo.NewDialogClientCache(u.client, contact)
	dialog, err := dialogs.WriteInvite(ctx, invite)
	if err != nil {
		return false
	}
	defer dialog.Close()
	// Whatever ends the waiting, no CANCEL is sent: see write.
	waiting, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, func() { stop(sipgo.WaitAnswerForceCancelErr) })()
	answered := make(chan error, 1)
	go func() { answered <- dialog.WaitAnswer(waiting, sipgo.AnswerOptions{}) }()
	offer := u.sentAs(ctx, tag.Number)
	var answer *sighting
	if offer != nil && u.respond(ctx, offer, "180", wire.Action{Status: 180, Quiet: true}) != nil {
		answer = u.respond(ctx, offer, "200", wire.Action{Status: 200, SDP: true, Port: port, Quiet: true})
	}
	if answer == nil {
		stop(sipgo.WaitAnswerForceCancelErr)
		<-answered
		return false
	}
	if <-answered != nil {
		u.note("the SIP stack that makes calls with media did not take the answer to one: " + string(statusLine(answer.raw)))
		return false
	}
	if u.ack(ctx, dialog) != nil {
		return false
	}
	c := &liveCall{
		runner: u.runner, link: u.link, step: u.step, end: end, id: callID.Value(), proto: alg.ProtoSIP, offer: offer, lines: [2]int{0, 1}, port: port,
	}
	c.audio, c.video = mediaIn(answer.raw, 0), mediaIn(answer.raw, 1)
	if !c.audio.IsValid() {
		u.note("the answer to a call announced no media, as it arrived here")
	} else {
		c.talk(ctx)
	}
	for i, direction := range []string{"sendonly", "sendrecv"} {
		if !u.reinvite(ctx, dialog, end, port, i+2, direction) {
			break
		}
	}
	tag = u.next("bye")
	bye := u.request(sipgosip.BYE, dialog, tag)
	u.transaction(ctx, dialog, bye, tag, wire.Action{Status: 200})
	return true
}

// liveTime bounds a call with media, beside the round trips: talking takes three seconds, and each message may be repeated.
const liveTime = 15 * time.Second

// ready makes contact over a link that has not been used yet: the answer proves its address.
func (u *userAgent) ready(ctx context.Context) bool {
	m := u.one(ctx, u.link, u.bracket(u.step.Flow), u.try)
	if m == nil {
		return false
	}
	u.ledger.await(ctx, []*sent{m}, u.patience(u.link.Path.Transport))
	return true // the call shows whether the address has been proven elsewhere
}

// describe gives a request a session description of audio and video.
func (u *userAgent) describe(req *sipgosip.Request, end *mediaEnd, tag wire.Tag, version int, direction string) {
	t := u.templateOf(u.link, u.link.local(), tag.Number, u.step)
	lines := []string{t.audio(end.base), t.video(end.base + videoPort)}
	if direction != "" {
		lines = append([]string{"a=" + direction}, lines...)
	}
	body := t.sdp(t.address(), t.address(), lines...)
	req.AppendHeader(sipgosip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody([]byte(strings.Replace(string(body), " 1 IN ", " "+strconv.Itoa(version)+" IN ", 1)))
}

// request is one within the call.
func (u *userAgent) request(method sipgosip.RequestMethod, dialog *sipgo.DialogClientSession, tag wire.Tag) *sipgosip.Request {
	to := dialog.InviteRequest.Recipient
	if c := dialog.InviteResponse.Contact(); c != nil {
		to = c.Address
	}
	req := sipgosip.NewRequest(method, *to.Clone())
	req.AppendHeader(sipgosip.NewHeader("X-Canary", u.link.local().String()+" "+tag.String()))
	step := u.step
	step.Name = u.nameOf(tag.Number)
	req.AppendHeader(sipgosip.NewHeader("User-Agent", u.templateOf(u.link, u.link.local(), tag.Number, step).agent))
	return req
}

func (u *userAgent) ack(ctx context.Context, dialog *sipgo.DialogClientSession) error {
	tag := u.next("ack")
	err := dialog.WriteAck(ctx, u.request(sipgosip.ACK, dialog, tag))
	u.sentAs(ctx, tag.Number)
	return err
}

// reinvite changes the direction of the media within the call, and acknowledges the answer.
func (u *userAgent) reinvite(ctx context.Context, dialog *sipgo.DialogClientSession, end *mediaEnd, port uint16, version int, direction string) bool {
	name := map[string]string{"sendonly": "hold", "sendrecv": "resume"}[direction]
	tag := u.next(name)
	req := u.request(sipgosip.INVITE, dialog, tag)
	u.describe(req, end, tag, version, direction)
	if !u.transaction(ctx, dialog, req, tag, wire.Action{Status: 200, SDP: true, Port: port, Quiet: true}) {
		return false
	}
	tag = u.next(name + "-ack")
	if dialog.WriteRequest(u.request(sipgosip.ACK, dialog, tag)) != nil {
		return false
	}
	u.sentAs(ctx, tag.Number)
	return true
}

// transaction sends a request, has the reflector answer it, and reports whether the stack got the answer.
func (u *userAgent) transaction(ctx context.Context, dialog *sipgo.DialogClientSession, req *sipgosip.Request, tag wire.Tag, answer wire.Action) bool {
	u.mu.Lock()
	name := strings.TrimPrefix(u.names[tag.Number], u.step.Name+"-")
	u.mu.Unlock()
	tx, err := dialog.TransactionRequest(ctx, req)
	if err != nil {
		return false
	}
	defer tx.Terminate()
	m := u.sentAs(ctx, tag.Number)
	if m == nil || u.respond(ctx, m, name+"-"+strconv.Itoa(answer.Status), answer) == nil {
		return false
	}
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res.IsSuccess()
			}
		case <-tx.Done():
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// respond has the reflector answer a request, and returns the answer as it arrived.
func (u *userAgent) respond(ctx context.Context, m *sent, name string, action wire.Action) (got *sighting) {
	action.Action, action.To = wire.ActionRespond, m.there.seq
	u.insist(ctx, u.link, u.try, func(try int) bool {
		part := u.step.part(name)
		part.Role = alg.RoleBracket
		a := u.ask(ctx, u.link, part, try, action)
		if a == nil {
			return false
		}
		got = a.in
		return true
	})
	return got
}

func statusLine(raw []byte) []byte {
	for i, c := range raw {
		if c == '\r' || c == '\n' {
			return raw[:i]
		}
	}
	return raw
}

// mediaIn is where the n-th m= line of a message's session description says that media is taken; invalid if it does not say.
func mediaIn(raw []byte, n int) netip.AddrPort {
	m := sip.Parse(raw)
	off, end, ok := m.SDP()
	if !ok {
		return netip.AddrPort{}
	}
	body := raw[off:end]
	var addr netip.Addr
	var port uint64
	for _, s := range sdp.AppendSpans(nil, body) {
		switch value := string(s.Bytes(body)); {
		case s.Type == 'c' && s.Part == sdp.PartAddress && (s.Media < 0 || int(s.Media) == n):
			addr, _ = netip.ParseAddr(value)
		case s.Type == 'm' && s.Part == sdp.PartPort && int(s.Media) == n:
			port, _ = strconv.ParseUint(value, 10, 16)
		}
	}
	if !addr.IsValid() || port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, uint16(port))
}
