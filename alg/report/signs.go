package report

import (
	"fmt"

	"nofixup/alg"
)

// signs shows what a sign is seen by: the field as it should read, where that is known, and as it reads.
func (t *text) signs(p *paragraph) {
	for _, f := range p.findings {
		t.wrapped(4, "", f.Field)
		if len(f.Sent) > 0 {
			t.labelled(10, "    want", red, string(f.Sent))
		}
		if len(f.Got) > 0 {
			t.labelled(10, "    got", green, string(f.Got))
		}
	}
	sure := fmt.Sprintf("confidence %s: one side alone proves nothing", p.Confidence)
	if p.Otherwise != "" {
		sure += "; it may as well be " + p.Otherwise
	}
	t.wrapped(4, "", sure)
}

// signsOf counts the findings that are signs with a confidence above low, by rule.
func signsOf(r *alg.Report) int {
	seen := map[string]bool{}
	for _, f := range r.Findings {
		if f.Confidence == alg.Medium || f.Confidence == alg.High {
			seen[f.ID] = true
		}
	}
	return len(seen)
}

// faults are the rules of what is wrong beside the audio of calls, in the order of the findings.
func faults(r *alg.Report) (list []string) {
	for _, f := range r.Findings {
		if f.Severity == alg.Critical && f.Proto != alg.ProtoMedia {
			list = appendNew(list, f.ID)
		}
	}
	return list
}
