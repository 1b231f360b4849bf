package report

import (
	"fmt"
	"strings"

	"nofixup/alg"
)

// excerpt is one line of a message, made printable; from and to are the marked columns in it.
type excerpt struct {
	text     string
	from, to int
}

// maxExcerpt bounds an excerpt in columns; what lies far from the mark is left out.
const maxExcerpt = 96

// excerptLine cuts the line around the octets [off, end) out of a message. The mark ends with the line.
func excerptLine(s *alg.Sighting, off, end int) excerpt {
	raw := s.Raw
	off = min(max(off, 0), len(raw))
	end = min(max(end, off), len(raw))
	start := off
	for start > 0 && raw[start-1] != '\n' {
		start--
	}
	stop := off
	for stop < len(raw) && raw[stop] != '\n' && raw[stop] != '\r' {
		stop++
	}
	if stop == off && off < end { // the mark begins with a line end
		stop = min(off+2, end)
	}
	var b strings.Builder
	var e excerpt
	for i := start; i < stop; i++ {
		if i == off {
			e.from = b.Len()
		}
		if i == end {
			e.to = b.Len()
		}
		b.WriteString(printable(raw[i]))
	}
	if off >= stop {
		e.from = b.Len()
	}
	if end >= stop {
		e.to = b.Len()
	}
	e.text = b.String()
	return e.shorten()
}

// printable shows an octet as one or more ASCII characters, so that columns are octets of the text.
func printable(c byte) string {
	switch {
	case c >= 0x20 && c < 0x7f:
		return string(rune(c))
	case c == '\t':
		return `\t`
	case c == '\r':
		return `\r`
	case c == '\n':
		return `\n`
	default:
		return fmt.Sprintf(`\x%02x`, c)
	}
}

func (e excerpt) shorten() excerpt {
	const dots = "..."
	if len(e.text) <= maxExcerpt {
		return e
	}
	if e.to-e.from > maxExcerpt/2 {
		e.to = e.from + maxExcerpt/2
	}
	start := max(0, min(e.from-maxExcerpt/4, len(e.text)-maxExcerpt))
	stop := min(len(e.text), start+maxExcerpt)
	out := excerpt{text: e.text[start:stop], from: e.from - start, to: min(e.to, stop) - start}
	if start > 0 {
		out.text = dots + out.text
		out.from += len(dots)
		out.to += len(dots)
	}
	if stop < len(e.text) {
		out.text += dots
	}
	return out
}
