package alg

import "bytes"

// What one capture has and another one, complete, on the sender's side has not, somebody between them sent. That it is an answer
// which a proxy gives by itself is known (RFC 3261 16.2); what is no answer may be a keepalive of a registrar's, a gateway's, or of
// whoever has the address of the sender as well, such as two phones behind one NAT.
var messageAdded = Rule{
	ID:       "message-added",
	Severity: Info,
	Summary:  "a message that nobody on the sender's side sent: something between the two captures did",
	Symptom:  "None by itself: endpoints answer what they know nothing of, or end a call that the other end still has.",
	Advice:   "Find out what sent it: a proxy, a session border controller, or a gateway of the firewall that keeps mappings alive or takes part in calls.",
	Source:   "RFC 3261 16.10",
	Benign:   true,
}

// added reports a message of captures that came from in between, and whether it is one: what arrives there says nothing of what
// the far end sends.
func (j *caseJudge) added(p *Pair, flow *Flow) bool {
	sent, got := p.ends()
	if len(sent.Raw) > 0 {
		return false
	}
	answer := flow.Proto() == ProtoSIP && bytes.HasPrefix(got.Raw, []byte("SIP/2.0 "))
	if flow.Path.Transport != "udp" && !j.proxied[flow.Path] {
		return false // on a connection: see octetsInserted
	}
	rule := &messageAdded
	if answer {
		rule = &sipProxyAnswered
	}
	f, fresh := j.finding(rule, flow.Path, directionOf(p.Outbound), nameOf(flow.Proto(), got.Raw), "")
	if fresh {
		f.Kind, f.Shape, f.Call, f.Got = ChangeInserted, p.Shape, flow.Call, startLine(got.Raw)
		if flow.Proto() != ProtoSIP {
			f.Got = nil
		}
	}
	f.Count++
	if len(f.Marks) < maxMarks {
		f.Marks = append(f.Marks, Mark{Pair: p.ID, GotEnd: len(got.Raw)})
		f.Frames = append(f.Frames, got.Frames...)
	}
	return true
}
