package h323

// The tokens of H.235.0, which messages of H.225.0 version 4 and up have among their root components. The transport address
// that can be in them is the alias of who made a password hash.

var tParams = node{kind: kindSequence, ext: true, root: []item{
	{t: &tInteger, how: opt}, {t: &node{kind: kindOctets, lo: 8, hi: 8}, how: opt},
}}

var tKeyBits = node{kind: kindBits, lo: 0, hi: 4096}

var tClearToken = node{kind: kindSequence, ext: true, root: []item{
	{t: &tObject},
	{t: &tLong1, how: opt},
	{t: &tName128, how: opt},
	{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tKeyBits}, {t: &tKeyBits}, {t: &tKeyBits}}}, how: opt},
	{t: &node{kind: kindOctets, lo: 8, hi: 128}, how: opt},
	{t: &tInteger, how: opt},
	{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tObject}, {t: &tOctets}}}, how: opt},
	{t: &tName128, how: opt},
	{t: &node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tOctets}}}, how: opt},
}}

var tClearTokens = node{kind: kindList, of: &tClearToken}

// The parameterized types of H.235.0: HASHED, ENCRYPTED and SIGNED of an open type.
var (
	tHashed    = node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tParams}, {t: &tBits}}}
	tEncrypted = node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tParams}, {t: &tOctets}}}
	tSigned    = node{kind: kindSequence, root: []item{{t: &tOpen}, {t: &tObject}, {t: &tParams}, {t: &tBits}}}
)

var tCryptoTokens = node{kind: kindList, of: &node{kind: kindChoice, ext: true, root: []item{
	{t: &node{kind: kindSequence, root: []item{{t: &tAlias, f: FieldAlias}, {t: &tLong1}, {t: &tHashed}}}},
	{t: &node{kind: kindSequence, root: []item{{t: &tName128}, {t: &tLong1}, {t: &tHashed}}}},
	{t: &tEncrypted},
	{t: &tEncrypted},
	{t: &tSigned},
	{t: &tSigned},
	{t: &tSigned},
	{t: &node{kind: kindChoice, ext: true, root: []item{ // nestedcryptoToken
		{t: &node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tEncrypted}}}},
		{t: &node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tSigned}}}},
		{t: &node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tClearToken}, {t: &tHashed}}}},
		{t: &tEncrypted},
	}}},
}}}

// tICV is the integrity check value of RAS.
var tICV = node{kind: kindSequence, root: []item{{t: &tObject}, {t: &tBits}}}

var tSecurityMode = node{kind: kindChoice, ext: true, root: []item{{t: &tUnnamed}, {t: &tNull}, {t: &tNull}}}

var tSecurityCaps = node{kind: kindSequence, ext: true, root: []item{
	{t: &tUnnamed, how: opt}, {t: &tSecurityMode}, {t: &tSecurityMode}, {t: &tSecurityMode},
}}

// tH245Security is H245Security of H.225.0.
var tH245Security = node{kind: kindChoice, ext: true, root: []item{
	{t: &tUnnamed}, {t: &tNull}, {t: &tSecurityCaps}, {t: &tSecurityCaps},
}}
