package sip

import (
	"math"
	"strings"
)

// Message is a view of one SIP message: its octets and their spans. The zero Message is an empty one.
type Message struct {
	Raw     []byte // the message as it was given, never changed
	Spans   []Span // what AppendSpans makes of Raw
	BodyOff int    // octets from the start to the body; len(Raw) if there is none
}

// Parse returns a view of raw, which it keeps. It never fails: see AppendSpans. Work is linear in len(raw).
func Parse(raw []byte) Message {
	var m Message
	m.Parse(raw)
	return m
}

// Parse makes m a view of raw and reuses m.Spans, so that a Message that is parsed into again and again stops allocating.
func (m *Message) Parse(raw []byte) {
	m.Raw = raw
	m.Spans = AppendSpans(m.Spans[:0], raw)
	m.BodyOff = len(raw)
	if n := len(m.Spans); n > 0 && m.Spans[n-1].Header == Body {
		m.BodyOff = int(m.Spans[n-1].Off)
	}
}

// IsRequest says whether the start line is a request line.
func (m *Message) IsRequest() bool { return m.Method() != nil }

// Method returns the method as it stands in the request line, or nil if the message is no request. Methods are
// case-sensitive (RFC 3261 7.1).
func (m *Message) Method() []byte {
	if len(m.Spans) > 0 && m.Spans[0].Part == PartMethod {
		return m.Spans[0].Bytes(m.Raw)
	}
	return nil
}

// Status returns the three digits of the status line as a number, 0 to 999, or 0 if the message is no response.
func (m *Message) Status() int {
	if len(m.Spans) < 2 || m.Spans[1].Part != PartStatus {
		return 0
	}
	n, _ := number(m.Spans[1].Bytes(m.Raw), math.MaxInt32)
	return n
}

// Body returns what follows the empty line after the headers; nil if there is nothing.
func (m *Message) Body() []byte {
	if m.BodyOff >= len(m.Raw) {
		return nil
	}
	return m.Raw[m.BodyOff:]
}

// Value returns the i-th value of the header h in the whole message, without white space around it: the number is the one
// that paths show, so Value(HeaderVia, 1) begins where via[1].protocol does. It is empty and not nil if the header line has
// no value, and nil if there is no such header. Unknown headers are not found: see Named.
func (m *Message) Value(h Header, i int) []byte {
	if h <= HeaderOther {
		return nil
	}
	for k, s := range m.Spans {
		if s.Header == h && int(s.Index) == i {
			return m.value(k)
		}
	}
	return nil
}

// value returns the value that begins with the span k. Spans leave out the brackets at the edges of a value, so the edges are
// looked for in the gaps: the colon and the line end, or commas, which no gap of another header than a list holds.
func (m *Message) value(k int) []byte {
	first := m.Spans[k]
	off := int(first.Off)
	if first.Part == PartName {
		off = int(first.End)
		for off < len(m.Raw) && m.Raw[off] != ':' {
			off++
		}
		off = min(off+1, len(m.Raw))
	} else if k > 0 {
		// The name belongs to the first value of a line, so this is a later one, with a comma before it.
		for prev := int(m.Spans[k-1].End); off > prev && m.Raw[off-1] != ','; {
			off--
		}
	}
	for k+1 < len(m.Spans) {
		s := m.Spans[k+1]
		if s.Header != first.Header || s.Index != first.Index || s.Part == PartName {
			break
		}
		k++
	}
	last := m.Spans[k]
	if last.Part == PartName {
		return m.Raw[off:off:off]
	}
	end := int(last.End)
	for limit := logicalLine(m.Raw, end); end < limit && m.Raw[end] != ','; {
		end++
	}
	off = skipLWS(m.Raw[:end], off)
	end = trimLWS(m.Raw, off, end)
	return m.Raw[off:end:end]
}

// Named returns the i-th value of the header with that name, in any case, long or compact, known or unknown; else it is like
// Value. Every line of an unknown header is one value.
func (m *Message) Named(name string, i int) []byte {
	if h := HeaderByName(name); h != HeaderOther {
		return m.Value(h, i)
	}
	for k, s := range m.Spans {
		if s.Header != HeaderOther || s.Part != PartName || !sameName(s.Bytes(m.Raw), name) {
			continue
		}
		if i == 0 {
			return m.value(k)
		}
		i--
	}
	return nil
}

// Find returns the first span with that path. It renders the paths of its header on its way: for use off the hot path.
func (m *Message) Find(path string) (Span, bool) {
	buf := make([]byte, 0, 128)
	last, within := StartLine, true // the header at hand, and whether the path may lie in it
	for _, s := range m.Spans {
		if s.Header != last {
			last, within = s.Header, s.Header == StartLine || strings.HasPrefix(path, s.Header.String())
		}
		if !within || s.Part.named() && !strings.HasSuffix(path, s.Part.String()) {
			continue
		}
		if buf = s.AppendPath(buf[:0], m.Raw); string(buf) == path {
			return s, true
		}
	}
	return Span{}, false
}

// ContentLength returns what the Content-Length headers say. ok is false if there is none, if one of them is not a number of
// 31 bits or if two disagree. How long the body is in fact is another question.
func (m *Message) ContentLength() (n int, ok bool) {
	lines, values := 0, 0
	for _, s := range m.Spans {
		if s.Header != HeaderContentLength {
			continue
		}
		if s.Part == PartName {
			lines++
			continue
		}
		v, good := number(s.Bytes(m.Raw), math.MaxInt32)
		if !good || values > 0 && v != n {
			return 0, false
		}
		n = v
		values++
	}
	return n, values > 0 && values == lines
}

// number reads 1*DIGIT, at most limit.
func number(b []byte, limit int) (int, bool) {
	if !isDigits(b) {
		return 0, false
	}
	n := 0
	for _, c := range b {
		d := int(c - '0')
		if n > (limit-d)/10 {
			return 0, false
		}
		n = 10*n + d
	}
	return n, true
}
