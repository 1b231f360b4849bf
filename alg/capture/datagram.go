package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"nofixup/alg/media"
	"nofixup/sip"
)

// datagram finds out what a UDP datagram is. The packets of a call are nearly all RTP: those come first.
func (a *analyser) datagram(e *entry, dir int, p *packet) {
	b := p.payload
	if len(b) >= 8 && b[0]>>6 == 2 && e.kind != speaksSIP && e.kind != speaksRAS && !p.partial {
		d := &e.dirs[dir]
		if n := d.packets; n&63 == 0 || n&(n-1) == 0 {
			a.lookUp(e)
		}
		if d.media == nil && !a.openMedia(e, dir) {
			return
		}
		kind, s := media.RTP, d.stream
		if s == nil || !s.Add(p.at, p.dscp, b, p.size) {
			kind, s = d.media.Add(p.at, p.dscp, b, p.size)
			if s != nil {
				d.stream = s
			}
		}
		if kind != media.None {
			if s != nil && a.packet != nil {
				a.packet(s, p.at, b)
			}
			return
		}
	}
	if a.half {
		e.dirs[dir].packets--
		e.dirs[dir].octets -= uint64(p.size)
		a.decoder.later()
		return
	}
	if len(b) > 0 {
		a.otherDatagram(e, dir, p)
	}
}

// openMedia begins an account of media. It returns false if there is no room.
func (a *analyser) openMedia(e *entry, dir int) bool {
	d := &e.dirs[dir]
	d.media = a.table.Flow(e.end(dir), e.end(1-dir))
	if d.media == nil {
		return false
	}
	if a.half {
		return true
	}
	a.lookUp(e)
	e.announce()
	return true
}

// lookUp finds out whether the ends of a conversation were announced since it was last looked at.
func (a *analyser) lookUp(e *entry) {
	if e.epoch == a.announced.epoch {
		return
	}
	e.epoch = a.announced.epoch
	news := false
	for dir := range e.dirs {
		to := a.announced.get(e.endpoint(1 - dir)).before(e.last)
		if to == nil || to == e.to[dir] || to.Kind == KindH245 || to.At > e.last { // a later call's is none of this one's
			continue
		}
		if e.to[dir] != nil && to.prev == nil {
			a.keepOrigins(e, to.At)
		}
		e.to[dir], news = to, true
	}
	if news {
		e.announce()
	}
}

// announce tells the account of media what was announced of the ends.
func (e *entry) announce() {
	for dir := range e.dirs {
		d := &e.dirs[dir]
		// Who announced an address for receiving sends from it as well (RFC 4961), in the formats of the same exchange.
		to := e.to[dir]
		if to == nil {
			to = e.to[1-dir]
		}
		if d.media != nil && to != nil && to.Kind != KindImage {
			d.media.Announce(to.At, to.Formats)
		}
	}
}

// origins are what announced the receiver's and the sender's address of a stream.
type origins struct{ receiver, sender *Announcement }

// keepOrigins writes down what announced the streams that began before that time, when another announcement of the same
// addresses takes the place: that of the next call between the same ports.
func (a *analyser) keepOrigins(e *entry, at int64) {
	for dir := range e.dirs {
		d := &e.dirs[dir]
		if d.media == nil {
			continue
		}
		for s := range d.media.Streams() {
			if _, ok := a.origins[s]; !ok && s.First() < at {
				if a.origins == nil {
					a.origins = map[*media.Stream]origins{}
				}
				a.origins[s] = origins{e.to[dir], e.to[1-dir]}
			}
		}
	}
}

// placeOrigins is keepOrigins for streams that were seen before the messages that announce them were read: those of the second
// half of a file.
func (a *analyser) placeOrigins(e *entry) {
	for dir := range e.dirs {
		d := &e.dirs[dir]
		to, from := e.to[dir], e.to[1-dir]
		if d.media == nil || (to == nil || to.prev == nil) && (from == nil || from.prev == nil) {
			continue
		}
		for s := range d.media.Streams() {
			if a.origins == nil {
				a.origins = map[*media.Stream]origins{}
			}
			by := a.origins[s]
			if by.receiver == nil {
				by.receiver = to.before(s.First())
			}
			if by.sender == nil {
				by.sender = from.before(s.First())
			}
			a.origins[s] = by
		}
	}
}

// otherDatagram takes what is no RTP.
func (a *analyser) otherDatagram(e *entry, dir int, p *packet) {
	b := p.payload
	if e.kind == speaksSIP || startsSIP(b) == yes {
		if sip.IsKeepalive(b) || e.kind == speaksSIP && !isText(b) && !ofProbe(b) {
			return
		}
		if e.kind != speaksSIP {
			a.recognise(e, speaksSIP)
		}
		a.emitDatagram(e, dir, p)
		return
	}
	if isSTUN(b) && !ofProbe(b) {
		a.stunMessage(e, dir, p)
		return
	}
	if e.kind == speaksSTUN && b[0]>>6 == 1 {
		a.channelData(e, dir, p)
		return
	}
	if p.sport == portRAS || p.dport == portRAS || p.dport == portRASDiscovery || e.kind == speaksRAS || bytes.Contains(b[:min(len(b), 32)], h225ID) {
		pdu := &a.parse.pdu
		if pdu.ParseRAS(b); e.kind == speaksRAS || pdu.Message.RAS() && len(pdu.Notes) == 0 {
			if e.kind != speaksRAS {
				a.recognise(e, speaksRAS)
			}
			a.emitDatagram(e, dir, p)
		}
		return
	}
	if ofProbe(b) { // which sends what is no SIP where SIP is spoken, too
		a.recognise(e, speaksSIP)
		a.emitDatagram(e, dir, p)
		return
	}
	// Of the flows that speak something else altogether there may be very many.
	if n := e.dirs[dir].packets; n <= 4 || n&15 == 0 || e.hasMedia() {
		a.lookUp(e)
	}
	if to := e.to[dir]; to != nil && to.Kind == KindImage {
		a.faxDatagram(e, dir, p, to)
	} else if to := e.to[1-dir]; to != nil && to.Kind == KindImage {
		a.faxDatagram(e, dir, p, to)
	}
}

// h225ID is the protocolIdentifier of H.225.0 without its version, {itu-t recommendation h 2250 version}, as requests to
// find a gatekeeper and to register have it in front: RAS is known by it on other ports.
var h225ID = []byte{0, 8, 0x91, 0x4a, 0}

// Ports of RAS (H.225.0 Annex D): unicast, and multicast discovery.
const (
	portRAS          = 1719
	portRASDiscovery = 1718
)

// faxDatagram takes a datagram of UDPTL (T.38 9.1): a sequence number, and then the message and earlier ones. It is used
// where a session description announced it: there is nothing in it to know it by.
func (a *analyser) faxDatagram(e *entry, dir int, p *packet, to *Announcement) {
	if len(p.payload) < 4 {
		return
	}
	if e.flow == nil {
		a.recognise(e, speaksFax).Parent = to.Flow
	}
	f := &e.flow.Fax[side(e, dir)]
	seq := binary.BigEndian.Uint16(p.payload)
	if f.Packets == 0 {
		f.First, f.newest = p.at, seq
	} else if step := seq - f.newest; step > 0 && step < 1000 {
		f.Lost += uint64(step) - 1
		f.newest = seq
	} else if f.Lost > 0 && step > 0xff00 {
		f.Lost-- // it was only late
	}
	f.Packets++
	f.Last = p.at
}

// settleMedia makes flows of the conversations that turned out to be media.
func (a *analyser) settleMedia(e *entry) {
	if !e.hasMedia() {
		return
	}
	a.lookUp(e)
	reports := uint64(0)
	streams := false
	for i := range e.dirs {
		m := e.dirs[i].media
		if m == nil {
			continue
		}
		reports += m.RTCPs
		for s := range m.Streams() {
			streams = streams || s.Valid()
		}
	}
	ann := e.to[0]
	if ann == nil {
		ann = e.to[1]
	}
	if e.flow == nil && !streams && reports < 2 && (ann == nil || reports == 0) {
		return
	}
	if e.flow == nil || e.kind == speaksSTUN || e.kind == speaksFax && e.flow.Fax[0].Packets+e.flow.Fax[1].Packets < e.dirs[0].packets+e.dirs[1].packets {
		a.recognise(e, speaksMedia)
	}
	if ann != nil && e.flow.Parent == 0 {
		e.flow.Parent = ann.Flow
	}
	e.flow.to = [2]*Announcement{e.to[e.opener], e.to[1-e.opener]}
}

// stunState is what STUN said about translated addresses.
type stunState struct {
	mappings []Mapping
	known    map[Mapping]bool
}

// Mapping is what a STUN server told a client about its address (RFC 8489 14.2): a client that knows it writes it into its
// messages by itself.
type Mapping struct {
	Client, Server, Mapped netip.AddrPort
}

// maxMappings bounds what is kept.
const maxMappings = 4096

func (a *analyser) stunMessage(e *entry, dir int, p *packet) {
	if e.flow == nil {
		a.recognise(e, speaksSTUN)
	}
	e.flow.STUNs++
	a.turnMessage(e, dir, p)
	b := p.payload
	if binary.BigEndian.Uint16(b) != 0x0101 { // a success response to a binding request
		return
	}
	mapped, ok := mappedAddress(b)
	m := Mapping{Client: e.end(1 - dir), Server: e.end(dir), Mapped: mapped}
	s := &a.stun
	if !ok || s.known[m] || len(s.mappings) >= maxMappings {
		return
	}
	if s.known == nil {
		s.known = map[Mapping]bool{}
	}
	s.known[m] = true
	s.mappings = append(s.mappings, m)
}

// mappedAddress returns the XOR-MAPPED-ADDRESS of a STUN message, or else its MAPPED-ADDRESS.
func mappedAddress(b []byte) (mapped netip.AddrPort, ok bool) {
	for _, kind := range [2]uint16{0x0020, 0x8020} {
		if mapped, ok = xorAddress(b, kind); ok {
			return mapped, true
		}
	}
	v := stunAttribute(b, 0x0001)
	if !(len(v) == 8 && v[1] == 1 || len(v) == 20 && v[1] == 2) {
		return mapped, false
	}
	ip, _ := netip.AddrFromSlice(v[4:])
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(v[2:])), true
}
