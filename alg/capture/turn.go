package capture

import (
	"encoding/binary"
	"net/netip"
)

// turnState is what clients of TURN servers (RFC 8656) were given: media that passes between client and server is seen as what
// it is between the relayed address, which descriptions announce, and the peer.
type turnState struct {
	clients map[[2]endpoint]*allocation // client, server
	full    uint64                      // messages about clients and channels for which there was no room
	inside  bool                        // of a datagram that was relayed: nothing is unpacked twice
}

// allocation is a relayed address with the peers of its channels.
type allocation struct {
	relayed  netip.AddrPort
	channels map[uint16]netip.AddrPort
}

// Bounds of turnState: clients, and channels of each.
const (
	maxAllocations  = 4096
	maxTurnChannels = 64
)

// Types of messages and attributes (RFC 8656 17, 18).
const (
	turnAllocated     = 0x0103
	turnSend          = 0x0016
	turnData          = 0x0017
	turnBind          = 0x0009
	attrChannel       = 0x000c
	attrPeer          = 0x0012
	attrData          = 0x0013
	attrRelayed       = 0x0016
	firstTurnChannel  = 0x4000
	beyondTurnChannel = 0x5000
)

// allocationOf returns what is known of the client of a conversation; the client sends in direction dir.
func (a *analyser) allocationOf(e *entry, dir int, open bool) *allocation {
	key := [2]endpoint{e.endpoint(dir), e.endpoint(1 - dir)}
	t := a.turn.clients[key]
	if t != nil || !open {
		return t
	}
	if len(a.turn.clients) >= maxAllocations {
		a.turn.full++
		return nil
	}
	if a.turn.clients == nil {
		a.turn.clients = map[[2]endpoint]*allocation{}
	}
	t = &allocation{channels: map[uint16]netip.AddrPort{}}
	a.turn.clients[key] = t
	return t
}

// turnMessage takes from a STUN message what it says of a relay, and what it carries.
func (a *analyser) turnMessage(e *entry, dir int, p *packet) {
	b := p.payload
	switch binary.BigEndian.Uint16(b) {
	case turnAllocated:
		if relayed, ok := xorAddress(b, attrRelayed); ok {
			if t := a.allocationOf(e, 1-dir, true); t != nil {
				t.relayed = relayed
			}
		}
	case turnBind:
		number := stunAttribute(b, attrChannel)
		peer, ok := xorAddress(b, attrPeer)
		if !ok || len(number) != 4 {
			return
		}
		channel := binary.BigEndian.Uint16(number)
		t := a.allocationOf(e, dir, true)
		switch {
		case t == nil:
		case len(t.channels) < maxTurnChannels || t.channels[channel].IsValid():
			t.channels[channel] = peer
		default:
			a.turn.full++
		}
	case turnSend, turnData:
		peer, ok := xorAddress(b, attrPeer)
		if data := stunAttribute(b, attrData); ok && len(data) > 0 {
			toServer := binary.BigEndian.Uint16(b) == turnSend
			a.relayed(e, dir, p, data, len(data), toServer, peer)
		}
	}
}

// channelData takes a ChannelData message (RFC 8656 12.4): four octets in front of what is relayed.
func (a *analyser) channelData(e *entry, dir int, p *packet) {
	b := p.payload
	if len(b) < 4 {
		return
	}
	number, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if number < firstTurnChannel || number >= beyondTurnChannel || n == 0 || n+4 > p.size || n+7 < p.size { // padding may follow
		return
	}
	data := b[4:min(len(b), 4+n)]
	for _, client := range [2]int{dir, 1 - dir} {
		if t := a.allocationOf(e, client, false); t != nil {
			a.relayed(e, dir, p, data, n, client == dir, t.channels[number])
			return
		}
	}
	a.relayed(e, dir, p, data, n, true, netip.AddrPort{})
}

// relayed takes a datagram out of what carries it: from the relayed address to the peer, or back. What is not known of the two
// is the conversation's own address.
func (a *analyser) relayed(e *entry, dir int, p *packet, data []byte, size int, toServer bool, peer netip.AddrPort) {
	if a.turn.inside {
		return
	}
	inner := *p
	inner.payload, inner.size, inner.transport = data, size, nil
	client := dir
	if !toServer {
		client = 1 - dir
	}
	a.turn.inside = true
	defer func() { a.turn.inside = false }()
	t := a.allocationOf(e, client, false)
	if t == nil || !t.relayed.IsValid() || !peer.IsValid() {
		a.datagram(e, dir, &inner)
		return
	}
	from, to := endpointOf(t.relayed), endpointOf(peer)
	if !toServer {
		from, to = to, from
	}
	inner.src, inner.sport, inner.dst, inner.dport = from.ip, from.port, to.ip, to.port
	a.take(&inner)
}

// stunAttribute returns the value of an attribute of a STUN message, nil if it has none.
func stunAttribute(b []byte, kind uint16) []byte {
	attrs := b[20:]
	for len(attrs) >= 4 {
		n := int(binary.BigEndian.Uint16(attrs[2:]))
		if n > len(attrs)-4 {
			return nil
		}
		if binary.BigEndian.Uint16(attrs) == kind {
			return attrs[4 : 4+n]
		}
		attrs = attrs[min(4+(n+3)&^3, len(attrs)):]
	}
	return nil
}

// xorAddress reads an attribute that is an address under the magic cookie and the transaction ID (RFC 8489 14.2).
func xorAddress(b []byte, kind uint16) (netip.AddrPort, bool) {
	v := stunAttribute(b, kind)
	if !(len(v) == 8 && v[1] == 1 || len(v) == 20 && v[1] == 2) {
		return netip.AddrPort{}, false
	}
	raw := append([]byte(nil), v[4:]...)
	for i := range raw {
		raw[i] ^= b[4+i]
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(v[2:])^0x2112), true
}
