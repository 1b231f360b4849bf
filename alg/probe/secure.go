package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// handshakeTime is how long a TLS handshake may take, beside the round trips: long enough for both ends to send twice.
const handshakeTime = 2500 * time.Millisecond

// versions are what this end offers: what RFC 9325 3.1.1 leaves.
var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// handshakeError says that a TLS handshake did not come about.
type handshakeError struct {
	err error
	tls *alg.TLS // as far as it came
	src netip.AddrPort
}

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// secure agrees on TLS over a connection, with whoever answers: another key than the reflector's is evidence, and what is sent
// through TLS afterwards shows what its owner does. Nothing that is sent is secret. If it fails the connection is closed.
func (r *runner) secure(ctx context.Context, conn net.Conn) (net.Conn, *alg.TLS, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime+6*r.rtt)
	defer cancel()
	h := r.expectedTLS()
	secured := tls.Client(conn, &tls.Config{
		MinVersion: versions[0], NextProtos: []string{wire.ALPNSIP}, ServerName: r.serverName(),
		InsecureSkipVerify: true, // the pin is compared when all is known: see alg.TLS
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, cert := range state.PeerCertificates[:min(len(state.PeerCertificates), maxChain)] {
				h.Chain = append(h.Chain, certificate(cert))
			}
			return nil
		},
	})
	if err := secured.HandshakeContext(ctx); err != nil {
		src, _ := addrPort(conn.LocalAddr())
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err() // what is under it complains of being closed
		}
		return nil, nil, &handshakeError{err, h, src}
	}
	state := secured.ConnectionState()
	h.Client = *handshakeOf(wire.NewHandshake(&state))
	h.Client.SNI = r.serverName()
	return secured, h, nil
}

// maxChain bounds the certificates that are kept of a chain.
const maxChain = 8

// serverName is what a client asks for: the name of the reflector, as far as the user has given one. An address is none
// (RFC 6066 3).
func (r *runner) serverName() string {
	u, err := wire.ParseURL(r.cfg.Reflector)
	if err != nil {
		return ""
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ""
	}
	return u.Hostname()
}

// expectedTLS is a handshake of which only that is known which the reflector has told over HTTPS.
func (r *runner) expectedTLS() *alg.TLS {
	g := &r.session.Grant
	h := &alg.TLS{Expected: alg.Certificate{Pin: g.TLSPin, SHA256: g.TLSFingerprint}, Chain: []alg.Certificate{}}
	for _, v := range versions {
		if name := tls.VersionName(v); slices.Contains(g.TLSVersions, name) {
			h.Best.Version = name
		}
	}
	if slices.Contains(g.TLSALPN, wire.ALPNSIP) {
		h.Best.ALPN = wire.ALPNSIP
	}
	return h
}

func certificate(cert *x509.Certificate) alg.Certificate {
	sum := sha256.Sum256(cert.Raw)
	return alg.Certificate{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), SHA256: hex.EncodeToString(sum[:]), Pin: wire.Pin(cert),
	}
}

func handshakeOf(h wire.Handshake) *alg.Handshake {
	return &alg.Handshake{Version: h.Version, Cipher: h.Cipher, ALPN: h.ALPN, SNI: h.SNI, Binding: hex.EncodeToString(h.Binding)}
}

// handshakeFailed enters a handshake that did not come about.
func (r *runner) handshakeFailed(f *flow, e *handshakeError) {
	r.failed(alg.Trial{
		Kind: alg.TrialTLS, Path: f.plan.Path, Src: e.src, Dst: f.plan.Target, Detail: connectReason(e.err), TLS: e.tls,
	})
}

// allTrials are the trials so far, with the handshakes that came about: of those that are alike on one path the first.
func (r *runner) allTrials() []alg.Trial {
	r.mu.Lock()
	trials, links := slices.Clone(r.trials), slices.Clone(r.links)
	r.mu.Unlock()
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for i := range trials {
		tellTCP(&trials[i], links)
	}
	for _, told := range []bool{true, false} { // what the reflector told says more
		for _, l := range links {
			if l.tls == nil || (l.tls.Server != nil) != told {
				continue
			}
			h := *l.tls
			if !slices.ContainsFunc(trials, func(t alg.Trial) bool { return t.TLS != nil && t.Path == l.Path && alike(t.TLS, &h) }) {
				trials = append(trials, alg.Trial{
					Kind: alg.TrialTLS, Path: l.Path, Src: l.Inside[0], Dst: l.Inside[1], At: l.began, Outcome: alg.OutcomeOK, TLS: &h,
				})
			}
		}
	}
	return trials
}

// alike reports that two handshakes say the same: bindings never do, but they agree at both ends, or do not. One that the
// reflector told nothing of says nothing new.
func alike(a, b *alg.TLS) bool {
	plain := func(t *alg.TLS) alg.TLS {
		c := *t
		if c.Server != nil {
			server := *c.Server
			if server.Binding == c.Client.Binding {
				server.Binding = ""
			} else {
				server.Binding = "another"
			}
			c.Server = &server
		}
		c.Client.Binding = ""
		return c
	}
	x, y := plain(a), plain(b)
	if y.Server == nil {
		x.Server = nil
	}
	return reflect.DeepEqual(x, y)
}
