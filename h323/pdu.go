package h323

import (
	"encoding/binary"
)

// AppendSpans appends the spans of one message of H.225.0 call signalling with its TPKT header to dst and returns it. They are
// disjoint, sorted and not empty; with raw's octets between them they give raw. It never fails, whatever raw holds: PDU.Notes
// tells of what could not be described. It allocates only to grow dst, and work is linear in the length of raw. Octets after
// the TPKT have no span.
func AppendSpans(dst []Span, raw []byte) []Span {
	w := walker{raw: raw, out: dst, quiet: true}
	w.call()
	w.named(len(dst))
	return w.out
}

// AppendRAS is like AppendSpans for one datagram of RAS.
func AppendRAS(dst []Span, raw []byte) []Span {
	w := walker{raw: raw, out: dst, quiet: true}
	w.ras()
	w.named(len(dst))
	return w.out
}

// AppendH245 is like AppendSpans for one H.245 message with its TPKT header, as it comes on a connection of its own.
func AppendH245(dst []Span, raw []byte) []Span {
	w := walker{raw: raw, out: dst, quiet: true}
	w.control()
	w.named(len(dst))
	return w.out
}

func (w *walker) ras() { w.encoding(&tRAS, 0, len(w.raw), noLeaf, false) }

func (w *walker) control() {
	if off, end := w.envelope(); off < end {
		w.encoding(&tControl, off, end, noLeaf, false)
	}
}

// PDU is a view of one message: its octets, their spans and what they mean. The zero PDU is an empty one. What its methods
// return are views into Raw.
type PDU struct {
	Raw     []byte        // the message as it was given, never changed
	Message Message       // what it is; MessageNone if that cannot be told
	Spans   []Span        // as AppendSpans and its like append them
	Notes   []SyntaxError // what could not be described, 16 at most; where there is none every octet was understood
}

// ParseCall makes p a view of one message of H.225.0 call signalling with its TPKT header, which it keeps. It reuses p.Spans
// and p.Notes. It never fails; Notes says how much can be relied on.
func (p *PDU) ParseCall(raw []byte) {
	w := walker{raw: raw, out: p.Spans[:0], notes: p.Notes[:0]}
	w.call()
	p.take(&w)
}

// ParseRAS is like ParseCall for one datagram of RAS.
func (p *PDU) ParseRAS(raw []byte) {
	w := walker{raw: raw, out: p.Spans[:0], notes: p.Notes[:0]}
	w.ras()
	p.take(&w)
}

// ParseH245 is like ParseCall for one H.245 message with its TPKT header.
func (p *PDU) ParseH245(raw []byte) {
	w := walker{raw: raw, out: p.Spans[:0], notes: p.Notes[:0]}
	w.control()
	p.take(&w)
}

func (p *PDU) take(w *walker) {
	w.named(0)
	*p = PDU{Raw: w.raw, Message: w.found, Spans: w.out, Notes: w.notes}
	if len(w.out) > 0 {
		p.Message = w.out[0].Message
	}
}

// CallReference returns the call reference value and whether the side that was called has sent it, which is bit 15 on the
// wire (Q.931 4.3). ok is false if the message has none of 2 octets.
func (p *PDU) CallReference() (crv uint16, callee, ok bool) {
	v := p.Value(FieldCallReference)
	if len(v) != 2 {
		return 0, false, false
	}
	crv = binary.BigEndian.Uint16(v)
	return crv & 0x7fff, crv&0x8000 != 0, true
}

// Display returns the contents of the Display information element, or nil.
func (p *PDU) Display() []byte { return p.Value(FieldDisplay) }

// CallIdentifier returns the 16 octets of the call identifier, or nil.
func (p *PDU) CallIdentifier() []byte { return p.Value(FieldCallIdentifier) }

// ConferenceID returns the 16 octets of the conference identifier, or nil.
func (p *PDU) ConferenceID() []byte { return p.Value(FieldConferenceID) }

// SequenceNumber returns the requestSeqNum of a RAS message, 1 to 65535, or 0 if it has none.
func (p *PDU) SequenceNumber() uint16 { return p.number1(FieldRequestSeqNum) }

// Channel returns the number of the forward logical channel of an H.245 message, 1 to 65535, or 0 if it has none.
func (p *PDU) Channel() uint16 { return p.number1(FieldForwardLogicalChannelNumber) }

// number1 returns a number of 1 to 65535, which is one less on the wire.
func (p *PDU) number1(f Field) uint16 {
	if v := p.Value(f); len(v) == 2 {
		return binary.BigEndian.Uint16(v) + 1
	}
	return 0
}

// Value returns the octets of a field of the message itself, in the form of the wire; nil if it is not there or has parts.
// Of several it is the first.
func (p *PDU) Value(f Field) []byte { return p.Leaf(f, 0, PartValue) }

// Leaf returns the octets of one leaf of a field of the message itself, or nil: Leaf(FieldSourceAddress, 0, PartH323ID),
// Leaf(FieldRASAddress, 0, PartIP), Leaf(FieldNone, 0, PartData) for what a non-standard H.245 message holds.
func (p *PDU) Leaf(f Field, index int, part Part) []byte {
	for _, s := range p.Spans {
		if s.Field == f && int(s.Index) == index && s.Part == part && s.Inner == MessageNone && s.InnerField == FieldNone {
			return s.Bytes(p.Raw)
		}
	}
	return nil
}

// Find returns the span with that path. It renders every path on its way: for tests and for use off the hot path.
func (p *PDU) Find(path string) (Span, bool) {
	buf := make([]byte, 0, 128)
	for _, s := range p.Spans {
		if buf = s.AppendPath(buf[:0]); string(buf) == path {
			return s, true
		}
	}
	return Span{}, false
}
