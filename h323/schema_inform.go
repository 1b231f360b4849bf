package h323

// The messages of RAS about the rest: location, information, resources, services (H.225.0 7.14 and up).

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
