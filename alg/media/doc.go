// Package media keeps account of RTP and RTCP at one point of the network: which streams there are, how much of each
// arrived, how late and how evenly.
//
// A Table takes packets one by one, live or from a capture, and holds one Stream per source address, destination address
// and SSRC. Where signalling announced an address, Flow.Announce says so and every packet of version 2 there is RTP;
// elsewhere a stream must behave like one before it counts (RFC 3550 A.1, with a longer probation). Nothing is allocated per
// packet, and streams, addresses and what is kept of each are bounded: what found no room is counted.
//
// Times are nanoseconds since 1970, as time.Time.UnixNano gives them.
package media
