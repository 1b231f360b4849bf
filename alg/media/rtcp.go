package media

import (
	"encoding/binary"
	"time"
)

// Packet types of RTCP (RFC 3550 12.1).
const (
	typeSR  = 200
	typeRR  = 201
	typeBye = 203
)

// SenderReport is the sender information of an SR (RFC 3550 6.4.1): what the sender says it sent.
type SenderReport struct {
	At        int64  // when it was seen here
	NTP       uint64 // the sender's wall clock, in the format of NTP
	Timestamp uint32 // of RTP, for the same instant
	Packets   uint32 // sent so far
	Octets    uint32 // of payload
}

// ReceptionReport is one report block (RFC 3550 6.4.1): what the far end says it received.
type ReceptionReport struct {
	At       int64         // when it was seen here
	Reporter uint32        // SSRC of the far end
	Fraction uint8         // lost since the report before, in 1/256
	Lost     int32         // cumulative, 24 bits
	Highest  uint32        // extended highest sequence number
	Jitter   uint32        // in ticks of the stream's clock
	Return   time.Duration // from here to the far end and back, by LSR and DLSR; 0 if the SR was not seen here
}

// addRTCP walks over a compound packet.
func (f *Flow) addRTCP(at int64, b []byte) {
	f.RTCPs++
	for len(b) >= 4 && b[0]>>6 == 2 {
		n := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return // cut, or encrypted
		}
		if n >= 8 { // else it is nothing but its header: a BYE of nobody, an empty SDES
			f.addReport(at, b[:n])
		}
		b = b[n:]
	}
}

func (f *Flow) addReport(at int64, p []byte) {
	blocks := p[8:]
	sender := binary.BigEndian.Uint32(p[4:])
	switch p[1] {
	case typeSR:
		if len(p) < 28 {
			return
		}
		if s := f.table.find(sender, f, false); s != nil {
			s.senders++
			s.sender = SenderReport{
				At: at, NTP: binary.BigEndian.Uint64(p[8:]), Timestamp: binary.BigEndian.Uint32(p[16:]),
				Packets: binary.BigEndian.Uint32(p[20:]), Octets: binary.BigEndian.Uint32(p[24:]),
			}
		}
		blocks = p[28:]
	case typeRR:
	case typeBye:
		f.Byes++
		return
	default:
		return
	}
	for range p[0] & 0x1f {
		if len(blocks) < 24 {
			return
		}
		f.addBlock(at, sender, blocks[:24])
		blocks = blocks[24:]
	}
}

func (f *Flow) addBlock(at int64, reporter uint32, b []byte) {
	s := f.table.find(binary.BigEndian.Uint32(b), f, true)
	if s == nil {
		f.table.unplace++
		return
	}
	r := ReceptionReport{
		At: at, Reporter: reporter, Fraction: b[4],
		Lost:    int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8,
		Highest: binary.BigEndian.Uint32(b[8:]), Jitter: binary.BigEndian.Uint32(b[12:]),
	}
	// LSR is the middle of the NTP time of the last SR that the far end got, DLSR how long ago that was, in 1/65536 s.
	lsr, dlsr := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
	if lsr != 0 && s.senders > 0 && uint32(s.sender.NTP>>16) == lsr {
		if d := at - s.sender.At - int64(dlsr)*1e9>>16; d > 0 {
			r.Return = time.Duration(d)
		}
	}
	s.reports++
	s.reception = r
	s.worstFraction = max(s.worstFraction, r.Fraction)
}

// find returns the stream of an SSRC that a report on a flow is about: one that the sender of the report sends, or, with
// back, one that it receives. Ports do not count, RTCP has its own; where two streams bear the same SSRC, as on both legs
// of a relay, the addresses tell.
func (t *Table) find(ssrc uint32, f *Flow, back bool) *Stream {
	src, dst := f.Src.Addr(), f.Dst.Addr()
	if back {
		src, dst = dst, src
	}
	for s := t.bySSRC[ssrc]; s != nil; s = s.same {
		if s.flow.Src.Addr() == src && s.flow.Dst.Addr() == dst {
			return s
		}
	}
	return nil
}
