package alg

import "bytes"

// On a stream nothing is doubled or added by the network itself: what one end received and the other did not send was written
// by somebody in between, who must keep the sequence numbers of both ends for it.
var octetsInserted = Rule{
	ID:       "octets-inserted",
	Severity: Warning,
	Summary:  "octets arrived over a SIP connection that the other end did not send",
	Symptom:  "A message of nobody's is answered, or puts the stream out of step: calls on that connection fail from there on.",
	Advice:   turnOff,
	Source:   "RFC 3261 18.3",
	change: func(x *exchange, c *Change) bool {
		return x.pair != nil && x.inserted() && !proxysOwn(x)
	},
}

// inserted reports that nobody at the other end sent the message.
func (x *exchange) inserted() bool {
	sent, got := x.pair.ends()
	return x.proto == ProtoSIP && len(sent.Raw) == 0 && len(got.Raw) > 0
}

// proxysOwn reports that a message is what a SIP proxy says for itself, on a connection where one forwarded messages: a 100
// (RFC 3261 16.2), the ACK for an answer that is no success (RFC 3261 17.1.1.3), or line ends that keep the connection alive or
// answer such (RFC 5626 4.4.1).
func proxysOwn(x *exchange) bool {
	if !x.inserted() || len(x.proxies) == 0 {
		return false
	}
	ack := string(x.got.Method()) == "ACK" && vias(x.got.Raw) == 1 && x.proxies[sentBy(&x.got)]
	return ack || x.got.Status() == 100 || lineEnds(x.got.Raw)
}

// lineEnds reports that octets are nothing but CR and LF.
func lineEnds(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, "\r\n")) == 0 }
