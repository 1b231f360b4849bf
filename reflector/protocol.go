package reflector

import (
	"bytes"
	"errors"

	"nofixup/h323"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// protocol is what a TCP connection speaks: how its octets are cut into messages, and what goes back to them. Only the
// goroutine that reads the connection calls it.
type protocol interface {
	// next returns how many octets the frame at the start of buf has, and whether it is a message: otherwise it only keeps
	// the connection alive. The error is errShort if more must come first; after any other one nothing can be cut any more.
	// Until next has returned a frame, buf begins with the same octets at every call.
	next(buf []byte) (n int, message bool, err error)
	// answer says what becomes of a message. The connection is a session's by then.
	answer(message []byte) fate
}

// fate is what becomes of a message: what goes back, each with a write and a receipt of its own, or the reason why nothing
// does.
type fate struct {
	answers [][]byte
	silence string
	sip     bool // it is a SIP request or response, which actions can go by
}

var (
	errShort  = errors.New("the message is not complete")
	errSyntax = errors.New("no message, or one too large")
)

// speak chooses what a connection speaks, by its port and on the neutral one by its first octet. What is another protocol's
// cannot be cut then: text ends a connection to the ports of H.323, and a TPKT is no message of SIP.
func (st *stream) speak(first byte) protocol {
	switch service := st.on.service; {
	case service == ServiceH245:
		return newH245(st)
	case service == wire.ServiceH225, service == wire.ServiceNeutral && kindOf(first) == kindTPKT && st.srv.cfg.H225 != Off:
		return newH225(st)
	}
	return newSIP(st)
}

// sipStream is SIP over TCP (RFC 3261 18.3).
type sipStream struct {
	st      *stream
	framer  sip.Framer
	compose composer
}

func newSIP(st *stream) *sipStream {
	return &sipStream{st: st, framer: sip.Framer{Limits: st.srv.cfg.Limits.streamLimits()}}
}

func (p *sipStream) next(buf []byte) (int, bool, error) {
	most := p.st.srv.cfg.Limits.MessageOctets
	switch f, err := p.framer.Next(buf); {
	case errors.Is(err, sip.ErrShort) && p.framer.Need() <= most:
		return 0, false, errShort
	case err != nil || f.Len > most:
		return 0, false, errSyntax
	default:
		return f.Len, f.Kind == sip.KindMessage, nil
	}
}

func (p *sipStream) answer(message []byte) fate {
	silence := p.compose.parse(message)
	r := fate{silence: silence, sip: silence != wire.SilenceMalformed || p.compose.msg.IsRequest()}
	if silence == "" {
		nonce := p.st.srv.store.nonce(p.st.sess.token, p.st.remote.Addr())
		p.compose.write(p.st.remote, nonce[:], complete)
		r.answers = [][]byte{bytes.Clone(p.compose.out)}
	}
	return r
}

// maxTPKT is the largest H.323 message over TCP that is taken, its header included. A Setup with all that there is has a few
// thousand octets.
const maxTPKT = 16 << 10

// tpkt cuts a stream into the packets of RFC 1006, as both H.225.0 and H.245 have them. One without contents keeps the
// connection alive.
type tpkt struct {
	framer h323.Framer
	most   int // octets of a packet
}

func newTPKT(l Limits) tpkt { return tpkt{most: min(maxTPKT, l.MessageOctets)} }

func (t *tpkt) next(buf []byte) (int, bool, error) {
	switch f, err := t.framer.Next(buf); {
	case errors.Is(err, h323.ErrShort) && t.framer.Need() <= t.most:
		return 0, false, errShort
	case err != nil || f.Len > t.most:
		return 0, false, errSyntax
	default:
		return f.Len, len(f.Payload(buf)) > 0, nil
	}
}

// maxPDUSpans is the most spans that are kept room for between two messages of a connection: 16 KiB.
const maxPDUSpans = 512

// tidy lets go of the room that an unusual message took, and of the message.
func tidy(p *h323.PDU) {
	if p.Raw = nil; cap(p.Spans) > maxPDUSpans {
		p.Spans = nil
	}
}
