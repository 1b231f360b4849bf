package capture

import (
	"bytes"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"slices"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/reflector/wire"
	"nofixup/sip"
	"nofixup/sip/sdp"
)

const (
	// recentLen is how many datagrams of a flow are compared to find copies of the same packet.
	recentLen = 4
	// copyTime is how far apart two captures of one packet are at most, in nanoseconds. Two senders' timers are not that
	// fast: SIP repeats after 500 ms (RFC 3261 17.1.1.2).
	copyTime = int64(100e6)
	// maxAnnounces is how many addresses one message may announce: a hostile one has thousands.
	maxAnnounces = 64
)

// Probe is the tag of a message that nofixup sent.
type Probe = wire.Tag

// parsers are reused from message to message.
type parsers struct {
	sip   sip.Message
	pdu   h323.PDU
	spans []sdp.Span
	seed  maphash.Seed
	ready bool
}

// recent is a datagram that was seen a moment ago.
type recent struct {
	hash    uint64
	at      int64
	message int
	id      uint16
	dir     uint8
}

// end is the address of one end of a conversation: the one that sends in that direction.
func (e *entry) end(dir int) netip.AddrPort {
	if dir == 0 {
		return netip.AddrPortFrom(e.key.a.netip(), e.key.ap)
	}
	return netip.AddrPortFrom(e.key.b.netip(), e.key.bp)
}

func (e *entry) endpoint(dir int) endpoint {
	if dir == 0 {
		return endpoint{e.key.a, e.key.ap}
	}
	return endpoint{e.key.b, e.key.bp}
}

// emit hands on a message of a recognised conversation. raw is copied.
func (a *analyser) emit(e *entry, dir int, raw []byte, off int, at int64, frames []int, missing int) *Message {
	a.messages++
	m := &Message{
		ID: a.messages, Flow: e.flow, Proto: protoNames[e.kind], Src: e.end(dir), Dst: e.end(1 - dir),
		At: at, Raw: slices.Clone(raw), Off: off, End: off + len(raw), Frames: frames, Missing: missing,
	}
	a.understand(m)
	if a.message != nil {
		a.message(m)
	}
	m.parsed = nil
	return m
}

func (a *analyser) emitStray(e *entry, dir int, raw []byte, off int, at int64, frames []int) {
	a.messages++
	m := &Message{
		ID: a.messages, Flow: e.flow, Proto: protoNames[e.kind], Src: e.end(dir), Dst: e.end(1 - dir),
		At: at, Raw: slices.Clone(raw), Off: off, End: off + len(raw), Frames: frames, Stray: true,
	}
	if a.message != nil {
		a.message(m)
	}
}

// emitDatagram hands on a message that is a datagram.
func (a *analyser) emitDatagram(e *entry, dir int, p *packet) {
	if !a.parse.ready {
		a.parse.seed, a.parse.ready = maphash.MakeSeed(), true
	}
	now := recent{hash: maphash.Bytes(a.parse.seed, p.payload), at: p.at, id: p.id, dir: uint8(dir), message: a.messages + 1}
	first := 0
	for _, r := range e.flow.recent {
		// The same octets under the same IP identification are the same packet; where there is none, those that come too soon
		// to be sent again.
		if r.message != 0 && r.hash == now.hash && r.dir == now.dir && r.id == now.id && p.at-r.at < copyTime {
			first = r.message
		}
	}
	a.messages++
	m := &Message{
		ID: a.messages, Flow: e.flow, Proto: protoNames[e.kind], Src: e.end(dir), Dst: e.end(1 - dir),
		At: p.at, Raw: slices.Clone(p.payload), End: len(p.payload), Frames: p.number(nil), Missing: p.size - len(p.payload),
		Fragments: len(p.frames), Copy: first,
	}
	if first == 0 {
		e.flow.recent[e.flow.next%recentLen] = now
		e.flow.next++
	}
	a.understand(m)
	if a.message != nil {
		a.message(m)
	}
	m.parsed = nil
}

// understand finds out which call a message belongs to and what it announces.
func (a *analyser) understand(m *Message) {
	for tag := range wire.Tags(m.Raw) {
		if !slices.Contains(m.Probes, tag) {
			m.Probes = append(m.Probes, tag)
		}
	}
	if m.Proto == alg.ProtoSIP {
		s := &a.parse.sip
		s.Parse(m.Raw)
		m.parsed = s
		m.Call = string(s.Value(sip.HeaderCallID, 0))
		if off, end, ok := s.SDP(); ok {
			a.description(m, m.Raw[off:end])
		}
	} else {
		p := &a.parse.pdu
		switch m.Proto {
		case alg.ProtoRAS:
			p.ParseRAS(m.Raw)
		case alg.ProtoH245:
			p.ParseH245(m.Raw)
			m.Call = m.Flow.call
		default:
			p.ParseCall(m.Raw)
		}
		if id := p.CallIdentifier(); len(id) == 16 {
			m.Call = hex.EncodeToString(id)
			m.Flow.call = m.Call
		} else if m.Call == "" && m.Proto == alg.ProtoH323 {
			m.Call = m.Flow.call
		}
		a.channels(m, p)
	}
	if m.Copy != 0 {
		return
	}
	for _, ann := range m.Announced {
		a.announced.add(ann)
	}
}

// announces appends an announcement to those of a message.
func (m *Message) announces(ann Announcement) {
	if ann.Addr.Port() == 0 {
		return
	}
	if len(m.Announced) >= maxAnnounces || !ann.Addr.IsValid() {
		m.unplaced = m.unplaced || ann.Kind == KindAudio
		return
	}
	ann.At, ann.Flow, ann.Message, ann.Call, ann.From = m.At, m.Flow.ID, m.ID, m.Call, m.Src
	m.Announced = append(m.Announced, &ann)
}

// channels finds the transport addresses that a message of H.323 announces: for H.245, and for media in fastStart, in
// tunnelled H.245 and in H.245 itself.
func (a *analyser) channels(m *Message, p *h323.PDU) {
	var ip netip.Addr
	for _, s := range p.Spans {
		switch s.Part {
		case h323.PartIP:
			ip, _ = netip.AddrFromSlice(s.Bytes(m.Raw))
			continue
		case h323.PartPort:
		default:
			continue
		}
		kind := ""
		switch lastField(s) {
		case h323.FieldH245Address:
			kind = KindH245
		case h323.FieldMediaChannel:
			kind = KindMedia
		case h323.FieldMediaControlChannel:
			kind = KindControl
		}
		if b := s.Bytes(m.Raw); kind != "" && len(b) == 2 && ip.IsValid() {
			path := s.Path()
			m.announces(Announcement{
				Addr: netip.AddrPortFrom(ip.Unmap(), uint16(b[0])<<8|uint16(b[1])), Kind: kind, Path: string(bytes.TrimSuffix([]byte(path), []byte(".port"))),
			})
		}
		ip = netip.Addr{}
	}
}

// lastField is the field that a leaf is directly in.
func lastField(s h323.Span) h323.Field {
	for _, f := range [...]h323.Field{s.LastField, s.SubField, s.InnerField} {
		if f != h323.FieldNone {
			return f
		}
	}
	return s.Field
}
