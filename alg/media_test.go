package alg

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// mediaPath is that of calls over SIP on a port.
func mediaPath(port uint16) Path {
	return Path{Proto: ProtoMedia, Transport: "udp", Family: 4, Port: port, Control: port == 15060}
}

// played is a trial of media: sent and received datagrams, 20 ms apart.
func played(port uint16, outbound bool, towards string, sent, received int, change ...func(*Trial)) Trial {
	t := Trial{
		Kind: TrialMedia, Path: mediaPath(port), Outcome: OutcomeOK, At: time.Unix(0, 0).UTC(),
		Src: netip.MustParseAddrPort("10.0.0.9:20000"), Dst: netip.MustParseAddrPort("203.0.113.10:10000"),
		Media: &Media{
			Call: mediaPath(port).String(), Signalling: ProtoSIP, Step: "live", Kind: MediaAudio, Outbound: outbound, Towards: towards,
			Octets: 172, Sent: sent, Received: received, Span: float64(20 * sent), Heard: float64(20 * sent),
		},
	}
	if !outbound {
		t.Src, t.Dst = t.Dst, t.Src
	}
	if received == 0 {
		t.Outcome, t.Media.Heard = OutcomeFailed, 0
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

func unsent(why string) func(*Trial) {
	return func(t *Trial) { t.Outcome, t.Media.NotSent, t.Media.Sent, t.Media.Received = OutcomeUnsent, why, 0, 0 }
}

func heardFor(ms float64) func(*Trial) { return func(t *Trial) { t.Media.Heard = ms } }

// TestMedia has calls on port 5060 and on the control port, by what of their media arrived.
func TestMedia(t *testing.T) {
	announced := func(port uint16, received int, change ...func(*Trial)) Trial {
		return played(port, false, TowardsAnnounced, 50, received, change...)
	}
	both := func(port uint16) []Trial {
		return []Trial{played(port, true, TowardsAnnounced, 50, 50), played(port, false, TowardsSource, 50, 50)}
	}
	for _, tc := range []struct {
		name     string
		trials   []Trial
		want     string // outbound and inbound verdict of port 5060
		findings []string
		says     string // of the summary, or of a reason
		audio    string
	}{
		{"two-way", append(both(5060), announced(5060, 50)), "clean clean", nil, "Audio passes both ways.", AudioTwoWay},
		{
			"plain NAT", slices.Concat(both(5060), both(15060), []Trial{announced(5060, 0, unsent("private")), announced(15060, 0, unsent("private"))}),
			"clean clean", nil, "from one that sends to the announced address a user on this network hears nothing", AudioTwoWay,
		},
		{
			"gateway", slices.Concat(both(5060), both(15060), []Trial{announced(5060, 50), announced(15060, 0, unsent("private"))}),
			"clean clean",
			[]string{"media-depends-on-alg"},
			"Without the application gateway audio passes both ways only with symmetric RTP", AudioTwoWay,
		},
		{"nothing out", []Trial{played(5060, true, TowardsAnnounced, 50, 0)}, "blocked untested", []string{"media-blocked"}, "hears nothing and is not heard", AudioNone},
		{
			"nothing out from one port", append(both(5060), played(5060, true, TowardsAnnounced, 30, 0, func(t *Trial) { t.Src = netip.MustParseAddrPort("10.0.0.9:40000") })),
			"blocked clean",
			[]string{"media-one-way"},
			"of the media from port 40000 nothing arrives, of that from port 20000 it does", AudioTwoWay,
		},
		{"nothing back", []Trial{played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 0)}, "clean blocked", []string{"media-one-way"}, "is heard and hears nothing", AudioOneWay},
		{
			"nothing back, nor on the control port", []Trial{
				played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 0),
				played(15060, true, TowardsAnnounced, 50, 50), played(15060, false, TowardsSource, 50, 0),
			}, "clean blocked", []string{"media-one-way"}, "a rule of a firewall, not an application gateway", AudioOneWay,
		},
		{"ends", []Trial{played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 100, 50, heardFor(1000))}, "clean blocked", []string{"media-one-way"}, "media passes for 1.0 s and then no more", AudioOneWay},
		{"loss", []Trial{played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 40, heardFor(960))}, "clean clean", []string{"media-lossy"}, "about 20 % of the media is lost", AudioTwoWay},
		{"few", []Trial{played(5060, true, TowardsAnnounced, 10, 0)}, "untested untested", nil, "only 10 datagrams of media were sent", AudioNone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var j Judge
			e := Evidence{Complete: true}
			for _, c := range e.Cases(tc.trials) {
				j.Add(c)
			}
			for range 2 { // a report can be asked for again
				r := j.Report()
				var p PathResult
				for _, x := range r.Paths {
					if x.Port == 5060 {
						p = x
					}
				}
				if got := string(p.Outbound + " " + p.Inbound); got != tc.want {
					t.Errorf("%s, want %s: %s", got, tc.want, p.Reason)
				}
				var ids []string
				for _, f := range r.Findings {
					ids = append(ids, f.ID)
				}
				if !slices.Equal(ids, tc.findings) {
					t.Errorf("findings %q, want %q", ids, tc.findings)
				}
				text := p.Reason + " " + r.Media.Hears + " " + r.Media.Without
				if !strings.Contains(text, tc.says) {
					t.Errorf("%q, want %q in it", text, tc.says)
				}
				if len(r.Calls) == 0 || r.Calls[0].Audio != tc.audio {
					t.Errorf("calls %+v, want %s", r.Calls, tc.audio)
				}
			}
		})
	}
}

// TestMediaOfSomeCalls shows that a path is not clean where one of its calls did not come about.
func TestMediaOfSomeCalls(t *testing.T) {
	trials := []Trial{
		played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 50),
		{Kind: TrialStep, Path: mediaPath(5060), Outcome: OutcomeFailed, Detail: "the call did not come about"},
	}
	var j Judge
	e := Evidence{Complete: true}
	for _, c := range e.Cases(trials) {
		j.Add(c)
	}
	p := j.Report().Paths[0]
	if p.Outbound != Untested || p.Inbound != Untested || !strings.Contains(p.Reason, "did not come about") {
		t.Errorf("%s %s: %s", p.Outbound, p.Inbound, p.Reason)
	}
}

// TestPinholes tells ports that a gateway opened from those that nothing filters.
func TestPinholes(t *testing.T) {
	sip := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}
	control := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 15060, Control: true}
	hole := func(p Path, neighbour, arrived bool, change ...func(*Pinhole)) Trial {
		x := &Pinhole{From: "media", Neighbour: neighbour, Listening: FirewallNone}
		for _, f := range change {
			f(x)
		}
		out := OutcomeFailed
		if arrived {
			out = OutcomeOK
		}
		if x.NotSent != "" {
			out = OutcomeUnsent
		}
		return Trial{Kind: TrialPinhole, Path: p, Outcome: out, Pinhole: x}
	}
	all := func(announced, neighbour, controls bool) []Trial {
		var list []Trial
		for range 3 {
			list = append(list, hole(sip, false, announced), hole(sip, true, neighbour), hole(control, false, controls), hole(control, true, controls))
		}
		return list
	}
	listening := func(state string, trials []Trial) []Trial {
		for i := range trials {
			p := *trials[i].Pinhole
			p.Listening = state
			trials[i].Pinhole = &p
		}
		return trials
	}
	anyPort := all(true, false, false)
	for i := range anyPort {
		if !anyPort[i].Pinhole.Neighbour {
			anyPort[i].Outcome = OutcomeOK
		}
	}
	for _, tc := range []struct {
		name   string
		trials []Trial
		want   Verdict
	}{
		{"opened", all(true, false, false), Inspected},
		{"opened on every port", anyPort, Inspected},
		{"a firewall here", listening(FirewallActive, all(true, false, false)), Clean},
		{"perhaps a firewall here", listening(FirewallUnknown, all(true, false, false)), Clean},
		{"nothing filters", all(true, true, true), Clean},
		{"all shut", all(false, false, false), Clean},
		{"the neighbour lost", append(all(true, false, true), hole(sip, true, true)), Clean},
		{"too few to tell", []Trial{hole(sip, false, true), hole(sip, true, false)}, Clean},
		{"not sent", []Trial{hole(sip, false, false, func(p *Pinhole) { p.NotSent = "private" })}, Clean},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene()
			s.Flows = append(s.Flows, Flow{ID: otherFlow, Path: sip})
			s.add(slices.Concat(good(otherFlow, 20), good(controlFlow, 20))...)
			c := s.Case
			c.Trials = append(c.Trials, tc.trials...)
			var j Judge
			j.Add(c)
			for _, p := range j.Report().Paths {
				if p.Path == sip && p.Outbound != tc.want {
					t.Errorf("%s: %s %s: %s", p.Path, p.Outbound, p.Inbound, p.Reason)
				}
			}
		})
	}
}

// TestBindings tells bindings that live longer or shorter on the port of SIP than elsewhere.
func TestBindings(t *testing.T) {
	sip := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}
	control := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 15060, Control: true}
	idle := func(p Path, s float64, open bool) Trial {
		out := OutcomeFailed
		if open {
			out = OutcomeOK
		}
		return Trial{Kind: TrialBinding, Path: p, Outcome: out, Binding: &Binding{Idle: s}}
	}
	for _, tc := range []struct {
		name   string
		trials []Trial
		want   Verdict
		short  bool
		cause  string
	}{
		{"alike", []Trial{idle(sip, 30, true), idle(sip, 60, false), idle(control, 30, true), idle(control, 60, false)}, Clean, false, ""},
		{"longer", []Trial{idle(sip, 30, true), idle(sip, 180, true), idle(control, 30, true), idle(control, 60, false)}, Inspected, false, "lives longer than on"},
		{"shorter", []Trial{idle(sip, 30, true), idle(sip, 45, false), idle(control, 30, true), idle(control, 60, true)}, Inspected, true, "does not live as long as on"},
		{"both short", []Trial{idle(sip, 15, true), idle(sip, 30, false), idle(control, 15, true), idle(control, 30, false)}, Clean, true, ""},
		{"lost on the way", []Trial{idle(sip, 15, false), idle(sip, 30, true), idle(control, 15, true), idle(control, 30, true)}, Clean, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene()
			s.Flows = append(s.Flows, Flow{ID: otherFlow, Path: sip})
			s.add(slices.Concat(good(otherFlow, 20), good(controlFlow, 20))...)
			c := s.Case
			c.Trials = append(c.Trials, tc.trials...)
			var j Judge
			j.Add(c)
			r := j.Report()
			for _, p := range r.Paths {
				if p.Path == sip && p.Outbound != tc.want {
					t.Errorf("%s %s: %s", p.Outbound, p.Inbound, p.Reason)
				}
			}
			cause := ""
			if tc.cause != "" {
				cause = "SIP over UDP on port 5060 (IPv4): an idle binding " + tc.cause + " port 15060, so it is the port that sets the box off."
			}
			if got := strings.Join(r.Triggers, "\n"); got != cause {
				t.Errorf("cause %q, want %q", got, cause)
			}
			if short := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID == "binding-short" }); short != tc.short {
				t.Errorf("short: %v", short)
			}
		})
	}
}
