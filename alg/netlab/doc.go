// Package netlab is test support for Linux: it builds small networks out of network namespaces in which the kernel's own
// SIP and H.323 application layer gateways (nf_conntrack_sip, nf_nat_sip, nf_conntrack_h323, nf_nat_h323) rewrite the
// traffic. A judge of such gateways should be measured against the real thing, not against a model of it that shares the
// judge's mistakes.
//
// The network, with the device names and addresses of each end:
//
//	lan l0 ─────────────── r0 rtr r1 ──────────────── i0 isp i1 ─────────────── w0 wan
//	10.0.0.9      10.0.0.1    198.51.100.2   198.51.100.1    203.0.113.1   203.0.113.10, .11
//	fd00:10::9  fd00:10::1    2001:db8:51::2 2001:db8:51::1  2001:db8:203::1  2001:db8:203::10
//
// In mode [Double] the host sits behind one more router that does nothing but NAT, and has no IPv6:
//
//	lan l0 ─────── n0 inn n1 ─────── r0 rtr  (from here on as above)
//	172.17.0.2  172.17.0.1  10.0.0.9    10.0.0.1
//
// rtr is the device under test; its rules depend on the [Mode]. isp only forwards, so that a test can drop, delay or
// watch packets beyond the router. What is a host here is one network namespace; device names are the same in every lab,
// since each namespace has its own.
//
// A test calls [Up] and gets the network or is skipped with the reason. Programs run inside a namespace through
// [Host.Command] or [Host.Run]. Go code runs there through [Host.Func], which starts the test binary once more inside the
// namespace: a goroutine that called setns would carry its operating system thread, and every thread cloned from it, into
// the namespace with it. A test package that uses Func gives its TestMain to [Main].
//
// All tests that use a lab belong in one test package, whose process alone decides which labs run at once. The labs are
// strangers to each other, but they share the machine's processors:
//   - A test is alone unless it says otherwise. Those must be which measure how long something takes, which load the machine, or
//     which rely on the order in which packets pass.
//   - A test whose result does not depend on how busy the machine is calls t.Parallel and runs beside others, six at once
//     (see [Main]). Those wait most of the time. Package testing runs them behind all that are alone.
//
// Nothing outside the namespaces is touched: no address, route or rule of the machine itself, and no packet leaves it.
//
// Kernel facts to know when writing a test:
//   - A helper is attached to connections towards the well-known port only: UDP and TCP 5060, TCP 1720, UDP 1719.
//   - Without address translation a helper changes no octet, though it opens pinholes and drops what it cannot parse.
//   - H.323 is never rewritten on IPv6.
//   - Connection tracking reassembles fragments before the forward hook. Rules that shall see a fragment belong into a
//     chain at "hook prerouting priority -450", or onto isp, which does not track connections.
//   - A media port that is already expected for one flow makes the SIP helper drop a second flow that announces it: use
//     a fresh media port for every message.
package netlab
