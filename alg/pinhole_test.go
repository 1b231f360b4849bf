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

// TestPinholesOfH323 shows when a call over H.323 is said to have been read: what calls of SIP tell of a filter counts, ports beside its
// own must be shut as well, and the path that is named is its own.
func TestPinholesOfH323(t *testing.T) {
	sip := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}
	h323 := Path{Proto: ProtoH323, Transport: "tcp", Family: 4, Port: 1720}
	control := func(p Path) Path {
		p.Port, p.Control = 15060, true
		return p
	}
	sip6 := sip
	sip6.Family = 6
	// n datagrams to announced ports, or to those beside them, that arrived or did not
	holes := func(p Path, neighbour bool, n int, arrived bool, change ...func(*Pinhole)) (list []Trial) {
		for range n {
			out := OutcomeFailed
			if arrived {
				out = OutcomeOK
			}
			x := &Pinhole{From: "media", Neighbour: neighbour, Listening: FirewallNone}
			for _, f := range change {
				f(x)
			}
			if x.NotSent != "" {
				out = OutcomeUnsent
			}
			list = append(list, Trial{Kind: TrialPinhole, Path: p, Outcome: out, Pinhole: x})
		}
		return list
	}
	active := func(x *Pinhole) { x.Listening = FirewallActive }
	own := slices.Concat(holes(h323, false, 1, true), holes(h323, true, 2, false), holes(control(h323), false, 1, false))
	const byPort = "H.323 over TCP on port 1720 (IPv4): calls open the ports that they announce, on port 15060 they do not, so it is the port that sets the box off."
	const byContent = "H.323 over TCP on port 1720 (IPv4): calls open the ports that they announce, on port 15060 as well, so the box knows the protocol by its content, not by the port."
	for _, tc := range []struct {
		name   string
		trials []Trial
		want   Verdict
		cause  string
	}{
		{"opened", slices.Concat(own, holes(sip, false, 1, false), holes(control(sip), false, 2, false)), Inspected, byPort},
		{"opened for SIP as well", slices.Concat(own, holes(sip, false, 2, true), holes(sip, true, 3, false)), Inspected, byPort},
		{"by itself", slices.Concat(holes(h323, false, 1, true), holes(h323, true, 5, false)), Inspected, ""},
		{"on the control port as well", slices.Concat(holes(h323, false, 1, true), holes(h323, true, 5, false), holes(control(h323), false, 1, true)), Inspected, byContent},
		{"too few to tell", own, Clean, ""},
		{"none beside it was tried", slices.Concat(holes(h323, false, 1, true), holes(control(sip), false, 9, false)), Clean, ""},
		{"one beside it was tried", slices.Concat(holes(h323, false, 1, true), holes(h323, true, 1, false), holes(control(sip), false, 9, false)), Clean, ""},
		{"nothing filters", slices.Concat(own, holes(h323, true, 1, true), holes(control(sip), false, 9, false)), Clean, ""},
		{"nothing filters, by the control port of SIP", slices.Concat(own, holes(control(sip), false, 9, false), holes(control(sip), true, 1, true)), Clean, ""},
		{"shut over IPv6", slices.Concat(own, holes(sip6, true, 9, false)), Clean, ""},
		{"shut later", slices.Concat(own, holes(sip, true, 9, false, func(x *Pinhole) { x.Idle = 30 })), Clean, ""},
		{"shut", slices.Concat(holes(h323, false, 1, false), holes(sip, true, 9, false)), Clean, ""},
		{"a firewall here", slices.Concat(holes(h323, false, 1, true), holes(h323, true, 9, false, active), holes(sip, true, 9, false, active)), Clean, ""},
		{"not sent", slices.Concat(holes(h323, false, 1, false, func(x *Pinhole) { x.NotSent = "private" }), holes(sip, true, 9, false)), Clean, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene()
			s.Flows = s.Flows[:0]
			for i, p := range []Path{sip, control(sip), h323, control(h323)} {
				s.Flows = append(s.Flows, Flow{ID: i + 1, Path: p})
				s.add(good(i+1, 40)...)
			}
			e := Evidence{Points: s.Points, Flows: s.Flows, Pairs: s.Pairs, Complete: true}
			var j Judge
			for _, c := range e.Cases(tc.trials) {
				j.Add(c)
			}
			r := j.Report()
			for _, p := range r.Paths {
				if p.Path == h323 && (p.Outbound != tc.want || p.Inbound != Clean) || p.Path.Control && p.Outbound != Clean {
					t.Errorf("%s: %s %s, want %s: %s", p.Path, p.Outbound, p.Inbound, tc.want, p.Reason)
				}
			}
			cause := ""
			for _, told := range r.Triggers {
				if strings.HasPrefix(told, "H.323") {
					cause += told
				}
			}
			if cause != tc.cause {
				t.Errorf("cause %q, want %q", cause, tc.cause)
			}
			found := false
			for _, f := range r.Findings {
				if f.Path() == h323 {
					found = f.ID == mediaPinholeOpened.ID && f.Advice == turnOffH323 && f.Count == 1
				}
			}
			if found != (tc.want == Inspected) {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}
