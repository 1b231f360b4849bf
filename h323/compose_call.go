package h323

import "net/netip"

// SetupBody is a Setup (H.225.0 7.3.10). The zero value asks for a call without saying to whom.
type SetupBody struct {
	// ExtensionBits is how many bits the presence bitmap of the extension additions has, 7 to 28. Only additions below
	// can be sent: parallelH245Control needs 25. 0 means as many as the version of the message has, 26 in version 4.
	//
	// The bits that a stack of its version always sets are set: mediaWaitForConnect, canOverlapSend, multipleCalls and
	// maintainConnection, all false, and hopCount from 27 bits up.
	ExtensionBits int
	// Source and Destination are aliases.
	Source, Destination []Alias
	// Addresses.
	SourceCallSignalAddress, DestCallSignalAddress, H245Address netip.AddrPort
	ConferenceID                                                [16]byte
	FastStart                                                   []Channel
	ParallelH245Control                                         []Control
	// Product is the productId of the vendor, at most 256 octets; empty for the program's own.
	Product string
}

// setupBits are the counts of additions that the versions of H.225.0 gave Setup-UUIE.
var setupBits = []struct {
	version uint8
	bits    int
}{{2, 7}, {3, 12}, {4, 26}, {5, 27}, {6, 27}, {7, 28}, {8, 28}}

// version returns the first version that has as many bits.
func (b SetupBody) version() uint8 {
	if b.ExtensionBits == 0 {
		return 4
	}
	for _, v := range setupBits {
		if b.ExtensionBits <= v.bits {
			return v.version
		}
	}
	return 8
}

func (b SetupBody) bits(version uint8) int {
	if b.ExtensionBits != 0 {
		return b.ExtensionBits
	}
	for _, v := range setupBits {
		if version == v.version {
			return v.bits
		}
	}
	return setupBits[0].bits
}

func (SetupBody) message() Message { return Setup }

func (b SetupBody) compose(c *composer, m *CallMessage) {
	count := b.bits(m.version())
	if count < 7 || count > 28 {
		c.Fail("%d extension bits, 7 to 28 can be sent", count)
		return
	}
	c.Bool(true)
	c.Bool(b.H245Address.IsValid())
	c.Bool(len(b.Source) > 0)
	c.Bool(len(b.Destination) > 0)
	c.Bool(b.DestCallSignalAddress.IsValid())
	c.Bits(0b000, 3) // destExtraCallInfo, destExtraCRV, callServices
	c.identifier(m.version())
	if b.H245Address.IsValid() {
		c.transport(FieldH245Address, 0, b.H245Address)
	}
	if len(b.Source) > 0 {
		c.aliases(b.Source)
	}
	c.endpoint(b.Product)
	if len(b.Destination) > 0 {
		c.aliases(b.Destination)
	}
	if b.DestCallSignalAddress.IsValid() {
		c.transport(FieldDestCallSignalAddress, 0, b.DestCallSignalAddress)
	}
	c.Bool(false) // activeMC
	c.Octets(b.ConferenceID[:]...)
	c.choice(0, 3, null) // conferenceGoal: create
	c.choice(0, 4, null) // callType: pointToPoint
	no := func(number int) func() { return when(number < count, func() { c.Bool(false) }) }
	c.additions(count, []addition{
		{0, "sourceCallSignalAddress", when(b.SourceCallSignalAddress.IsValid(), func() {
			c.transport(FieldSourceCallSignalAddress, 0, b.SourceCallSignalAddress)
		})},
		{2, "callIdentifier", c.callIdentifier(m)},
		{6, "fastStart", c.fastStart(b.FastStart)},
		{7, "mediaWaitForConnect", no(7)},
		{8, "canOverlapSend", no(8)},
		{10, "multipleCalls", no(10)},
		{11, "maintainConnection", no(11)},
		{24, "parallelH245Control", when(len(b.ParallelH245Control) > 0, func() {
			c.controls(FieldParallelH245Control, b.ParallelH245Control)
		})},
		{26, "hopCount", when(count > 26, func() { c.Int(31, 1, 31) })},
	})
}

func (c *composer) callIdentifier(m *CallMessage) func() {
	return func() {
		c.Bool(false)
		c.Octets(m.ID[:]...)
	}
}

// fastStart returns what writes the elements, each an OpenLogicalChannel in an OCTET STRING, or nil if there are none.
func (c *composer) fastStart(channels []Channel) func() {
	return when(len(channels) > 0, func() { c.elements(FieldFastStart, len(channels), func(i int) { channels[i].olc(c) }) })
}

// elements writes a list of OCTET STRINGs, each with an encoding of its own, and names them while doing so.
func (c *composer) elements(f Field, n int, write func(i int)) {
	outer := c.at
	c.Length(n)
	for i := range n {
		c.at.Field, c.at.Index = f, uint16(i)
		c.open(func() { write(i) })
		c.at = outer
	}
}

// AnswerBody is one of the messages by which the callee moves a call on, and which differ in little.
type AnswerBody struct {
	// Message is CallProceeding, Alerting, Connect or Progress.
	Message     Message
	H245Address netip.AddrPort
	FastStart   []Channel
	// ConferenceID is sent in Connect only.
	ConferenceID [16]byte
	// Product is the productId of the vendor, at most 256 octets; empty for the program's own.
	Product string
}

func (b AnswerBody) message() Message {
	switch b.Message {
	case CallProceeding, Alerting, Connect, Progress:
		return b.Message
	}
	return MessageNone
}

// counts says how many additions the versions 2, 3, 4 to 6 and 7 of H.225.0 gave a message.
type counts [4]int

func (n counts) in(version uint8) int {
	switch {
	case version < 3:
		return n[0]
	case version < 4:
		return n[1]
	case version < 7:
		return n[2]
	}
	return n[3]
}

var answerCounts = map[Message]counts{
	CallProceeding: {5, 7, 9, 9},
	Alerting:       {5, 10, 14, 15},
	Connect:        {5, 11, 15, 16},
	Progress:       {0, 2, 3, 3},
}

func (b AnswerBody) compose(c *composer, m *CallMessage) {
	if b.Message == Progress {
		b.progress(c, m)
		return
	}
	c.Bool(true)
	c.Bool(b.H245Address.IsValid())
	c.identifier(m.version())
	if b.Message == Connect { // there the address comes first
		b.address(c)
		c.endpoint(b.Product)
		c.Octets(b.ConferenceID[:]...)
	} else {
		c.endpoint(b.Product)
		b.address(c)
	}
	c.additions(answerCounts[b.Message].in(m.version()), []addition{
		{0, "callIdentifier", c.callIdentifier(m)},
		{4, "fastStart", c.fastStart(b.FastStart)},
		{5, "multipleCalls", c.since3(m)},
		{6, "maintainConnection", c.since3(m)},
	})
}

// progress differs: callIdentifier and fastStart are in the root.
func (b AnswerBody) progress(c *composer, m *CallMessage) {
	count := answerCounts[Progress].in(m.version())
	fast := c.fastStart(b.FastStart)
	c.Bool(count > 0)
	c.Bool(b.H245Address.IsValid())
	c.Bits(0b000, 3) // h245SecurityMode, tokens, cryptoTokens
	c.Bool(fast != nil)
	c.identifier(m.version())
	c.endpoint(b.Product)
	b.address(c)
	c.callIdentifier(m)()
	if fast != nil {
		fast()
	}
	if count > 0 {
		c.additions(count, []addition{
			{0, "multipleCalls", c.since3(m)},
			{1, "maintainConnection", c.since3(m)},
		})
	}
}

func (b AnswerBody) address(c *composer) {
	if b.H245Address.IsValid() {
		c.transport(FieldH245Address, 0, b.H245Address)
	}
}

// since3 writes a BOOLEAN that version 3 brought and that its stacks always send.
func (c *composer) since3(m *CallMessage) func() {
	return when(m.version() >= 3, func() { c.Bool(false) })
}

// FacilityBody is a Facility. The zero value serves to carry h245Control.
type FacilityBody struct {
	Reason FacilityReason
	// AlternativeAddress is where a forwarded call should go.
	AlternativeAddress, H245Address netip.AddrPort
	// FastStart needs version 3.
	FastStart []Channel
}

// FacilityReason is why a Facility is sent.
type FacilityReason uint8

// The reasons. FacilityByContent is startH245 with an h245Address, callForwarded with an alternativeAddress,
// forwardedElements with fastStart and otherwise transportedInformation.
const (
	FacilityByContent FacilityReason = iota
	FacilityRouteCallToGatekeeper
	FacilityCallForwarded
	FacilityRouteCallToMC
	FacilityUndefinedReason
	FacilityStartH245
	FacilityNoH245
	FacilityForwardedElements
	FacilityTransportedInformation
)

// facilityReasons are the places of the reasons in the choice.
var facilityReasons = map[FacilityReason]int{
	FacilityRouteCallToGatekeeper:  0,
	FacilityCallForwarded:          1,
	FacilityRouteCallToMC:          2,
	FacilityUndefinedReason:        3,
	FacilityStartH245:              firstExtension + 1,
	FacilityNoH245:                 firstExtension + 2,
	FacilityForwardedElements:      firstExtension + 5,
	FacilityTransportedInformation: firstExtension + 6,
}

func (FacilityBody) message() Message { return Facility }

func (b FacilityBody) reason() FacilityReason {
	switch {
	case b.Reason != FacilityByContent:
		return b.Reason
	case b.H245Address.IsValid():
		return FacilityStartH245
	case b.AlternativeAddress.IsValid():
		return FacilityCallForwarded
	case len(b.FastStart) > 0:
		return FacilityForwardedElements
	}
	return FacilityTransportedInformation
}

func (b FacilityBody) compose(c *composer, m *CallMessage) {
	reason, ok := facilityReasons[b.reason()]
	if !ok {
		c.Fail("facility reason %d", b.Reason)
	}
	c.Bool(true)
	c.Bool(b.AlternativeAddress.IsValid())
	c.Bits(0b00, 2) // alternativeAliasAddress, conferenceID
	c.identifier(m.version())
	if b.AlternativeAddress.IsValid() {
		c.transport(FieldAlternativeAddress, 0, b.AlternativeAddress)
	}
	c.choice(reason, 4, null)
	c.additions(counts{7, 10, 16, 16}.in(m.version()), []addition{
		{0, "callIdentifier", c.callIdentifier(m)},
		{6, "h245Address", when(b.H245Address.IsValid(), func() { c.transport(FieldH245Address, 0, b.H245Address) })},
		{7, "fastStart", c.fastStart(b.FastStart)},
		{8, "multipleCalls", c.since3(m)},
		{9, "maintainConnection", c.since3(m)},
	})
}

// ReleaseBody is a ReleaseComplete.
type ReleaseBody struct{ Reason ReleaseReason }

// ReleaseReason is why a call ends.
type ReleaseReason uint8

// The reasons, in the order of ReleaseCompleteReason but for undefinedReason, which is its last.
const (
	ReleaseUndefinedReason ReleaseReason = iota
	ReleaseNoBandwidth
	ReleaseGatekeeperResources
	ReleaseUnreachableDestination
	ReleaseDestinationRejection
	ReleaseInvalidRevision
	ReleaseNoPermission
	ReleaseUnreachableGatekeeper
	ReleaseGatewayResources
	ReleaseBadFormatAddress
	ReleaseAdaptiveBusy
	ReleaseInConf

	numReleaseReasons = int(iota)
)

func (ReleaseBody) message() Message { return ReleaseComplete }

func (b ReleaseBody) compose(c *composer, m *CallMessage) {
	if int(b.Reason) >= numReleaseReasons {
		c.Fail("release reason %d", b.Reason)
	}
	c.Bool(true)
	c.Bool(true) // reason
	c.identifier(m.version())
	c.choice((int(b.Reason)+numReleaseReasons-1)%numReleaseReasons, numReleaseReasons, null)
	c.additions(counts{1, 6, 9, 11}.in(m.version()), []addition{{0, "callIdentifier", c.callIdentifier(m)}})
}
