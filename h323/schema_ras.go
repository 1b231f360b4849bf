package h323

// RAS (H.225.0 7.6 and up): the choice of messages and what several of them have in common.

// tRAS is RasMessage.
var tRAS = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tGRQ, m: GRQ},
		{t: &tGCF, m: GCF},
		{t: &tGRJ, m: GRJ},
		{t: &tRRQ, m: RRQ},
		{t: &tRCF, m: RCF},
		{t: &tRRJ, m: RRJ},
		{t: &tURQ, m: URQ},
		{t: &tUCF, m: UCF},
		{t: &tURJ, m: URJ},
		{t: &tARQ, m: ARQ},
		{t: &tACF, m: ACF},
		{t: &tARJ, m: ARJ},
		{t: &tBRQ, m: BRQ},
		{t: &tBCF, m: BCF},
		{t: &tBRJ, m: BRJ},
		{t: &tDRQ, m: DRQ},
		{t: &tDCF, m: DCF},
		{t: &tDRJ, m: DRJ},
		{t: &tLRQ, m: LRQ},
		{t: &tLCF, m: LCF},
		{t: &tLRJ, m: LRJ},
		{t: &tIRQ, m: IRQ},
		{t: &tIRR, m: IRR},
		{t: &tNonStandardMessage, m: NonStandardMessage},
		{t: &tUnknownMessage, m: UnknownMessageResponse},
	},
	more: []item{
		{t: &tRIP, m: RIP},
		{t: &tRAI, m: RAI},
		{t: &tRAC, m: RAC},
		{t: &tIACK, m: IACK},
		{t: &tINAK, m: INAK},
		{t: &tSCI, m: SCI},
		{t: &tSCR, m: SCR},
		// A component of its own, since the confirmations have no other path.
		{t: &node{kind: kindList, of: &node{kind: kindSequence, root: []item{{t: &tACF, f: FieldACF, how: counted}}}}, m: AdmissionConfirmSequence},
	},
}

var tSeqNum = tWord1

var tAlternateGK = node{kind: kindSequence, ext: true, root: []item{
	{t: &tTransport, f: FieldRASAddress},
	{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
	{t: &tBool},
	{t: &tSeven},
}}

var tAlternateGKList = node{kind: kindList, of: &tAlternateGK}

var tAltGKInfo = node{kind: kindSequence, ext: true, root: []item{
	{t: &tAlternateGKList, f: FieldAltGKInfo}, {t: &tBool},
}}

var tAlternateTransports = node{
	kind: kindSequence, ext: true,
	root: []item{{t: &tTransportList, f: FieldAnnexE, how: opt}},
	more: []item{{t: &tTransportList, f: FieldSCTP}},
}

var tEndpoints = node{kind: kindList, of: &node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tAliasList, f: FieldAliasAddress, how: opt},
		{t: &tTransportList, f: FieldCallSignalAddress, how: opt},
		{t: &tTransportList, f: FieldRASAddresses, how: opt},
		{t: &tEndpointType, f: FieldEndpointType, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tSeven, how: opt},
		{t: &tAliasList, f: FieldRemoteExtensionAddresses, how: opt},
		{t: &tAliasList, f: FieldDestExtraCallInfo, how: opt},
	},
	more: []item{{t: &tAlternateTransports}, {t: &tCircuitInfo}, {t: &tFeatureSet}},
}}

// The four channels of perCallInfo and that of bandwidthDetails are TransportChannelInfo all, with paths of their own.
var (
	tRTPChannel = node{kind: kindSequence, ext: true, root: []item{
		{t: &tTransport, f: FieldRTPAddressSend, how: opt}, {t: &tTransport, f: FieldRTPAddressRecv, how: opt},
	}}
	tRTCPChannel = node{kind: kindSequence, ext: true, root: []item{
		{t: &tTransport, f: FieldRTCPAddressSend, how: opt}, {t: &tTransport, f: FieldRTCPAddressRecv, how: opt},
	}}
	tDataChannel = node{kind: kindSequence, ext: true, root: []item{
		{t: &tTransport, f: FieldSendAddress, how: opt}, {t: &tTransport, f: FieldRecvAddress, how: opt},
	}}
	tH245Channel = node{kind: kindSequence, ext: true, root: []item{
		{t: &tTransport, f: FieldH245Send, how: opt}, {t: &tTransport, f: FieldH245Recv, how: opt},
	}}
	tCallChannel = node{kind: kindSequence, ext: true, root: []item{
		{t: &tTransport, f: FieldCallSignallingSend, how: opt}, {t: &tTransport, f: FieldCallSignallingRecv, how: opt},
	}}
	tBandwidthChannel = node{kind: kindSequence, ext: true, root: []item{
		{t: &tTransport, f: FieldRTCPSendAddress, how: opt}, {t: &tTransport, f: FieldRTCPRecvAddress, how: opt},
	}}
)

var tBandwidthDetails = node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
	{t: &tBool}, {t: &tBool}, {t: &tLong}, {t: &tBandwidthChannel},
}}}

var tSessions = node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
	{t: &tRTPChannel}, {t: &tRTCPChannel}, {t: &tText}, {t: &tLong1}, {t: &tByte1}, {t: &node{kind: kindList, of: &tByte1}},
}}}

var tPerCallInfo = node{kind: kindList, of: &node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tWord, f: FieldCallReferenceValue},
		{t: &tGUID, f: FieldConferenceID},
		{t: &tBool, how: opt},
		{t: &tSessions, f: FieldAudio, how: opt},
		{t: &tSessions, f: FieldVideo, how: opt},
		{t: &node{kind: kindList, of: &tDataChannel}, f: FieldData, how: opt},
		{t: &tH245Channel},
		{t: &tCallChannel},
		{t: &tCallType},
		{t: &tLong},
		{t: &tCallModel},
	},
	more: []item{
		0: {t: &tCallIdentifier, f: FieldCallIdentifier},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &node{kind: kindList, of: &node{kind: kindSequence, root: []item{{t: &tUUPDU}, {t: &tBool}}}}, f: FieldPDU},
		7: {t: &tCircuitInfo},
	},
}}

var tPreGranted = node{
	kind: kindSequence, ext: true,
	root: []item{{t: &tTransportList, f: FieldPreGrantedAnnexE, how: opt}},
	more: []item{{t: &tTransportList, f: FieldPreGrantedSCTP}},
}

var tRegistrationReason = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tNull},
		{t: &tNull},
		{t: &tNull},
		{t: &tNull},
		{t: &tAliasList, f: FieldDuplicateAlias},
		{t: &tNull},
		{t: &tNull},
		{t: &tNull},
	},
	more: []item{6: {t: &node{kind: kindSequence, ext: true, root: []item{
		{t: &tAliasList, f: FieldInvalidTerminalAlias, how: opt},
		{t: &tPatternList, f: FieldInvalidTerminalAliasPattern, how: opt},
		{t: &tSupportedPrefixes, how: opt},
	}}}},
}
