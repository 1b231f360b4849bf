package h323

// The messages of RAS about calls: admission, bandwidth, disengagement (H.225.0 7.11 to 7.13).

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
