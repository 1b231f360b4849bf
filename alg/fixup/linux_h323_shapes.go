package fixup

import (
	"math/bits"
	"slices"
)

// The tables of the H.323 helper (nf_conntrack_h323_types.c): H.225.0 version 4
// and the H.245 of its time, with what the helper keeps. Where it stops and how
// many additions it knows decides what it finds, so both are as they are there.
// Left out is what no H.323 endpoint sends: channels of H.222, H.223 and V.76,
// MPEG codecs, T.84, the tokens of a Progress, and the separateStack of T.120.

// Simple types.
var (
	tNull    = &shape{kind: kindNull}
	tBool    = bitField(1)
	tOctet   = &shape{kind: kindOctet} // INTEGER with 256 values
	tWord    = &shape{kind: kindWord}  // with up to 65536
	tLong    = &shape{kind: kindLong}  // with more
	tObject  = &shape{kind: kindObject}
	tString  = &shape{kind: kindString}
	tShort   = &shape{kind: kindOctets, width: 8, low: 1}
	tBMP7    = &shape{kind: kindBMP, width: 7, low: 1} // BMPString of up to 128
	tBMP8    = &shape{kind: kindBMP, width: 8, low: 1} // of up to 256
	tDigits  = &shape{kind: kindDigits, width: 7, low: 1}
	tNSAP    = &shape{kind: kindOctets, width: 5, low: 1}
	tUnknown = &shape{kind: kindUnknown}
)

// Types of H.225.0 that its messages share.
var (
	tH221        = seq(must(tOctet), must(tOctet), must(tWord)).more()
	tNonStandard = seq(must(choice(must(tObject), must(tH221)).more()), must(tString))

	tTransport = choice(
		want("ip", seq(want("at", fixedOctets(4)), must(tWord))),
		must(seq(must(fixedOctets(4)), must(tWord), must(listOf(0, must(fixedOctets(4)))),
			must(choice(must(tNull), must(tNull)).more())).more()), // ipSourceRoute
		must(seq(must(fixedOctets(6)), must(fixedOctets(4)), must(fixedOctets(2)))), // ipxAddress
		want("ip6", seq(want("at", fixedOctets(16)), must(tWord)).more()),
		must(fixedOctets(16)), // netBios
		must(tNSAP),
		must(tNonStandard),
	).more()

	tAlias   = choice(must(tDigits), must(tBMP8)).more(over(5)...)
	tAliases = listOf(0, must(tAlias))

	// Vendor has no additions here. Version 4 brought enterpriseNumber, which
	// the tables do not have: it is one that is newer.
	tVendor = seq(must(tH221), may(tShort), may(tShort)).more()
	tPlain  = seq(may(tNonStandard)).more() // GatekeeperInfo, TerminalInfo

	// H310Caps to T120OnlyCaps are all alike.
	tCaps      = seq(may(tNonStandard)).more(over(2)...)
	tProtocols = listOf(0, must(choice(must(tNonStandard), must(tCaps), must(tCaps), must(tCaps), must(tCaps),
		must(tCaps), must(tCaps), must(tCaps), must(tCaps)).more(over(2)...)))
	tEndpoint = seq(
		may(tNonStandard),
		may(tVendor),
		may(tPlain),
		may(seq(may(tProtocols), may(tNonStandard)).more()), // gateway
		may(seq(may(tNonStandard)).more(over(1)...)),        // mcu
		may(tPlain),
		must(tBool), must(tBool),
	).more(over(2)...)

	tQSeries = seq(must(tBool), must(tBool), must(tBool), must(tBool), must(tBool), must(tBool), must(tBool),
		must(seq(must(tBool), must(tBool)).more())).more()
	tCallType       = choice(must(tNull), must(tNull), must(tNull), must(tNull)).more()
	tCallIdentifier = seq(must(fixedOctets(16))).more()

	tSecurityService = choice(must(tNonStandard), must(tNull), must(tNull)).more()
	tSecurity        = seq(may(tNonStandard), must(tSecurityService), must(tSecurityService), must(tSecurityService)).more()
	tSecurityMode    = choice(must(tNonStandard), must(tNull), must(tSecurity), must(tSecurity)).more()
)

// What a message of call signalling may hold that is wanted.
var (
	h245Address = mayWant("h245Address", tTransport)
	fastStart   = mayWant("fastStart", contained(30, tChannel))
)

// additions of a message: those before, one that is wanted, those after.
func around(before int, p part, after int) []part {
	return slices.Concat(over(before), []part{p}, over(after))
}

// The messages of call signalling, H323-UserInformation and up.
var (
	// Setup ends with its tenth addition, endpointIdentifier. When its bitmap
	// is that long, the additions behind are left where the helper looks for
	// the rest of the H323-UU-PDU: a tunnelled h245Control is not found.
	tSetup = seq(
		must(tObject),
		h245Address,
		may(tAliases), // sourceAddress
		must(tEndpoint),
		may(tAliases), // destinationAddress
		mayWant("destCallSignalAddress", tTransport),
		may(tAliases),               // destExtraCallInfo
		may(listOf(0, must(tWord))), // destExtraCRV
		must(tBool),
		must(fixedOctets(16)), // conferenceID
		must(choice(must(tNull), must(tNull), must(tNull)).more(over(2)...)),
		may(tQSeries),
		must(tCallType),
	).more(slices.Concat(
		[]part{mayWant("sourceCallSignalAddress", tTransport)}, over(5), []part{fastStart}, over(2), []part{stop}, over(16),
	)...)

	tProceeding = seq(must(tObject), must(tEndpoint), h245Address).more(around(4, fastStart, 4)...)
	tAlerting   = seq(must(tObject), must(tEndpoint), h245Address).more(around(4, fastStart, 9)...)
	tConnect    = seq(must(tObject), h245Address, must(tEndpoint), must(fixedOctets(16))).more(around(4, fastStart, 10)...)
	tProgress   = seq(must(tObject), must(tEndpoint), h245Address, must(tCallIdentifier), may(tSecurityMode),
		may(tUnknown), may(tUnknown), fastStart).more(over(3)...)
	tInformation = seq(must(tObject)).more(over(6)...)
	tRelease     = seq(must(tObject), may(choice(slices.Repeat([]part{must(tNull)}, 12)...).more(over(10)...))).more(over(9)...)

	tReason = choice(must(tNull), named("callForwarded", tNull), must(tNull), must(tNull)).more(over(7)...)

	tFacility = seq(
		must(tObject),
		mayWant("alternativeAddress", tTransport),
		may(tAliases),
		may(fixedOctets(16)),
		want("reason", tReason),
	).more(slices.Concat(over(6), []part{h245Address, fastStart}, over(8))...)

	tBody = choice(
		want("setup", tSetup),
		want("callProceeding", tProceeding),
		want("connect", tConnect),
		want("alerting", tAlerting),
		must(tInformation),
		must(tRelease),
		want("facility", tFacility),
	).more(append([]part{want("progress", tProgress)}, over(5)...)...)

	// Of h245Control four messages are kept.
	tPDU = seq(want("body", tBody), may(tNonStandard)).more(
		part{}, part{}, mayWant("h245Control", contained(4, tControl)), stop)

	tUserInformation = seq(want("pdu", tPDU), mayStop).more()
)

// H.245, as far as its channels go.
var (
	tNonStandard245 = seq(must(choice(must(tObject), must(seq(must(tOctet), must(tOctet), must(tWord))))), must(tString))

	tTransport245 = choice(
		want("unicast", choice(
			want("ip", seq(want("at", fixedOctets(4)), must(tWord)).more()),
			must(seq(must(fixedOctets(6)), must(fixedOctets(4)), must(fixedOctets(2))).more()), // iPXAddress
			want("ip6", seq(want("at", fixedOctets(16)), must(tWord)).more()),
			must(fixedOctets(16)), // netBios
			must(seq(must(choice(must(tNull), must(tNull))), must(fixedOctets(4)), must(tWord),
				must(listOf(0, must(fixedOctets(4))))).more()), // iPSourceRouteAddress
		).more(over(2)...)),
		must(choice(
			must(seq(must(fixedOctets(4)), must(tWord)).more()),
			must(seq(must(fixedOctets(16)), must(tWord)).more()),
		).more(over(2)...)), // multicastAddress
	).more()

	tAudio = choice(
		must(tNonStandard245),
		must(tOctet), must(tOctet), must(tOctet), must(tOctet), must(tOctet), must(tOctet), must(tOctet), // G.711, G.722
		must(seq(must(tOctet), must(tBool))),     // g7231
		must(tOctet), must(tOctet), must(tOctet), // G.728, G.729
		must(tUnknown), must(tUnknown),
	).more(over(8)...)

	mayBits = func(n int) part { return may(bitField(n)) }
	tVideo  = choice(
		must(tNonStandard245),
		must(seq(mayBits(2), mayBits(2), must(tBool), must(tWord), must(tBool)).more(over(1)...)), // h261VideoCapability
		must(tUnknown),
		must(seq(mayBits(5), mayBits(5), mayBits(5), mayBits(5), mayBits(5), must(tLong), must(bitField(5)),
			may(tLong), may(tWord)).more(over(8)...)), // h263VideoCapability
		must(tUnknown),
	).more(over(1)...)

	tDataProtocol = choice(slices.Concat([]part{must(tNonStandard245)}, slices.Repeat([]part{must(tNull)}, 6))...).more(over(7)...)
	tData         = seq(
		must(choice(must(tNonStandard245), must(tDataProtocol), must(tDataProtocol), must(tDataProtocol), must(tUnknown),
			must(tDataProtocol), must(tDataProtocol), must(tUnknown), must(tNull), must(tDataProtocol)).more(over(4)...)),
		must(tLong),
	).more()
	tDataType = choice(
		must(tNonStandard245),
		must(tNull),
		must(tVideo),
		must(tAudio),
		must(tData),
		must(choice(must(tNonStandard245), must(tNull)).more()), // encryptionData
	).more(over(3)...)

	// What comes after the two addresses is not looked at any more.
	tRTP = seq(
		may(listOf(0, must(tNonStandard245))),
		must(tOctet),
		may(bitField(8)),
		mayWant("mediaChannel", tTransport245),
		may(tBool),
		mayWant("mediaControlChannel", tTransport245),
		mayStop, mayStop, mayStop, mayStop, mayStop,
	).more()

	tChannel = seq(
		must(tWord),
		want("forward", seq(
			may(tWord),
			must(tDataType),
			want("multiplex", choice(must(tUnknown), must(tUnknown), must(tUnknown)).more(want("rtp", tRTP), part{})),
		).more(over(2)...)),
		mayWant("reverse", seq(
			must(tDataType),
			mayWant("multiplex", choice(must(tUnknown), must(tUnknown)).more(want("rtp", tRTP))),
		).more(over(2)...)),
	).more(part{}, stop)

	tChannelAck = seq(
		must(tWord),
		mayWant("reverse", seq(
			must(tWord),
			may(tWord),
			mayWant("multiplex", choice(must(tUnknown)).more(want("rtp", tRTP))),
		).more(over(1)...)),
	).more(part{}, mayWant("forward", choice(want("rtp", seq(
		may(listOf(0, must(tNonStandard245))),
		may(bitField(8)),
		mayWant("mediaChannel", tTransport245),
		mayWant("mediaControlChannel", tTransport245),
		may(bitField(5)),
	).more(over(2)...))).more()), stop)

	// Of all messages two count.
	tControl = choice(
		want("request", choice(stop, stop, stop, want("openLogicalChannel", tChannel), stop, stop, stop, stop, stop, stop, stop).
			more(stop, stop, stop, stop)),
		want("response", choice(slices.Concat(
			slices.Repeat([]part{stop}, 5), []part{want("openLogicalChannelAck", tChannelAck)}, slices.Repeat([]part{stop}, 13),
		)...).more(slices.Repeat([]part{stop}, 5)...)),
		stop,
		stop,
	).more()
)

// RAS.
var (
	// addresses are one at least, and up to ten are looked at.
	addresses = func(name string) part { return want(name, listOf(10, want("", tTransport))) }

	tRAS = choice(
		want("gatekeeperRequest", seq(must(tWord), must(tObject), may(tNonStandard), want("rasAddress", tTransport),
			stop, mayStop, mayStop, mayStop).more()),
		want("gatekeeperConfirm", seq(must(tWord), must(tObject), may(tNonStandard), may(tBMP7),
			want("rasAddress", tTransport)).more(stop)),
		stop,
		want("registrationRequest", seq(must(tWord), must(tObject), may(tNonStandard), must(tBool),
			addresses("callSignalAddress"), addresses("rasAddress"), must(tEndpoint), may(tAliases), may(tBMP7), must(tVendor),
		).more(part{}, mayWant("timeToLive", tTimeToLive), stop)),
		want("registrationConfirm", seq(must(tWord), must(tObject), may(tNonStandard), addresses("callSignalAddress"),
			may(tAliases), may(tBMP7), must(tBMP7)).more(part{}, mayWant("timeToLive", tTimeToLive), stop)),
		stop,
		want("unregistrationRequest", seq(must(tWord), addresses("callSignalAddress"), mayStop, mayStop, mayStop).more()),
		stop,
		stop,
		want("admissionRequest", seq(must(tWord), must(tCallType), may(choice(must(tNull), must(tNull)).more()), must(tBMP7),
			may(tAliases), mayWant("destCallSignalAddress", tTransport), may(tAliases), must(tAliases),
			mayWant("srcCallSignalAddress", tTransport), stop, mayStop, mayStop).more()),
		want("admissionConfirm", seq(must(tWord), must(tLong), must(choice(must(tNull), must(tNull)).more()),
			want("destCallSignalAddress", tTransport), mayStop, mayStop).more()),
		stop, stop, stop, stop, stop, stop, stop,
		want("locationRequest", seq(must(tWord), may(tBMP7), must(tAliases), may(tNonStandard),
			want("replyAddress", tTransport)).more(stop)),
		want("locationConfirm", seq(must(tWord), want("callSignalAddress", tTransport), want("rasAddress", tTransport),
			mayStop).more()),
		stop,
		stop,
		want("infoRequestResponse", seq(may(tNonStandard), must(tWord), must(tEndpoint), must(tBMP7),
			want("rasAddress", tTransport), addresses("callSignalAddress"), mayStop, mayStop).more()),
		stop,
	).more()

	tTimeToLive = &shape{kind: kindLong, low: 1}
)

// Constructors of shapes.

func bitField(width int) *shape { return &shape{kind: kindFlag, width: width} }

func fixedOctets(n int) *shape { return &shape{kind: kindFixed, low: n} }

func listOf(most int, elem part) *shape { return &shape{kind: kindList, most: most, elem: elem} }

func seq(parts ...part) *shape {
	s := &shape{kind: kindSeq, parts: parts, root: len(parts)}
	for _, p := range parts {
		if p.may {
			s.opts++
		}
	}
	return s
}

func choice(parts ...part) *shape {
	return &shape{kind: kindChoice, parts: parts, root: len(parts), width: bits.Len(uint(len(parts) - 1))}
}

// more gives a shape an extension mark, and what follows it.
func (s *shape) more(parts ...part) *shape {
	s.ext = true
	s.parts = append(s.parts, parts...)
	return s
}

func must(s *shape) part { return part{shape: s} }
func may(s *shape) part  { return part{shape: s, may: true} }

func want(name string, s *shape) part    { return part{name: name, shape: s, keep: true} }
func mayWant(name string, s *shape) part { return part{name: name, shape: s, keep: true, may: true} }

// named is an alternative of which only its name counts.
func named(name string, s *shape) part { return part{name: name, shape: s} }

// contained is a list of encodings in octet strings.
func contained(most int, s *shape) *shape {
	return listOf(most, part{shape: s, keep: true, open: true})
}

// over are n additions that are stepped over.
func over(n int) []part { return make([]part, n) }

// stop ends a sequence for the helper, also where it may be absent.
var (
	stop    = part{stop: true}
	mayStop = part{stop: true, may: true}
)
