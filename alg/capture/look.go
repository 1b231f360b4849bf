package capture

import (
	"bytes"
)

// verdict is what a look at the beginning of octets says.
type verdict uint8

const (
	no verdict = iota
	maybe
	yes
)

// maxStartLine is how long a start line may be that is waited for.
const maxStartLine = 4 << 10

// startsSIP says whether b begins with the start line of a SIP message: "SIP/2.0 …", or anything between a method and
// SIP/2.0 (RFC 3261 7.1). maybe says that it takes more octets to tell. HTTP, RTSP and text of other kinds on the ports of
// SIP are none.
func startsSIP(b []byte) verdict {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') { // RFC 3261 7.5
		b = b[1:]
	}
	const version = "SIP/2.0"
	if len(b) <= len(version) {
		if len(b) == 0 || bytes.HasPrefix([]byte(version), b) || methodLen(b) == len(b) {
			return maybe
		}
		if methodLen(b) > 0 && b[methodLen(b)] == ' ' {
			return maybe
		}
		return no
	}
	if bytes.HasPrefix(b, []byte(version)) && b[len(version)] == ' ' {
		return yes
	}
	n := methodLen(b)
	if n == 0 || n > 32 {
		return no
	}
	if n == len(b) {
		return maybe
	}
	if b[n] != ' ' {
		return no
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if len(b) < maxStartLine {
			return maybe
		}
		return no
	}
	line := bytes.TrimRight(b[:end], "\r \t")
	if i := bytes.LastIndexByte(line, ' '); i > n && len(line)-i-1 == len(version) && bytes.EqualFold(line[i+1:], []byte(version)) {
		return yes
	}
	return no
}

// methodLen returns how many octets at the front of b may be a method. Methods are tokens (RFC 3261 25.1); all there are have
// letters only, and other text protocols have them as well.
func methodLen(b []byte) int {
	for i, c := range b {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return i
		}
	}
	return len(b)
}

// findSIP returns where in b the next line begins that starts a message, or -1.
func findSIP(b []byte) int {
	for i := 0; i < len(b); {
		if b[i] != '\r' && b[i] != '\n' && startsSIP(b[i:]) == yes {
			return i
		}
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
	}
	// Where octets were lost, or a length was wrong, a message may begin in the middle of a line.
	if i := bytes.Index(b, []byte("SIP/2.0 ")); i >= 0 && i+11 < len(b) && digits(b[i+8:i+11]) {
		return i
	}
	return -1
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// startsTPKT says whether b begins with a TPKT (RFC 1006 6) that holds Q.931, or anything but what remote desktops and other
// users of ISO transport put into one.
func startsTPKT(b []byte) (q931, other verdict) {
	if len(b) == 0 || b[0] != 3 || len(b) > 1 && b[1] != 0 {
		return no, no
	}
	if len(b) < 7 {
		return maybe, maybe
	}
	n := int(b[2])<<8 | int(b[3])
	if n < 5 {
		return no, no
	}
	if b[4] == 8 && b[5] <= 2 {
		return yes, no
	}
	// X.224: a length, and a code for connection request or confirmation or data, the upper half of an octet.
	if c := b[5] >> 4; int(b[4]) < n && (c == 0xe || c == 0xd || c == 0xf || c == 8) && b[4] >= 2 {
		return no, no
	}
	return no, yes
}

// startsTLS says whether b begins with a handshake of TLS (RFC 8446 5.1).
func startsTLS(b []byte) verdict {
	want := func(i int, ok func(byte) bool) verdict {
		if len(b) <= i {
			return maybe
		}
		if ok(b[i]) {
			return yes
		}
		return no
	}
	for i, ok := range []func(byte) bool{
		0: func(c byte) bool { return c == 22 },
		1: func(c byte) bool { return c == 3 },
		2: func(c byte) bool { return c <= 4 },
		3: func(byte) bool { return true },
		4: func(byte) bool { return true },
		5: func(c byte) bool { return c == 1 || c == 2 }, // ClientHello, ServerHello
	} {
		if v := want(i, ok); v != yes {
			return v
		}
	}
	return yes
}

// isSTUN says whether b is a STUN message (RFC 8489 5): two zero bits, a length in words, the magic cookie.
func isSTUN(b []byte) bool {
	return len(b) >= 20 && b[0]>>6 == 0 && b[3]&3 == 0 && b[4] == 0x21 && b[5] == 0x12 && b[6] == 0xa4 && b[7] == 0x42
}

// isText says whether b could be a SIP message that somebody damaged: printable at the front, with a line end.
func isText(b []byte) bool {
	for _, c := range b[:min(len(b), 16)] {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c > '~' {
			return false
		}
	}
	return bytes.IndexByte(b, '\n') >= 0
}
