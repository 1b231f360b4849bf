package h323

import (
	"encoding/hex"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

var (
	inside  = netip.MustParseAddr("192.168.1.10")
	inside6 = netip.MustParseAddr("2001:db8::10")
	outside = netip.MustParseAddrPort("203.0.113.10:1720")
)

func own(port uint16) netip.AddrPort  { return netip.AddrPortFrom(inside, port) }
func own6(port uint16) netip.AddrPort { return netip.AddrPortFrom(inside6, port) }

func guid(first byte) (id [16]byte) {
	for i := range id {
		id[i] = first + byte(i)
	}
	return id
}

// composed is a message with what the composer said about it.
type composed struct {
	name  string
	kind  string // "call", "ras", "h245" in a packet, "bare" without
	msg   []byte
	spans []Span
	most  int // octets
	want  []string
}

// fastStart is what a video endpoint offers: two audio codecs and one video codec, both directions each.
func fastStart(at func(port uint16) netip.AddrPort) []Channel {
	return []Channel{
		{Number: 1, MediaControl: at(20001)},
		{Number: 1, Reverse: true, Media: at(20000), MediaControl: at(20001)},
		{Number: 2, Codec: CodecG711Alaw, MediaControl: at(20001)},
		{Number: 2, Codec: CodecG711Alaw, Reverse: true, Media: at(20000), MediaControl: at(20001)},
		{Number: 3, Codec: CodecH261, MediaControl: at(20003)},
		{Number: 3, Codec: CodecH261, Reverse: true, Media: at(20002), MediaControl: at(20003)},
	}
}

func fullSetup(bits int, at func(port uint16) netip.AddrPort, dest netip.AddrPort) CallMessage {
	setup := SetupBody{
		ExtensionBits:           bits,
		Source:                  []Alias{{Value: "nofixup-lan"}, {Kind: AliasDigits, Value: "100#*,9"}},
		Destination:             []Alias{{Value: "nöfixup"}, {Kind: AliasURL, Value: "h323:nofixup@example.net"}},
		SourceCallSignalAddress: at(10000),
		DestCallSignalAddress:   dest,
		H245Address:             at(11000),
		ConferenceID:            guid(0x20),
		FastStart:               fastStart(at),
	}
	if bits > 24 {
		setup.ParallelH245Control = []Control{
			CapabilitySet{Sequence: 1}, Determination{Number: 70000}, Channel{Number: 7, MediaControl: at(20005)},
		}
	}
	return CallMessage{Reference: 0x1234, Display: "canary 0123456789", ID: guid(0x40), Body: setup, Tunnelling: true}
}

func composeCases(t testing.TB) []composed {
	t.Helper()
	var cases []composed
	add := func(name, kind string, most int, msg []byte, spans []Span, err error, want ...string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cases = append(cases, composed{name, kind, msg, spans, most, want})
	}
	call := func(name string, m CallMessage, want ...string) {
		msg, spans, err := m.Append(nil)
		add(name, "call", 1200, msg, spans, err, want...)
	}
	ras := func(name string, m RASMessage, want ...string) {
		msg, spans, err := m.Append(nil)
		add(name, "ras", 512, msg, spans, err, want...)
	}
	control := func(name string, m Control, want ...string) {
		msg, spans, err := AppendControlTPKT(nil, m)
		add(name, "h245", 512, msg, spans, err, want...)
	}
	reply := func(body CallBody) CallMessage {
		return CallMessage{Reference: 0x1234, FromCallee: true, ID: guid(0x40), Body: body}
	}

	for _, bits := range []int{7, 12, 26, 27, 28} {
		name := map[int]string{7: "7", 12: "12", 26: "26", 27: "27", 28: "28"}[bits]
		call("setup-"+name, fullSetup(bits, own, outside), "h225.setup_element",
			"h225.conferenceID=20212223-2425-2627-2829-2a2b2c2d2e2f", "h225.guid=40414243-4445-4647-4849-4a4b4c4d4e4f",
			"q931.display_information=canary 0123456789", "q931.call_ref=1234", "h225.productId=nofixup",
			"h225.h323_ID=nöfixup", "h225.h323_ID=nofixup-lan", "h225.url_ID=h323:nofixup@example.net",
			"h225.dialledDigits=100#*,9", "h225.h245Tunnelling=True")
	}
	six := fullSetup(12, own6, netip.MustParseAddrPort("[2001:db8:1::20]:1720"))
	call("setup-ipv6", six)
	call("setup-bare", CallMessage{Body: SetupBody{}}, "h225.setup_element")
	setup := SetupBody{H245Address: own(11000), ExtensionBits: 7}
	call("setup-h245Control", CallMessage{Body: setup, Control: []Control{Channel{MediaControl: own(20001)}}})
	for _, body := range []AnswerBody{{Message: CallProceeding}, {Message: Alerting}, {Message: Connect}, {Message: Progress}} {
		body.ConferenceID = guid(0x20)
		call("bare-"+body.Message.String(), reply(body), "h225."+body.Message.String()+"_element", "q931.call_ref=9234")
		body.H245Address, body.FastStart = own(11001), fastStart(own)[:2]
		for version, name := range map[uint8]string{2: "-v2", 3: "-v3", 4: "-v4", 7: "-v7"} {
			m := reply(body)
			m.Version = version
			call(body.Message.String()+name, m)
		}
	}
	call("facility", reply(FacilityBody{}), "h225.transportedInformation_element")
	call("facility-startH245", reply(FacilityBody{H245Address: own(11002)}), "h225.startH245_element")
	call("facility-fastStart", reply(FacilityBody{FastStart: fastStart(own)[:2]}), "h225.forwardedElements_element")
	call("facility-forwarded", reply(FacilityBody{AlternativeAddress: own(1720)}), "h225.callForwarded_element")
	old := reply(FacilityBody{H245Address: own(11002), Reason: FacilityUndefinedReason})
	old.Version = 2
	call("facility-v2", old, "h225.undefinedReason_element")
	tunnel := reply(FacilityBody{})
	tunnel.Control = []Control{
		CapabilitySet{Sequence: 9},
		Channel{Number: 5, MediaControl: own(20001)},
		ChannelAck{Number: 5, Media: own(20000), MediaControl: own(20001)},
		EndSession{},
	}
	call("facility-tunnel", tunnel, "h245.openLogicalChannelAck_element", "h245.disconnect_element")
	tunnel.Body = nil
	call("empty-tunnel", tunnel, "h225.empty_element")
	call("empty", CallMessage{})
	call("release", reply(ReleaseBody{}), "h225.undefinedReason_element")
	call("release-inConf", reply(ReleaseBody{Reason: ReleaseInConf}), "h225.inConf_element")
	call("release-noBandwidth", reply(ReleaseBody{Reason: ReleaseNoBandwidth}), "h225.noBandwidth_element")

	control("capabilities", CapabilitySet{Sequence: 3}, "h245.sequenceNumber=3", "h245.g711Ulaw64k=20", "h245.g711Alaw64k=20",
		"h245.h261VideoCapability_element", "h245.maxBitRate=3840")
	control("capabilities-h263", CapabilitySet{Codecs: []Codec{CodecH263, CodecG711Alaw}}, "h245.h263VideoCapability_element",
		"h245.maxBitRate=3840")
	control("capabilities-audio", CapabilitySet{Codecs: []Codec{CodecG711Alaw}})
	control("capabilitiesAck", CapabilitySetAck{Sequence: 200}, "h245.sequenceNumber=200")
	control("determination", Determination{Number: 0xABCDEF}, "h245.statusDeterminationNumber=11259375", "h245.terminalType=50")
	control("determination-small", Determination{Number: 7, TerminalType: 60}, "h245.statusDeterminationNumber=7")
	control("determinationAck", DeterminationAck{Slave: true}, "h245.slave_element")
	control("olc", Channel{Number: 300, MediaControl: own(20001)}, "h245.forwardLogicalChannelNumber=300", "h245.sessionID=1")
	control("olc-media", Channel{Codec: CodecH261, Media: own(20002), MediaControl: own(20003)}, "h245.sessionID=2")
	control("olc-h263-reverse", Channel{Codec: CodecH263, Reverse: true, Session: 9, Media: own(20002)}, "h245.sessionID=9")
	control("olc-ipv6", Channel{Media: own6(20002), MediaControl: own6(20003)})
	control("olcAck", ChannelAck{Number: 300, Session: 2, Media: own(20000), MediaControl: own(20001)},
		"h245.forwardLogicalChannelNumber=300", "h245.sessionID=2")
	control("olcAck-ipv6", ChannelAck{Media: own6(20002), MediaControl: own6(20003)})
	control("olcAck-bare", ChannelAck{})
	control("olcReject", ChannelReject{Number: 65535}, "h245.forwardLogicalChannelNumber=65535", "h245.unspecified_element")
	control("clc", ChannelClose{Number: 3}, "h245.forwardLogicalChannelNumber=3", "h245.user_element")
	control("clcAck", ChannelCloseAck{Number: 4}, "h245.forwardLogicalChannelNumber=4")
	control("endSession", EndSession{}, "h245.disconnect_element")
	control("nonStandard", NonStandardControl{Data: []byte("canary")}, "h245.nonStandardData_element", "h245.data=63:61:6e:61:72:79")
	control("nonStandard-indication", NonStandardControl{Indication: true, Data: make([]byte, 200)}, "h245.indication=0")
	msg, spans, err := AppendControl(nil, Channel{MediaControl: own(20001)})
	add("olc-bare", "bare", 512, msg, spans, err)

	aliases := []Alias{{Value: "nofixup"}, {Kind: AliasURL, Value: "h323:nofixup"}}
	ras("grq", RASMessage{Body: GatekeeperRequest{RASAddress: own(1719)}}, "h225.gatekeeperRequest_element", "h225.requestSeqNum=1")
	ras("grq-full", RASMessage{Seq: 65535, NonStandard: []byte("canary"), Body: GatekeeperRequest{
		RASAddress: own(1719), Gatekeeper: "gk", Aliases: aliases, Product: "endpoint",
	}}, "h225.requestSeqNum=65535", "h225.gatekeeperIdentifier=gk", "h225.h323_ID=nofixup", "h225.url_ID=h323:nofixup",
		"data.data=63:61:6e:61:72:79", "h225.productId=endpoint")
	ras("grq-ipv6", RASMessage{Body: GatekeeperRequest{RASAddress: own6(1719)}})
	ras("gcf", RASMessage{Seq: 9, NonStandard: []byte{1}, Body: GatekeeperConfirm{Gatekeeper: "gk", RASAddress: own(1719)}},
		"h225.gatekeeperConfirm_element", "h225.gatekeeperIdentifier=gk", "h225.requestSeqNum=9")
	ras("grj", RASMessage{Body: RASReject{Message: GRJ, Gatekeeper: "gk", Reason: RejectTerminalExcluded}},
		"h225.gatekeeperReject_element", "h225.terminalExcluded_element")
	ras("rrq", RASMessage{Body: RegistrationRequest{
		Discovered: true, CallSignalAddress: []netip.AddrPort{own(1720), own6(1720)}, RASAddresses: []netip.AddrPort{own(1719)},
		Aliases: aliases, Gatekeeper: "gk", Endpoint: "42", TimeToLive: 300, KeepAlive: true,
	}}, "h225.registrationRequest_element", "h225.timeToLive=300", "h225.keepAlive=True", "h225.endpointIdentifier=42")
	ras("rrq-bare", RASMessage{Body: RegistrationRequest{}})
	ras("rcf", RASMessage{Body: RegistrationConfirm{
		CallSignalAddress: []netip.AddrPort{outside}, Endpoint: "42", TimeToLive: 70000, Aliases: aliases, Gatekeeper: "gk",
	}}, "h225.registrationConfirm_element", "h225.timeToLive=70000", "h225.endpointIdentifier=42")
	ras("rrj", RASMessage{Body: RASReject{Message: RRJ, Gatekeeper: "gk"}}, "h225.registrationReject_element",
		"h225.undefinedReason_element", "h225.gatekeeperIdentifier=gk")
	ras("urq", RASMessage{NonStandard: []byte{2}, Body: UnregistrationRequest{
		CallSignalAddress: []netip.AddrPort{own(1720)}, Endpoint: "42", Aliases: aliases,
	}}, "h225.unregistrationRequest_element", "h225.endpointIdentifier=42")
	ras("ucf", RASMessage{Seq: 5, NonStandard: []byte{2}, Body: UnregistrationConfirm{}}, "h225.unregistrationConfirm_element")
	ras("arq", RASMessage{NonStandard: []byte{3}, Body: AdmissionRequest{
		Endpoint: "42", Destination: aliases, Source: aliases[:1], DestCallSignalAddress: outside,
		SrcCallSignalAddress: own(10000), Reference: 77, ID: guid(0x40), ConferenceID: guid(0x20), Bandwidth: 70000,
	}}, "h225.admissionRequest_element", "h225.bandWidth=70000", "h225.callReferenceValue=77",
		"h225.guid=40414243-4445-4647-4849-4a4b4c4d4e4f")
	ras("arq-answer", RASMessage{Body: AdmissionRequest{Endpoint: "42", Answer: true}}, "h225.answerCall=True",
		"h225.bandWidth=1280")
	ras("acf", RASMessage{NonStandard: []byte{3}, Body: AdmissionConfirm{DestCallSignalAddress: outside, Routed: true}},
		"h225.admissionConfirm_element", "h225.gatekeeperRouted_element")
	ras("arj", RASMessage{Body: RASReject{Message: ARJ, Reason: RejectCallerNotRegistered}},
		"h225.admissionReject_element", "h225.callerNotRegistered_element")
	slices.SortFunc(cases, func(a, b composed) int { return strings.Compare(a.name, b.name) })
	return cases
}

// The golden file holds each message as it goes out, and below it the paths of its addresses with what stands there. It
// was read against the dissection by another program, see TestComposeDissected.
func TestComposeGolden(t *testing.T) {
	var b strings.Builder
	for _, c := range composeCases(t) {
		b.WriteString("# " + c.name + "\n")
		for line := range slices.Chunk(c.msg, 32) {
			b.WriteString(hex.EncodeToString(line) + "\n")
		}
		for _, s := range c.spans {
			b.WriteString(s.Path() + " = " + hex.EncodeToString(s.Bytes(c.msg)) + "\n")
		}
	}
	file := filepath.Join("testdata", "compose.golden")
	if *updateGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.SplitAfter(b.String(), "\n")
	for i, line := range strings.SplitAfter(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("%s:%d differs; -update writes it anew", file, i+1)
		}
	}
	if want := strings.Count(string(want), "\n") + 1; len(got) != want {
		t.Fatalf("%s: %d lines, want %d", file, len(got), want)
	}
}

func TestComposeFrames(t *testing.T) {
	for _, c := range composeCases(t) {
		if len(c.msg) > c.most {
			t.Errorf("%s: %d octets, want at most %d", c.name, len(c.msg), c.most)
		}
		if c.kind == "call" || c.kind == "h245" {
			if n := int(c.msg[2])<<8 | int(c.msg[3]); n != len(c.msg) {
				t.Errorf("%s: packet length %d of %d octets", c.name, n, len(c.msg))
			}
		}
		if c.kind == "call" {
			at := 9
			for c.msg[at] != 0x7E {
				at += 2 + int(c.msg[at+1])
			}
			if n := int(c.msg[at+1])<<8 | int(c.msg[at+2]); at+3+n != len(c.msg) {
				t.Errorf("%s: user-user length %d at %d of %d octets", c.name, n, at, len(c.msg))
			}
		}
		for i, s := range c.spans {
			if i > 0 && s.Off < c.spans[i-1].End {
				t.Errorf("%s: %s before the end of %s", c.name, s.Path(), c.spans[i-1].Path())
			}
		}
	}
}

// A destination that holds something already stays as it is, and spans do not count it.
func TestComposeAppends(t *testing.T) {
	m := fullSetup(28, own, outside)
	alone, want, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	both, got, err := m.Append([]byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if string(both) != "abc"+string(alone) || !slices.Equal(got, want) {
		t.Error("a message behind another one differs")
	}
}

func TestComposePaths(t *testing.T) {
	_, spans, err := fullSetup(28, own, outside).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, s := range spans {
		if s.Part == PartIP {
			paths = append(paths, strings.TrimSuffix(s.Path(), ".ip"))
		}
	}
	want := []string{
		"setup.h245Address", "setup.destCallSignalAddress", "setup.sourceCallSignalAddress",
		"setup.fastStart[0].mediaControlChannel",
		"setup.fastStart[1].mediaChannel", "setup.fastStart[1].mediaControlChannel",
		"setup.fastStart[2].mediaControlChannel",
		"setup.fastStart[3].mediaChannel", "setup.fastStart[3].mediaControlChannel",
		"setup.fastStart[4].mediaControlChannel",
		"setup.fastStart[5].mediaChannel", "setup.fastStart[5].mediaControlChannel",
		"setup.parallelH245Control[2].olc.mediaControlChannel",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("paths:\n%s\nwant:\n%s", strings.Join(paths, "\n"), strings.Join(want, "\n"))
	}
}

func TestComposeErrors(t *testing.T) {
	call := func(m CallMessage) error { _, _, err := m.Append(nil); return err }
	ras := func(b RASBody) error { _, _, err := RASMessage{Body: b}.Append(nil); return err }
	control := func(m Control) error { _, _, err := AppendControl(nil, m); return err }
	olc := []Control{Channel{}}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{call(CallMessage{Reference: 0x8000}), "compose facility: call reference 32768, at most 32767"},
		{call(CallMessage{Display: strings.Repeat("x", 81)}), "compose facility: display of 81 octets, at most 80"},
		{call(CallMessage{Display: "ä"}), "compose facility: display: octet 0 is not ASCII"},
		{call(CallMessage{Version: 1, Body: FacilityBody{}}), "compose facility: version 1 of H.225.0, 2 to 8 can be sent"},
		{
			call(CallMessage{Body: SetupBody{ExtensionBits: 12, ParallelH245Control: olc}}),
			"compose setup: parallelH245Control: it is addition 25 and the message has 12",
		},
		{call(CallMessage{Body: SetupBody{ExtensionBits: 6}}), "compose setup: 6 extension bits, 7 to 28 can be sent"},
		{call(CallMessage{Body: SetupBody{ExtensionBits: 29}}), "compose setup: 29 extension bits, 7 to 28 can be sent"},
		{
			call(CallMessage{Version: 2, Body: FacilityBody{FastStart: []Channel{{}}}}),
			"compose facility: fastStart: it is addition 8 and the message has 7",
		},
		{call(CallMessage{Body: AnswerBody{}}), "compose message: no body of call signalling has this name"},
		{call(CallMessage{Body: FacilityBody{Reason: 99}}), "compose facility: facility reason 99"},
		{call(CallMessage{Body: ReleaseBody{Reason: 12}}), "compose releaseComplete: release reason 12"},
		{call(CallMessage{Control: make([]Control, 0), Body: SetupBody{Source: []Alias{{}}}}), "compose setup: h323-ID: length 0, 1 to 256 can be sent"},
		{call(CallMessage{Body: SetupBody{Source: []Alias{{Value: "\U0001F600"}}}}), "compose setup: h323-ID: '😀' is outside of the basic multilingual plane"},
		{call(CallMessage{Body: SetupBody{Source: []Alias{{Value: "\xff"}}}}), "compose setup: h323-ID: no valid UTF-8"},
		{call(CallMessage{Body: SetupBody{Source: []Alias{{Kind: AliasURL, Value: "ü"}}}}), "compose setup: url-ID: octet 0 is not ASCII"},
		{call(CallMessage{Body: SetupBody{Source: []Alias{{Kind: AliasDigits, Value: "1x"}}}}), "compose setup: dialledDigits: 'x' is none"},
		{call(CallMessage{Body: SetupBody{Source: []Alias{{Kind: 9, Value: "1"}}}}), "compose setup: alias kind 9"},
		{
			call(CallMessage{Control: []Control{NonStandardControl{Data: make([]byte, 16384)}}}),
			"compose facility: a length of 16384 asks for fragments",
		},
		{call(CallMessage{Control: []Control{EndSession{}, nil}}), "compose facility: h245Control[1]: no message"},
		{control(nil), "compose message: no message of H.245"},
		{control(Determination{Number: 1 << 24}), "compose masterSlaveDetermination: 16777216 is not within 0 to 16777215"},
		{control(CapabilitySet{Version: 128}), "compose terminalCapabilitySet: version 128 of H.245"},
		{control(Channel{Codec: 9}), "compose olc: codec 9"},
		{control(CapabilitySet{Codecs: make([]Codec, 257)}), "compose terminalCapabilitySet: capabilityTable: length 257, 1 to 256 can be sent"},
		{ras(nil), "compose message: no body of RAS"},
		{ras(GatekeeperRequest{}), "compose grq: rasAddress: no address"},
		{ras(GatekeeperConfirm{}), "compose gcf: rasAddress: no address"},
		{ras(AdmissionConfirm{}), "compose acf: destCallSignalAddress: no address"},
		{ras(AdmissionRequest{}), "compose arq: endpointIdentifier: length 0, 1 to 128 can be sent"},
		{ras(RegistrationRequest{RASAddresses: make([]netip.AddrPort, 1)}), "compose rrq: rasAddress: no address"},
		{ras(RegistrationConfirm{}), "compose rcf: endpointIdentifier: length 0, 1 to 128 can be sent"},
		{ras(RASReject{}), "compose message: no body of RAS"},
		{ras(RASReject{Message: RRJ, Reason: RejectTerminalExcluded}), "compose rrj: reject reason 2"},
		{ras(RASReject{Message: ARJ, Gatekeeper: "gk"}), "compose arj: no place for a gatekeeperIdentifier"},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("error %v, want %s", tt.err, tt.want)
		}
	}
}

// What ooh323 and OPAL sent over the wire comes out the same, octet by octet.
func TestComposeLikeOthers(t *testing.T) {
	at := func(port uint16) netip.AddrPort { return own(port) }
	olc := func(m Channel) []byte {
		c := newComposer(nil)
		m.olc(c)
		return c.Buf()
	}
	control := func(m Control) []byte {
		b, _, err := AppendControl(nil, m)
		if err != nil {
			t.Error(err)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{
			"fastStart, to the caller", olc(Channel{Number: 1001, Reverse: true, Media: at(10074), MediaControl: at(10075)}),
			"4003e806040100" + "4c6013801114000100" + "c0a8010a275a" + "00" + "c0a8010a275b",
		},
		{
			"fastStart, to the callee", olc(Channel{Number: 1002, MediaControl: at(10075)}),
			"0003e90c6013800a04000100" + "c0a8010a275b",
		},
		{
			"openLogicalChannelAck", control(ChannelAck{Number: 1001, Media: at(10044), MediaControl: at(10045)}),
			"22c003e80480101c0000" + "c0a8010a273c" + "00" + "c0a8010a273d",
		},
		{"endSessionCommand", control(EndSession{}), "4a40"},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}
