package reflector

import (
	"net/netip"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// gatekeeper answers RAS (H.225.0 7.5) as a gatekeeper that takes everybody and keeps nothing. Of a request it repeats
// requestSeqNum and nonStandardData, in which the client has its tag; the rest of an answer is its own. It reuses its memory;
// an answer is good until the next one.
type gatekeeper struct {
	pdu h323.PDU
	out []byte
}

// places are addresses of ours as a client knows them.
type places struct {
	ras  netip.AddrPort
	h225 netip.AddrPort // zero if there is none
}

// maxTimeToLive is the longest registration in seconds: an application gateway keeps a way in open for as long.
const maxTimeToLive = 60

// answer returns the answer to a datagram, or the reason for which there is none. It is not longer than the request.
func (g *gatekeeper) answer(req []byte, own places, nonce []byte) (answer []byte, silence string) {
	g.pdu.ParseRAS(req)
	defer tidy(&g.pdu)
	seq := g.pdu.SequenceNumber()
	if seq == 0 {
		return nil, wire.SilenceMalformed
	}
	body := g.body(own, string(nonce))
	if body == nil {
		return nil, wire.SilenceUnanswered
	}
	var err error
	g.out, _, err = h323.RASMessage{
		Seq:         seq,
		NonStandard: g.pdu.Leaf(h323.FieldNonStandardData, 0, h323.PartData),
		Body:        body,
	}.Append(g.out[:0])
	switch {
	case err != nil:
		return nil, wire.SilenceFailed
	case len(g.out) > len(req):
		return nil, wire.SilenceLarger
	}
	return g.out, ""
}

// body returns what the message is answered with, or nil. The nonce proves the address of who sends it back.
func (g *gatekeeper) body(own places, nonce string) h323.RASBody {
	switch g.pdu.Message {
	case h323.GRQ:
		return h323.GatekeeperConfirm{Gatekeeper: nonce, RASAddress: own.ras}
	case h323.RRQ:
		return h323.RegistrationConfirm{Endpoint: nonce, TimeToLive: g.timeToLive()}
	case h323.URQ:
		return h323.UnregistrationConfirm{}
	case h323.ARQ:
		if own.h225.IsValid() {
			return h323.AdmissionConfirm{DestCallSignalAddress: own.h225}
		}
	}
	return nil
}

// timeToLive returns what the request asks for, as far as it is granted. The INTEGER of 1 to 2^32-1 has as few octets as it
// needs and is one less on the wire (X.691 12.2.6).
func (g *gatekeeper) timeToLive() uint32 {
	value := g.pdu.Value(h323.FieldTimeToLive)
	if len(value) == 0 {
		return maxTimeToLive
	}
	var n uint64
	for _, c := range value {
		n = n<<8 | uint64(c)
	}
	return uint32(min(n, maxTimeToLive-1)) + 1
}

// takesRAS says whether a datagram is RAS: all are on its own port, and on the neutral one those that do not begin as SIP
// does and are no STUN, which phones send between SIP messages (RFC 5626 3.5.2).
func (svc *service) takesRAS(datagram []byte) bool {
	return svc.ras != nil && (svc.service == wire.ServiceRAS || kindOf(datagram[0]) != kindText && !isSTUN(datagram))
}

// isSTUN tells STUN by its magic cookie and the two zero bits before it (RFC 8489 6.3).
func isSTUN(datagram []byte) bool {
	return len(datagram) >= 20 && datagram[0]&0xc0 == 0 && string(datagram[4:8]) == "\x21\x12\xa4\x42"
}

// answer returns the answer to a datagram in the protocol that it speaks, or the reason for which there is none.
func (s *Server) answer(svc *service, raw []byte, local, remote netip.AddrPort, nonce []byte) (answer []byte, silence string) {
	if !svc.takesRAS(raw) {
		return svc.compose.answer(raw, remote, nonce)
	}
	own := svc.own(local)
	h225, _ := s.beside(s.h225, own, local, 0)
	return svc.ras.answer(raw, places{own, h225}, nonce)
}
