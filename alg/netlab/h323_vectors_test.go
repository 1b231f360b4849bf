package netlab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"nofixup/alg/netlab"
	"nofixup/h323"
)

// composed is a vector before the kernel has seen it.
type composed struct {
	name, about string
	mode        netlab.Mode
	nat         []string
	steps       []message
}

// The ends of the calls in the vectors.
var (
	callerAt   = port(netlab.LANAddr, 40001)
	calleeAt   = port(netlab.WANAddr, 1720)
	callerSeen = port(netlab.PublicAddr, 40001)
	clientAt   = port(netlab.LANAddr, 1719)
	keeperAt   = port(netlab.WANAddr, 1719)
	clientSeen = port(netlab.PublicAddr, 1719)
)

func lanPort(p uint16) netip.AddrPort { return port(netlab.LANAddr, p) }
func wanPort(p uint16) netip.AddrPort { return port(netlab.WANAddr, p) }

// foreignPort is a private address that is nobody's here.
func foreignPort(p uint16) netip.AddrPort { return port(netip.MustParseAddr("10.9.9.9"), p) }

func guidFrom(first byte) (id [16]byte) {
	for i := range id {
		id[i] = first + byte(i)
	}
	return id
}

// appender is a message of any kind.
type appender interface {
	Append([]byte) ([]byte, []h323.Span, error)
}

// octetsOf composes messages, one behind the other.
func octetsOf(t testing.TB, messages ...any) []byte {
	t.Helper()
	var b []byte
	for _, m := range messages {
		var err error
		switch m := m.(type) {
		case []byte:
			b = append(b, m...)
		case h323.CallBody:
			b, _, err = signalling(m).Append(b)
		case appender:
			b, _, err = m.Append(b)
		case h323.RASBody:
			b, _, err = h323.RASMessage{Seq: 7, Body: m}.Append(b)
		case h323.Control:
			b, _, err = h323.AppendControlTPKT(b, m)
		default:
			err = fmt.Errorf("no message: %T", m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func signalling(body h323.CallBody, control ...h323.Control) h323.CallMessage {
	return h323.CallMessage{Reference: 0x1234, ID: guidFrom(0x40), Body: body, Tunnelling: true, Control: control}
}

// rtpChannels are n channels from each side, with RTP ports from first on.
func rtpChannels(n int, at func(uint16) netip.AddrPort, first uint16) []h323.Channel {
	var all []h323.Channel
	for i := range uint16(n) {
		rtp := first + 2*i
		all = append(all,
			h323.Channel{Number: i + 1, MediaControl: at(rtp + 1)},
			h323.Channel{Number: i + 1, Reverse: true, Media: at(rtp), MediaControl: at(rtp + 1)})
	}
	return all
}

func setupOf(bits int, at func(uint16) netip.AddrPort, fast ...h323.Channel) h323.SetupBody {
	b := h323.SetupBody{
		ExtensionBits:           bits,
		Source:                  []h323.Alias{{Value: "inside"}, {Kind: h323.AliasDigits, Value: "100"}},
		Destination:             []h323.Alias{{Value: "outside"}, {Kind: h323.AliasURL, Value: "h323:outside@example.net"}},
		SourceCallSignalAddress: at(callerAt.Port()),
		DestCallSignalAddress:   calleeAt,
		H245Address:             at(41000),
		ConferenceID:            guidFrom(0x20),
		FastStart:               fast,
	}
	if bits > 24 {
		b.ParallelH245Control = []h323.Control{
			h323.CapabilitySet{Sequence: 1}, h323.Determination{Number: 70000}, h323.Channel{Number: 7, MediaControl: at(41101)},
		}
	}
	return b
}

func answerOf(m h323.Message, at func(uint16) netip.AddrPort, fast ...h323.Channel) h323.AnswerBody {
	return h323.AnswerBody{Message: m, H245Address: at(41000), FastStart: fast, ConferenceID: guidFrom(0x20)}
}

// script collects the steps of a vector.
type script struct {
	t     testing.TB
	steps []message
}

func (s *script) send(proto string, src, dst netip.AddrPort, messages ...any) *script {
	s.steps = append(s.steps, message{proto, src, dst, octetsOf(s.t, messages...)})
	return s
}

// out goes from the caller inside to the callee, back the other way.
func (s *script) out(messages ...any) *script { return s.send("tcp", callerAt, calleeAt, messages...) }

func (s *script) back(messages ...any) *script {
	return s.send("tcp", calleeAt, callerSeen, messages...)
}

// ask goes from the client inside to the gatekeeper, tell the other way.
func (s *script) ask(messages ...any) *script { return s.send("udp", clientAt, keeperAt, messages...) }

func (s *script) tell(messages ...any) *script {
	return s.send("udp", keeperAt, clientSeen, messages...)
}

// composeVectors composes all of them.
func composeVectors(t testing.TB) []composed {
	var all []composed
	begin := func() *script { return &script{t: t} }
	add := func(name, about string, s *script) *composed {
		all = append(all, composed{name: name, about: about, mode: netlab.ALG, steps: s.steps})
		return &all[len(all)-1]
	}
	setupVectors(t, begin, add)
	answerVectors(begin, add)
	controlVectors(begin, add)
	segmentVectors(t, begin, add)
	rasVectors(begin, add)
	return all
}

type adder = func(name, about string, s *script) *composed

func setupVectors(t testing.TB, begin func() *script, add adder) {
	for _, bits := range []int{7, 8, 9, 10, 11, 12, 24, 25, 26, 27, 28} {
		s := begin().out(setupOf(bits, lanPort, rtpChannels(2, lanPort, 42000)...))
		add(fmt.Sprintf("setup-%d", bits), fmt.Sprintf("A Setup whose bitmap of extension additions has %d bits.", bits), s)
	}
	for _, bits := range []int{7, 9, 10, 11, 12, 26, 27, 28} {
		s := begin().out(signalling(setupOf(bits, lanPort), h323.Channel{MediaControl: lanPort(42101)}))
		add(fmt.Sprintf("setup-%d-tunnel", bits),
			fmt.Sprintf("A Setup with a bitmap of %d bits and a channel in h245Control.", bits), s)
	}
	for _, bits := range []int{12, 27} {
		s := begin().out(setupOf(bits, foreignPort, rtpChannels(2, foreignPort, 42000)...))
		add(fmt.Sprintf("setup-%d-foreign", bits), "A Setup with the addresses of another host.", s)
	}
	for n := 1; n <= 5; n++ {
		s := begin().out(h323.SetupBody{ExtensionBits: 7, FastStart: rtpChannels(n, lanPort, 42000)})
		add(fmt.Sprintf("setup-channels-%d", n), fmt.Sprintf("%d pairs of ports in fastStart, four are the most.", n), s)
	}
	add("setup-public", "A Setup with the public address and another port.", begin().
		out(setupOf(12, func(p uint16) netip.AddrPort { return port(netlab.PublicAddr, p+1) })))
	other := setupOf(12, lanPort)
	other.DestCallSignalAddress = port(netlab.WANAddr2, 1722)
	add("setup-other-callee", "A Setup for another host than the packet.", begin().out(other))
	other.DestCallSignalAddress = port(netlab.WANAddr, 1722)
	add("setup-other-port", "A Setup for another port of the host.", begin().out(other))
	other.SourceCallSignalAddress = port(netlab.LANAddr6, 1720)
	other.H245Address = port(netlab.LANAddr6, 41000)
	add("setup-six", "A Setup over IPv4 with addresses of IPv6.", begin().out(other))
	add("setup-bare", "A Setup without any address.", begin().out(h323.SetupBody{}))
	add("setup-ports", "Ports in fastStart that are odd, 0, 1, the last, and the same twice.", begin().out(h323.SetupBody{
		ExtensionBits: 7, FastStart: []h323.Channel{
			{Media: lanPort(42001), MediaControl: lanPort(42003)},
			{Number: 2, Media: lanPort(0), MediaControl: lanPort(1)},
			{Number: 3, Media: lanPort(65535), MediaControl: lanPort(65534)},
			{Number: 4, Media: lanPort(42002), MediaControl: lanPort(42003)},
		},
	}))
	add("setup-mixed", "Own and foreign addresses in one Setup; video and audio.", begin().out(h323.SetupBody{
		ExtensionBits: 12, SourceCallSignalAddress: foreignPort(1720), H245Address: lanPort(41000), FastStart: []h323.Channel{
			{Codec: h323.CodecH261, MediaControl: lanPort(42001)},
			{Number: 2, Codec: h323.CodecH263, Reverse: true, Media: foreignPort(42002), MediaControl: lanPort(42003)},
			{Number: 3, Codec: h323.CodecG711Alaw, Reverse: true, Media: port(netlab.LANAddr6, 42004)},
		},
	}))
	display := signalling(setupOf(26, lanPort))
	display.Display = "somebody inside"
	add("setup-display", "Another information element before the one with the addresses.", begin().out(display))
	twice := setupOf(12, lanPort, rtpChannels(2, lanPort, 42000)...)
	add("setup-twice", "The same Setup again on one connection.", begin().out(twice).out(twice))
	add("setup-echo", "A Setup that comes back.", begin().out(twice).back(twice))
	add("setup-inwards", "A Setup with the right addresses, against the direction of the connection.", begin().
		out(h323.FacilityBody{}).
		back(h323.SetupBody{
			SourceCallSignalAddress: wanPort(1720), DestCallSignalAddress: callerSeen, H245Address: wanPort(41000),
			FastStart: rtpChannels(2, wanPort, 42000),
		}))
	add("setup-media", "A Setup, and media to what it announced. The port next to it is closed.", begin().
		out(setupOf(7, lanPort, rtpChannels(1, lanPort, 42000)...)).
		send("udp", wanPort(43000), port(netlab.PublicAddr, 42000), []byte("RTP")).
		send("udp", wanPort(43001), port(netlab.PublicAddr, 42001), []byte("RTCP")).
		send("udp", wanPort(43002), port(netlab.PublicAddr, 42002), []byte("stray")))
	add("setup-media-again", "The ports of one call announced in another one: there both pairs get the same public ports.", begin().
		out(h323.SetupBody{ExtensionBits: 7, FastStart: rtpChannels(2, lanPort, 42000)}).
		send("tcp", lanPort(40003), calleeAt, h323.SetupBody{ExtensionBits: 7, FastStart: rtpChannels(2, lanPort, 42002)}).
		send("udp", wanPort(43000), port(netlab.PublicAddr, 42004), []byte("RTP")))
	add("setup-other-port-number", "A connection to another port than 1720.", begin().
		send("tcp", callerAt, wanPort(1721), twice))
	add("setup-nat", "A Setup over a connection that has another port outside.", begin().out(twice)).nat = []string{
		"tcp", callerAt.String(), port(netlab.PublicAddr, 61234).String(),
	}
	add("firewall-setup", "A Setup through a firewall without translation, and media to what it announced.", begin().
		out(setupOf(7, lanPort, rtpChannels(1, lanPort, 42000)...)).
		send("udp", wanPort(43000), lanPort(42000), []byte("RTP")).
		send("udp", wanPort(43002), lanPort(42002), []byte("stray"))).mode = netlab.FirewallALG
}

func answerVectors(begin func() *script, add adder) {
	kinds := map[string]h323.Message{
		"proceeding": h323.CallProceeding, "alerting": h323.Alerting, "connect": h323.Connect, "progress": h323.Progress,
	}
	for name, kind := range kinds {
		for _, version := range []uint8{2, 3, 4, 7} {
			m := signalling(answerOf(kind, lanPort, rtpChannels(1, lanPort, 42000)...))
			m.Version, m.FromCallee = version, true
			add(fmt.Sprintf("%s-%d", name, version), fmt.Sprintf("%v from inside, version %d of H.225.0.", kind, version), begin().out(m))
		}
		m := signalling(answerOf(kind, lanPort), h323.ChannelAck{Media: lanPort(42000), MediaControl: lanPort(42001)})
		add(name+"-tunnel", fmt.Sprintf("%v from inside with a channel in h245Control.", kind), begin().out(m))
		m.Version = 7
		add(name+"-7-tunnel", fmt.Sprintf("%v of version 7 from inside with a channel in h245Control.", kind), begin().out(m))
		add(name+"-inwards", fmt.Sprintf("%v from outside with addresses of the sender, then with others.", kind), begin().
			out(h323.SetupBody{}).
			back(answerOf(kind, wanPort, rtpChannels(1, wanPort, 42000)...)).
			back(answerOf(kind, lanPort, rtpChannels(1, lanPort, 42000)...)).
			back(answerOf(kind, func(p uint16) netip.AddrPort { return port(netlab.PublicAddr, p) })))
		add(name+"-foreign", fmt.Sprintf("%v from inside with addresses of another host.", kind), begin().
			out(answerOf(kind, foreignPort, rtpChannels(1, foreignPort, 42000)...)))
	}
	add("facility-h245", "A Facility that starts H.245.", begin().out(h323.FacilityBody{H245Address: lanPort(41000)}))
	add("facility-fast", "A Facility with fastStart and h245Address.", begin().
		out(h323.FacilityBody{H245Address: lanPort(41000), FastStart: rtpChannels(1, lanPort, 42000)}))
	add("facility-forwarded", "A Facility that sends the caller to the own address.", begin().
		out(h323.FacilityBody{AlternativeAddress: lanPort(41000), H245Address: lanPort(41002), Reason: h323.FacilityCallForwarded}))
	add("facility-forwarded-outside", "A Facility that sends the caller to a third party outside.", begin().
		out(h323.FacilityBody{AlternativeAddress: port(netlab.WANAddr2, 1720)}))
	add("facility-forwarded-inwards", "A Facility from outside that sends the caller to a third party outside.", begin().
		out(h323.SetupBody{}).back(h323.FacilityBody{AlternativeAddress: port(netlab.WANAddr2, 1720)}))
	add("facility-alternative", "A Facility with an alternativeAddress and another reason.", begin().
		out(h323.FacilityBody{AlternativeAddress: lanPort(41000), Reason: h323.FacilityRouteCallToGatekeeper}))
	add("release", "A ReleaseComplete with a channel in h245Control.", begin().
		out(signalling(h323.ReleaseBody{}, h323.Channel{MediaControl: lanPort(42001)})))
	add("empty", "A message without a body, with channels in h245Control.", begin().
		out(signalling(nil, h323.CapabilitySet{}, h323.Channel{MediaControl: lanPort(42001)},
			h323.ChannelAck{Media: lanPort(42002), MediaControl: lanPort(42003)})))
	add("tunnel-fifth", "A channel as the fifth message in h245Control, four are looked at.", begin().
		out(signalling(h323.FacilityBody{}, append(slices.Repeat([]h323.Control{h323.CapabilitySet{}}, 4), tunnelled(1)...)...)))
	add("tunnel-fourth", "A channel as the fourth message in h245Control.", begin().
		out(signalling(h323.FacilityBody{}, append(slices.Repeat([]h323.Control{h323.CapabilitySet{}}, 3), tunnelled(1)...)...)))
	add("tunnel-five", "Five channels in h245Control, four are the most.", begin().
		out(signalling(h323.FacilityBody{}, tunnelled(5)...)))
	add("connect-media-again", "Two calls that announce the same media of the callee.", begin().
		out(h323.SetupBody{}).
		back(h323.AnswerBody{Message: h323.Connect, FastStart: rtpChannels(1, wanPort, 42000)}).
		send("tcp", lanPort(40003), calleeAt, h323.SetupBody{}).
		send("tcp", calleeAt, port(netlab.PublicAddr, 40003), h323.AnswerBody{Message: h323.Connect, FastStart: rtpChannels(1, wanPort, 42000)}))
	add("connect-h245-again", "Two calls that announce the same address of the callee for H.245.", begin().
		out(h323.SetupBody{}).
		back(h323.AnswerBody{Message: h323.Connect, H245Address: wanPort(41000)}).
		send("tcp", lanPort(40003), calleeAt, h323.SetupBody{}).
		send("tcp", calleeAt, port(netlab.PublicAddr, 40003), h323.AnswerBody{Message: h323.Connect, H245Address: wanPort(41000)}))
}

// tunnelled are n channels with ports of their own.
func tunnelled(n int) []h323.Control {
	var all []h323.Control
	for i := range uint16(n) {
		all = append(all, h323.Channel{Number: i + 1, MediaControl: lanPort(42001 + 2*i)})
	}
	return all
}

// controlsOf are what H.245 says of channels: a request and the answer to one.
func controlsOf(at func(uint16) netip.AddrPort) []any {
	return []any{
		h323.CapabilitySet{},
		h323.Channel{MediaControl: at(42001)},
		h323.ChannelAck{Media: at(42002), MediaControl: at(42003)},
		h323.Channel{Number: 2, Codec: h323.CodecH261, Session: 2, MediaControl: at(42005)},
	}
}

func controlVectors(begin func() *script, add adder) {
	control := func(s *script, open, back func(...any) *script) {
		for _, m := range controlsOf(lanPort) {
			open(m)
		}
		for _, m := range controlsOf(wanPort) {
			back(m)
		}
		open(h323.Channel{Number: 3, MediaControl: foreignPort(42007)}, h323.Channel{Number: 4, MediaControl: lanPort(42009)})
	}
	s := begin().out(h323.SetupBody{}).back(answerOf(h323.Connect, wanPort))
	control(s,
		func(m ...any) *script { return s.send("tcp", lanPort(40101), wanPort(41000), m...) },
		func(m ...any) *script { return s.send("tcp", wanPort(41000), port(netlab.PublicAddr, 40101), m...) })
	add("h245-outwards", "H.245 over a connection to where the callee outside wants it.", s)

	s = begin().out(answerOf(h323.Connect, lanPort))
	control(s,
		func(m ...any) *script { return s.send("tcp", lanPort(41000), wanPort(40101), m...) },
		func(m ...any) *script { return s.send("tcp", wanPort(40101), port(netlab.PublicAddr, 41000), m...) })
	// The connection comes from outside, so that side speaks first.
	s.steps = append([]message{s.steps[0], s.steps[5]}, slices.Concat(s.steps[1:5], s.steps[6:])...)
	add("h245-inwards", "H.245 over a connection from outside to where the one inside wants it.", s)

	s = begin().send("tcp", lanPort(40101), wanPort(41000), h323.Channel{MediaControl: lanPort(42001)})
	add("h245-unexpected", "H.245 over a connection that nobody has announced.", s)

	s = begin().out(h323.SetupBody{}).back(answerOf(h323.Connect, wanPort))
	olc := octetsOf(s.t, h323.Channel{MediaControl: lanPort(42001)})
	ack := octetsOf(s.t, h323.ChannelAck{Media: lanPort(42002), MediaControl: lanPort(42003)})
	h245 := func(m ...any) { s.send("tcp", lanPort(40101), wanPort(41000), m...) }
	h245(ack[:4])
	h245(ack[4:])
	h245(olc[:4])
	h245(olc[4:])
	h245(olc[:10])
	h245(olc[10:])
	h245(olc, ack)
	add("h245-split", "H.245 in pieces. The contents of an openLogicalChannel begin like a packet header.", s)

	s = begin().out(h323.SetupBody{}).back(answerOf(h323.Connect, wanPort))
	for i := range uint16(6) {
		h245 := h323.ChannelAck{Number: i + 1, Media: lanPort(42000 + 2*i), MediaControl: lanPort(42001 + 2*i)}
		s.send("tcp", lanPort(40101), wanPort(41000), h245)
	}
	add("h245-six", "Six channels, four are the most.", s)

	fast := answerOf(h323.Connect, wanPort, rtpChannels(1, wanPort, 42000)...)
	add("h245-media-again", "H.245 from outside announces the media that Connect has announced.", begin().
		out(h323.SetupBody{ExtensionBits: 7, FastStart: rtpChannels(1, lanPort, 42000)}).back(fast).
		send("tcp", lanPort(40101), wanPort(41000), h323.ChannelAck{Media: lanPort(42000), MediaControl: lanPort(42001)}).
		send("tcp", wanPort(41000), port(netlab.PublicAddr, 40101), h323.ChannelAck{Media: wanPort(42000), MediaControl: wanPort(42001)}))

	s = begin().out(answerOf(h323.Connect, lanPort)).
		send("tcp", wanPort(40101), lanPort(41000), h323.CapabilitySet{}).
		send("tcp", lanPort(41000), wanPort(40101), h323.ChannelAck{Media: lanPort(42000), MediaControl: lanPort(42001)}).
		send("udp", wanPort(43000), lanPort(42000), []byte("RTP"))
	add("firewall-h245", "H.245 and media through a firewall without translation.", s).mode = netlab.FirewallALG

	six := func(p uint16) netip.AddrPort { return port(netlab.LANAddr6, p) }
	s = begin().send("tcp", six(40001), port(netlab.WANAddr6, 1720), answerOf(h323.Connect, six, rtpChannels(1, six, 42000)...)).
		send("udp", port(netlab.WANAddr6, 43000), six(42000), []byte("RTP")).
		send("udp", port(netlab.WANAddr6, 43000), six(42002), []byte("stray")).
		send("tcp", port(netlab.WANAddr6, 40101), six(41000), h323.CapabilitySet{})
	add("firewall-six", "H.323 over IPv6.", s).mode = netlab.FirewallALG
}
