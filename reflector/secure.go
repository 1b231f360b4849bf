package reflector

import (
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"

	"nofixup/reflector/wire"
)

// handshakeOverhead is what the handshake of a connection takes in its first receipt, in octets of memory: see maxSNI.
const handshakeOverhead = 640

// maxSNI bounds the name that a client asked for, as it is kept: a name of the DNS has no more octets (RFC 1035 2.3.4).
const maxSNI = 255

// secure finds out by the first octet whether a connection to the port of SIPS is in clear, and agrees on TLS if it is not. It
// says whether to go on. The connection counts as one that takes probes from its beginning, and the time for all this is
// bounded.
func (st *stream) secure() bool {
	l := &st.srv.cfg.Limits
	_ = st.conn.SetReadDeadline(st.born.Add(l.StreamFirst))
	head := make([]byte, readStep)
	n, err := st.conn.Read(head)
	for n == 0 && err == nil {
		n, err = st.conn.Read(head)
	}
	if n == 0 {
		return false
	}
	conn := &headConn{Conn: st.conn, head: head[:n]}
	switch kindOf(head[0]) {
	case kindText:
		st.become(conn)
		return true
	case kindTLS:
		if _, ok := st.srv.handshakes.take(st.remote.Addr()); ok {
			return st.handshake(conn)
		}
	}
	st.srv.counters.streamsUnsecured.Add(1)
	return false
}

// handshake agrees on TLS.
func (st *stream) handshake(conn net.Conn) bool {
	now := time.Now()
	_ = conn.SetDeadline(earlier(st.born.Add(st.srv.cfg.Limits.StreamLife), now.Add(st.srv.cfg.Limits.Header)))
	secured := tls.Server(conn, st.srv.tls)
	if err := secured.Handshake(); err != nil {
		st.srv.counters.streamsUnsecured.Add(1)
		return false
	}
	state := secured.ConnectionState()
	h := wire.NewHandshake(&state)
	h.SNI = strings.Clone(h.SNI[:min(len(h.SNI), maxSNI)])
	st.tls, st.opened = &h, time.Now()
	st.become(&tlsConn{secured, conn})
	return true
}

// become puts another connection in the place of the one that was accepted. Who ends the server closes whichever there is.
func (st *stream) become(conn net.Conn) {
	st.srv.mu.Lock()
	defer st.srv.mu.Unlock()
	st.conn = conn
}

// transport is what the receipts call it.
func (st *stream) transport() string {
	if st.tls != nil {
		return "tls"
	}
	return "tcp"
}

// untold reports that there is a handshake of which no receipt tells yet.
func (st *stream) untold() bool { return st.tls != nil && !st.told }

// hangUp closes the connection, over TLS with the alert that belongs to it (RFC 8446 6.1).
func (st *stream) hangUp() {
	if c, ok := st.conn.(*tlsConn); ok {
		_ = c.Conn.Close() // not for long: it gives up on who takes nothing
	}
	st.conn.Close()
}

// tlsConn is a TLS connection that can be closed at once, and in one direction alone.
type tlsConn struct {
	*tls.Conn
	under net.Conn
}

// Close closes the connection under it: the alert that ends TLS could wait for a client that takes nothing.
func (c *tlsConn) Close() error { return c.under.Close() }

// CloseWrite ends this end of TLS and of the connection under it.
func (c *tlsConn) CloseWrite() error {
	if err := c.Conn.CloseWrite(); err != nil {
		return err
	}
	return c.under.(*headConn).CloseWrite()
}

// config is how TLS that carries probes is agreed on. Every handshake is a whole one, so that each shows the certificate, and
// no client can have it renegotiated. A client that offers nothing but other protocols gets none: it may be somebody in
// between, and what it does shall show.
func (id identity) config() *tls.Config {
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*id.cert}, SessionTicketsDisabled: true,
		NextProtos: []string{wire.ALPNSIP},
	}
	other := conf.Clone()
	other.NextProtos = nil
	conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, wire.ALPNSIP) {
			return nil, nil // this one
		}
		return other, nil
	}
	return conf
}
