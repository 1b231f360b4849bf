package sip

import (
	"bytes"
	"encoding/binary"
)

// A URI ends at an angle bracket or at the end of m. Every run below asks for both, so that the one pass that names the parts
// of a URI also finds its end.

// schemeEnd returns the position of the colon after the scheme of the URI at i (RFC 3986 3.1), or -1 if there is none.
func schemeEnd(m []byte, i int) int {
	for j := i; j < len(m); j++ {
		switch c := m[j]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case c == ':' && j > i:
			return j
		case ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.') && j > i:
		default:
			return -1
		}
	}
	return -1
}

// isSIP says whether "sip:" stands at i, in any case.
func isSIP(m []byte, i int) bool {
	const (
		sip   = 's' | 'i'<<8 | 'p'<<16 | ':'<<24
		cases = 0x20 | 0x20<<8 | 0x20<<16
	)
	return i+4 <= len(m) && binary.LittleEndian.Uint32(m[i:i+4])|cases == sip
}

// uri names the parts of the URI at i, which does not begin with white space, and returns where it ends. SIP and SIPS URIs
// (RFC 3261 19.1.1) and tel URIs (RFC 3966 3) have parts; of others only the scheme is named.
func (s *scanner) uri(m []byte, i int) int {
	if isSIP(m, i) {
		s.put(PartScheme, i, i+3, 0, 0)
		return s.authority(m, i+4)
	}
	colon := schemeEnd(m, i)
	if colon < 0 {
		return s.upTo(PartURI, m, i, cAngle)
	}
	s.put(PartScheme, i, colon, 0, 0)
	scheme := m[i:colon]
	i = colon + 1
	switch {
	case foldEqual(scheme, "sips"):
		return s.authority(m, i)
	case foldEqual(scheme, "tel"):
		return s.uriParams(m, s.upTo(PartUser, m, i, cAngle|cSemi|cQuery))
	}
	return s.upTo(PartURI, m, i, cAngle)
}

// authority names [ userinfo "@" ] host [ ":" port ] and what follows in a SIP URI. The grammar has no white space in a URI:
// a run that white space interrupts is looked at once more, and trimmed.
func (s *scanner) authority(m []byte, i int) int {
	const stop = cAngle | cSemi | cColon | cQuery
	j := until(m, i, stop|cAt|cLWS)
	if at(m, j, '@') {
		if i < j {
			s.put(PartUser, i, j, 0, 0)
		}
		i = j + 1
		j = until(m, i, stop|cLWS)
	} else if j < len(m) && m[j] != '>' {
		if host := s.userinfo(m, i, j); host > i {
			i = host
			j = until(m, i, stop|cLWS)
		}
	}
	if isLWS(m, j) || at(m, i, '[') {
		i = skipLWS(m, i)
		j = until(m, j, stop)
		if at(m, i, '[') {
			// The colons of an IPv6 reference do not announce a port.
			if k := bytes.IndexByte(m[i:until(m, i, cAngle)], ']'); k > 0 {
				j = until(m, i+k, stop)
			}
		}
		s.trimmed(PartHost, m, i, j)
	} else if i < j {
		s.put(PartHost, i, j, 0, 0)
	}
	if at(m, j, ':') {
		j = s.upTo(PartPort, m, j+1, cAngle|cSemi|cQuery)
	}
	if at(m, j, '>') {
		return j
	}
	return s.uriParams(m, j)
}

// userinfo names user and password before an @ and returns the position after it; without an @ it returns i. There is none
// before j. A user part may hold ; ? and, before the password, a colon (RFC 3261 25.1 user-unreserved): these prove nothing as
// long as an @ can come.
func (s *scanner) userinfo(m []byte, i, j int) int {
	end := until(m, j, cAngle|cAt)
	if !at(m, end, '@') {
		return i
	}
	if colon := until(m[:end], i, cColon); colon < end {
		s.trimmed(PartUser, m, i, colon)
		s.trimmed(PartPassword, m, colon+1, end)
	} else {
		s.trimmed(PartUser, m, i, end)
	}
	return end + 1
}

// uriParams names *( ";" name [ "=" value ] ) [ "?" headers ]. A URI has no quotes, and the semicolon rules.
func (s *scanner) uriParams(m []byte, i int) int {
	const stop = cAngle | cSemi | cQuery
	for at(m, i, ';') {
		n0 := i + 1
		n1 := until(m, n0, stop|cEqual|cLWS)
		v0, v1 := n0, n1
		if at(m, n1, '=') {
			v0 = n1 + 1
			v1 = until(m, v0, stop|cLWS)
		}
		if n0 == n1 || v0 == v1 || isLWS(m, v1) {
			i = s.oddParam(m, n0)
			continue
		}
		s.put(PartURIParam, v0, v1, n0, n1)
		i = v1
	}
	if at(m, i, '?') {
		i = s.upTo(PartURIHeaders, m, i+1, cAngle)
	}
	return i
}

// oddParam names the URI parameter at i, which may lack its name or its value and have white space anywhere.
func (s *scanner) oddParam(m []byte, i int) int {
	next := until(m, i, cAngle|cSemi|cQuery)
	n0, v1 := skipLWS(m[:next], i), trimLWS(m, i, next)
	if n0 >= v1 {
		return next
	}
	eq := until(m[:v1], n0, cEqual)
	n1 := trimLWS(m, n0, eq)
	switch {
	case n0 == n1:
		s.put(PartURI, n0, v1, 0, 0) // "=x": a value without a name
	case eq == v1:
		s.put(PartURIParam, n0, n1, n0, n1)
	default:
		v0 := skipLWS(m[:v1], eq+1)
		if v0 == v1 {
			v0, v1 = n0, eq+1
		}
		s.put(PartURIParam, v0, v1, n0, n1)
	}
	return next
}

// upTo adds a leaf that ends at an octet of the class stop, and returns where that is.
func (s *scanner) upTo(p Part, m []byte, i int, stop uint16) int {
	j := until(m, i, stop|cLWS)
	if isLWS(m, j) {
		j = until(m, j, stop)
		s.trimmed(p, m, i, j)
		return j
	}
	s.add(p, i, j)
	return j
}

// trimmed adds [i, end) without the white space at both ends.
func (s *scanner) trimmed(p Part, m []byte, i, end int) {
	i = skipLWS(m[:end], i)
	s.add(p, i, trimLWS(m, i, end))
}
