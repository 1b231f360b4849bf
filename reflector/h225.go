package reflector

import (
	"math"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// h225 is H.225.0 call signalling over TCP: an endpoint that takes every call. It keeps of a call what its own messages have
// to repeat, and no state beside that: a message is answered by what it says.
type h225 struct {
	st *stream
	tpkt
	pdu     h323.PDU
	call    call
	control control // of the call, where H.245 is tunnelled
}

// call is what all messages of a call have in common.
type call struct {
	display        string
	id, conference [16]byte
	tunnelling     bool
}

func newH225(st *stream) *h225 { return &h225{st: st, tpkt: newTPKT(st.srv.cfg.Limits)} }

func (p *h225) answer(message []byte) fate {
	p.pdu.ParseCall(message)
	defer tidy(&p.pdu)
	reference, fromCallee, ok := p.pdu.CallReference()
	if !ok || p.pdu.Message == h323.MessageNone {
		return fate{silence: wire.SilenceMalformed}
	}
	var fast []h323.Channel
	if p.pdu.Message == h323.Setup {
		if p.call, ok = newCall(&p.pdu); !ok {
			return fate{silence: wire.SilenceMalformed}
		}
		p.control = control{}
		p.st.live = marked(p.pdu.Display(), wire.Live)
		fast = accept(offers(&p.pdu), p.st)
	}
	own := p.call
	own.repeat(&p.pdu)
	// The flag says who sends: in a call of the reflector's own it is the client who is called (Q.931 4.3).
	head := h323.CallMessage{
		Reference: reference, FromCallee: !fromCallee, Display: own.display, ID: own.id, Tunnelling: own.tunnelling,
	}
	var out []h323.CallMessage
	if p.pdu.Message == h323.Setup {
		out = p.takeCall(head, fast)
	}
	if answers := p.control.answerAll(controls(&p.pdu), p.st); len(answers) > 0 {
		head.Body, head.Tunnelling, head.Control = h323.FacilityBody{}, true, answers
		out = append(out, head)
	}
	return composed(out)
}

// takeCall answers a Setup as an endpoint does that rings and is picked up at once (H.323 8.1). A call that tunnels H.245, or
// whose media fast start has settled, gets no address for a connection of its own (8.2.1, 8.1.7.1): an application gateway
// expects a connection to every address that it is shown, and would take the next call's, to the control port, for it.
func (p *h225) takeCall(head h323.CallMessage, fast []h323.Channel) []h323.CallMessage {
	connect := h323.AnswerBody{Message: h323.Connect, ConferenceID: p.call.conference}
	if !p.call.tunnelling && len(fast) == 0 {
		connect.H245Address = p.st.h245Address()
	}
	bodies := []h323.CallBody{
		h323.AnswerBody{Message: h323.CallProceeding},
		h323.AnswerBody{Message: h323.Alerting, FastStart: fast},
		connect,
	}
	out := make([]h323.CallMessage, len(bodies))
	for i, body := range bodies {
		out[i] = head
		out[i].Body = body
	}
	return out
}

// composed makes octets of messages. One that cannot be sent takes all the others with it.
func composed(list []h323.CallMessage) fate {
	if len(list) == 0 {
		return fate{silence: wire.SilenceUnanswered}
	}
	var r fate
	for _, m := range list {
		raw, _, err := m.Append(nil)
		if err != nil {
			return fate{silence: wire.SilenceFailed}
		}
		r.answers = append(r.answers, raw)
	}
	return r
}

// newCall reads from a Setup what its answers must have. Version 1 of H.225.0, which has no callIdentifier, is not spoken.
func newCall(setup *h323.PDU) (c call, ok bool) {
	c.repeat(setup)
	return c, len(setup.CallIdentifier()) == len(c.id) && len(setup.ConferenceID()) == len(c.conference)
}

// repeat takes over what a message has.
func (c *call) repeat(p *h323.PDU) {
	if text := p.Display(); text != nil {
		c.display = sendable(text)
	}
	if id := p.CallIdentifier(); len(id) == len(c.id) {
		c.id = [16]byte(id)
	}
	if id := p.ConferenceID(); len(id) == len(c.conference) {
		c.conference = [16]byte(id)
	}
	if v := p.Value(h323.FieldH245Tunnelling); len(v) > 0 {
		c.tunnelling = v[0]&0x80 != 0 // a BOOLEAN that is an open type (X.691 11)
	}
}

// sendable returns a Display that can be sent back, or nothing: ASCII, at most 82 octets (H.225.0 7.2.2.15).
func sendable(display []byte) string {
	if len(display) > 82 {
		return ""
	}
	for _, c := range display {
		if c > 0x7e {
			return ""
		}
	}
	return string(display)
}

// setup makes the Setup by which the reflector calls the client (H.323 8.1.1), over a connection that the client has opened.
// Nothing in it is the client's but the addresses that its own socket shows.
func (st *stream) setup(token wire.Token, number uint32, port uint16) ([]byte, error) {
	tag := wire.Tag{Token: token, Number: number}
	media, rtcp := ports{addr: st.own().Addr(), turn: st.srv.mediaTurn(), media: st.srv.mediaPorts, first: port}.pair(0)
	raw, _, err := h323.CallMessage{
		Reference: uint16(number%math.MaxInt16) + 1, // 0 is the global call reference (Q.931 4.3)
		Display:   tag.String(),
		ID:        wire.NewToken(),
		Body: h323.SetupBody{
			SourceCallSignalAddress: st.own(),
			DestCallSignalAddress:   st.remote,
			ConferenceID:            token,
			FastStart: []h323.Channel{
				{Number: 1, MediaControl: rtcp},
				{Number: 2, Reverse: true, Media: media, MediaControl: rtcp},
			},
		},
	}.Append(nil)
	return raw, err
}
