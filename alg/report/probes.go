package report

import "fmt"

// probes names the probes of nofixup that captures hold: the messages are not a phone's, and some of them are odd on purpose.
func (t *text) probes() {
	r := t.report
	if len(r.Probes) == 0 {
		return
	}
	t.printf("\nprobes of nofixup\n")
	for i := range r.Probes {
		p := &r.Probes[i]
		seen := fmt.Sprintf("%d messages", p.Messages)
		if len(r.Evidence.Points) > 0 {
			seen = fmt.Sprintf("%d messages inside, %d outside", p.Messages, p.Outside)
		}
		t.wrapped(4, "  -", fmt.Sprintf("session %s, from %s UTC on: %s", p.Token, p.Started.UTC().Format("15:04:05.000"), seen))
	}
}
