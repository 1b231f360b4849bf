package media

import "encoding/binary"

// Kind says what a datagram is.
type Kind uint8

// Kinds of a datagram.
const (
	None Kind = iota // neither
	RTP
	RTCP
)

const headerLen = 12 // octets of an RTP header without CSRCs and extension (RFC 3550 5.1)

// Header is the part of an RTP header that accounting needs: no more than four fields, since Go keeps such a struct in registers.
type Header struct {
	Payload   uint8 // payload type, 0 to 127
	Sequence  uint16
	Timestamp uint32
	SSRC      uint32
}

// ParseHeader reads the fixed part of an RTP header (RFC 3550 5.1). ok is false if b is shorter than that or not of version
// 2. A payload type of 64 to 95 is refused: it is RTCP on the same port (RFC 5761 4).
func ParseHeader(b []byte) (h Header, ok bool) {
	if len(b) < headerLen || b[0]>>6 != 2 {
		return Header{}, false
	}
	h = Header{
		Payload:   b[1] & 0x7f,
		Sequence:  binary.BigEndian.Uint16(b[2:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]),
		SSRC:      binary.BigEndian.Uint32(b[8:]),
	}
	return h, h.Payload < 64 || h.Payload > 95
}

// Classify says what a datagram looks like by itself: RTP, RTCP or neither. It is a guess from a few bits.
func Classify(b []byte) Kind {
	switch {
	case len(b) < 8 || b[0]>>6 != 2:
		return None
	case b[1] >= 192 && b[1] <= 223:
		// RFC 3550 A.2: the first packet of a compound one is a report, and its length is in words. RFC 5506 allows others.
		if int(binary.BigEndian.Uint16(b[2:]))*4+4 > 1<<14 {
			return None
		}
		return RTCP
	}
	if _, ok := ParseHeader(b); ok {
		return RTP
	}
	return None
}

// octets returns how long the header of a packet is, and how many octets of payload it has, as a sender report counts them:
// without header and padding (RFC 3550 6.4.1). size is the length on the wire, of which b may hold less. ok is false if the lengths contradict each
// other.
func octets(b []byte, size int) (head, n int, ok bool) {
	head = headerLen + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) >= head+4 {
			head += 4 + 4*int(binary.BigEndian.Uint16(b[head+2:]))
		} else {
			head += 4
		}
	}
	if head > size {
		return 0, 0, false
	}
	n = size - head
	if b[0]&0x20 != 0 && len(b) == size {
		pad := int(b[size-1])
		if pad == 0 || pad > n {
			return 0, 0, false
		}
		n -= pad
	}
	return head, n, true
}

// plausible says whether a packet that nothing announced could be RTP: lengths that fit, and a payload type that RFC 3551
// gave away or left to be agreed on.
func plausible(h Header, b []byte, size int) bool {
	if h.Payload > 34 && h.Payload < 96 || h.SSRC == 0 {
		return false
	}
	_, _, ok := octets(b, size)
	return ok
}
