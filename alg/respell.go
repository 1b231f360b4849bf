package alg

import (
	"bytes"
	"slices"
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

// squeeze takes out the white space that has no meaning in a header: folds and runs become one space, and beside a
// separator there is none. Quoted strings stay as they are.
func squeeze(b []byte) string {
	out := make([]byte, 0, len(b))
	quoted, space := false, false
	for i, c := range b {
		if !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			space = true
			continue
		}
		if space && len(out) > 0 && !separator(out[len(out)-1]) && !separator(c) {
			out = append(out, ' ')
		}
		space = false
		if c == '"' && (!quoted || !escaped(b[:i])) {
			quoted = !quoted
		}
		out = append(out, c)
	}
	return string(out)
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
			a, few := values(&c.messages[0], h)
			b, fewer := values(&c.messages[1], h)
			equal = few && fewer && slices.Equal(a, b)
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

// values returns the values of a header, squeezed; ok is false if there are too many.
func values(m *sip.Message, h sip.Header) (out []string, ok bool) {
	for i := 0; ; i++ {
		v := m.Value(h, i)
		switch {
		case v == nil:
			return out, true
		case i == maxValues:
			return nil, false
		}
		out = append(out, squeeze(v))
	}
}
