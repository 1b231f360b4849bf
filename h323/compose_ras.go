package h323

import (
	"cmp"
	"net/netip"
)

// RASMessage is a message of registration, admission and status to be composed: the payload of a datagram.
type RASMessage struct {
	// Seq is the requestSeqNum; 0 stands for 1.
	Seq uint16
	// Version is the version of H.225.0 that the message claims, 2 to 8; 0 stands for 4.
	Version uint8
	// NonStandard, if not nil, are octets of nonStandardData. Every message has room for it.
	NonStandard []byte
	Body        RASBody
}

// RASBody is what a RASMessage says: GatekeeperRequest, GatekeeperConfirm, RegistrationRequest, RegistrationConfirm,
// UnregistrationRequest, UnregistrationConfirm, AdmissionRequest, AdmissionConfirm or RASReject.
type RASBody interface {
	message() Message
	compose(c *composer, m *RASMessage)
}

// ras holds the places in RasMessage.
var ras = map[Message]int{
	GRQ: 0, GCF: 1, GRJ: 2, RRQ: 3, RCF: 4, RRJ: 5, URQ: 6, UCF: 7, ARQ: 9, ACF: 10, ARJ: 11,
}

// Append appends the message to dst and returns the addresses in it.
func (m RASMessage) Append(dst []byte) ([]byte, []Span, error) {
	c := newComposer(dst)
	index, ok := 0, false
	if m.Body != nil {
		c.at.Message = m.Body.message()
		index, ok = ras[c.at.Message]
	}
	if !ok {
		c.Fail("no body of RAS")
		return c.done(dst)
	}
	c.choice(index, 25, func() { m.Body.compose(c, &m) })
	return c.done(dst)
}

func (m *RASMessage) seq(c *composer) { c.Int(uint64(cmp.Or(m.Seq, 1)), 1, 65535) }

func (m *RASMessage) version(c *composer) { c.identifier(cmp.Or(m.Version, 4)) }

// data writes nonStandardData if there is any. The preamble must say so.
func (m *RASMessage) data(c *composer) {
	if m.NonStandard != nil {
		c.nonStandard(m.NonStandard)
	}
}

// identity writes a GatekeeperIdentifier or an EndpointIdentifier if it is there.
func (c *composer) identity(name, value string) {
	if value != "" {
		c.bmp(name, value, 128)
	}
}

// GatekeeperRequest is a GRQ.
type GatekeeperRequest struct {
	// RASAddress is where the answer shall go. It must be there.
	RASAddress netip.AddrPort
	// Gatekeeper, if not empty, is the one that is looked for.
	Gatekeeper string
	// Aliases is endpointAlias.
	Aliases []Alias
	// Product is the productId of the vendor, at most 256 octets; empty for the program's own.
	Product string
}

func (GatekeeperRequest) message() Message { return GRQ }

func (b GatekeeperRequest) compose(c *composer, m *RASMessage) {
	c.Bool(false)
	c.Bool(m.NonStandard != nil)
	c.Bool(b.Gatekeeper != "")
	c.Bool(false) // callServices
	c.Bool(len(b.Aliases) > 0)
	m.seq(c)
	m.version(c)
	m.data(c)
	c.transport(FieldRASAddress, 0, b.RASAddress)
	c.endpoint(b.Product)
	c.identity("gatekeeperIdentifier", b.Gatekeeper)
	if len(b.Aliases) > 0 {
		c.aliases(b.Aliases)
	}
}

// GatekeeperConfirm is a GCF.
type GatekeeperConfirm struct {
	// Gatekeeper, if not empty, is who answers.
	Gatekeeper string
	// RASAddress is where the gatekeeper takes requests. It must be there.
	RASAddress netip.AddrPort
}

func (GatekeeperConfirm) message() Message { return GCF }

func (b GatekeeperConfirm) compose(c *composer, m *RASMessage) {
	c.Bool(false)
	c.Bool(m.NonStandard != nil)
	c.Bool(b.Gatekeeper != "")
	m.seq(c)
	m.version(c)
	m.data(c)
	c.identity("gatekeeperIdentifier", b.Gatekeeper)
	c.transport(FieldRASAddress, 0, b.RASAddress)
}

// RegistrationRequest is an RRQ. A gateway may open a lasting way in to what it names.
type RegistrationRequest struct {
	// Discovered is discoveryComplete.
	Discovered                      bool
	CallSignalAddress, RASAddresses []netip.AddrPort
	// Aliases is terminalAlias.
	Aliases []Alias
	// Gatekeeper and Endpoint, if not empty, are the identifiers from earlier answers.
	Gatekeeper, Endpoint string
	// TimeToLive is in seconds; 0 leaves it to the gatekeeper.
	TimeToLive uint32
	// KeepAlive asks to renew a registration.
	KeepAlive bool
	// Product is the productId of the vendor, at most 256 octets; empty for the program's own.
	Product string
}

func (RegistrationRequest) message() Message { return RRQ }

func (b RegistrationRequest) compose(c *composer, m *RASMessage) {
	c.Bool(true)
	c.Bool(m.NonStandard != nil)
	c.Bool(len(b.Aliases) > 0)
	c.Bool(b.Gatekeeper != "")
	m.seq(c)
	m.version(c)
	m.data(c)
	c.Bool(b.Discovered)
	c.transports(FieldCallSignalAddress, b.CallSignalAddress)
	c.transports(FieldRASAddresses, b.RASAddresses)
	c.endpoint(b.Product)
	if len(b.Aliases) > 0 {
		c.aliases(b.Aliases)
	}
	c.identity("gatekeeperIdentifier", b.Gatekeeper)
	c.vendor(b.Product)
	// Here and below, as many additions as version 2 had: nothing later is ever sent.
	c.additions(8, []addition{
		{1, "timeToLive", c.timeToLive(b.TimeToLive)},
		{5, "keepAlive", func() { c.Bool(b.KeepAlive) }},
		{6, "endpointIdentifier", when(b.Endpoint != "", func() { c.identity("endpointIdentifier", b.Endpoint) })},
		{7, "willSupplyUUIEs", func() { c.Bool(false) }},
	})
}

func (c *composer) timeToLive(seconds uint32) func() {
	return when(seconds > 0, func() { c.Int(uint64(seconds), 1, 1<<32-1) })
}

// RegistrationConfirm is an RCF.
type RegistrationConfirm struct {
	// CallSignalAddress is where the gatekeeper takes calls, empty if it leaves them to the endpoints.
	CallSignalAddress []netip.AddrPort
	// Aliases is terminalAlias.
	Aliases []Alias
	// Gatekeeper, if not empty, is who answers. Endpoint is the name it gives to the endpoint and must be there.
	Gatekeeper, Endpoint string
	// TimeToLive is in seconds; 0 stands for no end.
	TimeToLive uint32
}

func (RegistrationConfirm) message() Message { return RCF }

func (b RegistrationConfirm) compose(c *composer, m *RASMessage) {
	c.Bool(true)
	c.Bool(m.NonStandard != nil)
	c.Bool(len(b.Aliases) > 0)
	c.Bool(b.Gatekeeper != "")
	m.seq(c)
	m.version(c)
	m.data(c)
	c.transports(FieldCallSignalAddress, b.CallSignalAddress)
	if len(b.Aliases) > 0 {
		c.aliases(b.Aliases)
	}
	c.identity("gatekeeperIdentifier", b.Gatekeeper)
	c.bmp("endpointIdentifier", b.Endpoint, 128)
	c.additions(7, []addition{
		{1, "timeToLive", c.timeToLive(b.TimeToLive)},
		{5, "willRespondToIRR", func() { c.Bool(false) }},
	})
}

// UnregistrationRequest is a URQ.
type UnregistrationRequest struct {
	CallSignalAddress []netip.AddrPort
	// Aliases is endpointAlias.
	Aliases []Alias
	// Endpoint, if not empty, is the identifier from the confirmation.
	Endpoint string
}

func (UnregistrationRequest) message() Message { return URQ }

func (b UnregistrationRequest) compose(c *composer, m *RASMessage) {
	c.Bool(false)
	c.Bool(len(b.Aliases) > 0)
	c.Bool(m.NonStandard != nil)
	c.Bool(b.Endpoint != "")
	m.seq(c)
	c.transports(FieldCallSignalAddress, b.CallSignalAddress)
	if len(b.Aliases) > 0 {
		c.aliases(b.Aliases)
	}
	m.data(c)
	c.identity("endpointIdentifier", b.Endpoint)
}

// UnregistrationConfirm is a UCF.
type UnregistrationConfirm struct{}

func (UnregistrationConfirm) message() Message { return UCF }

func (UnregistrationConfirm) compose(c *composer, m *RASMessage) {
	c.Bool(false)
	c.Bool(m.NonStandard != nil)
	m.seq(c)
	m.data(c)
}

// AdmissionRequest is an ARQ.
type AdmissionRequest struct {
	// Endpoint is the identifier from the registration and must be there.
	Endpoint string
	// Destination and Source are aliases.
	Destination, Source []Alias
	// Addresses.
	DestCallSignalAddress, SrcCallSignalAddress netip.AddrPort
	// Bandwidth is in units of 100 bit/s, for both directions; 0 stands for 1280.
	Bandwidth uint32
	// Reference is the call reference, ID the call identifier.
	Reference        uint16
	ID, ConferenceID [16]byte
	// Answer is set by who is called.
	Answer bool
}

func (AdmissionRequest) message() Message { return ARQ }

func (b AdmissionRequest) compose(c *composer, m *RASMessage) {
	c.Bool(true)
	c.Bool(false) // callModel
	c.Bool(len(b.Destination) > 0)
	c.Bool(b.DestCallSignalAddress.IsValid())
	c.Bool(false) // destExtraCallInfo
	c.Bool(b.SrcCallSignalAddress.IsValid())
	c.Bool(m.NonStandard != nil)
	c.Bool(false) // callServices
	m.seq(c)
	c.choice(0, 4, null) // callType: pointToPoint
	c.bmp("endpointIdentifier", b.Endpoint, 128)
	if len(b.Destination) > 0 {
		c.aliases(b.Destination)
	}
	if b.DestCallSignalAddress.IsValid() {
		c.transport(FieldDestCallSignalAddress, 0, b.DestCallSignalAddress)
	}
	c.aliases(b.Source)
	if b.SrcCallSignalAddress.IsValid() {
		c.transport(FieldSrcCallSignalAddress, 0, b.SrcCallSignalAddress)
	}
	c.bandwidth(b.Bandwidth)
	c.Int(uint64(b.Reference), 0, 65535)
	m.data(c)
	c.Octets(b.ConferenceID[:]...)
	c.Bool(false) // activeMC
	c.Bool(b.Answer)
	c.additions(10, []addition{
		{0, "canMapAlias", func() { c.Bool(true) }},
		{1, "callIdentifier", c.callIdentifier(&CallMessage{ID: b.ID})},
		{9, "willSupplyUUIEs", func() { c.Bool(false) }},
	})
}

func (c *composer) bandwidth(v uint32) { c.Int(uint64(cmp.Or(v, 1280)), 0, 1<<32-1) }

// AdmissionConfirm is an ACF.
type AdmissionConfirm struct {
	// Bandwidth is in units of 100 bit/s, for both directions; 0 stands for 1280.
	Bandwidth uint32
	// Routed says that the call goes through the gatekeeper.
	Routed bool
	// DestCallSignalAddress is where the Setup shall go. It must be there.
	DestCallSignalAddress netip.AddrPort
}

func (AdmissionConfirm) message() Message { return ACF }

func (b AdmissionConfirm) compose(c *composer, m *RASMessage) {
	c.Bool(false)
	c.Bool(false) // irrFrequency
	c.Bool(m.NonStandard != nil)
	m.seq(c)
	c.bandwidth(b.Bandwidth)
	model := 0
	if b.Routed {
		model = 1
	}
	c.choice(model, 2, null)
	c.transport(FieldDestCallSignalAddress, 0, b.DestCallSignalAddress)
	m.data(c)
}

// RASReject is a GRJ, an RRJ or an ARJ.
type RASReject struct {
	// Message says which: GRJ, RRJ or ARJ.
	Message Message
	Reason  RejectReason
	// Gatekeeper, if not empty, is who answers. An ARJ has no place for it.
	Gatekeeper string
}

// RejectReason is why a gatekeeper refuses.
type RejectReason uint8

// The reasons.
const (
	RejectUndefinedReason          RejectReason = iota
	RejectResourceUnavailable                   // GRJ, ARJ
	RejectTerminalExcluded                      // GRJ
	RejectInvalidRevision                       // GRJ, RRJ
	RejectDiscoveryRequired                     // RRJ
	RejectTransportNotSupported                 // RRJ
	RejectCalledPartyNotRegistered              // ARJ
	RejectRequestDenied                         // ARJ
	RejectCallerNotRegistered                   // ARJ
)

// rejects holds the places of the reasons, and how many there are in the root of the message's choice.
var rejects = map[Message]struct {
	root    int
	reasons map[RejectReason]int
}{
	GRJ: {4, map[RejectReason]int{
		RejectUndefinedReason: 3, RejectResourceUnavailable: 0, RejectTerminalExcluded: 1, RejectInvalidRevision: 2,
	}},
	RRJ: {8, map[RejectReason]int{
		RejectUndefinedReason: 6, RejectDiscoveryRequired: 0, RejectInvalidRevision: 1, RejectTransportNotSupported: 7,
	}},
	ARJ: {8, map[RejectReason]int{
		RejectUndefinedReason: 3, RejectCalledPartyNotRegistered: 0, RejectRequestDenied: 2, RejectCallerNotRegistered: 4,
		RejectResourceUnavailable: 7,
	}},
}

func (b RASReject) message() Message {
	if _, ok := rejects[b.Message]; ok {
		return b.Message
	}
	return MessageNone
}

func (b RASReject) compose(c *composer, m *RASMessage) {
	kind := rejects[b.Message]
	place, ok := kind.reasons[b.Reason]
	if !ok {
		c.Fail("reject reason %d", b.Reason)
	}
	reason := func() { c.choice(place, kind.root, null) }
	c.Bool(false)
	c.Bool(m.NonStandard != nil)
	if b.Message == ARJ {
		if b.Gatekeeper != "" {
			c.Fail("no place for a gatekeeperIdentifier")
		}
		m.seq(c)
		reason()
		m.data(c)
		return
	}
	c.Bool(b.Gatekeeper != "")
	m.seq(c)
	m.version(c)
	m.data(c)
	if b.Message == RRJ { // there the reason comes first
		reason()
		c.identity("gatekeeperIdentifier", b.Gatekeeper)
		return
	}
	c.identity("gatekeeperIdentifier", b.Gatekeeper)
	reason()
}
