package report_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"nofixup/alg"
)

// call is a call in a scene: its media is that of the path of a flow.
type call struct {
	*scene
	path       alg.Path
	signalling string
	step       string
	id         string
	own, far   netip.AddrPort
	seen       netip.AddrPort // our own media as the far end sees it
}

// call begins one on a flow that has been made.
func (s *scene) call(flow int, step string) *call {
	c := &call{scene: s, path: s.evidence.Flows[flow-1].Path, step: step, id: fmt.Sprintf("call-%d-%s", flow, step)}
	c.signalling, c.path.Proto = c.path.Proto, alg.ProtoMedia
	port := uint16(20000 + 4*flow)
	c.own, c.far = netip.AddrPortFrom(s.network.Local, port), netip.AddrPortFrom(s.network.Reflector, 10000)
	c.seen = c.own
	if s.network.NAT {
		c.seen = netip.AddrPortFrom(s.network.Public, port)
	}
	return c
}

// plays adds media of a kind in one direction, 20 ms apart, of which some arrived.
func (c *call) plays(outbound bool, towards, kind string, sent, arrived int) *alg.Trial {
	t := alg.Trial{
		Kind: alg.TrialMedia, Path: c.path, Src: c.own, Dst: c.far, At: began, Outcome: alg.OutcomeOK,
		Media: &alg.Media{
			Call: c.id, Signalling: c.signalling, Step: c.step, Kind: kind, Outbound: outbound, Towards: towards,
			Octets: 172, Sent: sent, Received: arrived, Span: float64(20 * sent), Heard: float64(20 * sent), Delay: 11.25, Seen: c.seen,
		},
	}
	m := t.Media
	codec, payload, point := "PCMU", 0, alg.Outside
	if kind == alg.MediaVideo {
		m.Octets, codec, payload = 1200, "H264", 97
	}
	if !outbound {
		t.Src, t.Dst, m.Seen, point = c.far, c.own, c.far, alg.Inside
	}
	if arrived == 0 {
		t.Outcome, m.Heard, m.Delay, m.Seen = alg.OutcomeFailed, 0, 0, netip.AddrPort{}
	} else if kind != alg.MediaRTCP {
		m.Stream = &alg.Stream{
			Src: t.Src, Dst: t.Dst, SSRC: "0x00000001", Payload: payload, Codec: codec, Packets: arrived, Lost: sent - arrived, Jitter: 0.4,
			First: began, Last: began.Add(time.Second), Point: point, DSCP: 46,
		}
	}
	c.trials = append(c.trials, t)
	return &c.trials[len(c.trials)-1]
}

func (c *call) unsent(why string) {
	t := c.plays(false, alg.TowardsAnnounced, alg.MediaAudio, 0, 0)
	t.Outcome, t.Media.NotSent = alg.OutcomeUnsent, why
}

// passes plays audio, video and RTCP both ways, as with a far end that sends media back to where it comes from.
func (c *call) passes() *call {
	for _, kind := range []string{alg.MediaAudio, alg.MediaVideo} {
		c.plays(true, alg.TowardsAnnounced, kind, 50, 50)
		c.plays(false, alg.TowardsSource, kind, 50, 50)
	}
	c.plays(true, alg.TowardsAnnounced, alg.MediaRTCP, 2, 2)
	c.plays(false, alg.TowardsSource, alg.MediaRTCP, 2, 2)
	return c
}

// hole adds tries of a datagram from outside.
func (s *scene) hole(flow int, from string, neighbour bool, tries int, arrived bool, change ...func(*alg.Pinhole)) {
	for range tries {
		t := alg.Trial{
			Kind: alg.TrialPinhole, Path: s.evidence.Flows[flow-1].Path, At: began, Outcome: alg.OutcomeFailed,
			Src: netip.MustParseAddrPort("203.0.113.10:10000"), Dst: netip.MustParseAddrPort("198.51.100.2:20000"),
			Pinhole: &alg.Pinhole{From: from, Neighbour: neighbour, Listening: alg.FirewallNone},
		}
		for _, f := range change {
			f(t.Pinhole)
		}
		switch {
		case t.Pinhole.NotSent != "":
			t.Outcome = alg.OutcomeUnsent
		case arrived:
			t.Outcome = alg.OutcomeOK
		}
		s.trials = append(s.trials, t)
	}
}

func (s *scene) idle(flow int, seconds float64, open bool) {
	t := alg.Trial{
		Kind: alg.TrialBinding, Path: s.evidence.Flows[flow-1].Path, At: began, Outcome: alg.OutcomeFailed, Binding: &alg.Binding{Idle: seconds},
		Src: netip.MustParseAddrPort("203.0.113.10:5060"), Dst: netip.MustParseAddrPort("198.51.100.2:40000"),
	}
	if open {
		t.Outcome = alg.OutcomeOK
	}
	s.trials = append(s.trials, t)
}

// sized sends an INVITE for its size, on both ports; where it is lost there are good messages before and behind.
func (s *scene) sized(main, control, octets, fragments int, arrives bool) {
	raw := invite + strings.Repeat("a", octets-len(invite))
	for _, f := range []int{control, main} {
		tries, got := 1, &raw
		if !arrives {
			tries, got = 12, nil
			s.both(f, 1, invite, busy)
		}
		from := len(s.evidence.Pairs)
		s.send(f, true, fmt.Sprintf("invite-size-%d", octets), tries, raw, got)
		for i := range s.evidence.Pairs[from:] {
			p := &s.evidence.Pairs[from+i]
			p.Datagram = alg.Datagram{Octets: octets, Fragments: fragments, DF: alg.DFClear}
		}
		if !arrives {
			s.both(f, 1, invite, busy)
		}
	}
}

// ports are flows of SIP on the well-known port and on the control port, over which messages pass.
func (s *scene) ports(rewrite ...string) (main, control int) {
	main, control = s.flow(5060, alg.Ephemeral, false), s.flow(15060, alg.Ephemeral, true)
	s.both(control, 20, invite, busy)
	s.both(main, 1, invite, busy, rewrite...)
	s.send(main, true, "invite-no-cseq", 1, noCSeq, &noCSeq)
	return main, control
}

func mediaScenes() map[string]func() *scene {
	return map[string]func() *scene{
		"media-nat": func() *scene {
			s := newScene().nat()
			main, control := s.ports()
			s.sized(main, control, 1472, 1, true)
			s.sized(main, control, 1600, 2, true)
			s.sized(main, control, 3000, 3, true)
			for _, f := range []int{main, control} {
				s.call(f, "live").passes().unsent("private")
				s.hole(f, "media", false, 1, false, func(p *alg.Pinhole) { p.NotSent = "private" })
			}
			return s
		},
		"media-depends": func() *scene {
			s := newScene().nat()
			main, control := s.ports("10.0.0.9:5060", "198.51.100.2:5060", "IN IP4 10.0.0.9", "IN IP4 198.51.100.2")
			s.sized(main, control, 1472, 1, true)
			s.sized(main, control, 1600, 2, false)
			c := s.call(main, "live").passes()
			t := c.plays(false, alg.TowardsAnnounced, alg.MediaAudio, 50, 49)
			t.Dst, t.Media.Rewritten = c.seen, true
			t.Media.Stream.Late, t.Media.Stream.Duplicates = 2, 1
			s.call(control, "live").passes().unsent("private")
			for _, f := range []int{main, control} {
				s.hole(f, "media", false, 3, f == main)
				s.hole(f, "media", true, 3, false)
			}
			s.hole(main, "media", false, 1, true, func(p *alg.Pinhole) { p.RTCP = true })
			s.hole(main, "port", false, 1, true)
			s.hole(main, "host", false, 1, false, func(p *alg.Pinhole) { p.NotSent = "foreign" })
			s.hole(main, "port", true, 1, false, func(p *alg.Pinhole) { p.NotSent = "announced" })
			for _, seconds := range []float64{30, 95, 185} {
				s.hole(main, "media", false, 1, seconds < 180, func(p *alg.Pinhole) { p.Idle = seconds })
			}
			s.idle(main, 15, true)
			s.idle(main, 30, true)
			s.idle(main, 60, false)
			s.idle(control, 30, true)
			s.idle(control, 60, false)
			return s
		},
		"media-one-way": func() *scene { // of two calls the second is rewritten but for the address of its media
			s := h323Scene()
			var live *call
			for i, f := range s.evidence.Flows {
				if f.Path.Proto == alg.ProtoH323 && !f.Path.Control {
					live = s.call(i+1, "setup-12").passes()
					break
				}
			}
			live.plays(false, alg.TowardsAnnounced, alg.MediaAudio, 50, 50).Media.Rewritten = true
			partly := *live
			partly.step, partly.id = "setup-27", "call-27"
			partly.passes().unsent("private")
			main, _ := s.ports()
			s.call(main, "live").passes().plays(false, alg.TowardsAnnounced, alg.MediaAudio, 50, 50)
			return s
		},
		"media-blocked": func() *scene {
			s := newScene().nat()
			main, control := s.ports()
			for _, f := range []int{main, control} {
				c := s.call(f, "live")
				c.plays(true, alg.TowardsAnnounced, alg.MediaAudio, 50, 0)
				c.plays(true, alg.TowardsAnnounced, alg.MediaVideo, 50, 0)
				c.unsent("private")
			}
			return s
		},
		"media-ends": func() *scene { // what comes in, after a second
			s := newScene()
			main, control := s.ports()
			for _, f := range []int{main, control} {
				c := s.call(f, "live")
				c.plays(true, alg.TowardsAnnounced, alg.MediaAudio, 100, 100)
				c.plays(false, alg.TowardsSource, alg.MediaAudio, 100, 50).Media.Heard = 1000
				s.hole(f, "media", false, 3, false, func(p *alg.Pinhole) { p.Listening = alg.FirewallActive })
			}
			return s
		},
		"media-lossy": func() *scene {
			s := newScene()
			main, control := s.ports()
			for _, f := range []int{main, control} {
				c := s.call(f, "live")
				c.plays(true, alg.TowardsAnnounced, alg.MediaAudio, 100, 100).Media.Stream.DSCP = 0 // somebody clears the mark
				c.plays(false, alg.TowardsSource, alg.MediaAudio, 100, 80).Media.Heard = 1980
				t := c.plays(false, alg.TowardsAnnounced, alg.MediaAudio, 100, 81)
				t.Media.Heard, t.Media.Stream.DSCP = 2000, 0
			}
			return s
		},
	}
}
