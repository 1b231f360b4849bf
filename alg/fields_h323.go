package alg

import (
	"nofixup/h323"
)

// h323Spans names the leaves of a message of H.323.
func h323Spans(proto string, raw []byte) []h323.Span {
	switch proto {
	case ProtoH245:
		return h323.AppendH245(nil, raw)
	case ProtoRAS:
		return h323.AppendRAS(nil, raw)
	default:
		return h323.AppendSpans(nil, raw)
	}
}

// h323Lines makes every leaf a line of its own, since there is no unit between it and the message, and so of the octets
// between two leaves. Those are aligned by the leaf that they follow.
func h323Lines(proto string, raw []byte) []line {
	var out []line
	at, after := 0, "start"
	gap := func(end int) {
		if at < end {
			l := rawLine(raw, at, end)
			l.key = "after " + after
			l.tokens[0].key = l.key
			out = append(out, l)
		}
	}
	for _, s := range h323Spans(proto, raw) {
		gap(int(s.Off))
		path := s.Path()
		out = append(out, line{
			key: path, path: path, off: int(s.Off), end: int(s.End),
			tokens: []token{{key: path, path: path, off: int(s.Off), end: int(s.End)}},
		})
		at, after = int(s.End), path
	}
	gap(len(raw))
	return out
}

// h323Name is what a message is called in a finding: the name of its type, as H.225.0 and H.245 have it.
func h323Name(proto string, raw []byte) string {
	if spans := h323Spans(proto, raw); len(spans) > 0 {
		return spans[0].Message.String()
	}
	return "octets"
}
