package alg

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Firewalls of this computer: values of [Pinhole].Listening.
const (
	FirewallNone    = "none"
	FirewallActive  = "active"
	FirewallUnknown = "unknown"
)

// pinhole is why something on a path is said to have opened ports for media, empty if nothing is or nobody knows. That an
// announced port is open from outside proves nothing where others are, too: where nothing filters. The port beside it that
// nobody announced tells, and so does what a call announced that no gateway could read. What filters does so whatever call a port
// belongs to, so that those of all protocols count, but some of them must lie beside the announced one. What did not come in while a
// firewall of this computer may have kept it out tells nothing. It reports the finding, and says what that shows of the box.
func (j *caseJudge) pinhole(p Path) (string, trace) {
	if p.Control {
		return "", noTrace
	}
	var from []string
	open, beside, shut := 0, 0, 0
	for _, t := range slices.Concat(j.c.Trials, j.c.Holes) {
		x := t.Pinhole
		if x == nil || x.NotSent != "" || x.Idle > 0 || t.Path.Family != p.Family {
			continue
		}
		own := t.Path == p
		switch {
		case own && !x.Neighbour:
			if t.Outcome == OutcomeOK {
				open++
				from = appendNew(from, pinholeFrom[x.From])
			}
		case x.Neighbour && t.Outcome == OutcomeOK && (own || t.Path.Control):
			return "", noTrace // nothing filters
		case (x.Neighbour || t.Path.Control) && t.Outcome == OutcomeFailed && x.Listening == FirewallNone:
			shut++ // in a call to the control port an announced port that is open is no argument: a gateway may know the protocol on any port
			if own {
				beside++
			}
		}
	}
	// All of the others got lost by chance about once in ten million times.
	q := j.datagramLoss(p)
	if need := Tries(q); open == 0 || need == 0 || shut < need || beside < TriesBeside(q) {
		return "", noTrace
	}
	why := "from " + and(from)
	f, fresh := j.finding(&mediaPinholeOpened, p, Inbound, "RTP", "")
	if fresh {
		f.Summary += ": " + why + j.holeLife(p)
	}
	f.Count += open
	return fmt.Sprintf("ports that calls announce are open from outside (%s), others are not", strings.TrimPrefix(why, "from ")), j.holeTrace(p)
}

// holeTrace is what a box shows that opens ports on a path: it goes by what the same calls to the control port open.
func (j *caseJudge) holeTrace(p Path) trace {
	found := holesSomewhere
	for _, t := range j.c.Trials {
		x := t.Pinhole
		if x == nil || x.NotSent != "" || x.Idle > 0 || x.Neighbour || !t.Path.Control || t.Path.group() != p.group() {
			continue
		}
		switch {
		case t.Outcome == OutcomeOK:
			return holesAnywhere
		case x.Listening == FirewallNone && j.datagramLoss(p) <= surelyShut:
			found = holesAlone
		}
	}
	return found
}

// surelyShut is the loss of datagrams up to which one that did not come in tells that a port was shut.
const surelyShut = 0.05

// holeLife is how long a port that a call announced is open while nothing comes in to it, to go on with in a summary; empty if that
// was not tried, or if what is shut after a while is open later.
func (j *caseJudge) holeLife(p Path) string {
	l := lifetime{shut: math.Inf(1)}
	for _, t := range j.c.Trials {
		x := t.Pinhole
		if x == nil || x.Idle == 0 || x.NotSent != "" || x.Neighbour || t.Path != p {
			continue
		}
		switch {
		case t.Outcome == OutcomeOK:
			l.open = max(l.open, x.Idle)
		case x.Listening == FirewallNone && j.datagramLoss(p) <= surelyShut:
			l.shut = min(l.shut, x.Idle)
		}
	}
	switch {
	case l.open >= l.shut || l.open == 0 && math.IsInf(l.shut, 1):
		return ""
	case math.IsInf(l.shut, 1):
		return fmt.Sprintf("; unused it stays open for more than %.0f s", l.open)
	case l.open == 0:
		return fmt.Sprintf("; unused it stays open for less than %.0f s", l.shut)
	}
	return fmt.Sprintf("; unused it stays open for more than %.0f s, less than %.0f s", l.open, l.shut)
}

// datagramLoss is the loss of datagrams on their way in, whatever carries the messages on the path: those of media are not sent again.
func (j *caseJudge) datagramLoss(p Path) float64 {
	if p.Transport == "udp" {
		if j.seen[false] {
			return j.loss[false]
		}
		return AssumedLoss
	}
	if q, ok := j.udpLoss[p.Family]; ok {
		return q
	}
	return AssumedLoss
}

var pinholeFrom = map[string]string{
	"media": "the far end's media port", "port": "another port of the far end", "host": "another address",
}
