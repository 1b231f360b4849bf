package probe

import (
	"bytes"
	"slices"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

// alien is what arrived over a connection and could not be told to be a message of ours: it has no tag, the tag of a message
// that is there already, or is no whole message.
type alien struct {
	link    *link
	got     *sighting
	inbound bool
	double  bool // it has the tag of a message that is there already
}

// maxAliens bounds what is kept of them, should somebody flood a connection.
const maxAliens = 1024

// stray enters what came over a connection to here.
func (l *ledger) stray(at *link, got *sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tag, ok := wire.FindTag(got.raw, l.token)
	if len(l.aliens) >= maxAliens {
		l.flooded = true
		return
	}
	l.aliens = append(l.aliens, alien{at, got, true, ok && (l.sent[tag.Number] != nil || l.asked[tag.Number] != nil)})
}

// leftover enters what a connection to here ended with and was no whole message.
func (l *ledger) leftover(at *link, got *sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.missed(at, got) {
		l.notify()
		return
	}
	l.aliens = append(l.aliens, alien{at, got, true, false})
}

// resolve says what became of the aliens when all receipts are known: each is the first message of its direction that is
// missing on its connection, spoilt, or else something that nobody at the other end sent. TCP doubles nothing, so that a
// second copy is somebody's, too. A 100 is whoever's said it, hop by hop (RFC 3261 16.7), and stands for no other, nor does what
// a proxy acknowledges a refusal with. The ledger is locked.
func (l *ledger) resolve() {
	for _, a := range l.aliens {
		switch {
		case a.inbound && isTrying(a.got.raw):
			l.extra = append(l.extra, &extra{link: a.link, got: a.got, inbound: true})
		case !a.inbound && l.ownACK(a.got.raw):
			l.unsent(a.link, a.got)
		case a.inbound && l.missed(a.link, a.got), !a.inbound && l.missing(a.link, a.got):
		case !a.double && l.displaced(a.link, a.got.raw, a.inbound):
		case a.inbound:
			l.extra = append(l.extra, &extra{link: a.link, got: a.got, inbound: true})
		default:
			l.unsent(a.link, a.got)
		}
	}
	l.aliens = nil
}

// ownACK reports that a message which the reflector received is the ACK of a proxy for an INVITE that went through it: it bears the Via
// that the proxy put in front of that, and no other (RFC 3261 17.1.1.3). The client's own ends at the proxy. There need be no tag
// in it. The ledger is locked.
func (l *ledger) ownACK(raw []byte) bool {
	if !bytes.HasPrefix(raw, []byte("ACK ")) {
		return false
	}
	ack := sip.Parse(raw)
	own := ack.Value(sip.HeaderVia, 0)
	return vias(&ack) == 1 && slices.ContainsFunc(l.order, func(s *sent) bool {
		if s.there == nil || !bytes.HasPrefix(s.raw, []byte("INVITE ")) || !bytes.Contains(s.there.raw, own) {
			return false
		}
		sent, got := sip.Parse(s.raw), sip.Parse(s.there.raw)
		return vias(&got) > vias(&sent) && bytes.Equal(got.Value(sip.HeaderVia, 0), own)
	})
}

// vias counts the Vias of a message, as far as 16: more hops there are not.
func vias(m *sip.Message) (n int) {
	for n < 16 && m.Value(sip.HeaderVia, n) != nil {
		n++
	}
	return n
}

// displaced reports that octets are the rest of a message that was cut too short: a gateway that breaks Content-Length puts the
// stream out of step. They are not somebody else's, and what became of the message tells of them.
func (l *ledger) displaced(at *link, raw []byte, inbound bool) bool {
	const end = 16 // octets that tell the end of one message from that of another
	short := func(sent, got *sighting) bool {
		return sent != nil && got != nil && !bytes.HasSuffix(got.raw, sent.raw[max(0, len(sent.raw)-end):]) && bytes.Contains(sent.raw, raw)
	}
	for _, s := range l.order {
		if s.link == at && (inbound && short(s.reply, s.answer) || !inbound && short(&sighting{raw: s.raw}, s.there)) {
			return true
		}
	}
	for _, a := range l.requests {
		if a.link == at && inbound && short(a.out, a.in) {
			return true
		}
	}
	return false
}

// missing takes something for the first message of a link that the reflector did not receive, if there is one.
func (l *ledger) missing(at *link, got *sighting) bool {
	i := slices.IndexFunc(l.order, func(s *sent) bool { return s.link == at && s.there == nil && s.failed == nil })
	if i >= 0 {
		l.saw(l.order[i], got)
	}
	return i >= 0
}

// missed takes something for the first message of the reflector that did not arrive over a link, if there is one. The
// beginning of that message, untouched, says no more than that the rest did not come.
func (l *ledger) missed(at *link, got *sighting) bool {
	for _, s := range l.order {
		if s.link == at && s.reply != nil && s.answer == nil {
			if !bytes.HasPrefix(s.reply.raw, got.raw) {
				s.answer = got
			}
			return true
		}
	}
	for _, a := range l.requests {
		if a.link == at && a.out != nil && a.in == nil {
			if !bytes.HasPrefix(a.out.raw, got.raw) {
				a.in = got
			}
			return true
		}
	}
	return false
}
