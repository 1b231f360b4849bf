package capture

import (
	"encoding/binary"
	"math/bits"
)

const (
	// maxSkew is how far apart the times of two neighbours may be where a record is searched for, in seconds.
	maxSkew = 2 * 86400
	// chain is how many records in a row must look right where one is searched for.
	chain = 3
)

// quickRecords reads the next records of a pcap file that are in the buffer as a whole and look right, as many as fit into the
// list, and returns their number. What else there is nextRecord has to read.
func (r *Reader) quickRecords(list []Frame) int {
	b, pos, swapped := r.b.buf[r.b.r:r.b.w], r.b.pos(), !r.little
	for i := range list {
		if len(b) < 24 || r.end > 0 && pos >= r.end {
			return i
		}
		sec, frac := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		n, size := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
		if swapped {
			sec, frac, n, size = bits.ReverseBytes32(sec), bits.ReverseBytes32(frac), bits.ReverseBytes32(n), bits.ReverseBytes32(size)
		}
		end := r.recHead + int(n)
		if n > maxRecord || end > len(b) {
			return i
		}
		r.b.r += end
		r.n++
		r.last = int64(sec)*1e9 + int64(frac)*r.unit
		f := &list[i]
		f.Number, f.At, f.Link, f.Data, f.Size = r.n, r.last, r.link, b[r.recHead:end], max(int(min(size, 1<<30)), int(n))
		f.Off, f.head = pos, r.recHead
		b, pos = b[end:], pos+int64(end)
	}
	return len(list)
}

// nextRecord reads the next record of a pcap file (draft-ietf-opsawg-pcap 5).
func (r *Reader) nextRecord(f *Frame) bool {
	for {
		head := r.b.peek(r.recHead)
		if len(head) < r.recHead {
			if len(head) > 0 && r.b.failed() == nil {
				r.damage(r.b.pos(), "the file ends within a record header")
			}
			r.b.r = r.b.w
			return r.atEnd()
		}
		sec, frac, n, size := r.order.Uint32(head), r.order.Uint32(head[4:]), r.order.Uint32(head[8:]), r.order.Uint32(head[12:])
		if n > maxRecord {
			off := r.b.pos()
			if !r.resync() {
				r.damage(off, "a record claims %d octets, and none follows that looks right", n)
				return r.atEnd()
			}
			r.damage(off, "a record claims %d octets; %d octets skipped", n, r.b.pos()-off)
			continue
		}
		f.Off = r.b.pos()
		data := r.b.peek(r.recHead + int(n))[r.recHead:]
		if len(data) < int(n) {
			if i := r.find(data); i >= 0 {
				r.b.r += r.recHead + i
				r.damage(f.Off, "a record claims %d octets; %d octets skipped", n, r.recHead+i)
				continue
			}
			if r.b.failed() == nil {
				r.damage(f.Off, "the file ends %d octets into a packet of %d", len(data), n)
			}
			if len(data) == 0 {
				r.b.r = r.b.w
				return r.atEnd()
			}
		}
		r.b.r += r.recHead + len(data)
		r.n++
		r.last = int64(sec)*1e9 + int64(frac)*r.unit
		f.Number, f.At, f.Link, f.Data, f.Size, f.head = r.n, r.last, r.link, data, max(int(min(size, 1<<30)), len(data)), r.recHead
		return true
	}
}

// resync moves on to the next place where records begin that look right, at least one octet further. It returns false,
// at the end of the file, if there is none.
func (r *Reader) resync() bool {
	for {
		r.b.r++
		b := r.b.peek(maxRecord + chain*r.recHead)
		if len(b) < r.recHead {
			r.b.r = r.b.w
			return false
		}
		// As far as the buffer goes without moving on: a record that begins within the first part of it is all there.
		sure := max(1, len(b)-maxRecord)
		if r.b.err != nil {
			sure = len(b)
		}
		for i := range sure {
			if r.plausible(b[i:], chain, r.last/1e9) {
				r.b.r += i
				return true
			}
		}
		r.b.r += sure - 1
	}
}

// find returns where in b records begin that look right, or -1.
func (r *Reader) find(b []byte) int {
	for i := range max(0, len(b)-chain*r.recHead) {
		if r.plausible(b[i:], chain, r.last/1e9) {
			return i
		}
	}
	return -1
}

// plausible says whether b begins with so many records that look right, as far as b goes.
func (r *Reader) plausible(b []byte, records int, near int64) bool {
	for i := range records {
		if len(b) < r.recHead {
			return i > 0 && len(b) == 0
		}
		sec, frac := int64(r.order.Uint32(b)), int64(r.order.Uint32(b[4:]))
		n, size := r.order.Uint32(b[8:]), r.order.Uint32(b[12:])
		if n < 14 || n > maxRecord || size < n || size > maxRecord || frac*r.unit >= 1e9 {
			return false
		}
		if near > 0 && (sec < near-maxSkew || sec > near+maxSkew) {
			return false
		}
		near = sec
		if b = b[r.recHead:]; int(n) > len(b) {
			return i > 0
		}
		b = b[n:]
	}
	return true
}
