package reflector

import (
	"encoding/binary"
	"net/netip"
	"runtime/debug"
	"time"

	"nofixup/reflector/wire"
)

const (
	// maxTalks is how many flows of media a session has sent to it at a time: two of RTP and two of RTCP for each of four calls.
	maxTalks = 16
	// talkPatience is how long a flow waits for credit: the client's own media may be about to begin.
	talkPatience = 2 * time.Second
)

// talk is media that is being sent to a client, packet after packet at a fixed interval. A timer drives it, so that nobody waits
// for it, and it ends with its session.
type talk struct {
	srv           *Server
	sess          *session
	svc           *service
	local, remote netip.AddrPort
	number        uint32
	packet        mediaPacket
	count         int // packets still to be sent
	interval      time.Duration

	timer *time.Timer
	next  time.Time // when the timer was to fire
	sent  time.Time // when the last packet was sent
}

// start begins to send. The session is locked.
func (t *talk) start() bool {
	m := &t.sess.media
	if len(m.talks) >= maxTalks {
		return false
	}
	if m.talks == nil {
		m.talks = make(map[*talk]struct{})
	}
	m.talks[t] = struct{}{}
	t.sent = time.Now()
	t.next = t.sent
	t.timer = time.AfterFunc(0, t.tick)
	return true
}

// tick sends one packet, if there is credit for it and the budget's rate is kept; otherwise the packet waits for the next tick.
func (t *talk) tick() {
	s := t.srv
	defer func() {
		if fault := recover(); fault != nil {
			s.counters.panics.Add(1)
			s.cfg.Log.Error("media ended: fault in the reflector", "stack", string(debug.Stack()))
		}
	}()
	reserved := s.store.reserve(t.sess, mediaOverhead)
	kept := false
	defer func() {
		if reserved && !kept {
			s.store.octets.Add(-mediaOverhead)
		}
	}()
	t.sess.mu.Lock()
	defer t.sess.mu.Unlock()
	m := &t.sess.media
	if _, on := m.talks[t]; !on {
		return
	}
	now := time.Now()
	proven := t.sess.isProven(t.remote.Addr())
	c := m.credit(t.remote.Addr())
	if reserved && c.packets > 0 && c.octets >= len(t.packet.raw) && t.sess.limits.mediaRate(&m.dueOut, now.Sub(s.store.start)) {
		t.count--
		t.sent = now
		if s.send(t.svc.sock, t.packet.raw, leave{proven: proven, credit: c}, t.local, t.remote) == nil {
			t.sess.keepSent(t.packet.raw, t.local, t.remote, t.number)
			kept = true
			s.counters.mediaSent.Add(1)
			s.counters.mediaSentOctets.Add(uint64(len(t.packet.raw)))
			t.sess.notify()
		}
		t.packet.advance(t.interval)
	}
	if t.count == 0 || now.Sub(t.sent) >= talkPatience {
		delete(m.talks, t)
		return
	}
	t.next = t.next.Add(t.interval)
	t.timer.Reset(max(time.Until(t.next), 0))
}

// keepSent adds the record of a packet that was sent. The session is locked.
func (s *session) keepSent(raw []byte, local, remote netip.AddrPort, number uint32) (seq uint64) {
	r := mediaRecord{
		at: time.Now().UnixNano(), local: local, remote: remote, number: number, length: uint16(len(raw)), tos: noTOS, out: true,
	}
	r.kept = uint8(copy(r.head[:], raw))
	return s.keepMedia(&r)
}

// mediaPacket is a packet that the reflector sends: one of RTP, or a compound of RTCP (RFC 3550). All of it is ours; what tells
// it from others is a tag with a token of its own, which is no session's: the port that it goes to may be a stranger's by now.
type mediaPacket struct {
	raw  []byte
	rtcp bool
}

const (
	rtpHeader   = 12
	payloadPCMU = 0  // RFC 3551 6
	payloadH264 = 97 // as in a session description of ours
	audioMost   = 400
)

// newRTP makes a packet of so many octets.
func newRTP(tag wire.Tag, size int) mediaPacket {
	raw := make([]byte, rtpHeader, size)
	raw[0] = 2 << 6             // version
	raw[1] = payloadPCMU | 0x80 // a marker on the first packet
	if size > audioMost {
		raw[1] = payloadH264
	}
	copy(raw[8:rtpHeader], tag.Token[:]) // SSRC
	raw = tag.Append(raw)
	for len(raw) < size {
		raw = append(raw, 0xff) // silence, in PCMU
	}
	return mediaPacket{raw: raw}
}

// newRTCP makes a receiver report without reports, and an application-defined packet with the tag (RFC 3550 6.4.2, 6.7).
func newRTCP(tag wire.Tag) mediaPacket {
	raw := make([]byte, 0, wire.RTCPSize)
	raw = append(raw, 2<<6, 201, 0, 1)
	raw = append(raw, tag.Token[:4]...)
	raw = append(raw, 2<<6, 204, 0, (wire.RTCPSize-8)/4-1)
	raw = append(raw, tag.Token[:4]...)
	raw = append(raw, "NFIX"...)
	raw = tag.Append(raw)
	for len(raw) < wire.RTCPSize {
		raw = append(raw, 0)
	}
	return mediaPacket{raw: raw, rtcp: true}
}

// newPacket makes the one or the other.
func newPacket(tag wire.Tag, rtcp bool, size int) mediaPacket {
	if rtcp {
		return newRTCP(tag)
	}
	return newRTP(tag, size)
}

// clockRate returns the rate of the RTP timestamps in Hz (RFC 3551 6, RFC 6184 8.2.1): by any other a receiver would see jitter.
func (p *mediaPacket) clockRate() time.Duration {
	if p.raw[1]&0x7F == payloadH264 {
		return 90000
	}
	return 8000
}

// advance makes the packet the next one of its flow.
func (p *mediaPacket) advance(interval time.Duration) {
	if p.rtcp {
		return
	}
	p.raw[1] &^= 0x80
	binary.BigEndian.PutUint16(p.raw[2:], binary.BigEndian.Uint16(p.raw[2:])+1)
	binary.BigEndian.PutUint32(p.raw[4:], binary.BigEndian.Uint32(p.raw[4:])+uint32(interval*p.clockRate()/time.Second))
}
