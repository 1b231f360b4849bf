package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// maxErrors is how many different ICMP errors are kept.
const maxErrors = 4096

// icmpState are the errors so far.
type icmpState struct {
	known map[icmpKey]*quoted
	order []*quoted
	more  uint64 // for which there was no room
}

type icmpKey struct {
	quotes     flowKey
	dir        uint8
	from       addr
	kind, code uint8
}

type quoted struct {
	key flowKey
	err ICMPError
}

// icmpError takes a packet of ICMP. What an error quotes is no message of its own: it is only counted as an error of the
// conversation that it quotes.
func (a *analyser) icmpError(p *packet) {
	b := p.payload
	if len(b) < 8+20 {
		return
	}
	family := 4
	switch {
	case p.proto == protoICMP && (b[0] == 3 || b[0] == 11 || b[0] == 12): // unreachable, time exceeded, parameter problem (RFC 792)
	case p.proto == protoICMPv6 && b[0] >= 1 && b[0] <= 4: // RFC 4443
		family = 6
	default:
		return
	}
	src, dst, proto, transport := quotedHeader(b[8:], family)
	if len(transport) < 4 {
		return
	}
	sport, dport := binary.BigEndian.Uint16(transport), binary.BigEndian.Uint16(transport[2:])
	key, dir := flowKey{src, dst, sport, dport, uint32(proto)}, uint8(0)
	if dst.less(src) || dst == src && dport < sport {
		key, dir = flowKey{dst, src, dport, sport, uint32(proto)}, 1
	}
	k := icmpKey{key, dir, p.src, b[0], b[1]}
	q := a.icmp.known[k]
	if q == nil {
		if len(a.icmp.order) >= maxErrors {
			a.icmp.more++
			return
		}
		if a.icmp.known == nil {
			a.icmp.known = map[icmpKey]*quoted{}
		}
		q = &quoted{key, ICMPError{
			From: p.src.netip(), Src: netip.AddrPortFrom(src.netip(), sport), Dst: netip.AddrPortFrom(dst.netip(), dport),
			Type: b[0], Code: b[1], Family: family, First: p.at, Frame: p.frame,
		}}
		a.icmp.known[k] = q
		a.icmp.order = append(a.icmp.order, q)
	}
	q.err.Last = max(q.err.Last, p.at)
	q.err.Count++
}

// quotedHeader reads the IP header that an error quotes. Of the extension headers of IPv6 only that of fragments (RFC 8200 4.5) is
// likely in a quoted packet of media or signalling.
func quotedHeader(b []byte, family int) (src, dst addr, proto uint8, transport []byte) {
	if family == 4 {
		head := int(b[0]&0x0f) * 4
		if b[0]>>4 != 4 || head < 20 || head > len(b) || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return
		}
		src, dst, proto, transport = addr4(b[12:]), addr4(b[16:]), b[9], b[head:]
	} else {
		if len(b) < 40 || b[0]>>4 != 6 {
			return
		}
		src, dst, proto, transport = addr6(b[8:]), addr6(b[24:]), b[6], b[40:]
		if proto == protoFragment && len(transport) >= 8 && binary.BigEndian.Uint16(transport[2:])&0xfff8 == 0 {
			proto, transport = transport[0], transport[8:]
		}
	}
	if proto != protoUDP && proto != protoTCP {
		return addr{}, addr{}, 0, nil
	}
	return src, dst, proto, transport
}

// settle gives the errors to the flows that they quote.
func (s *icmpState) settle(a *analyser) {
	for _, q := range s.order {
		if e := a.entries[q.key]; e != nil && e.flow != nil {
			e.flow.Errors = append(e.flow.Errors, q.err)
		}
	}
}

// all returns every error.
func (s *icmpState) all() []ICMPError {
	var list []ICMPError
	for _, q := range s.order {
		list = append(list, q.err)
	}
	return slices.Clip(list)
}
