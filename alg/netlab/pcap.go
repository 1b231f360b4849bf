package netlab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Datagram is a UDP datagram of a capture.
type Datagram struct {
	Src, Dst netip.AddrPort
	Payload  []byte
	At       time.Time // when its last fragment was captured
}

// The magic numbers of the classic pcap format, as the writing machine would read them.
const (
	magicMicro = 0xa1b2c3d4 // time in microseconds
	magicNano  = 0xa1b23c4d // time in nanoseconds
)

const (
	linkEthernet = 1
	etherIPv4    = 0x0800
	etherIPv6    = 0x86dd
	protoUDP     = 17
)

// ReadDatagrams reads a capture in classic pcap format with Ethernet frames and returns the UDP datagrams over IPv4 and
// IPv6 in it, in the order in which they were complete. Fragments are reassembled; other packets, and datagrams with a
// fragment missing, are left out. It is deliberately small and shares nothing with the program's own capture reader: it
// is here to check on that, among others. The errors name the packet, counted from 1.
func ReadDatagrams(r io.Reader) ([]Datagram, error) {
	var ds []Datagram
	err := readPackets(r, func(p packet) error {
		if p.proto != protoUDP {
			return nil
		}
		d, err := udp(p)
		if err == nil {
			ds = append(ds, d)
		}
		return err
	})
	return ds, err
}

// packet is one IP packet, whole.
type packet struct {
	src, dst netip.Addr
	proto    byte // of data, extension headers of IPv6 taken off
	data     []byte
	at       time.Time // when its last fragment was captured
}

// readPackets hands every whole IP packet of a capture to take.
func readPackets(r io.Reader, take func(packet) error) error {
	br := bufio.NewReader(r)
	head := make([]byte, 24)
	if _, err := io.ReadFull(br, head); err != nil {
		return fmt.Errorf("pcap header: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	magic := order.Uint32(head)
	if magic != magicMicro && magic != magicNano {
		order = binary.BigEndian
		magic = order.Uint32(head)
	}
	if magic != magicMicro && magic != magicNano {
		return fmt.Errorf("pcap header: unknown magic number %x", head[:4])
	}
	if link := order.Uint32(head[20:]); link != linkEthernet {
		return fmt.Errorf("pcap header: link type %d is not Ethernet", link)
	}
	parts := make(reassembly)
	for n := 1; ; n++ {
		rec := make([]byte, 16)
		_, err := io.ReadFull(br, rec)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("packet %d: record header: %w", n, err)
		}
		nanos := int64(order.Uint32(rec[4:]))
		if magic == magicMicro {
			nanos *= 1000
		}
		captured, original := order.Uint32(rec[8:]), order.Uint32(rec[12:])
		if captured != original || captured > 1<<20 {
			return fmt.Errorf("packet %d: %d octets of %d", n, captured, original)
		}
		frame := make([]byte, captured)
		if _, err := io.ReadFull(br, frame); err != nil {
			return fmt.Errorf("packet %d: %w", n, err)
		}
		p, ok, err := parts.frame(frame)
		if err == nil && ok {
			p.at = time.Unix(int64(order.Uint32(rec)), nanos)
			err = take(p)
		}
		if err != nil {
			return fmt.Errorf("packet %d: %w", n, err)
		}
	}
}

// fragmentKey tells which packet a fragment belongs to (RFC 791 3.2, RFC 8200 4.5).
type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
}

// fragments are those of one packet. Octets are copied to their place, and the packet is complete when as many have come
// as the last fragment says there are. A sender that overlaps fragments would be miscounted; no lab has one.
type fragments struct {
	data  []byte
	have  int
	total int // -1 until the last fragment has come
}

type reassembly map[fragmentKey]*fragments

// fragment adds one fragment, and returns the whole if that completes it.
func (r reassembly) fragment(key fragmentKey, offset int, more bool, data []byte) []byte {
	f := r[key]
	if f == nil {
		f = &fragments{total: -1}
		r[key] = f
	}
	end := offset + len(data)
	if len(f.data) < end {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[offset:], data)
	f.have += len(data)
	if !more {
		f.total = end
	}
	if f.total < 0 || f.have < f.total {
		return nil
	}
	delete(r, key)
	return f.data[:f.total]
}

var errShort = errors.New("headers promise more octets than there are")

// frame takes one Ethernet frame apart. It reports false for what is not, or not yet, a whole IP packet.
func (r reassembly) frame(b []byte) (packet, bool, error) {
	if len(b) < 14 {
		return packet{}, false, errShort
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case etherIPv4:
		return r.ipv4(b[14:])
	case etherIPv6:
		return r.ipv6(b[14:])
	}
	return packet{}, false, nil
}

// ipv4 takes an IPv4 packet apart (RFC 791 3.1). A frame may be longer than the packet in it: Ethernet pads.
func (r reassembly) ipv4(b []byte) (packet, bool, error) {
	if len(b) < 20 {
		return packet{}, false, errShort
	}
	hlen, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if hlen < 20 || total < hlen || len(b) < total {
		return packet{}, false, errShort
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	data := b[hlen:total]
	bits := binary.BigEndian.Uint16(b[6:])
	if more, offset := bits&0x2000 != 0, int(bits&0x1fff)*8; more || offset > 0 {
		key := fragmentKey{src, dst, uint32(binary.BigEndian.Uint16(b[4:]))}
		if data = r.fragment(key, offset, more, data); data == nil {
			return packet{}, false, nil
		}
	}
	return packet{src: src, dst: dst, proto: b[9], data: data}, true, nil
}

// ipv6 takes an IPv6 packet apart (RFC 8200 3, 4).
func (r reassembly) ipv6(b []byte) (packet, bool, error) {
	if len(b) < 40 {
		return packet{}, false, errShort
	}
	end := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if len(b) < end {
		return packet{}, false, errShort
	}
	src, dst := netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	next, data := b[6], b[40:end]
	for {
		switch next {
		case 0, 43, 60: // hop-by-hop options, routing, destination options
			if len(data) < 8 || len(data) < 8+8*int(data[1]) {
				return packet{}, false, errShort
			}
			next, data = data[0], data[8+8*int(data[1]):]
		case 44: // fragment
			if len(data) < 8 {
				return packet{}, false, errShort
			}
			bits, key := binary.BigEndian.Uint16(data[2:]), fragmentKey{src, dst, binary.BigEndian.Uint32(data[4:])}
			next = data[0]
			if data = r.fragment(key, int(bits&^7), bits&1 != 0, data[8:]); data == nil {
				return packet{}, false, nil
			}
		default:
			return packet{src: src, dst: dst, proto: next, data: data}, true, nil
		}
	}
}

// udp takes a UDP datagram apart (RFC 768). The checksum is not verified: on virtual devices the kernel leaves it for a
// network card to fill in that there is not.
func udp(p packet) (Datagram, error) {
	b := p.data
	if len(b) < 8 {
		return Datagram{}, errShort
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 8 || len(b) < n {
		return Datagram{}, errShort
	}
	return Datagram{
		Src:     netip.AddrPortFrom(p.src, binary.BigEndian.Uint16(b)),
		Dst:     netip.AddrPortFrom(p.dst, binary.BigEndian.Uint16(b[2:])),
		Payload: b[8:n],
		At:      p.at,
	}, nil
}
