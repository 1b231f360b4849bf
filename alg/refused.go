package alg

import (
	"fmt"
	"strings"
)

// refusals is who refuses the messages of a path by ICMP and how, as far as the system told, "" if nobody does. It is the
// reason why nothing arrives, never a proof of it: an error may quote one message and the next may pass.
func (j *caseJudge) refusals(p Path) string {
	var by []string
	for _, t := range j.c.Trials {
		if t.Kind != TrialRefused || t.Path != p {
			continue
		}
		who := fmt.Sprintf("%s from %s", t.Detail, t.By)
		if !t.By.IsValid() {
			who = t.Detail
		}
		by = appendNew(by, who)
	}
	if len(by) == 0 {
		return ""
	}
	return "refused by ICMP: " + strings.Join(by, ", ")
}
