package capture

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/pion/rtp"
)

// start is when all captures made here begin.
var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano()

const ms = int64(time.Millisecond)

var (
	alice  = netip.MustParseAddrPort("192.168.1.10:5060")
	bob    = netip.MustParseAddrPort("203.0.113.10:5060")
	alice6 = netip.MustParseAddrPort("[2001:db8:1::10]:5060")
	bob6   = netip.MustParseAddrPort("[2001:db8:2::10]:5060")
)

// shot is a frame to be written.
type shot struct {
	at   int64
	data []byte
	size int // on the wire; 0 stands for all of data
}

// stack serialises layers with gopacket, whose encoders share nothing with the decoders here.
func stack(t testing.TB, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

// ip is the IP header of a packet.
func ip(src, dst netip.Addr, proto layers.IPProtocol, id uint16) gopacket.SerializableLayer {
	if src.Is4() {
		return &layers.IPv4{Version: 4, TTL: 64, TOS: 0xb8, Id: id, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, TrafficClass: 0xb8, NextHeader: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

// packetUDP is an IP packet with a UDP datagram.
func packetUDP(t testing.TB, src, dst netip.AddrPort, id uint16, payload []byte) []byte {
	n := ip(src.Addr(), dst.Addr(), layers.IPProtocolUDP, id)
	u := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	if err := u.SetNetworkLayerForChecksum(n.(gopacket.NetworkLayer)); err != nil {
		t.Fatal(err)
	}
	return stack(t, n, u, gopacket.Payload(payload))
}

// packetTCP is an IP packet with a TCP segment. flags are letters of "SAFRP".
func packetTCP(t testing.TB, src, dst netip.AddrPort, seq, ack uint32, flags string, payload []byte) []byte {
	n := ip(src.Addr(), dst.Addr(), layers.IPProtocolTCP, uint16(seq))
	c := &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq, Ack: ack, Window: 65535,
		SYN: strings.Contains(flags, "S"), ACK: strings.Contains(flags, "A"), FIN: strings.Contains(flags, "F"), RST: strings.Contains(flags, "R"), PSH: strings.Contains(flags, "P"),
	}
	if err := c.SetNetworkLayerForChecksum(n.(gopacket.NetworkLayer)); err != nil {
		t.Fatal(err)
	}
	return stack(t, n, c, gopacket.Payload(payload))
}

var macs = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}

// ether puts an Ethernet header before an IP packet.
func ether(packet []byte) []byte {
	kind := []byte{8, 0}
	if packet[0]>>4 == 6 {
		kind = []byte{0x86, 0xdd}
	}
	return slices.Concat(macs, kind, packet)
}

func udpFrame(t testing.TB, src, dst netip.AddrPort, payload []byte) []byte {
	return ether(packetUDP(t, src, dst, 1, payload))
}

func tcpFrame(t testing.TB, src, dst netip.AddrPort, seq, ack uint32, flags string, payload []byte) []byte {
	return ether(packetTCP(t, src, dst, seq, ack, flags, payload))
}

// rtpPacket is the n-th packet of a stream of G.711 or, with another type, of something else.
func rtpPacket(t testing.TB, ssrc uint32, payload uint8, n int) []byte {
	t.Helper()
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: payload, SequenceNumber: uint16(n), Timestamp: uint32(n) * 160, SSRC: ssrc},
		Payload: bytes.Repeat([]byte{byte(n)}, 160),
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sipMessage is a message with a session description that announces media, or with none.
func sipMessage(start, call string, media netip.AddrPort, lines ...string) []byte {
	body := ""
	if media.IsValid() {
		version := "IP4"
		if media.Addr().Is6() {
			version = "IP6"
		}
		body = fmt.Sprintf("v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\n", version, media.Addr(), version, media.Addr(), media.Port())
		for _, l := range lines {
			body += l + "\r\n"
		}
	}
	return []byte(start + "\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: " + call + "\r\nCSeq: 1 INVITE\r\n" +
		"Content-Type: application/sdp\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body)
}

// byteOrder reads and appends.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcapFile writes a pcap file.
func pcapFile(order byteOrder, magic uint32, link int, shots []shot) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 262144)
	b = order.AppendUint32(b, uint32(link))
	for _, s := range shots {
		unit := int64(1000)
		if magic == magicNano {
			unit = 1
		}
		b = order.AppendUint32(b, uint32(s.at/1e9))
		b = order.AppendUint32(b, uint32(s.at%1e9/unit))
		b = order.AppendUint32(b, uint32(len(s.data)))
		b = order.AppendUint32(b, uint32(cmp.Or(s.size, len(s.data))))
		if magic == magicModified {
			b = append(b, make([]byte, 8)...)
		}
		b = append(b, s.data...)
	}
	return b
}

// block is a block of pcapng.
func block(order byteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := order.AppendUint32(nil, kind)
	b = order.AppendUint32(b, uint32(len(body)+12))
	b = append(b, body...)
	return order.AppendUint32(b, uint32(len(body)+12))
}

func sectionBlock(order byteOrder) []byte {
	b := order.AppendUint32(nil, magicOrder)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0)
	return block(order, magicSection, append(b, bytes.Repeat([]byte{0xff}, 8)...))
}

// interfaceBlock describes an interface; resolution 0 leaves the option out.
func interfaceBlock(order byteOrder, link int, resolution byte) []byte {
	b := order.AppendUint16(nil, uint16(link))
	b = append(b, 0, 0)
	b = order.AppendUint32(b, 262144)
	b = order.AppendUint16(b, 2) // if_name
	b = order.AppendUint16(b, 3)
	b = append(b, 'e', 't', 'h', 0)
	if resolution != 0 {
		b = order.AppendUint16(b, 9)
		b = order.AppendUint16(b, 1)
		b = append(b, resolution, 0, 0, 0)
	}
	return block(order, blockInterface, append(b, 0, 0, 0, 0))
}

func packetBlock(order byteOrder, iface int, units uint64, data []byte) []byte {
	b := order.AppendUint32(nil, uint32(iface))
	b = order.AppendUint32(b, uint32(units>>32))
	b = order.AppendUint32(b, uint32(units))
	b = order.AppendUint32(b, uint32(len(data)))
	b = order.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	b = order.AppendUint16(b, 1) // a comment
	b = order.AppendUint16(b, 2)
	b = append(b, 'h', 'i', 0, 0, 0, 0, 0, 0)
	return block(order, blockEnhanced, b)
}

// write makes files of captures and returns their names.
func write(t testing.TB, files ...[]byte) []string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for i, b := range files {
		name := filepath.Join(dir, fmt.Sprintf("%d.pcap", i))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// result is what a capture holds.
type result struct {
	*Capture
	messages []*Message
}

func analyse(t testing.TB, files ...string) result {
	t.Helper()
	var r result
	c, err := Read(context.Background(), files, Options{Message: func(m *Message) { r.messages = append(r.messages, m) }})
	if err != nil {
		t.Fatal(err)
	}
	r.Capture = c
	return r
}

// memory analyses a file that is none.
func memory(t testing.TB, file []byte) result {
	t.Helper()
	var r result
	c, err := Read(context.Background(), []string{"-"}, Options{
		Stdin: bytes.NewReader(file), Message: func(m *Message) { r.messages = append(r.messages, m) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Capture = c
	return r
}

// of analyses frames of one link layer.
func of(t testing.TB, link int, shots ...shot) result {
	t.Helper()
	return memory(t, pcapFile(binary.LittleEndian, magicNano, link, shots))
}

// timed gives frames times 20 ms apart.
func timed(frames ...[]byte) []shot {
	var list []shot
	for i, f := range frames {
		list = append(list, shot{at: start + int64(i)*20*ms, data: f})
	}
	return list
}

// starts are the start lines of messages, with their frames.
func starts(list []*Message) []string {
	var out []string
	for _, m := range list {
		line, _, _ := strings.Cut(string(m.Raw), "\r\n")
		out = append(out, fmt.Sprintf("%v %s", m.Frames, line))
	}
	return out
}
