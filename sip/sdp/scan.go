package sdp

import (
	"bytes"
	"math"
)

// maxNames is how many different names of attributes a section may have until their indexes are counted together. It bounds
// the work that a description made of names alone can cause.
const maxNames = 32

// scanner is the state of one pass over a description. It lives on the stack of AppendSpans. Its methods get the description
// cut at the end of the line, so that positions are offsets in the description all along.
type scanner struct {
	out []Span
	cur Span // line, index, section and type of the spans to come

	count  [2 * 26]uint16  // lines of every letter seen in this section
	names  [maxNames]int32 // where in out the latest line of every name is
	nnames int
	excess uint16 // names beyond maxNames
}

// AppendSpans appends the spans of body to dst and returns it. They are disjoint, sorted and not empty; with body's octets
// between them they give body. It never fails, whatever body holds, and allocates only to grow dst. Work is linear in the
// length of body. Octets from 2 GiB on have no span.
func AppendSpans(dst []Span, body []byte) []Span {
	if len(body) > math.MaxInt32 {
		body = body[:math.MaxInt32]
	}
	s := scanner{out: dst}
	s.cur.Media = -1
	for i := 0; i < len(body); {
		next := len(body)
		if k := bytes.IndexByte(body[i:], '\n'); k >= 0 {
			next = i + k + 1
		}
		end := next
		if body[end-1] == '\n' {
			end--
		}
		for end > i && body[end-1] == '\r' {
			end--
		}
		s.line(body[:end], i)
		if s.cur.Line < math.MaxUint16 {
			s.cur.Line++
		}
		i = next
	}
	return s.out
}

// add appends a span from off to end unless it is empty.
func (s *scanner) add(p Part, off, end int) {
	if off < end {
		s.addNamed(p, off, end, 0, 0)
	}
}

// addNamed appends a span whose name stands at [n0, n1).
func (s *scanner) addNamed(p Part, off, end, n0, n1 int) {
	s.out = append(s.out, Span{
		Off: int32(off), End: int32(end), NameOff: int32(n0), NameEnd: int32(n1),
		Line: s.cur.Line, Index: s.cur.Index, Media: s.cur.Media, Type: s.cur.Type, Part: p,
	})
}

// line names the line at i, which ends where m does.
func (s *scanner) line(m []byte, i int) {
	if i == len(m) {
		return
	}
	k := -1
	if i+1 < len(m) && m[i+1] == '=' {
		k = letter(m[i])
	}
	s.cur.Index = 0
	if k < 0 {
		s.cur.Type = 0
		s.add(PartValue, i, len(m))
		return
	}
	s.cur.Type = m[i]
	i += 2
	switch s.cur.Type {
	case 'a', 'b':
		s.named(m, i)
		return
	case 'm':
		if s.cur.Media < math.MaxInt16 {
			s.cur.Media++
		}
		s.count = [2 * 26]uint16{}
		s.nnames, s.excess = 0, 0
		s.media(m, i)
		return
	}
	s.cur.Index = s.count[k]
	if s.count[k] < math.MaxUint16 {
		s.count[k]++
	}
	switch s.cur.Type {
	case 'o':
		s.origin(m, i)
	case 'c':
		s.connection(m, i)
	default:
		s.add(PartValue, i, len(m))
	}
}

// letter returns the place of an ASCII letter in scanner.count, or -1.
func letter(c byte) int {
	switch {
	case 'a' <= c && c <= 'z':
		return int(c - 'a')
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 26
	}
	return -1
}

// named names an attribute or a bandwidth: <name> or <name>:<value> (RFC 8866 5.8 and 5.13). The name of a line without a
// colon is what the leaf covers; without a name there is only the leaf.
func (s *scanner) named(m []byte, i int) {
	colon := len(m)
	if k := bytes.IndexByte(m[i:], ':'); k >= 0 {
		colon = i + k
	}
	if colon == i || s.cur.Type == 'b' && colon == len(m) {
		s.cur.Index = s.index(m, i, i)
		s.add(PartValue, i, len(m))
		return
	}
	s.cur.Index = s.index(m, i, colon)
	if colon+1 < len(m) {
		s.addNamed(PartValue, colon+1, len(m), i, colon)
	} else {
		s.addNamed(PartValue, i, len(m), i, colon)
	}
}

// index returns how many lines of the current type with the name [i, j) came before in this section.
func (s *scanner) index(m []byte, i, j int) uint16 {
	if i == len(m) {
		return 0 // "a=" has no leaf that could be found again
	}
	name := m[i:j]
	for k := range s.nnames {
		was := s.out[s.names[k]]
		if was.Type != s.cur.Type || !bytes.Equal(name, m[was.NameOff:was.NameEnd]) {
			continue
		}
		s.names[k] = int32(len(s.out))
		if was.Index == math.MaxUint16 {
			return was.Index
		}
		return was.Index + 1
	}
	if s.nnames < maxNames {
		s.names[s.nnames] = int32(len(s.out))
		s.nnames++
		return 0
	}
	if s.excess < math.MaxUint16 {
		s.excess++
	}
	return s.excess
}
