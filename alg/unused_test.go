package alg

import (
	"net/netip"
	"strings"
	"testing"
)

// TestTCPIntercepted shows what a connection proves that came about where nobody listens.
func TestTCPIntercepted(t *testing.T) {
	trial := func(control bool, outcome Outcome) Trial {
		p := sipTCP
		if control {
			p.Port, p.Control = 15060, true
		}
		return Trial{Kind: TrialUnused, Path: p, Dst: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.11"), p.Port), Outcome: outcome, At: testTime}
	}
	ok, no := OutcomeOK, OutcomeFailed
	for _, tc := range []struct {
		name   string
		trials []Trial
		want   Verdict
		id     string
	}{
		{"not tried", nil, Clean, ""},
		{"refused", []Trial{trial(false, no), trial(true, no)}, Clean, ""},
		{"on the port alone", []Trial{trial(false, ok), trial(true, no)}, Intercepted, "tcp-intercepted"},
		{"on all ports", []Trial{trial(false, ok), trial(true, ok)}, Clean, "tcp-proxy"},
		{"control not tried", []Trial{trial(false, ok)}, Clean, "tcp-proxy"},
		{"on the control port alone", []Trial{trial(false, no), trial(true, ok)}, Clean, ""},
		{"on the control port from one source port", []Trial{trial(false, ok), trial(true, no), trial(true, ok)}, Clean, "tcp-proxy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSIPStreams()
			m := streamInvite("192.0.2.1", "192.0.2.1", "192.0.2.1")
			for _, flow := range []int{mainFlow, controlFlow} {
				s.carry(flow, true, StepInvite, ShapeLocal, m, m).carry(flow, false, StepInvite, ShapeLocal, m, m)
			}
			s.Trials = tc.trials
			r := s.judged()
			for _, p := range r.Paths {
				want := tc.want
				if p.Control {
					want = Clean
				}
				if p.Outbound != want || p.Inbound != want {
					t.Errorf("%s: %s %s %q", p.Path, p.Outbound, p.Inbound, p.Reason)
				}
			}
			if tc.id == "" != (len(r.Findings) == 0) || tc.id != "" && (r.Findings[0].ID != tc.id || !strings.Contains(r.Findings[0].Summary, "203.0.113.11:5060")) {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}
