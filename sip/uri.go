package sip

import "bytes"

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

// uri names the parts of the URI at i, which does not begin with white space, and returns where it ends. SIP and SIPS URIs
// (RFC 3261 19.1.1) and tel URIs (RFC 3966 3) have parts; of others only the scheme is named.
func (s *scanner) uri(m []byte, i int) int {
	colon := i + 3
	if !at(m, colon, ':') || !foldEqual(m[i:colon], "sip") {
		if colon = schemeEnd(m, i); colon < 0 {
			return s.upTo(PartURI, m, i, cAngle)
		}
	}
	s.put(PartScheme, i, colon, 0, 0)
	scheme := m[i:colon]
	i = colon + 1
	switch {
	case foldEqual(scheme, "sip"), foldEqual(scheme, "sips"):
		return s.authority(m, i)
	case foldEqual(scheme, "tel"):
		return s.uriParams(m, s.upTo(PartUser, m, i, cAngle|cSemi|cQuery))
	}
	return s.upTo(PartURI, m, i, cAngle)
}

// authority names [ userinfo "@" ] host [ ":" port ] and what follows in a SIP URI.
func (s *scanner) authority(m []byte, i int) int {
	const stop = cAngle | cSemi | cColon | cQuery
	j := until(m, i, stop|cAt)
	if j < len(m) && m[j] != '>' {
		// A user part may hold ; ? and, before the password, a colon (RFC 3261 25.1 user-unreserved): these prove nothing as
		// long as an @ can come.
		user := j
		if m[j] != '@' {
			user = until(m, j, cAngle|cAt)
		}
		if at(m, user, '@') {
			if colon := j + until(m[j:user], 0, cColon); colon < user {
				s.trimmed(PartUser, m, i, colon)
				s.trimmed(PartPassword, m, colon+1, user)
			} else {
				s.trimmed(PartUser, m, i, user)
			}
			i = user + 1
			j = until(m, i, stop)
		}
	}
	if i = skipLWS(m, i); at(m, i, '[') {
		// The colons of an IPv6 reference do not announce a port.
		if k := bytes.IndexByte(m[i:until(m, i, cAngle)], ']'); k > 0 {
			j = until(m, i+k, stop)
		}
	}
	s.trimmed(PartHost, m, i, j)
	if at(m, j, ':') {
		j = s.upTo(PartPort, m, j+1, cAngle|cSemi|cQuery)
	}
	return s.uriParams(m, j)
}

// uriParams names *( ";" name [ "=" value ] ) [ "?" headers ]. A URI has no quotes, and the semicolon rules.
func (s *scanner) uriParams(m []byte, i int) int {
	for at(m, i, ';') {
		i++
		next := until(m, i, cAngle|cSemi|cQuery)
		n0, v1 := skipLWS(m[:next], i), trimLWS(m, i, next)
		i = next
		if n0 >= v1 {
			continue
		}
		eq := until(m[:v1], n0, cEqual)
		n1 := trimLWS(m, n0, eq)
		switch {
		case n0 == n1:
			s.add(PartURI, n0, v1) // "=x": a value without a name
		case eq == v1:
			s.put(PartURIParam, n0, n1, n0, n1)
		default:
			v0 := skipLWS(m[:v1], eq+1)
			if v0 == v1 {
				v0, v1 = n0, eq+1
			}
			s.put(PartURIParam, v0, v1, n0, n1)
		}
	}
	if at(m, i, '?') {
		i = s.upTo(PartURIHeaders, m, i+1, cAngle)
	}
	return i
}

// upTo adds a leaf that ends at an octet of the class stop, and returns where that is.
func (s *scanner) upTo(p Part, m []byte, i int, stop uint16) int {
	j := until(m, i, stop)
	s.trimmed(p, m, i, j)
	return j
}

// trimmed adds [i, end) without the white space at both ends.
func (s *scanner) trimmed(p Part, m []byte, i, end int) {
	i = skipLWS(m[:end], i)
	s.add(p, i, trimLWS(m, i, end))
}
