package alg

import (
	"bytes"
	"slices"
)

// ChangeKind says how a field differs between what was sent and what was received.
type ChangeKind string

// Kinds of a [Change].
const (
	ChangeAltered     ChangeKind = "altered"     // the field holds other octets
	ChangeInserted    ChangeKind = "inserted"    // the field was not there
	ChangeRemoved     ChangeKind = "removed"     // the field is gone
	ChangeReformatted ChangeKind = "reformatted" // the same field, spelt or spaced otherwise
	ChangeReordered   ChangeKind = "reordered"   // the same line in another place
)

// Change is one difference between the two sightings of a message.
type Change struct {
	Kind    ChangeKind
	Field   string // path of the field, by its place in what was sent; an inserted one by its place in what was received
	Sent    []byte // the octets as sent, empty for an insertion
	Got     []byte // the octets as received, empty for a removal
	SentOff int    // where Sent stands in the sent message
	GotOff  int    // where Got stands in the received message
}

// Compare returns how the two sightings of a delivered pair differ, in the order of the message. Equal octets are never a
// change, and no differing octet goes unreported: what is left of either message when the changes are taken out is the
// same. A pair that lacks a side has no changes.
func Compare(proto string, p *Pair) []Change {
	sent, got := p.ends()
	if sent == nil || got == nil || bytes.Equal(sent.Raw, got.Raw) {
		return nil
	}
	return compareRaw(proto, sent.Raw, got.Raw)
}

func compareRaw(proto string, sent, got []byte) []Change {
	c := comparison{sent: sent, got: got}
	a, b := lines(proto, sent), lines(proto, got)
	c.lines(a, b)
	c.moved()
	slices.SortStableFunc(c.changes, func(x, y Change) int {
		if x.Kind == ChangeInserted || y.Kind == ChangeInserted {
			return x.GotOff - y.GotOff
		}
		return x.SentOff - y.SentOff
	})
	return c.changes
}

type comparison struct {
	sent, got []byte
	changes   []Change
	removed   []line // whole lines without a partner
	inserted  []line
}

func (c *comparison) add(kind ChangeKind, field string, sentOff, sentEnd, gotOff, gotEnd int) {
	c.changes = append(c.changes, Change{
		Kind: kind, Field: field,
		Sent: c.sent[sentOff:sentEnd], SentOff: sentOff,
		Got: c.got[gotOff:gotEnd], GotOff: gotOff,
	})
}

// lines aligns two lists of lines and compares the partners.
func (c *comparison) lines(a, b []line) {
	same := func(i, j int) bool { return a[i].key == b[j].key && bytes.Equal(c.sentLine(a[i]), c.gotLine(b[j])) }
	score := func(i, j int) int {
		switch {
		case a[i].key != b[j].key:
			return 0
		case same(i, j):
			return lineEqual
		default:
			return 1 + similarity(c.sentLine(a[i]), c.gotLine(b[j]))
		}
	}
	i, j := 0, 0
	walk(len(a), len(b), same, score, func(x, y int) {
		c.removed = append(c.removed, a[i:x]...)
		c.inserted = append(c.inserted, b[j:y]...)
		if x < len(a) && y < len(b) {
			if !same(x, y) {
				c.tokens(&a[x], &b[y])
			}
		}
		i, j = x+1, y+1
	})
}

func (c *comparison) sentLine(l line) []byte { return c.sent[l.off:l.end] }
func (c *comparison) gotLine(l line) []byte  { return c.got[l.off:l.end] }

// lineEqual outweighs any similarity of lines that differ.
const lineEqual = 200

// similarity is the share of octets that two lines have in common at their ends, 0 to 98: enough to tell a header whose
// address was replaced from another header of the same name.
func similarity(a, b []byte) int {
	n := min(len(a), len(b))
	head := 0
	for head < n && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < n-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return 98 * (head + tail) / max(len(a), len(b))
}

// moved reports the lines without a partner: one that stands elsewhere octet for octet was moved.
func (c *comparison) moved() {
	taken := make([]bool, len(c.inserted))
	for _, l := range c.removed {
		at := -1
		for j, m := range c.inserted {
			if !taken[j] && l.key == m.key && bytes.Equal(c.sentLine(l), c.gotLine(m)) {
				at = j
				break
			}
		}
		if at < 0 {
			c.add(ChangeRemoved, l.path, l.off, l.end, 0, 0)
			continue
		}
		taken[at] = true
		m := c.inserted[at]
		c.add(ChangeReordered, l.path, l.off, l.end, m.off, m.end)
	}
	for j, m := range c.inserted {
		if !taken[j] {
			c.add(ChangeInserted, m.path, 0, 0, m.off, m.end)
		}
	}
}

// tokens compares two versions of one line.
func (c *comparison) tokens(a, b *line) {
	bytesOf := func(i, j int) ([]byte, []byte) {
		return c.sent[a.tokens[i].off:a.tokens[i].end], c.got[b.tokens[j].off:b.tokens[j].end]
	}
	same := func(i, j int) bool {
		x, y := bytesOf(i, j)
		return a.tokens[i].key == b.tokens[j].key && bytes.Equal(x, y)
	}
	score := func(i, j int) int {
		switch {
		case a.tokens[i].key != b.tokens[j].key:
			return 0
		case a.tokens[i].gap():
			if same(i, j) {
				return 2
			}
			return 0 // gaps that differ are no partners: they fall to the cluster around them
		case same(i, j):
			return 8
		default:
			return 6
		}
	}
	i, j := 0, 0
	walk(len(a.tokens), len(b.tokens), same, score, func(x, y int) {
		c.cluster(a, b, a.tokens[i:x], b.tokens[j:y])
		if x < len(a.tokens) && y < len(b.tokens) && !same(x, y) {
			c.leaf(&a.tokens[x], &b.tokens[y])
		}
		i, j = x+1, y+1
	})
}

// leaf reports a field whose octets differ.
func (c *comparison) leaf(a, b *token) {
	kind := ChangeAltered
	if bytes.HasSuffix([]byte(a.path), []byte(".name")) || squeeze(c.sent[a.off:a.end]) == squeeze(c.got[b.off:b.end]) {
		kind = ChangeReformatted
	}
	c.add(kind, a.path, a.off, a.end, b.off, b.end)
}

// squeeze takes white space out, so that fields which differ in nothing else are equal.
func squeeze(b []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, b))
}

// cluster reports the tokens between two pairs of partners: octets that have no counterpart of the same name.
func (c *comparison) cluster(a, b *line, sent, got []token) {
	var sentLeaves, gotLeaves int
	for _, t := range sent {
		if !t.gap() {
			sentLeaves++
		}
	}
	for _, t := range got {
		if !t.gap() {
			gotLeaves++
		}
	}
	sentOff, sentEnd := extent(sent, a)
	gotOff, gotEnd := extent(got, b)
	switch {
	case len(sent) == 0 && len(got) == 0:
	case sentLeaves == 0 && gotLeaves == 0:
		c.add(ChangeReformatted, a.path+".lws", sentOff, sentEnd, gotOff, gotEnd)
	case gotLeaves == 0 && len(got) == 0:
		c.each(ChangeRemoved, sent, func(t token, off, end int) { c.add(ChangeRemoved, t.path, off, end, 0, 0) })
	case sentLeaves == 0 && len(sent) == 0:
		c.each(ChangeInserted, got, func(t token, off, end int) { c.add(ChangeInserted, t.path, 0, 0, off, end) })
	case sentLeaves == 0:
		// Other separators around new fields: one change, named by the first of them.
		c.add(ChangeInserted, first(got).path, sentOff, sentEnd, gotOff, gotEnd)
	case gotLeaves == 0:
		c.add(ChangeRemoved, first(sent).path, sentOff, sentEnd, gotOff, gotEnd)
	case sentLeaves == 1 && gotLeaves == 1:
		c.add(ChangeAltered, first(sent).path, sentOff, sentEnd, gotOff, gotEnd)
	default:
		c.add(ChangeAltered, a.path, sentOff, sentEnd, gotOff, gotEnd)
	}
}

// each yields every leaf with the separators before it; separators behind the last one go with it.
func (c *comparison) each(_ ChangeKind, tokens []token, yield func(t token, off, end int)) {
	off := tokens[0].off
	for i, t := range tokens {
		if t.gap() {
			continue
		}
		end := t.end
		if i+2 == len(tokens) && tokens[i+1].gap() {
			end = tokens[i+1].end
		}
		yield(t, off, end)
		off = end
	}
}

func first(tokens []token) token {
	for _, t := range tokens {
		if !t.gap() {
			return t
		}
	}
	return tokens[0]
}

func extent(tokens []token, l *line) (off, end int) {
	if len(tokens) == 0 {
		return l.off, l.off
	}
	return tokens[0].off, tokens[len(tokens)-1].end
}
