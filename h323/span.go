package h323

import "strconv"

// Span is a named leaf of a message: the octets raw[Off:End] and what they are. It is 28 octets and holds no pointers.
//
// A path has up to four fields, since a message may carry whole H.245 messages and lists of structures: the field of the
// message, with an index if it repeats, and the fields within that: setup.fastStart[0].mediaChannel.ip,
// facility.h245Control[0].olc.mediaControlChannel.port, irr.perCallInfo[0].audio[1].rtpAddress.sendAddress.ip.
type Span struct {
	// Off and End are octets from the start of the message, End exclusive.
	Off, End int32
	// Index says which one of a field that repeats, from 0; the others do so for the inner fields and PartIndex for a part.
	Index, InnerIndex, SubIndex, LastIndex uint16
	PartIndex                              uint16
	// Message is the message, Field the field of it; FieldNone where the leaf belongs to the message as a whole.
	Message Message
	Field   Field
	// Inner is the message that Field carries, as h245Control and parallelH245Control do; MessageNone otherwise, also
	// within fastStart, whose elements are openLogicalChannel without a choice around it.
	Inner Message
	// InnerField, SubField and LastField are the fields within the element that Field and Index name; FieldNone from the
	// first on that there is not.
	InnerField, SubField, LastField Field
	// Part is the leaf itself.
	Part Part
	// Reverse is set for a field of the reverse logical channel parameters where the forward parameters of the same
	// openLogicalChannel name the field as well, and always in openLogicalChannelAck; the last field then follows ".reverse".
	Reverse bool
	// Deep is set where Inner stands after InnerField, not before it: irr.perCallInfo[0].pdu[0].setup.
	Deep bool
}

// Part says which leaf of a field a span is.
// The numbers are not stable between versions: store paths, not numbers.
type Part uint8

// The leaves.
const (
	PartValue     Part = iota // "": the field as a whole
	PartIP                    // .ip: an IPv4 or IPv6 address, 4 or 16 octets in network order
	PartPort                  // .port: 2 octets in network order
	PartAddress               // .address: a transport address of another kind (NetBIOS, NSAP)
	PartNode                  // .node of an IPX address, 6 octets
	PartNetnum                // .netnum of an IPX address, 4 octets
	PartRoute                 // .route[i]: an IPv4 address that a source route passes through
	PartDigits                // .dialledDigits: 4 bits each; with an odd number half of the last octet is not theirs
	PartH323ID                // .h323-ID: UTF-16 in network order
	PartURLID                 // .url-ID
	PartEmailID               // .email-ID
	PartData                  // .data of a non-standard parameter
	PartProductID             // .productId of a vendor
	PartVersionID             // .versionId of a vendor
	PartExtension             // .extension[i]: an addition, or alternative of a choice, that is stepped over, by its number
	PartRest                  // .rest: what follows in a message that is not described any further

	numParts = int(iota)
)

var partNames = [numParts]string{
	PartValue:     "",
	PartIP:        ".ip",
	PartPort:      ".port",
	PartAddress:   ".address",
	PartNode:      ".node",
	PartNetnum:    ".netnum",
	PartRoute:     ".route",
	PartDigits:    ".dialledDigits",
	PartH323ID:    ".h323-ID",
	PartURLID:     ".url-ID",
	PartEmailID:   ".email-ID",
	PartData:      ".data",
	PartProductID: ".productId",
	PartVersionID: ".versionId",
	PartExtension: ".extension",
	PartRest:      ".rest",
}

// Path returns the field path of the span, as reports name it.
func (s Span) Path() string { return string(s.AppendPath(make([]byte, 0, 64))) }

// AppendPath appends the field path of the span. No two spans that come from one message have the same path.
func (s Span) AppendPath(dst []byte) []byte {
	fields := [4]Field{s.Field, s.InnerField, s.SubField, s.LastField}
	indexes := [4]uint16{s.Index, s.InnerIndex, s.SubIndex, s.LastIndex}
	last := len(fields) - 1
	for last > 0 && fields[last] == FieldNone {
		last--
	}
	inner := 1 // how many fields stand before Inner
	if s.Deep {
		inner = 2
	}
	dst = append(dst, s.Message.String()...)
	for i, f := range fields[:last+1] {
		if i == inner && s.Inner != MessageNone {
			dst = append(append(dst, '.'), s.Inner.String()...)
		}
		if i == last && s.Reverse {
			dst = append(dst, ".reverse"...)
		}
		dst = appendField(dst, f, indexes[i])
	}
	if last < inner && s.Inner != MessageNone {
		dst = append(append(dst, '.'), s.Inner.String()...)
	}
	if int(s.Part) < numParts {
		dst = append(dst, partNames[s.Part]...)
	}
	if s.Part == PartRoute || s.Part == PartExtension {
		dst = appendIndex(dst, s.PartIndex)
	}
	return dst
}

// Bytes returns the octets of the span, a view into raw.
func (s Span) Bytes(raw []byte) []byte { return raw[s.Off:s.End:s.End] }

// appendField appends a field. Information elements of Q.931 stand once as a rule, so that only a further one has an index.
func appendField(dst []byte, f Field, index uint16) []byte {
	if f == FieldNone {
		return dst
	}
	dst = append(append(dst, '.'), f.String()...)
	if f.Repeats() || index > 0 {
		dst = appendIndex(dst, index)
	}
	return dst
}

func appendIndex(dst []byte, index uint16) []byte {
	dst = strconv.AppendUint(append(dst, '['), uint64(index), 10)
	return append(dst, ']')
}
