package alg

import "fmt"

var messageDelayed = Rule{
	ID:       "message-delayed",
	Severity: Info,
	Summary:  "a message passes the second capture long after the first",
	Symptom:  "Calls take long to be set up, and senders repeat what is only late.",
	Advice:   "Look at what is between the two captures: a box that asks a name server or a policy server before it lets a message pass, a queue that is full, a connection on which segments get lost.",
	Source:   "RFC 3261 17.1.1.2",
	Benign:   true,
}

// slowMessage is T1 (RFC 3261 17.1.1.1), in ms: after that a sender over UDP repeats what was not answered.
const slowMessage = 500

// delayed reports a message that took longer than its sender waits.
func (j *caseJudge) delayed(p *Pair, flow *Flow) {
	if p.Delay < slowMessage {
		return
	}
	sent, got := p.ends()
	f, fresh := j.finding(&messageDelayed, flow.Path, directionOf(p.Outbound), nameOf(flow.Proto(), sent.Raw), "")
	if fresh {
		f.Shape, f.Call = p.Shape, flow.Call
		f.Summary += fmt.Sprintf(": %.0f ms", p.Delay)
	}
	f.Count++
	if len(f.Marks) < maxMarks {
		f.Marks = append(f.Marks, Mark{Pair: p.ID, SentEnd: len(sent.Raw), GotEnd: len(got.Raw)})
		f.Frames = append(append(f.Frames, sent.Frames...), got.Frames...)
	}
}
