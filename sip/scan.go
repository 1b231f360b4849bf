package sip

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// maxNames is how many different unknown header names a message may have until their indexes are counted together. It
// bounds the work that a message made of header names alone can cause.
const maxNames = 32

// scanner is the state of one pass over a message. It lives on the stack of AppendSpans. Its methods get the message cut at
// the end of what they may look at, so that positions are offsets in the message all along.
type scanner struct {
	out []Span // up to its capacity
	n   int    // spans so far, those included for which out has no room

	line uint64
	tags uint64 // line, index and header of the spans to come, see tag

	count [numHeaders]uint16 // values seen of every known header

	names  [maxNames]int32 // where in out the latest name of every unknown header is
	nnames int
	excess uint16 // unknown headers beyond maxNames
}

// AppendSpans appends the spans of msg to dst and returns it. They are disjoint, sorted and not empty; with msg's octets
// between them they give msg. It never fails, whatever msg holds, and allocates only to grow dst, once (57 spans are usual for
// an INVITE; no message has more spans than octets). Work is linear in the length of msg. Octets from 2 GiB on have no
// span.
func AppendSpans(dst []Span, msg []byte) []Span {
	if len(msg) > math.MaxInt32 {
		msg = msg[:math.MaxInt32]
	}
	s := scanner{out: dst[:cap(dst)], n: len(dst)}
	s.message(msg)
	if s.n > cap(dst) {
		// Now the number is known.
		dst = slices.Grow(dst, s.n-len(dst))
		s = scanner{out: dst[:cap(dst)], n: len(dst)}
		s.message(msg)
	}
	return s.out[:s.n]
}

func (s *scanner) message(msg []byte) {
	i := 0
	for i < len(msg) && (msg[i] == '\r' || msg[i] == '\n') {
		i++
	}
	if i == len(msg) {
		return
	}
	next := lineEnd(msg, i)
	s.startLine(msg[:trimLWS(msg, i, next)], i)
	for i = next; i < len(msg); i = next {
		if s.line < math.MaxUint16 {
			s.line++
		}
		if msg[i] <= '\r' { // one test for most lines; blankLine has the others
			if body := blankLine(msg, i); body >= 0 {
				s.tag(Body, 0)
				s.add(PartValue, body, len(msg))
				return
			}
		}
		// This is logicalLine, without the calls. Few lines begin with white space, so that class is asked first.
		end := len(msg)
		next = end
		if k := bytes.IndexByte(msg[i:], '\n'); k >= 0 {
			end = i + k
			if next = end + 1; isLWS(msg, next) && (msg[next] == ' ' || msg[next] == '\t') {
				next = logicalLine(msg, next)
				end = next
			}
		}
		s.headerLine(msg[:trimLWS(msg, i, end)], i)
	}
}

// tag sets header and index of the spans to come. They are kept in one word with the line, as they stand in a Span: written
// one by one and read together, or the other way round, they would stall every span.
func (s *scanner) tag(h Header, index uint16) {
	s.tags = s.line | uint64(index)<<16 | uint64(h)<<32
}

// add appends a span from off to end unless it is empty.
func (s *scanner) add(p Part, off, end int) {
	if off < end {
		s.put(p, off, end, 0, 0)
	}
}

// put appends a span, which must not be empty, whose name stands at [n0, n1). Without room it only counts: what makes
// room can then stay out of a function that is called for every span.
func (s *scanner) put(p Part, off, end, n0, n1 int) {
	if n := s.n; uint(n) < uint(len(s.out)) {
		t := &s.out[n]
		t.Off, t.End = int32(off), int32(end)
		t.NameOff, t.NameEnd = int32(n0), int32(n1)
		tags := s.tags | uint64(p)<<40
		t.Line, t.Index = uint16(tags), uint16(tags>>16)
		t.Header, t.Part = Header(tags>>32), Part(tags>>40)
	}
	s.n++
}

// lineEnd returns the position after the LF that ends the line at i, or the end of msg.
func lineEnd(msg []byte, i int) int {
	if k := bytes.IndexByte(msg[i:], '\n'); k >= 0 {
		return i + k + 1
	}
	return len(msg)
}

// logicalLine returns the position after the header line at i and all the lines that continue it (RFC 3261 7.3.1).
func logicalLine(msg []byte, i int) int {
	for {
		i = lineEnd(msg, i)
		if i == len(msg) || msg[i] != ' ' && msg[i] != '\t' {
			return i
		}
	}
}

// blankLine returns the position after the line at i if the line is empty, else -1. A line that holds nothing but CRs is
// empty; one with white space continues the line before it.
func blankLine(msg []byte, i int) int {
	for i < len(msg) && msg[i] == '\r' {
		i++
	}
	if i < len(msg) && msg[i] == '\n' {
		return i + 1
	}
	return -1
}

// startLine names Request-Line or Status-Line (RFC 3261 7.1 and 7.2), tolerating any white space where SP is due. What has no
// SIP version in its place is one leaf. The line has no white space at its end.
func (s *scanner) startLine(m []byte, i int) {
	sp := until(m, i, cLWS)
	if sipVersion(m[i:sp]) {
		a := skipLWS(m, sp)
		b := until(m, a, cLWS)
		if b-a == 3 && isDigits(m[a:b]) {
			s.add(PartVersion, i, sp)
			s.add(PartStatus, a, b)
			s.add(PartReason, skipLWS(m, b), len(m))
			return
		}
	}
	v := len(m)
	for v > sp && class[m[v-1]]&cLWS == 0 {
		v--
	}
	uri, uriEnd := skipLWS(m[:v], sp), trimLWS(m, sp, v)
	if uri >= uriEnd || !isToken(m[i:sp]) || !sipVersion(m[v:]) {
		s.add(PartValue, i, len(m))
		return
	}
	s.put(PartMethod, i, sp, 0, 0)
	if mark := s.n; s.uri(m[:uriEnd], uri) != uriEnd {
		s.n = mark
		s.add(PartURI, uri, uriEnd)
	}
	s.put(PartVersion, v, len(m), 0, 0)
}

// headerLine names the logical line at i; m ends where the line ends, without its line end and white space before that.
func (s *scanner) headerLine(m []byte, i int) {
	h, j := knownName(m, i)
	colon := j
	if h == HeaderOther {
		i = skipLWS(m, i) // white space can only stand here in the line after the start line
		h, j = name(m, i)
		if colon = skipLWS(m, j); i >= j || !at(m, colon, ':') {
			s.tag(Malformed, 0)
			s.add(PartValue, i, len(m))
			return
		}
	}
	value := skipLWS(m, colon+1)
	if h == HeaderOther {
		s.tag(h, s.unknown(m, i, j))
		s.put(PartName, i, j, i, j)
		if value < len(m) {
			s.put(PartValue, value, len(m), i, j)
		}
		return
	}
	n := s.count[h]
	s.tag(h, n)
	s.put(PartName, i, j, 0, 0)
	switch headers[h].form {
	case formVia, formAddrList:
		s.list(h, m, value)
		return
	case formAddr:
		if value < len(m) {
			s.address(m, value, 0)
		}
	case formValue:
		if value < len(m) {
			s.put(PartValue, value, len(m), 0, 0)
		}
	}
	s.count[h] = successor(n)
}

// knownName returns the header whose name stands at i, right before a colon, and where the name ends, or HeaderOther.
// It reads eight octets at a time, which is how most names are read; those too close to the end of m are left to name.
func knownName(m []byte, i int) (Header, int) {
	const (
		ones   = 0x0101010101010101
		highs  = 0x80 * ones
		colons = ':' * ones
		cases  = 0x40 * ones
	)
	var low [maxHeaderName]byte
	for n := 0; n < maxHeaderName && i+n+8 <= len(m); n += 8 {
		// 0x20 is added to octets of 0x40 and up, which makes letters lower case and of nothing else a letter or a hyphen:
		// what is then known by name needs no look at its octets.
		w := binary.LittleEndian.Uint64(m[i+n : i+n+8])
		w |= w & cases >> 1
		binary.LittleEndian.PutUint64(low[n:n+8], w)
		// The lowest bit set in colon is in the octet of the first colon.
		c := w ^ colons
		if colon := (c - ones) &^ c & highs; colon != 0 {
			n += bits.TrailingZeros64(colon) / 8
			return lookup(low[:n]), i + n
		}
	}
	return HeaderOther, i
}

// name returns the header whose name begins at i, and where the name ends: at the first octet that is not in a token.
func name(m []byte, i int) (Header, int) {
	j := i
	for j < len(m) && lowerToken[m[j]] != 0 {
		j++
	}
	return headerOf(m[i:j]), j
}

// list names the values of a comma list. Empty elements (RFC 3261 has none) have no number of their own, but a line has at
// least one, so that the names of two such lines do not share a path.
func (s *scanner) list(h Header, m []byte, i int) {
	first := s.count[h]
	n := first
	for {
		for i < len(m) && class[m[i]]&(cLWS|cComma) != 0 {
			i++
		}
		if i >= len(m) {
			break
		}
		s.tag(h, n)
		if h == HeaderVia {
			i = s.via(m, i)
		} else {
			i = s.address(m, i, cComma)
		}
		n = successor(n)
	}
	if n == first {
		n = successor(n)
	}
	s.count[h] = n
}

// successor returns the index after n, as long as there is one.
func successor(n uint16) uint16 {
	if n < math.MaxUint16 {
		n++
	}
	return n
}

// unknown returns the index of the unknown header of that name: how many lines of it came before.
func (s *scanner) unknown(m []byte, i, j int) uint16 {
	name := m[i:j]
	for k := range s.nnames {
		if int(s.names[k]) >= len(s.out) {
			break // this pass only counts spans
		}
		was := s.out[s.names[k]]
		if sameName(name, m[was.Off:was.End]) {
			s.names[k] = int32(s.n)
			return successor(was.Index)
		}
	}
	if s.nnames < maxNames {
		s.names[s.nnames] = int32(s.n)
		s.nnames++
		return 0
	}
	s.excess = successor(s.excess)
	return s.excess
}

// sameName compares the names of two headers without regard to case.
func sameName[T []byte | string](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lowerToken[c] != lowerToken[b[i]] {
			return false
		}
	}
	return true
}

func isToken(b []byte) bool {
	for _, c := range b {
		if lowerToken[c] == 0 {
			return false
		}
	}
	return len(b) > 0
}

func isDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// sipVersion says whether b begins like a SIP version; which version is for others to judge.
func sipVersion(b []byte) bool { return len(b) > 4 && foldEqual(b[:4], "sip/") }
