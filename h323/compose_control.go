package h323

import (
	"cmp"
	"net/netip"
)

// Control is an H.245 message to be composed: NonStandardControl, Determination, DeterminationAck, CapabilitySet,
// CapabilitySetAck, Channel (an openLogicalChannel), ChannelAck, ChannelReject, ChannelClose, ChannelCloseAck, EndSession.
type Control interface {
	message() Message
	control(c *composer)
}

// AppendControl appends an H.245 message as it is tunnelled, without anything around it, and returns the addresses in it.
func AppendControl(dst []byte, m Control) ([]byte, []Span, error) {
	c := newComposer(dst)
	c.alone(m)
	return c.done(dst)
}

// AppendControlTPKT does so for a connection of H.245's own, where a packet header goes in front of every message
// (RFC 1006 6). Spans count from the header.
func AppendControlTPKT(dst []byte, m Control) ([]byte, []Span, error) {
	c := newComposer(dst)
	tpkt := c.tpkt()
	c.alone(m)
	c.patch(tpkt+2, c.Len()-tpkt)
	return c.done(dst)
}

// alone writes a message that nothing carries.
func (c *composer) alone(m Control) {
	if m == nil {
		c.Fail("no message of H.245")
		return
	}
	c.at.Message = m.message()
	m.control(c)
}

// controls writes messages that are tunnelled.
func (c *composer) controls(f Field, list []Control) {
	c.elements(f, len(list), func(i int) {
		if list[i] == nil {
			c.Fail("%s[%d]: no message", f, i)
			return
		}
		c.at.Inner = list[i].message()
		list[i].control(c)
	})
}

// controlKind is an alternative of MultimediaSystemControlMessage, controlRoots how many alternatives its own choice has.
type controlKind int

const (
	controlRequest controlKind = iota
	controlResponse
	controlCommand
	controlIndication
)

var controlRoots = [...]int{controlRequest: 11, controlResponse: 19, controlCommand: 7, controlIndication: 14}

func (c *composer) h245(kind controlKind, index int) {
	c.choice(int(kind), len(controlRoots), func() { c.choice(index, controlRoots[kind], null) })
}

// NonStandardControl is a non-standard message with octets of any kind: of all messages the one that cannot mean anything
// to a stranger. The zero value is a request without octets.
type NonStandardControl struct {
	// Indication makes it an indication, which nobody has to answer.
	Indication bool
	Data       []byte
}

func (NonStandardControl) message() Message { return NonStandard }

func (m NonStandardControl) control(c *composer) {
	kind := controlRequest
	if m.Indication {
		kind = controlIndication
	}
	c.h245(kind, 0)
	c.Bool(false)
	c.Bits(1, 1) // h221NonStandard; neither it nor the choice is extensible here, other than in H.225.0
	c.h221()
	c.String(m.Data...)
}

// Determination is a masterSlaveDetermination.
type Determination struct {
	// TerminalType is the rank (H.323 Table 1); 0 stands for 50, a terminal without an MC.
	TerminalType uint8
	// Number is the statusDeterminationNumber, at most 16777215.
	Number uint32
}

func (Determination) message() Message { return MasterSlaveDetermination }

func (m Determination) control(c *composer) {
	c.h245(controlRequest, 1)
	c.Bool(false)
	c.Int(uint64(cmp.Or(m.TerminalType, 50)), 0, 255)
	c.Int(uint64(m.Number), 0, 1<<24-1)
}

// DeterminationAck is a masterSlaveDeterminationAck. It tells the other end to be the master, or the slave.
type DeterminationAck struct{ Slave bool }

func (DeterminationAck) message() Message { return MasterSlaveDeterminationAck }

func (m DeterminationAck) control(c *composer) {
	c.h245(controlResponse, 1)
	c.Bool(false)
	c.Bool(m.Slave)
}

// Channel is an openLogicalChannel, also as an element of fastStart. The zero value opens channel 1 for audio, G.711 µ-law,
// from its sender to the other end, and names no address.
type Channel struct {
	// Number is the forwardLogicalChannelNumber; 0 stands for 1.
	Number uint16
	// Reverse proposes a channel from the other end to the sender, as fastStart does (H.323 8.1.7): the forward
	// parameters are empty, and data type and addresses go into the reverse ones.
	Reverse bool
	// Session is the RTP session; 0 stands for 1 with audio and 2 with video, as H.323 has them.
	Session uint8
	Codec   Codec
	// Media and MediaControl are where RTP and RTCP go to. Who will send the media has no use for an address to send it to:
	// in the forward direction stacks name MediaControl alone, for the receiver reports.
	Media, MediaControl netip.AddrPort
}

func (Channel) message() Message { return OLC }

func (m Channel) control(c *composer) {
	c.h245(controlRequest, 3)
	m.olc(c)
}

// olc writes the OpenLogicalChannel without a choice around it.
func (m Channel) olc(c *composer) {
	const h2250 = firstExtension
	c.Bool(false)
	c.Bool(m.Reverse)
	c.channelNumber(m.Number)
	c.Bits(0b00, 2) // portNumber
	if !m.Reverse {
		m.dataType(c)
		c.choice(h2250, 3, func() { m.h2250(c) })
		return
	}
	c.choice(1, 6, null)                // nullData
	c.choice(firstExtension+1, 3, null) // none
	c.Bool(false)
	c.Bool(true) // multiplexParameters
	m.dataType(c)
	c.choice(h2250, 2, func() { m.h2250(c) })
}

func (c *composer) channelNumber(n uint16) { c.Int(uint64(cmp.Or(n, 1)), 1, 65535) }

func (m Channel) dataType(c *composer) {
	if m.Codec.Video() {
		c.choice(2, 6, func() { c.video(m.Codec) })
	} else {
		c.choice(3, 6, func() { c.audio(m.Codec) })
	}
}

// h2250 writes H2250LogicalChannelParameters.
func (m Channel) h2250(c *composer) {
	c.Bool(false)
	c.Bits(0b00, 2) // nonStandard, associatedSessionID
	c.Bool(m.Media.IsValid())
	c.Bool(false) // mediaGuaranteedDelivery
	c.Bool(m.MediaControl.IsValid())
	c.Bits(0b00000, 5) // mediaControlGuaranteedDelivery to mediaPacketization
	session := uint64(m.Session)
	switch {
	case session != 0:
	case m.Codec.Video():
		session = 2
	default:
		session = 1
	}
	c.Int(session, 0, 255)
	c.media(m.Media, m.MediaControl)
}

// media writes the addresses of RTP and RTCP that there are. A preamble must have announced them.
func (c *composer) media(media, control netip.AddrPort) {
	if media.IsValid() {
		c.transport245(FieldMediaChannel, media)
	}
	if control.IsValid() {
		c.transport245(FieldMediaControlChannel, control)
	}
}

// ChannelAck is an openLogicalChannelAck with forwardMultiplexAckParameters. The zero value accepts channel 1, audio.
type ChannelAck struct {
	// Number is the forwardLogicalChannelNumber of the request, Session its RTP session; 0 stands for 1.
	Number  uint16
	Session uint8
	// Media and MediaControl are where the other end shall send RTP and RTCP to.
	Media, MediaControl netip.AddrPort
}

func (ChannelAck) message() Message { return OLCAck }

func (m ChannelAck) control(c *composer) {
	c.h245(controlResponse, 5)
	c.Bool(true)
	c.Bool(false) // reverseLogicalChannelParameters
	c.channelNumber(m.Number)
	c.additions(3, []addition{{1, "forwardMultiplexAckParameters", func() {
		c.choice(0, 1, func() {
			c.Bool(false)
			c.Bits(0b01, 2) // no nonStandard, sessionID
			c.Bool(m.Media.IsValid())
			c.Bool(m.MediaControl.IsValid())
			c.Bool(false) // dynamicRTPPayloadType
			c.Int(uint64(cmp.Or(m.Session, 1)), 1, 255)
			c.media(m.Media, m.MediaControl)
		})
	}}})
}

// ChannelReject is an openLogicalChannelReject for an unspecified cause.
type ChannelReject struct {
	// Number is the forwardLogicalChannelNumber of the request; 0 stands for 1.
	Number uint16
}

func (ChannelReject) message() Message { return OpenLogicalChannelReject }

func (m ChannelReject) control(c *composer) {
	c.h245(controlResponse, 6)
	c.Bool(false)
	c.channelNumber(m.Number)
	c.choice(0, 6, null)
}

// ChannelClose is a closeLogicalChannel that the user asked for.
type ChannelClose struct {
	// Number is the forwardLogicalChannelNumber; 0 stands for 1.
	Number uint16
}

func (ChannelClose) message() Message { return CloseLogicalChannel }

func (m ChannelClose) control(c *composer) {
	c.h245(controlRequest, 4)
	c.Bool(false)
	c.channelNumber(m.Number)
	c.Bits(0, 1) // source: user
}

// ChannelCloseAck is a closeLogicalChannelAck.
type ChannelCloseAck struct {
	// Number is the forwardLogicalChannelNumber; 0 stands for 1.
	Number uint16
}

func (ChannelCloseAck) message() Message { return CloseLogicalChannelAck }

func (m ChannelCloseAck) control(c *composer) {
	c.h245(controlResponse, 7)
	c.Bool(false)
	c.channelNumber(m.Number)
}

// EndSession is an endSessionCommand: disconnect.
type EndSession struct{}

func (EndSession) message() Message { return EndSessionCommand }

func (EndSession) control(c *composer) {
	c.h245(controlCommand, 5)
	c.choice(1, 3, null)
}
