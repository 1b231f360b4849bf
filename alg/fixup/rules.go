package fixup

import (
	"net/netip"
	"time"
)

// message is one payload on its way through the box, with both readings of its
// addresses. Rules edit buf in place.
type message struct {
	box   *Box
	flow  *flow
	now   time.Time
	out   bool // from inside to outside
	reply bool // against the direction of the flow's first packet

	src, dst       netip.AddrPort // as it came
	newSrc, newDst netip.AddrPort // as it leaves; a rule may redirect newDst

	buf    []byte
	edited bool // a rule has changed buf
}

// splice replaces buf[off:end]. It refuses, which drops the message, what would
// not fit into a datagram (nf_nat_mangle_udp_packet in nf_nat_helper.c).
func (m *message) splice(off, end int, text string) bool {
	if len(m.buf)-(end-off)+len(text) > maxDatagram {
		return false
	}
	m.edited = m.edited || string(m.buf[off:end]) != text
	if len(text) == end-off {
		copy(m.buf[off:end], text)
		return true
	}
	b := make([]byte, 0, len(m.buf)+len(text))
	b = append(b, m.buf[:off]...)
	b = append(b, text...)
	m.buf = append(b, m.buf[end:]...)
	return true
}

// span is a place in the message that a rule may replace.
type span struct {
	off, end int
	addr     netip.AddrPort // what it says; the port as the finder understands it
	next     int            // where to look for the following one; zero: right behind it or its replacement
}

// finder looks for the first place at or after an offset.
type finder func(m *message, from int) (span, bool)

// rule is one row of a style: where, on which condition, what instead. A row
// with do is a step in code, for what is no substitution.
type rule struct {
	name string
	find finder
	each bool                            // every place, not only the first
	when func(m *message, s span) bool   // nil: always
	put  func(m *message, s span) string // the replacement
	then []rule                          // rows for what follows the place, if the condition held
	do   func(m *message) bool           // false drops the message
}

// apply interprets rows from an offset on. False drops the message.
func (m *message) apply(rules []rule, from int) bool {
	for i := range rules {
		if r := &rules[i]; r.do != nil && !r.do(m) || r.find != nil && !m.replace(r, from) {
			return false
		}
	}
	return true
}

func (m *message) replace(r *rule, at int) bool {
	for {
		s, ok := r.find(m, at)
		if !ok {
			return true
		}
		end := s.end
		if r.when == nil || r.when(m, s) {
			if text := r.put(m, s); text != string(m.buf[s.off:s.end]) {
				if !m.splice(s.off, s.end, text) {
					return false
				}
				end = s.off + len(text)
			}
			if !m.apply(r.then, end) {
				return false
			}
		}
		if !r.each {
			return true
		}
		if at = s.next; at == 0 {
			at = end
		}
	}
}
