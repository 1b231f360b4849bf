package capture

import (
	"encoding/binary"
	"net/netip"
)

// addr is an IP address in the form of IPv6, IPv4 mapped (RFC 4291 2.5.5.2): two words compare and hash faster than
// netip.Addr does.
type addr struct{ hi, lo uint64 }

func addr4(b []byte) addr { return addr{0, 0xffff<<32 | uint64(binary.BigEndian.Uint32(b))} }

func addr6(b []byte) addr { return addr{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])} }

func addrOf(ip netip.Addr) addr {
	b := ip.As16()
	return addr6(b[:])
}

func (a addr) netip() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b).Unmap()
}

func (a addr) less(b addr) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// IP protocol numbers.
const (
	protoICMP     = 1
	protoIPIP     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoFragment = 44 // of IPv6: an extension header
	protoGRE      = 47
	protoAH       = 51
	protoICMPv6   = 58
)

// packet is what was decoded of one packet: the innermost one, where tunnels were around it.
type packet struct {
	at      int64
	frame   int   // number over all files
	frames  []int // of a packet that was reassembled; nil if it is frame alone
	partial bool  // fragments are missing: nobody but the capture got any of it

	src, dst     addr
	sport, dport uint16
	proto        uint8
	dscp         uint8
	id           uint16 // IPv4 identification, 0 with IPv6

	transport []byte // from the header of the transport protocol on, as captured
	payload   []byte // of UDP and TCP, as captured; a view into the reader's buffer
	size      int    // octets of the payload on the wire
}

// cut says whether octets of the payload were not captured.
func (p *packet) cut() bool { return len(p.payload) < p.size }

// number appends the frame numbers of the packet to dst.
func (p *packet) number(dst []int) []int {
	if p.frames != nil {
		return append(dst, p.frames...)
	}
	return append(dst, p.frame)
}
