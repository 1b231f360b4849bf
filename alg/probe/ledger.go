package probe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nofixup/reflector/wire"
)

// sent is one message that the runner sent, and what became of it.
type sent struct {
	number  uint32
	flow    *flow
	step    Step
	try     int
	at      time.Time
	raw     []byte
	failed  error         // the system refused to send it
	receipt *wire.Receipt // the reflector received it
	reply   *wire.Receipt // the reflector answered it
	answer  *reading      // the answer arrived
	invite  bool          // the answer is to be acknowledged
	ack     *sent         // the acknowledgement
}

// reading is a datagram that arrived here.
type reading struct {
	at  time.Time
	raw []byte
}

// settled reports that nothing more is to come: it was received, its answer, if there was one, arrived, and so did the
// acknowledgement of that.
func (s *sent) settled() bool {
	switch {
	case s.receipt == nil:
		return false
	case s.reply == nil:
		return s.receipt.Silence != ""
	case s.answer == nil:
		return false
	}
	return !s.invite || s.ack != nil && s.ack.receipt != nil
}

// ledger keeps what was sent, what the reflector reported, and what arrived here. Receipts and answers come in from other
// goroutines in any order.
type ledger struct {
	token wire.Token

	mu       sync.Mutex
	sent     map[uint32]*sent
	order    []*sent
	received map[uint64]*sent // by the sequence number of the receipt
	after    uint64           // receipts up to this one are in
	dropped  int              // messages without receipt, as the reflector says
	changed  chan struct{}    // closed and renewed at every change
	skew     time.Duration    // reflector's clock minus ours, at least; with the way there in it
	skewed   bool
}

func newLedger(token wire.Token) *ledger {
	return &ledger{
		token: token, sent: map[uint32]*sent{}, received: map[uint64]*sent{}, changed: make(chan struct{}),
	}
}

func (l *ledger) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// add enters a message before it is sent: its receipt may be faster than the return of the call that sent it.
func (l *ledger) add(s *sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[s.number] = s
	l.order = append(l.order, s)
}

// arrived enters a datagram that was read here. The newest number in it names the request that it answers.
func (l *ledger) arrived(raw []byte, at time.Time) (s *sent, fresh bool) {
	tag, ok := wire.FindTag(raw, l.token)
	if !ok {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s = l.sent[tag.Number]
	if s == nil || s.answer != nil {
		return nil, false // a duplicate, or nothing of ours
	}
	s.answer = &reading{at: at, raw: raw}
	l.notify()
	return s, true
}

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
		if receipt.Direction == wire.Out {
			if s := l.received[receipt.Answers]; s != nil && s.reply == nil {
				s.reply = receipt
			}
			continue
		}
		tag, ok := wire.FindTag(receipt.Data, l.token)
		if !ok {
			continue
		}
		s := l.sent[tag.Number]
		if s == nil {
			continue
		}
		l.received[receipt.Seq] = s
		if s.receipt == nil { // the network may have doubled it: the first one counts
			s.receipt = receipt
			if d := receipt.At.Sub(s.at); !l.skewed || d < l.skew {
				l.skew, l.skewed = d, true
			}
		}
	}
	l.dropped = max(l.dropped, r.Dropped)
	l.notify()
}

// await waits until every message is settled, the time is over or the context ends.
func (l *ledger) await(ctx context.Context, messages []*sent, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		l.mu.Lock()
		open := false
		for _, s := range messages {
			open = open || !s.settled()
		}
		changed := l.changed
		l.mu.Unlock()
		if !open {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
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
