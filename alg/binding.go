package alg

import (
	"fmt"
	"math"
)

// lifetime is what is known of how long idle bindings on a path let datagrams back in: at least open seconds, less than shut;
// infinity stands for nothing that long was seen to close.
type lifetime struct{ open, shut float64 }

func (j *caseJudge) lifetime(match func(Path) bool) (l lifetime, measured bool) {
	l.shut = math.Inf(1)
	for _, t := range j.c.Trials {
		if t.Binding == nil || !match(t.Path) {
			continue
		}
		measured = true
		if t.Outcome == OutcomeOK {
			l.open = max(l.open, t.Binding.Idle)
		} else {
			l.shut = min(l.shut, t.Binding.Idle)
		}
	}
	return l, measured && l.open < l.shut // what closes and is open later was lost, not shut
}

// shortBinding is the idle time in seconds that phones expect a binding to outlive: RFC 4787 4.3 wants two minutes, most of them
// send a keepalive twice a minute (RFC 5626 4.4.1).
const shortBinding = 30

// binding is why a path is inspected, by how long its bindings live beside those of the control port, with what that shows; empty
// if they live as long. It reports bindings that are short.
func (j *caseJudge) binding(p Path) (string, trace) {
	own, ok := j.lifetime(func(q Path) bool { return q == p })
	if p.Control || !ok {
		return "", noTrace
	}
	control, known := j.lifetime(func(q Path) bool { return q.Control && q.group() == p.group() && q.SourcePort == p.SourcePort })
	shorter := known && own.shut <= control.open
	if shorter || own.shut <= shortBinding {
		f, fresh := j.finding(&bindingShort, p, Inbound, "", "")
		if fresh {
			f.Summary += fmt.Sprintf(": what is idle for %.0f s is closed", own.shut)
			if own.open > 0 {
				f.Summary += fmt.Sprintf(", what is idle for %.0f s is not", own.open)
			}
		}
		f.Count++
	}
	switch {
	case shorter:
		return fmt.Sprintf("a binding that is idle for %.0f s is closed, on the control port one is open after %.0f s", own.shut, control.open), bindingsShorter
	case known && control.shut <= own.open:
		return fmt.Sprintf("a binding lives for more than %.0f s, on the control port for less than %.0f s", own.open, control.shut), bindingsLonger
	}
	return "", noTrace
}
