package sip

import "bytes"

// The functions below name one value each. They begin at i, where an octet stands, and return where they stopped: at a comma if
// sep has cComma (the value is one of a list), else at the end of m. White space around leaves stays in the gaps. What the
// grammar has no place for becomes a leaf with the path of the value itself.

// via names a via-parm (RFC 3261 20.42 and 25.1): sent-protocol LWS sent-by *( SEMI via-params ).
func (s *scanner) via(m []byte, i int) int {
	const stop = cLWS | cSemi | cComma
	if m[i] != ';' {
		j := protocol(m, i)
		if j < 0 {
			return s.params(m, i, cComma) // nothing up to the parameters can have a meaning
		}
		j = until(m, j, stop)
		j = trimLWS(m, i, j)
		s.put(PartProtocol, i, j, 0, 0)
		i = skipLWS(m, j)
	}
	// sent-by is host [ COLON port ], and COLON allows white space on both sides.
	j := until(m, i, stop)
	if k := skipLWS(m, j); k > j && at(m, k, ':') {
		j = until(m, k, stop)
	}
	if j > i && m[j-1] == ':' {
		if k := skipLWS(m, j); k < len(m) && class[m[k]]&stop == 0 {
			j = until(m, k, stop)
		}
	}
	if i < j {
		s.put(PartSentBy, i, j, 0, 0)
	}
	return s.params(m, j, cComma)
}

// protocol returns where the transport of the sent-protocol at i begins, or -1 if two slashes do not come before it. There
// may be white space around them: "SIP / 2.0 / UDP".
func protocol(m []byte, i int) int {
	if len(m)-i >= 8 && string(m[i:i+8]) == "SIP/2.0/" {
		return skipLWS(m, i+8)
	}
	for range 2 {
		for i < len(m) && m[i] != '/' && class[m[i]]&(cLWS|cSemi|cComma) == 0 {
			i++
		}
		if i = skipLWS(m, i); !at(m, i, '/') {
			return -1
		}
		i = skipLWS(m, i+1)
	}
	return i
}

// address names a name-addr or an addr-spec and the header parameters after it (RFC 3261 20.10). Without angle brackets a
// semicolon ends the URI, and so does white space.
func (s *scanner) address(m []byte, i int, sep uint16) int {
	if m[i] != '<' {
		j := i
		for j < len(m) {
			k := class[m[j]]
			if k&(cQuote|cAngle|cSemi|sep) == 0 {
				j++
				continue
			}
			if k&cQuote == 0 {
				break
			}
			if j = quoted(m, j); j < 0 {
				s.add(PartValue, i, len(m)) // where the value ends is anyone's guess
				return len(m)
			}
		}
		if !at(m, j, '<') {
			spec := m[:until(m[:j], i, cLWS)]
			if schemeEnd(spec, i) < 0 {
				return s.params(m, i, sep)
			}
			return s.params(m, s.uri(spec, i), sep)
		}
		s.put(PartDisplay, i, trimLWS(m, i, j), 0, 0)
		i = j
	}
	mark := s.n
	j := s.uri(m, skipLWS(m, i+1))
	if !at(m, j, '>') {
		s.n = mark
		s.add(PartValue, i, len(m))
		return len(m)
	}
	return s.params(m, j+1, sep)
}

// params names header parameters, *( SEMI name [ EQUAL value ] ), up to the end of the value.
func (s *scanner) params(m []byte, i int, sep uint16) int {
	stop := cLWS | cSemi | cQuote | cAngle | sep
	for i < len(m) {
		if m[i] != ';' {
			k := class[m[i]]
			switch {
			case k&cLWS != 0:
				i++
			case k&sep != 0:
				return i
			default:
				j := junk(m, i, sep)
				s.add(PartValue, i, trimLWS(m, i, j))
				i = j
			}
			continue
		}
		n0 := skipLWS(m, i+1)
		n1 := until(m, n0, stop|cEqual)
		if i = n1; n0 == n1 {
			continue
		}
		eq := n1
		if !at(m, eq, '=') {
			if eq = skipLWS(m, n1); !at(m, eq, '=') {
				s.put(PartParam, n0, n1, n0, n1)
				continue
			}
		}
		v0 := skipLWS(m, eq+1)
		if i = until(m, v0, stop); i == v0 {
			if at(m, v0, '"') {
				if q := quoted(m, v0); q > 0 {
					i = q
				}
			}
			if i == v0 {
				v0, i = n0, eq+1
			}
		}
		s.put(PartParam, v0, i, n0, n1)
	}
	return len(m)
}

// junk returns where the run of octets from i on ends that no grammar explains: at the next semicolon or separator outside
// quotes and angle brackets, or at the end of m if one of these is left open.
func junk(m []byte, i int, sep uint16) int {
	for i < len(m) {
		k := class[m[i]]
		switch {
		case k&(cSemi|sep) != 0:
			return i
		case k&cQuote != 0:
			if i = quoted(m, i); i < 0 {
				return len(m)
			}
		case m[i] == '<':
			j := bytes.IndexByte(m[i:], '>')
			if j < 0 {
				return len(m)
			}
			i += j + 1
		default:
			i++
		}
	}
	return len(m)
}
