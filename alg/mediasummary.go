package alg

import "fmt"

// summary says in words what the media of calls comes to: by the calls over SIP on the well-known port, else by those of H.323.
func (m *mediaJudge) summary() *MediaSummary {
	var main Path
	found := false
	for _, signalling := range []string{ProtoSIP, ProtoH323} {
		for _, l := range m.legs {
			if p := l.trial.Path; !found && !p.Control && l.Signalling == signalling {
				main, found = p, true
			}
		}
	}
	if !found {
		return nil
	}
	s := &MediaSummary{Settings: []string{}}
	out, _ := m.direction(main, true)
	in, _ := m.direction(main, false)
	announced := heard(m.announced(main))
	switch {
	case out == Untested || in == Untested && out != Blocked:
		s.Hears = "What a user hears could not be told: " + m.path(main).Reason + "."
		return s
	case out == Blocked && in != Clean:
		s.Hears = "A user on this network hears nothing and is not heard."
	case out == Blocked:
		s.Hears = "A user on this network hears the other side and is not heard."
	case in == Blocked:
		s.Hears = "A user on this network is heard and hears nothing, or no more after a while."
	case announced == yes:
		s.Hears = "Audio passes both ways."
	case announced == no:
		s.Hears = "Audio passes both ways with a far end that sends media back to where it comes from (symmetric RTP); from one that " +
			"sends to the announced address a user on this network hears nothing."
	default:
		s.Hears = "Audio passes both ways with a far end that sends media back to where it comes from (symmetric RTP)."
	}
	if control, ok := m.control(main); ok {
		cOut, _ := m.direction(control, true)
		cIn, _ := m.direction(control, false)
		without := heard(m.announced(control))
		switch {
		case out == cOut && in == cIn && announced == yes && without == no:
			s.Without = "Without the application gateway audio passes both ways only with symmetric RTP or ICE."
		case cOut == Clean && cIn == Clean && (out != Clean || in != Clean):
			s.Without = "Without what reads the calls on this port audio passes both ways."
		}
	}
	if announced != yes || s.Without != "" {
		s.Settings = append(s.Settings, "send media back to where it comes from (symmetric RTP, latching): the far end must latch, this side has no address to announce")
	}
	if m.translated() {
		s.Settings = append(s.Settings, "answer requests to where they come from (rport, RFC 3581; \"force rport\", \"NAT\"), and send calls to the address that a registration came from")
	}
	s.Settings = append(s.Settings, fmt.Sprintf("send a keepalive every %d s, or have the phones do so (RFC 5626 4.4)", m.keepalive()))
	s.Settings = append(s.Settings, m.largest())
	return s
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

// largest says how large an INVITE may be over UDP.
func (m *mediaJudge) largest() string {
	return "keep an INVITE over UDP below 1,300 octets, or use TCP or TLS (RFC 3261 18.1.1)"
}
