// Package alg is the vocabulary and the judgement of nofixup: what was seen on both sides of a box, how the two differ,
// and what that means.
//
// Evidence comes in as a [Case]: flows, and in them pairs of the same message as it was seen inside and outside.
// [Compare] names the octets that differ, [Judge] turns them into findings and into one [Verdict] per path and direction,
// and a [Report] holds the result. Everything here is a function over plain structs: no sockets, no files, no clock.
//
// Two rules hold throughout. Octets are sacred: equal octets are never a change and no differing octet goes unreported.
// And what was not tested is never clean: a message that did not arrive proves something only where a vantage point was
// there to see it, covered the time, and was complete.
package alg
