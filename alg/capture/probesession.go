package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/reflector/wire"
)

// maxSessions is how many probes of nofixup are told apart in one capture: there is seldom more than one, and a hostile capture
// has very many.
const maxSessions = 16

// maxOthers is how many more are counted.
const maxOthers = 1 << 12

// maxProbeMessages is of how many messages of a session is kept what they are: a reflector gives a session half as many.
const maxProbeMessages = 1 << 15

// session is a probe of nofixup as one vantage point saw it: its messages bear the token of a session with a reflector.
type probeSession struct {
	token    wire.Token
	messages int
	first    int64
	steps    map[uint32]signed       // by the number of the message
	flows    map[*Flow]string        // the step that a connection is for
	calls    map[string]bool         // with media
	local    map[netip.Addr]bool     // addresses of the client
	servers  map[netip.Addr]bool     // of the reflector
	control  map[netip.AddrPort]bool // ports of the reflector that are the control, and those that are not
}

// signed is what a message of a probe says of itself.
type signed struct {
	step    string
	control bool
}

// sessions are the probes that a vantage point saw.
type sessions struct {
	byToken map[wire.Token]*probeSession
	order   []*probeSession
	byCall  map[string]*probeSession // of H.323
	pdu     h323.PDU

	others map[wire.Token]bool // sessions for which there was no room
	rest   probeSession        // stands for all of those
}

// list are the sessions as a report has them.
func (l *sessions) list() (list []alg.Probe) {
	for _, s := range l.order {
		list = append(list, alg.Probe{Token: s.token.String(), Started: time.Unix(0, s.first).UTC(), Messages: s.messages})
	}
	return list
}

// add finds the session that a message belongs to, and the number of the message in it; nil if it belongs to none.
func (l *sessions) add(m *Message) (s *probeSession, number uint32) {
	if s, number = l.of(m); s != nil {
		s.messages++
	}
	return s, number
}

// of is add without counting. It keeps what the message says of itself.
func (l *sessions) of(m *Message) (s *probeSession, number uint32) {
	if len(m.Probes) == 0 {
		if m.Proto != alg.ProtoSIP && m.Proto != alg.ProtoRAS {
			s = l.byCall[m.Call]
		}
		return s, 0
	}
	s = l.byToken[m.Probes[0].Token]
	if s == nil {
		if s = l.open(m); s == nil {
			return l.other(m), 0
		}
	}
	// A message may repeat tags of those that it belongs to, and its own is the newest.
	for _, tag := range m.Probes {
		if tag.Token == s.token {
			number = max(number, tag.Number)
		}
	}
	if s.messages >= maxProbeMessages {
		return s, number
	}
	step, control, ok := alg.ReadSignature(m.Raw)
	switch {
	case ok && (m.Flow.Transport == "udp" || m.FromClient()):
		// The client signs, and it connects. The reflector gives a Display back.
		s.local[m.Src.Addr()], s.servers[m.Dst.Addr()] = true, true
		if _, known := s.control[m.Dst]; !known {
			s.control[m.Dst] = control
		}
		s.steps[number] = signed{step, control}
		if strings.HasPrefix(step, alg.StepLive) && m.Call != "" {
			s.calls[m.Call] = true
		}
		if known := s.flows[m.Flow]; known == "" || strings.HasSuffix(known, alg.StepBracket) {
			s.flows[m.Flow] = step
		}
	case m.Proto == alg.ProtoRAS:
		l.pdu.ParseRAS(m.Raw)
		switch l.pdu.Message {
		case h323.GRQ, h323.RRQ, h323.ARQ, h323.URQ:
			s.local[m.Src.Addr()], s.servers[m.Dst.Addr()] = true, true
		}
	}
	if m.Proto == alg.ProtoH323 && m.Call != "" {
		l.byCall[m.Call] = s
	}
	return s, number
}

// other takes a message of a session for which there is no room: nothing is kept of it but that it is of a probe.
func (l *sessions) other(m *Message) *probeSession {
	if l.others == nil {
		l.others = map[wire.Token]bool{}
	}
	if len(l.others) < maxOthers {
		l.others[m.Probes[0].Token] = true
	}
	if m.Proto == alg.ProtoH323 && m.Call != "" && l.rest.messages < maxProbeMessages {
		l.byCall[m.Call] = &l.rest
	}
	return &l.rest
}

// left says what there was no room for, as notes of a report do; nothing if there was room for all.
func (l *sessions) left() string {
	switch n := len(l.others); {
	case n == 0:
		return ""
	case n == maxOthers:
		return fmt.Sprintf("at least %d probes of nofixup beyond the first %d were not judged: %d messages", n, maxSessions, l.rest.messages)
	default:
		return fmt.Sprintf("%d probes of nofixup beyond the first %d were not judged: %d messages", n, maxSessions, l.rest.messages)
	}
}

// open begins the session of a message; nil if there are too many.
func (l *sessions) open(m *Message) *probeSession {
	if len(l.order) >= maxSessions {
		return nil
	}
	s := &probeSession{
		token: m.Probes[0].Token, first: m.At,
		steps: map[uint32]signed{}, flows: map[*Flow]string{}, calls: map[string]bool{},
		local: map[netip.Addr]bool{}, servers: map[netip.Addr]bool{}, control: map[netip.AddrPort]bool{},
	}
	if l.byToken == nil {
		l.byToken, l.byCall = map[wire.Token]*probeSession{}, map[string]*probeSession{}
	}
	l.byToken[s.token] = s
	l.order = append(l.order, s)
	return s
}

// key names a message of a session whatever a gateway made of the rest: by its number, and since an answer bears that of its
// request, by what it begins with.
func (s *probeSession) key(number uint32, m *Message) string {
	kind := ""
	if m.Proto == alg.ProtoSIP && bytes.HasPrefix(m.Raw, []byte("SIP/2.0 ")) {
		kind = string(m.Raw[:min(len(m.Raw), len("SIP/2.0 200"))])
	} else if m.Proto != alg.ProtoSIP {
		kind = m.Proto
	}
	return "probe " + wire.Tag{Token: s.token, Number: number}.String() + " " + kind
}

// ofProbe reports whether octets bear the tag of a probe.
func ofProbe(b []byte) bool {
	for range wire.Tags(b) {
		return true
	}
	return false
}

// belongs finds the step that a message belongs to which says of none itself: the newest of those whose tags it repeats.
func (s *probeSession) belongs(m *Message) (step string) {
	newest := uint32(0)
	for _, tag := range m.Probes {
		if known, ok := s.steps[tag.Number]; ok && tag.Token == s.token && tag.Number >= newest {
			step, newest = known.step, tag.Number
		}
	}
	return step
}

// played reports whether a message belongs to a call with media: of the other calls of a probe nobody expects any.
func (s *probeSession) played(m *Message) bool { return s.calls[m.Call] }

// inner finds the end of a flow that is the client's.
func (s *probeSession) inner(f *Flow) int {
	if s.local[f.Ends[1].Addr()] && !s.local[f.Ends[0].Addr()] {
		return 1
	}
	return 0
}

// serves reports whether an address is the reflector's.
func (s *probeSession) serves(addr netip.Addr) bool { return s.servers[addr] }

// isControl reports whether a port of the reflector is the one that no gateway knows. Where no message says so, it is the one
// that is not registered for what is spoken there.
func (s *probeSession) isControl(f *Flow, server netip.AddrPort) bool {
	if control, ok := s.control[server]; ok {
		return control
	}
	switch f.Proto {
	case alg.ProtoRAS:
		return server.Port() != portRAS
	case alg.ProtoH323:
		return server.Port() != portCallSignalling
	}
	return false
}

// portCallSignalling is the port of H.225.0 call signalling (H.225.0 Annex D).
const portCallSignalling = 1720
