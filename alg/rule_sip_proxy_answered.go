package alg

import (
	"bytes"

	"nofixup/sip"
)

// A proxy that keeps transactions says 100 Trying to an INVITE and 200 to a CANCEL by itself, and refuses what it does not
// forward (RFC 3261 16.2, 16.3, 16.10).
var sipProxyAnswered = Rule{
	ID:       "sip-proxy-answered",
	Severity: Info,
	Summary:  "an answer came from somebody on the way, not from the far end: a SIP proxy",
	Symptom:  "None by itself: calls go through that proxy.",
	Advice:   sipProxy.Advice,
	Source:   "RFC 3261 16.2",
	Benign:   true,
}

// answered reports an answer that nobody at the far end sent.
func (j *caseJudge) answered(p *Pair, flow *Flow) bool {
	if j.c.captured() {
		return j.added(p, flow)
	}
	if p.Outbound || flow.Proto() != ProtoSIP || len(p.Outside.Raw) > 0 || !bytes.HasPrefix(p.Inside.Raw, []byte("SIP/2.0 ")) {
		return false
	}
	if flow.Path.Transport != "udp" && !j.proxied[flow.Path] {
		return false // whoever writes into a connection without taking part in it is no proxy: see octetsInserted
	}
	f, fresh := j.finding(&sipProxyAnswered, flow.Path, Inbound, nameOf(ProtoSIP, p.Inside.Raw), "")
	if fresh {
		f.Kind, f.Shape, f.Got = ChangeInserted, p.Shape, startLine(p.Inside.Raw)
	}
	f.Count++
	if len(f.Marks) < maxMarks {
		f.Marks = append(f.Marks, Mark{Pair: p.ID, GotEnd: len(p.Inside.Raw)})
	}
	return true
}

// hopByHop reports whether a stateful proxy makes its own of a step and takes the sender's off the way: a 100, a CANCEL, and
// the ACK for an answer that is no success, which has the INVITE's branch (RFC 3261 16.7, 16.10, 17.1.1.3).
func (j *caseJudge) hopByHop(s *step) bool {
	for _, p := range s.tries {
		sent, _ := p.ends()
		if sent == nil {
			continue
		}
		msg := sip.Parse(sent.Raw)
		switch method := string(msg.Method()); {
		case method == "CANCEL", msg.Status() == 100:
			return true
		case method == "ACK":
			return j.hasInvite(p.Flow, branchOf(&msg))
		}
		return false
	}
	return false
}

// hasInvite reports whether an INVITE with the given branch went over a flow.
func (j *caseJudge) hasInvite(flow int, branch []byte) bool {
	for i := range j.c.Pairs {
		p := &j.c.Pairs[i]
		if sent, _ := p.ends(); p.Flow == flow && sent != nil && bytes.HasPrefix(sent.Raw, []byte("INVITE ")) {
			if msg := sip.Parse(sent.Raw); bytes.Equal(branchOf(&msg), branch) {
				return true
			}
		}
	}
	return false
}

func branchOf(m *sip.Message) []byte {
	s, _ := m.Find("via[0].branch")
	return s.Bytes(m.Raw)
}
