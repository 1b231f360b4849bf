package h323

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// captured is one message of a capture.
type captured struct {
	file  string
	frame int // the frame that the message ends in, from 1
	off   int // where in that frame it begins; less than 0 if it does in one before
	proto string
	raw   []byte
}

// parse returns a view of a captured message.
func (c captured) parse() (p PDU) {
	switch c.proto {
	case "call":
		p.ParseCall(c.raw)
	case "ras":
		p.ParseRAS(c.raw)
	default:
		p.ParseH245(c.raw)
	}
	return p
}

// spans are the spans of a captured message.
func (c captured) spans(dst []Span) []Span {
	switch c.proto {
	case "ras":
		return AppendRAS(dst, c.raw)
	case "h245":
		return AppendH245(dst, c.raw)
	}
	return AppendSpans(dst, c.raw)
}

// segment is the payload of one TCP segment or UDP datagram over IPv4.
type segment struct {
	frame, off int
	udp        bool
	src, dst   netip.AddrPort
	seq        uint32
	data       []byte
}

// captures returns the messages of all captures in testdata/h323, in the order of their frames.
func captures(tb testing.TB) []captured {
	tb.Helper()
	files, err := filepath.Glob("../testdata/h323/*.pcap")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no captures: %v", err)
	}
	var all []captured
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		list, err := messagesOf(data)
		if err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		if len(list) == 0 {
			tb.Fatalf("%s: no messages", file)
		}
		for i := range list {
			list[i].file = filepath.Base(file)
		}
		all = append(all, list...)
	}
	return all
}

// segments reads a pcap file of Ethernet or Linux cooked frames, in the order of the machine that the captures are from.
func segments(data []byte) ([]segment, error) {
	if len(data) < 24 || binary.LittleEndian.Uint32(data) != 0xa1b2c3d4 {
		return nil, errors.New("not a pcap file of microseconds in little-endian order")
	}
	link := map[uint32]int{1: 14, 276: 20}[binary.LittleEndian.Uint32(data[20:])]
	if link == 0 {
		return nil, errors.New("another link layer")
	}
	var list []segment
	at := 24
	for frame := 1; at+16 <= len(data); frame++ {
		n := int(binary.LittleEndian.Uint32(data[at+8:]))
		at += 16
		if n > len(data)-at {
			return nil, errors.New("cut short")
		}
		if s, ok := segmentOf(data[at:at+n], link); ok {
			s.frame = frame
			list = append(list, s)
		}
		at += n
	}
	return list, nil
}

func segmentOf(b []byte, link int) (segment, bool) {
	if len(b) < link+20 || b[link]>>4 != 4 {
		return segment{}, false
	}
	size := int(b[link])&15*4 + link
	total := link + int(binary.BigEndian.Uint16(b[link+2:]))
	if total > len(b) || size+8 > total {
		return segment{}, false
	}
	ip, l4 := b[link:], b[size:total]
	s := segment{
		src: netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[12:16])), binary.BigEndian.Uint16(l4)),
		dst: netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:20])), binary.BigEndian.Uint16(l4[2:])),
	}
	switch {
	case ip[9] == 17:
		s.udp, s.off = true, size+8
	case ip[9] == 6 && len(l4) >= 20:
		s.seq, s.off = binary.BigEndian.Uint32(l4[4:]), size+int(l4[12])>>4*4
	default:
		return segment{}, false
	}
	if s.off >= total {
		return segment{}, false
	}
	s.data = b[s.off:total]
	return s, true
}

// messagesOf finds the messages: RAS by its port, call signalling by its port, H.245 by the addresses that messages name. It is
// good for captures without loss.
func messagesOf(data []byte) ([]captured, error) {
	list, err := segments(data)
	if err != nil {
		return nil, err
	}
	type flow struct{ src, dst netip.AddrPort }
	streams := map[flow][]segment{}
	var out []captured
	for _, s := range list {
		switch {
		case !s.udp:
			streams[flow{s.src, s.dst}] = append(streams[flow{s.src, s.dst}], s)
		case s.dst.Port() == 1719 || s.src.Port() == 1719:
			out = append(out, captured{frame: s.frame, off: s.off, proto: "ras", raw: s.data})
		}
	}
	control := map[netip.AddrPort]bool{}
	for _, proto := range []string{"call", "h245"} {
		for f, segs := range streams {
			call := f.src.Port() == 1720 || f.dst.Port() == 1720
			if call != (proto == "call") || !call && !control[f.src] && !control[f.dst] {
				continue
			}
			messages, err := reassemble(segs, proto)
			if err != nil {
				return nil, fmt.Errorf("%v: %w", f, err)
			}
			for _, m := range messages {
				var ip netip.Addr
				for _, s := range m.spans(nil) {
					if s.Field == FieldH245Address && s.Part == PartIP {
						ip, _ = netip.AddrFromSlice(s.Bytes(m.raw))
					} else if s.Field == FieldH245Address && s.Part == PartPort {
						control[netip.AddrPortFrom(ip, binary.BigEndian.Uint16(s.Bytes(m.raw)))] = true
					}
				}
			}
			out = append(out, messages...)
		}
	}
	slices.SortFunc(out, func(a, b captured) int { return cmp.Or(a.frame-b.frame, a.off-b.off) })
	return out, nil
}

// reassemble cuts one direction of a connection into messages.
func reassemble(segs []segment, proto string) ([]captured, error) {
	slices.SortStableFunc(segs, func(a, b segment) int { return int(int32(a.seq - b.seq)) })
	var out []captured
	var buf []byte
	var framer Framer
	next := segs[0].seq
	for _, s := range segs {
		again := int(int32(next - s.seq))
		if again < 0 {
			return nil, fmt.Errorf("a hole before frame %d", s.frame)
		}
		if again >= len(s.data) {
			continue // sent again
		}
		data := s.data[again:]
		next += uint32(len(data))
		buf = append(buf, data...)
		for {
			frame, err := framer.Next(buf)
			if errors.Is(err, ErrShort) {
				break
			}
			if err != nil {
				return nil, err
			}
			if len(frame.Payload(buf)) > 0 {
				out = append(out, captured{
					frame: s.frame, off: s.off + len(s.data) - len(buf), proto: proto, raw: slices.Clone(buf[:frame.Len]),
				})
			}
			buf = buf[frame.Len:]
		}
	}
	return out, nil
}

// describe renders the spans of a message as golden files have them.
func describe(c captured) string {
	var b strings.Builder
	fmt.Fprintf(&b, "frame %d %s, %d octets\n", c.frame, c.proto, len(c.raw))
	for _, s := range c.spans(nil) {
		fmt.Fprintf(&b, "%d-%d %s", s.Off, s.End, s.Path())
		switch v := s.Bytes(c.raw); {
		case s.Part == PartPort:
			fmt.Fprintf(&b, " %d", binary.BigEndian.Uint16(v))
		case s.Part == PartIP || s.Part == PartRoute:
			ip, _ := netip.AddrFromSlice(v)
			fmt.Fprintf(&b, " %v", ip)
		case len(v) <= 4:
			fmt.Fprintf(&b, " %x", v)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
