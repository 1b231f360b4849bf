package alg

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"nofixup/sip"
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
	ChangeMissed      ChangeKind = "missed"      // no change: the field was left as it is where others that belong to it were not
)

// Change is one difference between the two sightings of a message.
type Change struct {
	Kind    ChangeKind
	Field   string // path of the field, by its place in what was sent; an inserted one by its place in what was received
	Sent    []byte // the octets as sent, empty for an insertion
	Got     []byte // the octets as received, empty for a removal
	SentOff int    // where Sent stands, or would stand, in the sent message
	GotOff  int    // where Got stands, or would stand, in the received message
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
	var c comparison
	if proto == ProtoSIP {
		c.messages[0].Parse(sent)
		c.messages[1].Parse(got)
		return c.compareMessages()
	}
	c.sent, c.got = sent, got
	return c.compare(lines(proto, sent), lines(proto, got))
}

// compareMessages is compareRaw of two different messages of SIP that were parsed already.
func (c *comparison) compareMessages() []Change {
	a, b := &c.messages[0], &c.messages[1]
	c.sent, c.got, c.text = a.Raw, b.Raw, true
	c.changes, c.removed, c.inserted, c.room = c.changes[:0], c.removed[:0], c.inserted[:0], c.room[:0]
	return c.compare(c.sheets[0].lines(a, &c.names), c.sheets[1].lines(b, &c.names))
}

func (c *comparison) compare(a, b []line) []Change {
	c.lines(a, b)
	c.moved()
	if c.text {
		c.rewrapped()
	}
	slices.SortStableFunc(c.changes, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.SentOff, y.SentOff), cmp.Compare(x.GotOff, y.GotOff))
	})
	return c.changes
}

// comparison compares two versions of a message. It can be used again, and then keeps its memory: what it returned before is not
// valid any more.
type comparison struct {
	sent, got []byte
	messages  [2]sip.Message // of SIP: the same
	text      bool           // white space and case may mean nothing
	changes   []Change
	removed   []orphan
	inserted  []orphan

	sheets [2]sheet
	names  names
	room   []token
	count  map[string]int
}

// counter returns an empty map. To clear one takes as long as it ever was large.
func (c *comparison) counter() map[string]int {
	if c.count == nil || len(c.count) > maxCount {
		c.count = map[string]int{}
	}
	clear(c.count)
	return c.count
}

// maxCount is how many fields a line may have for the map that counts them to be used again.
const maxCount = 64

// orphan is a whole line without a partner.
type orphan struct {
	line
	place int // where it would stand in the other message
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
		case c.sameBranch(a[i], b[j]):
			return lineEqual - 1
		default:
			return 1 + similarity(c.sentLine(a[i]), c.gotLine(b[j]))
		}
	}
	i, j := 0, 0
	alone := func(i, j int) bool {
		key := a[i].key
		other := func(l line) bool { return l.key == key }
		return key == b[j].key && !slices.ContainsFunc(a[i+1:], other) && !slices.ContainsFunc(a[:i], other) &&
			!slices.ContainsFunc(b[j+1:], other) && !slices.ContainsFunc(b[:j], other)
	}
	walk(len(a), len(b), same, score, alone, func(x, y int) {
		for _, l := range a[i:x] {
			c.removed = append(c.removed, orphan{l, start(b, y, len(c.got))})
		}
		for _, l := range b[j:y] {
			c.inserted = append(c.inserted, orphan{l, start(a, x, len(c.sent))})
		}
		if x < len(a) && y < len(b) {
			if !same(x, y) {
				c.tokens(&a[x], &b[y])
			}
		}
		i, j = x+1, y+1
	})
}

// start is where line i begins; where there is none, at the end of the message.
func start(lines []line, i, end int) int {
	if i < len(lines) {
		return lines[i].off
	}
	return end
}

// sameBranch reports whether two Vias name the same transaction. A proxy puts its own in front, which can look more like the
// sender's than that does once received and rport are in it (RFC 3261 8.1.1.7: a branch is unique).
func (c *comparison) sameBranch(a, b line) bool {
	if a.key != "via" {
		return false
	}
	branch := func(raw []byte, l line) []byte {
		for _, f := range l.leaves {
			if f.key() == "via[0].branch" {
				return raw[f.off:f.end]
			}
		}
		return nil
	}
	sent := branch(c.sent, a)
	return sent != nil && bytes.Equal(sent, branch(c.got, b))
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
	if len(c.removed)+len(c.inserted) == 0 {
		return
	}
	elsewhere := map[string][]int{} // inserted lines by their octets
	for j, m := range c.inserted {
		k := m.key + "\x00" + string(c.gotLine(m.line))
		elsewhere[k] = append(elsewhere[k], j)
	}
	taken := make([]bool, len(c.inserted))
	for _, l := range c.removed {
		k := l.key + "\x00" + string(c.sentLine(l.line))
		if len(elsewhere[k]) == 0 {
			c.add(ChangeRemoved, l.name(), l.off, l.end, l.place, l.place)
			continue
		}
		at := elsewhere[k][0]
		elsewhere[k] = elsewhere[k][1:]
		taken[at] = true
		m := c.inserted[at]
		c.add(ChangeReordered, l.name(), l.off, l.end, m.off, m.end)
	}
	for j, m := range c.inserted {
		if !taken[j] {
			c.add(ChangeInserted, m.name(), m.place, m.place, m.off, m.end)
		}
	}
}

// tokens compares two versions of one line.
func (c *comparison) tokens(a, b *line) {
	c.room = a.cut(c.room, c.counter())
	c.room = b.cut(c.room, c.counter())
	bytesOf := func(i, j int) ([]byte, []byte) {
		return c.sent[a.tokens[i].off:a.tokens[i].end], c.got[b.tokens[j].off:b.tokens[j].end]
	}
	same := func(i, j int) bool {
		x, y := bytesOf(i, j)
		return a.tokens[i].partner(&b.tokens[j]) && bytes.Equal(x, y)
	}
	score := func(i, j int) int {
		switch {
		case !a.tokens[i].partner(&b.tokens[j]):
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
	alone := func(i, j int) bool { return !a.tokens[i].gap() && a.tokens[i].partner(&b.tokens[j]) }
	walk(len(a.tokens), len(b.tokens), same, score, alone, func(x, y int) {
		partners := x < len(a.tokens) && y < len(b.tokens)
		sent := c.stretch(a, a.tokens[i:x], x)
		got := c.stretch(b, b.tokens[j:y], y)
		switch {
		case partners && !same(x, y) && sent.leaves+got.leaves == 0 && !c.respaced(sent, got):
			// What stands before the field belongs to it: ";rport" became ";rport=5060".
			c.field(a.tokens[x].path, sent.off, a.tokens[x].end, got.off, b.tokens[y].end)
		default:
			c.cluster(a, sent, got)
			if partners && !same(x, y) {
				c.leaf(&a.tokens[x], &b.tokens[y])
			}
		}
		i, j = x+1, y+1
	})
}

// stretch is a run of tokens between two that have partners.
type stretch struct {
	tokens   []token
	leaves   int
	off, end int
}

// stretch makes one of the tokens before the i-th of a line.
func (c *comparison) stretch(l *line, tokens []token, i int) stretch {
	s := stretch{tokens: tokens, off: l.end}
	if i < len(l.tokens) {
		s.off = l.tokens[i].off
	}
	s.end = s.off
	for _, t := range tokens {
		s.off = min(s.off, t.off)
		if !t.gap() {
			s.leaves++
		}
	}
	return s
}

// respaced reports whether two stretches without a field are the same but for white space, letter case, brackets, and the
// comma between two values that can as well stand in two lines.
func (c *comparison) respaced(sent, got stretch) bool {
	plain := func(b []byte) string {
		var out []byte
		for _, c := range b {
			switch {
			case strings.IndexByte(" \t\r\n<>,", c) >= 0:
			case 'A' <= c && c <= 'Z':
				out = append(out, c|0x20)
			default:
				out = append(out, c)
			}
		}
		return string(out)
	}
	return plain(c.sent[sent.off:sent.end]) == plain(c.got[got.off:got.end])
}

// leaf reports a field whose octets differ.
func (c *comparison) leaf(a, b *token) {
	x, y := c.sent[a.off:a.end], c.got[b.off:b.end]
	kind := ChangeAltered
	switch {
	case !c.text: // every octet counts
	case strings.HasSuffix(a.path, ".name"):
		if h := sip.HeaderByName(string(x)); bytes.EqualFold(x, y) || h != sip.HeaderOther && h == sip.HeaderByName(string(y)) {
			kind = ChangeReformatted
		}
	case ofHeader(a.path) && respelt(x, y):
		kind = ChangeReformatted
	}
	c.add(kind, a.path, a.off, a.end, b.off, b.end)
}

// field reports a field together with the separators before it, without those that are equal.
func (c *comparison) field(path string, sentOff, sentEnd, gotOff, gotEnd int) {
	for sentOff < sentEnd && gotOff < gotEnd && c.sent[sentOff] == c.got[gotOff] && strings.IndexByte("; \t", c.sent[sentOff]) >= 0 {
		sentOff++
		gotOff++
	}
	c.add(ChangeAltered, path, sentOff, sentEnd, gotOff, gotEnd)
}

// cluster reports octets that have no counterpart of the same name.
func (c *comparison) cluster(l *line, sent, got stretch) {
	add := func(kind ChangeKind, path string) { c.trimmed(kind, path, sent, got) }
	switch {
	case bytes.Equal(c.sent[sent.off:sent.end], c.got[got.off:got.end]): // the same octets, understood otherwise
	case sent.leaves == 0 && got.leaves == 0:
		if c.respaced(sent, got) {
			add(ChangeReformatted, l.name()+".lws")
		} else {
			add(ChangeAltered, l.name())
		}
	case sent.leaves+got.leaves == 1 && strings.HasSuffix(first(slices.Concat(sent.tokens, got.tokens)).path, ".name"):
		// A value that moved to the line of the one before it, or to one of its own.
		add(ChangeReformatted, l.name()+".name")
	case len(got.tokens) == 0:
		each(sent.tokens, func(t token, off, end int) { c.add(ChangeRemoved, t.path, off, end, got.off, got.off) })
	case len(sent.tokens) == 0:
		each(got.tokens, func(t token, off, end int) { c.add(ChangeInserted, t.path, sent.off, sent.off, off, end) })
	case sent.leaves == 0:
		// Other separators around new fields: one change, named by the first of them.
		add(ChangeInserted, first(got.tokens).path)
	case got.leaves == 0:
		add(ChangeRemoved, first(sent.tokens).path)
	case sent.leaves == 1 && got.leaves == 1:
		add(ChangeAltered, first(sent.tokens).path)
	default:
		add(ChangeAltered, l.name())
	}
}

// trimmed reports two stretches without the octets that are equal at both ends, but never cuts a field.
func (c *comparison) trimmed(kind ChangeKind, path string, sent, got stretch) {
	equal := func(x, y byte) bool {
		return x == y && (sent.leaves == 0 || got.leaves == 0 || strings.IndexByte(" \t\r\n:;,", x) >= 0)
	}
	for sent.off < sent.end && got.off < got.end && equal(c.sent[sent.off], c.got[got.off]) {
		sent.off++
		got.off++
	}
	for sent.off < sent.end && got.off < got.end && equal(c.sent[sent.end-1], c.got[got.end-1]) {
		sent.end--
		got.end--
	}
	c.add(kind, path, sent.off, sent.end, got.off, got.end)
}

// each yields every leaf with the separators before it; separators behind the last one go with it.
func each(tokens []token, yield func(t token, off, end int)) {
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
