package alg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestMediaSummary has what people are told of media, for calls of which the path and the fate of the media differ.
func TestMediaSummary(t *testing.T) {
	const setup = "h323"
	h323 := func(x *Trial) {
		x.Path.Transport, x.Path.Port = "tcp", 1720
		x.Media.Signalling, x.Media.Call = ProtoH323, setup
	}
	announced := func(port uint16, received int, change ...func(*Trial)) Trial {
		return played(port, false, TowardsAnnounced, 50, received, change...)
	}
	both := func(port uint16, change ...func(*Trial)) []Trial {
		return []Trial{played(port, true, TowardsAnnounced, 50, 50, change...), played(port, false, TowardsSource, 50, 50, change...)}
	}
	for _, tc := range []struct {
		name, hears, without string
		trials               []Trial
	}{
		{"nothing but the control port", "", "", both(15060)},
		{
			"calls that differ", "SIP over UDP to port 5060: Audio passes both ways. " +
				"H.323 over TCP to port 1720: A user on this network hears nothing and is not heard.", "",
			append(both(5060), announced(5060, 50), played(1720, true, TowardsAnnounced, 50, 0, h323)),
		},
		{
			"calls that do not", "Audio passes both ways.", "",
			slices.Concat(both(5060), both(1720, h323), []Trial{announced(5060, 50), announced(1720, 50, h323)}),
		},
		{
			"blocked on one port alone", "A user on this network is heard and hears nothing.", "Where nothing reads the call audio passes both ways.",
			slices.Concat(both(15060), []Trial{played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 0), announced(15060, 50)}),
		},
		{
			"ends outbound", "A user on this network hears the other side and is heard for 1.0 s and then no more.", "",
			[]Trial{played(5060, true, TowardsAnnounced, 100, 50, heardFor(1000)), played(5060, false, TowardsSource, 50, 50)},
		},
		{
			"ends both ways", "A user on this network is heard for 1.0 s and then no more, and hears the other side for 1.0 s and then nothing.", "",
			[]Trial{played(5060, true, TowardsAnnounced, 100, 50, heardFor(1000)), played(5060, false, TowardsSource, 100, 50, heardFor(1000))},
		},
		{
			"gaps", "Audio passes both ways if the far end sends media back to where it comes from (symmetric RTP), with gaps (inbound: about 20 % of the media is lost).", "",
			[]Trial{played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 40, heardFor(960))},
		},
		{
			"some ports", "Whether audio passes depends on the port: of the media from port 40000 nothing arrives, of that from port 20000 it does.", "",
			append(both(5060), played(5060, true, TowardsAnnounced, 30, 0, func(t *Trial) { t.Src = netip.MustParseAddrPort("10.0.0.9:40000") })),
		},
		{
			// Where media does not pass in a call that nobody reads either, turning off what reads the others changes nothing.
			"no better without", "A user on this network is heard and hears nothing.", "",
			[]Trial{
				played(5060, true, TowardsAnnounced, 50, 50), played(5060, false, TowardsSource, 50, 0),
				played(15060, true, TowardsAnnounced, 50, 50), played(15060, false, TowardsSource, 50, 0),
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var j Judge
			for _, c := range (&Evidence{Complete: true}).Cases(tc.trials) {
				j.Add(c)
			}
			s := j.Report().Media
			if s == nil {
				s = &MediaSummary{}
			}
			if s.Hears != tc.hears || s.Without != tc.without {
				t.Errorf("%q %q,\nwant %q %q", s.Hears, s.Without, tc.hears, tc.without)
			}
		})
	}
}

// TestLargest has the largest safe INVITE by what arrived of messages that were sent for their size.
func TestLargest(t *testing.T) {
	sip := Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}
	other := Path{Proto: ProtoSIP, Transport: "udp", Family: 6, Port: 5060}
	for _, tc := range []struct {
		name  string
		sizes map[Path]sizes
		want  string
	}{
		{"nothing known", nil, "below 1,300 octets, or use TCP or TLS (RFC 3261 18.1.1)"},
		{"all arrives", map[Path]sizes{sip: {whole: 1472, parts: 3000}}, "within 1,472 octets, the most that arrived in one packet, or use TCP or TLS (RFC 3261 18.1.1); fragments arrive as well, up to 3,000 octets"},
		{"the path that carries least", map[Path]sizes{sip: {whole: 1472, parts: 3000}, other: {whole: 1452, partsLost: 1600}}, "within 1,452 octets, the most that arrived in one packet, or use TCP or TLS (RFC 3261 18.1.1); of 1,600 octets in fragments none arrives"},
		{"no fragments sent", map[Path]sizes{sip: {whole: 1472}}, "whether fragments arrive is not known"},
		{"a full packet lost", map[Path]sizes{sip: {wholeLost: 1472, parts: 1600}, other: {whole: 1452}}, "below 1,300 octets, or use TCP or TLS (RFC 3261 18.1.1): of 1,472 octets in one packet none arrives"},
		{"very small", map[Path]sizes{sip: {wholeLost: 900}}, "below 900 octets"},
	} {
		j := Judge{sizes: tc.sizes}
		if got := j.largest(); !strings.HasSuffix(got, tc.want) && !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q in it", tc.name, got, tc.want)
		}
	}
}

// TestKeepSizes shows that sizes come from what was delivered and from what was lost for good between good messages, on paths of
// SIP that are no control.
func TestKeepSizes(t *testing.T) {
	s := newScene().add(around()...)
	for _, z := range []struct {
		octets, fragments, tries int
		lost                     bool
	}{{1400, 1, 1, false}, {1472, 1, 1, false}, {1600, 2, 9, true}, {3000, 3, 1, true}} {
		for _, flow := range []int{controlFlow, mainFlow} {
			before := len(s.Pairs)
			m := message{flow: flow, step: fmt.Sprint("invite-size-", z.octets), tries: z.tries}
			if z.lost {
				m.lost = z.tries
			}
			s.add(m)
			for i := range s.Pairs[before:] {
				s.Pairs[before+i].Datagram = Datagram{Octets: z.octets, Fragments: z.fragments}
			}
		}
	}
	s.add(good(mainFlow, 1)...).add(good(controlFlow, 1)...)
	var j Judge
	j.Add(s.Case)
	want := fmt.Sprint(map[Path]sizes{sipPath: {whole: 1472, partsLost: 1600}})
	if got := fmt.Sprint(j.sizes); got != want {
		t.Errorf("%s, want %s: 3,000 octets were lost but once, which proves nothing", got, want)
	}
}
