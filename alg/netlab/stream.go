package netlab

import (
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"testing"
)

// Stream is what one end of a TCP connection of a capture sent.
type Stream struct {
	Src, Dst netip.AddrPort
	Data     []byte // the octets in their order, however they were cut, repeated or reordered
	Gap      bool   // some octets are missing behind Data: they were sent, but not captured, or never came so far

	isn   uint32 // sequence number of the first octet
	parts map[uint32][]byte
}

const protoTCP = 6

// ReadStreams reads a capture as [ReadDatagrams] does and returns the streams of the TCP connections that begin in it, both
// directions, in the order of their SYN. Connections that follow each other between the same two ports are told apart by it.
func ReadStreams(r io.Reader) ([]*Stream, error) {
	type ends struct{ src, dst netip.AddrPort }
	var all []*Stream
	latest := map[ends]*Stream{}
	err := readPackets(r, func(p packet) error {
		if p.proto != protoTCP {
			return nil
		}
		b := p.data
		if len(b) < 20 || len(b) < int(b[12]>>4)*4 || b[12]>>4 < 5 {
			return errShort
		}
		k := ends{
			netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(b)),
			netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(b[2:])),
		}
		seq, syn := binary.BigEndian.Uint32(b[4:]), b[13]&0x02 != 0
		s := latest[k]
		if syn && (s == nil || s.isn != seq+1) {
			s = &Stream{Src: k.src, Dst: k.dst, isn: seq + 1, parts: map[uint32][]byte{}}
			latest[k] = s
			all = append(all, s)
		}
		if payload := b[int(b[12]>>4)*4:]; s != nil && !syn && len(payload) > 0 {
			s.add(seq-s.isn, payload)
		}
		return nil
	})
	for _, s := range all {
		s.Gap = len(s.parts) > 0
	}
	return all, err
}

// add puts octets in their place, off octets behind the first.
func (s *Stream) add(off uint32, payload []byte) {
	if len(s.parts[off]) < len(payload) {
		s.parts[off] = payload
	}
	for again := true; again; {
		again = false
		for at, part := range s.parts {
			have := uint32(len(s.Data))
			if at > have {
				continue
			}
			if end := at + uint32(len(part)); end > have {
				s.Data = append(s.Data, part[have-at:]...)
			}
			delete(s.parts, at)
			again = true
		}
	}
}

// Streams ends the capture, if it still runs, and returns the TCP streams in it.
func (c *Capture) Streams(t testing.TB) []*Stream {
	t.Helper()
	f, err := os.Open(c.Stop(t))
	if err != nil {
		t.Fatalf("netlab: %v", err)
	}
	defer f.Close()
	streams, err := ReadStreams(f)
	if err != nil {
		t.Fatalf("netlab: capture %s: %v", c.path, err)
	}
	return streams
}
