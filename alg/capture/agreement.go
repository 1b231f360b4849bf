package capture

import (
	"net/netip"
	"slices"

	"nofixup/sip"
)

// description is what one end said of audio.
type description struct {
	said            bool // there was a description, with or without audio
	sends, receives bool
	where           netip.AddrPort // where it listens; invalid or without address where it does not
	fax             bool
}

// session is what both ends agreed on, and for how long it was in force.
type session struct {
	says    [2]description
	since   int64 // when it last changed
	agreed  [2]int64
	periods []period
	blurred bool // it changed more often than was written down
}

// period is a time in which nothing changed.
type period struct {
	from, to int64
	towards  [2]bool // audio goes to the caller, to the callee
	where    [2]netip.AddrPort
	fax      bool
}

// maxPeriods is how many changes of a session are kept.
const maxPeriods = 64

// describe reads what a session description says of audio (RFC 3264): with several m= lines what any of them allows.
func describe(m *Message) description {
	d := description{said: true}
	for _, a := range m.Announced {
		switch a.Kind {
		case KindImage:
			d.fax = true
		case KindAudio:
			held := a.Addr.Addr().IsUnspecified() // as RFC 2543 had it
			d.sends = d.sends || a.Mode != "recvonly" && a.Mode != "inactive"
			d.receives = d.receives || !held && a.Mode != "sendonly" && a.Mode != "inactive"
			if !d.where.IsValid() {
				d.where = a.Addr
			}
		}
	}
	return d
}

// towards says whether audio is to go to an end.
func (s *session) towards(end int) bool { return s.says[1-end].sends && s.says[end].receives }

// agree writes down what was in force until that time.
func (k *call) agree(at int64) {
	if k.answered == 0 || at <= k.since {
		return
	}
	until := at
	if k.ended > 0 {
		until = min(until, k.ended)
	}
	if until <= k.since {
		return
	}
	p := period{
		from: k.since, to: until, towards: [2]bool{k.towards(caller), k.towards(callee)},
		where: [2]netip.AddrPort{k.says[caller].where, k.says[callee].where}, fax: k.says[caller].fax && k.says[callee].fax,
	}
	for end, on := range p.towards {
		if on {
			k.agreed[end] += p.to - p.from
		}
	}
	k.since = until
	// A session timer was refreshed (RFC 4028), or an answer passes from hop to hop.
	if n := len(k.periods); n > 0 && (k.periods[n-1].same(&p) || p.to-p.from < hopTime) {
		k.periods[n-1].to = p.to
	} else if n < maxPeriods {
		k.periods = append(k.periods, p)
	} else {
		k.blurred = true
	}
}

func (p *period) same(q *period) bool {
	return p.to == q.from && p.towards == q.towards && p.where == q.where && p.fax == q.fax
}

// quiet is for how long audio was still to go to an end in a time in which none did. Once either end listens elsewhere it may
// go another way.
func (s *session) quiet(from, to int64) (n int64) {
	if s.blurred {
		return 0
	}
	var at *period
	for i := range s.periods {
		p := &s.periods[i]
		if p.to <= from || !p.towards[0] || !p.towards[1] {
			continue
		}
		if p.from >= to || at != nil && p.where != at.where {
			break
		}
		at = p
		n += min(p.to, to) - max(p.from, from)
	}
	return n
}

// holds is how often, in that time, audio was not to go both ways, and whether that explains a silence: who holds a call may play
// music, or nothing.
func (s *session) holds(from, to, silence, resumed int64) (n int, explained bool) {
	for i := range s.periods {
		p := &s.periods[i]
		if p.towards == [2]bool{true, true} || p.to <= from || p.from >= to {
			continue
		}
		n++
		explained = explained || p.from < resumed && silence < p.to
	}
	return n, explained && !s.blurred
}

// wasFax says whether the call was one of T.38 at some time.
func (s *session) wasFax() bool {
	for i := range s.periods {
		if s.periods[i].fax {
			return true
		}
	}
	return false
}

// offer is a description that waits for its answer (RFC 3264 5).
type offer struct {
	cseq    string // number and method of the request that it is in, or that it answers; empty if there is no offer
	d       description
	answer  description // an answer that came before the final response
	settled int64       // when it was answered, 0 before
	delayed bool        // it came in a response: the answer is in ACK or PRACK (RFC 3261 13.2.1)
}

// fork is a dialog with one of those who were called (RFC 3261 13.2.2.4).
type fork struct {
	tag      string
	answer   description
	answered bool
	heard    bool // the caller got the answer
	ended    bool
}

// maxForks is how many callees are told apart in one call.
const maxForks = 16

// fork returns the dialog of a callee's tag, nil if there is no room for it.
func (k *call) fork(tag string) *fork {
	for i := range k.forks {
		if k.forks[i].tag == tag {
			return &k.forks[i]
		}
	}
	if len(k.forks) == maxForks {
		return nil
	}
	k.forks = append(k.forks, fork{tag: tag})
	return &k.forks[len(k.forks)-1]
}

// live is the dialog that is in force: of those whose answer the caller got the first that has not ended.
func (k *call) live() *fork {
	heard := slices.ContainsFunc(k.forks, func(f fork) bool { return f.heard })
	for i := range k.forks {
		if f := &k.forks[i]; f.answered && !f.ended && (f.heard || !heard) {
			return f
		}
	}
	return nil
}

// settle puts an offer and its answer into force.
func (k *call) settle(at int64, by int, offered, answered description) {
	k.agree(at)
	if offered.said {
		k.says[by] = offered
	}
	if answered.said {
		k.says[1-by] = answered
	}
}

// offer returns the offer of an end in a request of that method.
func (k *call) offer(end int, method string) *offer {
	if method == "INVITE" {
		return &k.invites[end]
	}
	return &k.updates[end]
}

// withdraw forgets an offer of an end, and the addresses in it: what was in force before stays so (RFC 3261 14.1).
func (k *call) withdraw(end int, o *offer) {
	cseq := o.cseq
	*o = offer{}
	if !k.says[end].said {
		return
	}
	kept := k.media[:0]
	for _, a := range k.media {
		if a.cseq != cseq || a.end != end {
			kept = append(kept, a)
		}
	}
	clear(k.media[len(kept):])
	k.media = kept
}

// hasSDP says whether a message has a session description that is not empty.
func hasSDP(s *sip.Message) bool {
	off, end, ok := s.SDP()
	return ok && end > off
}
