package alg

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// TLS is a handshake with the reflector: what was to be expected, what was shown, and what each end knows of it. Whoever
// terminates TLS in between has a handshake with either end, and these cannot be alike.
type TLS struct {
	Expected Certificate   `json:"expected"` // as the reflector says over HTTPS
	Chain    []Certificate `json:"chain"`    // as shown, the server's own first
	Best     Handshake     `json:"best"`     // what the two ends agree on with nobody in between: version and ALPN, as far as that is known
	Client   Handshake     `json:"client"`   // this end; without a version if the handshake was not completed
	Server   *Handshake    `json:"server"`   // the reflector's end; null if it did not tell
}

// Certificate is what tells one certificate from another.
type Certificate struct {
	Subject string `json:"subject,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
	SHA256  string `json:"sha256"` // fingerprint of the certificate, in hex
	Pin     string `json:"pin"`    // of its key, "sha256//BASE64"
}

func (c Certificate) String() string {
	var parts []string
	add := func(format, value string) {
		if value != "" {
			parts = append(parts, fmt.Sprintf(format, value))
		}
	}
	add("%s", c.Subject)
	add("issued by %s", c.Issuer)
	add("SHA-256 %s", c.SHA256)
	add("key %s", c.Pin)
	return strings.Join(parts, ", ")
}

// Handshake is what one end knows of a handshake.
type Handshake struct {
	Version string `json:"version"` // "TLS 1.3"
	Cipher  string `json:"cipher,omitempty"`
	ALPN    string `json:"alpn,omitempty"`
	SNI     string `json:"sni,omitempty"`
	Binding string `json:"binding,omitempty"` // tls-exporter of RFC 9266 in hex: the same at both ends of one connection, and at no others
}

// tlsChange is one way in which a handshake is not that of the two ends.
type tlsChange struct{ field, want, got string }

// changes lists them, the plainest first.
func (t *TLS) changes() (list []tlsChange) {
	add := func(field, want, got string) {
		if !slices.ContainsFunc(list, func(c tlsChange) bool { return c.field == field }) {
			list = append(list, tlsChange{field, want, got})
		}
	}
	if len(t.Chain) > 0 && t.Expected.Pin != "" && t.Chain[0].Pin != t.Expected.Pin {
		add("tls.certificate", t.Expected.String(), t.Chain[0].String())
	}
	if t.Client.Version == "" {
		return list
	}
	// Names of versions sort as the versions do.
	if t.Client.Version < t.Best.Version {
		add("tls.version", t.Best.Version, t.Client.Version)
	}
	if t.Best.ALPN != "" && t.Client.ALPN != t.Best.ALPN {
		add("tls.alpn", t.Best.ALPN, cmp.Or(t.Client.ALPN, "none"))
	}
	if t.Server == nil {
		return list
	}
	for _, c := range []tlsChange{
		{"tls.version", t.Client.Version, t.Server.Version},
		{"tls.alpn", t.Client.ALPN, t.Server.ALPN},
		{"tls.sni", t.Client.SNI, t.Server.SNI},
		{"tls.cipher", t.Client.Cipher, t.Server.Cipher},
		{"tls.binding", t.Client.Binding, t.Server.Binding},
	} {
		// TLS 1.2 without an extended master secret has no binding.
		if c.want != c.got && (c.field != "tls.binding" || c.want != "" && c.got != "") {
			add(c.field, cmp.Or(c.want, "none")+" at this end", cmp.Or(c.got, "none")+" at the reflector")
		}
	}
	return list
}

// telling reports whether the handshake shows who is at the other end.
func (t *TLS) telling() bool {
	return t.Expected.Pin != "" && len(t.Chain) > 0 || t.Server != nil && t.Server.Binding != "" && t.Client.Binding != ""
}
