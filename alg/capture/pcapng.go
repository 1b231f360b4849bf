package capture

import (
	"encoding/binary"
	"math"
)

// Blocks of pcapng (draft-ietf-opsawg-pcapng 4).
const (
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockNames     = 4
	blockStats     = 5
	blockEnhanced  = 6
	blockJournal   = 9
	blockSecrets   = 10
	blockCustom    = 0x0bad
)

const (
	// maxBlock is the longest block that holds a packet, options included.
	maxBlock = maxRecord + 64<<10
	// maxIfaces is the most interfaces that are kept of a section.
	maxIfaces = 4096
)

// maxSeconds is how far from 1970 a time may be: half of what nanoseconds in 64 bits allow.
const maxSeconds = math.MaxInt64 / 2_000_000_000

// iface is what an interface description says.
type iface struct {
	link   int
	snap   uint32
	offset int64  // seconds to add to every time
	micro  bool   // microseconds, the usual
	shift  uint   // binary resolution: 2^-shift s, if not 0
	num    uint64 // decimal resolution: nanoseconds are units * num / den
	den    uint64
}

// quickBlocks reads the next blocks of a pcapng file that are in the buffer as a whole, hold a packet, and look right, as many as fit
// into the list, and returns their number. What else there is nextBlock has to read.
func (r *Reader) quickBlocks(list []Frame) int {
	for i := range list {
		b := r.b.buf[r.b.r:r.b.w]
		if len(b) < 12 || r.order == nil || r.u32(b) != blockEnhanced || r.end > 0 && r.b.pos() >= r.end {
			return i
		}
		total := int(r.u32(b[4:]))
		if total < 12 || total%4 != 0 || total > min(maxBlock, len(b)) || int(r.u32(b[total-4:])) != total {
			return i
		}
		list[i].Off = r.b.pos()
		r.b.r += total
		if !r.packet(&list[i], blockEnhanced, b[8:total-4], false) {
			return i
		}
	}
	return len(list)
}

// nextBlock reads blocks up to the next one that holds a packet.
func (r *Reader) nextBlock(f *Frame) bool {
	for {
		if r.end > 0 && r.b.pos() >= r.end {
			return false
		}
		head := r.b.peek(12)
		if len(head) < 12 {
			if len(head) > 0 && r.b.failed() == nil {
				r.damage(r.b.pos(), "the file ends within a block header")
			}
			r.b.r = r.b.w
			return r.atEnd()
		}
		off := r.b.pos()
		if binary.BigEndian.Uint32(head) == magicSection && !r.section(head) {
			if r.resyncBlock(off, "a section without byte order") {
				continue
			}
			return r.atEnd()
		}
		if r.order == nil {
			r.damage(off, "a block before any section")
			r.b.r = r.b.w
			return false
		}
		kind, total := r.u32(head), r.u32(head[4:])
		switch kind {
		case blockEnhanced, blockPacket, blockSimple, blockInterface, blockStats:
			if total < 12 || total%4 != 0 || total > maxBlock {
				if r.resyncBlock(off, "a block claims %d octets", total) {
					continue
				}
				return r.atEnd()
			}
		default:
			if total < 12 || total%4 != 0 {
				if r.resyncBlock(off, "a block of %d octets", total) {
					continue
				}
				return r.atEnd()
			}
			if kind == magicSection {
				r.ifaces = r.ifaces[:0]
				r.stats = nil
			} else if total > maxBlock && !skipped(kind) {
				if r.resyncBlock(off, "a block of type %#x claims %d octets", kind, total) {
					continue
				}
				return r.atEnd()
			}
			// Names, secrets, comments and what is to come: nothing here needs them, however long they are.
			if !r.b.skip(int64(total)) {
				r.damage(off, "the file ends within a block of %d octets", total)
				return r.atEnd()
			}
			continue
		}
		b := r.b.peek(int(total))
		cut := len(b) < int(total)
		switch {
		case cut && r.follows(b[12:]):
			r.resyncBlock(off, "a block claims %d octets", total)
			continue
		case cut && r.b.failed() == nil:
			r.damage(off, "the file ends %d octets into a block of %d", len(b), total)
		case !cut && r.u32(b[total-4:]) != total:
			// The two lengths disagree. If a block follows where the first one says, it is right.
			next := r.b.peek(int(total) + 12)
			if len(next) > int(total) && !r.plausibleBlock(next[total:]) {
				if r.resyncBlock(off, "a block whose two lengths are %d and %d", total, r.u32(b[total-4:])) {
					continue
				}
				return r.atEnd()
			}
			b = next[:total]
			r.damage(off, "a block whose two lengths are %d and %d", total, r.u32(b[total-4:]))
		}
		r.b.r += len(b)
		body := b[8:]
		if !cut {
			body = b[8 : total-4]
		}
		switch kind {
		case blockInterface:
			r.iface(off, body)
		case blockStats:
			r.statistics(body)
		default:
			f.Off = off
			if cut && len(body) < 24 {
				break // nothing of the packet is there
			}
			if r.packet(f, kind, body, cut) {
				return true
			}
		}
		if cut {
			return r.atEnd()
		}
	}
}

func (r *Reader) u32(b []byte) uint32 {
	if r.little {
		return binary.LittleEndian.Uint32(b)
	}
	return binary.BigEndian.Uint32(b)
}

func (r *Reader) section(head []byte) bool {
	switch {
	case binary.LittleEndian.Uint32(head[8:]) == magicOrder:
		r.order, r.little = binary.LittleEndian, true
	case binary.BigEndian.Uint32(head[8:]) == magicOrder:
		r.order, r.little = binary.BigEndian, false
	default:
		return false
	}
	return true
}

// packet takes a block with a packet, which the end of the file may have cut. It returns false if there is none in it after
// all.
func (r *Reader) packet(f *Frame, kind uint32, b []byte, cut bool) bool {
	var id, hi, lo, n, size uint32
	f.head = 28
	switch kind {
	case blockEnhanced:
		if len(b) < 20 {
			r.damage(f.Off, "a packet block of %d octets", len(b)+12)
			return false
		}
		if r.little {
			le := binary.LittleEndian
			id, hi, lo, n, size = le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:])
		} else {
			be := binary.BigEndian
			id, hi, lo, n, size = be.Uint32(b), be.Uint32(b[4:]), be.Uint32(b[8:]), be.Uint32(b[12:]), be.Uint32(b[16:])
		}
		b = b[20:]
	case blockPacket:
		if len(b) < 20 {
			r.damage(f.Off, "a packet block of %d octets", len(b)+12)
			return false
		}
		id, hi, lo = uint32(r.order.Uint16(b)), r.u32(b[4:]), r.u32(b[8:])
		n, size = r.u32(b[12:]), r.u32(b[16:])
		b = b[20:]
	default:
		if len(b) < 4 {
			r.damage(f.Off, "a packet block of %d octets", len(b)+12)
			return false
		}
		f.head = 12
		size = r.u32(b)
		n, b = size, b[4:]
	}
	r.n++ // also those that cannot be used have a number, in every program that shows one
	if int(id) >= len(r.ifaces) {
		r.damage(f.Off, "a packet of interface %d, which nothing describes", id)
		return false
	}
	in := &r.ifaces[id]
	if kind == blockSimple {
		if in.snap > 0 {
			n = min(n, in.snap)
		}
	} else if at, ok := in.time(hi, lo); ok {
		r.last = at
	}
	if int64(n) > int64(len(b)) {
		if kind != blockSimple && !cut {
			r.damage(f.Off, "a packet of %d octets in a block with room for %d", n, len(b))
		}
		n = uint32(len(b))
	}
	if n > maxRecord {
		r.damage(f.Off, "a packet of %d octets", n)
		return false
	}
	f.Number, f.At, f.Link, f.Data, f.Size = r.n, r.last, in.link, b[:n], max(int(min(size, 1<<30)), int(n))
	return true
}

// time converts a time stamp to nanoseconds since 1970; ok is false if it is out of all bounds.
func (in *iface) time(hi, lo uint32) (at int64, ok bool) {
	ts := uint64(hi)<<32 | uint64(lo)
	switch {
	case in.micro:
		if ts > math.MaxInt64/1000 {
			return 0, false
		}
		at = int64(ts) * 1000
	case in.shift > 0:
		sec := ts >> in.shift
		if sec > maxSeconds {
			return 0, false
		}
		frac := float64(ts&(1<<in.shift-1)) / float64(uint64(1)<<in.shift)
		at = int64(sec)*1e9 + int64(frac*1e9)
	default:
		if ts /= in.den; ts > math.MaxInt64/in.num {
			return 0, false
		}
		at = int64(ts * in.num)
	}
	if in.offset != 0 {
		if in.offset > maxSeconds || in.offset < -maxSeconds || at > math.MaxInt64/2 {
			return 0, false
		}
		at += in.offset * 1e9
	}
	return at, true
}

// iface takes an interface description (4.2).
func (r *Reader) iface(off int64, b []byte) {
	if len(b) < 8 || len(r.ifaces) >= maxIfaces {
		r.damage(off, "interface %d cannot be used", len(r.ifaces))
		return
	}
	in := iface{link: int(r.order.Uint16(b)), snap: r.u32(b[4:]), micro: true}
	r.options(b[8:], func(code uint16, v []byte) {
		switch {
		case code == 9 && len(v) == 1: // if_tsresol
			in.resolution(v[0])
		case code == 14 && len(v) == 8: // if_tsoffset
			in.offset = int64(r.order.Uint64(v))
		}
	})
	r.ifaces = append(r.ifaces, in)
}

func (in *iface) resolution(v byte) {
	n := uint(v & 0x7f)
	switch {
	case v == 6:
	case v&0x80 != 0 && n > 0 && n < 64:
		in.micro, in.shift = false, n
	case v&0x7f == 0:
		in.micro, in.num, in.den = false, 1e9, 1
	case v < 9:
		in.micro, in.num, in.den = false, uint64(math.Pow10(9-int(n))), 1
	case v <= 19:
		in.micro, in.num, in.den = false, 1, uint64(math.Pow10(int(n)-9))
	}
}

// statistics takes interface statistics (4.6). They are cumulative: the last ones count.
func (r *Reader) statistics(b []byte) {
	if len(b) < 12 {
		return
	}
	id := int(r.u32(b))
	if id >= len(r.ifaces) {
		return
	}
	lost := uint64(0)
	r.options(b[12:], func(code uint16, v []byte) {
		if (code == 5 || code == 7) && len(v) == 8 { // isb_ifdrop, isb_osdrop
			lost += min(r.order.Uint64(v), 1<<40)
		}
	})
	if r.stats == nil {
		r.stats = map[int]uint64{}
	}
	r.Dropped += lost - min(lost, r.stats[id])
	r.stats[id] = max(lost, r.stats[id])
}

// options walks over the options at the end of a block (3.5). What does not fit ends the walk.
func (r *Reader) options(b []byte, take func(code uint16, v []byte)) {
	for len(b) >= 4 {
		code, n := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if b = b[4:]; code == 0 || n > len(b) {
			return
		}
		take(code, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// resyncBlock moves on to the next block that looks right, and reports what was skipped as damage.
func (r *Reader) resyncBlock(off int64, format string, args ...any) bool {
	for {
		r.b.r++
		b := r.b.peek(maxBlock + 16)
		if len(b) < 12 {
			r.b.r = r.b.w
			r.damage(off, format+", and none follows that looks right", args...)
			return false
		}
		sure := max(1, len(b)-maxBlock)
		if r.b.err != nil {
			sure = len(b)
		}
		for i := range sure {
			if len(b)-i >= 12 && r.plausibleBlock(b[i:]) && r.whole(b[i:]) {
				r.b.r += i
				r.damage(off, format+"; %d octets skipped", append(args, r.b.pos()-off)...)
				return true
			}
		}
		r.b.r += sure - 1
	}
}

// plausibleBlock says whether b may begin with a block.
func (r *Reader) plausibleBlock(b []byte) bool {
	if len(b) < 12 {
		return len(b) == 0
	}
	if binary.BigEndian.Uint32(b) == magicSection {
		return binary.LittleEndian.Uint32(b[8:]) == magicOrder || binary.BigEndian.Uint32(b[8:]) == magicOrder
	}
	if r.order == nil {
		return false
	}
	kind, total := r.u32(b), r.u32(b[4:])
	return (kind >= blockInterface && kind <= blockEnhanced || kind == blockJournal || kind == blockSecrets) && total >= 12 && total%4 == 0 && total <= maxBlock
}

// follows says whether a block that looks right begins anywhere in b.
func (r *Reader) follows(b []byte) bool {
	for i := range max(0, len(b)-12) {
		if r.plausibleBlock(b[i:]) && r.whole(b[i:]) {
			return true
		}
	}
	return false
}

// skipped says whether a type of block is known to hold nothing that is needed here, at any length.
func skipped(kind uint32) bool {
	switch kind {
	case blockNames, blockJournal, blockSecrets, blockCustom, blockCustom | 0x40000000:
		return true
	}
	return false
}

// whole says whether b begins with a block whose two lengths agree, or with a section.
func (r *Reader) whole(b []byte) bool {
	if binary.BigEndian.Uint32(b) == magicSection {
		return true
	}
	total := r.u32(b[4:])
	return int(total) <= len(b) && r.u32(b[total-4:]) == total
}
