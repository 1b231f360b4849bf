package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// sent is one message that the runner sent, and what became of it.
type sent struct {
	number uint32
	link   *link
	step   Step
	try    int
	at     time.Time
	off    int // where it stands in the stream of its connection
	raw    []byte
	cuts   []int     // where it is cut when it is sent
	failed error     // the system refused to send it
	there  *sighting // the reflector received it
	mute   string    // why the reflector did not answer it
	reply  *sighting // what the reflector answered
	answer *sighting // the answer, as it arrived
	invite bool      // the answer is to be acknowledged
	ack    *sent     // the acknowledgement
}

// asked is one message that the reflector was asked to send.
type asked struct {
	number uint32
	link   *link
	step   Step
	try    int
	out    *sighting // as the reflector sent it
	in     *sighting // as it arrived
}

// extra is what one end of a connection received and the other did not send.
type extra struct {
	link    *link
	got     *sighting
	inbound bool
}

// sighting is a message as one end saw it.
type sighting struct {
	at     time.Time
	off    int
	raw    []byte
	seq    uint64 // of the receipt with which it was complete
	local  netip.AddrPort
	remote netip.AddrPort
}

// settled reports that nothing more is to come: it was received, its answer, if there was one, arrived, and so did the
// acknowledgement of that.
func (s *sent) settled() bool {
	switch {
	case s.failed != nil:
		return true
	case s.there == nil:
		return false
	case s.reply == nil:
		return s.mute != ""
	case s.answer == nil:
		return false
	}
	return !s.invite || s.ack != nil && s.ack.there != nil
}

// ledger keeps what was sent, what the reflector reported, and what arrived here. Receipts and messages come in from other
// goroutines in any order.
type ledger struct {
	token  wire.Token
	number func() uint32 // numbers a message

	mu       sync.Mutex
	sent     map[uint32]*sent
	order    []*sent
	asked    map[uint32]*asked
	requests []*asked
	trying   []*asked         // answers from the next hop, of requests by their numbers
	extra    []*extra         // what one end received and the other did not send
	aliens   []alien          // what may yet turn out to be that
	flooded  bool             // there were more
	received map[uint64]*sent // by the sequence number of the receipt
	conns    map[uint64]*conn // by the number of the connection at the reflector
	after    uint64           // receipts up to this one are in
	dropped  int              // messages without receipt, as the reflector says
	changed  chan struct{}    // closed and renewed at every change
	skew     time.Duration    // reflector's clock minus ours, at least; with the way there in it
	skewed   bool
}

// conn is a connection as the reflector sees it: the streams of both directions, cut into messages as they grow.
type conn struct {
	link *link // nil until a message of ours is seen
	tls  *wire.Handshake
	tcp  *wire.TCP
	in   stream
	out  stream
}

type stream struct {
	framer framer
	count  int    // messages so far
	buf    []byte // not yet cut
	lead   int    // octets of buf that are line ends ahead of a message: they are compared with it
	off    int    // where buf begins
	last   *wire.Receipt
	broken bool
}

func newLedger(token wire.Token, number func() uint32) *ledger {
	return &ledger{
		token: token, number: number, sent: map[uint32]*sent{}, asked: map[uint32]*asked{}, received: map[uint64]*sent{},
		conns: map[uint64]*conn{}, changed: make(chan struct{}),
	}
}

func (l *ledger) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wake has those who wait look again.
func (l *ledger) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify()
}

// add enters a message before it is sent: its receipt may be faster than the return of the call that sent it.
func (l *ledger) add(s *sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[s.number] = s
	l.order = append(l.order, s)
}

// expect enters a message before the reflector is asked to send it.
func (l *ledger) expect(a *asked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[a.number] = a
	l.requests = append(l.requests, a)
}

// arrived enters a message that was read here. The newest number in it names it, or the request that it answers. It returns
// what it belongs to, if it is the first copy.
func (l *ledger) arrived(got *sighting) (*sent, *asked) {
	tag, ok := wire.FindTag(got.raw, l.token)
	if !ok {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.asked[tag.Number]; a != nil {
		if a.in != nil {
			return nil, nil // a duplicate
		}
		a.in = got
		l.notify()
		return nil, a
	}
	s := l.sent[tag.Number]
	if s == nil || s.answer != nil {
		return nil, nil // a duplicate, or nothing of ours
	}
	if isTrying(got.raw) {
		// Only the next hop says so, and the final answer is still to come (RFC 3261 16.2).
		l.trying = append(l.trying, &asked{number: s.number, link: s.link, step: s.step, try: s.try, in: got})
		return nil, nil
	}
	s.answer = got
	l.notify()
	return s, nil
}

// isTrying reports a 100, which the reflector sends only when it is asked to, and any hop of its own accord.
func isTrying(raw []byte) bool { return bytes.HasPrefix(raw, []byte("SIP/2.0 100 ")) }

// report enters receipts.
func (l *ledger) report(r wire.Receipts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range r.Receipts {
		receipt := &r.Receipts[i]
		if receipt.Seq <= l.after {
			continue
		}
		l.after = receipt.Seq
		if receipt.Conn != 0 {
			l.grow(receipt)
			continue
		}
		l.whole(receipt, &sighting{
			at: receipt.At, raw: receipt.Data, seq: receipt.Seq, local: receipt.Local, remote: receipt.Remote,
		}, nil)
	}
	l.dropped = max(l.dropped, r.Dropped)
	l.notify()
}

// grow enters a read or a write of a connection, and the messages that it completes.
func (l *ledger) grow(receipt *wire.Receipt) {
	c := l.conns[receipt.Conn]
	if c == nil {
		c = new(conn)
		l.conns[receipt.Conn] = c
	}
	s := &c.in
	if receipt.Direction == wire.Out {
		s = &c.out
	}
	s.buf = append(s.buf, receipt.Data...)
	s.last = receipt
	if receipt.TLS != nil {
		c.tls = receipt.TLS
	}
	if receipt.TCP != nil {
		c.tcp = receipt.TCP
	}
	if c.link == nil {
		// What is not ours the reflector does not report, so that the tag of the first message is there before it is whole.
		tag, ok := wire.FindTag(c.in.buf, l.token)
		if s := l.sent[tag.Number]; ok && s != nil {
			c.link = s.link
			if c.link.tls != nil && c.tls != nil {
				c.link.tls.Server = handshakeOf(*c.tls)
			}
			if c.tcp != nil {
				c.link.tcp.Server = &alg.TCPEnd{RTT: c.tcp.RTT, MSS: c.tcp.MSS}
			}
			c.in.framer, c.out.framer = newFramer(c.link.Proto()), newFramer(c.link.Proto())
		}
	}
	for s.framer != nil && len(s.buf) > 0 && !s.broken {
		n, message, err := s.framer.next(s.buf[s.lead:])
		if err != nil {
			s.broken = !isShort(err)
			break
		}
		if n += s.lead; !message {
			s.lead = n
			continue
		}
		s.lead = 0
		got := &sighting{
			at: receipt.At, off: s.off, raw: s.buf[:n:n], seq: receipt.Seq, local: receipt.Local, remote: receipt.Remote,
		}
		if c.link.ordered() {
			l.inOrder(c.link, receipt.Direction, s.count, got)
		} else {
			l.whole(receipt, got, c)
		}
		s.count++
		s.buf = s.buf[n:]
		s.off += n
	}
}

// inOrder enters a message of a connection on which the order tells what is what.
func (l *ledger) inOrder(at *link, dir wire.Direction, n int, got *sighting) {
	if dir == wire.Out {
		a := l.inboundAt(at, n)
		a.out = got
		a.step = at.part(got.raw, n, at.inbound)
		return
	}
	for _, s := range l.order {
		if s.link != at || s.failed != nil {
			continue
		}
		if n == 0 {
			l.saw(s, got)
			s.mute = wire.SilenceQuiet // what the reflector says to it is not an answer to one message
			return
		}
		n--
	}
	l.unsent(at, got)
}

// unsent enters what the reflector received behind all that was sent over a link.
func (l *ledger) unsent(at *link, got *sighting) {
	if !slices.ContainsFunc(l.order, func(s *sent) bool { return s.link == at && s.failed != nil }) {
		l.extra = append(l.extra, &extra{link: at, got: got})
	}
}

// inboundAt returns what the reflector sent as the n-th message over a link, as far as it is known.
func (l *ledger) inboundAt(at *link, n int) *asked {
	for len(at.inbound) <= n {
		a := &asked{number: l.number(), link: at, try: at.try}
		at.inbound = append(at.inbound, a)
		l.requests = append(l.requests, a)
	}
	return at.inbound[n]
}

// arrivedInOrder enters a message that came over such a connection.
func (l *ledger) arrivedInOrder(at *link, got *sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.inboundAt(at, at.came)
	a.in = got
	if a.out == nil {
		a.step = at.part(got.raw, at.came, at.inbound)
	}
	at.came++
	l.notify()
}

// whole enters a message that the reflector received or sent, over a connection if c is not nil.
func (l *ledger) whole(receipt *wire.Receipt, got *sighting, c *conn) {
	tag, ok := wire.FindTag(got.raw, l.token)
	if receipt.Direction == wire.Out {
		if a := l.asked[tag.Number]; ok && a != nil {
			a.out = got
			return
		}
		s := l.sent[tag.Number]
		if was := l.received[receipt.Answers]; was != nil && (!ok || s == nil || c == nil) {
			s = was
		}
		if s != nil && s.reply == nil {
			s.reply = got
		}
		return
	}
	s := l.sent[tag.Number]
	if c != nil && (!ok || s == nil || s.there != nil) {
		l.aliens = append(l.aliens, alien{link: c.link, got: got, double: ok && s != nil})
		return
	}
	if !ok || s == nil {
		return
	}
	l.received[receipt.Seq] = s
	l.saw(s, got)
	if s.mute == "" && receipt.Silence != wire.SilencePartial {
		s.mute = receipt.Silence
	}
}

// saw enters that the reflector received a message. The network may have doubled it: the first one counts.
func (l *ledger) saw(s *sent, got *sighting) {
	if s.there != nil {
		return
	}
	s.there = got
	s.link.mapped = got.remote
	if f := s.link.flow; f.udp == nil || f.udp == s.link { // not a socket that one step has to itself
		f.mapped = got.remote
	}
	s.link.Outside = [2]netip.AddrPort{got.remote, got.local}
	if d := got.at.Sub(s.at); !l.skewed || d < l.skew {
		l.skew, l.skewed = d, true
	}
}

// finish enters what the reflector received over connections and was no whole message by the end: a gateway that breaks
// Content-Length makes the receiver wait for octets that never come. It belongs to the first message that is missing there.
func (l *ledger) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resolve()
	for _, c := range l.conns {
		if c.link == nil || len(c.in.buf) == 0 {
			continue
		}
		r := c.in.last
		got := &sighting{at: r.At, off: c.in.off, raw: c.in.buf, seq: r.Seq, local: r.Local, remote: r.Remote}
		i := slices.IndexFunc(l.order, func(s *sent) bool { return s.link == c.link && s.there == nil && s.failed == nil })
		switch {
		case i < 0:
			if !l.displaced(c.link, got.raw, false) {
				l.unsent(c.link, got)
			}
		case bytes.HasPrefix(l.order[i].raw, c.in.buf): // the beginning of it, untouched: the rest did not come, that is all
		default:
			l.saw(l.order[i], got)
		}
	}
}

// await waits until every message is settled, the time is over or the context ends.
func (l *ledger) await(ctx context.Context, messages []*sent, patience time.Duration) {
	l.wait(ctx, patience, func() bool {
		for _, s := range messages {
			if !s.settled() {
				return false
			}
		}
		return true
	})
}

// wait waits until enough says so, the time is over or the context ends; it returns what enough says then. enough is called
// with the ledger locked.
func (l *ledger) wait(ctx context.Context, patience time.Duration, enough func() bool) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		l.mu.Lock()
		ok := enough()
		changed := l.changed
		l.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// poll fetches receipts until the context ends. Errors are retried: a poll that fails loses nothing, as the next one asks
// again from the same place. It gives up after a session that is gone, or after too many errors in a row.
func (l *ledger) poll(ctx context.Context, session *wire.Session) error {
	for failures := 0; ; {
		l.mu.Lock()
		after := l.after
		l.mu.Unlock()
		r, err := session.Receipts(ctx, after, wire.MaxWait)
		var status *wire.StatusError
		switch {
		case err == nil:
			failures = 0
			l.report(r)
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &status) && status.Code/100 == 4 && status.Code != 429:
			return err
		default:
			if failures++; failures > 5 {
				return fmt.Errorf("receipts: %w", err)
			}
			select {
			case <-time.After(time.Duration(failures) * 200 * time.Millisecond):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// mark is a place in the order of sending.
func (l *ledger) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.order)
}

// on returns the messages that were sent over a link after a mark.
func (l *ledger) on(at *link, mark int) []*sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*sent
	for _, s := range l.order[mark:] {
		if s.link == at {
			out = append(out, s)
		}
	}
	return out
}

// last returns the last message of a step that was sent over a link in a try. The ledger is locked.
func (l *ledger) last(at *link, s Step, try int) *sent {
	for _, m := range slices.Backward(l.order) {
		if m.link == at && m.step == s && m.try == try {
			return m
		}
	}
	return nil
}
