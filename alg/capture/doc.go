// Package capture reads packet captures and finds in them what nofixup judges: the messages of SIP and H.323, the streams of
// RTP, and the flows that both run on.
//
// Read goes through pcap and pcapng files block by block, once. Ethernet, VLAN tags, IP, UDP and TCP are decoded by hand and
// nothing is copied until something is recognised; layers that are rarer are gopacket's, one at a time, on octets whose
// bounds are known. State is kept per flow and all of it is bounded: what found no room, and what in a file could not be
// read, is counted and said.
//
// A message is known by what it looks like, on any port, and media by the addresses that messages announced or else by how
// sequence numbers behave. Nothing here judges.
package capture
