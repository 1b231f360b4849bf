package h323

import (
	"fmt"
	"math"
	"net/netip"

	"nofixup/h323/per"
)

// Composing in this package follows one rule: what cannot be sent as it was asked for is an error, nothing is cut or left
// out. An error leaves the destination as it was. With every message come the spans of the addresses in it, found while they
// were written: in the order of the message, with offsets from its first octet.

// CallMessage is a message of H.225.0 call signalling to be composed: TPKT, Q.931 and H323-UserInformation. The zero value
// is an empty message of a call with nothing but zeros for its identifiers.
type CallMessage struct {
	// Reference is the call reference value, at most 32767. FromCallee is its flag: set in all that the callee sends.
	Reference  uint16
	FromCallee bool
	// Display, if not empty, is the text of a Display information element: ASCII, at most 80 octets, since the element may
	// have 82 (Q.931 4.5.16).
	Display string
	// Version is the version of H.225.0 that the message claims and whose count of extension additions it has, 2 to 8. 0
	// means what the ExtensionBits of a Setup ask for, otherwise 4.
	Version uint8
	// ID is the call identifier.
	ID [16]byte
	// Body is what the message says; none stands for an empty one, which goes as Facility and is named so.
	Body CallBody
	// Tunnelling is h245Tunnelling. Control are the messages of h245Control.
	Tunnelling bool
	Control    []Control
}

// CallBody is the body of a CallMessage: SetupBody, AnswerBody, FacilityBody or ReleaseBody.
type CallBody interface {
	message() Message
	compose(c *composer, m *CallMessage)
}

// callKinds holds the message types of Q.931 4.4 and the place of a body in the choice h323-message-body.
var callKinds = map[Message]struct {
	code byte
	body int
}{
	Setup:           {0x05, 0},
	CallProceeding:  {0x02, 1},
	Connect:         {0x07, 2},
	Alerting:        {0x01, 3},
	ReleaseComplete: {0x5A, 5},
	Facility:        {0x62, 6},
	Progress:        {0x03, firstExtension},
}

// emptyBody is the place of a body that says nothing.
const emptyBody = firstExtension + 1

// Append appends the message to dst and returns the addresses in it.
func (m CallMessage) Append(dst []byte) ([]byte, []Span, error) {
	c := newComposer(dst)
	c.at.Message = Facility
	if m.Body != nil {
		c.at.Message = m.Body.message()
	}
	kind, ok := callKinds[c.at.Message]
	switch {
	case !ok:
		c.Fail("no body of call signalling has this name")
	case m.Body == nil:
		kind.body = emptyBody
	}
	tpkt := c.tpkt()
	reference := m.Reference
	if reference > math.MaxInt16 {
		c.Fail("call reference %d, at most %d", reference, math.MaxInt16)
	}
	if m.FromCallee {
		reference |= 1 << 15
	}
	c.Octets(0x08, 2, byte(reference>>8), byte(reference), kind.code)
	if c.at.Message == Setup {
		// Unrestricted digital information, 384 kbit/s, H.221 and H.242: a video call (H.225.0 7.2.2.1).
		c.Octets(0x04, 3, 0x88, 0x93, 0xA5)
	}
	c.display(m.Display)
	c.Octets(0x7E, 0, 0)
	uu := c.Len()
	c.Octets(0x05) // X.208 and X.209 coded (Q.931 4.5.30)
	c.pdu(&m, kind.body)
	c.patch(uu-2, c.Len()-uu)
	c.patch(tpkt+2, c.Len()-tpkt)
	return c.done(dst)
}

// pdu writes H323-UserInformation with its H323-UU-PDU.
func (c *composer) pdu(m *CallMessage, body int) {
	version := m.version()
	c.Bits(0b00, 2) // no extension, no user-data
	c.Bits(0b10, 2) // extensions, no nonStandardData
	c.choice(body, 7, func() {
		if m.Body != nil {
			m.Body.compose(c, m)
		}
	})
	count := 9
	if version < 4 {
		count = 4
	}
	c.additions(count, []addition{
		{1, "h245Tunnelling", func() { c.Bool(m.Tunnelling) }},
		{2, "h245Control", when(len(m.Control) > 0, func() { c.controls(FieldH245Control, m.Control) })},
	})
}

func (m *CallMessage) version() uint8 {
	if m.Version != 0 {
		return m.Version
	}
	if setup, ok := m.Body.(interface{ version() uint8 }); ok {
		return setup.version()
	}
	return 4
}

const maxDisplay = 80

func (c *composer) display(text string) {
	if text == "" {
		return
	}
	if len(text) > maxDisplay {
		c.Fail("display of %d octets, at most %d", len(text), maxDisplay)
		return
	}
	c.ascii("display", text)
	c.Octets(0x28, byte(len(text)))
	c.Octets([]byte(text)...)
}

// composer writes a message and remembers where its addresses are.
type composer struct {
	*per.Writer
	start int // of the message in the buffer
	spans []Span
	at    Span // names what is being written
}

func newComposer(dst []byte) *composer { return &composer{Writer: per.NewWriter(dst), start: len(dst)} }

// done ends a message that was to be appended to dst.
func (c *composer) done(dst []byte) ([]byte, []Span, error) {
	if err := c.Err(); err != nil {
		return dst, nil, fmt.Errorf("compose %s: %w", c.at.Message, err)
	}
	return c.Buf(), c.spans, nil
}

// tpkt writes a packet header (RFC 1006 6) whose length is yet to be patched, and returns where it is.
func (c *composer) tpkt() int {
	at := c.Len()
	c.Octets(3, 0, 0, 0)
	return at
}

// patch sets the two octets at the place to a length.
func (c *composer) patch(at, length int) {
	if length > math.MaxUint16 {
		c.Fail("%d octets, at most %d", length, math.MaxUint16)
	}
	b := c.Buf()
	b[at], b[at+1] = byte(length>>8), byte(length)
}

// open writes an open type, or an OCTET STRING with an encoding in it. As the length comes before contents that are not
// there yet, the spans within move when it is put in.
func (c *composer) open(write func()) {
	at, first := c.Open(), len(c.spans)
	write()
	moved := int32(c.Close(at))
	for i := range c.spans[first:] {
		c.spans[first+i].Off += moved
		c.spans[first+i].End += moved
	}
}

// firstExtension and what is above it stand for the alternatives after the extension mark of a choice.
const firstExtension = 1 << 8

// choice writes an extensible choice with so many alternatives in its root. An extension is an open type.
func (c *composer) choice(index, root int, write func()) {
	if index < firstExtension {
		c.Bool(false)
		c.Int(uint64(index), 0, uint64(root-1))
		write()
		return
	}
	c.Bool(true)
	c.Small(index - firstExtension)
	c.open(write)
}

// null is an alternative without a value.
func null() {}

// addition is an extension addition of a sequence: its number, from 0, and the name that an error gives it.
type addition struct {
	number int
	name   string
	write  func() // nil if it is absent
}

func when(present bool, write func()) func() {
	if !present {
		return nil
	}
	return write
}

// additions writes count extension additions, those listed in their order and the others absent (X.691 18.7 to 18.9). The
// sequence must have begun with its extension bit set.
func (c *composer) additions(count int, list []addition) {
	var bitmap uint64
	for _, a := range list {
		switch {
		case a.write == nil:
		case a.number >= count:
			c.Fail("%s: it is addition %d and the message has %d", a.name, a.number+1, count)
		default:
			bitmap |= 1 << (count - 1 - a.number)
		}
	}
	c.Small(count - 1)
	c.Bits(bitmap, count)
	for _, a := range list {
		if a.write != nil {
			c.open(a.write)
		}
	}
}

// address writes the octets and the port of an address with a span each. Both begin on an octet boundary.
func (c *composer) address(f Field, index int, a netip.AddrPort) {
	span := c.at
	if span.Field == FieldNone {
		span.Field, span.Index = f, uint16(index)
	} else {
		span.InnerField, span.InnerIndex = f, uint16(index)
	}
	mark := func(part Part, octets ...byte) {
		c.Align()
		span.Off, span.Part = int32(c.Len()-c.start), part
		c.Octets(octets...)
		span.End = int32(c.Len() - c.start)
		c.spans = append(c.spans, span)
	}
	mark(PartIP, a.Addr().AsSlice()...)
	mark(PartPort, byte(a.Port()>>8), byte(a.Port()))
}
