package fixup

import (
	"net/netip"
	"strings"
)

// This file reads SIP and SDP the way nf_conntrack_sip.c does: a line at a
// time, each question from the start of the text, no message ever parsed as a
// whole. Its blind spots (no end of the headers, an empty line of bare LF that
// hides the line below) are part of what is imitated.

// lineAt returns the start of the first line that begins after from, or -1.
// The text's own first line therefore never counts.
func lineAt(b []byte, from int) int {
	for i := from; i < len(b); i++ {
		if b[i] != '\r' && b[i] != '\n' {
			continue
		}
		if i++; i < len(b) && b[i-1] == '\r' && b[i] == '\n' {
			i++
		}
		if i >= len(b) {
			return -1
		}
		return i
	}
	return -1
}

// unfold returns where a value goes on after the line break at i, or -1 when
// the next line is no continuation. It may return len(b).
func unfold(b []byte, i int) int {
	if i++; i < len(b) && b[i-1] == '\r' && b[i] == '\n' {
		i++
	}
	if i >= len(b) || !blank(b[i]) {
		return -1
	}
	for i < len(b) && blank(b[i]) {
		i++
	}
	return i
}

// skipBlank passes white space and at most one line break. -1 means that the
// value ends here.
func skipBlank(b []byte, i int) int {
	for i < len(b) && blank(b[i]) {
		i++
	}
	if i < len(b) && (b[i] == '\r' || b[i] == '\n') {
		return unfold(b, i)
	}
	return i
}

// search finds a token in a value that begins at i, over continuation lines
// when folds is set, and returns its start or -1. A token that ends the text is
// not found, nor one in the first octet of a continuation.
func search(b []byte, i int, token string, folds bool) int {
	for limit := len(b) - len(token); i < limit; i++ {
		if b[i] == '\r' || b[i] == '\n' {
			if !folds {
				return -1
			}
			if i = unfold(b, i); i < 0 {
				return -1
			}
			continue
		}
		if folds && hasFold(b[i:], token) || !folds && string(b[i:i+len(token)]) == token {
			return i
		}
	}
	return -1
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// letter is isalpha of the kernel, which reads Latin-1.
func letter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0xc0 && c != 0xd7 && c != 0xf7
}

func hasFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// digits returns the end of a run of digits.
func digits(b []byte, i int) int {
	for i < len(b) && digit(b[i]) {
		i++
	}
	return i
}

// number reads an unsigned 32-bit number, and reports whether there is one.
// Too large a number, or more than 11 digits, is none (sip_strtouint).
func number(b []byte, i int) (uint32, bool) {
	end := digits(b, i)
	if end == i || end-i > 11 {
		return 0, false
	}
	var n uint64
	for ; i < end; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	return uint32(n), n < 1<<32
}

// field is a header: its name, the compact name, what precedes the interesting
// part of the value, and how far that part reaches.
type field struct {
	name, compact, token string
	// measure returns start and end of the part at i, and false if there is
	// none.
	measure func(b []byte, i int, six bool) (off, end int, ok bool)
}

var (
	fieldCSeq    = field{"CSeq", "", "", measureDigits}
	fieldExpires = field{"Expires", "", "", measureDigits}
	fieldLength  = field{"Content-Length", "l", "", measureDigits}
	fieldFrom    = field{"From", "f", "sip:", measureURI}
	fieldTo      = field{"To", "t", "sip:", measureURI}
	fieldContact = field{"Contact", "m", "sip:", measureURI}
	fieldViaUDP  = field{"Via", "v", "UDP ", measureHost}
	fieldViaTCP  = field{"Via", "v", "TCP ", measureHost}
)

// match says how a look for a header ended.
type match int

const (
	none   match = iota // no header of this name
	broken              // one whose value does not parse; off is where to go on
	found
)

// header finds the first header at or after from.
func (f *field) header(b []byte, from int, six bool) (off, end int, how match) {
	for i := lineAt(b, from); i >= 0; i = lineAt(b, i+1) {
		if blank(b[i]) {
			continue
		}
		switch {
		case hasFold(b[i:], f.name):
			i += len(f.name)
		case f.compact != "" && hasFold(b[i:], f.compact) && i+1 < len(b) && !letter(b[i+1]):
			i++
		default:
			continue
		}
		// A longer name that begins like this one ends the search.
		if i = skipBlank(b, i); i < 0 || i+1 >= len(b) || b[i] != ':' {
			return 0, 0, none
		}
		if i = skipBlank(b, i+1); i < 0 {
			return 0, 0, none
		}
		return f.value(b, i, six)
	}
	return 0, 0, none
}

// value measures the value at i.
func (f *field) value(b []byte, i int, six bool) (off, end int, how match) {
	at := i
	if f.token != "" {
		if at = search(b, i, f.token, true); at < 0 {
			return i, i, broken
		}
		at += len(f.token)
	}
	off, end, ok := f.measure(b, at, six)
	if !ok {
		return i, i, broken
	}
	return off, end, found
}

// following finds the next value after a comma in the header that from is in.
func (f *field) following(b []byte, from int, six bool) (off, end int, how match) {
	i := search(b, from, ",", true)
	if i < 0 {
		return 0, 0, none
	}
	if i = search(b, i, f.token, true); i < 0 {
		return 0, 0, none
	}
	i += len(f.token)
	if off, end, ok := f.measure(b, i, six); ok {
		return off, end, found
	}
	return i, i, broken
}

// walk finds the first header that parses; with inside set it begins with the
// values that follow in the header that from is in.
func (f *field) walk(b []byte, from int, inside, six bool) (off, end int, ok bool) {
	for inside {
		var how match
		if off, end, how = f.following(b, from, six); how == found {
			return off, end, true
		} else if how == none {
			break
		}
		from = off
	}
	for {
		var how match
		if off, end, how = f.header(b, from, six); how == found {
			return off, end, true
		} else if how == none {
			return 0, 0, false
		}
		from = off
	}
}

func measureDigits(b []byte, i int, _ bool) (int, int, bool) {
	end := digits(b, i)
	return i, end, end > i
}

// measureHost measures "address" or "address:port".
func measureHost(b []byte, i int, six bool) (int, int, bool) {
	_, end, ok := readAddrPort(b, i, six)
	return i, end, ok
}

// measureURI does the same after the user part, which it takes to reach to the
// last octet before the first @ of the line, wherever that is.
func measureURI(b []byte, i int, six bool) (int, int, bool) {
	for j := i; j < len(b) && b[j] != '\r' && b[j] != '\n'; j++ {
		if b[j] == '@' {
			i = j + 1
			break
		}
	}
	return measureHost(b, i, six)
}

// readAddrPort reads an address literal and an optional port from 1024 up. A
// missing port is 5060. A port in the last octets of the text does not count.
func readAddrPort(b []byte, i int, six bool) (netip.AddrPort, int, bool) {
	addr, i, ok := readAddr(b, i, six, true)
	if !ok || i >= len(b) {
		return netip.AddrPort{}, i, false
	}
	if b[i] != ':' {
		return netip.AddrPortFrom(addr, 5060), i, true
	}
	end := digits(b, i+1)
	if end == i+1 || end-i-1 > 5 || end >= len(b) {
		return netip.AddrPort{}, i, false
	}
	port, _ := number(b, i+1)
	if port < 1024 || port > 65535 {
		return netip.AddrPort{}, i, false
	}
	return netip.AddrPortFrom(addr, uint16(port)), end, true
}

// readAddr reads an address literal of the family in question; brackets say
// whether IPv6 needs them (they are read in any case).
func readAddr(b []byte, i int, six, brackets bool) (netip.Addr, int, bool) {
	if !six {
		return readAddr4(b, i)
	}
	open := i < len(b) && b[i] == '['
	if brackets && !open {
		return netip.Addr{}, i, false
	}
	if open {
		i++
	}
	end := i
	for end < len(b) && end-i < 45 && (letter(b[end]) && b[end]|0x20 <= 'f' || digit(b[end]) || b[end] == ':' || b[end] == '.') {
		end++
	}
	addr, err := netip.ParseAddr(string(b[i:end]))
	if err != nil || !addr.Is6() {
		return netip.Addr{}, i, false
	}
	if end < len(b) && b[end] == ']' {
		end++
	} else if brackets {
		return netip.Addr{}, i, false
	}
	return addr, end, true
}

// readAddr4 reads a dotted quad as in4_pton in net/core/utils.c does: leading
// zeros are decimal, and what follows may be anything but a hexadecimal letter
// or a dot.
func readAddr4(b []byte, i int) (netip.Addr, int, bool) {
	var quad [4]byte
	for k := range quad {
		n, end := 0, digits(b, i)
		if end == i {
			return netip.Addr{}, i, false
		}
		for ; i < end; i++ {
			if n = n*10 + int(b[i]-'0'); n > 255 {
				return netip.Addr{}, i, false
			}
		}
		quad[k] = byte(n)
		if k < 3 {
			if i >= len(b) || b[i] != '.' {
				return netip.Addr{}, i, false
			}
			i++
		}
	}
	if i < len(b) && (b[i] == '.' || letter(b[i]) && b[i] < 0x80 && b[i]|0x20 <= 'f') {
		return netip.Addr{}, i, false
	}
	return netip.AddrFrom4(quad), i, true
}
