package alg

import (
	"bytes"
	"fmt"

	"nofixup/sip"
	"nofixup/sip/sdp"
)

// A line is the unit in which two versions of a message are laid beside each other: a start line, a header with its
// folds, one value of a comma list, the blank line, an SDP line, or a body that is no SDP.
type line struct {
	key    string // aligns lines by name, without indexes: "via", "sdp.c"
	path   string // names the line where no leaf of it does; see name
	off    int
	end    int
	leaves []leaf
	tokens []token // see cut; most lines of a message are equal, and nobody asks for theirs
}

// name is what a report calls the line: "via[0]", "sdp.media[1].c".
func (l *line) name() string {
	if l.path == "" {
		return l.leaves[0].linePath()
	}
	return l.path
}

// cut makes the tokens of a line behind others in room, and returns that. count is an empty map.
func (l *line) cut(room []token, count map[string]int) []token {
	if l.tokens != nil {
		return room
	}
	from := len(room)
	at := l.off
	for _, f := range l.leaves {
		if f.off > at {
			room = append(room, token{off: at, end: f.off})
		}
		// Two values of one header in one line bear the same key but for their order.
		key := f.key()
		path := key
		if f.numbered() {
			path = f.path()
		}
		room = append(room, token{key: key, nth: count[key], path: path, off: f.off, end: f.end})
		count[key]++
		at = f.end
	}
	if at < l.end {
		room = append(room, token{off: at, end: l.end})
	}
	l.tokens = room[from:len(room):len(room)]
	return room
}

// A token is a leaf that the parser named or the octets between two leaves. A line's tokens cover it whole.
type token struct {
	key  string // aligns tokens within a line; empty between leaves
	nth  int    // among those of its line with the same key, from 0
	path string // the field path; empty between leaves
	off  int
	end  int
}

func (t token) gap() bool { return t.key == "" }

// partner reports whether two tokens bear the same name.
func (t *token) partner(u *token) bool { return t.nth == u.nth && t.key == u.key }

// leaf is what both parsers' spans become: the one adapter between the parsers and everything else. Names are made when they
// are asked for: most leaves of two versions of a message are equal.
type leaf struct {
	of       *leaves
	sdp      bool // of the session description
	nth      int  // among the spans there
	line     int  // ordinal, so that neighbours of one line are told from neighbours of two
	value    int  // ordinal of the value in a comma list
	off, end int
}

// leaves are the spans of one message.
type leaves struct {
	raw, body []byte // the message, and the session description in it
	head      []sip.Span
	sdp       []sdp.Span
	names     *names
}

// path is the field path.
func (l leaf) path() string {
	if l.sdp {
		return l.of.sdpPath(l.of.sdp[l.nth])
	}
	return l.of.headPath(l.of.head[l.nth])
}

// key aligns leaves within a line.
func (l leaf) key() string {
	if l.sdp {
		return l.of.sdpPath(anySection(l.of.sdp[l.nth]))
	}
	first := l.of.head[l.nth]
	first.Index = 0
	return l.of.headPath(first)
}

// numbered reports whether its path says more than its key: which value, or which section of the description it is in.
func (l leaf) numbered() bool {
	if l.sdp {
		s := &l.of.sdp[l.nth]
		return s.Index > 0 || s.Media > 0
	}
	return l.of.head[l.nth].Index > 0
}

// linePath is the path of the leaf's line.
func (l leaf) linePath() string {
	if l.sdp {
		whole := l.of.sdp[l.nth]
		whole.Part = sdp.PartValue
		return l.of.sdpPath(whole)
	}
	whole := l.of.head[l.nth]
	whole.Part = sip.PartValue
	return l.of.headPath(whole)
}

// lineKey aligns the leaf's line.
func (l leaf) lineKey() string {
	n := l.of.names
	if l.sdp {
		n.buf = anySection(l.of.sdp[l.nth]).AppendLineKey(n.buf[:0], l.of.body)
	} else {
		span := l.of.head[l.nth]
		if span.Header != sip.HeaderOther {
			return span.Header.String() // which is all that there is to it
		}
		n.buf = span.AppendLineKey(n.buf[:0], l.of.raw)
	}
	return n.text()
}

func (l *leaves) headPath(s sip.Span) string {
	l.names.buf = s.AppendPath(l.names.buf[:0], l.raw)
	return l.names.text()
}

func (l *leaves) sdpPath(s sdp.Span) string {
	l.names.buf = s.AppendPath(l.names.buf[:0], l.body)
	return l.names.text()
}

// anySection leaves the number of the media section out of a span: where one section was removed or inserted, those after it
// still meet their counterparts.
func anySection(s sdp.Span) sdp.Span {
	s.Index, s.Media = 0, min(s.Media, 0)
	return s
}

// names keeps names that were made before: there are few different ones in many messages.
type names struct {
	buf   []byte
	known map[string]string
}

// maxNames bounds the names that are kept.
const maxNames = 1 << 12

// text is the name in buf.
func (n *names) text() string {
	if s, ok := n.known[string(n.buf)]; ok {
		return s
	}
	if n.known == nil || len(n.known) >= maxNames {
		n.known = map[string]string{}
	}
	s := string(n.buf)
	n.known[s] = s
	return s
}

// lines cuts a message into lines and tokens. Nothing is lost: the lines joined are the message.
func lines(proto string, raw []byte) []line {
	switch proto {
	case ProtoSIP:
		msg := sip.Parse(raw)
		return new(sheet).lines(&msg, new(names))
	case ProtoH323, ProtoH245, ProtoRAS:
		return h323Lines(proto, raw)
	default:
		return []line{rawLine(raw, 0, len(raw))}
	}
}

// rawLine is a line of octets that nobody can name.
func rawLine(_ []byte, off, end int) line {
	path := fmt.Sprintf("raw[%d:%d]", off, end)
	return line{key: "raw", path: path, off: off, end: end, tokens: []token{{key: "raw", path: path, off: off, end: end}}}
}

// sheet is a message of SIP that is cut into lines. What it holds is valid until it is used again.
type sheet struct {
	leaves
	list []leaf
	out  []line
}

// lines cuts a message of SIP that was parsed already.
func (s *sheet) lines(msg *sip.Message, names *names) []line {
	raw := msg.Raw
	s.leaves = leaves{raw: raw, head: msg.Spans, sdp: s.sdp[:0], names: names}
	s.list, s.out = s.list[:0], s.out[:0]
	for i, span := range msg.Spans {
		if int(span.Off) < msg.BodyOff {
			s.list = append(s.list, leaf{of: &s.leaves, nth: i, line: int(span.Line), value: int(span.Index), off: int(span.Off), end: int(span.End)})
		}
	}
	n := len(s.list)
	from, to, isSDP := msg.SDP()
	if !isSDP {
		from, to = len(raw), len(raw)
	} else {
		s.body = raw[from:to]
		s.sdp = sdp.AppendSpans(s.sdp, s.body)
		for i, span := range s.sdp {
			s.list = append(s.list, leaf{of: &s.leaves, sdp: true, nth: i, line: int(span.Line), off: from + int(span.Off), end: from + int(span.End)})
		}
	}
	s.linesOf(0, msg.BodyOff, s.list[:n], true)
	for _, part := range []struct {
		key      string
		off, end int
	}{{"body", msg.BodyOff, from}, {"", from, to}, {"body.epilogue", to, len(raw)}} {
		switch {
		case part.off >= part.end:
		case part.key == "":
			s.linesOf(from, to, s.list[n:], false)
		default:
			if isSDP && part.key == "body" {
				part.key = "body.preamble" // the MIME head of the part that holds the SDP
			}
			s.out = append(s.out, line{
				key: part.key, path: part.key, off: part.off, end: part.end,
				tokens: []token{{key: part.key, path: part.key, off: part.off, end: part.end}},
			})
		}
	}
	return s.out
}

// linesOf makes lines of raw[off:end] from its leaves. The octets between the last leaf of a line and the first of the next
// belong to the first line up to its line end; with blank, what follows the last line's end is a line of its own, so that
// a header inserted at the end does not make the one before it look changed.
func (s *sheet) linesOf(off, end int, leaves []leaf, blank bool) {
	raw := s.raw
	add := func(l line) {
		if l.off < l.end {
			s.out = append(s.out, l)
		}
	}
	if len(leaves) == 0 {
		if off < end {
			add(rawLine(raw, off, end))
		}
		return
	}
	start := off
	if gap := raw[off:leaves[0].off]; blank && len(gap) > 0 {
		start = off + lineEnd(gap, true)
		if start > off {
			add(rawLine(raw, off, start))
		}
	}
	for i := 0; i < len(leaves); {
		j := i + 1
		for j < len(leaves) && leaves[j].line == leaves[i].line && leaves[j].value == leaves[i].value {
			j++
		}
		last := leaves[j-1].end
		stop := end
		if j < len(leaves) {
			gap := raw[last:leaves[j].off]
			if leaves[j].line == leaves[i].line {
				stop = last + bytes.LastIndexByte(gap, ',') + 1
			} else {
				stop = last + lineEnd(gap, true)
			}
			if stop == last {
				stop = leaves[j].off
			}
		} else if blank {
			stop = last + lineEnd(raw[last:end], false)
			if stop == last {
				stop = end
			}
		}
		add(line{key: leaves[i].lineKey(), off: start, end: stop, leaves: leaves[i:j]})
		start = stop
		i = j
	}
	if start < end {
		add(line{key: "blank", path: "blank-line", off: start, end: end})
	}
}

// lineEnd returns the offset behind the last (or first) line end in a gap, 0 if there is none.
func lineEnd(gap []byte, last bool) int {
	if last {
		if i := bytes.LastIndexByte(gap, '\n'); i >= 0 {
			return i + 1
		}
		return bytes.LastIndexByte(gap, '\r') + 1
	}
	if i := bytes.IndexByte(gap, '\n'); i >= 0 {
		return i + 1
	}
	return bytes.IndexByte(gap, '\r') + 1
}
