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
	path   string // names the line in a report: "via[0]", "sdp.media[1].c"
	off    int
	end    int
	leaves []leaf
	tokens []token // see cut; most lines of a message are equal, and nobody asks for theirs
}

// cut makes the tokens of a line.
func (l *line) cut() {
	if l.tokens != nil {
		return
	}
	l.tokens = make([]token, 0, 2*len(l.leaves)+1)
	count := map[string]int{}
	at := l.off
	for _, f := range l.leaves {
		if f.off > at {
			l.tokens = append(l.tokens, token{off: at, end: f.off})
		}
		// Two values of one header in one line bear the same key but for their order.
		l.tokens = append(l.tokens, token{key: f.key, nth: count[f.key], path: f.path, off: f.off, end: f.end})
		count[f.key]++
		at = f.end
	}
	if at < l.end {
		l.tokens = append(l.tokens, token{off: at, end: l.end})
	}
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

// leaf is what both parsers' spans become: the one adapter between the parsers and everything else.
type leaf struct {
	lineKey  string
	linePath string
	key      string
	path     string
	line     int // ordinal, so that neighbours of one line are told from neighbours of two
	value    int // ordinal of the value in a comma list
	off, end int
}

// lines cuts a message into lines and tokens. Nothing is lost: the lines joined are the message.
func lines(proto string, raw []byte) []line {
	switch proto {
	case ProtoSIP:
		return sipLines(raw)
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

func sipLines(raw []byte) []line {
	msg := sip.Parse(raw)
	return messageLines(&msg)
}

// messageLines is lines of a message of SIP that was parsed already.
func messageLines(msg *sip.Message) []line {
	raw := msg.Raw
	head := make([]leaf, 0, len(msg.Spans))
	var body []leaf
	for _, s := range msg.Spans {
		if int(s.Off) < msg.BodyOff {
			var before *leaf
			if n := len(head); n > 0 && head[n-1].line == int(s.Line) && head[n-1].value == int(s.Index) {
				before = &head[n-1]
			}
			head = append(head, sipLeaf(raw, s, before))
		}
	}
	from, to, isSDP := msg.SDP()
	if !isSDP {
		from, to = len(raw), len(raw)
	} else {
		spans := sdp.AppendSpans(nil, raw[from:to])
		body = make([]leaf, 0, len(spans))
		for _, s := range spans {
			body = append(body, sdpLeaf(raw[from:to], s, from))
		}
	}
	out := linesOf(raw, 0, msg.BodyOff, head, true)
	for _, part := range []struct {
		key      string
		off, end int
	}{{"body", msg.BodyOff, from}, {"", from, to}, {"body.epilogue", to, len(raw)}} {
		switch {
		case part.off >= part.end:
		case part.key == "":
			out = append(out, linesOf(raw, from, to, body, false)...)
		default:
			if isSDP && part.key == "body" {
				part.key = "body.preamble" // the MIME head of the part that holds the SDP
			}
			out = append(out, line{
				key: part.key, path: part.key, off: part.off, end: part.end,
				tokens: []token{{key: part.key, path: part.key, off: part.off, end: part.end}},
			})
		}
	}
	return out
}

// sipLeaf makes a leaf of a span. before is the leaf before it, if that is of the same value of the same line.
func sipLeaf(raw []byte, s sip.Span, before *leaf) leaf {
	l := leaf{path: s.Path(raw), line: int(s.Line), value: int(s.Index), off: int(s.Off), end: int(s.End)}
	l.key = l.path
	if s.Index != 0 {
		first := s
		first.Index = 0
		l.key = first.Path(raw)
	}
	if before != nil {
		l.lineKey, l.linePath = before.lineKey, before.linePath
		return l
	}
	whole := s
	whole.Part = sip.PartValue
	l.lineKey, l.linePath = s.LineKey(raw), whole.Path(raw)
	return l
}

// sdpLeaf leaves the number of the media section out of the keys: where one section was removed, those after it still meet
// their counterparts.
func sdpLeaf(body []byte, s sdp.Span, base int) leaf {
	l := leaf{path: s.Path(body), line: int(s.Line), off: base + int(s.Off), end: base + int(s.End)}
	whole := s
	whole.Part = sdp.PartValue
	l.linePath = whole.Path(body)
	// Which media section it is must not matter: with one inserted in front all others would look changed.
	first := s
	first.Index = 0
	first.Media = min(first.Media, 0)
	l.lineKey, l.key = first.LineKey(body), first.Path(body)
	return l
}

// linesOf makes lines of raw[off:end] from its leaves. The octets between the last leaf of a line and the first of the next
// belong to the first line up to its line end; with blank, what follows the last line's end is a line of its own, so that
// a header inserted at the end does not make the one before it look changed.
func linesOf(raw []byte, off, end int, leaves []leaf, blank bool) []line {
	var out []line
	add := func(key, path string, off, end int, leaves []leaf) {
		if off < end {
			out = append(out, line{key: key, path: path, off: off, end: end, leaves: leaves})
		}
	}
	if len(leaves) == 0 {
		if off < end {
			out = append(out, rawLine(raw, off, end))
		}
		return out
	}
	start := off
	if gap := raw[off:leaves[0].off]; blank && len(gap) > 0 {
		start = off + lineEnd(gap, true)
		if start > off {
			out = append(out, rawLine(raw, off, start))
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
		add(leaves[i].lineKey, leaves[i].linePath, start, stop, leaves[i:j])
		start = stop
		i = j
	}
	if start < end {
		add("blank", "blank-line", start, end, nil)
	}
	return out
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
