package alg

import (
	"slices"
	"strings"
	"testing"
)

// TestHoleLife shows what is said of how long a port stays open that a call announced, and that what was tried after silence is
// no argument for anybody having opened it, nor against.
func TestHoleLife(t *testing.T) {
	sip := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}
	hole := func(idle float64, neighbour, arrived bool) Trial {
		out := OutcomeFailed
		if arrived {
			out = OutcomeOK
		}
		return Trial{Kind: TrialPinhole, Path: sip, Outcome: out, Pinhole: &Pinhole{
			From: "media", Neighbour: neighbour, Listening: FirewallNone, Idle: idle,
		}}
	}
	held := func(s30, s95, s185 bool) []Trial {
		return []Trial{hole(30, false, s30), hole(95, false, s95), hole(185, false, s185)}
	}
	behindFirewall := held(true, false, false)
	for i := range behindFirewall {
		behindFirewall[i].Pinhole.Listening = FirewallActive
	}
	const found = "from the far end's media port"
	for _, tc := range []struct {
		name   string
		fresh  bool // the announced ports are open at once, others are not
		trials []Trial
		lost   int // of 20 messages to the control port
		want   string
	}{
		{"not tried", true, nil, 0, found},
		{"three minutes", true, held(true, true, false), 0, found + "; unused it stays open for more than 95 s, less than 185 s"},
		{"longer", true, held(true, true, true), 0, found + "; unused it stays open for more than 185 s"},
		{"short", true, held(false, false, false), 0, found + "; unused it stays open for less than 30 s"},
		{"one lost", true, held(false, true, true), 0, found},
		{"lost perhaps", true, held(true, false, false), 2, found + "; unused it stays open for more than 30 s"},
		{"a firewall here", true, behindFirewall, 0, found + "; unused it stays open for more than 30 s"},
		{"never open", false, held(false, false, false), 0, ""},
		{"open later alone", false, held(true, true, true), 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene()
			s.Flows = append(s.Flows, Flow{ID: otherFlow, Path: sip})
			s.add(slices.Concat(good(otherFlow, 20), good(controlFlow, 20))...)
			for i := range tc.lost { // the last ones came in on the control port
				s.Pairs[len(s.Pairs)-1-i].Inside = nil
			}
			c := s.Case
			for range 9 {
				c.Trials = append(c.Trials, hole(0, false, tc.fresh), hole(0, true, false))
			}
			c.Trials = append(c.Trials, tc.trials...)
			var j Judge
			j.Add(c)
			got := ""
			for _, f := range j.Report().Findings {
				if f.ID == mediaPinholeOpened.ID {
					_, got, _ = strings.Cut(f.Summary, ": something read the call: ")
					if f.Count != 9 {
						t.Errorf("%d datagrams counted, want 9", f.Count)
					}
				}
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
