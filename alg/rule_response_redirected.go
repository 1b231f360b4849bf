package alg

import (
	"bytes"
	"net/netip"
)

// Linux takes a request whose Via names another port than it comes from for that of a telephone which listens there, and
// delivers all that comes back to that port (net/netfilter/nf_conntrack_sip.c, forced_dport). With rport the sender has
// asked for the contrary.
var responseRedirected = Rule{
	ID:       "response-redirected",
	Severity: Warning,
	Summary: "an answer was delivered to another port of this computer than the one it was sent to, " +
		"though the request carried rport",
	Symptom: "Phones that send from one port and name another in their Via wait for answers in vain: they do not register, and " +
		"their calls do not come about.",
	Advice: turnOff,
	Source: "RFC 3581 4",
}

// redirected reports an answer that arrived at another socket than the one that its flow comes from. Where a request to the
// client goes is a matter of Contact and of registrations, too.
func (j *caseJudge) redirected(p *Pair, flow *Flow) bool {
	to := p.Inside.To
	if p.Outbound || to == (netip.AddrPort{}) || to == flow.Inside[0] || !bytes.HasPrefix(p.Outside.Raw, []byte("SIP/2.0 ")) {
		return false
	}
	f, fresh := j.finding(&responseRedirected, flow.Path, Inbound, nameOf(flow.Proto(), p.Outside.Raw), FieldSocket)
	if fresh {
		f.Shape = p.Shape
		f.Sent, f.Got = Bytes(flow.Inside[0].String()), Bytes(to.String())
	}
	f.Count++
	if len(f.Marks) < maxMarks {
		f.Marks = append(f.Marks, Mark{Pair: p.ID})
	}
	return true
}

// FieldSocket stands for a field where a finding is about the socket that a message was delivered to: the octets are the
// address and port that it should have come to, and those that it came to.
const FieldSocket = "socket"
