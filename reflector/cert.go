package reflector

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/netip"
	"time"

	"nofixup/reflector/wire"
)

// selfSigned makes a P-256 key and a certificate for the given addresses, valid for a year: the key lives in memory only and
// clients know it by its pin, so that a restart ends it long before.
func selfSigned(addrs []netip.Addr) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("self-signed key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("self-signed key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "nofixup-reflector"},
		NotBefore:             now.Add(-24 * time.Hour), // a client's clock may be behind
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
	}
	for _, addr := range addrs {
		if addr.IsValid() && !addr.IsUnspecified() {
			template.IPAddresses = append(template.IPAddresses, addr.WithZone("").AsSlice())
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// identity is the key that the server proves to have.
type identity struct {
	cert       *tls.Certificate
	leaf       *x509.Certificate
	selfSigned bool
}

func newIdentity(cert *tls.Certificate, addrs []netip.Addr) (identity, error) {
	id := identity{cert: cert}
	if cert == nil {
		var err error
		if id.cert, err = selfSigned(addrs); err != nil {
			return id, err
		}
		id.selfSigned = true
	}
	if len(id.cert.Certificate) == 0 {
		return id, fmt.Errorf("certificate: the chain is empty")
	}
	leaf, err := x509.ParseCertificate(id.cert.Certificate[0])
	if err != nil {
		return id, fmt.Errorf("certificate: %w", err)
	}
	id.leaf = leaf
	return id, nil
}

// pin returns the key's pin in curl's notation.
func (id identity) pin() string { return wire.Pin(id.leaf) }

// describe tells a client what it meets where TLS carries probes.
func (id identity) describe(g *wire.Grant) {
	sum := sha256.Sum256(id.leaf.Raw)
	g.TLSPin, g.TLSFingerprint = id.pin(), hex.EncodeToString(sum[:])
	g.TLSVersions = []string{tls.VersionName(tls.VersionTLS12), tls.VersionName(tls.VersionTLS13)}
	g.TLSALPN = []string{wire.ALPNSIP}
}

// goodFor says whether a client that was sent to the bare address would accept the certificate there: of a self-signed one
// it checks the pin, of any other one the names.
func (id identity) goodFor(addr netip.Addr) bool {
	return id.selfSigned || id.leaf.VerifyHostname(addr.String()) == nil
}
