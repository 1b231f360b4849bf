package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// maxUpgrade is how long the head of a request or a response may be that changes a connection to WebSocket.
const maxUpgrade = 8 << 10

// opensWebSocket says whether a stream begins with a request of HTTP that asks for SIP over WebSocket (RFC 7118 4.1), whatever the
// port: in a TLS connection nobody sees it.
func opensWebSocket(b []byte) verdict {
	const get = "GET "
	if len(b) < len(get) {
		if bytes.HasPrefix([]byte(get), b) {
			return maybe
		}
		return no
	}
	if !bytes.HasPrefix(b, []byte(get)) {
		return no
	}
	head, _, whole := bytes.Cut(b[:min(len(b), maxUpgrade)], []byte("\r\n\r\n"))
	if !whole && len(b) < maxUpgrade {
		return maybe
	}
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Sec-WebSocket-Protocol")) {
			for p := range bytes.SplitSeq(value, []byte(",")) {
				if bytes.EqualFold(bytes.TrimSpace(p), []byte("sip")) {
					return yes
				}
			}
		}
	}
	return no
}

// webFrame is like sipFrame for a connection that is WebSocket: every message is a frame (RFC 7118 5, RFC 6455 5.2). What clients
// send is under a mask; the message is what is beneath.
func (a *analyser) webFrame(e *entry, dir, n int, at int64) int {
	h := &e.conn.halves[dir]
	if !h.upgraded {
		i := bytes.Index(h.buf[n:], []byte("\r\n\r\n"))
		switch {
		case i >= 0:
			h.upgraded = true
			return i + 4
		case len(h.buf)-n < maxUpgrade && !h.broken:
			return 0
		}
		h.upgraded, h.broken = true, true
	}
	if h.broken {
		// Go on where a segment begins with a frame that begins a message.
		i := len(h.buf)
		for _, m := range h.marks {
			if off := int(m.off - h.off); off >= n && off < len(h.buf) {
				if f, ok := webHead(h.buf[off:]); ok && f.message() && startsSIP(f.payload(h.buf[off:min(len(h.buf), off+f.head+64)])) != no {
					i = off
					break
				}
			}
		}
		if i > n {
			return i - n
		}
		h.broken = false
	}
	b := h.buf[n:]
	f, ok := webHead(b)
	if !ok {
		return 0
	}
	if f.size > maxStream {
		h.broken = true
		return len(b)
	}
	if len(b) < f.head+f.size {
		return 0
	}
	whole := f.head + f.size
	if payload := f.payload(b[:whole]); f.message() && startsSIP(payload) == yes {
		frames, _ := h.numbers(n, n+whole)
		a.emit(e, dir, payload, int(h.off)+n+f.head, at, frames, 0)
	} else if f.part() || b[0]&0x70 != 0 {
		a.tcp.unframed++ // in several frames, or compressed (RFC 7692): it is not put together
	}
	return whole
}

// webHeader is the beginning of a frame of WebSocket.
type webHeader struct {
	fin        bool
	opcode     byte
	head, size int // octets before the payload, and of it
	mask       []byte
}

// webHead reads it; ok is false if b holds less than that.
func webHead(b []byte) (f webHeader, ok bool) {
	if len(b) < 2 {
		return f, false
	}
	f = webHeader{fin: b[0]&0x80 != 0, opcode: b[0] & 15, head: 2, size: int(b[1] & 0x7f)}
	switch {
	case f.size == 126 && len(b) >= 4:
		f.head, f.size = 4, int(binary.BigEndian.Uint16(b[2:]))
	case f.size == 127 && len(b) >= 10:
		f.head, f.size = 10, int(min(binary.BigEndian.Uint64(b[2:]), maxStream+1))
	case f.size >= 126:
		return f, false
	}
	if b[1]&0x80 != 0 {
		if len(b) < f.head+4 {
			return f, false
		}
		f.mask = b[f.head : f.head+4]
		f.head += 4
	}
	return f, true
}

// message says whether the frame is one message, of text or of octets.
func (f *webHeader) message() bool { return f.fin && (f.opcode == 1 || f.opcode == 2) }

// part says whether it is a part of one.
func (f *webHeader) part() bool { return !f.fin || f.opcode == 0 }

// payload returns what is beneath the mask, as far as it is in b, which begins with the frame.
func (f *webHeader) payload(b []byte) []byte {
	p := b[f.head:min(len(b), f.head+f.size)]
	if f.mask == nil {
		return p
	}
	p = slices.Clone(p)
	for i := range p {
		p[i] ^= f.mask[i&3]
	}
	return p
}
