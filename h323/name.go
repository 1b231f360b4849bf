package h323

import "strconv"

// Message names a message of H.225.0 call signalling, RAS or H.245.
// The numbers are not stable between versions: store names, not numbers.
type Message uint8

// The messages. Call signalling bears the names of H323-UU-PDU's choice, RAS those of RasMessage in their usual short form,
// H.245 those of its four choices, openLogicalChannel and its acknowledgement in the usual short form as well.
const (
	MessageNone Message = iota

	// H.225.0 call signalling.
	Setup
	CallProceeding
	Connect
	Alerting
	Information
	ReleaseComplete
	Facility
	Progress
	Empty
	Status
	StatusInquiry
	SetupAcknowledge
	Notify

	// RAS.
	GRQ
	GCF
	GRJ
	RRQ
	RCF
	RRJ
	URQ
	UCF
	URJ
	ARQ
	ACF
	ARJ
	BRQ
	BCF
	BRJ
	DRQ
	DCF
	DRJ
	LRQ
	LCF
	LRJ
	IRQ
	IRR
	NonStandardMessage
	UnknownMessageResponse
	RIP
	RAI
	RAC
	IACK
	INAK
	SCI
	SCR
	AdmissionConfirmSequence

	// H.245: a non-standard message of any of the four choices, then requests, responses, commands and indications.
	NonStandard
	MasterSlaveDetermination
	TerminalCapabilitySet
	OLC
	CloseLogicalChannel
	RequestChannelClose
	MultiplexEntrySend
	RequestMultiplexEntry
	RequestMode
	RoundTripDelayRequest
	MaintenanceLoopRequest
	CommunicationModeRequest
	ConferenceRequest
	MultilinkRequest
	LogicalChannelRateRequest
	GenericRequest

	MasterSlaveDeterminationAck
	MasterSlaveDeterminationReject
	TerminalCapabilitySetAck
	TerminalCapabilitySetReject
	OLCAck
	OpenLogicalChannelReject
	CloseLogicalChannelAck
	RequestChannelCloseAck
	RequestChannelCloseReject
	MultiplexEntrySendAck
	MultiplexEntrySendReject
	RequestMultiplexEntryAck
	RequestMultiplexEntryReject
	RequestModeAck
	RequestModeReject
	RoundTripDelayResponse
	MaintenanceLoopAck
	MaintenanceLoopReject
	CommunicationModeResponse
	ConferenceResponse
	MultilinkResponse
	LogicalChannelRateAcknowledge
	LogicalChannelRateReject
	GenericResponse

	MaintenanceLoopOffCommand
	SendTerminalCapabilitySet
	EncryptionCommand
	FlowControlCommand
	EndSessionCommand
	MiscellaneousCommand
	CommunicationModeCommand
	ConferenceCommand
	H223MultiplexReconfiguration
	NewATMVCCommand
	MobileMultilinkReconfigurationCommand
	GenericCommand

	FunctionNotUnderstood
	MasterSlaveDeterminationRelease
	TerminalCapabilitySetRelease
	OpenLogicalChannelConfirm
	RequestChannelCloseRelease
	MultiplexEntrySendRelease
	RequestMultiplexEntryRelease
	RequestModeRelease
	MiscellaneousIndication
	JitterIndication
	H223SkewIndication
	NewATMVCIndication
	UserInput
	H2250MaximumSkewIndication
	MCLocationIndication
	ConferenceIndication
	VendorIdentification
	FunctionNotSupported
	MultilinkIndication
	LogicalChannelRateRelease
	FlowControlIndication
	MobileMultilinkReconfigurationIndication
	GenericIndication

	numMessages = int(iota)
)

var messageNames = [numMessages]string{
	MessageNone: "message",

	Setup:            "setup",
	CallProceeding:   "callProceeding",
	Connect:          "connect",
	Alerting:         "alerting",
	Information:      "information",
	ReleaseComplete:  "releaseComplete",
	Facility:         "facility",
	Progress:         "progress",
	Empty:            "empty",
	Status:           "status",
	StatusInquiry:    "statusInquiry",
	SetupAcknowledge: "setupAcknowledge",
	Notify:           "notify",

	GRQ:                      "grq",
	GCF:                      "gcf",
	GRJ:                      "grj",
	RRQ:                      "rrq",
	RCF:                      "rcf",
	RRJ:                      "rrj",
	URQ:                      "urq",
	UCF:                      "ucf",
	URJ:                      "urj",
	ARQ:                      "arq",
	ACF:                      "acf",
	ARJ:                      "arj",
	BRQ:                      "brq",
	BCF:                      "bcf",
	BRJ:                      "brj",
	DRQ:                      "drq",
	DCF:                      "dcf",
	DRJ:                      "drj",
	LRQ:                      "lrq",
	LCF:                      "lcf",
	LRJ:                      "lrj",
	IRQ:                      "irq",
	IRR:                      "irr",
	NonStandardMessage:       "nonStandardMessage",
	UnknownMessageResponse:   "unknownMessageResponse",
	RIP:                      "rip",
	RAI:                      "rai",
	RAC:                      "rac",
	IACK:                     "iack",
	INAK:                     "inak",
	SCI:                      "sci",
	SCR:                      "scr",
	AdmissionConfirmSequence: "admissionConfirmSequence",

	NonStandard: "nonStandard",

	MasterSlaveDetermination:  "masterSlaveDetermination",
	TerminalCapabilitySet:     "terminalCapabilitySet",
	OLC:                       "olc",
	CloseLogicalChannel:       "closeLogicalChannel",
	RequestChannelClose:       "requestChannelClose",
	MultiplexEntrySend:        "multiplexEntrySend",
	RequestMultiplexEntry:     "requestMultiplexEntry",
	RequestMode:               "requestMode",
	RoundTripDelayRequest:     "roundTripDelayRequest",
	MaintenanceLoopRequest:    "maintenanceLoopRequest",
	CommunicationModeRequest:  "communicationModeRequest",
	ConferenceRequest:         "conferenceRequest",
	MultilinkRequest:          "multilinkRequest",
	LogicalChannelRateRequest: "logicalChannelRateRequest",
	GenericRequest:            "genericRequest",

	MasterSlaveDeterminationAck:    "masterSlaveDeterminationAck",
	MasterSlaveDeterminationReject: "masterSlaveDeterminationReject",
	TerminalCapabilitySetAck:       "terminalCapabilitySetAck",
	TerminalCapabilitySetReject:    "terminalCapabilitySetReject",
	OLCAck:                         "olcAck",
	OpenLogicalChannelReject:       "openLogicalChannelReject",
	CloseLogicalChannelAck:         "closeLogicalChannelAck",
	RequestChannelCloseAck:         "requestChannelCloseAck",
	RequestChannelCloseReject:      "requestChannelCloseReject",
	MultiplexEntrySendAck:          "multiplexEntrySendAck",
	MultiplexEntrySendReject:       "multiplexEntrySendReject",
	RequestMultiplexEntryAck:       "requestMultiplexEntryAck",
	RequestMultiplexEntryReject:    "requestMultiplexEntryReject",
	RequestModeAck:                 "requestModeAck",
	RequestModeReject:              "requestModeReject",
	RoundTripDelayResponse:         "roundTripDelayResponse",
	MaintenanceLoopAck:             "maintenanceLoopAck",
	MaintenanceLoopReject:          "maintenanceLoopReject",
	CommunicationModeResponse:      "communicationModeResponse",
	ConferenceResponse:             "conferenceResponse",
	MultilinkResponse:              "multilinkResponse",
	LogicalChannelRateAcknowledge:  "logicalChannelRateAcknowledge",
	LogicalChannelRateReject:       "logicalChannelRateReject",
	GenericResponse:                "genericResponse",

	MaintenanceLoopOffCommand:             "maintenanceLoopOffCommand",
	SendTerminalCapabilitySet:             "sendTerminalCapabilitySet",
	EncryptionCommand:                     "encryptionCommand",
	FlowControlCommand:                    "flowControlCommand",
	EndSessionCommand:                     "endSessionCommand",
	MiscellaneousCommand:                  "miscellaneousCommand",
	CommunicationModeCommand:              "communicationModeCommand",
	ConferenceCommand:                     "conferenceCommand",
	H223MultiplexReconfiguration:          "h223MultiplexReconfiguration",
	NewATMVCCommand:                       "newATMVCCommand",
	MobileMultilinkReconfigurationCommand: "mobileMultilinkReconfigurationCommand",
	GenericCommand:                        "genericCommand",

	FunctionNotUnderstood:                    "functionNotUnderstood",
	MasterSlaveDeterminationRelease:          "masterSlaveDeterminationRelease",
	TerminalCapabilitySetRelease:             "terminalCapabilitySetRelease",
	OpenLogicalChannelConfirm:                "openLogicalChannelConfirm",
	RequestChannelCloseRelease:               "requestChannelCloseRelease",
	MultiplexEntrySendRelease:                "multiplexEntrySendRelease",
	RequestMultiplexEntryRelease:             "requestMultiplexEntryRelease",
	RequestModeRelease:                       "requestModeRelease",
	MiscellaneousIndication:                  "miscellaneousIndication",
	JitterIndication:                         "jitterIndication",
	H223SkewIndication:                       "h223SkewIndication",
	NewATMVCIndication:                       "newATMVCIndication",
	UserInput:                                "userInput",
	H2250MaximumSkewIndication:               "h2250MaximumSkewIndication",
	MCLocationIndication:                     "mcLocationIndication",
	ConferenceIndication:                     "conferenceIndication",
	VendorIdentification:                     "vendorIdentification",
	FunctionNotSupported:                     "functionNotSupported",
	MultilinkIndication:                      "multilinkIndication",
	LogicalChannelRateRelease:                "logicalChannelRateRelease",
	FlowControlIndication:                    "flowControlIndication",
	MobileMultilinkReconfigurationIndication: "mobileMultilinkReconfigurationIndication",
	GenericIndication:                        "genericIndication",
}

// String returns the name of the message, as paths begin with it; "message" for MessageNone.
func (m Message) String() string {
	if int(m) >= numMessages {
		return "message " + strconv.Itoa(int(m))
	}
	return messageNames[m]
}

// RAS says whether the message is one of RAS (H.225.0 7.6 and up), which has datagrams of its own.
func (m Message) RAS() bool { return m >= GRQ && m <= AdmissionConfirmSequence }

// Control says whether the message is one of H.245.
func (m Message) Control() bool { return m >= NonStandard && int(m) < numMessages }
