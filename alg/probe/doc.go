// Package probe tests the network between here and a reflector: it plans which messages to send, sends them, asks the
// reflector what arrived, and hands both sides to package alg.
//
// The plan is data ([Plan]): flows, and rounds of steps on them. The runner carries it out over a small [Network], so that
// the system's network, a lab and one in memory all fit. Nothing is ever judged from the answer on a probed port: an
// application gateway maps the addresses in it back on the way in. What counts is what the reflector reports over HTTPS.
package probe
