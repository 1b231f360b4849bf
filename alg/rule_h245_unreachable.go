package alg

import (
	"cmp"
	"fmt"
)

var h245Unreachable = Rule{
	ID:       "h245-unreachable",
	Severity: Critical,
	Summary:  "the connection for H.245 to the address that the far end announced does not come about",
	Symptom:  "Calls connect and stay silent, or end after some seconds: audio and video are never negotiated.",
	Advice: "Allow TCP to the H.245 ports of the service in the firewall's rules, or have the endpoints tunnel H.245. If only calls " +
		"on port 1720 are affected, an application gateway announces an address that it does not serve: turn it off.",
	Source: "H.323 8.2, H.225.0 7.3",
}

// noH245 is the reason for which a path's calls have no H.245, "" if they have or nobody knows. It reports the finding.
func (j *caseJudge) noH245(p Path) string {
	failed, detail := 0, ""
	for _, t := range j.c.Trials {
		if t.Kind != TrialH245 || t.Path != p {
			continue
		}
		if t.Outcome != OutcomeFailed {
			return ""
		}
		failed++
		detail = cmp.Or(detail, fmt.Sprintf("%s: %s", t.Dst, t.Detail))
	}
	for _, f := range j.flows {
		if f.Path == p && f.Proto() == ProtoH245 {
			return "" // some came about
		}
	}
	if need := j.connects(); need == 0 || failed < need {
		return ""
	}
	if !p.Control {
		f, fresh := j.finding(&h245Unreachable, p, Outbound, "connect", "")
		if fresh {
			f.Summary += ": " + detail
		}
		f.Count += failed
	}
	return fmt.Sprintf("no connection for H.245 in %d tries: %s", failed, detail)
}
