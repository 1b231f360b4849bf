package h323

import "strconv"

// Field names a field of a message.
// The numbers are not stable between versions: store names, not numbers.
type Field uint8

// The fields, by the names of ASN.1. Where the same name means one thing in one message and a list in another there are two
// of them. A name with a dot in it stands for a field of a structure that has no other use here.
const (
	FieldNone Field = iota

	// The envelope: TPKT (RFC 1006) and Q.931, with the information elements that H.225.0 7.2 knows.
	FieldTPKTLength
	FieldCallReference
	FieldMessageType
	FieldBearerCapability
	FieldCause
	FieldChannelIdentification
	FieldFacilityIE
	FieldProgressIndicator
	FieldCallState
	FieldNetworkFacilities
	FieldNotificationIndicator
	FieldDisplay
	FieldDateTime
	FieldKeypad
	FieldSignal
	FieldConnectedNumber
	FieldCallingPartyNumber
	FieldCallingPartySubaddress
	FieldCalledPartyNumber
	FieldCalledPartySubaddress
	FieldRedirectingNumber
	FieldUserUser
	FieldIE

	// H.225.0 call signalling.
	FieldProtocolIdentifier
	FieldH245Address
	FieldSourceAddress
	FieldSourceInfo
	FieldDestinationAddress
	FieldDestCallSignalAddress
	FieldDestExtraCallInfo
	FieldConferenceID
	FieldSourceCallSignalAddress
	FieldRemoteExtensionAddress
	FieldRemoteExtensionAddresses
	FieldCallIdentifier
	FieldCryptoTokens
	FieldFastStart
	FieldEndpointIdentifier
	FieldCircuitInfoGenericData
	FieldDesiredProtocols
	FieldNeededFeatures
	FieldDesiredFeatures
	FieldSupportedFeatures
	FieldParallelH245Control
	FieldAdditionalSourceAddresses
	FieldDestinationInfo
	FieldAlertingAddress
	FieldConnectedAddress
	FieldBusyAddress
	FieldAlternativeAddress
	FieldAlternativeAliasAddress
	FieldConferences
	FieldConferenceAlias
	FieldNonStandardData
	FieldH4501SupplementaryService
	FieldH245Control
	FieldGenericData
	FieldUserData
	FieldH245Tunnelling
	FieldNonStandardControl
	FieldCallLinkage
	FieldTunnelledSignallingMessage
	FieldStimulusControl

	// Parts of more than one message.
	FieldFeatureSetNeeded
	FieldFeatureSetDesired
	FieldFeatureSetSupported
	FieldParameters
	FieldTransport
	FieldAlias
	FieldContentAlias
	FieldTransportID
	FieldVendor
	FieldSupportedPrefixes

	// RAS.
	FieldRequestSeqNum
	FieldRASAddress
	FieldRASAddresses
	FieldCallSignalAddress
	FieldOneCallSignalAddress
	FieldReplyAddress
	FieldSrcCallSignalAddress
	FieldEndpointType
	FieldTerminalType
	FieldDestinationType
	FieldGatekeeperIdentifier
	FieldEndpointAlias
	FieldTerminalAlias
	FieldTerminalAliasPattern
	FieldEndpointAliasPattern
	FieldEndpointVendor
	FieldAlternateEndpoints
	FieldAlternateGatekeeper
	FieldAltGKInfo
	FieldAssignedGatekeeper
	FieldAliasAddress
	FieldAnnexE
	FieldSCTP
	FieldPreGrantedAnnexE
	FieldPreGrantedSCTP
	FieldFeatureServerAlias
	FieldSrcInfo
	FieldDestinationAliases
	FieldSourceAliases
	FieldSourceEndpointInfo
	FieldModifiedSrcInfo
	FieldSrcAlternatives
	FieldDestAlternatives
	FieldCallReferenceValue
	FieldSupportedProtocols
	FieldProtocols
	FieldDuplicateAlias
	FieldInvalidTerminalAlias
	FieldInvalidTerminalAliasPattern
	FieldBandwidthDetails
	FieldRTCPSendAddress
	FieldRTCPRecvAddress
	FieldPerCallInfo
	FieldAudio
	FieldVideo
	FieldData
	FieldRTPAddressSend
	FieldRTPAddressRecv
	FieldRTCPAddressSend
	FieldRTCPAddressRecv
	FieldSendAddress
	FieldRecvAddress
	FieldH245Send
	FieldH245Recv
	FieldCallSignallingSend
	FieldCallSignallingRecv
	FieldPDU
	FieldACF
	FieldMessageNotUnderstood
	FieldTimeToLive

	// H.245.
	FieldMediaChannel
	FieldMediaControlChannel
	FieldForwardLogicalChannelNumber
	FieldReverseLogicalChannelNumber
	FieldSeparateStack
	FieldCommunicationModeTable
	FieldSignalAddress
	FieldRequest
	FieldResponse
	FieldCommand
	FieldReturnedFunction
	FieldSequenceNumber
	FieldStatusDeterminationNumber
	FieldNonStandardList
	FieldAlphanumeric
	FieldProductNumber
	FieldVersionNumber

	numFields = int(iota)
)

// fieldNames holds the names as paths show them; "[]" at the end says that the field repeats.
var fieldNames = [numFields]string{
	FieldNone: "",

	FieldTPKTLength:             "tpktLength",
	FieldCallReference:          "callReference",
	FieldMessageType:            "messageType",
	FieldBearerCapability:       "bearerCapability",
	FieldCause:                  "cause",
	FieldChannelIdentification:  "channelIdentification",
	FieldFacilityIE:             "facility",
	FieldProgressIndicator:      "progressIndicator",
	FieldCallState:              "callState",
	FieldNetworkFacilities:      "networkFacilities",
	FieldNotificationIndicator:  "notificationIndicator",
	FieldDisplay:                "display",
	FieldDateTime:               "dateTime",
	FieldKeypad:                 "keypad",
	FieldSignal:                 "signal",
	FieldConnectedNumber:        "connectedNumber",
	FieldCallingPartyNumber:     "callingPartyNumber",
	FieldCallingPartySubaddress: "callingPartySubaddress",
	FieldCalledPartyNumber:      "calledPartyNumber",
	FieldCalledPartySubaddress:  "calledPartySubaddress",
	FieldRedirectingNumber:      "redirectingNumber",
	FieldUserUser:               "userUser",
	FieldIE:                     "ie[]",

	FieldProtocolIdentifier:         "protocolIdentifier",
	FieldH245Address:                "h245Address",
	FieldSourceAddress:              "sourceAddress[]",
	FieldSourceInfo:                 "sourceInfo",
	FieldDestinationAddress:         "destinationAddress[]",
	FieldDestCallSignalAddress:      "destCallSignalAddress",
	FieldDestExtraCallInfo:          "destExtraCallInfo[]",
	FieldConferenceID:               "conferenceID",
	FieldSourceCallSignalAddress:    "sourceCallSignalAddress",
	FieldRemoteExtensionAddress:     "remoteExtensionAddress",
	FieldRemoteExtensionAddresses:   "remoteExtensionAddress[]",
	FieldCallIdentifier:             "callIdentifier",
	FieldCryptoTokens:               "cryptoTokens[]",
	FieldFastStart:                  "fastStart[]",
	FieldEndpointIdentifier:         "endpointIdentifier",
	FieldCircuitInfoGenericData:     "circuitInfo.genericData[]",
	FieldDesiredProtocols:           "desiredProtocols[]",
	FieldNeededFeatures:             "neededFeatures[]",
	FieldDesiredFeatures:            "desiredFeatures[]",
	FieldSupportedFeatures:          "supportedFeatures[]",
	FieldParallelH245Control:        "parallelH245Control[]",
	FieldAdditionalSourceAddresses:  "additionalSourceAddresses[]",
	FieldDestinationInfo:            "destinationInfo",
	FieldAlertingAddress:            "alertingAddress[]",
	FieldConnectedAddress:           "connectedAddress[]",
	FieldBusyAddress:                "busyAddress[]",
	FieldAlternativeAddress:         "alternativeAddress",
	FieldAlternativeAliasAddress:    "alternativeAliasAddress[]",
	FieldConferences:                "conferences[]",
	FieldConferenceAlias:            "conferenceAlias",
	FieldNonStandardData:            "nonStandardData",
	FieldH4501SupplementaryService:  "h4501SupplementaryService[]",
	FieldH245Control:                "h245Control[]",
	FieldGenericData:                "genericData[]",
	FieldUserData:                   "userData",
	FieldH245Tunnelling:             "h245Tunnelling",
	FieldNonStandardControl:         "nonStandardControl[]",
	FieldCallLinkage:                "callLinkage",
	FieldTunnelledSignallingMessage: "tunnelledSignallingMessage",
	FieldStimulusControl:            "stimulusControl",

	FieldFeatureSetNeeded:    "featureSet.neededFeatures[]",
	FieldFeatureSetDesired:   "featureSet.desiredFeatures[]",
	FieldFeatureSetSupported: "featureSet.supportedFeatures[]",
	FieldParameters:          "parameters[]",
	FieldTransport:           "transport[]",
	FieldAlias:               "alias",
	FieldContentAlias:        "alias[]",
	FieldTransportID:         "transportID",
	FieldVendor:              "vendor",
	FieldSupportedPrefixes:   "supportedPrefixes[]",

	FieldRequestSeqNum:               "requestSeqNum",
	FieldRASAddress:                  "rasAddress",
	FieldRASAddresses:                "rasAddress[]",
	FieldCallSignalAddress:           "callSignalAddress[]",
	FieldOneCallSignalAddress:        "callSignalAddress",
	FieldReplyAddress:                "replyAddress",
	FieldSrcCallSignalAddress:        "srcCallSignalAddress",
	FieldEndpointType:                "endpointType",
	FieldTerminalType:                "terminalType",
	FieldDestinationType:             "destinationType",
	FieldGatekeeperIdentifier:        "gatekeeperIdentifier",
	FieldEndpointAlias:               "endpointAlias[]",
	FieldTerminalAlias:               "terminalAlias[]",
	FieldTerminalAliasPattern:        "terminalAliasPattern[]",
	FieldEndpointAliasPattern:        "endpointAliasPattern[]",
	FieldEndpointVendor:              "endpointVendor",
	FieldAlternateEndpoints:          "alternateEndpoints[]",
	FieldAlternateGatekeeper:         "alternateGatekeeper[]",
	FieldAltGKInfo:                   "altGKInfo.alternateGatekeeper[]",
	FieldAssignedGatekeeper:          "assignedGatekeeper",
	FieldAliasAddress:                "aliasAddress[]",
	FieldAnnexE:                      "alternateTransportAddresses.annexE[]",
	FieldSCTP:                        "alternateTransportAddresses.sctp[]",
	FieldPreGrantedAnnexE:            "preGrantedARQ.alternateTransportAddresses.annexE[]",
	FieldPreGrantedSCTP:              "preGrantedARQ.alternateTransportAddresses.sctp[]",
	FieldFeatureServerAlias:          "featureServerAlias",
	FieldSrcInfo:                     "srcInfo[]",
	FieldDestinationAliases:          "destinationInfo[]",
	FieldSourceAliases:               "sourceInfo[]",
	FieldSourceEndpointInfo:          "sourceEndpointInfo[]",
	FieldModifiedSrcInfo:             "modifiedSrcInfo[]",
	FieldSrcAlternatives:             "srcAlternatives[]",
	FieldDestAlternatives:            "destAlternatives[]",
	FieldCallReferenceValue:          "callReferenceValue",
	FieldSupportedProtocols:          "supportedProtocols[]",
	FieldProtocols:                   "protocols[]",
	FieldDuplicateAlias:              "rejectReason.duplicateAlias[]",
	FieldInvalidTerminalAlias:        "rejectReason.invalidTerminalAliases.terminalAlias[]",
	FieldInvalidTerminalAliasPattern: "rejectReason.invalidTerminalAliases.terminalAliasPattern[]",
	FieldBandwidthDetails:            "bandwidthDetails[]",
	FieldRTCPSendAddress:             "rtcpAddresses.sendAddress",
	FieldRTCPRecvAddress:             "rtcpAddresses.recvAddress",
	FieldPerCallInfo:                 "perCallInfo[]",
	FieldAudio:                       "audio[]",
	FieldVideo:                       "video[]",
	FieldData:                        "data[]",
	FieldRTPAddressSend:              "rtpAddress.sendAddress",
	FieldRTPAddressRecv:              "rtpAddress.recvAddress",
	FieldRTCPAddressSend:             "rtcpAddress.sendAddress",
	FieldRTCPAddressRecv:             "rtcpAddress.recvAddress",
	FieldSendAddress:                 "sendAddress",
	FieldRecvAddress:                 "recvAddress",
	FieldH245Send:                    "h245.sendAddress",
	FieldH245Recv:                    "h245.recvAddress",
	FieldCallSignallingSend:          "callSignalling.sendAddress",
	FieldCallSignallingRecv:          "callSignalling.recvAddress",
	FieldPDU:                         "pdu[]",
	FieldACF:                         "acf[]",
	FieldMessageNotUnderstood:        "messageNotUnderstood",
	FieldTimeToLive:                  "timeToLive",

	FieldMediaChannel:                "mediaChannel",
	FieldMediaControlChannel:         "mediaControlChannel",
	FieldForwardLogicalChannelNumber: "forwardLogicalChannelNumber",
	FieldReverseLogicalChannelNumber: "reverseLogicalChannelNumber",
	FieldSeparateStack:               "separateStack.networkAddress.localAreaAddress",
	FieldCommunicationModeTable:      "communicationModeTable[]",
	FieldSignalAddress:               "signalAddress",
	FieldRequest:                     "request",
	FieldResponse:                    "response",
	FieldCommand:                     "command",
	FieldReturnedFunction:            "returnedFunction",
	FieldSequenceNumber:              "sequenceNumber",
	FieldStatusDeterminationNumber:   "statusDeterminationNumber",
	FieldNonStandardList:             "nonStandard[]",
	FieldAlphanumeric:                "alphanumeric",
	FieldProductNumber:               "productNumber",
	FieldVersionNumber:               "versionNumber",
}

// String returns the name of the field, as paths show it, without an index.
func (f Field) String() string {
	if int(f) >= numFields {
		return "field " + strconv.Itoa(int(f))
	}
	name := fieldNames[f]
	if f.Repeats() {
		return name[:len(name)-2]
	}
	return name
}

// Repeats says whether the field is a list, so that its path always has an index.
func (f Field) Repeats() bool {
	if int(f) >= numFields {
		return false
	}
	name := fieldNames[f]
	return len(name) > 0 && name[len(name)-1] == ']'
}
