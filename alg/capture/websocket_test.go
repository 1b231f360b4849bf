package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"nofixup/alg"
)

// webFrame is a frame of WebSocket.
func webFrame(first byte, mask bool, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	}
	if !mask {
		return append(b, payload...)
	}
	key := []byte{0xa1, 2, 0x5f, 0x80}
	b[1] |= 0x80
	b = append(b, key...)
	for i, c := range payload {
		b = append(b, c^key[i&3])
	}
	return b
}

const (
	upgrade  = "GET /ws HTTP/1.1\r\nHost: example.net\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chat, sip\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)

// A call over WebSocket is a call, however the stream is cut into segments.
func TestWebSocket(t *testing.T) {
	for _, size := range []int{1, 7, 100, 1400, 100000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s := &scene{t: t}
			c := &connection{s: s, ends: [2]netip.AddrPort{netip.MustParseAddrPort("198.51.100.20:41000"), netip.AddrPortFrom(bob.Addr(), 8080)}}
			send := func(at int64, from int, b []byte) {
				for chunk := range slices.Chunk(b, size) {
					c.send(at, from, chunk)
				}
			}
			send(0, 0, []byte(upgrade))
			send(10, 1, []byte(switched))
			send(20, 0, slices.Concat(webFrame(0x89, true, []byte("ping")), webFrame(0x81, true, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))))
			send(200, 1, webFrame(0x82, false, says(ok200, "c1", "1 INVITE", phone, body(bobMedia))))
			send(220, 0, webFrame(0x81, true, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, "")))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			send(10000, 0, webFrame(0x81, true, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, "")))
			r := s.report()
			if len(r.Calls) != 1 || r.Calls[0].State != "ended" || r.Calls[0].Audio != alg.AudioOneWay || len(r.Paths) != 1 || r.Paths[0].Port != 8080 || r.Paths[0].Transport != "tcp" {
				t.Fatalf("%+v, %+v", r.Calls, r.Paths)
			}
			if m := analyse(t, s.file("web.pcap")).messages; len(m) != 4 || !bytes.Equal(m[0].Raw, says(invite, "c1", "1 INVITE", phone, body(phoneMedia))) || !m[0].FromClient() || m[1].FromClient() {
				t.Errorf("%v", starts(m))
			}
		})
	}
}

// Another protocol over WebSocket is none of SIP, a gap is overcome, and hostile lengths are not waited for.
func TestWebSocketOdd(t *testing.T) {
	server := netip.AddrPortFrom(bob.Addr(), 80)
	client := netip.MustParseAddrPort("198.51.100.20:41000")
	message := webFrame(0x81, true, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
	huge := slices.Concat([]byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100))
	for _, tc := range []struct {
		name     string
		skip     int // the segment that was not captured
		messages int
		segments [][]byte
	}{
		{"chat", 0, 0, [][]byte{bytes.Replace([]byte(upgrade), []byte(", sip"), nil, 1), message}},
		{"a gap", 2, 1, [][]byte{[]byte(upgrade), message[:200], message[200:], message}},
		{"a length beyond everything", 0, 1, [][]byte{[]byte(upgrade), huge, message}},
		{"in parts", 0, 1, [][]byte{[]byte(upgrade), webFrame(0x01, true, says(invite, "c1", "1 INVITE", phone, "")[:50]), webFrame(0x80, true, []byte("rest")), message}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shots := []shot{{at: start, data: tcpFrame(t, client, server, 0, 0, "S", nil)}, {at: start, data: tcpFrame(t, server, client, 0, 1, "SA", nil)}}
			seq := uint32(1)
			for i, b := range tc.segments {
				if i != tc.skip || i == 0 {
					shots = append(shots, shot{at: start + int64(i)*ms, data: tcpFrame(t, client, server, seq, 1, "A", b)})
				}
				seq += uint32(len(b))
			}
			shots = append(shots, shot{at: start + 1000*ms, data: tcpFrame(t, server, client, 1, seq, "A", nil)})
			if r := of(t, 1, shots...); len(r.messages) != tc.messages {
				t.Errorf("%v, want %d", starts(r.messages), tc.messages)
			}
		})
	}
}
