package alg

import "strings"

var h323MediaAddressRewritten = Rule{
	ID:       "h323-media-address-rewritten",
	Severity: Critical,
	Summary:  "the address for media of a logical channel (mediaChannel or mediaControlChannel) was rewritten",
	Symptom: "One-way or no audio and video: the far end sends its media to an address that an application gateway wrote, which " +
		"works only as long as that gateway also keeps the port open.",
	Advice: turnOffH323,
	Source: "H.245 B.3, H.225.0 7.3",
	change: func(_ *exchange, c *Change) bool {
		return replaced(c) && (hasField(c.Field, "mediaChannel") || hasField(c.Field, "mediaControlChannel"))
	},
}

// replaced reports whether octets stand where others stood. A field that is gone, or new, may only have lost its name in a
// message that can no longer be read: an octet too many moves all that follows.
func replaced(c *Change) bool { return len(c.Sent) > 0 && len(c.Got) > 0 }

// hasField reports whether a path of H.323 leads through a field, whatever its index.
func hasField(path, name string) bool {
	for part := range strings.SplitSeq(path, ".") {
		if part, _, _ = strings.Cut(part, "["); part == name {
			return true
		}
	}
	return false
}
