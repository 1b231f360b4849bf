// Package sip names the octets of SIP messages without changing or losing one of them.
//
// [AppendSpans] splits a message into leaf spans: small structs of offsets that say which field each run of octets belongs
// to. Spans are disjoint, sorted and never empty; what lies between two of them (colons, separators, white space, line ends,
// the names of parameters) is a gap, and spans and gaps joined are the input. No input fails: what cannot be understood is
// covered by a coarser leaf. Nothing is allocated when the destination has room. Paths such as "via[0].sent-by" are rendered
// on demand by [Span.AppendPath]; they are stable, scripts may rely on them.
//
// Lines end with LF or CRLF; a CR elsewhere is white space. A line that begins with SP or HT continues the header line
// before it (RFC 3261 7.3.1). Empty lines before the start line are skipped (RFC 3261 7.5). Everything after the first empty
// line is the body, whatever Content-Length says; [Framer] is the place where Content-Length counts.
//
// [Message] is a light view over the spans, [Compose] writes messages verbatim, [Next] and [Framer] cut a byte stream into
// messages (RFC 3261 18.3) and [IsKeepalive] tells keepalive datagrams apart.
package sip
