package capture

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"nofixup/sip"
)

// begin takes the message by which a call becomes known, and says whether it is one of a call at all. What belongs to a
// dialog whose INVITE is not in the capture makes a call that began before it.
func (k *call) begin(m *Message, s *sip.Message) bool {
	k.tag = tag(s, sip.HeaderFrom)
	k.names = [2]string{uri(s.Value(sip.HeaderFrom, 0)), uri(s.Value(sip.HeaderTo, 0))}
	inDialog := tag(s, sip.HeaderTo) != ""
	if s.IsRequest() {
		switch string(s.Method()) {
		case "INVITE":
			k.began = inDialog
		case "BYE", "INFO", "UPDATE", "PRACK":
			if k.began = inDialog; !inDialog {
				return false
			}
		default:
			return false
		}
		if k.began && string(s.Method()) != "PRACK" && string(s.Method()) != "UPDATE" { // those two come before the answer, too
			k.answer(m.At)
		}
		return true
	}
	if _, method := cseqOf(s); method != "INVITE" || s.Status() < 101 || s.Status() >= 300 {
		return false
	}
	k.began = true
	k.ends[caller], k.ends[callee] = m.Dst, m.Src
	return true
}

// cseqOf returns the number and the method of CSeq.
func cseqOf(s *sip.Message) (number, method string) {
	v := bytes.TrimSpace(s.Value(sip.HeaderCSeq, 0))
	number, method, _ = strings.Cut(string(v[:min(len(v), 64)]), " ") // a number of 31 bits and a method
	return number, strings.TrimSpace(method)
}

// sip follows a call of SIP.
func (k *call) sip(m *Message, s *sip.Message) {
	number, method := cseqOf(s)
	request := s.IsRequest()
	from, to := tag(s, sip.HeaderFrom), tag(s, sip.HeaderTo)
	if request && method == "INVITE" && to == "" && k.answered == 0 {
		k.tag = from // an INVITE that begins a call is the caller's, also the second one after a challenge
	}
	end := callee
	if (from == k.tag) == request {
		end = caller
	}
	remote := to // the callee's tag
	if from != k.tag {
		remote = from
	}
	said := description{}
	if offers(method) && s.Status() < 300 && hasSDP(s) {
		if m.Missing == 0 && !m.unplaced {
			said = describe(m)
		} else {
			k.blurred = true // a line that holds the call may be in what was not captured, or audio at a name that nobody here looks up
		}
		for _, a := range m.Announced {
			if a.Kind == KindAudio || a.Kind == KindVideo || a.Kind == KindImage {
				k.announce(m, a, end, number+" "+method)
			}
		}
	}
	if request {
		k.request(m, end, number, method, remote, said)
		return
	}
	k.response(m, s.Status(), end, number, method, remote, said)
}

// offers says whether descriptions in requests of a method, and in what answers them, are offers and answers (RFC 6337 2.2).
func offers(method string) bool {
	return method == "INVITE" || method == "ACK" || method == "PRACK" || method == "UPDATE"
}

func (k *call) request(m *Message, end int, number, method, remote string, said description) {
	switch method {
	case "BYE":
		k.bye(m.At, remote)
	case "CANCEL":
		if k.answered == 0 {
			k.failed = "cancelled"
		}
	case "ACK", "PRACK":
		if method == "ACK" && number == k.cseq {
			k.ackSeen = true
			k.hears(remote)
		}
		// The answer to an offer that came in the response.
		if o := &k.invites[1-end]; o.delayed && said.said {
			k.settle(m.At, 1-end, o.d, said)
			*o = offer{}
			return
		}
		if method == "PRACK" && said.said {
			k.updates[end] = offer{cseq: number + " " + method, d: said}
		}
	case "INVITE", "UPDATE":
		if method == "INVITE" && end == caller && k.answered == 0 && k.failed != "cancelled" {
			k.failed = "" // it is tried again
		}
		switch o := k.offer(end, method); {
		case o.cseq != number+" "+method: // neither repeated nor on its next hop
			*o = offer{cseq: number + " " + method, d: said}
		case said.said && o.settled == 0 && k.atCaller(m):
			o.d = said
		}
	}
}

func (k *call) response(m *Message, status, end int, number, method, remote string, said description) {
	o := k.offer(1-end, method)
	known := o.cseq == number+" "+method
	final := status >= 200
	switch {
	case status >= 300:
		if method == "INVITE" && k.answered == 0 {
			k.refused(m, status, end)
		}
		if offers(method) && known {
			k.withdraw(1-end, o)
		}
		return
	case method == "INVITE" && status >= 180 && !final:
		k.ringing = true
	}
	initial := method == "INVITE" && end == callee && (k.cseq == "" || k.cseq == number)
	if initial {
		k.accept(m, final, number, remote, said, known)
		return
	}
	switch {
	case !offers(method) || method == "ACK":
	case known && o.settled > 0 && (!k.atCaller(m) || m.At-o.settled > hopTime): // on its next hop, or repeated
	case known && o.d.said:
		if said.said {
			o.answer = said
		}
		if final {
			k.settle(m.At, 1-end, o.d, o.answer)
			k.early(end, remote, o)
			o.settled = m.At
		}
	case known && said.said: // the request had no offer
		k.invites[end] = offer{cseq: o.cseq, d: said, delayed: true}
	case said.said && final && !k.says[end].said:
		k.settle(m.At, end, said, description{}) // to a request that is not in the capture
	}
}

// hopTime is how long a message takes at most from hop to hop, in nanoseconds.
const hopTime = int64(time.Second)

// atCaller says whether a message passed where the caller signals. A relay behind that writes other addresses.
func (k *call) atCaller(m *Message) bool {
	a, b := m.Src.Addr(), m.Dst.Addr()
	from, to := k.ends[caller].Addr(), k.ends[callee].Addr()
	return a == from && b == to || a == to && b == from
}

// refused takes a response that refuses the call. A proxy that gets one may try elsewhere: what the caller gets counts.
func (k *call) refused(m *Message, status, end int) {
	if end == callee && k.failed != "cancelled" && (m.Flow == k.flow || k.failed == "") {
		k.failed = strconv.Itoa(status)
	}
}

// accept takes a response to the INVITE that makes the call, from one of those who are called.
func (k *call) accept(m *Message, final bool, number, remote string, said description, known bool) {
	f := k.fork(remote)
	if f == nil {
		return
	}
	if said.said {
		f.answer = said
	}
	o := &k.invites[caller]
	if !final {
		if known && !o.d.said && said.said {
			k.invites[callee] = offer{cseq: o.cseq, d: said, delayed: true}
		}
		return
	}
	k.answer(m.At)
	k.cseq = number
	f.answered, f.heard = true, f.heard || m.Flow == k.flow
	if k.live() == f {
		switch {
		case known && !o.d.said && said.said:
			k.invites[callee] = offer{cseq: o.cseq, d: said, delayed: true}
		case known && k.oks == 0:
			k.settle(m.At, caller, o.d, f.answer)
		case k.oks == 0:
			k.settle(m.At, callee, f.answer, description{})
		}
		// The same answer on its next hop is no repetition.
		if m.Flow == k.flow {
			if k.oks == 0 {
				k.okFirst = m.At
			}
			k.oks++
			k.okLast = m.At
		}
	}
}

// hears marks that the caller got a callee's answer.
func (k *call) hears(remote string) {
	for i := range k.forks {
		if k.forks[i].tag == remote {
			k.forks[i].heard = true
		}
	}
}

// early is the outcome of an UPDATE or a PRACK before the answer, which replaces what the INVITE and the provisional response
// to it said (RFC 3311 5.1).
func (k *call) early(end int, remote string, o *offer) {
	if k.answered > 0 {
		return
	}
	var said [2]description
	said[1-end], said[end] = o.d, o.answer
	if k.invites[caller].cseq != "" {
		k.invites[caller].d = said[caller]
	}
	if f := k.fork(remote); f != nil && said[callee].said {
		f.answer = said[callee]
	}
}

// bye ends the dialog of a callee. Where two of them answered, the other one goes on.
func (k *call) bye(at int64, remote string) {
	was, known := k.live(), len(k.forks) < 2
	for i := range k.forks {
		if f := &k.forks[i]; f.tag == remote {
			f.ended, known = true, true
		}
	}
	next := k.live()
	switch {
	case next == nil || next == was && len(k.forks) < 2:
		k.end(at)
	case known && next != was:
		k.settle(at, callee, next.answer, description{})
	}
}
