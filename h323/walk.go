package h323

import (
	"math"

	"nofixup/h323/per"
)

// maxDepth bounds how deep lists and contained encodings nest. The deepest that make sense, an address in an IRR's copy of a
// Setup, take less than 10; only parameters within parameters go deeper.
const maxDepth = 32

// maxNotes bounds how many notes of one message are kept.
const maxNotes = 16

// walker is the state of one pass over a message. It lives on the stack of its caller and allocates only to grow out.
type walker struct {
	raw   []byte
	out   []Span
	notes []SyntaxError
	quiet bool // notes are not asked for

	at    Span // the path: all but Off, End and Part
	level int  // how many fields the path has

	depth   int
	count   uint16  // of items whose index counts over the whole message
	found   Message // the message that began at the very start of a path
	mute    int     // how many items around this one have no path
	side    how     // forward, reverse or mirror within logical channel parameters
	forward fieldSet
}

// fieldSet is a set of fields.
type fieldSet [(numFields + 63) / 64]uint64

func (s *fieldSet) add(f Field)      { s[f/64] |= 1 << (f % 64) }
func (s *fieldSet) has(f Field) bool { return s[f/64]>>(f%64)&1 == 1 }

// tooDeep is the note of a field that has no path: a Span has room for four fields, which is enough but for messages within
// messages within messages.
const tooDeep = "path: of more than four fields"

// noLeaf is the leaf of an item that is none.
const noLeaf = -1

func (w *walker) note(e per.Error) {
	if !w.quiet && len(w.notes) < maxNotes {
		w.notes = append(w.notes, note(e))
	}
}

func (w *walker) emit(off, end, leaf int) {
	if leaf == noLeaf || off >= end || w.mute > 0 {
		return
	}
	// Field by field: a copy of the whole would wait for the small stores before it.
	w.out = append(w.out, Span{
		Off: int32(off), End: int32(end),
		Index: w.at.Index, InnerIndex: w.at.InnerIndex, SubIndex: w.at.SubIndex, LastIndex: w.at.LastIndex, PartIndex: w.at.PartIndex,
		Message: w.at.Message, Field: w.at.Field, Inner: w.at.Inner,
		InnerField: w.at.InnerField, SubField: w.at.SubField, LastField: w.at.LastField,
		Part: Part(leaf), Reverse: w.at.Reverse, Deep: w.at.Deep,
	})
}

// encoding walks over one encoding of a type: a message, an open type or what an OCTET STRING holds. An error in it ends
// here; what is around it goes on after it.
func (w *walker) encoding(n *node, off, end, leaf int, own bool) {
	r := per.At(w.raw, off, end)
	w.node(&r, n, leaf, own)
	w.ended(&r, off)
}

// ended notes what is wrong with an encoding that was walked over. What is not a multiple of 8 bits is filled up, and so is
// an encoding of no bits at all (X.691 10.1.3).
func (w *walker) ended(r *per.Reader, off int) {
	if !r.OK() {
		w.note(r.Failure())
	} else if left := r.Left() / 8; left > 1 || left == 1 && r.Off() > off {
		w.note(per.Error{Off: r.End() - left, Msg: "encoding: ends before its octets do"})
	}
}

// item walks over a component or an alternative. own says whether the item around it is the only one whose additions have
// this path.
func (w *walker) item(r *per.Reader, it *item, own bool) {
	if it.f == FieldNone && it.m == MessageNone && it.how&^opt == 0 {
		leaf := noLeaf
		if it.p != PartValue {
			leaf = int(it.p)
		}
		w.node(r, it.t, leaf, own)
		return
	}
	leaf := int(it.p)
	message, inner, deep := w.at.Message, w.at.Inner, w.at.Deep
	if it.m != MessageNone {
		w.message(it.m)
		own = true
		if it.p == PartValue {
			leaf = noLeaf
		}
	}
	side := w.side
	if s := it.how & (forward | reverse | mirror); s != 0 {
		w.side = s
		if s == forward {
			w.forward = fieldSet{}
		}
		leaf, own = noLeaf, false
	}
	if it.f == FieldNone {
		w.node(r, it.t, leaf, own)
	} else {
		w.field(r, it, leaf)
	}
	w.side = side
	if it.m > Notify { // what follows in an H323-UU-PDU still belongs to the message
		w.at.Message, w.at.Inner, w.at.Deep = message, inner, deep
	}
}

// message begins a message: the one that paths start with, or one within it. Of messages within messages within it only the
// fields are in the path, which tell them apart.
func (w *walker) message(m Message) {
	switch {
	case w.level == 0 && w.at.Message == MessageNone:
		w.at.Message, w.found = m, m
	case w.level > 0 && w.at.Inner == MessageNone:
		w.at.Inner = m
		w.at.Deep = w.level > 1
	}
}

// field walks over an item that makes the path longer by a field.
func (w *walker) field(r *per.Reader, it *item, leaf int) {
	var index uint16
	if it.how&counted != 0 {
		index = w.count
		if w.count < math.MaxUint16 {
			w.count++
		}
	}
	level, mute, isReverse := w.level, w.mute, w.at.Reverse
	last, lastIndex := w.at.LastField, w.at.LastIndex
	own := true
	if level == 4 {
		own = false
		switch {
		case it.how&counted != 0:
			w.level = 3 // this number says it all
		case it.f != FieldTransportID: // else the alias around it has a path of its own
			w.note(per.Error{Off: r.Off(), Msg: tooDeep})
			w.mute++
		}
	}
	if w.level < 4 {
		w.set(it.f, index)
		w.level++
		switch w.side {
		case forward:
			w.forward.add(it.f)
		case reverse:
			w.at.Reverse = w.forward.has(it.f)
		case mirror:
			w.at.Reverse = true
		}
	}
	w.node(r, it.t, leaf, own)
	w.level = level
	w.set(FieldNone, 0)
	w.mute, w.at.Reverse = mute, isReverse
	if level == 4 {
		w.at.LastField, w.at.LastIndex = last, lastIndex
	}
}

// set makes the field that comes next in the path, or none.
func (w *walker) set(f Field, index uint16) {
	switch w.level {
	case 0:
		w.at.Field, w.at.Index = f, index
	case 1:
		w.at.InnerField, w.at.InnerIndex = f, index
	case 2:
		w.at.SubField, w.at.SubIndex = f, index
	case 3:
		w.at.LastField, w.at.LastIndex = f, index
	}
}

// element sets the index of the innermost field.
func (w *walker) element(i int) {
	switch w.level {
	case 1:
		w.at.Index = uint16(i)
	case 2:
		w.at.InnerIndex = uint16(i)
	case 3:
		w.at.SubIndex = uint16(i)
	case 4:
		w.at.LastIndex = uint16(i)
	}
}

// node walks over a value of a type.
func (w *walker) node(r *per.Reader, n *node, leaf int, own bool) {
	switch n.kind {
	case kindNull:
	case kindBool:
		r.Bool()
	case kindNumber:
		w.number(r, n, leaf)
	case kindChoice:
		if n.ip4 == 0 || !w.ip4(r, n) {
			w.choice(r, n, own)
		}
	case kindSequence:
		w.sequence(r, n, own)
	case kindList, kindContents, kindControl, kindGeneric, kindParam:
		// Nothing nests without end but through these.
		if w.depth >= maxDepth {
			r.Fail("type: nested too deep")
			return
		}
		w.depth++
		w.nested(r, n, leaf, own)
		w.depth--
	case kindNulls:
		if n.ext && r.Bool() {
			r.Small()
			r.Open()
			return
		}
		r.Constrained(n.size)
	case kindEnum:
		if n.ext && r.Bool() {
			r.Small()
			return
		}
		r.Constrained(n.size)
	case kindRest:
		off := r.Off()
		w.emit(off, r.End(), leaf)
		r.Bitmap(r.Left())
	default:
		w.octets(r, n, leaf)
	}
}

// ip4 is a short cut through the types of a transport address to the usual one. It says whether it could be taken.
func (w *walker) ip4(r *per.Reader, n *node) bool {
	if !r.Zeros(n.ip4) {
		return false
	}
	off, end := r.Octets(6)
	if r.OK() {
		w.emit(off, off+4, int(PartIP))
		w.emit(off+4, end, int(PartPort))
	}
	return true
}

func (w *walker) nested(r *per.Reader, n *node, leaf int, own bool) {
	switch n.kind {
	case kindList:
		w.list(r, n, leaf, own)
	case kindContents:
		if off, end := r.Open(); r.OK() {
			w.encoding(n.of, off, end, leaf, own)
		}
	case kindControl:
		w.node(r, &tControl, leaf, own)
	case kindGeneric:
		w.node(r, &tInnerGeneric, leaf, own)
	case kindParam:
		w.node(r, &tParam, leaf, own)
	}
}

// sequence walks over a SEQUENCE (X.691 18): what is there, the components, the additions.
func (w *walker) sequence(r *per.Reader, n *node, own bool) {
	ext := n.ext && r.Bool()
	optional := 0
	for i := range n.root {
		optional += int(n.root[i].how & opt)
	}
	present := r.Bits(optional)
	for i := range n.root {
		it := &n.root[i]
		if it.how&opt != 0 {
			optional--
			if present>>optional&1 == 0 {
				continue
			}
		}
		w.item(r, it, false)
		if !r.OK() {
			return
		}
	}
	if !ext {
		return
	}
	count, bitmap := r.Additions()
	for i := range count {
		if !r.BitAt(bitmap, i) {
			continue
		}
		off, end := r.Open()
		if !r.OK() {
			return
		}
		w.addition(n, i, off, end, own, false)
	}
}

// choice walks over a CHOICE (X.691 22). Its one alternative may have additions of the path of the choice.
func (w *walker) choice(r *per.Reader, n *node, own bool) {
	if !n.ext || !r.Bool() {
		if i := int(r.Constrained(uint64(len(n.root)))); r.OK() {
			w.item(r, &n.root[i], own)
		}
		return
	}
	i := r.Small()
	off, end := r.Open()
	if r.OK() {
		w.addition(n, i, off, end, own, own)
	}
}

// addition walks over an extension addition, which is an encoding of its own.
func (w *walker) addition(n *node, i, off, end int, own, within bool) {
	if i >= len(n.more) || n.more[i].t == nil {
		if own {
			w.at.PartIndex = uint16(i)
			w.emit(off, end, int(PartExtension))
			w.at.PartIndex = 0
		}
		return
	}
	r := per.At(w.raw, off, end)
	w.item(&r, &n.more[i], within)
	w.ended(&r, off)
}

func (w *walker) list(r *per.Reader, n *node, leaf int, own bool) {
	var count int
	if n.hi > 0 {
		count = r.Size(n.lo, n.hi)
	} else {
		count = r.Length()
	}
	message, inner, deep := w.at.Message, w.at.Inner, w.at.Deep
	for i := 0; i < count && r.OK(); i++ {
		switch {
		case leaf == int(PartRoute):
			w.at.PartIndex = uint16(i)
		case own:
			w.element(i)
		}
		w.node(r, n.of, leaf, own)
		w.at.Message, w.at.Inner, w.at.Deep = message, inner, deep
	}
	w.at.PartIndex = 0
}

func (w *walker) number(r *per.Reader, n *node, leaf int) {
	if n.ext && r.Bool() {
		off, end := r.Integer()
		w.emit(off, end, leaf)
		return
	}
	switch {
	case n.size < 256: // a bit-field
		r.Constrained(n.size)
	case n.size > 1<<16: // as few octets as there need be, after their number
		if off, end := r.Long(n.size); r.OK() {
			w.emit(off, end, leaf)
		}
	default:
		r.Align()
		off := r.Off()
		r.Constrained(n.size)
		if r.OK() {
			w.emit(off, r.Off(), leaf)
		}
	}
}

// octets walks over the types that are octets in the end.
func (w *walker) octets(r *per.Reader, n *node, leaf int) {
	var off, end int
	switch n.kind {
	case kindInteger:
		off, end = r.Integer()
	case kindObject:
		off, end = r.Object()
	case kindOctets:
		off, end = w.string(r, n, 8)
	case kindString:
		off, end = w.string(r, n, int(n.size))
	case kindBits:
		off, end = w.string(r, n, 1)
	default:
		off, end = r.Open()
	}
	if r.OK() {
		w.emit(off, end, leaf)
	}
}

// string walks over units of so many bits each and returns the octets that they are in. Two octets of a fixed number do not
// align (X.691 16.6); where H.323 has them they are aligned by what is before them.
func (w *walker) string(r *per.Reader, n *node, unit int) (off, end int) {
	var count int
	switch {
	case n.hi == 0:
		count = r.Length()
	case n.lo == n.hi:
		count = n.lo
	default:
		count = r.Size(n.lo, n.hi)
	}
	bits := count * unit
	if n.lo != n.hi || n.hi == 0 || bits > 16 {
		if bits > 0 {
			r.Align()
		}
	}
	off = r.Off()
	if !r.Aligned() {
		off++ // no such string is a leaf
	}
	if bits > r.Left() {
		r.Fail("string: longer than its encoding")
		return 0, 0
	}
	r.Bitmap(bits)
	end = r.Off()
	if !r.Aligned() {
		end++
	}
	return off, max(off, end)
}
