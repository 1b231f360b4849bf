package alg

import "fmt"

// Nobody listens at the address, so who completes the connection is not the far end. That it happens on this port and not on
// the control port says that it is done for the protocol.
var tcpIntercepted = Rule{
	ID:       "tcp-intercepted",
	Severity: Critical,
	Summary:  "TCP on this port is completed by somebody between here and the reflector",
	Symptom: "What phones and servers say to each other on this port goes through a program of that box, which can change it, hold it " +
		"back, or answer in the other's place. Connections to far ends that are down seem to come about.",
	Advice: turnOff,
	Source: "RFC 9293 3.5",
}

// tcpInterception is why TCP on a path is somebody else's, "" if it is not or nobody knows. It reports the finding.
func (j *caseJudge) tcpInterception(p Path) string {
	if p.Control {
		return ""
	}
	var by []Trial
	refused, completed := false, false // on the control port
	for _, t := range j.c.Trials {
		switch {
		case t.Kind != TrialUnused:
		case t.Path == p && t.Outcome == OutcomeOK:
			by = append(by, t)
		case t.Path.Control:
			completed = completed || t.Outcome == OutcomeOK
			refused = refused || t.Outcome == OutcomeFailed
		}
	}
	if len(by) == 0 {
		return ""
	}
	rule := &tcpIntercepted
	if completed || !refused { // without a control it cannot be told for what
		rule = &tcpProxy
	}
	what := fmt.Sprintf("a connection to %s came about, where nobody listens", by[0].Dst)
	if by[0].Detail != "" {
		what += ", " + by[0].Detail
	}
	f, fresh := j.finding(rule, p, Outbound, "connect", "")
	if fresh {
		f.Summary += ": " + what
		if ends := by[0].TCP.String(); ends != "" {
			f.Summary += "; " + ends
		}
	}
	f.Count += len(by)
	if rule.Benign {
		return ""
	}
	return "TCP is completed by somebody else: " + what + ", while none did on the control port"
}
