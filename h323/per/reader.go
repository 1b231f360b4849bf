// Package per reads and writes the aligned variant of the basic Packed Encoding Rules (ITU-T X.691) without losing sight of
// where in the octets a value stands. It holds the rules that H.225.0 and H.245 make use of and no schema.
package per

import (
	"encoding/binary"
	"fmt"
)

// Error says what is wrong with an encoding.
type Error struct {
	Off int    // octets from the start of the buffer
	Msg string // lower case, "what: cause"
}

// Error returns the message and the offset.
func (e *Error) Error() string { return fmt.Sprintf("per: %s at octet %d", e.Msg, e.Off) }

// maxOctets bounds what a Reader looks at, so that a count of bits fits an int of 32 bits.
const maxOctets = 1 << 27

// Reader is a cursor over one encoding, which is a part of a buffer. It keeps no octets, copies none and allocates nothing;
// a copy of it is a second cursor. All offsets are octets from the start of the buffer.
//
// The first error stays: from then on every method returns zero values and moves nothing, so that a caller may look at Err
// at the end of a structure. Loops must look earlier.
type Reader struct {
	buf []byte
	pos uint // in bits from the start of buf
	end uint // likewise
	err Error
}

// At returns a Reader of the encoding buf[off:end]. An encoding begins at an octet, which is also where it aligns from
// (X.691 10.1), so that contained encodings align like the buffer itself. It must be in range; what lies beyond 128 MiB is
// left out.
func At(buf []byte, off, end int) Reader {
	end = min(end, maxOctets, len(buf))
	off = max(min(off, end), 0)
	return Reader{buf: buf, pos: uint(off) * 8, end: uint(end) * 8}
}

// Err returns the first error, an *Error, or nil.
func (r *Reader) Err() error {
	if r.err.Msg == "" {
		return nil
	}
	e := r.err
	return &e
}

// OK says whether there was no error so far.
func (r *Reader) OK() bool { return r.err.Msg == "" }

// Failure returns what Err does without allocating; Msg is empty if there was no error.
func (r *Reader) Failure() Error { return r.err }

// Fail makes msg the error, at the octet where the cursor is, unless there was one before.
func (r *Reader) Fail(msg string) {
	if r.err.Msg == "" {
		r.err = Error{Off: int(r.pos / 8), Msg: msg}
	}
}

// Off returns the octet that the next bit is in.
func (r *Reader) Off() int { return int(r.pos / 8) }

// Aligned says whether the next bit is the first of an octet.
func (r *Reader) Aligned() bool { return r.pos%8 == 0 }

// Left returns how many bits are left.
func (r *Reader) Left() int {
	if !r.OK() {
		return 0
	}
	return int(r.end - r.pos)
}

// End returns where the encoding ends.
func (r *Reader) End() int { return int(r.end / 8) }

// Align moves to the start of an octet (X.691 10.7.5).
func (r *Reader) Align() {
	if r.OK() {
		r.pos = (r.pos + 7) &^ 7
	}
}

// has says whether n more bits are there, and fails if not.
func (r *Reader) has(n uint) bool {
	if r.err.Msg != "" {
		return false
	}
	if n > r.end-r.pos {
		r.Fail("value: longer than its encoding")
		return false
	}
	return true
}

// Bool reads a BOOLEAN (X.691 12), or any other single bit.
func (r *Reader) Bool() bool {
	if !r.has(1) {
		return false
	}
	b := r.buf[r.pos/8] << (r.pos % 8)
	r.pos++
	return b >= 0x80
}

// Bits reads a bit-field of up to 32 bits (X.691 10.5.7.1).
func (r *Reader) Bits(n int) uint32 {
	if n < 0 || n > 32 {
		r.Fail("bit-field: longer than 32 bits")
		return 0
	}
	if !r.has(uint(n)) {
		return 0
	}
	at := r.pos / 8
	if at+8 <= uint(len(r.buf)) {
		v := binary.BigEndian.Uint64(r.buf[at:]) << (r.pos % 8)
		r.pos += uint(n)
		return uint32(v >> 32 >> (32 - n))
	}
	var v uint64
	after := (r.pos + uint(n) + 7) / 8
	for _, b := range r.buf[at:after] { // at most 5 octets
		v = v<<8 | uint64(b)
	}
	r.pos += uint(n)
	return uint32(v >> (after*8 - r.pos) & (1<<n - 1))
}

// Zeros steps over n bits, up to 32, if they are there and all 0, and says whether they are.
func (r *Reader) Zeros(n int) bool {
	if !r.OK() || n < 0 || n > 32 || uint(n) > r.end-r.pos {
		return false
	}
	was := r.pos
	if r.Bits(n) == 0 {
		return true
	}
	r.pos = was
	return false
}

// BitAt returns bit i of a bitmap that Bitmap found at that place.
func (r *Reader) BitAt(bitmap, i int) bool {
	at := uint(bitmap) + uint(i)
	return at < r.end && r.buf[at/8]<<(at%8) >= 0x80
}

// Bitmap steps over n bits and returns where they begin, in bits, for BitAt.
func (r *Reader) Bitmap(n int) int {
	at := r.pos
	if n < 0 || !r.has(uint(n)) {
		return 0
	}
	r.pos += uint(n)
	return int(at)
}

// Octets moves to the start of an octet and steps over n octets; it returns where they are. For n = 0 nothing moves
// (X.691 16.8 and 10.9.3.3 have no octet-aligned field of no octets).
func (r *Reader) Octets(n int) (off, end int) {
	if n == 0 {
		return r.Off(), r.Off()
	}
	r.Align()
	if n < 0 || uint(n) > r.end/8 || !r.has(uint(n)*8) {
		r.Fail("octets: more than there are")
		return 0, 0
	}
	off = r.Off()
	r.pos += uint(n) * 8
	return off, off + n
}
