package reflector

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"nofixup/reflector/wire"
)

// ServiceMedia are the ports of media, in [Server.Addr] and [ListenError]. They are no targets: a grant has them by themselves.
const ServiceMedia = "media"

// maxMediaPacket is the largest datagram that is taken on a port of media, in octets: what an Ethernet carries, and more than
// any of ours has.
const maxMediaPacket = 1500

// mediaBooks are a session's books of media: what came, what went, what may still go. They are kept apart from the receipts, so
// that no amount of media takes anything away from the signalling.
type mediaBooks struct {
	pages   [][]mediaRecord // all but the last one full
	records int             // in them
	in      int             // packets that came
	dropped int             // packets that got no record

	// When the next packet would be due, had all come at the budget's rate, on the store's clock: see mediaRate.
	dueIn, dueOut time.Duration

	// What has come from proven addresses and was not yet sent back to them: no more than maxProven of them.
	credits  map[netip.Addr]*credit
	pinholes credit // datagrams to announced ports and their neighbours
	opened   bool   // pinholes is set

	live  uint32             // answers of H.323 that announce ports of media
	talks map[*talk]struct{} // media being sent
}

// mediaRecord is a wire.Media without a payload of its own, so that a page of them is one piece of memory.
type mediaRecord struct {
	at            int64 // ns since 1970
	local, remote netip.AddrPort
	number        uint32
	length        uint16
	kept          uint8 // octets of head
	ttl           uint8
	tos           int16
	out, proven   bool
	head          [wire.MediaHead]byte
}

// mediaOverhead is what the record of a packet takes in octets of memory, rounded up.
const mediaOverhead = 192

// takeMediaPacket handles one datagram that came to a port of media. It is counted, and nothing goes back by itself.
func (s *Server) takeMediaPacket(svc *service, raw []byte, remote netip.AddrPort) {
	c := &s.counters
	defer func() {
		if fault := recover(); fault != nil {
			// The stack holds no payload; the fault itself might.
			c.panics.Add(1)
			s.cfg.Log.Error("media packet dropped: fault in the reflector", "stack", string(debug.Stack()))
		}
	}()
	at := time.Now()
	c.received.Add(1)
	c.receivedOctets.Add(uint64(len(raw)))
	switch {
	case len(raw) == 0:
		c.empty.Add(1)
		return
	case len(raw) > maxMediaPacket:
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
	if !s.store.reserve(sess, mediaOverhead) {
		sess.dropMedia()
		c.spent.Add(1)
		return
	}
	kept := false
	defer func() {
		if !kept {
			s.store.octets.Add(-mediaOverhead)
		}
	}()
	sess.mu.Lock()
	defer sess.mu.Unlock()
	m := &sess.media
	l := sess.limits
	switch {
	case sess.gone:
		c.tokenless.Add(1)
		return
	case m.in >= l.MediaPerSecond*l.MediaSeconds || !l.mediaRate(&m.dueIn, at.Sub(s.store.start)):
		m.dropped++
		c.spent.Add(1)
		return
	}
	addr := remote.Addr()
	proven := sess.isProven(addr)
	if !proven {
		nonce := s.store.nonce(sess.token, addr)
		proven = bytes.Contains(raw, nonce[:]) && sess.prove(addr)
	}
	if proven {
		m.credit(addr).add(len(raw))
	}
	tag, _ := wire.FindTag(raw, sess.token)
	local, ttl, tos := svc.sock.arrival()
	r := mediaRecord{
		at: at.UnixNano(), local: local, remote: remote, number: tag.Number, length: uint16(len(raw)), ttl: uint8(ttl), tos: int16(tos),
		proven: proven,
	}
	r.kept = uint8(copy(r.head[:], raw))
	m.in++
	sess.keepMedia(&r)
	kept = true
	c.kept.Add(1)
	c.media.Add(1)
	sess.notify()
}

// mediaRate says whether a packet keeps to the budget's rate, of which a whole second may come at once: the virtual scheduling
// form of the generic cell rate algorithm (ITU-T I.371 A.1).
func (l *Limits) mediaRate(due *time.Duration, now time.Duration) bool {
	gap := time.Second / time.Duration(l.MediaPerSecond)
	if *due-now > time.Second-gap {
		return false
	}
	*due = max(*due, now) + gap
	return true
}

// credit returns the credit of an address that has proven itself.
func (m *mediaBooks) credit(addr netip.Addr) *credit {
	if m.credits == nil {
		m.credits = make(map[netip.Addr]*credit)
	}
	c := m.credits[addr]
	if c == nil {
		c = new(credit)
		m.credits[addr] = c
	}
	return c
}

// add notes a packet of n octets that came.
func (c *credit) add(n int) {
	c.packets++
	c.octets += n
}

// keepMedia adds a record and returns its number. The session is locked.
func (s *session) keepMedia(r *mediaRecord) (seq uint64) {
	m := &s.media
	if m.records == pageSize*len(m.pages) {
		m.pages = append(m.pages, make([]mediaRecord, 0, pageSize))
	}
	m.records++
	page := &m.pages[len(m.pages)-1]
	*page = append(*page, *r)
	s.charged += mediaOverhead
	return uint64(m.records)
}

// dropMedia counts a packet that got no record.
func (s *session) dropMedia() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media.dropped++
}

// end forgets the books and ends what is being sent. The session is locked.
func (m *mediaBooks) end() {
	for t := range m.talks {
		t.timer.Stop()
	}
	*m = mediaBooks{}
}

// mediaAfter is after for the records of media: seq is the number of the first record in pages.
func (s *session) mediaAfter(ctx context.Context, stop <-chan struct{}, after uint64, wait time.Duration) (pages [][]mediaRecord, dropped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.media
	s.await(ctx, stop, wait, func() bool { return after < uint64(m.records) })
	if after < uint64(m.records) {
		pages = append(pages, m.pages[after/pageSize:]...)
		pages[0] = pages[0][after%pageSize:]
	}
	return pages, m.dropped, !s.gone
}

// wire returns the record as clients are told it.
func (r *mediaRecord) wire(seq uint64) wire.Media {
	d := wire.In
	if r.out {
		d = wire.Out
	}
	return wire.Media{
		Seq: seq, At: time.Unix(0, r.at).UTC(), Direction: d, Local: r.local, Remote: r.remote, TTL: int(r.ttl), TOS: int(r.tos),
		Length: int(r.length), Head: r.head[:r.kept], Number: r.number, Proven: r.proven,
	}
}

// mediaRecords answers a poll for media, one record at a time, so that an answer of any size takes no memory of its own.
func (s *Server) mediaRecords(w http.ResponseWriter, r *http.Request, sess *session) {
	seq, wait, ok := s.poll(w, r, sess)
	if !ok {
		return
	}
	pages, dropped, ok := sess.mediaAfter(r.Context(), s.stop, seq, wait)
	s.polled(sess)
	if !ok {
		noSession(w)
		return
	}
	// Not every ResponseWriter has deadlines; the server's has.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.Limits.Answer))
	w.Header().Set("Content-Type", "application/json")
	if s.stopping() {
		w.Header().Set("Connection", "close")
	}
	out := bufio.NewWriterSize(w, 16<<10)
	enc := json.NewEncoder(out)
	out.WriteString(`{"media":[`)
	first := true
	for _, page := range pages {
		for i := range page {
			if !first {
				out.WriteByte(',')
			}
			first = false
			seq++
			if enc.Encode(page[i].wire(seq)) != nil {
				return // the client is gone: the connection's writes fail
			}
		}
	}
	out.WriteString(`],"next":` + strconv.FormatUint(seq, 10))
	if dropped > 0 {
		out.WriteString(`,"dropped":` + strconv.Itoa(dropped))
	}
	out.WriteString("}\n")
	out.Flush() // as above
}
