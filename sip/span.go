package sip

import "strconv"

// Span is a named leaf of a message: the octets msg[Off:End] and what they are. It is 24 octets and holds no pointers.
type Span struct {
	// Off and End are octets from the start of the message, End exclusive.
	Off, End int32
	// NameOff and NameEnd say where the name of a parameter or of an unknown header stands, since paths are rendered from
	// it; 0, 0 if there is none. A parameter without a value is its own name; with an empty value (";tag=") the span
	// covers the name and the equals sign.
	NameOff, NameEnd int32
	// Line is the ordinal of the logical (unfolded) line: 0 the start line, 1 and up the header lines as they stand, and
	// the number after the last of them for the body. It stops counting at 65535.
	Line uint16
	// Index says which value of this header in the whole message, from 0: via[1] may be the second value of the first Via
	// line or the first of the second. A header line without any value takes one number. For an unknown header it counts
	// the lines of the same name. It stops counting at 65535.
	Index uint16
	// Header is the header the span belongs to, Part the leaf within it.
	Header Header
	Part   Part
}

// Part says which leaf of a header or of the start line a span is.
// The numbers are not stable between versions: store paths, not numbers.
type Part uint8

// The leaves. Which of them a header has follows from its grammar; the comments give the end of the path.
const (
	PartValue      Part = iota // "": the value as a whole, or what is left of it where the grammar gives out
	PartName                   // .name: the name of the header as it stands
	PartMethod                 // start-line.method
	PartVersion                // start-line.version
	PartStatus                 // start-line.status
	PartReason                 // start-line.reason
	PartProtocol               // .protocol of a Via: SIP/2.0/UDP with the white space in it
	PartSentBy                 // .sent-by of a Via: host and port
	PartDisplay                // .display: a display name, with its quotes
	PartURI                    // .uri: a URI, or what is left of it, that has no finer leaves
	PartScheme                 // .uri.scheme, without the colon
	PartUser                   // .uri.user: userinfo up to a colon, or the number of a tel URI
	PartPassword               // .uri.password
	PartHost                   // .uri.host, with the brackets of an IPv6 reference
	PartPort                   // .uri.port
	PartURIParam               // .uri.<name>: the value of a URI parameter
	PartURIHeaders             // .uri.headers: what follows the question mark
	PartParam                  // .<name>: the value of a header parameter, with its quotes

	numParts = int(iota)
)

var partNames = [numParts]string{
	PartValue:      "value",
	PartName:       "name",
	PartMethod:     "method",
	PartVersion:    "version",
	PartStatus:     "status",
	PartReason:     "reason",
	PartProtocol:   "protocol",
	PartSentBy:     "sent-by",
	PartDisplay:    "display",
	PartURI:        "uri",
	PartScheme:     "scheme",
	PartUser:       "user",
	PartPassword:   "password",
	PartHost:       "host",
	PartPort:       "port",
	PartURIParam:   "uri-param",
	PartURIHeaders: "headers",
	PartParam:      "param",
}

// String returns the last element of the part's path, or its kind where the message gives that element.
func (p Part) String() string {
	if int(p) >= numParts {
		return "part " + strconv.Itoa(int(p))
	}
	return partNames[p]
}

// named says whether the path of such a leaf ends in the part's own name.
func (p Part) named() bool { return p != PartValue && p != PartParam && p != PartURIParam }

// uri says whether the part lies within a URI.
func (p Part) uri() bool { return p >= PartURI && p <= PartURIHeaders }

// maxRenderedName bounds a name taken from the message, in octets of the path.
const maxRenderedName = 64

// AppendPath appends the path of the span to dst: printable ASCII, never empty. msg must be the message the span was made
// from. Octets of names that are no token characters are written as %XX, names longer than 64 octets are cut and end in
// "...". Paths are not unique: a parameter may stand twice in a value.
func (s Span) AppendPath(dst, msg []byte) []byte {
	if s.Header == StartLine && s.Part.uri() {
		dst = append(dst, "request-uri"...)
		return s.appendURIPart(dst, msg)
	}
	dst = s.appendHeader(dst, msg)
	switch {
	case s.Header == Malformed:
		dst = append(dst, '[')
		dst = strconv.AppendUint(dst, uint64(s.Line), 10)
		return append(dst, ']')
	case s.Header.Repeats() || s.Index > 0:
		dst = append(dst, '[')
		dst = strconv.AppendUint(dst, uint64(s.Index), 10)
		dst = append(dst, ']')
	}
	switch {
	case s.Part == PartValue:
		return dst
	case s.Part == PartParam:
		return s.appendParam(dst, msg)
	case s.Part.uri():
		dst = append(dst, ".uri"...)
		return s.appendURIPart(dst, msg)
	}
	dst = append(dst, '.')
	return append(dst, s.Part.String()...)
}

// Path returns the path of the span, as AppendPath appends it.
func (s Span) Path(msg []byte) string {
	return string(s.AppendPath(make([]byte, 0, 64), msg))
}

// LineKey returns the path of the span's line as a whole, without index: "start-line", "via", "header[x-canary]", "line" for
// a line without a colon, "body". Lines of two versions of a message are aligned by it. msg must be the message the span was
// made from.
func (s Span) LineKey(msg []byte) string { return string(s.AppendLineKey(make([]byte, 0, 64), msg)) }

// AppendLineKey appends what LineKey returns to dst.
func (s Span) AppendLineKey(dst, msg []byte) []byte { return s.appendHeader(dst, msg) }

// Bytes returns the octets of the span, a view into msg.
func (s Span) Bytes(msg []byte) []byte { return msg[s.Off:s.End:s.End] }

func (s Span) appendHeader(dst, msg []byte) []byte {
	dst = append(dst, s.Header.String()...)
	if s.Header == HeaderOther {
		dst = append(dst, '[')
		dst = appendName(dst, msg[s.NameOff:s.NameEnd])
		dst = append(dst, ']')
	}
	return dst
}

func (s Span) appendURIPart(dst, msg []byte) []byte {
	switch s.Part {
	case PartURI:
		return dst
	case PartURIParam:
		return s.appendParam(dst, msg)
	}
	dst = append(dst, '.')
	return append(dst, s.Part.String()...)
}

// appendParam appends the name of a parameter. A parameter that has the name of a fixed leaf must not pass for it:
// ";user=phone" (RFC 3261 19.1.1) is from.uri.param[user], beside from.uri.user.
func (s Span) appendParam(dst, msg []byte) []byte {
	dst = append(dst, '.')
	at := len(dst)
	dst = appendName(dst, msg[s.NameOff:s.NameEnd])
	if !fixedLeaf(s.Part, string(dst[at:])) {
		return dst
	}
	dst = append(dst[:at], "param["...)
	dst = appendName(dst, msg[s.NameOff:s.NameEnd])
	return append(dst, ']')
}

// fixedLeaf says whether name is taken at the place where parameters of the kind p are rendered.
func fixedLeaf(p Part, name string) bool {
	if p == PartURIParam {
		switch name {
		case "scheme", "user", "password", "host", "port", "headers":
			return true
		}
		return false
	}
	switch name {
	case "name", "protocol", "sent-by", "display", "uri":
		return true
	}
	return false
}

// appendName appends a name from the message in lower case, escaped and bounded.
func appendName(dst, name []byte) []byte {
	const hex = "0123456789ABCDEF"
	start := len(dst)
	for _, c := range name {
		if len(dst)-start > maxRenderedName-6 {
			return append(dst, "..."...)
		}
		if low := lowerToken[c]; low != 0 && low != '%' {
			dst = append(dst, low)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}
