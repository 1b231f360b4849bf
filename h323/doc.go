// Package h323 names the octets of H.323 messages: H.225.0 call signalling, RAS and H.245, with the TPKT and Q.931 around
// them. It also composes such messages.
//
// [AppendSpans], [AppendRAS] and [AppendH245] split a message into leaf spans: small structs of offsets that say which field
// each run of octets belongs to. Spans are disjoint, sorted and never empty; spans and the gaps between them joined are the
// input. Packed encodings leave gaps: what is not whole octets, such as flags and presence bits, is in no span. Every
// transport address is in one, wherever ASN.1 has the type: in the root of a message and in its additions, in fastStart, in
// tunnelled H.245, in aliases and in generic data. Nothing is allocated when the destination has room. Paths such as
// "setup.fastStart[0].mediaChannel.ip" are rendered on demand by [Span.AppendPath]; they are stable, scripts may rely on them,
// and no two spans of one message share one.
//
// The schema is a table of types. The root components of a type are described completely; an addition is described where it
// can hold an address and is one opaque leaf otherwise, so that versions to come do no harm. An error ends the encoding that
// it is in, an addition or one fastStart element, and is told by [PDU.Notes]; what is around goes on after it. Nothing is
// guessed: octets that are not understood have no name. Not looked into are H.450.1 services, tunnelled signalling of other
// protocols, encrypted tokens, and parameters of H.245 that are octets to ASN.1.
//
// The types are those of H.225.0 version 7 and H.245 version 15 and earlier ones, which add to one another.
//
// [PDU] is a light view over the spans. [Next] and [Framer] cut a byte stream into TPKTs (RFC 1006).
package h323
