package probe

import (
	"encoding/binary"
	"net/netip"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/reflector/wire"
)

// Steps of RAS. GRQ is the one that leaves nothing behind. A gateway that sees an RRQ opens a lasting way in to the address
// that it names, so it is sent only when it is asked for, with a time to live, and taken back by URQ.
const (
	stepGRQ = "grq"
	stepRRQ = "rrq"
	stepARQ = "arq"
	stepURQ = "urq"
)

const registrationTime = 60 // seconds for which RRQ and REGISTER ask

// gatekeeper is what a flow's registration at one has brought.
type gatekeeper struct {
	endpoint string         // the name that it gave to the endpoint, empty before
	call     netip.AddrPort // callSignalAddress of the RRQ
}

// rasRequest sends a request of RAS. nonStandardData holds its number, and the reflector's nonce, which proves the source
// address.
func (r *runner) rasRequest(l *link, s Step, try int, own netip.AddrPort) *sent {
	number := r.nextNumber()
	r.mu.Lock()
	nonce, gk := l.flow.nonce, l.flow.gatekeeper
	r.mu.Unlock()
	tag := wire.Tag{Token: r.session.Grant.Token, Number: number}.String()
	aliases := []h323.Alias{{Kind: h323.AliasH323ID, Value: "nofixup"}, {Kind: h323.AliasURL, Value: "h323:nofixup@example.net"}}
	var body h323.RASBody
	switch s.Name {
	case stepRRQ:
		// A port on which nobody listens here: what a gateway opens leads nowhere.
		gk.call = netip.AddrPortFrom(own.Addr(), r.ports.take(2))
		body = h323.RegistrationRequest{
			Discovered: true, CallSignalAddress: []netip.AddrPort{gk.call}, RASAddresses: []netip.AddrPort{own},
			Aliases: aliases, TimeToLive: registrationTime,
		}
		r.mu.Lock()
		l.flow.gatekeeper.call = gk.call
		r.mu.Unlock()
		r.note("a registration with a gatekeeper was asked for, for a minute: an application gateway may keep a way in to this computer open for some minutes, to a port on which nothing listens")
	case stepARQ:
		token := r.session.Grant.Token
		arq := h323.AdmissionRequest{
			Endpoint: gk.endpoint, Source: aliases, Destination: aliases, SrcCallSignalAddress: gk.call,
			Reference: uint16(number), ID: token, ConferenceID: token,
		}
		binary.BigEndian.PutUint32(arq.ID[12:], number)
		body = arq
	case stepURQ:
		body = h323.UnregistrationRequest{CallSignalAddress: []netip.AddrPort{gk.call}, Aliases: aliases, Endpoint: gk.endpoint}
	default:
		body = h323.GatekeeperRequest{RASAddress: own, Aliases: aliases}
	}
	raw, _, err := h323.RASMessage{
		Seq: uint16(number)&0x7FFF | 1, NonStandard: []byte(tag + nonce), Body: body,
	}.Append(nil)
	if err != nil {
		panic("probe: " + err.Error()) // what goes in is of our making
	}
	m := &sent{number: number, link: l, step: s, try: try, raw: raw}
	r.transmit(m)
	return m
}

// confirmed takes the answer to a request of RAS. The reflector goes by the nonce as a gatekeeper.
func (r *runner) confirmed(m *sent, got *sighting) {
	var p h323.PDU
	p.ParseRAS(got.raw)
	r.mu.Lock()
	defer r.mu.Unlock()
	if nonce := latin(p.Value(h323.FieldGatekeeperIdentifier)); nonce != "" {
		m.link.flow.nonce = nonce
	}
	if p.Message == h323.RCF {
		m.link.flow.gatekeeper.endpoint = latin(p.Value(h323.FieldEndpointIdentifier))
	}
}

// latin reads a BMPString, two octets a character, that holds nothing but ASCII.
func latin(bmp []byte) string {
	var text []byte
	for i, c := range bmp {
		if i%2 == 1 {
			text = append(text, c)
		}
	}
	return string(text)
}

// bracket is the message known to be good that goes around others on a flow.
func (r *runner) bracket(flow int) Step {
	s := Step{Flow: flow, Name: stepBracket, Shape: alg.ShapeLocal, Role: alg.RoleBracket}
	switch r.plan.Flows[flow].Path.Proto {
	case alg.ProtoRAS:
		s.Name = "grq-bracket"
	case alg.ProtoH323:
		s.Name = "facility-bracket"
	}
	return s
}
