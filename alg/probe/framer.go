package probe

import (
	"errors"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
)

// framer cuts a stream into messages.
type framer interface {
	// next returns the length of what comes first in buf, and whether it is a message or a keepalive between two.
	next(buf []byte) (n int, message bool, err error)
}

func newFramer(proto string) framer {
	if proto == alg.ProtoSIP {
		return new(sipFramer)
	}
	return new(tpktFramer)
}

// isShort reports that more octets are needed.
func isShort(err error) bool { return errors.Is(err, sip.ErrShort) || errors.Is(err, h323.ErrShort) }

type sipFramer struct{ sip.Framer }

func (f *sipFramer) next(buf []byte) (int, bool, error) {
	frame, err := f.Next(buf)
	return frame.Len, frame.Kind == sip.KindMessage, err
}

type tpktFramer struct{ h323.Framer }

func (f *tpktFramer) next(buf []byte) (int, bool, error) {
	frame, err := f.Next(buf)
	return frame.Len, true, err
}
