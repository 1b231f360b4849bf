package capture

import (
	"nofixup/alg/media"
)

// batchLen is how many packets are read before the first of them is analysed.
const batchLen = 16

// probable is a packet that is RTP of a stream that is known, if it turns out to be what it looks like.
type probable struct {
	entry    *entry
	stream   *media.Stream
	slot     uint64
	dir      int
	src, dst uint64 // the lower halves of the addresses
	ports    uint32 // source and destination
	n        int    // octets of UDP
}

// batch analyses some packets, in their order: those that [analyser.known] takes, and by other all that it does not.
func (a *analyser) batch(list []Frame, other func(*Frame)) {
	for len(list) > 0 {
		if list = list[a.known(list):]; len(list) > 0 {
			other(&list[0])
			list = list[1:]
		}
	}
}

// known takes the packets at the front of the list that are what nearly all packets of calls are: RTP of a stream that has had a few
// packets already, over Ethernet, IPv4 and UDP as [decoder.plain] has them. It returns how many these are. The long way through the
// layers comes to the same for them. With many calls at once, what is kept of a stream is rarely near the processor, and waiting for
// it is most of the work: here it is asked for of all packets at once, and waited for once.
func (a *analyser) known(list []Frame) int {
	if a.packet != nil {
		return 0 // somebody wants to see them
	}
	found := &a.found
	n := 0
	for n < len(list) && found[n].look(&list[n]) {
		p := &found[n]
		p.slot = slotOf(addr{0, p.src}, addr{0, p.dst}, uint16(p.ports>>16), uint16(p.ports))
		if p.entry = a.cache[0][p.slot]; p.entry == nil {
			break
		}
		n++
	}
	for i := range found[:n] {
		p := &found[i]
		var ok bool
		if p.dir, ok = p.entry.key.ofIPv4(p.src, p.dst, p.ports); !ok {
			if p.entry = a.cache[1][p.slot]; p.entry != nil {
				p.dir, ok = p.entry.key.ofIPv4(p.src, p.dst, p.ports)
			}
			if !ok {
				n = i
				break
			}
		}
		p.stream = p.entry.dirs[p.dir].stream
	}
	for i := range found[:n] {
		p, f := &found[i], &list[i]
		e, d := p.entry, &p.entry.dirs[p.dir]
		// What else there is to be done with the first ones and now and then, the long way does.
		packets := d.packets + 1
		if p.stream == nil || packets&63 == 0 || packets&(packets-1) == 0 || e.kind == speaksSIP || e.kind == speaksRAS {
			return i
		}
		if !p.stream.Add(f.At, f.Data[15]>>2, f.Data[42:34+p.n], p.n-8) {
			return i
		}
		a.now = max(a.now, f.At)
		d.packets, d.octets = packets, d.octets+uint64(p.n-8)
		e.last = max(e.last, f.At)
	}
	return n
}

// look reads the addresses of a packet that may be one of RTP.
func (p *probable) look(f *Frame) bool {
	if f.Link != linkEthernet || len(f.Data) < 54 {
		return false
	}
	h := (*[54]byte)(f.Data)
	total, n := int(h[16])<<8|int(h[17]), int(h[38])<<8|int(h[39])
	if h[12] != 8 || h[13] != 0 || h[14] != 0x45 || h[20]&0x3f|h[21] != 0 || h[23] != protoUDP || total != n+20 || len(f.Data) < total+14 ||
		n < 20 || h[42]>>6 != 2 {
		return false
	}
	p.src, p.dst, p.n = addr4(h[26:30]).lo, addr4(h[30:34]).lo, n
	p.ports = uint32(h[34])<<24 | uint32(h[35])<<16 | uint32(h[36])<<8 | uint32(h[37])
	switch sport, dport := uint16(p.ports>>16), uint16(p.ports); {
	case dport == portGTPU, dport == portVXLAN, dport == portVXLANOld, dport == portRAS, dport == portRASDiscovery, sport == portRAS:
		return false
	}
	return true
}

// ofIPv4 is of for a packet of UDP over IPv4: the lower halves of the addresses, and source port before destination port.
func (k *flowKey) ofIPv4(src, dst uint64, ports uint32) (dir int, ok bool) {
	own := uint32(k.ap)<<16 | uint32(k.bp)
	there := (k.a.lo ^ src) | (k.b.lo ^ dst) | uint64(own^ports)
	back := (k.a.lo ^ dst) | (k.b.lo ^ src) | uint64(own^(ports>>16|ports<<16))
	if there != 0 {
		dir, there = 1, back
	}
	return dir, there|k.a.hi|k.b.hi|uint64(k.proto^protoUDP) == 0
}
