package reflector

import (
	"sync/atomic"

	"nofixup/reflector/wire"
)

// Counters are what a server has counted since its start, and what it holds now.
type Counters struct {
	// Datagrams, by what became of them: Received is the sum of the six after it.
	Received  uint64 // taken from the sockets
	Empty     uint64 // dropped: no octets
	Oversize  uint64 // dropped: larger than a message may be
	BadSource uint64 // dropped: an address or port that cannot be answered
	Tokenless uint64 // dropped: no live token
	Kept      uint64 // got a receipt
	Spent     uint64 // dropped: the session's budget, or the memory for all sessions, was spent
	Panics    uint64 // of them, met a fault in the reflector

	ReceivedOctets uint64 // in the datagrams received
	Answered       uint64 // answers sent
	AnsweredOctets uint64 // in the answers sent
	ReadErrors     uint64 // failed reads of a socket

	Silences map[string]uint64 // kept and not answered, by the wire.Silence constants

	Connections        uint64 // HTTPS connections accepted
	ConnectionsRefused uint64 // HTTPS connections closed at once: too many
	ConnectionErrors   uint64 // failed TLS handshakes and the like
	Requests           uint64 // HTTPS requests
	Polls              int64  // waiting now

	Opened  uint64 // sessions opened
	Limited uint64 // sessions refused: the source opens too many
	Full    uint64 // sessions refused: no room
	Deleted uint64 // sessions ended by their client
	Expired uint64 // sessions ended by time
	Evicted uint64 // idle sessions that made room

	Sessions int   // live now
	Octets   int64 // of memory that receipts hold now
}

// counters is where they are counted.
type counters struct {
	received, empty, oversize, badSource, tokenless, kept, spent, panics atomic.Uint64

	receivedOctets, answered, answeredOctets, readErrors atomic.Uint64

	silences [len(silences)]atomic.Uint64

	connections, connectionsRefused, connectionErrors, requests atomic.Uint64
	polls                                                       atomic.Int64

	opened, limited, full, deleted, expired, evicted atomic.Uint64
}

// silences lists the reasons in the order of their counters.
var silences = [...]string{
	wire.SilenceACK, wire.SilenceResponse, wire.SilenceMalformed, wire.SilenceLarger,
	wire.SilenceUnproven, wire.SilencePort, wire.SilenceBudget, wire.SilenceFailed,
}

func (c *counters) silence(reason string) {
	if reason == "" {
		return
	}
	for i, name := range silences {
		if name == reason {
			c.silences[i].Add(1)
		}
	}
}

// Counters returns a snapshot.
func (s *Server) Counters() Counters {
	c := &s.counters
	out := Counters{
		Received:  c.received.Load(),
		Empty:     c.empty.Load(),
		Oversize:  c.oversize.Load(),
		BadSource: c.badSource.Load(),
		Tokenless: c.tokenless.Load(),
		Kept:      c.kept.Load(),
		Spent:     c.spent.Load(),
		Panics:    c.panics.Load(),

		ReceivedOctets: c.receivedOctets.Load(),
		Answered:       c.answered.Load(),
		AnsweredOctets: c.answeredOctets.Load(),
		ReadErrors:     c.readErrors.Load(),

		Silences: make(map[string]uint64, len(silences)),

		Connections:        c.connections.Load(),
		ConnectionsRefused: c.connectionsRefused.Load(),
		ConnectionErrors:   c.connectionErrors.Load(),
		Requests:           c.requests.Load(),
		Polls:              c.polls.Load(),

		Opened:  c.opened.Load(),
		Limited: c.limited.Load(),
		Full:    c.full.Load(),
		Deleted: c.deleted.Load(),
		Expired: c.expired.Load(),
		Evicted: c.evicted.Load(),

		Sessions: s.store.live(),
		Octets:   s.store.octets.Load(),
	}
	for i, name := range silences {
		out.Silences[name] = c.silences[i].Load()
	}
	return out
}
