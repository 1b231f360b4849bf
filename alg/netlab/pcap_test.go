package netlab_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/alg/netlab"
)

// pcapFile writes frames in the pcap format, one second apart.
func pcapFile(order binary.AppendByteOrder, magic uint32, frames ...[]byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65536, 1} {
		b = order.AppendUint32(b, v)
	}
	for i, f := range frames {
		for _, v := range []uint32{uint32(i), 5, uint32(len(f)), uint32(len(f))} {
			b = order.AppendUint32(b, v)
		}
		b = append(b, f...)
	}
	return b
}

func ethernet(kind uint16, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), kind), payload...)
}

func udp(payload string) []byte {
	b := []byte{0x13, 0xc4, 0x13, 0xc5}
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

func ipv4(bits uint16, payload []byte, padding ...byte) []byte {
	b := []byte{0x45, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint16(b, bits)
	b = append(b, 64, 17, 0, 0, 10, 0, 0, 9, 203, 0, 113, 10)
	return ethernet(0x0800, append(append(b, payload...), padding...))
}

func ipv6(next byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
	b = append(b, next, 64)
	src, dst := netlab.LANAddr6.As16(), netlab.WANAddr6.As16()
	b = append(append(b, src[:]...), dst[:]...)
	return ethernet(0x86dd, append(b, payload...))
}

func TestReadDatagrams(t *testing.T) {
	whole := udp("0123456789abcdef")
	frames := [][]byte{
		ipv4(0x4000, udp("don't fragment"), 0, 0, 0, 0), // padded
		ipv4(2, whole[16:]),
		ethernet(0x0806, []byte("ARP")),
		ipv4(0x2000, whole[:16]),
		ipv6(0, append([]byte{17, 0, 0, 0, 0, 0, 0, 0}, udp("six")...)),
		ipv6(44, append([]byte{17, 0, 0, 1, 0, 0, 0, 1}, whole[:16]...)),
		ipv6(44, append([]byte{17, 0, 0, 16, 0, 0, 0, 1}, whole[16:]...)),
		ipv6(6, []byte("TCP")),
		ipv4(0x2000, whole[:16]), // and nothing more of it
	}
	v4 := [2]netip.AddrPort{port(netlab.LANAddr, 5060), port(netlab.WANAddr, 5061)}
	v6 := [2]netip.AddrPort{port(netlab.LANAddr6, 5060), port(netlab.WANAddr6, 5061)}
	want := []netlab.Datagram{
		{v4[0], v4[1], []byte("don't fragment"), time.Unix(0, 0)},
		{v4[0], v4[1], whole[8:], time.Unix(3, 0)},
		{v6[0], v6[1], []byte("six"), time.Unix(4, 0)},
		{v6[0], v6[1], whole[8:], time.Unix(6, 0)},
	}
	for _, tt := range []struct {
		name  string
		order binary.AppendByteOrder
		magic uint32
		unit  time.Duration
	}{
		{"little-endian microseconds", binary.LittleEndian, 0xa1b2c3d4, time.Microsecond},
		{"big-endian nanoseconds", binary.BigEndian, 0xa1b23c4d, time.Nanosecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := netlab.ReadDatagrams(bytes.NewReader(pcapFile(tt.order, tt.magic, frames...)))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(got, want, func(a, b netlab.Datagram) bool {
				return a.Src == b.Src && a.Dst == b.Dst && bytes.Equal(a.Payload, b.Payload) && a.At.Equal(b.At.Add(5*tt.unit))
			}) {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

func TestReadDatagramsErrors(t *testing.T) {
	good := pcapFile(binary.LittleEndian, 0xa1b2c3d4, ipv4(0, udp("x")))
	cut := func(n int) []byte { return good[:n] }
	snapped := slices.Clone(good)
	snapped[24+12]++
	otherLink := slices.Clone(good)
	otherLink[20] = 113
	long := udp("x")
	long[5]++
	for _, tt := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "pcap header: EOF", nil},
		{"pcapng", "unknown magic number 0a0d0d0a", append([]byte("\n\r\r\n"), make([]byte, 40)...)},
		{"link type", "link type 113", otherLink},
		{"record header", "packet 1: record header", cut(30)},
		{"frame", "packet 1: unexpected EOF", cut(len(good) - 1)},
		{"snapped", "packet 1: 43 octets of 44", snapped},
		{"udp length", "packet 1: headers promise more", pcapFile(binary.LittleEndian, 0xa1b2c3d4, ipv4(0, long))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := netlab.ReadDatagrams(bytes.NewReader(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
