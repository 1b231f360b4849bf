package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// send makes the attempts, side by side on their flows, and waits for what becomes of them. From the second try on, and with
// messages that break the rules, a bracket goes before and after. Over UDP all of them are on the way at once; over TCP
// each has a connection of its own, one after the other: a stalled one must not hold up the rest, and from source port
// 5060 there can be only one.
func (r *runner) send(ctx context.Context, batch []attempt) {
	byFlow := make([][]attempt, len(r.flows))
	for _, a := range batch {
		byFlow[a.Flow] = append(byFlow[a.Flow], a)
	}
	var wg sync.WaitGroup
	for i, attempts := range byFlow {
		if len(attempts) == 0 {
			continue
		}
		f := r.flows[i]
		wg.Go(func() {
			bracket := r.bracket(i)
			mark := r.ledger.mark()
			last := 0 // try of the last message that wants a bracket behind it
			for n := 0; ; n++ {
				more := false
				for _, a := range attempts {
					if n >= a.count {
						continue
					}
					more = true
					try := a.first + n
					_, framed := framingOf(a.Name)
					if try > 1 && (!a.Script || framed || f.plan.Path.Proto == alg.ProtoH323) || a.Breaks != "" {
						r.post(ctx, f, bracket, try)
						last = try
					}
					r.post(ctx, f, a.Step, try)
				}
				if !more {
					break
				}
			}
			if last > 0 {
				r.post(ctx, f, bracket, last)
			}
			if f.udp != nil {
				r.ledger.await(ctx, r.ledger.on(f.udp, mark), r.patience("udp"))
			}
		})
	}
	wg.Wait()
}

// post carries out one try of a step.
func (r *runner) post(ctx context.Context, f *flow, s Step, try int) {
	if ctx.Err() != nil || r.spent() {
		return
	}
	if f.udp != nil {
		r.carryOut(ctx, f.udp, s, try)
		return
	}
	l := r.dial(ctx, f, s, try)
	if l == nil {
		return
	}
	defer l.abort()
	if s.Shape == alg.ShapePublic {
		// Which port the NAT gives to this connection only a message over it tells.
		if m := r.one(ctx, l, r.bracket(s.Flow), try); m != nil {
			r.ledger.await(ctx, []*sent{m}, r.patience("tcp"))
		}
	}
	r.carryOut(ctx, l, s, try)
	r.ledger.await(ctx, r.ledger.on(l, 0), r.patience("tcp"))
}

// carryOut sends the message of a step, or works through its script.
func (r *runner) carryOut(ctx context.Context, l *link, s Step, try int) {
	if s.Script {
		if l.ordered() {
			r.h323Script(ctx, l, s, try)
		} else {
			r.script(ctx, l, s, try)
		}
		return
	}
	r.one(ctx, l, s, try)
	if l.socket != nil {
		select {
		case <-time.After(pace):
		case <-ctx.Done():
		}
	}
}

// dial opens a connection of a flow for a try of a step; nil if that fails, which is a trial of its own.
func (r *runner) dial(ctx context.Context, f *flow, s Step, try int) *link {
	from := ""
	if f.plan.Path.SourcePort != alg.Ephemeral || r.cfg.Source.IsValid() {
		from = netip.AddrPortFrom(f.local, uint16(f.plan.Path.SourcePort)).String()
	}
	l, err := r.connect(ctx, f, from, f.plan.Target, &link{step: s, try: try})
	if err == nil {
		r.mu.Lock()
		f.connected++
		r.mu.Unlock()
		return l
	}
	refused := (*refusedError)(nil)
	switch {
	case ctx.Err() != nil:
	case errors.As(err, &refused): // IPv6 says EACCES where somebody else prohibits it
		r.mu.Lock()
		f.unconnected++
		r.mu.Unlock()
		r.refusedTrial(f, err)
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EINVAL):
		r.mu.Lock()
		f.refused = errors.New(socketReason(f.plan.Path.SourcePort, err))
		r.mu.Unlock()
	default:
		r.mu.Lock()
		f.unconnected++
		r.mu.Unlock()
		if failed := (*handshakeError)(nil); errors.As(err, &failed) {
			r.handshakeFailed(f, failed)
		} else {
			r.refusedTrial(f, err)
		}
	}
	return nil
}

// connect opens a connection of a flow. It is for the same try as the link that it is opened on behalf of, and belongs to that
// if it was announced there.
func (r *runner) connect(ctx context.Context, f *flow, from string, to netip.AddrPort, behalf *link) (*link, error) {
	connecting, cancel := context.WithTimeout(ctx, connectTime+4*r.rtt)
	defer cancel()
	stream, err := r.cfg.Network.DialContext(connecting, "tcp", from, to.String())
	if err != nil {
		return nil, err
	}
	local, err := addrPort(stream.LocalAddr())
	if err != nil {
		stream.Close()
		return nil, err
	}
	end := tcpEnd(stream)
	var handshake *alg.TLS
	if f.plan.Path.Transport == "tls" {
		if stream, handshake, err = r.secure(ctx, stream); err != nil {
			return nil, err
		}
	}
	l := r.newLink(f, local)
	l.tls, l.tcp.Client = handshake, end
	l.stream = stream
	l.Inside[1] = to
	l.Parent, l.step, l.try = behalf.ID, behalf.step, behalf.try
	take := func(raw []byte, off int, at time.Time) {
		if got := (&sighting{at: at, off: off, raw: raw}); !r.arrived(got) {
			r.ledger.stray(l, got)
		}
	}
	if l.ordered() {
		take = func(raw []byte, off int, at time.Time) {
			r.ledger.arrivedInOrder(l, &sighting{at: at, off: off, raw: raw})
		}
	}
	r.wg.Go(func() {
		l.read(take, func(raw []byte, off int, at time.Time) { r.ledger.leftover(l, &sighting{at: at, off: off, raw: raw}) })
	})
	return l, nil
}

// isReset reports that a write failed because the connection was ended from elsewhere.
func isReset(err error) bool {
	const wsaECONNRESET, wsaECONNABORTED = syscall.Errno(10054), syscall.Errno(10053)
	for _, e := range [...]error{syscall.ECONNRESET, syscall.EPIPE, wsaECONNRESET, wsaECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// connectReason says in a few words why a connection did not come about.
func connectReason(err error) string {
	var timeout net.Error
	refused := (*refusedError)(nil)
	switch {
	case errors.As(err, &refused):
		return refused.why()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it is refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "nobody answers"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection is closed"
	}
	return innermost(err).Error()
}

// innermost is the error without what the layers in between say of addresses that everybody knows here.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// connectTime is how long a connection may take, beside the round trips: long enough for the second SYN.
const connectTime = 1500 * time.Millisecond

// registration is the last REGISTER of a shape that was sent on a flow, nil if none was. Whether it arrived may not be known
// yet when the run is cut short.
func (r *runner) registration(f *flow, shape string) *sent {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range slices.Backward(r.ledger.order) {
		if m.link.flow == f && m.step.Name == stepRegister && m.step.Shape == shape && m.failed == nil {
			return m
		}
	}
	return nil
}

// own returns the address that a message of a shape calls its own.
func (r *runner) own(l *link, shape string) (netip.AddrPort, bool) {
	switch shape {
	case alg.ShapeLocal, alg.ShapeNone:
		return l.local(), true
	case alg.ShapePublic:
		r.ledger.mu.Lock()
		defer r.ledger.mu.Unlock()
		return l.mapped, l.mapped.IsValid()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.cfg.Plan.ViaAddresses {
		if shapeVia(a) == shape {
			// Which port the inner NAT chose cannot be seen from here; most keep it.
			return netip.AddrPortFrom(a, l.local().Port()), true
		}
	}
	return netip.AddrPort{}, false
}

// one composes and sends one message over a link; nil if it cannot be made.
func (r *runner) one(ctx context.Context, l *link, s Step, try int) *sent {
	own, ok := r.own(l, s.Shape)
	if !ok || ctx.Err() != nil {
		return nil
	}
	switch l.Path.Proto {
	case alg.ProtoH323:
		return r.newCall(l, s, try, own).send(s.Name, h323.FacilityBody{})
	case alg.ProtoRAS:
		return r.rasRequest(l, s, try, own)
	}
	t := r.template(l, own, s)
	m := &sent{number: t.tag.Number, link: l, step: s, try: try}
	if o, ok := oddOf(s.Name); ok {
		t.media = r.ports.take(oddPorts)
		m.invite = o.invite
	}
	if o, _, ok := lessOf(s.Name); ok {
		t.media = r.ports.take(oddPorts)
		m.invite = o.invite
	}
	if isCause(s.Name) {
		t.media = r.ports.take(2)
		m.invite = s.Name != alg.StepCauseNoSIP
	}
	switch s.Name {
	case stepInvite, stepCanary:
		t.media = r.ports.take(mediaPorts)
		m.invite = true
	case stepCall, stepCancel:
		t.media = r.ports.take(mediaPorts)
	case stepDeregister:
		call := r.registration(l.flow, s.Shape)
		if call == nil {
			return nil
		}
		t.call = call.number
		t.cseq = try + 1
	}
	if n := s.Datagram.Octets; n > 0 {
		t.media = r.ports.take(2)
		m.invite = true
		m.raw = t.large(n)
	} else {
		m.raw = t.compose(s.Name)
	}
	r.transmit(m)
	return m
}

// spent reports that the session's budget would not hold the receipts of another message and its answer. Some of it is kept
// for the end.
func (r *runner) spent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 2*(int(r.number)+1+r.reserve)+r.parts > r.session.Grant.Budget.Messages || r.number >= wire.MaxNumber
}

// nextNumber numbers a message.
func (r *runner) nextNumber() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	return r.number
}

func (r *runner) template(l *link, own netip.AddrPort, s Step) template {
	return r.templateOf(l, own, r.nextNumber(), s)
}

// templateOf is what a message of a step with the given number is made from.
func (r *runner) templateOf(l *link, own netip.AddrPort, number uint32, s Step) template {
	r.mu.Lock()
	defer r.mu.Unlock()
	return template{
		tag: wire.Tag{Token: r.session.Grant.Token, Number: number}, own: own, nonce: l.flow.nonce,
		server: l.flow.plan.Target.Addr(), transport: l.Path.Transport, agent: alg.Signature(r.cfg.Version, s.Name, l.Path.Control),
	}
}

// transmit enters a message into the ledger and sends it, with what follows in the same segment. That the system refuses to
// send is no evidence of anything on the path: the message then counts as never sent.
func (r *runner) transmit(m *sent, more ...*sent) {
	all := append([]*sent{m}, more...)
	var raw []byte
	now := time.Now()
	for _, m := range all {
		m.at = now
		raw = append(raw, m.raw...)
		r.ledger.add(m)
	}
	off, err := r.put(m, raw)
	if isReset(err) {
		err = nil // the network did that, not this computer: it counts as sent, and as lost
	}
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range all {
		m.off, m.failed = off, err
		off += len(m.raw)
	}
}

// arrived takes a message that a socket or a connection brought, and reports whether it is the first copy of one that was due.
func (r *runner) arrived(got *sighting) bool {
	m, a := r.ledger.arrived(got)
	switch {
	case m != nil:
		r.answered(m, got)
	case a != nil:
		r.called(a, got)
	}
	return m != nil || a != nil
}

// answered takes the answer to a message of ours: an INVITE's sender acknowledges it.
func (r *runner) answered(m *sent, got *sighting) {
	if m.link.Path.Proto == alg.ProtoRAS {
		r.confirmed(m, got)
		return
	}
	response, request := sip.Parse(got.raw), sip.Parse(m.raw)
	if tag, ok := response.Find("to.tag"); ok {
		r.mu.Lock()
		m.link.flow.nonce = string(tag.Bytes(got.raw))
		r.mu.Unlock()
	}
	if string(request.Method()) != "INVITE" || response.Status() < 300 {
		return
	}
	own, ok := r.own(m.link, m.step.Shape)
	if !ok {
		return
	}
	step := Step{Flow: m.step.Flow, Name: stepAck, Shape: m.step.Shape, Role: m.step.Role}
	t := r.template(m.link, own, step)
	ack := &sent{number: t.tag.Number, link: m.link, step: step, try: m.try, raw: t.ack(&request, &response)}
	r.ledger.mu.Lock()
	m.ack = ack
	r.ledger.mu.Unlock()
	r.transmit(ack)
}
