// Package fixup is a network in memory with an application-level gateway in
// the middle.
//
//	inside 10.0.0.9 ── box 198.51.100.2 ── outside 203.0.113.10, 203.0.113.11
//	      fd00:10::9                              2001:db8:203::10
//
// [New] builds it, [Network.Inside] and [Network.Outside] are the two hosts,
// and each host dials and listens with the method set of package net, so a
// program that takes its network as an interface runs on it unchanged. Nothing
// in it makes a system call or starts a goroutine, so it works unprivileged on
// every system and inside a testing/synctest bubble.
//
// The box translates addresses (IPv4 only, port preserving where it can), lets
// inbound packets through only where an outbound one went before, and treats
// the SIP that passes as its [Style] says. A style is a table of substitutions
// over bytes, see [Styles]. The style "linux" is held to the octets that the
// Linux kernel's SIP helper produces: testdata/linux has what it was sent and
// what it made of it. It treats H.323 as well, as the kernel's H.323 helper
// does: testdata/linux-h323.
//
// On TCP a style sees one segment at a time, as such boxes do, and never the
// stream: a message that is whole in its segment is treated, one that is split
// passes as it is. (The style "replace" knows no messages and treats whatever
// it gets.) Every Write makes segments of its own, of at most 1448 octets, so
// the writer decides. The receiver reads what the box made of it, longer or
// shorter as it may be.
//
// Faults are for tests of programs that have to notice them: latency and loss,
// packets that vanish and TCP connections that are reset, see [Config].
//
// The package shares no code with the judge that its output is meant to test,
// in particular no parser: a mistake common to both would stay unseen.
package fixup
