package sip

import "strings"

// Field is one header line to be composed. Nothing in it is checked or changed, so that it can be as wrong as it has to be.
type Field struct {
	// Name and Value are written as Name + ": " + Value + CRLF. Value may hold folds (CRLF and SP).
	Name, Value string
	// Raw, if not empty, is written instead, with no line end added: for unusual spacing, other line ends, or lines
	// that are no header lines.
	Raw string
}

// Compose appends a message to dst: the start line, the fields, an empty line and the body, every octet as given. CRLF is
// added after start unless it ends with LF. The empty line is CRLF; if the Raw of the last field holds nothing but line
// ends, it is the empty line ("\n"). Content-Length is a field like any other and the caller's to set.
func Compose(dst []byte, start string, fields []Field, body []byte) []byte {
	const crlf = "\r\n"
	dst = append(dst, start...)
	if !strings.HasSuffix(start, "\n") {
		dst = append(dst, crlf...)
	}
	blank := false
	for _, f := range fields {
		if blank = f.Raw != "" && strings.Trim(f.Raw, crlf) == ""; f.Raw != "" {
			dst = append(dst, f.Raw...)
			continue
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, crlf...)
	}
	if !blank {
		dst = append(dst, crlf...)
	}
	return append(dst, body...)
}
