package alg

import (
	"bytes"
	"strings"

	"nofixup/sip"
)

// ofHeader reports whether a field path lies in a SIP header or the start line: where white space carries no meaning
// (RFC 3261 7.3.1). In a body, all of it may.
func ofHeader(path string) bool {
	for _, p := range []string{"sdp.", "body", "raw["} {
		if strings.HasPrefix(path, p) {
			return false
		}
	}
	return true
}

// squeezed reads a text of a header without the white space that has no meaning in it: folds and runs become one space, and beside
// a separator there is none. Quoted strings stay as they are.
type squeezed struct {
	text   []byte
	at     int
	last   byte // that was read
	held   byte // comes next, behind a space
	began  bool // there is a last one
	holds  bool // there is one held
	quoted bool
}

// next returns the next octet, or false at the end.
func (s *squeezed) next() (c byte, ok bool) {
	if s.holds {
		s.holds, s.last = false, s.held
		return s.last, true
	}
	for space := false; s.at < len(s.text); {
		c := s.text[s.at]
		if !s.quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			s.at++
			space = true
			continue
		}
		if c == '"' && (!s.quoted || !escaped(s.text[:s.at])) {
			s.quoted = !s.quoted
		}
		s.at++
		if space && s.began && !separator(s.last) && !separator(c) {
			s.holds, s.held = true, c
			return ' ', true
		}
		s.began, s.last = true, c
		return c, true
	}
	return 0, false
}

// respelt reports whether two texts of a header are the same but for white space that has no meaning in them.
func respelt(a, b []byte) bool {
	x, y := squeezed{text: a}, squeezed{text: b}
	for {
		c, ok := x.next()
		d, more := y.next()
		if c != d || ok != more {
			return false
		}
		if !ok {
			return true
		}
	}
}

// escaped reports whether what comes after b within a quoted string is escaped by a backslash.
func escaped(b []byte) bool { return (len(b)-len(bytes.TrimRight(b, `\`)))%2 == 1 }

// separator reports whether white space beside c is optional (RFC 3261 25.1).
func separator(c byte) bool { return strings.IndexByte(`,;=/:<>()`, c) >= 0 }

// maxValues bounds how many values of a header are looked at to see whether only their lines differ.
const maxValues = 32

// rewrapped marks changes in headers whose values all arrived, in order: a comma list that became several lines, or a line
// that was spelt otherwise and moved, says the same as before (RFC 3261 7.3.1).
func (c *comparison) rewrapped() {
	var same map[string]bool
	for i := range c.changes {
		change := &c.changes[i]
		if change.Kind == ChangeReformatted || change.Kind == ChangeReordered || !ofHeader(change.Field) {
			continue
		}
		name, _, _ := strings.Cut(change.Field, "[")
		name, _, _ = strings.Cut(name, ".")
		h := sip.HeaderByName(name)
		if h <= sip.HeaderOther {
			continue
		}
		equal, known := same[name]
		if !known {
			equal = sameValues(&c.messages[0], &c.messages[1], h)
			if same == nil {
				same = map[string]bool{}
			}
			same[name] = equal
		}
		if equal {
			change.Kind = ChangeReformatted
		}
	}
}

// sameValues reports whether two messages have the same values of a header, in order and however they are spelt; false if there
// are too many to look.
func sameValues(a, b *sip.Message, h sip.Header) bool {
	for i := range maxValues {
		x, y := a.Value(h, i), b.Value(h, i)
		if x == nil || y == nil {
			return x == nil && y == nil
		}
		if !respelt(x, y) {
			return false
		}
	}
	return a.Value(h, maxValues) == nil && b.Value(h, maxValues) == nil
}
