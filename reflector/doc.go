// Package reflector is the far end of nofixup's probes: a server that keeps what it receives for the client that sent it,
// and answers it as a stateless SIP server would (RFC 3261 8.2.7), or as an H.323 endpoint and gatekeeper that take every call.
//
// A client opens a session over HTTPS and gets a token; see package wire for the protocol. What carries a live token is
// kept as a receipt, octet for octet, and answered at most once, to where it came from and over UDP with no more octets than
// it had. What carries none is dropped before anything else is done with it: to a scanner the ports are silent. Over TCP a
// connection without a token is closed, and nothing was said.
//
// A client can have messages sent to it as well, by actions: templates of this package with a few parameters, over the path
// that its own message has opened, to an address that has proven itself.
//
// The server judges nothing, resolves no name, opens no connection, writes no file, and everything that it holds is bounded
// by [Limits].
package reflector
