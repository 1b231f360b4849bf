package capture

import (
	"encoding/binary"
)

// Link-layer header types (tcpdump's LINKTYPE values) that are decoded by hand: an Ethernet header and its tags, and those
// that are nothing but a few octets before IP. gopacket knows no LINUX_SLL2, and it takes 10 times as long for the others.
const (
	linkNull     = 0
	linkEthernet = 1
	linkPPP      = 9
	linkRawBSD   = 12 // DLT_RAW as some systems have it
	linkRawOpen  = 14
	linkPPPHDLC  = 50
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// Ethernet types.
const (
	etherIPv4    = 0x0800
	etherIPv6    = 0x86dd
	etherVLAN    = 0x8100
	etherQinQ    = 0x88a8
	etherOldQinQ = 0x9100
	etherMPLS    = 0x8847
	etherMPLSMul = 0x8848
	etherPPPoE   = 0x8864
	etherTEB     = 0x6558 // Ethernet within GRE (RFC 1701)
	etherERSPAN  = 0x88be
	etherERSPAN3 = 0x22eb
	etherPPP     = 0x880b
)

// maxDepth is how deep packets may be nested.
const maxDepth = 8

// decoder turns frames into packets. It hands each to take; views into the frame are valid during the call.
type decoder struct {
	take      func(*packet)
	p         packet
	fragments fragments
	peel      peeler

	later func() // in the second half of a file: called for what is left to the first, which every fragment is until its packet is whole

	// What could not be decoded.
	unknown   map[int]uint64 // frames, by link-layer header type
	malformed uint64         // packets whose headers contradict their length
}

// frame decodes one frame. number is its number over all files.
func (d *decoder) frame(f *Frame, number int) {
	// Everything else in it is set on the way to whoever takes it.
	d.p.at, d.p.frame, d.p.frames, d.p.partial = f.At, number, nil, false
	b, size := f.Data, f.Size
	switch f.Link {
	case linkEthernet:
		if !d.plain(b) {
			d.ethernet(b, size, 0)
		}
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		d.network(b, size, 0)
	case linkNull, linkLoop:
		if len(b) >= 4 {
			d.network(b[4:], size-4, 0) // the address family in front has another number on every system
		}
	case linkSLL:
		if len(b) >= 16 {
			d.ether(binary.BigEndian.Uint16(b[14:]), b[16:], size-16, 0)
		}
	case linkSLL2:
		if len(b) >= 20 {
			d.ether(binary.BigEndian.Uint16(b), b[20:], size-20, 0)
		}
	default:
		if inner, ok := d.peel.link(f.Link, b); ok {
			d.network(inner, len(inner)+size-len(b), 0)
			return
		}
		if d.unknown == nil {
			d.unknown = map[int]uint64{}
		}
		if _, ok := d.unknown[f.Link]; ok || len(d.unknown) < 64 {
			d.unknown[f.Link]++
		}
	}
}

// plain decodes what nearly all frames of a call are: Ethernet, IPv4 without options and whole, UDP, all of it captured. It
// returns false, and has done nothing, for all that is otherwise. The way through the layers comes to the same and takes
// longer.
func (d *decoder) plain(b []byte) bool {
	if len(b) < 42 {
		return false
	}
	h := (*[42]byte)(b)
	total, n := int(h[16])<<8|int(h[17]), int(h[38])<<8|int(h[39])
	if h[12] != 8 || h[13] != 0 || h[14] != 0x45 || h[20]&0x3f|h[21] != 0 || h[23] != protoUDP || n < 8 || total != n+20 || len(b) < total+14 {
		return false
	}
	dport := uint16(h[36])<<8 | uint16(h[37])
	if dport == portGTPU || dport == portVXLAN || dport == portVXLANOld {
		return false
	}
	p := &d.p
	p.src, p.dst = addr4(h[26:30]), addr4(h[30:34])
	p.sport, p.dport = uint16(h[34])<<8|uint16(h[35]), dport
	p.proto, p.dscp, p.id = protoUDP, h[15]>>2, uint16(h[18])<<8|uint16(h[19])
	p.transport = b[34 : 34+n]
	p.payload, p.size = b[42:34+n], n-8
	d.take(p)
	return true
}

func (d *decoder) ethernet(b []byte, size, depth int) {
	if len(b) < 14 {
		d.malformed++
		return
	}
	d.ether(binary.BigEndian.Uint16(b[12:]), b[14:], size-14, depth)
}

// ether decodes what follows an Ethernet type.
func (d *decoder) ether(kind uint16, b []byte, size, depth int) {
	for range maxDepth {
		switch kind {
		case etherIPv4:
			d.ipv4(b, size, depth)
			return
		case etherIPv6:
			d.ipv6(b, size, depth)
			return
		case etherVLAN, etherQinQ, etherOldQinQ:
			if len(b) < 4 {
				d.malformed++
				return
			}
			kind, b, size = binary.BigEndian.Uint16(b[2:]), b[4:], size-4
		default:
			if inner, ok := d.peel.ether(kind, b); ok {
				d.network(inner, len(inner)+size-len(b), depth+1)
			}
			return
		}
	}
}

// network decodes an IP packet of either version.
func (d *decoder) network(b []byte, size, depth int) {
	if len(b) == 0 || depth > maxDepth {
		return
	}
	switch b[0] >> 4 {
	case 4:
		d.ipv4(b, size, depth)
	case 6:
		d.ipv6(b, size, depth)
	}
}

func (d *decoder) ipv4(b []byte, size, depth int) {
	if len(b) < 20 || b[0]>>4 != 4 {
		d.malformed++
		return
	}
	head, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = size // a segment that the network card was to cut up (TSO)
	}
	if head < 20 || head > len(b) || total < head {
		d.malformed++
		return
	}
	p := &d.p
	p.src, p.dst = addr4(b[12:]), addr4(b[16:])
	p.dscp, p.id = b[1]>>2, binary.BigEndian.Uint16(b[4:])
	fragment := binary.BigEndian.Uint16(b[6:])
	proto := b[9]
	b = b[head:min(total, len(b))]
	if fragment&0x3fff != 0 { // more fragments, or an offset
		key := fragmentKey{p.src, p.dst, uint32(p.id), proto}
		d.fragment(key, b, total-head, int(fragment&0x1fff)*8, fragment&0x2000 != 0, depth)
		return
	}
	d.transport(proto, b, total-head, depth)
}

func (d *decoder) ipv6(b []byte, size, depth int) {
	if len(b) < 40 || b[0]>>4 != 6 {
		d.malformed++
		return
	}
	total := int(binary.BigEndian.Uint16(b[4:]))
	if total == 0 {
		total = size - 40
	}
	p := &d.p
	p.src, p.dst = addr6(b[8:]), addr6(b[24:])
	p.dscp, p.id = (b[0]<<4|b[1]>>4)>>2, 0
	next := b[6]
	b = b[40:min(40+total, len(b))]
	for range maxDepth {
		var n int
		switch next {
		case 0, 43, 60: // hop-by-hop options, routing, destination options (RFC 8200 4.1)
			if len(b) < 8 {
				return
			}
			n = int(b[1])*8 + 8
		case protoAH:
			if len(b) < 8 {
				return
			}
			n = int(b[1])*4 + 8
		case protoFragment: // RFC 8200 4.5
			if len(b) < 8 {
				return
			}
			off := binary.BigEndian.Uint16(b[2:])
			if off&0xfff9 == 0 {
				n = 8 // an atomic fragment (RFC 6946)
				break
			}
			key := fragmentKey{p.src, p.dst, binary.BigEndian.Uint32(b[4:]), b[0]}
			d.fragment(key, b[8:], total-8, int(off&0xfff8), off&1 != 0, depth)
			return
		default:
			d.transport(next, b, total, depth)
			return
		}
		if n > len(b) {
			return
		}
		next, b, total = b[0], b[n:], total-n
	}
}

// transport decodes what an IP packet carries: b as captured, size octets on the wire.
func (d *decoder) transport(proto uint8, b []byte, size, depth int) {
	p := &d.p
	p.proto, p.transport = proto, b
	switch proto {
	case protoUDP:
		if len(b) < 8 {
			d.malformed++
			return
		}
		p.sport, p.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		if n := int(binary.BigEndian.Uint16(b[4:])); n >= 8 && n < size {
			size = n
			b = b[:min(n, len(b))]
		}
		p.payload, p.size = b[8:], size-8
		if (p.dport == portGTPU || p.dport == portVXLAN || p.dport == portVXLANOld) && depth < maxDepth && d.tunnelled(p.dport, p.payload, p.size, depth) {
			return
		}
		d.take(p)
	case protoTCP:
		if len(b) < 20 {
			d.malformed++
			return
		}
		head := int(b[12]>>4) * 4
		if head < 20 || head > size {
			d.malformed++
			return
		}
		p.sport, p.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.payload, p.size = b[min(head, len(b)):], size-head
		d.take(p)
	case protoICMP, protoICMPv6:
		p.sport, p.dport = 0, 0
		p.payload, p.size = b, size
		d.take(p)
	case protoIPIP, protoIPv6:
		if depth < maxDepth {
			d.network(b, size, depth+1)
		}
	case protoGRE:
		if depth < maxDepth {
			d.gre(b, size, depth)
		}
	}
}
