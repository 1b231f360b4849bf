package sip

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// ErrShort is what Next and Framer.Next return while the stream holds no complete frame yet: read more and call again.
var ErrShort = errors.New("sip: frame is not complete")

// SyntaxError says why a stream cannot be cut into messages. Nothing after it can be trusted, so the connection is done for.
type SyntaxError struct {
	Off int    // octets from the start of the frame
	Msg string // lower case, "what: cause"
}

// Error returns the message and the offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("sip: %s at octet %d", e.Msg, e.Off) }

// The limits that a zero Limits stands for, in octets.
const (
	DefaultHeadLimit = 64 << 10
	DefaultBodyLimit = 64 << 10
)

// Limits bounds a message on a stream. Both are checked before anything is waited for, so that a sender who lies about
// lengths is refused at once.
type Limits struct {
	Head int // octets of start line, headers and empty line together; 0 means DefaultHeadLimit
	Body int // octets that Content-Length may announce; 0 means DefaultBodyLimit, less than 0 no body at all
}

// Kind says what a frame is.
type Kind uint8

// The kinds of frames.
const (
	KindMessage Kind = iota
	// KindKeepalive is a line end between messages. A ping of RFC 5626 4.4.1 (CRLF CRLF) is two such frames, a pong one:
	// where a stream may be cut anywhere, the first cannot wait for the second.
	KindKeepalive
)

// String returns "message" or "keepalive".
func (k Kind) String() string {
	if k == KindKeepalive {
		return "keepalive"
	}
	return "message"
}

// Frame is one piece of a stream, at its very beginning.
type Frame struct {
	Kind Kind
	Len  int // octets
	Head int // octets up to and with the empty line; Len - Head is what Content-Length says, 0 without one
}

// Next returns the frame that buf begins with. The error is ErrShort if buf holds less than that, else a *SyntaxError:
// a header section or body above its limit, a Content-Length that is no number (RFC 3261 20.14), or two that disagree.
// A message without Content-Length has no body, as RFC 3261 18.3 has it for streams; several equal ones pass.
//
// Next starts from scratch at every call. A caller that reads from a stream should use a Framer.
func Next(buf []byte, lim Limits) (Frame, error) {
	f := Framer{Limits: lim}
	return f.Next(buf)
}

// Framer is Next with a memory: octets that were looked at are not looked at again while a frame grows, so that a sender who
// delivers single octets costs no more than one who delivers all at once. It holds no octets itself.
type Framer struct {
	Limits Limits

	line  int   // where the line that is being looked at begins
	seen  int   // octets in which no more line ends are to be found
	frame Frame // complete but for the body, once Len is set
}

// Next is like the function Next. Until it returns something else than ErrShort, buf must begin with the same octets at
// every call and may only grow; after a frame it must begin after that frame, of Frame.Len octets. After a *SyntaxError
// the Framer is of no further use.
func (f *Framer) Next(buf []byte) (Frame, error) {
	if f.frame.Len == 0 {
		if err := f.head(buf); err != nil {
			return Frame{}, err
		}
	}
	if len(buf) < f.frame.Len {
		return Frame{}, ErrShort
	}
	frame := f.frame
	f.line, f.seen, f.frame = 0, 0, Frame{}
	return frame, nil
}

// Need returns how many octets the frame has in all, or 0 while that is not known: what a reader may as well wait for.
func (f *Framer) Need() int { return f.frame.Len }

func (f *Framer) head(buf []byte) error {
	if len(buf) == 0 {
		return ErrShort
	}
	if buf[0] == '\n' {
		f.frame = Frame{Kind: KindKeepalive, Len: 1, Head: 1}
		return nil
	}
	if buf[0] == '\r' {
		switch {
		case len(buf) == 1:
			return ErrShort
		case buf[1] == '\n':
			f.frame = Frame{Kind: KindKeepalive, Len: 2, Head: 2}
		default: // a stray CR; AppendSpans skips it before a start line too
			f.frame = Frame{Kind: KindKeepalive, Len: 1, Head: 1}
		}
		return nil
	}
	limit := f.Limits.Head
	if limit <= 0 {
		limit = DefaultHeadLimit
	}
	head := buf[:min(len(buf), limit)]
	for {
		k := bytes.IndexByte(head[f.seen:], '\n')
		if k < 0 {
			f.seen = len(head)
			if len(head) == limit {
				return &SyntaxError{limit, fmt.Sprintf("header section: longer than %d octets", limit)}
			}
			return ErrShort
		}
		f.seen += k + 1
		blank := blankLine(head, f.line) == f.seen
		f.line = f.seen
		if blank {
			break
		}
	}
	body, err := f.bodyLen(head[:f.seen])
	if err != nil {
		return err
	}
	f.frame = Frame{Kind: KindMessage, Len: f.seen + body, Head: f.seen}
	return nil
}

// bodyLen returns what the Content-Length headers of a complete header section say.
func (f *Framer) bodyLen(head []byte) (int, error) {
	limit := f.Limits.Body
	switch {
	case limit == 0:
		limit = DefaultBodyLimit
	case limit < 0:
		limit = 0
	}
	limit = min(limit, math.MaxInt32-len(head)) // a frame's length must fit an int, and offsets 31 bits
	n, found := 0, false
	for i := lineEnd(head, 0); i < len(head) && blankLine(head, i) < 0; {
		l := lineAt(head, i)
		i = l.End
		if l.Header != HeaderContentLength {
			continue
		}
		v := head[l.ValueOff:l.ValueEnd]
		if !isDigits(v) {
			return 0, &SyntaxError{l.ValueOff, "content-length: not a number"}
		}
		m, ok := number(v, math.MaxInt32)
		switch {
		case !ok || m > limit:
			return 0, &SyntaxError{l.ValueOff, fmt.Sprintf("content-length: above the limit of %d octets", limit)}
		case found && m != n:
			return 0, &SyntaxError{l.ValueOff, fmt.Sprintf("content-length: %d, but %d in a line before", m, n)}
		}
		n, found = m, true
	}
	return n, nil
}

// IsKeepalive says whether a datagram is a keepalive: up to four octets of CR, LF and NUL (RFC 5626 4.4.1 has CRLF CRLF
// on streams; user agents send it, CRLF alone or one NUL over UDP too). An empty datagram is one as well.
func IsKeepalive(b []byte) bool {
	if len(b) > 4 {
		return false
	}
	for _, c := range b {
		if c != '\r' && c != '\n' && c != 0 {
			return false
		}
	}
	return true
}
