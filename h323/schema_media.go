package h323

// The types of media of H.245 and the multiplexes other than that of H.225.0: nothing of interest is in them, but they stand
// before the addresses of a logical channel.

var tDataType = node{kind: kindChoice, ext: true, root: []item{
	{t: &tUnnamed245},
	{t: &tNull},
	{t: &tVideo},
	{t: &tAudio},
	{t: &tData},
	{t: &node{kind: kindChoice, ext: true, root: []item{{t: &tUnnamed245}, {t: &tNull}}}}, // encryptionData
}}

// tBool11 and the like are so many BOOLEANs, which is what a number of as many bits takes.
var (
	tBool5  = node{kind: kindNumber, size: 1 << 5}
	tBool7  = node{kind: kindNumber, size: 1 << 7}
	tMPI4   = node{kind: kindNumber, size: 4}
	tMPI32  = node{kind: kindNumber, size: 32}
	tRate   = node{kind: kindNumber, size: 19200}
	tVideo1 = node{kind: kindNumber, size: 1 << 30} // videoBitRate, of H.262 and ISO/IEC 11172
	tVideo2 = node{kind: kindNumber, size: 1 << 18} // vbvBufferSize
	tVideo3 = node{kind: kindNumber, size: 1 << 14} // samplesPerLine, linesPerFrame
	tVideo4 = node{kind: kindNumber, size: 16}
)

var tVideo = node{kind: kindChoice, ext: true, root: []item{
	{t: &tUnnamed245},
	{t: &node{kind: kindSequence, ext: true, root: []item{ // H.261
		{t: &tMPI4, how: opt}, {t: &tMPI4, how: opt}, {t: &tBool}, {t: &tRate}, {t: &tBool},
	}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{ // H.262
		{t: &tBool5},
		{t: &tBool5},
		{t: &tBool},
		{t: &tVideo1, how: opt},
		{t: &tVideo2, how: opt},
		{t: &tVideo3, how: opt},
		{t: &tVideo3, how: opt},
		{t: &tVideo4, how: opt},
		{t: &tLong, how: opt},
	}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{ // H.263
		{t: &tMPI32, how: opt},
		{t: &tMPI32, how: opt},
		{t: &tMPI32, how: opt},
		{t: &tMPI32, how: opt},
		{t: &tMPI32, how: opt},
		{t: &node{kind: kindNumber, size: 192400}},
		{t: &tBool5},
		{t: &node{kind: kindNumber, size: 1 << 19}, how: opt},
		{t: &tWord, how: opt},
	}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{ // ISO/IEC 11172-2
		{t: &tBool},
		{t: &tVideo1, how: opt},
		{t: &tVideo2, how: opt},
		{t: &tVideo3, how: opt},
		{t: &tVideo3, how: opt},
		{t: &tVideo4, how: opt},
		{t: &tLong, how: opt},
	}}},
}}

var tAudio = node{kind: kindChoice, ext: true, root: []item{
	{t: &tUnnamed245},
	{t: &tByte},
	{t: &tByte},
	{t: &tByte},
	{t: &tByte}, // G.711
	{t: &tByte},
	{t: &tByte},
	{t: &tByte}, // G.722
	{t: &node{kind: kindSequence, root: []item{{t: &tByte}, {t: &tBool}}}},
	{t: &tByte},
	{t: &tByte},
	{t: &tByte}, // G.728, G.729
	{t: &node{kind: kindSequence, ext: true, root: []item{ // ISO/IEC 11172-3: 8 BOOLEANs and the rate
		{t: &tBool7}, {t: &tBool}, {t: &node{kind: kindNumber, size: 448}},
	}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{ // ISO/IEC 13818-3: 20 BOOLEANs and the rate
		{t: &tBool5}, {t: &tBool5}, {t: &tBool5}, {t: &tBool5}, {t: &node{kind: kindNumber, size: 1130}},
	}}},
}}

var tDataProtocol = node{kind: kindChoice, ext: true, root: []item{
	{t: &tUnnamed245}, {t: &tNull}, {t: &tNull}, {t: &tNull}, {t: &tNull}, {t: &tNull}, {t: &tNull},
}}

var tT38Profile = node{kind: kindSequence, ext: true, root: []item{{t: &tBool}, {t: &tBool}, {t: &tBool}}}

// tData is DataApplicationCapability.
var tData = node{kind: kindSequence, ext: true, root: []item{
	{t: &node{kind: kindChoice, ext: true, root: []item{
		{t: &tUnnamed245},
		{t: &tDataProtocol}, // t120
		{t: &tDataProtocol},
		{t: &tDataProtocol},
		{t: &node{kind: kindSequence, root: []item{
			{t: &tDataProtocol},
			{t: &node{kind: kindChoice, root: []item{
				{t: &tNull},
				{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tBool7}, {t: &tBool7}, {t: &tBool5}}}}, // t84Restricted
			}}},
		}}},
		{t: &tDataProtocol}, // t434
		{t: &tDataProtocol},
		{t: &node{kind: kindSequence, root: []item{{t: &tDataProtocol}, {t: &tOctets}}}},
		{t: &tNull},
		{t: &tDataProtocol},
	}}},
	{t: &tLong},
}}

var tH222Params = node{kind: kindSequence, ext: true, root: []item{
	{t: &tWord},
	{t: &node{kind: kindNumber, size: 8192}},
	{t: &node{kind: kindNumber, size: 8192}, how: opt},
	{t: &tOctets, how: opt},
	{t: &tOctets, how: opt},
}}

var tH223Params = node{kind: kindSequence, ext: true, root: []item{
	{t: &node{kind: kindChoice, ext: true, root: []item{
		{t: &tUnnamed245},
		{t: &tNull},
		{t: &tNull},
		{t: &tNull},
		{t: &tNull},
		{t: &node{kind: kindSequence, root: []item{
			{t: &node{kind: kindNumber, size: 3}}, {t: &node{kind: kindNumber, size: 1 << 24}},
		}}},
	}}},
	{t: &tBool},
}}

var tV76Params = node{kind: kindSequence, ext: true, root: []item{
	{t: &node{kind: kindSequence, ext: true, root: []item{
		{t: &node{kind: kindNulls, ext: true, size: 3}}, {t: &node{kind: kindNumber, size: 4095}}, {t: &tBool},
	}}},
	{t: &node{kind: kindNulls, ext: true, size: 3}},
	{t: &tBool},
	{t: &node{kind: kindChoice, ext: true, root: []item{
		{t: &node{kind: kindSequence, ext: true, root: []item{
			{t: &node{kind: kindNumber, size: 127}}, {t: &node{kind: kindNulls, ext: true, size: 3}},
		}}},
		{t: &tNull},
	}}},
	{t: &node{kind: kindSequence, ext: true, root: []item{{t: &tBool}}}},
}}
