package h323

// H.225.0 call signalling: the contents of the User-User information element (H.225.0 7.2.2.31).

var tUserInformation = node{kind: kindSequence, ext: true, root: []item{
	{t: &tUUPDU},
	{t: &node{kind: kindSequence, ext: true, root: []item{
		{t: &tByte}, {t: &node{kind: kindOctets, lo: 1, hi: 131}, f: FieldUserData},
	}}, how: opt},
}}

var tControlList = node{kind: kindList, of: &node{kind: kindContents, of: &node{kind: kindControl}}}

var tUUPDU = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &node{
			kind: kindChoice, ext: true,
			root: []item{
				{t: &tSetup, m: Setup},
				{t: &tCallProceeding, m: CallProceeding},
				{t: &tConnect, m: Connect},
				{t: &tAlerting, m: Alerting},
				{t: &tInformation, m: Information},
				{t: &tReleaseComplete, m: ReleaseComplete},
				{t: &tFacility, m: Facility},
			},
			more: []item{
				{t: &tProgress, m: Progress},
				{t: &tNull, m: Empty},
				{t: &tStatus, m: Status},
				{t: &tStatus, m: StatusInquiry},
				{t: &tStatus, m: SetupAcknowledge},
				{t: &tNotify, m: Notify},
			},
		}},
		{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	},
	more: []item{
		0: {t: &node{kind: kindList, of: &tOctets}, f: FieldH4501SupplementaryService},
		1: {t: &tRest, f: FieldH245Tunnelling},
		2: {t: &tControlList, f: FieldH245Control},
		3: {t: &node{kind: kindList, of: &tNonStandard}, f: FieldNonStandardControl},
		4: {t: &tRest, f: FieldCallLinkage},
		5: {t: &tRest, f: FieldTunnelledSignallingMessage},
		7: {t: &tRest, f: FieldStimulusControl},
		8: {t: &tGenericList, f: FieldGenericData},
	},
}

// tFastStart is a list of OCTET STRINGs with an openLogicalChannel each, without the choices of H.245 around it
// (H.323 8.1.7.1).
var tFastStart = node{kind: kindList, of: &node{kind: kindContents, of: &tOLC}}

var tSetup = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tTransport, f: FieldH245Address, how: opt},
		{t: &tAliasList, f: FieldSourceAddress, how: opt},
		{t: &tEndpointType, f: FieldSourceInfo},
		{t: &tAliasList, f: FieldDestinationAddress, how: opt},
		{t: &tTransport, f: FieldDestCallSignalAddress, how: opt},
		{t: &tAliasList, f: FieldDestExtraCallInfo, how: opt},
		{t: &node{kind: kindList, of: &tWord}, how: opt},
		{t: &tBool},
		{t: &tGUID, f: FieldConferenceID},
		{t: &node{kind: kindNulls, ext: true, size: 3}},
		{t: &tQseries, how: opt},
		{t: &tCallType},
	},
	more: []item{
		0:  {t: &tTransport, f: FieldSourceCallSignalAddress},
		1:  {t: &tAlias, f: FieldRemoteExtensionAddress},
		2:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		5:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		6:  {t: &tFastStart, f: FieldFastStart},
		9:  {t: &tName128, f: FieldEndpointIdentifier},
		19: {t: &tCircuitInfo},
		20: {t: &tProtocols, f: FieldDesiredProtocols},
		21: {t: &tGenericList, f: FieldNeededFeatures},
		22: {t: &tGenericList, f: FieldDesiredFeatures},
		23: {t: &tGenericList, f: FieldSupportedFeatures},
		24: {t: &tControlList, f: FieldParallelH245Control},
		25: {t: &node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tAlias}, {t: &tPresentation, how: opt}, {t: &tScreening, how: opt},
		}}}, f: FieldAdditionalSourceAddresses},
	},
}

var tCallProceeding = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tEndpointType, f: FieldDestinationInfo},
		{t: &tTransport, f: FieldH245Address, how: opt},
	},
	more: []item{
		0: {t: &tCallIdentifier, f: FieldCallIdentifier},
		3: {t: &tCryptoTokens, f: FieldCryptoTokens},
		4: {t: &tFastStart, f: FieldFastStart},
		8: {t: &tFeatureSet},
	},
}

var tAlerting = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tEndpointType, f: FieldDestinationInfo},
		{t: &tTransport, f: FieldH245Address, how: opt},
	},
	more: []item{
		0:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		3:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		4:  {t: &tFastStart, f: FieldFastStart},
		7:  {t: &tAliasList, f: FieldAlertingAddress},
		13: {t: &tFeatureSet},
	},
}

var tConnect = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tTransport, f: FieldH245Address, how: opt},
		{t: &tEndpointType, f: FieldDestinationInfo},
		{t: &tGUID, f: FieldConferenceID},
	},
	more: []item{
		0:  {t: &tCallIdentifier, f: FieldCallIdentifier},
		3:  {t: &tCryptoTokens, f: FieldCryptoTokens},
		4:  {t: &tFastStart, f: FieldFastStart},
		8:  {t: &tAliasList, f: FieldConnectedAddress},
		14: {t: &tFeatureSet},
	},
}

var tInformation = node{
	kind: kindSequence, ext: true,
	root: []item{{t: &tObject, f: FieldProtocolIdentifier}},
	more: []item{
		0: {t: &tCallIdentifier, f: FieldCallIdentifier},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		3: {t: &tFastStart, f: FieldFastStart},
		5: {t: &tCircuitInfo},
	},
}

var tReleaseComplete = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &node{kind: kindNulls, ext: true, size: 12}, how: opt},
	},
	more: []item{
		0: {t: &tCallIdentifier, f: FieldCallIdentifier},
		2: {t: &tCryptoTokens, f: FieldCryptoTokens},
		3: {t: &tAliasList, f: FieldBusyAddress},
		8: {t: &tFeatureSet},
		9: {t: &tEndpointType, f: FieldDestinationInfo},
	},
}

var tFacility = node{
	kind: kindSequence, ext: true,
	root: []item{
		{t: &tObject, f: FieldProtocolIdentifier},
		{t: &tTransport, f: FieldAlternativeAddress, how: opt},
		{t: &tAliasList, f: FieldAlternativeAliasAddress, how: opt},
		{t: &tGUID, f: FieldConferenceID, how: opt},
		{t: &node{kind: kindNulls, ext: true, size: 4}},
	},
	more: []item{
		0: {t: &tCallIdentifier, f: FieldCallIdentifier},
		1: {t: &tAliasList, f: FieldDestExtraCallInfo},
		2: {t: &tAlias, f: FieldRemoteExtensionAddress},
		4: {t: &tCryptoTokens, f: FieldCryptoTokens},
		5: {t: &node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
			{t: &tGUID, f: FieldConferenceID, how: opt},
			{t: &tAlias, f: FieldConferenceAlias, how: opt},
			{t: &tNonStandard, f: FieldNonStandardData, how: opt},
		}}}, f: FieldConferences},
		6:  {t: &tTransport, f: FieldH245Address},
		7:  {t: &tFastStart, f: FieldFastStart},
		12: {t: &tCircuitInfo},
		13: {t: &tFeatureSet},
		14: {t: &tEndpointType, f: FieldDestinationInfo},
	},
}

// tProgress has its fastStart among the root components, unlike all others.
var tProgress = node{kind: kindSequence, ext: true, root: []item{
	{t: &tObject, f: FieldProtocolIdentifier},
	{t: &tEndpointType, f: FieldDestinationInfo},
	{t: &tTransport, f: FieldH245Address, how: opt},
	{t: &tCallIdentifier, f: FieldCallIdentifier},
	{t: &tH245Security, how: opt},
	{t: &tClearTokens, how: opt},
	{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
	{t: &tFastStart, f: FieldFastStart, how: opt},
}}

// tStatus is that of Status, StatusInquiry and SetupAcknowledge.
var tStatus = node{kind: kindSequence, ext: true, root: []item{
	{t: &tObject, f: FieldProtocolIdentifier},
	{t: &tCallIdentifier, f: FieldCallIdentifier},
	{t: &tClearTokens, how: opt},
	{t: &tCryptoTokens, f: FieldCryptoTokens, how: opt},
}}

var tNotify = node{
	kind: kindSequence, ext: true,
	root: tStatus.root,
	more: []item{
		0: {t: &tAliasList, f: FieldConnectedAddress},
		3: {t: &tEndpointType, f: FieldDestinationInfo},
	},
}
