package sip

// Octet classes, as bits: a run of a value ends where an octet has one of the bits asked for, which makes every run one
// load and one test per octet. Octets with no bit at all are ordinary.
const (
	cLWS   = 1 << iota // SP HT, and CR LF, which stand inside a logical line only where it is folded (RFC 3261 25.1 LWS)
	cSemi              // ;
	cComma             // ,
	cEqual             // =
	cQuote             // "
	cAngle             // < >
	cColon             // :
	cQuery             // ?
	cAt                // @
)

// class holds the bits of every octet; it is only ever read.
var class = [256]uint16{
	' ': cLWS, '\t': cLWS, '\r': cLWS, '\n': cLWS,
	';': cSemi, ',': cComma, '=': cEqual, '"': cQuote, '<': cAngle, '>': cAngle, ':': cColon, '?': cQuery, '@': cAt,
}

// lowerToken maps the octets of a token (RFC 3261 25.1) to lower case and all others to 0, so that one load tells whether
// an octet may stand in a name and what it compares as. It is only ever read.
var lowerToken = [256]byte{
	'!': '!', '%': '%', '\'': '\'', '*': '*', '+': '+', '-': '-', '.': '.', '0': '0', '1': '1', '2': '2',
	'3': '3', '4': '4', '5': '5', '6': '6', '7': '7', '8': '8', '9': '9', 'A': 'a', 'B': 'b', 'C': 'c', 'D': 'd',
	'E': 'e', 'F': 'f', 'G': 'g', 'H': 'h', 'I': 'i', 'J': 'j', 'K': 'k', 'L': 'l', 'M': 'm', 'N': 'n', 'O': 'o',
	'P': 'p', 'Q': 'q', 'R': 'r', 'S': 's', 'T': 't', 'U': 'u', 'V': 'v', 'W': 'w', 'X': 'x', 'Y': 'y', 'Z': 'z',
	'_': '_', '`': '`', 'a': 'a', 'b': 'b', 'c': 'c', 'd': 'd', 'e': 'e', 'f': 'f', 'g': 'g', 'h': 'h', 'i': 'i',
	'j': 'j', 'k': 'k', 'l': 'l', 'm': 'm', 'n': 'n', 'o': 'o', 'p': 'p', 'q': 'q', 'r': 'r', 's': 's', 't': 't',
	'u': 'u', 'v': 'v', 'w': 'w', 'x': 'x', 'y': 'y', 'z': 'z', '~': '~',
}

// The functions below look at m from i on and take the end of m for the end of what may be looked at. Comparing positions as
// unsigned numbers spares the compiler's bounds checks.

// skipLWS returns the first position that holds no white space, or len(m).
func skipLWS(m []byte, i int) int {
	for uint(i) < uint(len(m)) && class[m[i]]&cLWS != 0 {
		i++
	}
	return i
}

// until returns the first position whose octet has a bit of stop, or len(m). Most octets of a message are looked at here: two
// in every turn halves what the loop itself costs, and the compiler still inlines it; with four it does not.
func until(m []byte, i int, stop uint16) int {
	if i < 0 { // never, but it spares the loop the bounds checks
		return i
	}
	for ; i < len(m)-1; i += 2 {
		if class[m[i]]&stop != 0 {
			return i
		}
		if class[m[i+1]]&stop != 0 {
			return i + 1
		}
	}
	if i < len(m) && class[m[i]]&stop == 0 {
		i++
	}
	return i
}

// trimLWS returns end without the white space before it, not going below i.
func trimLWS(m []byte, i, end int) int {
	m = m[:end]
	for uint(i) < uint(len(m)) && class[m[len(m)-1]]&cLWS != 0 {
		m = m[:len(m)-1]
	}
	return len(m)
}

// at says whether m has the octet c at i; it has none at its end.
func at(m []byte, i int, c byte) bool { return uint(i) < uint(len(m)) && m[i] == c }

// isLWS says whether m has white space at i.
func isLWS(m []byte, i int) bool { return uint(i) < uint(len(m)) && class[m[i]]&cLWS != 0 }

// quoted returns the position after the quoted string that begins at i, or -1 if it does not end in m.
// A backslash takes the octet after it along (RFC 3261 25.1 quoted-pair).
func quoted(m []byte, i int) int {
	for i++; uint(i) < uint(len(m)); i++ {
		switch m[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

// foldEqual compares s with the lower-case ASCII string low, ignoring the case of s.
func foldEqual(s []byte, low string) bool {
	if len(s) != len(low) {
		return false
	}
	for i, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != low[i] {
			return false
		}
	}
	return true
}
