// Package wire is the control protocol between nofixup and a reflector, in one place for both ends.
//
// A client opens a session over HTTPS and gets a [Grant]. It then sends probes to the [Target] addresses of the grant;
// every probe carries a [Tag], made of the session's [Token] and a number of the client's choice, where an application
// gateway leaves it alone. The reflector keeps a [Receipt] of every datagram that carries a live token and of every
// answer that it gave, octet for octet, and the client fetches them over HTTPS, never over the probed port.
//
//	POST   /v1/sessions                               201 Grant
//	GET    /v1/sessions/{id}/receipts?after=N&wait=S   200 Receipts (long poll)
//	POST   /v1/sessions/{id}/renew                     200 Grant
//	DELETE /v1/sessions/{id}                           204
//
// All but the first need "Authorization: Bearer SECRET". docs/protocol.md is the specification.
package wire
