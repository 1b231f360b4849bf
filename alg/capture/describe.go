package capture

import (
	"bytes"
	"net/netip"
	"strconv"

	"nofixup/alg/media"
	"nofixup/sip/sdp"
)

// section is what a session description says of one medium.
type section struct {
	kind     string
	proto    string
	addr     netip.Addr // of c=
	origin   netip.Addr // of o=
	port     uint16
	control  netip.AddrPort // of a=rtcp (RFC 3605)
	mux      bool           // a=rtcp-mux (RFC 5761)
	mode     string
	formats  []media.Format
	fmts     []byte
	reachTo  []netip.AddrPort // of a=candidate (RFC 8839)
	reachFor []bool           // component 2: RTCP
}

// description finds what a session description announces (RFC 8866).
func (a *analyser) description(m *Message, body []byte) {
	a.parse.spans = sdp.AppendSpans(a.parse.spans[:0], body)
	var session, now section
	at := -1
	flush := func() {
		if at >= 0 {
			now.announce(m, at, session)
		}
	}
	for _, s := range a.parse.spans {
		if int(s.Media) != at {
			flush()
			at, now = int(s.Media), section{}
		}
		to := &now
		if at < 0 {
			to = &session
		}
		to.line(s, body)
	}
	flush()
}

// line takes one leaf of a description.
func (c *section) line(s sdp.Span, body []byte) {
	v := s.Bytes(body)
	switch s.Type {
	case 'o':
		if s.Part == sdp.PartAddress {
			c.origin, _ = netip.ParseAddr(string(v))
		}
	case 'c':
		if s.Part == sdp.PartAddress && !c.addr.IsValid() {
			c.addr, _ = netip.ParseAddr(string(v))
		}
	case 'm':
		switch s.Part {
		case sdp.PartMediaType:
			c.kind = string(v[:min(len(v), 16)])
		case sdp.PartPort:
			if n, err := strconv.ParseUint(string(v), 10, 16); err == nil {
				c.port = uint16(n)
			}
		case sdp.PartProto:
			c.proto = string(v[:min(len(v), 32)])
		case sdp.PartFmt:
			c.fmts = v
		}
	case 'a':
		c.attribute(string(body[s.NameOff:s.NameEnd]), v)
	}
}

func (c *section) attribute(name string, v []byte) {
	switch name {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		c.mode = name
	case "rtcp-mux":
		c.mux = true
	case "rtcp":
		f := bytes.Fields(v)
		if len(f) == 0 {
			return
		}
		n, err := strconv.ParseUint(string(f[0]), 10, 16)
		if err != nil {
			return
		}
		var ip netip.Addr
		if len(f) == 4 {
			ip, _ = netip.ParseAddr(string(f[3]))
		}
		c.control = netip.AddrPortFrom(ip, uint16(n))
	case "rtpmap":
		if f, ok := rtpmap(v); ok && len(c.formats) < 64 {
			c.formats = append(c.formats, f)
		}
	case "candidate":
		c.candidate(v)
	}
}

// rtpmap reads "97 opus/48000/2" (RFC 8866 6.6).
func rtpmap(v []byte) (f media.Format, ok bool) {
	number, rest, _ := bytes.Cut(bytes.TrimSpace(v), []byte(" "))
	n, err := strconv.ParseUint(string(number), 10, 7)
	if err != nil {
		return f, false
	}
	name, rate, _ := bytes.Cut(bytes.TrimSpace(rest), []byte("/"))
	rate, _, _ = bytes.Cut(rate, []byte("/"))
	hz, err := strconv.ParseUint(string(rate), 10, 32)
	if err != nil || len(name) > 32 {
		return f, false
	}
	return media.Format{Payload: uint8(n), Name: string(name), Rate: uint32(hz)}, true
}

// candidate reads "foundation component transport priority address port typ …" (RFC 8839 5.1).
func (c *section) candidate(v []byte) {
	f := bytes.Fields(v)
	if len(f) < 6 || len(c.reachTo) >= 16 || !bytes.EqualFold(f[2], []byte("udp")) {
		return
	}
	ip, err := netip.ParseAddr(string(f[4]))
	port, errPort := strconv.ParseUint(string(f[5]), 10, 16)
	if err != nil || errPort != nil {
		return
	}
	c.reachTo = append(c.reachTo, netip.AddrPortFrom(ip, uint16(port)))
	c.reachFor = append(c.reachFor, string(f[1]) == "2")
}

// announce hands on the addresses of one medium.
func (c *section) announce(m *Message, index int, session section) {
	addr, mode := c.addr, c.mode
	if !addr.IsValid() {
		addr = session.addr
	}
	if mode == "" {
		mode = session.mode
	}
	if c.port == 0 {
		return // declined (RFC 3264 6)
	}
	path := "sdp.media[" + strconv.Itoa(index) + "]"
	if c.kind == KindImage {
		m.announces(Announcement{Addr: netip.AddrPortFrom(addr, c.port), Kind: KindImage, Path: path, Mode: mode})
		return
	}
	if !bytes.Contains([]byte(c.proto), []byte("RTP/")) {
		return
	}
	kind := KindMedia
	if c.kind == KindAudio || c.kind == KindVideo {
		kind = c.kind
	}
	formats := c.agreed()
	m.announces(Announcement{Addr: netip.AddrPortFrom(addr, c.port), Kind: kind, Path: path, Origin: session.origin, Formats: formats, Mode: mode})
	if !c.mux {
		control := c.control
		if control.Port() == 0 {
			control = netip.AddrPortFrom(addr, c.port+1) // RFC 3550 11
		} else if !control.Addr().IsValid() {
			control = netip.AddrPortFrom(addr, control.Port())
		}
		m.announces(Announcement{Addr: control, Kind: KindControl, Path: path + ".a[rtcp]"})
	}
	for i, to := range c.reachTo {
		if to.Addr() == addr {
			continue
		}
		k := kind
		if c.reachFor[i] {
			k = KindControl
		}
		m.announces(Announcement{Addr: to, Kind: k, Path: path + ".a[candidate][" + strconv.Itoa(i) + "]", Formats: formats, Mode: mode})
	}
}

// agreed are the formats of the m= line, in its order: those that a=rtpmap explains, and the static ones.
func (c *section) agreed() []media.Format {
	var list []media.Format
	for _, v := range bytes.Fields(c.fmts) {
		n, err := strconv.ParseUint(string(v), 10, 7)
		if err != nil || len(list) >= 64 {
			continue
		}
		f, _ := media.StaticFormat(uint8(n))
		f.Payload = uint8(n)
		for _, g := range c.formats {
			if g.Payload == f.Payload {
				f = g
			}
		}
		list = append(list, f)
	}
	return list
}
