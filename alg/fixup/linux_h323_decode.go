package fixup

// The H.323 helper decodes ASN.1 PER with tables of its own and only as far as
// it has to: what it wants is kept, what stands before that is measured, and at
// what it does not know any more it stops (nf_conntrack_h323_asn1.c). This file
// does the same, with its mistakes, since they decide what is rewritten. The
// tables are in linux_h323_shapes.go.

// shape is a type as the helper knows it.
type shape struct {
	kind  kind
	ext   bool   // it has an extension mark
	width int    // bits of a number, of a length or of the index of a choice
	low   int    // the least length
	most  int    // how many elements of a list are kept
	parts []part // components or alternatives, those of the root first
	root  int    // how many are in the root
	opts  int    // how many of these may be absent
	elem  part   // of a list
}

type kind int

const (
	kindNull    kind = iota // an alternative without a value
	kindFlag                // BOOLEAN, and any number of so many bits
	kindOctet               // a number of an octet
	kindWord                // of two
	kindLong                // of up to four, with its length before it
	kindObject              // OBJECT IDENTIFIER
	kindFixed               // octets, always as many as low
	kindOctets              // octets, with a length of so many bits
	kindString              // octets, with a general length
	kindDigits              // of four bits each
	kindBMP                 // of two octets each
	kindSeq                 // SEQUENCE
	kindList                // SEQUENCE OF
	kindChoice              // CHOICE
	kindUnknown             // what the tables leave out: the message passes
)

// part is a component of a sequence, an alternative of a choice or the element
// of a list.
type part struct {
	name  string
	shape *shape
	may   bool // it may be absent
	keep  bool // it is wanted
	open  bool // its encoding is in an octet string of its own
	stop  bool // decoding of what holds it ends here, whether it is there or not
}

// tree is what was kept of a value. A choice has one part, the alternative.
type tree struct {
	name  string
	at    int    // where the octets of an address begin
	value uint32 // of a number
	parts []*tree
}

// get follows names down. It is nil when one of them is not there.
func (t *tree) get(names ...string) *tree {
next:
	for _, name := range names {
		if t == nil {
			return nil
		}
		for _, p := range t.parts {
			if p.name == name {
				t = p
				continue next
			}
		}
		return nil
	}
	return t
}

// items are the elements of a list, none when it is not there.
func (t *tree) items() []*tree {
	if t == nil {
		return nil
	}
	return t.parts
}

// outcome of decoding: a stop leaves only the innermost sequence or choice.
type outcome int

const (
	decoded outcome = iota
	stopped
	failed
)

// bitReader reads bits. What is between end and the end of the octets belongs
// to somebody else, but may be read: the helper checks before most reads, not
// before all.
type bitReader struct {
	b   []byte
	end int
	cur int
	bit int // of the octet at cur, 0 is the highest
}

// decode reads one value at the offset from. Offsets in the tree count from the
// start of b.
func decode(b []byte, from, end int, s *shape) (*tree, bool) {
	t := &tree{}
	r := bitReader{b: b, cur: from, end: end}
	return t, r.read(s, t) != failed
}

// octet is the one at an offset, and 0 behind the end of the packet.
func (r *bitReader) octet(at int) uint32 {
	if at < len(r.b) {
		return uint32(r.b[at])
	}
	return 0
}

// short reports whether so much more would be too much (nf_h323_error_boundary).
func (r *bitReader) short(octets, bits int) bool {
	return r.cur+octets+(r.bit+bits+7)/8 > r.end
}

func (r *bitReader) skip(bits int) {
	r.bit += bits
	r.cur += r.bit / 8
	r.bit %= 8
}

func (r *bitReader) align() {
	if r.bit > 0 {
		r.cur, r.bit = r.cur+1, 0
	}
}

// bits reads up to eight.
func (r *bitReader) bits(n int) int {
	v := (r.octet(r.cur)<<8 | r.octet(r.cur+1)) << (16 + r.bit) >> (32 - n)
	r.skip(n)
	return int(v)
}

// length reads a general length. It must be aligned.
func (r *bitReader) length() int {
	n := int(r.octet(r.cur))
	r.cur++
	if n >= 0x80 {
		n = n&0x3F<<8 | int(r.octet(r.cur))
		r.cur++
	}
	return n
}

// bitmap reads up to 32 bits to the top of the result (get_bitmap). When they
// end with the fourth octet, the helper forgets to move them there: what was
// before them in the first octet stays in front, and they are cut at the end.
// The extension bitmap of a Setup begins with the sixth bit of an octet, so
// this befalls the one of 27 bits, that of H.225.0 versions 5 and 6.
func (r *bitReader) bitmap(n int) uint32 {
	if n == 0 {
		return 0
	}
	var v uint64
	for i := range 5 {
		v = v<<8 | uint64(r.octet(r.cur+i))
	}
	if r.bit+n != 32 {
		v <<= r.bit
	}
	r.skip(n)
	return uint32(v>>8) & (^uint32(0) << (32 - n))
}

// open reads the length of an open type, and whether all of it is there.
func (r *bitReader) open() (int, bool) {
	if r.short(2, 0) {
		return 0, false
	}
	n := r.length()
	return n, !r.short(n, 0)
}

// read reads a value. What is wanted of it goes to t, which is nil if it is not
// wanted as a whole.
func (r *bitReader) read(s *shape, t *tree) outcome {
	var n int
	switch s.kind {
	case kindNull:
		return decoded
	case kindSeq:
		return r.sequence(s, t)
	case kindList:
		return r.list(s, t)
	case kindChoice:
		return r.choice(s, t)
	case kindUnknown:
		return failed
	case kindFlag:
		r.skip(s.width)
	case kindOctet, kindWord:
		r.align()
		r.cur += int(s.kind-kindOctet) + 1
	case kindLong:
		if r.short(0, 2) {
			return failed
		}
		n = r.bits(2) + 1
		r.align()
		if t != nil {
			// The helper steps over the octets twice when it reads them. That
			// does no harm while others follow.
			for range n {
				t.value = t.value<<8 | r.octet(r.cur)
				r.cur++
			}
			t.value += uint32(s.low)
		}
		r.cur += n
	case kindObject:
		r.align()
		if r.short(1, 0) {
			return failed
		}
		r.cur += int(r.octet(r.cur)) + 1
	case kindFixed:
		if s.low > 2 {
			r.align()
		}
		if t != nil {
			t.at = r.cur
		}
		r.cur += s.low
	case kindString:
		r.align()
		if r.short(2, 0) {
			return failed
		}
		r.cur += r.length()
	case kindOctets, kindDigits, kindBMP:
		if s.width == 8 {
			r.align()
		}
		if r.short(0, s.width) {
			return failed
		}
		n = r.bits(s.width) + s.low
		r.align()
		switch s.kind {
		case kindDigits:
			r.skip(4 * n)
		case kindBMP:
			r.cur += 2 * n
		default:
			r.cur += n
		}
	}
	if r.short(0, 0) {
		return failed
	}
	return decoded
}

// part reads a component, an element or an alternative. In an open type it ends
// where that says, whatever was decoded.
func (r *bitReader) part(p *part, t *tree, open bool) outcome {
	var kept *tree
	if t != nil && p.keep {
		kept = &tree{name: p.name}
		t.parts = append(t.parts, kept)
	}
	if !open {
		return r.read(p.shape, kept)
	}
	n, ok := r.open()
	if !ok {
		return failed
	}
	next := r.cur + n
	if kept != nil && r.read(p.shape, kept) == failed {
		return failed
	}
	r.cur, r.bit = next, 0
	return decoded
}

func (r *bitReader) sequence(s *shape, t *tree) outcome {
	if r.short(0, 1) {
		return failed
	}
	more := s.ext && r.bits(1) == 1
	if r.short(0, s.opts) {
		return failed
	}
	there := r.bitmap(s.opts)
	for i := range s.root {
		p := &s.parts[i]
		if p.stop {
			return stopped
		}
		if p.may {
			absent := there&(1<<31) == 0
			if there <<= 1; absent {
				continue
			}
		}
		if r.part(p, t, p.open) == failed {
			return failed
		}
	}
	if !more {
		return decoded
	}
	if r.short(0, 7) {
		return failed
	}
	n := r.bits(7) + 1
	if r.short(0, n) || n > 32 {
		return failed
	}
	there = r.bitmap(n)
	r.align()
	for i := range n {
		p := &part{}
		if s.root+i < len(s.parts) {
			p = &s.parts[s.root+i]
			if p.stop {
				return stopped
			}
			if there&(1<<31>>i) == 0 {
				continue
			}
		}
		// One that is newer than the tables is taken for present, even if the
		// bitmap says that it is not.
		if r.part(p, t, true) == failed {
			return failed
		}
	}
	return decoded
}

func (r *bitReader) list(s *shape, t *tree) outcome {
	r.align()
	if r.short(2, 0) {
		return failed
	}
	for i, n := 0, r.length(); i < n; i++ {
		if s.elem.open {
			r.align()
		}
		if t != nil && i >= s.most {
			t = nil
		}
		if r.part(&s.elem, t, s.elem.open) == failed {
			return failed
		}
	}
	return decoded
}

func (r *bitReader) choice(s *shape, t *tree) outcome {
	if r.short(0, 1) {
		return failed
	}
	more := s.ext && r.bits(1) == 1
	width := s.width
	if more {
		width = 7
	}
	if r.short(0, width) {
		return failed
	}
	i := r.bits(width)
	if more {
		i += s.root
	} else if i >= s.root {
		return failed
	}
	if i >= len(s.parts) { // newer than the tables
		r.align()
		n, ok := r.open()
		r.cur += n
		if !ok {
			return failed
		}
		return decoded
	}
	p := &s.parts[i]
	if p.stop {
		return stopped
	}
	if more {
		r.align()
	}
	kept := len(t.items())
	how := r.part(p, t, more)
	if t != nil && len(t.parts) == kept {
		t.parts = append(t.parts, &tree{name: p.name}) // which one it was counts also if the rest does not
	}
	if how == failed {
		return failed
	}
	return decoded
}
