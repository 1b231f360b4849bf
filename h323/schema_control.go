package h323

// H.245 (ITU-T H.245 Annex A). Messages that cannot hold a transport address are described up to the number that ties them to
// their request; the rest of them is one leaf.

// tControl is MultimediaSystemControlMessage.
var tControl = node{kind: kindChoice, ext: true, root: []item{{t: &tRequest}, {t: &tResponse}, {t: &tCommand}, {t: &tIndication}}}

var tRequest = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tNonStandardMsg, m: NonStandard},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tByte, f: FieldTerminalType}, {t: &node{kind: kindNumber, size: 1 << 24}, f: FieldStatusDeterminationNumber},
		}}, m: MasterSlaveDetermination},
		{t: &tNumbered, m: TerminalCapabilitySet},
		{t: &tOLC, m: OLC},
		{t: &tOfChannel, m: CloseLogicalChannel},
		{t: &tOfChannel, m: RequestChannelClose},
		{t: &tNumbered, m: MultiplexEntrySend},
		{t: &tRest, p: PartRest, m: RequestMultiplexEntry},
		{t: &tNumbered, m: RequestMode},
		{t: &tNumbered, m: RoundTripDelayRequest},
		{t: &tRest, p: PartRest, m: MaintenanceLoopRequest},
	},
	more: []item{
		{t: &tRest, p: PartRest, m: CommunicationModeRequest},
		{t: &tRest, p: PartRest, m: ConferenceRequest},
		{t: &tRest, p: PartRest, m: MultilinkRequest},
		{t: &tRest, p: PartRest, m: LogicalChannelRateRequest},
		{t: &tRest, p: PartRest, m: GenericRequest},
	},
}

var tResponse = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tNonStandardMsg, m: NonStandard},
		{t: &tRest, p: PartRest, m: MasterSlaveDeterminationAck},
		{t: &tRest, p: PartRest, m: MasterSlaveDeterminationReject},
		{t: &tNumbered, m: TerminalCapabilitySetAck},
		{t: &tNumbered, m: TerminalCapabilitySetReject},
		{t: &tOLCAck, m: OLCAck},
		{t: &tOfChannel, m: OpenLogicalChannelReject},
		{t: &tOfChannel, m: CloseLogicalChannelAck},
		{t: &tOfChannel, m: RequestChannelCloseAck},
		{t: &tOfChannel, m: RequestChannelCloseReject},
		{t: &tNumbered, m: MultiplexEntrySendAck},
		{t: &tNumbered, m: MultiplexEntrySendReject},
		{t: &tRest, p: PartRest, m: RequestMultiplexEntryAck},
		{t: &tRest, p: PartRest, m: RequestMultiplexEntryReject},
		{t: &tNumbered, m: RequestModeAck},
		{t: &tNumbered, m: RequestModeReject},
		{t: &tNumbered, m: RoundTripDelayResponse},
		{t: &tRest, p: PartRest, m: MaintenanceLoopAck},
		{t: &tRest, p: PartRest, m: MaintenanceLoopReject},
	},
	more: []item{
		{t: &node{kind: kindChoice, ext: true, root: []item{{t: &tModeTable, f: FieldCommunicationModeTable}}}, m: CommunicationModeResponse},
		{t: &tRest, p: PartRest, m: ConferenceResponse},
		{t: &tRest, p: PartRest, m: MultilinkResponse},
		{t: &tRest, p: PartRest, m: LogicalChannelRateAcknowledge},
		{t: &tRest, p: PartRest, m: LogicalChannelRateReject},
		{t: &tRest, p: PartRest, m: GenericResponse},
	},
}

var tCommand = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tNonStandardMsg, m: NonStandard},
		{t: &tRest, p: PartRest, m: MaintenanceLoopOffCommand},
		{t: &tRest, p: PartRest, m: SendTerminalCapabilitySet},
		{t: &tRest, p: PartRest, m: EncryptionCommand},
		{t: &tRest, p: PartRest, m: FlowControlCommand},
		{t: &tRest, p: PartRest, m: EndSessionCommand},
		{t: &tRest, p: PartRest, m: MiscellaneousCommand},
	},
	more: []item{
		{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tModeTable, f: FieldCommunicationModeTable}}}, m: CommunicationModeCommand},
		{t: &tRest, p: PartRest, m: ConferenceCommand},
		{t: &tRest, p: PartRest, m: H223MultiplexReconfiguration},
		{t: &tRest, p: PartRest, m: NewATMVCCommand},
		{t: &tRest, p: PartRest, m: MobileMultilinkReconfigurationCommand},
		{t: &tRest, p: PartRest, m: GenericCommand},
	},
}

var tIndication = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tNonStandardMsg, m: NonStandard},
		{t: &node{kind: kindChoice, root: []item{ // the message that was not understood, as a whole
			{t: &tRequest, f: FieldRequest}, {t: &tResponse, f: FieldResponse}, {t: &tCommand, f: FieldCommand},
		}}, m: FunctionNotUnderstood},
		{t: &tRest, p: PartRest, m: MasterSlaveDeterminationRelease},
		{t: &tRest, p: PartRest, m: TerminalCapabilitySetRelease},
		{t: &tOfChannel, m: OpenLogicalChannelConfirm},
		{t: &tOfChannel, m: RequestChannelCloseRelease},
		{t: &tRest, p: PartRest, m: MultiplexEntrySendRelease},
		{t: &tRest, p: PartRest, m: RequestMultiplexEntryRelease},
		{t: &tRest, p: PartRest, m: RequestModeRelease},
		{t: &tRest, p: PartRest, m: MiscellaneousIndication},
		{t: &tRest, p: PartRest, m: JitterIndication},
		{t: &tRest, p: PartRest, m: H223SkewIndication},
		{t: &tRest, p: PartRest, m: NewATMVCIndication},
		{t: &node{kind: kindChoice, ext: true, root: []item{
			{t: &tNonStandard245, f: FieldNonStandardData}, {t: &tText, f: FieldAlphanumeric},
		}}, m: UserInput},
	},
	more: []item{
		{t: &tRest, p: PartRest, m: H2250MaximumSkewIndication},
		{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tTransport245, f: FieldSignalAddress}}}, m: MCLocationIndication},
		{t: &tRest, p: PartRest, m: ConferenceIndication},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tNonStandardID245},
			{t: &tSomeOct, f: FieldProductNumber, how: opt},
			{t: &tSomeOct, f: FieldVersionNumber, how: opt},
		}}, m: VendorIdentification},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &node{kind: kindNulls, ext: true, size: 3}},
			{t: &node{kind: kindContents, of: &node{kind: kindControl}}, f: FieldReturnedFunction, how: opt},
		}}, m: FunctionNotSupported},
		{t: &tRest, p: PartRest, m: MultilinkIndication},
		{t: &tRest, p: PartRest, m: LogicalChannelRateRelease},
		{t: &tRest, p: PartRest, m: FlowControlIndication},
		{t: &tRest, p: PartRest, m: MobileMultilinkReconfigurationIndication},
		{t: &tRest, p: PartRest, m: GenericIndication},
	},
}

var tNonStandardID245 = node{kind: kindChoice, root: []item{
	{t: &tObject},
	{t: &node{kind: kindSequence, root: []item{{t: &tByte}, {t: &tByte}, {t: &tWord}}}},
}}

// tNonStandard245 is NonStandardParameter of H.245, which has no extension markers; tUnnamed245 is the same where it has no
// path.
var (
	tNonStandard245 = node{kind: kindSequence, root: []item{{t: &tNonStandardID245}, {t: &tOctets, p: PartData}}}
	tUnnamed245     = node{kind: kindSequence, root: []item{{t: &tNonStandardID245}, {t: &tOctets}}}
)

var tNonStandardMsg = node{kind: kindSequence, ext: true, root: []item{{t: &tNonStandard245}}}

// tNumbered begins with a sequence number, tOfChannel with the number of a logical channel; no address follows. Some of the
// messages have presence bits for what follows, fewer than the number's alignment skips.
var (
	tNumbered  = node{kind: kindSequence, ext: true, root: []item{{t: &tByte, f: FieldSequenceNumber}, {t: &tRest, p: PartRest}}}
	tOfChannel = node{kind: kindSequence, ext: true, root: []item{{t: &tWord1, f: FieldForwardLogicalChannelNumber}, {t: &tRest, p: PartRest}}}
)

var tOLC = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tWord1, f: FieldForwardLogicalChannelNumber},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tWord, how: opt},
			{t: &tDataType},
			{t: &node{
				kind: kindChoice, ext: true,
				root: []item{{t: &tH222Params}, {t: &tH223Params}, {t: &tV76Params}},
				more: []item{{t: &tH2250Params}, {t: &tNull}},
			}},
		}}, how: forward},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tDataType},
			{t: &node{
				kind: kindChoice, ext: true,
				root: []item{{t: &tH223Params}, {t: &tV76Params}},
				more: []item{{t: &tH2250Params}},
			}, how: opt},
		}}, how: opt | reverse},
	},
	more: []item{{t: &tNetworkAccess}},
}

var tOLCAck = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tWord1, f: FieldForwardLogicalChannelNumber},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tWord1, f: FieldReverseLogicalChannelNumber},
			{t: &tWord, how: opt},
			{t: &node{
				kind: kindChoice, ext: true,
				root: []item{{t: &tH222Params}},
				more: []item{{t: &tH2250Params}},
			}, how: opt},
		}}, how: opt | mirror},
	},
	more: []item{
		0: {t: &tNetworkAccess},
		1: {t: &node{kind: kindChoice, ext: true, root: []item{{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tNonStandardList, f: FieldNonStandardList, how: opt},
			{t: &tByte1, how: opt},
			{t: &tTransport245, f: FieldMediaChannel, how: opt},
			{t: &tTransport245, f: FieldMediaControlChannel, how: opt},
			{t: &tPayloadType, how: opt},
		}}}}}},
	},
}

var tNonStandardList = node{kind: kindList, of: &tNonStandard245}

var tTerminalLabel = node{kind: kindSequence, ext: true, root: []item{
	{t: &node{kind: kindNumber, size: 193}}, {t: &node{kind: kindNumber, size: 193}},
}}

var tPayloadType = node{kind: kindNumber, size: 32} // 96..127

var tH2250Params = node{kind: kindSequence, ext: true, root: []item{
	{t: &tNonStandardList, f: FieldNonStandardList, how: opt},
	{t: &tByte},
	{t: &tByte1, how: opt},
	{t: &tTransport245, f: FieldMediaChannel, how: opt},
	{t: &tBool, how: opt},
	{t: &tTransport245, f: FieldMediaControlChannel, how: opt},
	{t: &tBool, how: opt},
	{t: &tBool, how: opt},
	{t: &tTerminalLabel, how: opt},
	{t: &tPayloadType, how: opt},
	{t: &node{kind: kindNulls, ext: true, size: 1}, how: opt},
}}

var tModeTable = node{kind: kindList, lo: 1, hi: 256, of: &node{kind: kindSequence, ext: true, root: []item{
	{t: &tNonStandardList, f: FieldNonStandardList, how: opt},
	{t: &tByte1},
	{t: &tByte1, how: opt},
	{t: &tTerminalLabel, how: opt},
	{t: &tName128},
	{t: &node{kind: kindChoice, ext: true, root: []item{{t: &tVideo}, {t: &tAudio}, {t: &tData}}}},
	{t: &tTransport245, f: FieldMediaChannel, how: opt},
	{t: &tBool, how: opt},
	{t: &tTransport245, f: FieldMediaControlChannel, how: opt},
	{t: &tBool, how: opt},
}}}

var tIPAddress245 = node{kind: kindSequence, ext: true, root: []item{{t: &tIP4, p: PartIP}, {t: &tWord, p: PartPort}}}

var tIP6Address245 = node{kind: kindSequence, ext: true, root: []item{{t: &tGUID, p: PartIP}, {t: &tWord, p: PartPort}}}

var tNSAP = node{kind: kindOctets, lo: 1, hi: 20}

// tTransport245 is TransportAddress of H.245: one of two choices.
var tTransport245 = node{kind: kindChoice, ext: true, ip4: 7, root: []item{
	{t: &node{
		kind: kindChoice, ext: true,
		root: []item{
			{t: &tIPAddress245},
			{t: &node{kind: kindSequence, ext: true, root: []item{
				{t: &node{kind: kindOctets, lo: 6, hi: 6}, p: PartNode},
				{t: &tIP4, p: PartNetnum},
				{t: &node{kind: kindOctets, lo: 2, hi: 2}, p: PartPort},
			}}},
			{t: &tIP6Address245},
			{t: &tGUID, p: PartAddress},
			{t: &node{kind: kindSequence, ext: true, root: []item{
				{t: &node{kind: kindNulls, size: 2}},
				{t: &tIP4, p: PartIP},
				{t: &tWord, p: PartPort},
				{t: &node{kind: kindList, of: &tIP4}, p: PartRoute},
			}}},
		},
		more: []item{{t: &tNSAP, p: PartAddress}, {t: &tNonStandard245}},
	}},
	{t: &node{
		kind: kindChoice, ext: true,
		root: []item{{t: &tIPAddress245}, {t: &tIP6Address245}},
		more: []item{{t: &tNSAP, p: PartAddress}, {t: &tNonStandard245}},
	}},
}}

// tNetworkAccess is that of a separate stack, as T.120 has it.
var tNetworkAccess = node{kind: kindSequence, ext: true, root: []item{
	{t: &node{kind: kindNulls, ext: true, size: 2}, how: opt},
	{t: &node{kind: kindChoice, ext: true, root: []item{
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &node{kind: kindChoice, ext: true, root: []item{
				{t: &node{kind: kindString, size: 4, lo: 1, hi: 16}}, {t: &tNSAP},
			}}},
			{t: &tNSAP, how: opt},
		}}},
		{t: &tDigits},
		{t: &tTransport245, f: FieldSeparateStack},
	}}},
	{t: &tBool},
	{t: &node{kind: kindOctets, lo: 1, hi: 255}, how: opt},
}}
