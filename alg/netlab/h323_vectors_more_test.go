package netlab_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"nofixup/alg/netlab"
	"nofixup/h323"
)

// segmentVectors are one Setup in segments of all kinds.
func segmentVectors(t testing.TB, begin func() *script, add adder) {
	whole := octetsOf(t, setupOf(12, lanPort, rtpChannels(1, lanPort, 42000)...))
	second := octetsOf(t, signalling(answerOf(h323.Alerting, lanPort, rtpChannels(1, lanPort, 42100)...)))
	pieces := func(b []byte, at ...int) *script {
		s := begin()
		from := 0
		for _, to := range append(at, len(b)) {
			s.out(b[from:to])
			from = to
		}
		return s
	}
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(whole)
		change(b)
		return b
	}
	add("split-header", "The header, then the rest.", pieces(whole, 4))
	add("split-header-next", "The header, then the rest together with the next packet.", pieces(slices.Concat(whole, second), 4))
	add("split-header-piece", "The header, then a piece, then the rest.", pieces(whole, 4, 100))
	add("split-2", "Split inside the header.", pieces(whole, 2))
	add("split-5", "Split behind the first octet after the header.", pieces(whole, 5))
	add("split-half", "Split in the middle.", pieces(whole, len(whole)/2))
	add("split-last", "Split before the last octet.", pieces(whole, len(whole)-1))
	add("split-then-whole", "A split packet, and a whole one on the same connection.", pieces(slices.Concat(whole, second), 20, len(whole)))
	add("joined", "Two packets in one segment.", begin().out(whole, second))
	add("joined-three", "Three packets in one segment.", begin().out(whole, second, octetsOf(t, h323.FacilityBody{H245Address: lanPort(41200)})))
	add("joined-part", "A packet and the beginning of another one.", begin().out(whole, second[:50]).out(second[50:]))
	add("joined-header", "A packet and the header of another one.", begin().out(whole, second[:4]).out(second[4:]))
	add("joined-alive", "A packet without contents before another one.", begin().out([]byte{3, 0, 0, 4}, whole).out(whole))
	add("joined-other", "A message that is not understood before one that is.", begin().
		out([]byte{3, 0, 0, 8, 9, 0, 5, 0}, whole).out(whole))
	add("alive", "A packet without contents alone.", begin().out([]byte{3, 0, 0, 4}).out(whole))
	add("version-4", "Another version of the packet header.", begin().out(edit(func(b []byte) { b[0] = 4 })))
	add("reserved-1", "The reserved octet is not 0.", begin().out(edit(func(b []byte) { b[1] = 1 })))
	add("octet-before", "An octet before the packet.", begin().out([]byte{0}, whole))
	add("octet-behind", "An octet behind the packet.", begin().out(whole, []byte{3}))
	add("length-short", "A packet length that is too short.", begin().out(edit(func(b []byte) { b[3] -= 8 })))
	add("length-long", "A packet length that is too long.", begin().out(edit(func(b []byte) { b[3]++ })))
	add("discriminator", "Another protocol discriminator.", begin().out(edit(func(b []byte) { b[4] = 9 })))
	add("kind", "Another message type in Q.931 than in H.225.0.", begin().out(edit(func(b []byte) { b[8] = 0x7B })))
	element := bytes.IndexByte(whole[9:], 0x7E) + 9
	add("element-long", "An element that is longer than its packet.", begin().out(edit(func(b []byte) { b[element+2]++ })))
	add("element-short", "An element that is shorter than what is in it.", begin().out(edit(func(b []byte) { b[element+2] -= 40 })))
	for _, size := range []int{20, 40, 100, 160, 200} {
		cut := bytes.Clone(whole[:size])
		cut[2], cut[3] = 0, byte(size)
		cut[element+1], cut[element+2] = 0, byte(size-element-3)
		add(fmt.Sprintf("cut-%03d", size), "A message that ends too early, by all its lengths.", begin().out(cut))
	}
	alone := begin().out([]byte("\x03\x00\x00\x10not H.323 at all"), []byte("x")).out(whole)
	add("garbage", "What is not H.323, then what is.", alone)
}

// rasVectors are registration and admission.
func rasVectors(begin func() *script, add adder) {
	grq := func(a netip.AddrPort) h323.GatekeeperRequest {
		return h323.GatekeeperRequest{RASAddress: a, Aliases: []h323.Alias{{Value: "inside"}}}
	}
	rrq := func(signal, ras netip.AddrPort) h323.RegistrationRequest {
		return h323.RegistrationRequest{
			CallSignalAddress: []netip.AddrPort{signal}, RASAddresses: []netip.AddrPort{ras},
			Aliases: []h323.Alias{{Value: "inside"}}, TimeToLive: 60,
		}
	}
	rcf := func(a ...netip.AddrPort) h323.RegistrationConfirm {
		return h323.RegistrationConfirm{CallSignalAddress: a, Endpoint: "e1", TimeToLive: 60}
	}
	arq := h323.AdmissionRequest{
		Endpoint: "e1", Source: []h323.Alias{{Value: "inside"}}, Destination: []h323.Alias{{Value: "outside"}}, Reference: 9,
	}

	add("grq", "A GRQ with the address that it comes from.", begin().ask(grq(clientAt)))
	add("grq-foreign", "A GRQ with the address of another host.", begin().ask(grq(foreignPort(1719))))
	add("grq-port", "A GRQ with another port.", begin().ask(grq(lanPort(1720))))
	add("grq-nonstandard", "A GRQ with nonStandardData and the name of a gatekeeper.", begin().
		ask(h323.RASMessage{NonStandard: []byte("anything"), Body: h323.GatekeeperRequest{
			RASAddress: clientAt, Gatekeeper: "gk", Aliases: []h323.Alias{{Value: "inside"}},
		}}))
	add("grq-source", "A GRQ from another port than 1719.", begin().send("udp", lanPort(40719), keeperAt, grq(lanPort(40719))))
	add("grq-nat", "A GRQ over a flow that has another port outside.", begin().ask(grq(clientAt))).nat = []string{
		"udp", clientAt.String(), port(netlab.PublicAddr, 61719).String(),
	}
	add("grq-other-port", "A GRQ to another port than 1719.", begin().send("udp", clientAt, wanPort(1718), grq(clientAt)))
	add("grq-cut", "A GRQ that ends too early.", begin().ask(octetsOf(begin().t, grq(clientAt))[:16]))
	add("gcf", "A GCF with the address that it comes from.", begin().ask(grq(clientAt)).
		tell(h323.GatekeeperConfirm{Gatekeeper: "gk", RASAddress: keeperAt}))
	add("gcf-public", "A GCF with the address of the client, twice.", begin().ask(grq(clientAt)).
		tell(h323.GatekeeperConfirm{RASAddress: clientSeen}).tell(h323.GatekeeperConfirm{RASAddress: clientSeen}))
	add("gcf-elsewhere", "A GCF that sends the client to another port, where it registers.", begin().ask(grq(clientAt)).
		tell(h323.GatekeeperConfirm{RASAddress: wanPort(41719)}).
		send("udp", clientAt, wanPort(41719), rrq(lanPort(1720), clientAt)))
	add("grj", "A GRJ.", begin().ask(grq(clientAt)).tell(h323.RASReject{Message: h323.GRJ, Reason: h323.RejectTerminalExcluded}))

	add("rrq", "An RRQ with own addresses.", begin().ask(rrq(lanPort(1720), clientAt)))
	add("rrq-foreign", "An RRQ with the addresses of another host.", begin().ask(rrq(foreignPort(1720), foreignPort(1719))))
	add("rrq-port-0", "An RRQ with a port that is 0.", begin().ask(rrq(lanPort(0), clientAt)))
	several := rrq(lanPort(1720), clientAt)
	several.CallSignalAddress = []netip.AddrPort{foreignPort(1720), lanPort(41720), lanPort(1720)}
	several.RASAddresses = []netip.AddrPort{lanPort(41719), clientAt, clientAt}
	add("rrq-several", "An RRQ with several addresses.", begin().ask(several))
	several.CallSignalAddress[0] = port(netip.MustParseAddr("127.0.0.1"), 1720)
	add("rrq-loopback", "An RRQ with an address of the loopback network in front.", begin().ask(several))
	six := rrq(port(netlab.LANAddr6, 1720), port(netlab.LANAddr6, 1719))
	six.CallSignalAddress = append(six.CallSignalAddress, lanPort(1720))
	add("rrq-six", "An RRQ with an address of IPv6 in front.", begin().ask(six))
	add("rrq-again", "An RRQ twice, as it is repeated.", begin().ask(rrq(lanPort(1720), clientAt)).ask(rrq(lanPort(1720), clientAt)))
	add("rcf", "An RCF with the address of the gatekeeper, then with that of the client.", begin().
		ask(rrq(lanPort(1720), clientAt)).tell(rcf(calleeAt)).tell(rcf(port(netlab.PublicAddr, 1720))).
		tell(rcf(port(netlab.PublicAddr, 1722))).tell(rcf(calleeAt, port(netlab.PublicAddr, 1720))))
	add("rcf-unasked", "An RCF without an RRQ.", begin().ask(grq(clientAt)).tell(rcf(port(netlab.PublicAddr, 1720))))
	add("urq", "A URQ after a registration, and without one.", begin().
		ask(rrq(lanPort(1720), clientAt)).
		ask(h323.UnregistrationRequest{CallSignalAddress: []netip.AddrPort{lanPort(1720)}, Endpoint: "e1"}).
		ask(h323.UnregistrationRequest{CallSignalAddress: []netip.AddrPort{lanPort(1720)}, Endpoint: "e1"}).
		tell(h323.UnregistrationConfirm{}))

	calling := arq
	calling.SrcCallSignalAddress, calling.DestCallSignalAddress = callerAt, calleeAt
	add("arq", "An ARQ of a caller.", begin().ask(calling))
	calling.SrcCallSignalAddress = foreignPort(1720)
	add("arq-foreign", "An ARQ of a caller with the address of another host.", begin().ask(calling))
	answering := arq
	answering.Answer, answering.DestCallSignalAddress, answering.SrcCallSignalAddress = true, lanPort(1720), calleeAt
	add("arq-answer", "An ARQ of a callee, before and after a registration.", begin().
		ask(answering).ask(rrq(lanPort(1720), clientAt)).ask(answering))
	both := answering
	both.SrcCallSignalAddress = lanPort(1720)
	add("arq-both", "An ARQ with the own address twice, before and after a registration.", begin().
		ask(both).ask(rrq(lanPort(1720), clientAt)).ask(both))
	add("acf", "An ACF, and the call to where it says.", begin().ask(arq).
		tell(h323.AdmissionConfirm{DestCallSignalAddress: port(netlab.WANAddr2, 41720)}).
		send("tcp", callerAt, port(netlab.WANAddr2, 41720), setupOf(12, lanPort)))
	add("acf-public", "An ACF with the address of the client, before and after a registration.", begin().ask(arq).
		tell(h323.AdmissionConfirm{DestCallSignalAddress: port(netlab.PublicAddr, 1720)}).
		ask(rrq(lanPort(1720), clientAt)).
		tell(h323.AdmissionConfirm{DestCallSignalAddress: port(netlab.PublicAddr, 1720)}))
	add("acf-again", "Two clients that are sent to the same place.", begin().ask(arq).
		send("udp", lanPort(40719), keeperAt, arq).
		tell(h323.AdmissionConfirm{DestCallSignalAddress: port(netlab.WANAddr2, 41720)}).
		send("udp", keeperAt, port(netlab.PublicAddr, 40719), h323.AdmissionConfirm{DestCallSignalAddress: port(netlab.WANAddr2, 41720)}))

	// A call from outside needs a registration.
	inwards := func(m ...any) message {
		return message{"tcp", wanPort(40201), port(netlab.PublicAddr, 1720), octetsOf(begin().t, m...)}
	}
	reply := func(m ...any) message {
		return message{"tcp", lanPort(1720), wanPort(40201), octetsOf(begin().t, m...)}
	}
	fromOutside := h323.SetupBody{
		SourceCallSignalAddress: wanPort(40201), DestCallSignalAddress: port(netlab.PublicAddr, 1720), H245Address: wanPort(41000),
		FastStart: rtpChannels(2, wanPort, 42000),
	}
	s := begin().ask(rrq(lanPort(1720), clientAt)).tell(rcf(calleeAt))
	s.steps = append(s.steps, inwards(fromOutside), reply(signalling(answerOf(h323.CallProceeding, lanPort))),
		reply(signalling(answerOf(h323.Alerting, lanPort, rtpChannels(2, lanPort, 42000)...))),
		reply(signalling(answerOf(h323.Connect, lanPort, rtpChannels(2, lanPort, 42000)...))))
	s.send("udp", wanPort(42000), port(netlab.PublicAddr, 42000), []byte("RTP"))
	add("call-inwards", "A call from the gatekeeper to one that has registered.", s)
	fromOutside.SourceCallSignalAddress = foreignPort(40201)
	fromOutside.DestCallSignalAddress = port(netlab.WANAddr2, 1720)
	s = begin().ask(rrq(lanPort(1720), clientAt))
	s.steps = append(s.steps, inwards(fromOutside), reply(setupOf(12, lanPort)))
	add("call-inwards-foreign", "A call from outside with wrong addresses, and a Setup against it.", s)
	s = begin().ask(rrq(lanPort(41720), clientAt))
	in := inwards(fromOutside)
	in.Dst = port(netlab.PublicAddr, 41720)
	s.steps = append(s.steps, in)
	add("call-inwards-port", "A call from outside to another port than 1720.", s)
	add("firewall-ras", "Registration and a call through a firewall without translation.", func() *script {
		s := begin().ask(rrq(lanPort(1720), clientAt)).ask(answering)
		in := inwards(fromOutside)
		in.Dst = lanPort(1720)
		s.steps = append(s.steps, in)
		return s
	}()).mode = netlab.FirewallALG
}
