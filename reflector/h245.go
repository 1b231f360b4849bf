package reflector

import (
	"net/netip"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// ServiceH245 is H.245 on connections of its own, in [ListenError]. It is no target of the grant: where it listens is in the
// Connect of a call.
const ServiceH245 = "h245"

// h245 is H.245 on a TCP connection of its own. Which call it belongs to does not matter.
type h245 struct {
	st *stream
	tpkt
	pdu     h323.PDU
	control control
}

func newH245(st *stream) *h245 { return &h245{st: st, tpkt: newTPKT(st.srv.cfg.Limits)} }

func (p *h245) answer(message []byte) fate {
	p.pdu.ParseH245(message)
	defer tidy(&p.pdu)
	if p.pdu.Message == h323.MessageNone {
		return fate{silence: wire.SilenceMalformed}
	}
	if hello := p.pdu.Leaf(h323.FieldNone, 0, h323.PartData); hello != nil {
		p.st.live = marked(hello, wire.Live)
	}
	answers := p.control.answerAll(controls(&p.pdu), p.st)
	if len(answers) == 0 {
		return fate{silence: wire.SilenceUnanswered}
	}
	var r fate
	for _, m := range answers {
		raw, _, err := h323.AppendControlTPKT(nil, m)
		if err != nil {
			return fate{silence: wire.SilenceFailed}
		}
		r.answers = append(r.answers, raw)
	}
	return r
}

// control answers the H.245 messages of a call, on a connection of their own or tunnelled.
type control struct {
	described bool // its own capabilities are sent
	opened    bool // so is its own channel
}

// asked is an H.245 message, as far as it takes to answer it.
type asked struct {
	message  h323.Message
	sequence uint8  // sequenceNumber
	number   uint16 // of the logical channel, from 1 on; 0 if it has none
	channel  h323.Channel
	media    bool // the channel is one of audio or video
}

// maxTunnelled is how many H.245 messages of one H.225.0 message are answered, so that a Facility has room for the answers.
const maxTunnelled = 16

// controls returns the H.245 messages that there are in a message: itself, or those that it tunnels (H.323 8.2.1). What
// parallelH245Control of a Setup holds is none of them: who does not answer it has not taken it (8.2.4).
func controls(p *h323.PDU) (list []asked) {
	tunnelled := -1
	for _, s := range p.Spans {
		message, field := s.Message, s.Field
		if s.Field == h323.FieldH245Control {
			if int(s.Index) != tunnelled {
				if len(list) == maxTunnelled {
					break
				}
				tunnelled = int(s.Index)
				list = append(list, asked{message: s.Inner})
			}
			message, field = s.Inner, s.InnerField
		} else if !isControl(message) {
			continue
		} else if len(list) == 0 {
			list = append(list, asked{message: message})
		}
		a := &list[len(list)-1]
		value := s.Bytes(p.Raw)
		switch {
		case s.Part != h323.PartValue:
		case field == h323.FieldSequenceNumber && len(value) == 1:
			a.sequence = value[0]
		case field == h323.FieldForwardLogicalChannelNumber && len(value) == 2 && a.number == 0:
			a.number = uint16(value[0])<<8 + uint16(value[1]) + 1
			if message == h323.OLC {
				a.channel, a.media = channelAt(p.Raw, int(s.Off))
			}
		}
	}
	return list
}

// isControl says whether a message that stands for itself is one of H.245.
func isControl(m h323.Message) bool { return m >= h323.NonStandard }

// answerAll returns the answers to some messages, in their order.
func (c *control) answerAll(list []asked, st *stream) (out []h323.Control) {
	for _, a := range list {
		out = append(out, c.answer(a, st)...)
	}
	return out
}

// answer returns what a message is answered with: the acknowledgement that its procedure wants (H.245 Annex C), and with the
// first of a kind what this end has to say of itself.
func (c *control) answer(a asked, st *stream) []h323.Control {
	switch a.message {
	case h323.TerminalCapabilitySet:
		out := []h323.Control{h323.CapabilitySetAck{Sequence: a.sequence}}
		if !c.described {
			c.described = true
			out = append(out, h323.CapabilitySet{Sequence: 1})
		}
		return out
	case h323.MasterSlaveDetermination:
		return []h323.Control{h323.DeterminationAck{}} // the client is the master, whatever its numbers: that is never wrong to it
	case h323.OLC:
		if a.number != 0 {
			return c.answerChannel(a, st)
		}
	case h323.CloseLogicalChannel:
		if a.number != 0 {
			return []h323.Control{h323.ChannelCloseAck{Number: a.number}}
		}
	case h323.EndSessionCommand:
		return []h323.Control{h323.EndSession{}}
	}
	return nil
}

func (c *control) answerChannel(a asked, st *stream) []h323.Control {
	if !a.media {
		return []h323.Control{h323.ChannelReject{Number: a.number}}
	}
	session := uint8(1) // H.323 6.2.8.2 has 1 for audio and 2 for video
	if a.channel.Codec.Video() {
		session = 2
	}
	ports := st.mediaPorts()
	rtp, rtcp := ports.pair(0)
	out := []h323.Control{h323.ChannelAck{Number: a.number, Session: session, Media: rtp, MediaControl: rtcp}}
	if !c.opened {
		c.opened = true
		_, rtcp := ports.pair(1)
		out = append(out, h323.Channel{Number: 1, MediaControl: rtcp})
	}
	return out
}

// own returns what the client knows as the address of this end.
func (st *stream) own() netip.AddrPort { return st.on.own(st.local) }

// h245Address returns where the client shall open the H.245 connection of a call, the ports taking turns, or the zero address.
func (st *stream) h245Address() netip.AddrPort {
	addr, _ := st.srv.beside(st.srv.h245, st.own(), st.local, st.srv.announced.Add(1)-1)
	return addr
}
