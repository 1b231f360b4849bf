package h323

// The messages of RAS. Their components are in the order of H.225.0 Annex H.

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

var tGRQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tTransport, f: FieldRASAddress},
		{t: &tEndpointType, f: FieldEndpointType},
		{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
		{t: &tQseries, how: opt},
		{t: &tAliasList, f: FieldEndpointAlias, how: opt},
	},
	more: []item{
		0:  {t: &tEndpoints, f: FieldAlternateEndpoints},
		2:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		8:  {t: &tFeatureSet},
		9:  {t: &tGenericList, f: FieldGenericData},
		11: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tGCF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
		{t: &tTransport, f: FieldRASAddress},
	},
	more: []item{
		0: {t: &tAlternateGKList, f: FieldAlternateGatekeeper},
		3: {t: &tCryptoTokens, f: FieldCryptoTokens},
		7: {t: &tFeatureSet},
		8: {t: &tGenericList, f: FieldGenericData},
		9: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tGRJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
		{t: &node{kind: kindNulls, ext: true, size: 4}},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tFeatureSet},
		5: {t: &tGenericList, f: FieldGenericData},
	},
}

var tRRQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tBool},
		{t: &tTransportList, f: FieldCallSignalAddress},
		{t: &tTransportList, f: FieldRASAddresses},
		{t: &tEndpointType, f: FieldTerminalType},
		{t: &tAliasList, f: FieldTerminalAlias, how: opt},
		{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
		{t: &tVendor, f: FieldEndpointVendor},
	},
	more: []item{
		0:  {t: &tEndpoints, f: FieldAlternateEndpoints},
		1:  {t: &tLong1, f: FieldTimeToLive},
		3:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		6:  {t: &tName128, f: FieldEndpointIdentifier},
		9:  {t: &tAlternateTransports},
		11: {t: &tPatternList, f: FieldTerminalAliasPattern},
		19: {t: &tFeatureSet},
		20: {t: &tGenericList, f: FieldGenericData},
		24: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tRCF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tTransportList, f: FieldCallSignalAddress},
		{t: &tAliasList, f: FieldTerminalAlias, how: opt},
		{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
		{t: &tName128, f: FieldEndpointIdentifier},
	},
	more: []item{
		0: {t: &tAlternateGKList, f: FieldAlternateGatekeeper},
		1: {t: &tLong1, f: FieldTimeToLive},
		3: {t: &tCryptoTokens, f: FieldCryptoTokens},
		6: {t: &node{
			kind: kindSequence, ext: true,
			root: []item{{t: &tBool}, {t: &tBool}, {t: &tBool}, {t: &tBool}},
			more: []item{2: {t: &tPreGranted}},
		}},
		10: {t: &tPatternList, f: FieldTerminalAliasPattern},
		11: {t: &tSupportedPrefixes},
		13: {t: &tAlias, f: FieldFeatureServerAlias},
		15: {t: &tFeatureSet},
		16: {t: &tGenericList, f: FieldGenericData},
		17: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tRRJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tRegistrationReason},
		{t: &tName128, f: FieldGatekeeperIdentifier, how: opt},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tFeatureSet},
		5: {t: &tGenericList, f: FieldGenericData},
		6: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tURQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tTransportList, f: FieldCallSignalAddress},
		{t: &tAliasList, f: FieldEndpointAlias, how: opt},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tName128, f: FieldEndpointIdentifier, how: opt},
	},
	more: []item{
		0:  {t: &tEndpoints, f: FieldAlternateEndpoints},
		1:  {t: &tName128, f: FieldGatekeeperIdentifier},
		3:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		6:  {t: &tPatternList, f: FieldEndpointAliasPattern},
		7:  {t: &tSupportedPrefixes},
		8:  {t: &tAlternateGKList, f: FieldAlternateGatekeeper},
		9:  {t: &tGenericList, f: FieldGenericData},
		10: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tUCF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		1: {t: &tCryptoTokens, f: FieldCryptoTokens},
		3: {t: &tGenericList, f: FieldGenericData},
		4: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tURJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &node{kind: kindNulls, ext: true, size: 3}},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tGenericList, f: FieldGenericData},
	},
}

var tARQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tCallType},
		{t: &tCallModel, how: opt},
		{t: &tName128, f: FieldEndpointIdentifier},
		{t: &tAliasList, f: FieldDestinationAliases, how: opt},
		{t: &tTransport, f: FieldDestCallSignalAddress, how: opt},
		{t: &tAliasList, f: FieldDestExtraCallInfo, how: opt},
		{t: &tAliasList, f: FieldSrcInfo},
		{t: &tTransport, f: FieldSrcCallSignalAddress, how: opt},
		{t: &tLong},
		{t: &tWord, f: FieldCallReferenceValue},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tQseries, how: opt},
		{t: &tGUID, f: FieldConferenceID},
		{t: &tBool},
		{t: &tBool},
	},
	more: []item{
		1:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		2:  {t: &tEndpoints, f: FieldSrcAlternatives},
		3:  {t: &tEndpoints, f: FieldDestAlternatives},
		4:  {t: &tName128, f: FieldGatekeeperIdentifier},
		6:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		13: {t: &tCircuitInfo},
		14: {t: &tProtocols, f: FieldDesiredProtocols},
		16: {t: &tFeatureSet},
		17: {t: &tGenericList, f: FieldGenericData},
	},
}

var tACF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tLong},
		{t: &tCallModel},
		{t: &tTransport, f: FieldDestCallSignalAddress},
		{t: &tWord1, how: opt},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0:  {t: &tAliasList, f: FieldDestinationAliases},
		1:  {t: &tAliasList, f: FieldDestExtraCallInfo},
		2:  {t: &tEndpointType, f: FieldDestinationType},
		3:  {t: &tAliasList, f: FieldRemoteExtensionAddresses},
		4:  {t: &tEndpoints, f: FieldAlternateEndpoints},
		6:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		12: {t: &tAlternateTransports},
		14: {t: &tCircuitInfo},
		16: {t: &tProtocols, f: FieldSupportedProtocols},
		19: {t: &tFeatureSet},
		20: {t: &tGenericList, f: FieldGenericData},
		21: {t: &tAliasList, f: FieldModifiedSrcInfo},
		22: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tARJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &node{kind: kindNulls, ext: true, size: 8}},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		3: {t: &tTransportList, f: FieldCallSignalAddress},
		6: {t: &tFeatureSet},
		7: {t: &tGenericList, f: FieldGenericData},
		8: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tBRQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tName128, f: FieldEndpointIdentifier},
		{t: &tGUID, f: FieldConferenceID},
		{t: &tWord, f: FieldCallReferenceValue},
		{t: &tCallType, how: opt},
		{t: &tLong},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		1:  {t: &tName128, f: FieldGatekeeperIdentifier},
		3:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		9:  {t: &tBandwidthDetails, f: FieldBandwidthDetails},
		10: {t: &tGenericList, f: FieldGenericData},
	},
}

var tBCF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tLong},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		1: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tGenericList, f: FieldGenericData},
	},
}

var tBRJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &node{kind: kindNulls, ext: true, size: 6}},
		{t: &tLong},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tGenericList, f: FieldGenericData},
	},
}

var tDRQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tName128, f: FieldEndpointIdentifier},
		{t: &tGUID, f: FieldConferenceID},
		{t: &tWord, f: FieldCallReferenceValue},
		{t: &node{kind: kindNulls, ext: true, size: 3}},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		1:  {t: &tName128, f: FieldGatekeeperIdentifier},
		3:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		8:  {t: &tCircuitInfo},
		12: {t: &tGenericList, f: FieldGenericData},
	},
}

var tDCF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		1: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tCircuitInfo},
		6: {t: &tGenericList, f: FieldGenericData},
		7: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tDRJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &node{kind: kindNulls, ext: true, size: 2}},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tGenericList, f: FieldGenericData},
	},
}

var tLRQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tName128, f: FieldEndpointIdentifier, how: opt},
		{t: &tAliasList, f: FieldDestinationAliases},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tTransport, f: FieldReplyAddress},
	},
	more: []item{
		0:  {t: &tAliasList, f: FieldSourceAliases},
		2:  {t: &tName128, f: FieldGatekeeperIdentifier},
		4:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		6:  {t: &tProtocols, f: FieldDesiredProtocols},
		8:  {t: &tFeatureSet},
		9:  {t: &tGenericList, f: FieldGenericData},
		11: {t: &tCircuitInfo},
		12: {t: &tCallIdentifier, f: FieldCallIdentifier},
		14: {t: &tAliasList, f: FieldSourceEndpointInfo},
	},
}

var tLCF = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tTransport, f: FieldOneCallSignalAddress},
		{t: &tTransport, f: FieldRASAddress},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0:  {t: &tAliasList, f: FieldDestinationAliases},
		1:  {t: &tAliasList, f: FieldDestExtraCallInfo},
		2:  {t: &tEndpointType, f: FieldDestinationType},
		3:  {t: &tAliasList, f: FieldRemoteExtensionAddresses},
		4:  {t: &tEndpoints, f: FieldAlternateEndpoints},
		6:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		8:  {t: &tAlternateTransports},
		9:  {t: &tProtocols, f: FieldSupportedProtocols},
		11: {t: &tFeatureSet},
		12: {t: &tGenericList, f: FieldGenericData},
		13: {t: &tCircuitInfo},
		15: {t: &tAliasList, f: FieldModifiedSrcInfo},
	},
}

var tLRJ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &node{kind: kindNulls, ext: true, size: 4}},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0: {t: &tAltGKInfo},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tFeatureSet},
		5: {t: &tGenericList, f: FieldGenericData},
	},
}

var tIRQ = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tWord, f: FieldCallReferenceValue},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tTransport, f: FieldReplyAddress, how: opt},
	},
	more: []item{
		0:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		2:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		10: {t: &tGenericList, f: FieldGenericData},
		11: {t: &tAlternateGK, f: FieldAssignedGatekeeper},
	},
}

var tIRR = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tEndpointType, f: FieldEndpointType},
		{t: &tName128, f: FieldEndpointIdentifier},
		{t: &tTransport, f: FieldRASAddress},
		{t: &tTransportList, f: FieldCallSignalAddress},
		{t: &tAliasList, f: FieldEndpointAlias, how: opt},
		{t: &tPerCallInfo, f: FieldPerCallInfo, how: opt},
	},
	more: []item{
		1: {t: &tCryptoTokens, f: FieldCryptoTokens},
		7: {t: &tGenericList, f: FieldGenericData},
	},
}

var tNonStandardMessage = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData},
	},
	more: []item{
		1: {t: &tCryptoTokens, f: FieldCryptoTokens},
		3: {t: &tFeatureSet},
		4: {t: &tGenericList, f: FieldGenericData},
	},
}

var tUnknownMessage = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
	},
	more: []item{
		1: {t: &tCryptoTokens, f: FieldCryptoTokens},
		3: {t: &tOctets, f: FieldMessageNotUnderstood},
	},
}

var tRIP = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
		{t: &tWord1},
	},
}

var tRAI = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tName128, f: FieldEndpointIdentifier},
		{t: &tProtocols, f: FieldProtocols},
		{t: &tBool},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
	},
	more: []item{
		1: {t: &tGenericList, f: FieldGenericData},
	},
}

var tRAC = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
	},
	more: []item{
		0: {t: &tGenericList, f: FieldGenericData},
	},
}

var tIACK = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
	},
}

var tINAK = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &node{kind: kindNulls, ext: true, size: 3}},
		{t: &tAltGKInfo, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
	},
}

var tSCI = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tServiceControlList},
		{t: &tName128, f: FieldEndpointIdentifier, how: opt},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tCallIdentifier, f: FieldCallIdentifier}, {t: &tGUID, f: FieldConferenceID}, {t: &tBool},
		}}, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
		{t: &tFeatureSet, how: opt},
		{t: &tGenericList, f: FieldGenericData, how: opt},
	},
}

var tSCR = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tSeqNum, f: FieldRequestSeqNum},
		{t: &node{kind: kindNulls, ext: true, size: 5}, how: opt},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		{t: &tClearTokens, how: opt},
		{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
		{t: &tICV, how: opt},
		{t: &tFeatureSet, how: opt},
		{t: &tGenericList, f: FieldGenericData, how: opt},
	},
}
