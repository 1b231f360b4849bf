package sip

import "iter"

// Line is one header line of a message, as offsets into it.
type Line struct {
	Header             Header // Malformed for a line without a name and a colon
	Off, End           int    // the whole logical line with its line end
	NameOff, NameEnd   int    // the name as it stands; empty if Malformed
	ValueOff, ValueEnd int    // what follows the colon without white space around it; if Malformed all of the line
}

// Lines returns the header lines in order as they stand, folded lines as one, without start line and empty line. Their
// ordinals are those of Span.Line, from 1.
func (m *Message) Lines() iter.Seq[Line] {
	return func(yield func(Line) bool) {
		msg := m.Raw
		i := 0
		for i < len(msg) && (msg[i] == '\r' || msg[i] == '\n') {
			i++
		}
		for i = lineEnd(msg, i); i < len(msg) && blankLine(msg, i) < 0; {
			l := lineAt(msg, i)
			if !yield(l) {
				return
			}
			i = l.End
		}
	}
}

// lineAt splits the logical header line at i as scanner.headerLine does, which has no use for the result but its own.
func lineAt(msg []byte, i int) Line {
	l := Line{Header: Malformed, Off: i, End: logicalLine(msg, i)}
	msg = msg[:trimLWS(msg, i, l.End)]
	l.NameOff = min(skipLWS(msg, i), len(msg))
	l.NameEnd = l.NameOff
	for l.NameEnd < len(msg) && lowerToken[msg[l.NameEnd]] != 0 {
		l.NameEnd++
	}
	l.ValueOff, l.ValueEnd = l.NameOff, len(msg)
	colon := skipLWS(msg, l.NameEnd)
	if l.NameOff == l.NameEnd || !at(msg, colon, ':') {
		l.NameEnd = l.NameOff
		return l
	}
	l.Header = headerOf(msg[l.NameOff:l.NameEnd])
	l.ValueOff = skipLWS(msg, colon+1)
	return l
}
