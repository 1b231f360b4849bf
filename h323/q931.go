package h323

import (
	"math"

	"nofixup/h323/per"
)

// Q.931 as H.225.0 7.2 has it.
const (
	discriminator = 0x08 // Q.931 4.2
	ieShift       = 0x90 // Q.931 4.5.3 and 4.5.4: other code sets follow, of one element if bit 4 is set
	ieUserUser    = 0x7e
	x208          = 0x05 // the protocol discriminator of a User-User element that is ASN.1 (H.225.0 7.2.2.31)
)

// callMessage returns the message of a Q.931 message type (H.225.0 Table 4, Q.931 Table 4-2).
func callMessage(t byte) Message {
	switch t {
	case 0x01:
		return Alerting
	case 0x02:
		return CallProceeding
	case 0x03:
		return Progress
	case 0x05:
		return Setup
	case 0x07:
		return Connect
	case 0x0d:
		return SetupAcknowledge
	case 0x5a:
		return ReleaseComplete
	case 0x62:
		return Facility
	case 0x6e:
		return Notify
	case 0x75:
		return StatusInquiry
	case 0x7b:
		return Information
	case 0x7d:
		return Status
	}
	return MessageNone
}

// element returns the field of an information element of code set 0 (H.225.0 Table 5 and up, Q.931 4.5).
func element(id byte) Field {
	switch id {
	case 0x04:
		return FieldBearerCapability
	case 0x08:
		return FieldCause
	case 0x14:
		return FieldCallState
	case 0x18:
		return FieldChannelIdentification
	case 0x1c:
		return FieldFacilityIE
	case 0x1e:
		return FieldProgressIndicator
	case 0x20:
		return FieldNetworkFacilities
	case 0x27:
		return FieldNotificationIndicator
	case 0x28:
		return FieldDisplay
	case 0x29:
		return FieldDateTime
	case 0x2c:
		return FieldKeypad
	case 0x34:
		return FieldSignal
	case 0x4c:
		return FieldConnectedNumber
	case 0x6c:
		return FieldCallingPartyNumber
	case 0x6d:
		return FieldCallingPartySubaddress
	case 0x70:
		return FieldCalledPartyNumber
	case 0x71:
		return FieldCalledPartySubaddress
	case 0x74:
		return FieldRedirectingNumber
	case ieUserUser:
		return FieldUserUser
	}
	return FieldIE
}

// envelope names the TPKT header and returns the rest of the frame. Octets after the frame are left alone. A frame that is
// cut short is described as far as it is there.
func (w *walker) envelope() (off, end int) {
	if len(w.raw) < headerLen {
		w.note(per.Error{Off: len(w.raw), Msg: "tpkt: cut short"})
		return 0, 0
	}
	n := int(w.raw[2])<<8 | int(w.raw[3])
	if w.raw[0] != 3 || n < headerLen {
		w.note(per.Error{Msg: "tpkt: not a header"})
		return 0, 0
	}
	w.leaf(FieldTPKTLength, 0, 2, 4)
	switch {
	case n > len(w.raw):
		w.note(per.Error{Off: len(w.raw), Msg: "tpkt: cut short"})
		n = len(w.raw)
	case n < len(w.raw):
		w.note(per.Error{Off: n, Msg: "tpkt: more octets than its length"})
	}
	return headerLen, n
}

// leaf names octets outside of any encoding.
func (w *walker) leaf(f Field, index uint16, off, end int) {
	at := w.at
	w.at.Field, w.at.Index = f, index
	w.emit(off, end, int(PartValue))
	w.at = at
}

// call walks over a message of H.225.0 call signalling in its TPKT.
func (w *walker) call() {
	raw := w.raw
	if len(raw) > 6 && 6+int(raw[5]&15) < len(raw) {
		w.at.Message = callMessage(raw[6+int(raw[5]&15)])
	}
	off, end := w.envelope()
	if off == end {
		return
	}
	if raw[off] != discriminator {
		w.note(per.Error{Off: off, Msg: "q.931: another protocol discriminator"})
		w.emit(off, end, int(PartRest))
		return
	}
	// Discriminator, length of the call reference, call reference, message type.
	crv := off + 2
	if crv > end || crv+int(raw[off+1]&15) >= end {
		w.note(per.Error{Off: end, Msg: "q.931: cut short"})
		return
	}
	at := crv + int(raw[off+1]&15)
	w.leaf(FieldCallReference, 0, crv, at)
	w.leaf(FieldMessageType, 0, at, at+1)
	w.elements(at+1, end)
}

// elements walks over the information elements.
func (w *walker) elements(off, end int) {
	var seen [numFields]uint16
	set, next := byte(0), byte(0) // the code set, and that of the next element
	for off < end {
		id := w.raw[off]
		at := off + 1
		var n int
		switch {
		case id&0xf0 == ieShift:
			next = id & 7
			if id&8 == 0 {
				set = next
			}
			off++
			continue
		case id >= 0x80:
			at, n = off, 1
		case id == ieUserUser && next == 0: // H.225.0 7.2.2.31: the one element with a length of 2 octets
			if at+2 > end {
				w.note(per.Error{Off: off, Msg: "information element: cut short"})
				return
			}
			n = int(w.raw[at])<<8 | int(w.raw[at+1])
			at += 2
		default:
			if at+1 > end {
				w.note(per.Error{Off: off, Msg: "information element: cut short"})
				return
			}
			n = int(w.raw[at])
			at++
		}
		if n > end-at {
			w.note(per.Error{Off: off, Msg: "information element: longer than its message"})
			n = end - at
		}
		f := FieldIE
		if next == 0 && id < 0x80 {
			f = element(id)
		}
		index := seen[f]
		if index < math.MaxUint16 {
			seen[f]++
		}
		if f == FieldUserUser && index == 0 && n > 0 && w.raw[at] == x208 {
			w.encoding(&tUserInformation, at+1, at+n, noLeaf, false)
		} else {
			w.leaf(f, index, at, at+n)
		}
		off, next = at+n, set
	}
}

// named gives the spans from first on the message that began after them.
func (w *walker) named(first int) {
	if w.found == MessageNone {
		return
	}
	for i := range w.out[first:] {
		if s := &w.out[first+i]; s.Message == MessageNone {
			s.Message = w.found
		}
	}
}
