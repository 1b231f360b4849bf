package alg

import (
	"fmt"
	"slices"
	"strings"
)

// prospect is what the media of calls on one path comes to: sentences without their first capital and their full stop.
type prospect struct {
	path           Path
	signalling     string
	hears, without string
	announced      hearing // at the address that this end announced
}

// summary says in words what the media of calls comes to, nil if there was none but on the control port.
func (m *mediaJudge) summary() *MediaSummary {
	var list []prospect
	for _, signalling := range []string{ProtoSIP, ProtoH323} {
		for _, l := range m.legs {
			p := l.trial.Path
			known := slices.ContainsFunc(list, func(o prospect) bool { return o.path == p })
			if l.Signalling == signalling && !p.Control && !known {
				list = append(list, m.prospect(p, signalling))
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	return &MediaSummary{
		Hears:    sentences(list, func(o prospect) string { return o.hears }),
		Without:  sentences(list, func(o prospect) string { return o.without }),
		Settings: m.settings(list),
	}
}

func (m *mediaJudge) prospect(p Path, signalling string) prospect {
	o := prospect{path: p, signalling: signalling, announced: heard(m.announced(p))}
	out, whyOut := m.direction(p, true)
	in, whyIn := m.direction(p, false)
	blocked := out == Blocked || in == Blocked || m.verdict(p).Inbound == Blocked
	switch {
	case m.partly(p, true):
		o.hears = "whether audio passes depends on the port: " + whyOut
	case m.partly(p, false):
		o.hears = "whether audio passes depends on the port: " + whyIn
	case out == Blocked && in != Clean && !m.stops(p, true) && !m.stops(p, false):
		o.hears = "a user on this network hears nothing and is not heard"
	case out == Untested || in == Untested && out != Blocked:
		o.hears = fmt.Sprintf("what a user on this network hears could not be told (%s)", m.verdict(p).Reason)
		return o
	case out == Blocked && in == Clean:
		o.hears = "a user on this network hears the other side and " + m.lasts(p, true)
	case m.stops(p, true) || m.stops(p, false):
		o.hears = fmt.Sprintf("a user on this network %s, and %s", m.lasts(p, true), m.lasts(p, false))
	case out == Blocked || in == Blocked:
		o.hears = fmt.Sprintf("a user on this network %s and %s", m.lasts(p, true), m.lasts(p, false))
	case blocked:
		o.hears = "audio passes both ways, but not in calls that an application gateway rewrites and leaves the address of the media " +
			"alone: from a far end that sends to it a user on this network hears nothing"
	case o.announced == yes:
		o.hears = "audio passes both ways"
	case o.announced == no:
		o.hears = "audio passes both ways if the far end sends media back to where it comes from (symmetric RTP); from one that " +
			"sends to the announced address a user on this network hears nothing"
	default:
		o.hears = "audio passes both ways if the far end sends media back to where it comes from (symmetric RTP)"
	}
	if gaps := strings.Join(appendReason(appendReason(nil, Outbound, gap(out, whyOut)), Inbound, gap(in, whyIn)), "; "); gaps != "" {
		o.hears += ", with gaps (" + gaps + ")"
	}
	control, ok := m.control(p)
	if !ok {
		return o
	}
	cOut, _ := m.direction(control, true)
	cIn, _ := m.direction(control, false)
	if cOut != Clean || cIn != Clean {
		return o
	}
	without := heard(m.announced(control))
	switch {
	case !blocked && o.announced == yes && without == no:
		o.without = "without the application gateway audio passes both ways only with symmetric RTP or ICE"
	case blocked && without == yes:
		o.without = "where nothing reads the call audio passes both ways"
	case blocked:
		o.without = "where nothing reads the call audio passes both ways with symmetric RTP or ICE"
	}
	return o
}

// verdict is the result of a path that has been judged.
func (m *mediaJudge) verdict(p Path) PathResult {
	return m.report.Paths[slices.IndexFunc(m.report.Paths, func(r PathResult) bool { return r.Path == p })]
}

// partly reports that media passes by some ports of this end and not by others.
func (m *mediaJudge) partly(p Path, outbound bool) bool {
	alive, dead, _, _ := fates(m.passing(p, outbound))
	return len(alive) > 0 && len(dead) > 0
}

// stops reports that media passes for a while only.
func (m *mediaJudge) stops(p Path, outbound bool) bool {
	_, _, stopped, _ := fates(m.passing(p, outbound))
	return len(stopped) > 0
}

// lasts says how long a user is heard, or hears.
func (m *mediaJudge) lasts(p Path, outbound bool) string {
	if _, _, stopped, _ := fates(m.passing(p, outbound)); len(stopped) > 0 {
		s := stopped[0].Heard / 1000
		if outbound {
			return fmt.Sprintf("is heard for %.1f s and then no more", s)
		}
		return fmt.Sprintf("hears the other side for %.1f s and then nothing", s)
	}
	v, _ := m.direction(p, outbound)
	switch {
	case outbound && v == Clean:
		return "is heard"
	case outbound:
		return "is not heard"
	case v == Clean:
		return "hears the other side"
	case v == Untested:
		return "hears what could not be tested"
	}
	return "hears nothing"
}

// gap is why media that passes is not whole, empty if it is.
func gap(v Verdict, why string) string {
	if v != Clean {
		return ""
	}
	return why
}

// sentences says once what holds for all paths, else of which each holds.
func sentences(list []prospect, says func(prospect) string) string {
	var texts, all []string
	for _, o := range list {
		texts = appendNew(texts, says(o))
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		var calls []string
		for _, o := range list {
			if says(o) == text {
				calls = appendNew(calls, o.calls())
			}
		}
		if text = strings.ToUpper(text[:1]) + text[1:] + "."; len(texts) > 1 {
			text = and(calls) + ": " + text
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// calls names the calls on the path.
func (o prospect) calls() string {
	s := fmt.Sprintf("%s over %s to port %d", ProtoName(o.signalling), strings.ToUpper(o.path.Transport), o.path.Port)
	if o.path.SourcePort != Ephemeral {
		s += fmt.Sprintf(" from port %d", o.path.SourcePort)
	}
	if o.path.Family == 6 {
		s += " (IPv6)"
	}
	return s
}

// settings are what the far end should be set to so that calls with this network have audio.
func (m *mediaJudge) settings(list []prospect) []string {
	var all []string
	if slices.ContainsFunc(list, func(o prospect) bool { return o.announced != yes || o.without != "" }) {
		all = append(all, "send media back to where it comes from (symmetric RTP, \"latching\", \"comedia\"): this side has no address to announce that can be relied on")
	}
	if m.translated() {
		all = append(all, "answer requests to where they come from (rport, RFC 3581; \"force rport\", \"NAT\"), and send calls to where the registration came from")
	}
	return append(all, fmt.Sprintf("send a keepalive every %d s, or have the phones do so (RFC 5626 4.4)", m.keepalive()), m.largest())
}

type hearing int

const (
	unheardOf hearing = iota
	no
	yes
)

// heard reports whether media arrived in any of the legs.
func heard(legs []leg) hearing {
	a := unheardOf
	for _, l := range legs {
		switch {
		case l.alive():
			return yes
		case l.NotSent != "" || l.dead():
			a = no
		}
	}
	return a
}

// translated reports that media was seen to come from another address or port than it was sent from.
func (m *mediaJudge) translated() bool {
	for _, l := range m.legs {
		if l.Outbound && l.Seen.IsValid() && l.Seen != l.trial.Src {
			return true
		}
	}
	return false
}

// usualKeepalive is what phones use where nothing is known, in seconds: below the 30 s after which the shortest mappings of
// UDP that are common end.
const usualKeepalive = 25

// keepalive is how often a mapping must be used so that it stays, in seconds: less than the longest silence that one is known
// to outlive, if that was measured.
func (m *mediaJudge) keepalive() int {
	longest, measured := 0.0, false
	for _, t := range m.bindings {
		if t.Outcome == OutcomeOK {
			longest, measured = max(longest, t.Binding.Idle), true
		}
	}
	for _, t := range m.bindings {
		if t.Outcome == OutcomeFailed {
			longest = min(longest, t.Binding.Idle)
		}
	}
	if !measured {
		return usualKeepalive
	}
	return max(5, min(int(longest*5/6), 110))
}
