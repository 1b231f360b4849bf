package reflector_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// tlsTarget returns the address of SIP over TLS.
func tlsTarget(t testing.TB, sess *wire.Session) netip.AddrPort {
	t.Helper()
	for _, target := range sess.Grant.Targets {
		if target.Service == wire.ServiceSIPS && target.Transport == "tls" {
			return target.Addr
		}
	}
	t.Fatalf("no SIP over TLS: %+v", sess.Grant.Targets)
	return netip.AddrPort{}
}

// overTLS is options for a connection over TLS.
func overTLS(sess *wire.Session, number uint32) string {
	return strings.ReplaceAll(string(options(sess, number)), "SIP/2.0/UDP", "SIP/2.0/TLS")
}

// TestSecure is what a client does over TLS, with real sockets: the certificate is the one of the grant, the receipts hold the
// octets as they were before and after TLS, and the first one what the handshake came to at the far end.
func TestSecure(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	for i, conf := range []*tls.Config{
		{NextProtos: []string{wire.ALPNSIP}, ServerName: "reflector.example"},
		{NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12},
		{},
	} {
		conf.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", tlsTarget(t, sess).String(), conf)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		state := conn.ConnectionState()
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		if g := sess.Grant; wire.Pin(state.PeerCertificates[0]) != g.TLSPin || hex.EncodeToString(sum[:]) != g.TLSFingerprint ||
			!reflect.DeepEqual(g.TLSVersions, []string{"TLS 1.2", "TLS 1.3"}) || !reflect.DeepEqual(g.TLSALPN, []string{wire.ALPNSIP}) {
			t.Errorf("grant %+v", g)
		}
		first, _ := sess.Receipts(t.Context(), 0, 0)
		raw := overTLS(sess, uint32(10*i))
		for _, part := range []string{raw[:30], raw[30:]} { // two records
			if _, err := io.WriteString(conn, part); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 2000)
		n, err := conn.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS ") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		r, err := sess.Receipts(t.Context(), first.Next, 0)
		if err != nil || len(r.Receipts) < 2 {
			t.Fatalf("%v, %+v", err, r)
		}
		var in []byte
		for k, receipt := range r.Receipts {
			if receipt.Transport != "tls" || receipt.Conn != uint64(i+1) || (receipt.TLS != nil) != (k == 0) {
				t.Errorf("receipt %+v", receipt)
			}
			if receipt.Direction == wire.In {
				in = append(in, receipt.Data...)
			}
		}
		out := r.Receipts[len(r.Receipts)-1]
		if string(in) != raw || out.Direction != wire.Out || string(out.Data) != string(buf[:n]) {
			t.Errorf("receipts %+v", r.Receipts)
		}
		want := wire.NewHandshake(&state)
		want.SNI = conf.ServerName
		if got := r.Receipts[0].TLS; !reflect.DeepEqual(*got, want) || len(got.Binding) != 32 || conf.ServerName != "" && got.ALPN != wire.ALPNSIP {
			t.Errorf("handshake %+v, want %+v", got, want)
		}
		if _, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionRequest, To: out.Answers, Number: uint32(10*i + 1), Method: "OPTIONS"}); err != nil {
			t.Fatal(err)
		}
		n, err = conn.Read(buf)
		if text := string(buf[:n]); err != nil || !strings.Contains(text, "\r\nVia: SIP/2.0/TLS ") || !strings.Contains(text, "\r\nContact: <sips:") {
			t.Errorf("%v: %s", err, text)
		}
		if _, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionClose, To: out.Answers}); err != nil {
			t.Fatal(err)
		}
		if n, err = conn.Read(buf); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d octets, %v, after the reflector has closed", n, err)
		}
	}
}

// TestSecureInClear: the same port takes SIP in clear, over TCP and UDP.
func TestSecureInClear(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	addr := tlsTarget(t, sess)
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	raw := strings.ReplaceAll(string(options(sess, 1)), "/UDP", "/TCP")
	for _, part := range []string{raw[:1], raw[1:]} {
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 2000)
	if n, err := conn.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("SIP/2.0 200 OK")) {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	var udp wire.Target
	for _, target := range sess.Grant.Targets {
		if target.Service == wire.ServiceSIP && target.Transport == "udp" {
			udp = target // the last one
		}
	}
	if udp.Addr != addr {
		t.Logf("UDP is on another port: %v", udp.Addr)
	}
	exchange(t, "", udp.Addr, options(sess, 2))
	r, err := sess.Receipts(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, receipt := range r.Receipts {
		if receipt.TLS != nil {
			t.Errorf("TLS in %+v", receipt)
		}
		if receipt.Direction == wire.Out {
			got = append(got, receipt.Transport)
		}
	}
	if strings.Join(got, " ") != "tcp udp" {
		t.Errorf("answers over %v", got)
	}
}

// TestSecureTimes: whoever is silent, slow or no client of TLS is cut off in time, and without the tag nothing comes back
// through TLS either.
func TestSecureTimes(t *testing.T) {
	hello := func(conf *tls.Config) string {
		near, far := net.Pipe()
		go func() { _ = tls.Client(near, conf).Handshake() }()
		buf := make([]byte, 4096)
		n, _ := far.Read(buf)
		far.Close()
		return string(buf[:n])
	}
	whole := hello(&tls.Config{InsecureSkipVerify: true})
	for _, tt := range []struct {
		name  string
		parts []string
		after time.Duration
	}{
		{"nothing", nil, 5 * time.Second},
		{"another protocol", []string{"\x03\x00\x00\x04"}, 0},
		{"the first octet", []string{"\x16"}, 5 * time.Second},
		{"half of it", []string{whole[:len(whole)/2]}, 5 * time.Second},
		{"no more than the first message", []string{whole}, 5 * time.Second},
		{"an old version", []string{hello(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})}, 0},
		{"not TLS", []string{"\x16\x00\x00\x00\x10 0123456789 0123456789"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inMemory(t, reflector.Limits{}, func(t *testing.T, m *memory, s *reflector.Server) {
				conn, err := m.dial(t.Context(), "tcp", "198.51.100.5:5061")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				for _, part := range tt.parts {
					io.WriteString(conn, part)
				}
				if _, took := closed(conn); took != tt.after {
					t.Errorf("closed after %v, want %v", took, tt.after)
				}
				synctest.Wait()
				if c := s.Counters(); c.StreamsOpen != 0 || c.StreamsTokenless != 1 || len(tt.parts) > 0 && c.StreamsUnsecured != 1 {
					t.Errorf("%+v", c)
				}
			})
		})
	}
	t.Run("no tag", func(t *testing.T) {
		inMemory(t, reflector.Limits{}, func(t *testing.T, m *memory, _ *reflector.Server) {
			conn := m.secure(t)
			io.WriteString(conn, "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n")
			if got, took := closed(conn); got != "" || took != 0 {
				t.Errorf("%q after %v", got, took)
			}
		})
	})
	t.Run("silent after the handshake", func(t *testing.T) {
		inMemory(t, reflector.Limits{}, func(t *testing.T, m *memory, _ *reflector.Server) {
			if got, took := closed(m.secure(t)); got != "" || took != 5*time.Second {
				t.Errorf("%q after %v", got, took)
			}
		})
	})
}

// secure connects to the port of SIP over TLS.
func (m *memory) secure(t *testing.T) *tls.Conn {
	t.Helper()
	under, err := m.dial(t.Context(), "tcp", "198.51.100.5:5061")
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(under, &tls.Config{InsecureSkipVerify: true})
	t.Cleanup(func() { under.Close() })
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestHandshakesAreLimited: a source can make the reflector compute only so much.
func TestHandshakesAreLimited(t *testing.T) {
	inMemory(t, reflector.Limits{HandshakeBurst: 3, HandshakeRefill: time.Second}, func(t *testing.T, m *memory, _ *reflector.Server) {
		handshakes := func() (done int) {
			for range 6 {
				under, err := m.dial(t.Context(), "tcp", "198.51.100.5:5061")
				if err != nil {
					t.Fatal(err)
				}
				conn := tls.Client(under, &tls.Config{InsecureSkipVerify: true})
				if conn.Handshake() == nil {
					done++
				}
				under.Close()
			}
			return done
		}
		if n := handshakes(); n != 3 {
			t.Errorf("%d handshakes", n)
		}
		time.Sleep(2 * time.Second)
		if n := handshakes(); n != 2 {
			t.Errorf("%d handshakes after 2 s", n)
		}
	})
}

// TestSecureShutdown: the end of the server, and of a session, ends handshakes and connections over TLS at once.
func TestSecureShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, err := reflector.Start(t.Context(), reflector.Config{Hosts: []netip.Addr{serverAddr}, Network: m})
		if err != nil {
			t.Fatal(err)
		}
		sess := m.session(t, s)
		claimed := m.secure(t)
		io.WriteString(claimed, overTLS(sess, 1))
		if n, err := claimed.Read(make([]byte, 2000)); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		if err := sess.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, took := closed(claimed); took != 0 {
			t.Errorf("a deleted session's connection lived for %v", took)
		}
		deciding, err := m.dial(t.Context(), "tcp", "198.51.100.5:5061")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(deciding, "\x16")
		begin := time.Now()
		if err := s.Shutdown(t.Context()); err != nil || time.Since(begin) > 100*time.Millisecond { // HTTPS looks now and then whether it is idle
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
