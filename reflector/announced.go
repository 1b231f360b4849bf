package reflector

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"

	"nofixup/h323"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// place is where a message says that its sender takes media, as the message arrived: something on the way may have rewritten it.
type place struct {
	addr netip.Addr // invalid if what is there is no IP address
	port uint16     // 0 if none is announced
}

// announcement is one m= line of a session description, or one logical channel of H.245.
type announcement struct{ rtp, rtcp place }

// side returns the place for RTP or for RTCP.
func (a announcement) side(rtcp bool) place {
	if rtcp {
		return a.rtcp
	}
	return a.rtp
}

// maxAnnounced bounds the lines and channels that are looked at in one message.
const maxAnnounced = 32

// announcedSDP reads a session description: the address of c= (RFC 8866 5.7), the port of m= (5.14), and a=rtcp (RFC 3605),
// without which RTCP goes to the next port (RFC 3550 11).
func announcedSDP(body []byte) (list []announcement) {
	var session netip.Addr
	explicit := false // a=rtcp has come for the last medium
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		words := bytes.Fields(line[2:])
		var last *announcement
		if n := len(list); n > 0 {
			last = &list[n-1]
		}
		switch {
		case line[0] == 'c' && len(words) >= 3:
			addr := parseAddr(words[2])
			if last == nil {
				session = addr
				break
			}
			last.rtp.addr = addr
			if !explicit {
				last.rtcp.addr = addr
			}
		case line[0] == 'm':
			if len(list) == maxAnnounced {
				return list
			}
			explicit = false
			var a announcement
			if len(words) >= 2 {
				a.rtp.port = parsePort(words[1])
			}
			a.rtp.addr, a.rtcp.addr = session, session
			if 0 < a.rtp.port && a.rtp.port < 65535 {
				a.rtcp.port = a.rtp.port + 1
			}
			list = append(list, a)
		case line[0] == 'a' && last != nil && len(words) > 0:
			port, ok := bytes.CutPrefix(words[0], []byte("rtcp:"))
			if !ok {
				break
			}
			explicit = true
			last.rtcp = place{last.rtp.addr, parsePort(port)}
			if len(words) >= 4 {
				last.rtcp.addr = parseAddr(words[3])
			}
		}
	}
	return list
}

// parseAddr reads an IP address of a session description, without the TTL behind it; a name is none, and never looked up.
func parseAddr(text []byte) netip.Addr {
	text, _, _ = bytes.Cut(text, []byte("/"))
	addr, _ := netip.ParseAddr(string(text))
	return addr.Unmap().WithZone("")
}

// parsePort reads a port of a session description, without the number of ports behind it. What is none is 0.
func parsePort(text []byte) uint16 {
	text, _, _ = bytes.Cut(text, []byte("/"))
	n, _ := strconv.ParseUint(string(text), 10, 16)
	return uint16(n)
}

// announcedH323 reads the logical channels of one message: those of fastStart, those of H.245 that it tunnels or offers beside,
// or its own.
func announcedH323(p *h323.PDU) (list []announcement) {
	type channel struct {
		field h323.Field
		index uint16
	}
	var at channel
	for _, s := range p.Spans {
		field := s.InnerField
		own := channel{s.Field, s.Index}
		switch s.Field {
		case h323.FieldFastStart, h323.FieldH245Control, h323.FieldParallelH245Control:
		default:
			if !isControl(s.Message) {
				continue
			}
			field, own = s.Field, channel{}
		}
		if field != h323.FieldMediaChannel && field != h323.FieldMediaControlChannel || s.Part != h323.PartIP && s.Part != h323.PartPort {
			continue
		}
		if len(list) == 0 || own != at {
			if len(list) == maxAnnounced {
				return list
			}
			list, at = append(list, announcement{}), own
		}
		where := &list[len(list)-1].rtp
		if field == h323.FieldMediaControlChannel {
			where = &list[len(list)-1].rtcp
		}
		value := s.Bytes(p.Raw)
		if s.Part == h323.PartPort && len(value) == 2 {
			where.port = binary.BigEndian.Uint16(value)
		} else if addr, ok := netip.AddrFromSlice(value); ok {
			where.addr = addr.Unmap()
		}
	}
	return list
}

// announced reads what the message of an occasion announces. A read over TCP may have completed several messages of H.323, whose
// channels follow each other then.
func announced(o occasion) []announcement {
	if o.stream != nil {
		if _, text := o.stream.speaks.(*sipStream); !text {
			return announcedStream(o)
		}
	}
	var msg sip.Message
	msg.Parse(o.message)
	off, end, ok := msg.SDP()
	if !ok {
		return nil
	}
	return announcedSDP(o.message[off:end])
}

func announcedStream(o occasion) (list []announcement) {
	_, call := o.stream.speaks.(*h225)
	for rest := o.message; len(rest) > 0 && len(list) < maxAnnounced; {
		f, err := h323.Next(rest)
		if err != nil {
			break
		}
		var p h323.PDU
		if call {
			p.ParseCall(rest[:f.Len])
		} else {
			p.ParseH245(rest[:f.Len])
		}
		list = append(list, announcedH323(&p)...)
		rest = rest[f.Len:]
	}
	return list
}

// noteAnnounced adds the ports that session descriptions in some octets announce, without looking at what they stand in: it is
// for finding a port that nobody announces, so that one too many does no harm.
func noteAnnounced(ports map[uint16]bool, data []byte) {
	for {
		i := bytes.Index(data, []byte("\nm="))
		if i < 0 {
			return
		}
		body := data[i+1:]
		for _, a := range announcedSDP(body) {
			ports[a.rtp.port], ports[a.rtcp.port] = true, true
		}
		// The description may be followed by others in the same datagram.
		next := bytes.Index(body, []byte("\nv="))
		if next < 0 {
			return
		}
		data = body[next+1:]
	}
}

// isPrivate says whether an address cannot be reached from the Internet: RFC 1918, RFC 4193, RFC 6598, RFC 3927 and the like.
func isPrivate(addr netip.Addr) bool {
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.IsMulticast() ||
		slices.ContainsFunc(sharedSpace[:], func(p netip.Prefix) bool { return p.Contains(addr) })
}

// sharedSpace are the addresses between a provider's NAT and its customers (RFC 6598), and "this network" (RFC 1122 3.2.1.3).
var sharedSpace = [...]netip.Prefix{
	netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10), netip.PrefixFrom(netip.AddrFrom4([4]byte{}), 8),
}

// target says where media to a place would go, and why it does not go there, if it does not: only to addresses that have proven
// themselves. The session is locked.
func (s *session) target(p place) (to netip.AddrPort, notSent string) {
	to = netip.AddrPortFrom(p.addr, p.port)
	switch {
	case p.port == 0:
		return netip.AddrPort{}, wire.NotSentNone
	case !p.addr.IsValid():
		return netip.AddrPort{}, wire.NotSentName
	case s.isProven(p.addr):
		if isServicePort(p.port) {
			return to, wire.NotSentPort
		}
		return to, ""
	case isPrivate(p.addr):
		return to, wire.NotSentPrivate
	}
	return to, wire.NotSentForeign
}
