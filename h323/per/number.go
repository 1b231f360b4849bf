package per

import "math/bits"

// Constrained reads a whole number of a range that holds size values, less the lowest of them (X.691 10.5.7): a bit-field up
// to 255 values, one or two octets up to 65536, otherwise a length and as few octets as there need be. It fails if the
// number is not in the range. size must be 1 to 1<<32.
func (r *Reader) Constrained(size uint64) uint32 {
	var v uint32
	switch {
	case size < 2:
		return 0
	case size < 256:
		v = r.Bits(bits.Len64(size - 1))
	case size == 256:
		r.Align()
		v = r.Bits(8)
	case size <= 1<<16:
		r.Align()
		v = r.Bits(16)
	default:
		off, end := r.Long(size)
		for _, b := range r.buf[off:end] {
			v = v<<8 | uint32(b)
		}
	}
	if uint64(v) >= size {
		r.Fail("number: above its range")
		return 0
	}
	return v
}

// Small reads a normally small non-negative whole number (X.691 10.6), which counts additions and alternatives that were not
// there from the start. No schema has more than 65535 of them: a longer encoding is an error.
func (r *Reader) Small() int {
	if !r.Bool() {
		return int(r.Bits(6))
	}
	r.Align()
	switch r.Bits(8) {
	case 1:
		return int(r.Bits(8))
	case 2:
		return int(r.Bits(16))
	}
	r.Fail("small number: not of 1 or 2 octets")
	return 0
}

// Additions reads the start of the extension additions of a SEQUENCE: how many bits tell of their presence, and where these
// are, for BitAt (X.691 18.7 and 18.8).
func (r *Reader) Additions() (n, bitmap int) {
	// The count is normally small itself, less 1, in the form that X.691 10.9.3.4 has for lengths.
	if !r.Bool() {
		n = int(r.Bits(6)) + 1
	} else {
		n = r.Length()
	}
	if n > r.Left() {
		r.Fail("additions: more than there are bits")
		return 0, 0
	}
	return n, r.Bitmap(n)
}

// Length reads an unconstrained length (X.691 10.9.3.5 to 10.9.3.7), which counts octets, bits, characters or elements. More
// than there are bits left is an error, and so is 16384 and up: such a value comes in fragments, and no message that fits
// its TPKT has one.
func (r *Reader) Length() int {
	r.Align()
	n := int(r.Bits(8))
	switch {
	case n >= 0xc0:
		r.Fail("length: in fragments")
		return 0
	case n >= 0x80:
		n = n&0x3f<<8 | int(r.Bits(8))
	}
	if n > r.Left() {
		r.Fail("length: more than there are bits")
		return 0
	}
	return n
}

// Size reads a length of lo to hi, which must be 0 to 65535 both (X.691 10.9.3.3), in the same units as Length. A fixed size
// is not in the encoding.
func (r *Reader) Size(lo, hi int) int {
	n := lo + int(r.Constrained(uint64(hi-lo)+1))
	if n > r.Left() {
		r.Fail("size: more than there are bits")
		return 0
	}
	return n
}

// Open steps over an open type and returns where its encoding is (X.691 10.2.1): extension additions, alternatives that were
// added to a choice, and types that another layer knows.
func (r *Reader) Open() (off, end int) {
	return r.Octets(r.Length())
}

// Object steps over an OBJECT IDENTIFIER and returns where its contents are, in the form of X.690 8.19.
func (r *Reader) Object() (off, end int) {
	return r.Octets(r.Length())
}

// Integer steps over an INTEGER without an upper bound and returns where its octets are (X.691 12.2.5 and 12.2.6).
func (r *Reader) Integer() (off, end int) {
	return r.Octets(r.Length())
}

// Long steps over a whole number of a range of more than 65536 values and returns where its octets are, of which there are as
// few as it needs (X.691 10.5.7.4). Whether it is in the range is not looked at.
func (r *Reader) Long(size uint64) (off, end int) {
	octets := (bits.Len64(size-1) + 7) / 8
	n := int(r.Constrained(uint64(octets))) + 1
	return r.Octets(n)
}
