package reflector

import (
	"encoding/binary"
	"net/netip"

	"nofixup/h323"
)

// offers returns the channels of fastStart that are ones of audio or video with a codec that can be sent back, in their order.
func offers(p *h323.PDU) (list []h323.Channel) {
	for _, s := range p.Spans {
		if s.Field != h323.FieldFastStart || s.InnerField != h323.FieldForwardLogicalChannelNumber || s.Part != h323.PartValue {
			continue
		}
		if ch, ok := channelAt(p.Raw, int(s.Off)); ok && ch.Codec != otherCodec {
			list = append(list, ch)
		}
	}
	return list
}

// accept takes of every medium the first channel that is offered in each direction (H.323 8.1.7.1). To the channel that the
// caller sends on belongs where it shall send to; the other has the caller's address, and only the reports need one of ours.
func accept(offered []h323.Channel, st *stream) (list []h323.Channel) {
	if len(offered) == 0 {
		return nil
	}
	type way struct{ video, reverse bool }
	taken := make(map[way]bool)
	ports := st.mediaPorts()
	for _, ch := range offered {
		w := way{ch.Codec.Video(), ch.Reverse}
		if taken[w] {
			continue
		}
		taken[w] = true
		nth := 0
		if w.video {
			nth = 1
		}
		rtp, rtcp := ports.pair(nth)
		answer := h323.Channel{Number: ch.Number, Reverse: ch.Reverse, Codec: ch.Codec, MediaControl: rtcp}
		if !ch.Reverse {
			answer.Media = rtp
		}
		list = append(list, answer)
	}
	return list
}

// otherCodec stands for all that the composer does not send.
const otherCodec = h323.Codec(0xff)

// Alternatives of DataType, AudioCapability and VideoCapability in H.245.
const (
	dataNull  = 1
	dataVideo = 2
	dataAudio = 3
)

var (
	audioCodecs = map[int]h323.Codec{1: h323.CodecG711Alaw, 3: h323.CodecG711Ulaw}
	videoCodecs = map[int]h323.Codec{1: h323.CodecH261, 3: h323.CodecH263}
)

// channelAt reads an OpenLogicalChannel of H.245 up to its codec: its number, of which the offset is given, the direction and
// the data type. ok is false if it is none of audio or video. A Codec of otherCodec is audio. The octet before the number
// begins the sequence, and the number is its first component that is whole octets (X.691 11.5.7, 19).
func channelAt(raw []byte, off int) (ch h323.Channel, ok bool) {
	if off < 1 || off+2 > len(raw) {
		return ch, false
	}
	reverse := raw[off-1]&0x40 != 0 // reverseLogicalChannelParameters
	ch.Number = binary.BigEndian.Uint16(raw[off:]) + 1
	b := bits{raw: raw[off+2:]}
	b.take(1)           // forwardLogicalChannelParameters is extensible
	if b.take(1) == 1 { // portNumber
		b.align()
		b.take(16)
	}
	kind := b.choice(3)
	if kind == dataNull && reverse {
		// A channel that the other end shall send on. Its forward parameters are none, an addition of their choice.
		if b.choice(2) >= 0 || b.rest() < 0 {
			return ch, false
		}
		b.take(2) // reverseLogicalChannelParameters: extensible, multiplexParameters
		kind, ch.Reverse = b.choice(3), true
	}
	codecs, width := audioCodecs, 4
	switch kind {
	case dataAudio:
	case dataVideo:
		codecs, width = videoCodecs, 3
	default:
		return ch, false
	}
	var known bool
	if ch.Codec, known = codecs[b.choice(width)]; !known {
		ch.Codec = otherCodec
		if kind == dataVideo {
			ch.Codec = h323.CodecH261
		}
	}
	return ch, !b.short
}

// bits reads an encoding bit by bit (X.691).
type bits struct {
	raw   []byte
	pos   int
	short bool
}

func (b *bits) take(n int) (v int) {
	if b.pos+n > 8*len(b.raw) {
		b.short = true
		return 0
	}
	for range n {
		v = v<<1 | int(b.raw[b.pos/8]>>(7-b.pos%8)&1)
		b.pos++
	}
	return v
}

func (b *bits) align() { b.pos = (b.pos + 7) / 8 * 8 }

// choice returns the alternative of an extensible choice with an index of so many bits, or -1 if it is an addition.
func (b *bits) choice(width int) int {
	if b.take(1) == 1 {
		return -1
	}
	return b.take(width)
}

// rest steps over the number and the contents of an addition and returns how many octets it has, or -1 for what is not like
// that.
func (b *bits) rest() int {
	if b.take(1) == 1 { // 64 and more: there are not so many
		return -1
	}
	b.take(6)
	b.align()
	n := b.take(8)
	if n >= 0x80 || b.short {
		return -1
	}
	b.pos += 8 * n
	return n
}

// ports are the media ports of one message of ours.
type ports struct {
	addr   netip.Addr
	number uint32    // of the message
	turn   uint32    // of the message, at ports at which nobody listens
	media  portRange // of the server
	first  uint16    // the first medium's, of the ports of media; 0 for ports at which nobody listens
}

// mediaPorts returns the ports of the next message that announces any. Those of media take turns, two pairs for a message, from
// a start that is the session's own.
func (st *stream) mediaPorts() ports {
	srv, sess := st.srv, st.sess
	if st.live && srv.mediaSocket(st.local.Addr(), srv.mediaPorts.first) != nil {
		sess.mu.Lock()
		defer sess.mu.Unlock()
		turn := int(binary.BigEndian.Uint16(sess.token[:])) + int(sess.media.live)
		sess.media.live++
		return ports{addr: st.own().Addr(), media: srv.mediaPorts, first: srv.mediaPorts.pair(2 * turn)}
	}
	return ports{addr: st.own().Addr(), turn: srv.mediaTurn(), media: srv.mediaPorts}
}

// pair returns where RTP and RTCP of the i-th medium go to.
func (p ports) pair(i int) (rtp, rtcp netip.AddrPort) {
	port := mediaPort(p.turn, i)
	switch {
	case p.first != 0:
		port = p.media.pair(p.media.index(p.first) + i)
	case p.media.holds(port):
		// Somebody listens there; above all that mediaPort gives nobody does.
		port = firstMediaPort + 2*mediaPairs + port - p.media.first
	}
	return netip.AddrPortFrom(p.addr, port), netip.AddrPortFrom(p.addr, port+1)
}
