package alg

import (
	"fmt"
	"strings"
)

// Datagram says of a UDP message that was sent for its size how large it was and how it travelled. The zero value stands for
// any other message.
type Datagram struct {
	Octets    int    `json:"octets"`              // of the message, which is the payload of UDP
	Fragments int    `json:"fragments,omitempty"` // IP packets that it left this computer in; 0 where that is not known
	DF        string `json:"df,omitempty"`        // DFSet, DFClear, or empty where the system chose
}

// Values of [Datagram.DF]: whether routers are forbidden to fragment the packet (RFC 791 3.1). IPv6 has no such bit, since no
// router ever fragments there: what is set has its sender send one packet whatever the path is known to carry.
const (
	DFSet   = "set"
	DFClear = "clear"
)

// Fragments is in how many IP packets a message of so many octets leaves over UDP, by the MTU of the interface in octets; 0
// means the usual 1,500. Fragments but the last carry multiples of 8 octets (RFC 791 3.2, RFC 8200 4.5).
func Fragments(octets, family, mtu int) int {
	const (
		udp      = 8
		ip       = 20
		ip6      = 40
		fragment = 8 // the header of a fragment, IPv6
	)
	if mtu <= 0 {
		mtu = 1500
	}
	whole, part := mtu-ip, (mtu-ip)&^7
	if family == 6 {
		whole, part = mtu-ip6, (mtu-ip6-fragment)&^7
	}
	if octets+udp <= whole || part <= 0 {
		return 1
	}
	n := 1
	for left := octets + udp; left > whole; left -= part {
		n++
		whole = part // what is left is a fragment, too
	}
	return n
}

// way says how the datagram travelled: what is told apart when datagrams of a size get lost.
func (d Datagram) way() string {
	switch {
	case d.Fragments > 1:
		return "in fragments"
	case d.DF == DFSet:
		return "in one packet that no router may fragment (DF set)"
	case d.DF == DFClear:
		return "in one packet that routers may fragment (DF clear)"
	}
	return "in one packet"
}

// datagram is how the tries of a step travelled; all of them alike.
func (s *step) datagram() Datagram { return s.tries[0].Datagram }

// lossOf is the loss to assume for a step: a message of several fragments arrives only if all of them do.
func (j *caseJudge) lossOf(s *step) float64 {
	return Fragmented(j.loss[s.outbound], s.datagram().Fragments)
}

// controlStep is the same step on the control port, nil if it was not sent there.
func (j *caseJudge) controlStep(s *step) *step {
	for _, c := range j.all {
		if c.path.Control && c.path.SourcePort == s.path.SourcePort && c.outbound == s.outbound && c.name == s.name && c.shape == s.shape {
			return c
		}
	}
	return nil
}

// gone reports that a step was lost so often, between good messages, that it is no accident.
func (j *caseJudge) gone(s *step) bool {
	need := TriesOn(s.path.Transport, j.lossOf(s))
	return s.delivered == 0 && need > 0 && s.lost >= need && bracketed(s, j.onSide(s.side))
}

func (j *caseJudge) onSide(at side) []*step {
	var out []*step
	for _, s := range j.all {
		if s.side == at {
			out = append(out, s)
		}
	}
	return out
}

// pathDrops reports that datagrams like those of a step are lost on every port: that is how this path is, and nobody's
// interference with a protocol.
func (j *caseJudge) pathDrops(s *step) bool {
	if s.datagram().Octets == 0 || !j.gone(s) {
		return false
	}
	if s.path.Control {
		return true
	}
	c := j.controlStep(s)
	return c != nil && j.gone(c)
}

// largeDatagrams reports from which size on datagrams are lost on every port, apart for each way to travel.
func (j *caseJudge) largeDatagrams(p Path) {
	if p.Control {
		return
	}
	steps := j.onSide(side{p, true})
	var ways []string
	for _, s := range steps {
		if j.pathDrops(s) {
			ways = appendNew(ways, s.datagram().way())
		}
	}
	for _, way := range ways {
		var least *step
		var lost []*step
		passed := 0
		for _, s := range steps {
			if s.datagram().Octets > 0 && s.datagram().way() == way && j.pathDrops(s) {
				lost = append(lost, s)
				if least == nil || s.datagram().Octets < least.datagram().Octets {
					least = s
				}
			}
		}
		for _, s := range steps {
			if n := s.datagram().Octets; s.delivered > 0 && n < least.datagram().Octets {
				passed = max(passed, n)
			}
		}
		j.lossFinding(&largeDatagramsLost, side{p, true}, []*step{least})
		f, _ := j.finding(&largeDatagramsLost, p, Outbound, nameOf(p.Speaks(), least.tries[0].Inside.Raw), least.name)
		summary := []string{fmt.Sprintf("%s: of %d octets, %s, none arrives", largeDatagramsLost.Summary, least.datagram().Octets, way)}
		if len(lost) > 1 {
			summary = append(summary, "nor any larger one that was sent")
		}
		if passed > 0 {
			summary = append(summary, fmt.Sprintf("while %d octets pass", passed))
		}
		f.Summary = strings.Join(summary, ", ")
	}
}
