package h323

// Types that call signalling and RAS have in common (H.225.0 Annex H), without tokens.

// tTransport is TransportAddress of H.225.0. Its ipAddress has no extension marker, unlike that of H.245.
var tTransport = node{kind: kindChoice, ext: true, ip4: 4, root: []item{
	{t: &node{kind: kindSequence, root: []item{{t: &tIP4, p: PartIP}, {t: &tWord, p: PartPort}}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{
		{t: &tIP4, p: PartIP},
		{t: &tWord, p: PartPort},
		{t: &node{kind: kindList, of: &tIP4}, p: PartRoute},
		{t: &node{kind: kindNulls, ext: true, size: 2}},
	}}},
	{t: &node{kind: kindSequence, root: []item{
		{t: &node{kind: kindOctets, lo: 6, hi: 6}, p: PartNode},
		{t: &tIP4, p: PartNetnum},
		{t: &node{kind: kindOctets, lo: 2, hi: 2}, p: PartPort},
	}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tGUID, p: PartIP}, {t: &tWord, p: PartPort}}}},
	{t: &tGUID, p: PartAddress},
	{t: &node{kind: kindOctets, lo: 1, hi: 20}, p: PartAddress},
	{t: &tNonStandard},
}}

var tTransportList = node{kind: kindList, of: &tTransport}

var tH221 = node{kind: kindSequence, ext: true, root: []item{{t: &tByte}, {t: &tByte}, {t: &tWord}}}

var tNonStandardID = node{kind: kindChoice, ext: true, root: []item{{t: &tObject}, {t: &tH221}}}

// tNonStandard is NonStandardParameter; tUnnamed is the same where it has no path.
var (
	tNonStandard = node{kind: kindSequence, root: []item{{t: &tNonStandardID}, {t: &tOctets, p: PartData}}}
	tUnnamed     = node{kind: kindSequence, root: []item{{t: &tNonStandardID}, {t: &tOctets}}}
)

var tDigits = node{kind: kindString, size: 4, lo: 1, hi: 128}

var tAlias = node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tDigits, p: PartDigits},
		{t: &node{kind: kindString, size: 16, lo: 1, hi: 256}, p: PartH323ID},
	},
	more: []item{
		0: {t: &node{kind: kindString, size: 8, lo: 1, hi: 512}, p: PartURLID},
		1: {t: &tTransport, f: FieldTransportID},
		2: {t: &node{kind: kindString, size: 8, lo: 1, hi: 512}, p: PartEmailID},
	},
}

var tAliasList = node{kind: kindList, of: &tAlias}

var tPartyNumber = node{kind: kindChoice, ext: true, root: []item{
	{t: &node{kind: kindSequence, root: []item{{t: &node{kind: kindNulls, ext: true, size: 6}}, {t: &tDigits}}}},
	{t: &tDigits},
	{t: &tDigits},
	{t: &node{kind: kindSequence, root: []item{{t: &node{kind: kindNulls, ext: true, size: 6}}, {t: &tDigits}}}},
	{t: &tDigits},
}}

var tPatternList = node{kind: kindList, of: &node{kind: kindChoice, ext: true, root: []item{
	{t: &tAlias},
	{t: &node{kind: kindSequence, root: []item{{t: &tPartyNumber}, {t: &tPartyNumber}}}},
}}}

var tVendor = node{kind: kindSequence, ext: true, root: []item{
	{t: &tH221},
	{t: &tSomeOct, p: PartProductID, how: opt},
	{t: &tSomeOct, p: PartVersionID, how: opt},
}}

// tSupportedPrefixes is a list of aliases, which may be transport addresses.
var tSupportedPrefixes = node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
	{t: &tUnnamed, how: opt},
	{t: &tAlias, f: FieldSupportedPrefixes, how: counted},
}}}

var tDataRates = node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
	{t: &tUnnamed, how: opt}, {t: &tLong}, {t: &tByte, how: opt},
}}}

// tCaps is each of H310Caps to T120OnlyCaps, tLaterCaps each of the protocols that were added to SupportedProtocols.
var (
	tCaps = node{
		kind: kindSequence, ext: true,
		root: []item{{t: &tUnnamed, how: opt}},
		more: []item{1: {t: &tSupportedPrefixes}},
	}
	tLaterCaps = node{kind: kindSequence, ext: true, root: []item{
		{t: &tUnnamed, how: opt}, {t: &tDataRates, how: opt}, {t: &tSupportedPrefixes},
	}}
	tSIPCaps = node{kind: kindSequence, ext: true, root: []item{
		{t: &tUnnamed, how: opt}, {t: &tDataRates, how: opt}, {t: &tSupportedPrefixes, how: opt},
	}}
	tT38Caps = node{kind: kindSequence, ext: true, root: []item{
		{t: &tUnnamed, how: opt}, {t: &tDataRates, how: opt}, {t: &tSupportedPrefixes}, {t: &tDataProtocol}, {t: &tT38Profile},
	}}
)

var tProtocols = node{kind: kindList, of: &node{
	kind: kindChoice, ext: true,
	root: []item{
		{t: &tUnnamed}, {t: &tCaps}, {t: &tCaps}, {t: &tCaps}, {t: &tCaps}, {t: &tCaps}, {t: &tCaps}, {t: &tCaps}, {t: &tCaps},
	},
	more: []item{{t: &tLaterCaps}, {t: &tT38Caps}, {t: &tSIPCaps}},
}}

var tPlainInfo = node{kind: kindSequence, ext: true, root: []item{{t: &tUnnamed, how: opt}}}

var tEndpointType = node{kind: kindSequence, ext: true, root: []item{
	{t: &tNonStandard, f: FieldNonStandardData, how: opt},
	{t: &tVendor, f: FieldVendor, how: opt},
	{t: &tPlainInfo, how: opt}, // gatekeeper
	{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tProtocols, how: opt}, {t: &tUnnamed, how: opt}}}, how: opt},
	{t: &node{
		kind: kindSequence, ext: true,
		root: []item{{t: &tUnnamed, how: opt}},
		more: []item{{t: &tProtocols}},
	}, how: opt}, // mcu
	{t: &tPlainInfo, how: opt}, // terminal
	{t: &tBool},
	{t: &tBool},
}}

var tQseries = node{kind: kindSequence, ext: true, root: []item{
	{t: &tBool},
	{t: &tBool},
	{t: &tBool},
	{t: &tBool},
	{t: &tBool},
	{t: &tBool},
	{t: &tBool},
	{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tBool}, {t: &tBool}}}},
}}

// tCallIdentifier is CallIdentifier, whose one component has its path.
var tCallIdentifier = node{kind: kindSequence, ext: true, root: []item{{t: &tGUID, how: leaf}}}

var (
	tCallType     = node{kind: kindNulls, ext: true, size: 4}
	tCallModel    = node{kind: kindNulls, ext: true, size: 2}
	tPresentation = node{kind: kindNulls, ext: true, size: 3}
	tScreening    = node{kind: kindEnum, ext: true, size: 4}
)

var tGenericID = node{kind: kindChoice, ext: true, root: []item{
	{t: &node{kind: kindNumber, ext: true, size: 16384}}, {t: &tObject}, {t: &tGUID},
}}

// tContent is the value of a parameter of GenericData (H.225.0 7.6, H.460.1). Parameters nest without end and have no names
// of their own, so that addresses in them are counted.
var tContent = node{kind: kindChoice, ext: true, root: []item{
	{t: &tOctets},
	{t: &tText},
	{t: &tUnicode},
	{t: &tBool},
	{t: &tByte},
	{t: &tWord},
	{t: &tLong},
	{t: &tGenericID},
	{t: &tAlias, f: FieldContentAlias, how: counted},
	{t: &tTransport, f: FieldTransport, how: counted},
	{t: &node{kind: kindList, lo: 1, hi: 512, of: &node{kind: kindParam}}},
	{t: &node{kind: kindList, lo: 1, hi: 16, of: &node{kind: kindGeneric}}},
}}

var tParam = node{kind: kindSequence, ext: true, root: []item{{t: &tGenericID}, {t: &tContent, how: opt}}}

var tParamList = node{kind: kindList, lo: 1, hi: 512, of: &tParam}

// tGeneric is GenericData and FeatureDescriptor, tInnerGeneric the same within itself.
var (
	tGeneric = node{kind: kindSequence, ext: true, root: []item{
		{t: &tGenericID}, {t: &tParamList, f: FieldParameters, how: opt},
	}}
	tInnerGeneric = node{kind: kindSequence, ext: true, root: []item{{t: &tGenericID}, {t: &tParamList, how: opt}}}
)

var tGenericList = node{kind: kindList, of: &tGeneric}

var tFeatureSet = node{kind: kindSequence, ext: true, root: []item{
	{t: &tBool},
	{t: &tGenericList, f: FieldFeatureSetNeeded, how: opt},
	{t: &tGenericList, f: FieldFeatureSetDesired, how: opt},
	{t: &tGenericList, f: FieldFeatureSetSupported, how: opt},
}}

var tText128 = node{kind: kindString, size: 8, lo: 1, hi: 128}

var tCircuitID = node{kind: kindSequence, ext: true, root: []item{
	{t: &node{kind: kindSequence, ext: true, root: []item{
		{t: &node{kind: kindList, of: &node{kind: kindOctets, lo: 2, hi: 4}}},
		{t: &node{kind: kindOctets, lo: 2, hi: 5}},
	}}, how: opt},
	{t: &node{kind: kindSequence, ext: true, root: []item{
		{t: &node{kind: kindList, of: &tWord}, how: opt}, {t: &tText128},
	}}, how: opt},
}}

var tCircuitInfo = node{kind: kindSequence, ext: true, root: []item{
	{t: &tCircuitID, how: opt},
	{t: &tCircuitID, how: opt},
	{t: &tGenericList, f: FieldCircuitInfoGenericData, how: opt},
}}

var tServiceControlList = node{kind: kindList, of: &node{kind: kindSequence, ext: true, root: []item{
	{t: &tByte},
	{t: &node{kind: kindChoice, ext: true, root: []item{
		{t: &node{kind: kindString, size: 8, lo: 0, hi: 512}},
		{t: &tOctets},
		{t: &tUnnamed},
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &node{kind: kindString, size: 16, lo: 1, hi: 512}, how: opt},
			{t: &node{kind: kindNulls, ext: true, size: 2}, how: opt},
			{t: &tLong1, how: opt},
			{t: &tBool, how: opt},
			{t: &node{kind: kindNulls, ext: true, size: 2}, how: opt},
		}}},
	}}, how: opt},
	{t: &node{kind: kindNulls, ext: true, size: 3}},
}}}
