package alg

import (
	"bytes"
	"net/netip"
	"strconv"

	"nofixup/sip/sdp"
)

// place is an address in a session description, and where it stands.
type place struct {
	path  string
	media int // -1: the session
	addr  netip.Addr
	text  []byte
}

// described is what a session description says of addresses.
type described struct {
	off, end   int // in the message; 0, 0 without one
	origin     place
	connection []place // c=, those of the session and of media
	control    []place // a=rtcp with an address
	media      []ice
	info       []byte // i= of the session
	infoPath   string
}

// ice is what a media section says of ICE.
type ice struct {
	port       int
	candidates []netip.AddrPort // of the first component, over UDP
	unknown    bool             // there are others, with names
	mismatch   string           // path of a=ice-mismatch
	path       string
}

// Bounds of what is kept of a description: media sections, and addresses of a kind.
const (
	maxSections = 16
	maxPlaces   = 64
)

// description reads the session description of a message.
func (h *Heard) description() (d described) {
	off, end, ok := h.Message.SDP()
	if !ok {
		return d
	}
	d.off, d.end = off, end
	body := h.Message.Raw[off:end]
	h.spans = sdp.AppendSpans(h.spans[:0], body)
	for _, s := range h.spans {
		at := int(s.Media)
		if at >= maxSections {
			break
		}
		for len(d.media) <= at {
			d.media = append(d.media, ice{path: "sdp.media[" + strconv.Itoa(len(d.media)) + "]"})
		}
		v := s.Bytes(body)
		switch {
		case (s.Type == 'o' || s.Type == 'c') && s.Part == sdp.PartAddress:
			a, err := netip.ParseAddr(string(v[:min(len(v), 64)]))
			if err != nil {
				continue
			}
			p := place{s.Path(body), at, a.Unmap(), v}
			if s.Type == 'o' {
				d.origin = p
			} else if len(d.connection) < maxPlaces {
				d.connection = append(d.connection, p)
			}
		case s.Type == 'i' && at < 0:
			d.info, d.infoPath = v, s.Path(body)
		case s.Type == 'm' && s.Part == sdp.PartPort && at >= 0:
			d.media[at].port, _ = strconv.Atoi(string(v[:min(len(v), 5)]))
		case s.Type == 'a' && at >= 0:
			d.attribute(s, body, at, v)
		}
	}
	return d
}

func (d *described) attribute(s sdp.Span, body []byte, at int, v []byte) {
	m := &d.media[at]
	switch string(body[s.NameOff:s.NameEnd]) {
	case "rtcp": // RFC 3605
		if f := bytes.Fields(v); len(f) == 4 && len(d.control) < maxPlaces {
			if a, err := netip.ParseAddr(string(f[3])); err == nil {
				d.control = append(d.control, place{s.Path(body), at, a.Unmap(), f[3]})
			}
		}
	case "candidate": // RFC 8839 5.1
		f := bytes.Fields(v)
		if len(f) < 6 || string(f[1]) != "1" || !bytes.EqualFold(f[2], []byte("udp")) {
			m.unknown = m.unknown || len(f) < 6
			return
		}
		a, err := netip.ParseAddr(string(f[4]))
		port, errPort := strconv.ParseUint(string(f[5]), 10, 16)
		if err != nil || errPort != nil || len(m.candidates) >= 64 {
			m.unknown = true
			return
		}
		m.candidates = append(m.candidates, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	case "ice-mismatch":
		m.mismatch = s.Path(body)
	}
}

// address is where a media section wants its media.
func (d *described) address(media int) (p place, ok bool) {
	for _, c := range d.connection {
		if c.media == media || c.media < 0 && !ok {
			p, ok = c, true
		}
	}
	return p, ok
}
