package alg

import (
	"bytes"

	"nofixup/sip"
)

// findProxies notes the Vias that SIP proxies added to messages of the case, before any is judged: an answer, from which a
// proxy takes its own off again, may stand before the request to which it was added.
func (j *caseJudge) findProxies() {
	for i := range j.c.Pairs {
		p := &j.c.Pairs[i]
		flow := j.flows[p.Flow]
		if flow == nil || flow.Proto() != ProtoSIP || !p.Delivered() {
			continue
		}
		sent, got := p.ends()
		if bytes.Equal(sent.Raw, got.Raw) || vias(got.Raw) <= vias(sent.Raw) {
			continue // nearly every message: not worth comparing
		}
		x := j.exchange(p, flow)
		if !x.proxied {
			continue
		}
		if j.proxies[flow.ID] == nil {
			j.proxies[flow.ID] = map[string]bool{}
		}
		j.proxies[flow.ID][sentBy(&x.got)] = true
		j.proxied[flow.Path] = true
	}
}

// vias counts what may be the Vias of a message, those in its body and other headers with a comma included.
func vias(raw []byte) (n int) {
	for line := range bytes.Lines(raw) {
		switch line[0] {
		case 'V', 'v':
			n += 1 + bytes.Count(line, []byte(","))
		case ' ', '\t':
			n += bytes.Count(line, []byte(","))
		}
	}
	return n
}

// refusable reports whether a SIP proxy has a reason not to forward a step: it breaks a rule that every element has to look
// at, or is no SIP at all (RFC 3261 16.3).
func (s *step) refusable() bool {
	if s.breaks != "" {
		return true
	}
	for _, p := range s.tries {
		if sent, _ := p.ends(); sent != nil {
			msg := sip.Parse(sent.Raw)
			return !msg.IsRequest() && msg.Status() == 0
		}
	}
	return false
}

// refusedBefore reports whether a step never got its turn, since each time it followed on the same connection what a SIP proxy has
// a reason to refuse, and with it the rest of the connection.
func (s *step) refusedBefore() bool {
	for _, b := range s.behind {
		if !b.refusable() {
			return false
		}
	}
	return len(s.behind) == s.unknown
}
