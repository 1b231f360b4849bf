package capture

import (
	"errors"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
)

// protoNames are the protocols of flows.
var protoNames = [...]string{
	speaksSIP:   alg.ProtoSIP,
	speaksCall:  alg.ProtoH323,
	speaksH245:  alg.ProtoH245,
	speaksRAS:   alg.ProtoRAS,
	speaksMedia: ProtoRTP,
	speaksFax:   ProtoT38,
	speaksSTUN:  ProtoSTUN,
	speaksTLS:   ProtoTLS,
}

// frames takes the messages off one direction of a connection and returns how many octets of the buffer are done with.
func (a *analyser) frames(e *entry, dir int, at int64) int {
	n := 0
	for e.conn != nil {
		h := &e.conn.halves[dir]
		if n >= len(h.buf) {
			return n
		}
		var took int
		switch e.kind {
		case unknown:
			if !a.detect(e, h.buf[n:]) {
				if e.conn == nil || e.kind != unknown {
					return 0
				}
				return n
			}
			if e.kind == unknown { // nothing that is known begins here
				h.broken = true
				return len(h.buf)
			}
			continue
		case speaksSIP:
			if e.conn.web {
				took = a.webFrame(e, dir, n, at)
			} else {
				took = a.sipFrame(e, dir, n, at)
			}
		default:
			took = a.tpktFrame(e, dir, n, at)
		}
		if took == 0 {
			return n
		}
		n += took
	}
	return 0
}

// detect finds out what a connection speaks. It returns false while there are too few octets to tell, and when the
// connection is of no more interest.
func (a *analyser) detect(e *entry, b []byte) bool {
	// A port that was announced is another connection's later.
	if parent := a.h245Of(e); parent != nil && startsSIP(b) != yes && startsTLS(b) != yes {
		f := a.recognise(e, speaksH245)
		f.Parent, f.TCP, f.call = parent.Flow, &TCPState{}, parent.Call
		return true
	}
	sipLike, tls := startsSIP(b), startsTLS(b)
	q931, tpkt := startsTPKT(b)
	web := opensWebSocket(b)
	switch {
	case web == yes:
		a.recognise(e, speaksSIP).TCP = &TCPState{}
		e.conn.web = true
		return true
	case sipLike == yes:
		a.recognise(e, speaksSIP).TCP = &TCPState{}
		return true
	case q931 == yes:
		a.recognise(e, speaksCall).TCP = &TCPState{}
		return true
	case tls == yes:
		// On other ports it is the web, of which there is more than of anything else.
		if secure(e.key.ap) || secure(e.key.bp) {
			a.recognise(e, speaksTLS).TCP = &TCPState{}
			*e.flow.TCP = e.conn.state
		}
		e.done = true
		a.release(e)
		return false
	case tpkt == yes && a.looksH245(b):
		// The capture may have begun after the message that announced the connection.
		a.recognise(e, speaksH245).TCP = &TCPState{}
		return true
	case sipLike == maybe || q931 == maybe || tls == maybe || web == maybe:
		return false
	}
	if e.conn.tries++; e.conn.tries >= maxTries {
		e.done = true
		a.release(e)
		return false
	}
	return true
}

// secure says whether a port is one of SIP, which some boxes and servers use for TLS as well, of SIP over TLS (RFC 3261 18),
// or of H.323 over TLS (h323callsigalt).
func secure(port uint16) bool { return port == 5060 || port == 5061 || port == 1300 }

// h245Of returns what announced one end of a connection for H.245: that of the server, where it is known which one that is. The
// client's port is one that its system chose, and may have been announced by chance.
func (a *analyser) h245Of(e *entry) *Announcement {
	for dir := range 2 {
		if dir == int(e.opener) && (e.conn.state.SYN || e.conn.state.Accepted) {
			continue
		}
		if ann := a.announced.get(e.endpoint(dir)); ann != nil && ann.Kind == KindH245 {
			return ann
		}
	}
	return nil
}

// looksH245 says whether a TPKT that nothing announced begins a session of H.245: one of the messages that do, with every
// octet of it understood.
func (a *analyser) looksH245(b []byte) bool {
	n := int(b[2])<<8 | int(b[3])
	if n > len(b) {
		return false
	}
	p := &a.parse.pdu
	p.ParseH245(b[:n])
	return len(p.Notes) == 0 && (p.Message == h323.TerminalCapabilitySet || p.Message == h323.MasterSlaveDetermination)
}

// sipFrame takes one frame of SIP off the front of buf[n:] and returns its length, 0 if it is not complete.
func (a *analyser) sipFrame(e *entry, dir, n int, at int64) int {
	h := &e.conn.halves[dir]
	b := h.buf[n:]
	if h.broken || b[0] != '\r' && b[0] != '\n' && startsSIP(b) == no {
		// Octets that begin no message: a piece of one whose beginning is missing, or the rest of one that was longer than its
		// Content-Length said.
		i := findSIP(b)
		if i < 0 {
			if len(b) < maxStartLine {
				return 0
			}
			i = len(b)
		}
		if i > 0 {
			a.stray(e, dir, n, n+i, h.broken)
		}
		h.broken, h.sip = false, sip.Framer{}
		return i + a.again(e, dir, n+i, at)
	}
	f, err := h.sip.Next(b)
	switch {
	case errors.Is(err, sip.ErrShort):
		return 0
	case err != nil:
		a.tcp.unframed++
		h.broken, h.sip = true, sip.Framer{}
		i := findSIP(b[1:])
		if i < 0 {
			i = len(b) - 1
		}
		a.stray(e, dir, n, n+1+i, false)
		return 1 + i
	case f.Kind == sip.KindMessage:
		frames, _ := h.numbers(n, n+f.Len)
		a.emit(e, dir, b[:f.Len], int(h.off)+n, at, frames, 0)
	}
	return f.Len
}

// again goes on after octets that were skipped.
func (a *analyser) again(e *entry, dir, n int, at int64) int {
	if n >= len(e.conn.halves[dir].buf) {
		return 0
	}
	return a.sipFrame(e, dir, n, at)
}

// stray hands on octets of a SIP connection that belong to no message, unless they are what is left of one whose beginning
// was not captured.
func (a *analyser) stray(e *entry, dir, from, to int, expected bool) {
	h := &e.conn.halves[dir]
	if expected || e.flow == nil {
		return
	}
	frames, at := h.numbers(from, to)
	a.emitStray(e, dir, h.buf[from:to], int(h.off)+from, at, frames)
}

// tpktFrame is like sipFrame for H.225.0 and H.245.
func (a *analyser) tpktFrame(e *entry, dir, n int, at int64) int {
	h := &e.conn.halves[dir]
	b := h.buf[n:]
	if h.broken {
		// Go on where a segment begins with a TPKT: most stacks write one at a time.
		i, v := len(b), no
		for _, m := range h.marks {
			if off := int(m.off - h.off); off >= n && off < len(h.buf) {
				q931, other := startsTPKT(h.buf[off:])
				if v = q931; e.kind == speaksH245 {
					v = max(q931, other)
				}
				if v != no {
					i = off - n
					break
				}
			}
		}
		if i > 0 || v == maybe {
			return i
		}
		h.broken, h.tpkt = false, h323.Framer{}
	}
	f, err := h.tpkt.Next(b)
	switch {
	case errors.Is(err, h323.ErrShort):
		return 0
	case err != nil:
		a.tcp.unframed++
		h.broken, h.tpkt = true, h323.Framer{}
		return 1
	}
	if len(f.Payload(b)) > 0 {
		frames, _ := h.numbers(n, n+f.Len)
		a.emit(e, dir, b[:f.Len], int(h.off)+n, at, frames, 0)
	}
	return f.Len
}

// truncated hands on the message that the buffer begins with and whose end is missing.
func (a *analyser) truncated(e *entry, dir, missing int) {
	h := &e.conn.halves[dir]
	if len(h.buf) == 0 || h.broken || e.flow == nil {
		return
	}
	need := 0
	switch e.kind {
	case speaksSIP:
		if e.conn.web || startsSIP(h.buf) != yes {
			return
		}
		need = h.sip.Need()
	case speaksCall, speaksH245:
		need = h.tpkt.Need()
	default:
		return
	}
	frames, at := h.numbers(0, len(h.buf))
	a.emit(e, dir, h.buf, int(h.off), at, frames, max(need-len(h.buf), missing, 1))
}
