package alg

var t38Refused = Rule{
	ID:       "t38-refused",
	Severity: Warning,
	Summary:  "a call was to be switched to fax over T.38, and the other end refuses",
	Symptom:  "Faxes fail or go over audio, where they often fail on longer ways.",
	Advice:   "Allow T.38 at the end or provider that refuses it, or have the fax go over G.711 from the beginning.",
	Source:   "RFC 3261 14.1, T.38 Annex D",
	Benign:   true,
}
