package per

import (
	"fmt"
	"math/bits"
)

// Writer appends an encoding to a buffer. Nothing in it looks farther back than to the last octet boundary, so that it may
// begin at any octet of the buffer.
//
// What cannot be encoded is remembered and written as nothing; see [Writer.Err].
type Writer struct {
	buf  []byte
	free int // bits of the last octet that are not yet written
	err  error
}

// NewWriter returns a writer that appends to dst.
func NewWriter(dst []byte) *Writer { return &Writer{buf: dst} }

// Buf returns the buffer with all that was written. The bits left in the last octet are zero.
func (w *Writer) Buf() []byte { return w.buf }

// Len is the length of the buffer in octets, a begun one counted.
func (w *Writer) Len() int { return len(w.buf) }

// Err returns the first mistake.
func (w *Writer) Err() error { return w.err }

// Fail records a mistake unless there was one before.
func (w *Writer) Fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// Bits writes the n low bits of v, the highest of them first.
func (w *Writer) Bits(v uint64, n int) {
	for n > 0 {
		if w.free == 0 {
			w.buf, w.free = append(w.buf, 0), 8
		}
		k := min(n, w.free)
		n, w.free = n-k, w.free-k
		w.buf[len(w.buf)-1] |= byte(v>>n&(1<<k-1)) << w.free
	}
}

// Bool writes a BOOLEAN, or a bit that says whether something follows.
func (w *Writer) Bool(b bool) {
	if b {
		w.Bits(1, 1)
	} else {
		w.Bits(0, 1)
	}
}

// Align steps to the next octet boundary.
func (w *Writer) Align() { w.free = 0 }

// Octets writes octets on an octet boundary and without a length, as an OCTET STRING of a fixed size above two is written
// (X.691 16.7).
func (w *Writer) Octets(b ...byte) {
	w.Align()
	w.buf = append(w.buf, b...)
}

// Int writes a constrained whole number from lo to hi (X.691 10.5.7).
func (w *Writer) Int(v, lo, hi uint64) {
	if v < lo || v > hi {
		w.Fail("%d is not within %d to %d", v, lo, hi)
		return
	}
	v -= lo
	switch most := hi - lo; {
	case most < 255:
		w.Bits(v, bits.Len64(most))
	case most == 255:
		w.Align()
		w.Bits(v, 8)
	case most < 1<<16:
		w.Align()
		w.Bits(v, 16)
	default: // as few octets as do; how many is a constrained number itself (10.5.7.4)
		n := max(1, octets(v))
		w.Int(uint64(n), 1, uint64(octets(most)))
		w.Align()
		w.Bits(v, 8*n)
	}
}

func octets(v uint64) int { return (bits.Len64(v) + 7) / 8 }

// Small writes a normally small number, which can be no more than 63 here (X.691 10.6.1).
func (w *Writer) Small(v int) {
	if v < 0 || v > 63 {
		w.Fail("%d is no small number", v)
		return
	}
	w.Bits(uint64(v), 7)
}

// Length writes a length determinant without bounds (X.691 10.9.3.5 to 10.9.3.7). Nothing here is so long that it would have
// to go in fragments.
func (w *Writer) Length(n int) { w.Octets(w.length(n)...) }

func (w *Writer) length(n int) []byte {
	switch {
	case n < 1<<7:
		return []byte{byte(n)}
	case n < 1<<14:
		return []byte{0x80 | byte(n>>8), byte(n)}
	}
	w.Fail("a length of %d asks for fragments", n)
	return nil
}

// String writes an OCTET STRING without bounds, or the contents octets of an OBJECT IDENTIFIER.
func (w *Writer) String(b ...byte) {
	w.Length(len(b))
	w.Octets(b...)
}

// Open begins an open type, or an OCTET STRING that holds an encoding of its own (X.691 10.2). What it returns is for Close:
// where the contents begin as long as their length is not in front of them.
func (w *Writer) Open() (at int) {
	w.Align()
	return len(w.buf)
}

// Close ends what Open began. It returns by how many octets the contents, and any offset into them, moved up.
func (w *Writer) Close(at int) (moved int) {
	w.Align()
	if len(w.buf) == at {
		w.buf = append(w.buf, 0) // an encoding is never empty (X.691 10.1.3)
	}
	n := w.length(len(w.buf) - at)
	w.buf = append(w.buf, n...)
	copy(w.buf[at+len(n):], w.buf[at:])
	copy(w.buf[at:], n)
	return len(n)
}
