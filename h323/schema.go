package h323

import "nofixup/h323/per"

// kind says by which rule of X.691 a type is encoded.
type kind uint8

const (
	kindOpen     kind = iota // an open type: stepped over by its length
	kindNull                 // X.691 23: nothing
	kindBool                 // X.691 11
	kindNumber               // X.691 12: an INTEGER of size values, with another encoding outside of them if it is extensible
	kindInteger              // X.691 12: an INTEGER without an upper bound
	kindEnum                 // X.691 13: size root values
	kindBits                 // X.691 15: a BIT STRING of lo to hi bits, any number if hi is 0
	kindOctets               // X.691 16: an OCTET STRING of lo to hi octets, any number if hi is 0
	kindString               // X.691 27: a character string of lo to hi characters of size bits each, any number if hi is 0
	kindObject               // X.691 24: an OBJECT IDENTIFIER
	kindSequence             // X.691 18
	kindList                 // X.691 19 and 21: lo to hi elements, any number if hi is 0
	kindChoice               // X.691 22
	kindNulls                // X.691 22: a choice of size alternatives without contents, as ITU writes enumerations
	kindContents             // an OCTET STRING that holds one whole encoding of another type
	kindRest                 // no type, but what is left of the encoding
	kindControl              // H.245 itself, the one type that the schema cannot point to from within
	kindGeneric              // likewise GenericData within GenericData
	kindParam                // likewise a parameter of GenericData within another
)

// node describes a type, as far as it takes to step over it and to name what is in it. The root of a type is complete. An
// extension addition is left out where no transport address can be in it; it has a length of its own, so that what it holds
// and what later versions add does no harm.
type node struct {
	kind   kind
	ext    bool   // there is an extension marker
	size   uint64 // see kind
	lo, hi int
	ip4    int    // how many bits, all 0, lead to an IPv4 address and its port; 0 if none do
	of     *node  // the type of the elements of a list, or of contents
	root   []item // components of a SEQUENCE, alternatives of a CHOICE
	more   []item // additions after the extension marker, by their number; no node: not described
}

// item is a component or an alternative. What it adds to the path comes from here and not from its node.
type item struct {
	t   *node
	f   Field   // the field that begins here
	p   Part    // the leaf that begins here; a field with a primitive type is a leaf without one, PartValue
	m   Message // the message that begins here
	how how
}

// how holds the properties of an item.
type how uint8

const (
	opt     how = 1 << iota // OPTIONAL: a bit at the start of the SEQUENCE says whether it is there
	leaf                    // a leaf of the field that is around it
	counted                 // its index counts over the whole message, since it stands in structures that have no path
	forward                 // forward logical channel parameters: remember the fields
	reverse                 // reverse ones: mark the fields that the forward ones have too
	mirror                  // reverse ones of an acknowledgement: mark all
)

// Types of no interest but for where they end.
var (
	tNull    = node{kind: kindNull}
	tBool    = node{kind: kindBool}
	tByte    = node{kind: kindNumber, size: 256}
	tWord    = node{kind: kindNumber, size: 65536}
	tWord1   = node{kind: kindNumber, size: 65535}   // 1..65535
	tByte1   = node{kind: kindNumber, size: 255}     // 1..255
	tSeven   = node{kind: kindNumber, size: 128}     // 0..127
	tLong    = node{kind: kindNumber, size: 1 << 32} // 0..4294967295
	tLong1   = node{kind: kindNumber, size: 1<<32 - 1}
	tInteger = node{kind: kindInteger}
	tObject  = node{kind: kindObject}
	tBits    = node{kind: kindBits}
	tOctets  = node{kind: kindOctets}
	tText    = node{kind: kindString, size: 8}
	tUnicode = node{kind: kindString, size: 16}
	tIP4     = node{kind: kindOctets, lo: 4, hi: 4}
	tGUID    = node{kind: kindOctets, lo: 16, hi: 16}
	tSomeOct = node{kind: kindOctets, lo: 1, hi: 256}
	tName128 = node{kind: kindString, size: 16, lo: 1, hi: 128}
	tRest    = node{kind: kindRest}
	tOpen    = node{kind: kindOpen}
)

// per.Error has the fields of ours, so that a note costs no allocation.
func note(e per.Error) SyntaxError { return SyntaxError{Off: e.Off, Msg: e.Msg} }
