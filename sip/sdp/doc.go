// Package sdp names the octets of a session description (RFC 8866) without changing or losing one of them.
//
// [AppendSpans] splits a description into leaf spans: disjoint, sorted, never empty. The letter and the equals sign of a line,
// the names of attributes, white space between fields and line ends are gaps; spans and gaps joined are the input. No input
// fails: lines may come in any order and any number, end with LF or CRLF or not at all, and what cannot be understood is
// covered by a coarser leaf. Nothing is allocated when the destination has room. Paths such as "sdp.media[0].c.address" are
// rendered on demand by [Span.AppendPath]; they are stable, scripts may rely on them.
package sdp
