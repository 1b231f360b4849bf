package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// mark is a run of octets, or of columns.
type mark struct{ off, end int }

// excerpt is one line of a message, made printable, with the marked columns in it: sorted, disjoint, not empty.
type excerpt struct {
	text  string
	marks []mark
	focus int // column of the first mark, were it empty: what was inserted or removed stands there on the other side
}

// excerptLine makes an excerpt of the line that begins at off. Marks are octets of the message and end with the line; a
// mark on nothing but the line end shows it. The excerpt has at most width columns; what is left out is far from the
// first mark.
func excerptLine(raw []byte, off int, marks []mark, width int) excerpt {
	off = min(max(off, 0), len(raw))
	stop := off
	for stop < len(raw) && raw[stop] != '\n' && raw[stop] != '\r' {
		stop++
	}
	next := min(stop+2, len(raw)) // behind the line end
	if stop < len(raw) && raw[stop] == '\n' {
		next = stop + 1
	}
	for _, m := range marks {
		if m.off >= stop && m.off < m.end && m.off < next {
			stop = next
			break
		}
	}
	var b strings.Builder
	column := make([]int, 0, stop-off+1)
	for _, c := range raw[off:stop] {
		column = append(column, b.Len())
		b.WriteString(printable(c))
	}
	column = append(column, b.Len())
	e := excerpt{text: b.String()}
	for i, m := range marks {
		from, to := min(max(m.off, off), stop), min(max(m.end, off), stop)
		if i == 0 {
			e.focus = column[from-off]
		}
		if from < to {
			e.marks = append(e.marks, mark{column[from-off], column[to-off]})
		}
	}
	return e.tidy().shorten(width)
}

// tidy sorts the marks and joins those that touch.
func (e excerpt) tidy() excerpt {
	slices.SortFunc(e.marks, func(a, b mark) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.end, b.end)) })
	var out []mark
	for _, m := range e.marks {
		if k := len(out) - 1; k >= 0 && m.off <= out[k].end {
			out[k].end = max(out[k].end, m.end)
			continue
		}
		out = append(out, m)
	}
	e.marks = out
	return e
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

const dots = "..."

// shorten cuts an excerpt to at most width columns: to a window around its first mark or, where that does not hold them
// all, to a piece around each mark.
func (e excerpt) shorten(width int) excerpt {
	if len(e.text) <= width {
		return e
	}
	pieces := []mark{e.window(width - 2*len(dots))}
	if k := len(e.marks) - 1; k > 0 && e.marks[k].end > pieces[0].end {
		pieces = e.around(width)
	}
	return e.join(pieces)
}

// window is what is shown of a line around its first mark.
func (e excerpt) window(room int) mark {
	first := mark{e.focus, e.focus}
	if len(e.marks) > 0 {
		first = e.marks[0]
	}
	start := max(0, min(first.off-room/4, len(e.text)-room))
	if start <= len(dots) || first.end <= room {
		start = 0
	}
	return mark{start, min(len(e.text), start+room)}
}

// around gives a piece with some context for every mark, as far as there is room.
func (e excerpt) around(width int) []mark {
	context := max(4, width/8)
	var out []mark
	used := len(dots)
	for _, m := range e.marks {
		p := mark{max(0, m.off-context), min(len(e.text), m.end+context)}
		if len(out) == 0 && m.off <= width/3 {
			p.off = 0
		}
		if k := len(out) - 1; k >= 0 && p.off <= out[k].end+len(dots) {
			used += p.end - out[k].end
			if used > width {
				break
			}
			out[k].end = p.end
			continue
		}
		if room := width - used - 2*len(dots); p.end-p.off > room {
			p.end = p.off + room
		}
		if p.end <= m.off {
			break
		}
		used += p.end - p.off + len(dots)
		out = append(out, p)
	}
	return out
}

// join makes an excerpt of pieces of one, with dots where something is left out.
func (e excerpt) join(pieces []mark) excerpt {
	var out excerpt
	at := 0
	for _, p := range pieces {
		if p.off > at {
			out.text += dots
		}
		shift := len(out.text) - p.off
		for _, m := range e.marks {
			if from, to := max(m.off, p.off), min(m.end, p.end); from < to {
				out.marks = append(out.marks, mark{from + shift, to + shift})
			}
		}
		out.text += e.text[p.off:p.end]
		at = p.end
	}
	if at < len(e.text) {
		out.text += dots
	}
	return out
}
