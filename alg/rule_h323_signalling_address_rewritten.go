package alg

import "strings"

var h323SignallingAddressRewritten = Rule{
	ID:       "h323-signalling-address-rewritten",
	Severity: Warning,
	Summary:  "an address for call signalling was rewritten",
	Symptom: "Calls back, transfers and forwarded calls fail, and a far end that checks the address against the connection refuses " +
		"the call.",
	Advice: turnOffH323,
	Source: "H.225.0 7.3.10",
	change: func(_ *exchange, c *Change) bool { return replaced(c) && isAddress(c.Field) },
}

// isAddress reports whether a path of H.323 ends in a transport address.
func isAddress(path string) bool {
	for _, leaf := range []string{".ip", ".port", ".address"} {
		if strings.HasSuffix(path, leaf) {
			return true
		}
	}
	return false
}
