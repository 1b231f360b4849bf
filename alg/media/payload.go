package media

// Format is what a payload type stands for.
type Format struct {
	Payload uint8  // payload type, 0 to 127
	Name    string // encoding name as SDP has it, "PCMU"
	Rate    uint32 // clock rate in Hz, 0 if unknown
}

// static are the payload types of RFC 3551 6 that have one meaning. Type 9 is G.722 with a clock of 8000 Hz, an error that
// became the rule (RFC 3551 4.5.2).
var static = [35]Format{
	0:  {0, "PCMU", 8000},
	3:  {3, "GSM", 8000},
	4:  {4, "G723", 8000},
	5:  {5, "DVI4", 8000},
	6:  {6, "DVI4", 16000},
	7:  {7, "LPC", 8000},
	8:  {8, "PCMA", 8000},
	9:  {9, "G722", 8000},
	10: {10, "L16", 44100},
	11: {11, "L16", 44100},
	12: {12, "QCELP", 8000},
	13: {13, "CN", 8000},
	14: {14, "MPA", 90000},
	15: {15, "G728", 8000},
	16: {16, "DVI4", 11025},
	17: {17, "DVI4", 22050},
	18: {18, "G729", 8000},
	19: {19, "CN", 8000},
	25: {25, "CelB", 90000},
	26: {26, "JPEG", 90000},
	28: {28, "nv", 90000},
	31: {31, "H261", 90000},
	32: {32, "MPV", 90000},
	33: {33, "MP2T", 90000},
	34: {34, "H263", 90000},
}

// StaticFormat returns what RFC 3551 6 says of a payload type. ok is false for one that must be agreed on.
func StaticFormat(payload uint8) (f Format, ok bool) {
	if int(payload) < len(static) {
		f = static[payload]
	}
	return f, f.Rate != 0
}

// rates are the clock rates that codecs have, for streams whose payload type nobody explained.
var rates = [...]uint32{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 90000}

// guessRate returns the rate by which a clock ran that advanced so many ticks in so many nanoseconds, or 0 if it is none
// that is usual. 3 % of tolerance tell all of them apart.
func guessRate(ticks uint32, ns int64) uint32 {
	hz := float64(ticks) * 1e9 / float64(ns)
	for _, r := range rates {
		if hz > float64(r)*0.97 && hz < float64(r)*1.03 {
			return r
		}
	}
	return 0
}
