package sdp

import "strconv"

// Span is a named leaf of a session description: the octets body[Off:End] and what they are. It is 24 octets and holds no
// pointers.
type Span struct {
	// Off and End are octets from the start of the description, End exclusive.
	Off, End int32
	// NameOff and NameEnd say where the name of an attribute (a=) or of a bandwidth type (b=) stands, 0, 0 elsewhere. A
	// property attribute is its own name; with an empty value ("a=rtcp:") the span covers the name and the colon.
	NameOff, NameEnd int32
	// Line is the ordinal of the line, from 0, empty lines included. It stops counting at 65535.
	Line uint16
	// Index counts, from 0, the lines of the same letter in the same section, for a= and b= those of the same name. It
	// stops counting at 65535. In a section of more than 32 different names the others are counted together.
	Index uint16
	// Media is the section: -1 before the first m= line, 0 from there on, and so forth. It stops counting at 32767.
	Media int16
	Type  byte // the letter of the line; 0 if the line does not begin with a letter and an equals sign
	Part  Part
}

// Part says which leaf of a line a span is.
// The numbers are not stable between versions: store paths, not numbers.
type Part uint8

// The leaves. The comments give the end of the path.
const (
	PartValue     Part = iota // "": the value as a whole, or what is left of it where the grammar gives out
	PartUsername              // .username of o=, and the rest up to address (RFC 8866 5.2)
	PartSessionID             // .session-id
	PartVersion               // .version
	PartNettype               // .nettype of o= and c=
	PartAddrtype              // .addrtype
	PartAddress               // .address
	PartTTL                   // .ttl of c=: what follows the slash, TTL or number of addresses (RFC 8866 5.7)
	PartMediaType             // .type of m= (RFC 8866 5.14)
	PartPort                  // .port
	PartPorts                 // .ports: what follows the slash, the number of ports
	PartProto                 // .proto
	PartFmt                   // .fmt: all formats as one leaf

	numParts = int(iota)
)

var partNames = [numParts]string{
	PartValue:     "value",
	PartUsername:  "username",
	PartSessionID: "session-id",
	PartVersion:   "version",
	PartNettype:   "nettype",
	PartAddrtype:  "addrtype",
	PartAddress:   "address",
	PartTTL:       "ttl",
	PartMediaType: "type",
	PartPort:      "port",
	PartPorts:     "ports",
	PartProto:     "proto",
	PartFmt:       "fmt",
}

// String returns the last element of the part's path; "value" for the whole.
func (p Part) String() string {
	if int(p) >= numParts {
		return "part " + strconv.Itoa(int(p))
	}
	return partNames[p]
}

// maxRenderedName bounds a name taken from the description, in octets of the path.
const maxRenderedName = 64

// AppendPath appends the path of the span to dst: printable ASCII that begins with "sdp.". body must be the description the
// span was made from. Names of attributes are case-sensitive (RFC 8866 5) and rendered as they stand; octets that are no
// token characters are written as %XX, names longer than 64 octets are cut and end in "...".
//
// Attributes that repeat by nature (rtpmap, candidate and the like) always have an index, everything else has one from its
// second occurrence on.
func (s Span) AppendPath(dst, body []byte) []byte {
	if s.Type == 'm' {
		dst = s.appendSection(dst)
		if s.Part == PartValue {
			return append(dst, ".m"...)
		}
		dst = append(dst, '.')
		return append(dst, s.Part.String()...)
	}
	dst = s.appendLine(dst, body)
	switch {
	case s.Type == 0:
		dst = appendIndex(dst, s.Line)
	case s.Index > 0 || s.Type == 'a' && repeats(string(body[s.NameOff:s.NameEnd])):
		dst = appendIndex(dst, s.Index)
	}
	if s.Part == PartValue {
		return dst
	}
	dst = append(dst, '.')
	return append(dst, s.Part.String()...)
}

// Path returns the path of the span, as AppendPath appends it.
func (s Span) Path(body []byte) string {
	return string(s.AppendPath(make([]byte, 0, 64), body))
}

// LineKey returns the path of the span's line as a whole, with the section and without index: "sdp.o", "sdp.media[0].m" for
// the m= line, "sdp.media[0].a[rtpmap]", "sdp.media[0].line" for a line that has no type. Lines of two versions of a
// description are aligned by it. body must be the description the span was made from.
func (s Span) LineKey(body []byte) string {
	return string(s.AppendLineKey(make([]byte, 0, 64), body))
}

// AppendLineKey appends what LineKey returns to dst.
func (s Span) AppendLineKey(dst, body []byte) []byte { return s.appendLine(dst, body) }

// Bytes returns the octets of the span, a view into body.
func (s Span) Bytes(body []byte) []byte { return body[s.Off:s.End:s.End] }

func (s Span) appendSection(dst []byte) []byte {
	dst = append(dst, "sdp"...)
	if s.Media >= 0 {
		dst = append(dst, ".media"...)
		dst = appendIndex(dst, uint16(s.Media))
	}
	return dst
}

func (s Span) appendLine(dst, body []byte) []byte {
	dst = s.appendSection(dst)
	if s.Type == 0 {
		return append(dst, ".line"...)
	}
	dst = append(dst, '.', s.Type)
	if s.NameOff < s.NameEnd {
		dst = append(dst, '[')
		dst = appendName(dst, body[s.NameOff:s.NameEnd])
		dst = append(dst, ']')
	}
	return dst
}

func appendIndex(dst []byte, i uint16) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendUint(dst, uint64(i), 10)
	return append(dst, ']')
}

// repeats says whether an attribute of that name stands more than once as a rule: then even the first has an index, so that
// its path does not change when another one comes.
func repeats(name string) bool {
	switch name {
	case "candidate", "crypto", "extmap", "fmtp", "imageattr", "remote-candidates", "rid", "rtcp-fb", "rtpmap", "ssrc",
		"ssrc-group":
		return true
	}
	return false
}

// appendName appends a name from the description, escaped and bounded.
func appendName(dst, name []byte) []byte {
	const hex = "0123456789ABCDEF"
	start := len(dst)
	for _, c := range name {
		if len(dst)-start > maxRenderedName-6 {
			return append(dst, "..."...)
		}
		if tokenChar(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// tokenChar says whether c may stand in a token (RFC 8866 9). The percent sign may, and is escaped since it escapes.
func tokenChar(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '@', ',', ';', ':', '\\', '"', '/', '[', ']', '?', '=', '%':
		return false
	}
	return ' ' < c && c < 0x7f
}
