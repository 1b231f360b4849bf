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
	Panics    uint64 // faults in the reflector, over TCP and HTTPS as well

	ReceivedOctets uint64 // in the datagrams received
	Answered       uint64 // answers sent, over UDP and TCP
	AnsweredOctets uint64 // in the answers sent
	ReadErrors     uint64 // failed reads of a socket, and failed accepts

	Media           uint64 // of the datagrams kept, those that came to the ports of media
	MediaSent       uint64 // media packets sent
	MediaSentOctets uint64 // in them
	Pinholes        uint64 // datagrams sent to announced ports and their neighbours

	Silences map[string]uint64 // datagrams and reads kept and not answered, by the wire.Silence constants

	Actions       uint64 // messages that clients had sent to them
	ActionOctets  uint64 // in them
	ActionsFailed uint64 // refused, or not sent

	Streams          uint64 // TCP connections for probes accepted, on the HTTPS port as well
	StreamsRefused   uint64 // closed at once: too many
	StreamsTokenless uint64 // ended without a live token, or beyond the session's limits
	StreamsOpen      int64  // now
	StreamOctets     uint64 // received over them
	StreamReads      uint64 // of them, reads that got a receipt
	StreamsUnsecured uint64 // of these, the ones that ended before or in their TLS handshake: no TLS, a failure, too many from the source
	StreamsSpent     uint64 // ended since the session's limits, or the memory for all sessions, were spent

	Connections        uint64 // accepted on the HTTPS port
	ConnectionsRefused uint64 // closed at once on the HTTPS port: too many
	ConnectionsStreams uint64 // of those accepted, the ones that began as SIP or H.225: from there on they count as streams
	ConnectionsUnknown uint64 // of those accepted, the ones closed since their first octet said nothing, or did not come in time
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

	media, mediaSent, mediaSentOctets, pinholes atomic.Uint64

	silences [len(silences)]atomic.Uint64

	actions, actionOctets, actionsFailed atomic.Uint64

	streams, streamsRefused, streamsTokenless, streamOctets, streamReads, streamsSpent, streamsUnsecured atomic.Uint64
	streamsOpen                                                                                          atomic.Int64

	connections, connectionsRefused, connectionsStreams, connectionsUnknown atomic.Uint64

	connectionErrors, requests atomic.Uint64
	polls                      atomic.Int64

	opened, limited, full, deleted, expired, evicted atomic.Uint64
}

// silences lists the reasons in the order of their counters.
var silences = [...]string{
	wire.SilenceACK, wire.SilenceResponse, wire.SilenceMalformed, wire.SilenceLarger,
	wire.SilenceUnproven, wire.SilencePort, wire.SilenceBudget, wire.SilenceQuiet, wire.SilenceUnanswered, wire.SilencePartial,
	wire.SilenceFailed,
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

		Media:           c.media.Load(),
		MediaSent:       c.mediaSent.Load(),
		MediaSentOctets: c.mediaSentOctets.Load(),
		Pinholes:        c.pinholes.Load(),

		Silences: make(map[string]uint64, len(silences)),

		Actions:       c.actions.Load(),
		ActionOctets:  c.actionOctets.Load(),
		ActionsFailed: c.actionsFailed.Load(),

		Streams:          c.streams.Load(),
		StreamsRefused:   c.streamsRefused.Load(),
		StreamsTokenless: c.streamsTokenless.Load(),
		StreamsOpen:      c.streamsOpen.Load(),
		StreamOctets:     c.streamOctets.Load(),
		StreamReads:      c.streamReads.Load(),
		StreamsUnsecured: c.streamsUnsecured.Load(),
		StreamsSpent:     c.streamsSpent.Load(),

		Connections:        c.connections.Load(),
		ConnectionsRefused: c.connectionsRefused.Load(),
		ConnectionsStreams: c.connectionsStreams.Load(),
		ConnectionsUnknown: c.connectionsUnknown.Load(),
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
