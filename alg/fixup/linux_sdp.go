package fixup

import (
	"net/netip"
	"strconv"
	"strings"
)

// maxLinuxMedia is how many media descriptions the helper looks at
// (ARRAY_SIZE(sdp_media_types), which was hardly meant as a limit).
const maxLinuxMedia = 3

var linuxMedia = []struct {
	name  string
	class class
}{{"audio ", classAudio}, {"video ", classVideo}, {"image ", classImage}}

// linuxSDP edits and tracks a session description (process_sdp). False drops
// the message: the helper does not let a description pass that it could not
// follow.
func linuxSDP(m *message) bool {
	start, _, how := m.sdpLine(0, "v=", "")
	if how != found {
		return true
	}
	media, hasMedia := netip.Addr{}, false
	session, hasSession := m.sdpAddr(start, "c=")
	if hasSession {
		media, hasMedia = session, true
	}

	at := start
	for range maxLinuxMedia {
		port, class, next, how := m.sdpMedia(at)
		if how == none {
			break
		}
		if how == broken {
			return false
		}
		at = next
		own, hasOwn := m.sdpAddr(at, "c=")
		switch {
		case hasOwn:
			media, hasMedia = own, true
		case hasSession:
			media = session
		default:
			return false
		}
		var ok bool
		if media, ok = m.expectMedia(media, port, class); !ok {
			return false
		}
		if hasOwn && m.flow.translated() && !(m.putAddr(at, "c=", media) == found && m.putLength()) {
			return false
		}
	}

	if !m.flow.translated() || !hasMedia {
		return true
	}
	// Owner and session connection take the address of the last description
	// above, whatever they said. A missing connection is fine, a missing or
	// unreadable owner is not (nf_nat_sdp_session).
	if m.putAddr(start, "o=", media) != found || m.putAddr(start, "c=", media) == broken {
		return false
	}
	return m.putLength()
}

// sdpMedia finds the next media description of a known type whose port is not
// 0. It is broken when the port is not one for media.
func (m *message) sdpMedia(at int) (port uint16, class class, next int, how match) {
search:
	for {
		off, end, how := m.sdpLine(at, "m=", "")
		if how != found {
			return 0, 0, 0, none
		}
		at = end
		for _, t := range linuxMedia {
			if !strings.HasPrefix(string(m.buf[off:end]), t.name) {
				continue
			}
			off += len(t.name)
			n, ok := number(m.buf, off)
			if !ok || n == 0 {
				continue search
			}
			if n < 1024 || n > 65535 {
				return 0, 0, 0, broken
			}
			return uint16(n), t.class, off, found
		}
	}
}

// expectMedia opens the pinholes for a pair of RTP and RTCP and returns the
// address that stands for addr on the other side (set_expected_rtp_rtcp,
// nf_nat_sdp_media). Media of a third party are none of its business
// (sip_direct_media). What another flow has announced already, or this one for
// another kind of media (a bundle), is not expected twice: the message is
// dropped, but only where addresses are translated.
func (m *message) expectMedia(addr netip.Addr, port uint16, c class) (netip.Addr, bool) {
	if addr != m.src.Addr() {
		return addr, true
	}
	key := expectKey{"udp", m.newDst.Addr(), netip.AddrPortFrom(addr, port)}
	if e := m.box.awaited(key, m.now); e != nil && e.flow != m.flow && e.class == c && e.saved == e.at {
		return addr, true
	}
	public := m.newSrc.Addr()
	even := port &^ 1
	var opened []*expectation
	for _, p := range []uint16{even, even + 1} {
		e := &expectation{
			expectKey: expectKey{"udp", m.newDst.Addr(), netip.AddrPortFrom(public, p)},
			class:     c,
			flow:      m.flow,
			saved:     netip.AddrPortFrom(addr, p),
			until:     m.now.Add(lifeExpected),
		}
		if r := m.box.expect(e, m.now); r != expectDone && (r != expectAlready || m.flow.translated()) {
			for _, x := range opened {
				m.box.forget(x)
			}
			return addr, false
		}
		opened = append(opened, e)
	}
	return public, true
}

// sdpLine finds the first line of a type at or after from, up to one of the
// type stop, and returns what of it matters: the version, the address of o= and
// c=, the type and port of m=.
func (m *message) sdpLine(from int, kind, stop string) (off, end int, how match) {
	b := m.buf
	for i := lineAt(b, from); i >= 0; i = lineAt(b, i+1) {
		if stop != "" && hasFold(b[i:], stop) {
			return 0, 0, none
		}
		if !hasFold(b[i:], kind) {
			continue
		}
		i += len(kind)
		switch kind {
		case "v=":
			end = digits(b, i)
		case "m=":
			end = i
			for end < len(b) && letter(b[end]) {
				end++
			}
			if end >= len(b) || b[end] != ' ' {
				return i, i, broken
			}
			end = digits(b, end+1)
		default:
			token := "IN IP4 "
			if m.six() {
				token = "IN IP6 "
			}
			if i = search(b, i, token, false); i < 0 {
				return 0, 0, broken
			}
			i += len(token)
			var ok bool
			if _, end, ok = readAddr(b, i, m.six(), false); !ok {
				return 0, 0, broken
			}
		}
		if end == i {
			return i, i, broken
		}
		return i, end, found
	}
	return 0, 0, none
}

// sdpAddr reads the first line of a type before the next media description.
func (m *message) sdpAddr(from int, kind string) (netip.Addr, bool) {
	off, _, how := m.sdpLine(from, kind, "m=")
	if how != found {
		return netip.Addr{}, false
	}
	addr, _, ok := readAddr(m.buf, off, m.six(), false)
	return addr, ok
}

// putAddr writes an address into such a line. It is none when there is no such
// line or no address in it, broken when the result would be too long.
func (m *message) putAddr(from int, kind string, addr netip.Addr) match {
	off, end, how := m.sdpLine(from, kind, "m=")
	if how != found {
		return none
	}
	if !m.splice(off, end, addr.String()) {
		return broken
	}
	return found
}

// putLength sets Content-Length to what is left from "v=" on, also where the
// description is only a part of the body. Without the header the message is
// dropped (mangle_content_len).
func (m *message) putLength() bool {
	v, _, how := m.sdpLine(0, "v=", "")
	if how != found {
		return false
	}
	length := len(m.buf) - v + len("v=")
	off, end, how := fieldLength.header(m.buf, 0, m.six())
	return how == found && m.splice(off, end, strconv.Itoa(length))
}
