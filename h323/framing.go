package h323

import (
	"errors"
	"fmt"
)

// ErrShort is what Next and Framer.Next return while the stream holds no complete frame yet: read more and call again.
var ErrShort = errors.New("h323: frame is not complete")

// SyntaxError says why a stream cannot be cut into frames, or what in a message could not be described.
type SyntaxError struct {
	Off int    // octets from the start of the frame or message
	Msg string // lower case, "what: cause"
}

// Error returns the message and the offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("h323: %s at octet %d", e.Msg, e.Off) }

// headerLen is how many octets a TPKT header has: version 3, a reserved octet, the length of all in 2 octets (RFC 1006 6).
const headerLen = 4

// Frame is one TPKT at the very beginning of a stream.
type Frame struct {
	Len int // octets, header included: 4 to 65535
}

// Payload returns what follows the header; it is empty in a TPKT that only keeps a connection alive. raw must begin with
// the frame.
func (f Frame) Payload(raw []byte) []byte { return raw[headerLen:f.Len:f.Len] }

// Next returns the frame that buf begins with. The error is ErrShort if buf holds less than that, else a *SyntaxError: a
// version other than 3, or a length below that of the header. The reserved octet is not looked at (RFC 1006 6 has it 0 by
// convention). Nothing is allocated for a length that is announced.
func Next(buf []byte) (Frame, error) {
	if len(buf) == 0 {
		return Frame{}, ErrShort
	}
	if buf[0] != 3 {
		return Frame{}, &SyntaxError{0, fmt.Sprintf("tpkt: version %d", buf[0])}
	}
	if len(buf) < headerLen {
		return Frame{}, ErrShort
	}
	n := int(buf[2])<<8 | int(buf[3])
	if n < headerLen {
		return Frame{}, &SyntaxError{2, fmt.Sprintf("tpkt: length %d", n)}
	}
	if len(buf) < n {
		return Frame{}, ErrShort
	}
	return Frame{Len: n}, nil
}

// Framer is Next with a memory of what to wait for. It holds no octets itself. Its zero value is ready.
type Framer struct {
	need int
}

// Next is like the function Next. Until it returns something else than ErrShort, buf must begin with the same octets at
// every call and may only grow; after a frame it must begin after that frame. After a *SyntaxError the connection is done
// for.
func (f *Framer) Next(buf []byte) (Frame, error) {
	if len(buf) < f.need {
		return Frame{}, ErrShort
	}
	frame, err := Next(buf)
	f.need = 0
	if errors.Is(err, ErrShort) && len(buf) >= headerLen {
		f.need = int(buf[2])<<8 | int(buf[3])
	}
	return frame, err
}

// Need returns how many octets the frame has in all, or 0 while that is not known: what a reader may as well wait for.
func (f *Framer) Need() int { return f.need }
