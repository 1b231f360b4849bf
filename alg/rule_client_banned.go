package alg

import (
	"fmt"
	"time"
)

var clientBanned = Rule{
	ID:       "client-banned",
	Severity: Warning,
	Summary:  "after a message that breaks SIP's rules nothing from here arrives any more: something on the path reads SIP, and banned this address",
	Symptom: "A phone that sends something the box takes for an attack is shut out, with all that share its public address, until the ban " +
		"ends: registrations and calls that worked a minute ago time out.",
	Advice: "Find the intrusion prevention, SIP protection or fail2ban-like rule that bans addresses on port 5060, and exempt the service " +
		"or turn it off. Bans end by themselves after minutes or hours, or where they were made.",
	Source: "RFC 3261 8.1.1",
}

// ban is after which message nothing on a path arrives any more, nil if none.
func (j *caseJudge) ban(p Path) *Trial {
	for i := range j.c.Trials {
		if t := &j.c.Trials[i]; t.Kind == TrialBan && t.Path == p {
			return t
		}
	}
	return nil
}

// lostToBan reports that a message did not arrive and was sent after the client had been banned there: that says nothing of the
// message.
func (j *caseJudge) lostToBan(p *Pair, path Path) bool {
	t := j.ban(path)
	if t == nil || p.Delivered() {
		return false
	}
	sent, _ := p.ends()
	return sent != nil && !sent.At.Before(t.At.Add(-banSlack))
}

// banSlack is how much earlier than the message that brought the ban about, by this computer's clock, what the reflector sent at
// the same moment may seem to be.
const banSlack = 50 * time.Millisecond

// banned is the reason for which a path ends in a ban, "" if it does not. It reports the finding. The control has none: what set
// the box off went to the other port as well.
func (j *caseJudge) banned(p Path) string {
	t := j.ban(p)
	if t == nil || t.Step == "" { // then it may as well be that the line went down
		return ""
	}
	if !p.Control {
		f, fresh := j.finding(&clientBanned, p, Outbound, t.Step, "")
		if fresh {
			f.Summary += ": " + t.Detail
		}
		f.Count++
	}
	return fmt.Sprintf("banned after %s: %s", t.Step, t.Detail)
}
