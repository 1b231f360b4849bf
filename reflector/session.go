package reflector

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"nofixup/reflector/wire"
)

// maxProven bounds the addresses that a session remembers as proven; further ones stay unproven.
const maxProven = 32

// session is what the server holds of one client.
type session struct {
	id, secret string
	token      wire.Token
	observed   netip.AddrPort // where the request for it came from
	source     netip.Prefix   // observed as it is counted
	limits     *Limits

	timer *time.Timer  // ends it
	used  atomic.Int64 // when it last heard of its client, on the store's clock

	mu       sync.Mutex
	gone     bool             // ended: nothing is taken and nothing leaves any more
	pages    [][]wire.Receipt // all but the last one full
	receipts int              // in them
	payload  int              // octets in them
	charged  int64            // octets of memory, as the store counts it
	dropped  int              // messages that got no receipt
	renewals int              // left

	proven  []netip.Addr // addresses that answers have been shown to reach
	answers int          // sent to others
	actions int          // messages that the client had sent

	media mediaBooks // what came and went on the media ports

	streams     map[uint64]*stream // its open TCP connections, by number
	connections uint64             // that there were
	held        int                // receipts for which room is set aside: their ends

	polls int           // waiting
	wake  chan struct{} // closed when there is something new for them; nil when nobody waits
}

// pageSize is how many receipts stand together. Pages are never copied, neither when the session grows nor for a poll.
const pageSize = 64

// receiptOverhead is what a receipt takes beside its payload, rounded up, so that many small datagrams are accounted for.
const receiptOverhead = 320

// room says whether so many more receipts of n octets together fit into the budget.
func (s *session) room(n, receipts int) bool {
	return s.receipts+s.held+receipts <= s.limits.Messages && s.payload+n <= s.limits.SessionOctets
}

// drop counts a message that got no receipt.
func (s *session) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped++
}

// keep adds a receipt, numbers it and returns where it is kept. It may be changed there until the session is unlocked.
func (s *session) keep(r wire.Receipt) *wire.Receipt {
	if s.receipts == pageSize*len(s.pages) {
		s.pages = append(s.pages, make([]wire.Receipt, 0, pageSize))
	}
	s.receipts++
	r.Seq = uint64(s.receipts)
	page := &s.pages[len(s.pages)-1]
	*page = append(*page, r)
	s.payload += len(r.Data)
	s.charged += int64(len(r.Data)) + receiptOverhead
	return &(*page)[len(*page)-1]
}

// notify wakes the waiting polls.
func (s *session) notify() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

func (s *session) isProven(addr netip.Addr) bool { return slices.Contains(s.proven, addr) }

func (s *session) prove(addr netip.Addr) bool {
	if len(s.proven) >= maxProven {
		return false
	}
	s.proven = append(s.proven, addr)
	return true
}

// since returns the receipts after the given sequence number, page by page.
func (s *session) since(seq uint64) [][]wire.Receipt {
	if seq >= uint64(s.receipts) {
		return nil
	}
	pages := slices.Clone(s.pages[seq/pageSize:])
	pages[0] = pages[0][seq%pageSize:]
	return pages
}

// after returns the receipts after the given sequence number. If there are none it waits for one, at most for the given
// time, and no longer than ctx and stop allow. The receipts returned do not change any more. ok is false when the session
// has ended.
func (s *session) after(ctx context.Context, stop <-chan struct{}, seq uint64, wait time.Duration) (pages [][]wire.Receipt, dropped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.await(ctx, stop, wait, func() bool { return seq < uint64(s.receipts) })
	return s.since(seq), s.dropped, !s.gone
}

// await waits until there is what is waited for, or the session has ended: at most for the given time, and no longer than ctx
// and stop allow. The session is locked, and unlocked meanwhile.
func (s *session) await(ctx context.Context, stop <-chan struct{}, wait time.Duration, ready func() bool) {
	var timeout <-chan time.Time
	for wait > 0 && !s.gone && !ready() {
		if timeout == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			timeout = timer.C
		}
		if s.wake == nil {
			s.wake = make(chan struct{})
		}
		wake := s.wake
		s.mu.Unlock()
		select {
		case <-wake:
		case <-timeout:
			wait = 0
		case <-ctx.Done():
			wait = 0
		case <-stop:
			wait = 0
		}
		s.mu.Lock()
	}
}

// enter counts a waiting poll, or says that it is one too many.
func (s *session) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polls >= s.limits.Polls {
		return false
	}
	s.polls++
	return true
}

func (s *session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls--
}

// end forgets what the session holds, closes its connections, wakes its polls and returns the memory it had been charged. What is told of it goes
// into the log.
func (s *session) end() (charged int64, receipts, dropped int) {
	s.timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return 0, 0, 0
	}
	s.gone = true
	charged, receipts, dropped = s.charged, s.receipts, s.dropped
	s.pages, s.receipts, s.payload, s.charged, s.held = nil, 0, 0, 0, 0
	s.media.end()
	for _, st := range s.streams {
		st.conn.Close()
	}
	s.notify()
	return charged, receipts, dropped
}
