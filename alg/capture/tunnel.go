package capture

import (
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Ports of tunnels over UDP: GTP-U (3GPP TS 29.281 4.4.2), VXLAN (RFC 7348 8) and what VXLAN had before.
const (
	portGTPU     = 2152
	portVXLAN    = 4789
	portVXLANOld = 8472
)

// peeler takes off headers with the decoders of gopacket. It is given octets whose bounds are known and gives back views into
// them. gopacket 1.1.19 panics on some malformed headers; a panic is a header that could not be taken off.
type peeler struct {
	gre    layers.GRE
	vxlan  layers.VXLAN
	gtp    layers.GTPv1U
	erspan layers.ERSPANII
}

// link takes off the link layer that has that LINKTYPE and gives the IP packet within.
func (p *peeler) link(kind int, b []byte) (inner []byte, ok bool) {
	if kind < 0 || kind >= len(layers.LinkTypeMetadata) {
		return nil, false
	}
	if kind == linkPPP || kind == linkPPPHDLC {
		if len(b) > 2 && b[0] == 0xff && b[1] == 3 { // address and control of HDLC (RFC 1662 3.1), which gopacket does not expect
			b = b[2:]
		}
		return p.network(layers.LayerTypePPP, b)
	}
	return p.network(layers.LinkType(kind).LayerType(), b)
}

// ether takes off what an Ethernet type stands for: MPLS, PPPoE, and LLC where it is a length.
func (p *peeler) ether(kind uint16, b []byte) (inner []byte, ok bool) {
	switch kind {
	case etherMPLS, etherMPLSMul:
		return p.network(layers.LayerTypeMPLS, b)
	case etherPPPoE:
		return p.network(layers.LayerTypePPPoE, b)
	case etherPPP:
		return p.network(layers.LayerTypePPP, b)
	}
	if kind < 1536 {
		return p.network(layers.LayerTypeLLC, b)
	}
	return nil, false
}

// network takes off every header up to the first one of IP, and no further: gopacket's decoders of IP and of what it
// carries see nothing.
func (p *peeler) network(first gopacket.LayerType, b []byte) (inner []byte, ok bool) {
	defer func() {
		if recover() != nil {
			inner, ok = nil, false
		}
	}()
	if first == gopacket.LayerTypeZero || first == gopacket.LayerTypeDecodeFailure {
		return nil, false
	}
	b = b[:len(b):len(b)]
	n := gopacket.NewPacket(b, first, gopacket.DecodeOptions{Lazy: true, NoCopy: true}).NetworkLayer()
	if n == nil || n.LayerType() != layers.LayerTypeIPv4 && n.LayerType() != layers.LayerTypeIPv6 {
		return nil, false
	}
	// The layer's octets are a view into b, which says where it begins; its end is for our own decoder to find.
	off := len(b) - cap(n.LayerContents())
	if off < 0 || off >= len(b) {
		return nil, false
	}
	return b[off:], true
}

// tunnelled decodes a datagram to the port of a tunnel. It returns false if there is no tunnel in it.
func (d *decoder) tunnelled(port uint16, b []byte, size, depth int) bool {
	var inner []byte
	ether := port != portGTPU
	if ether {
		inner = d.peel.vxlanFrame(b)
	} else {
		inner = d.peel.gtpPacket(b)
	}
	if len(inner) < 20 {
		return false
	}
	if !ether && inner[0]>>4 != 4 && inner[0]>>4 != 6 {
		return false
	}
	if size -= len(b) - len(inner); ether {
		d.ethernet(inner, size, depth+1)
	} else {
		d.network(inner, size, depth+1)
	}
	return true
}

func (p *peeler) vxlanFrame(b []byte) (inner []byte) {
	defer p.recovered(&inner)
	// RFC 7348 5: the I flag is set, what is reserved is not. The first bit is that of the group policy extension.
	if len(b) < 8 || b[0]&0x7f != 0x08 || b[7] != 0 {
		return nil
	}
	if p.vxlan.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return nil
	}
	return p.vxlan.LayerPayload()
}

func (p *peeler) gtpPacket(b []byte) (inner []byte) {
	defer p.recovered(&inner)
	if len(b) < 8 || b[0]>>4 != 3 || b[1] != 255 { // version 1, GTP and not GTP', a G-PDU (TS 29.281 5.1)
		return nil
	}
	if p.gtp.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return nil
	}
	return p.gtp.LayerPayload()
}

// recovered is deferred around a decoder: what made it panic could not be decoded.
func (p *peeler) recovered(inner *[]byte) {
	if recover() != nil {
		*inner = nil
	}
}

// greHeader gives nil where there is no header, and a slice of length 0 where nothing is behind it.
func (p *peeler) greHeader(b []byte) (kind uint16, sequence bool, inner []byte) {
	defer p.recovered(&inner)
	if p.gre.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return 0, false, nil
	}
	return uint16(p.gre.Protocol), p.gre.SeqPresent, p.gre.LayerPayload()
}

func (p *peeler) erspanFrame(b []byte) (inner []byte) {
	defer p.recovered(&inner)
	if p.erspan.DecodeFromBytes(b, gopacket.NilDecodeFeedback) != nil {
		return nil
	}
	return p.erspan.LayerPayload()
}

// gre decodes what GRE carries (RFC 2784, RFC 2890, and PPTP's kind of RFC 2637).
func (d *decoder) gre(b []byte, size, depth int) {
	kind, sequence, inner := d.peel.greHeader(b)
	if inner == nil {
		d.malformed++
	}
	if len(inner) == 0 {
		return
	}
	size -= len(b) - len(inner)
	switch kind {
	case etherTEB:
		d.ethernet(inner, size, depth+1)
	case etherERSPAN:
		// Type I has no header at all, type II has one and numbers its packets.
		if sequence {
			frame := d.peel.erspanFrame(inner)
			inner, size = frame, size-(len(inner)-len(frame))
		}
		d.ethernet(inner, size, depth+1)
	case etherERSPAN3:
		// Type III, which gopacket does not know: 12 octets, and 8 more if the last bit says so.
		if len(inner) < 12 {
			return
		}
		n := 12
		if binary.BigEndian.Uint16(inner[10:])&1 != 0 {
			n = 20
		}
		if len(inner) >= n {
			d.ethernet(inner[n:], size-n, depth+1)
		}
	default:
		d.ether(kind, inner, size, depth+1)
	}
}
