package h323

// The messages of RAS that find a gatekeeper and register with it (H.225.0 7.8 to 7.10).

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
