package fixup

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, h *Host, address string) net.Listener {
	t.Helper()
	l, err := h.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// connected returns both ends of a connection from inside to outside.
func connected(t *testing.T, n *Network, local, port string) (client, server net.Conn) {
	t.Helper()
	l := listen(t, n.Outside(), ":"+port)
	defer l.Close()
	client, err := n.Inside().DialContext(t.Context(), "tcp", local, "203.0.113.10:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Latency: 10 * time.Millisecond})
		start := time.Now()
		client, server := connected(t, n, ":5060", "443")
		if d := time.Since(start); d != 20*time.Millisecond {
			t.Errorf("handshake took %v", d)
		}
		for _, tt := range []struct{ got, want string }{
			{client.LocalAddr().String(), "10.0.0.9:5060"},
			{client.RemoteAddr().String(), "203.0.113.10:443"},
			{server.LocalAddr().String(), "203.0.113.10:443"},
			{server.RemoteAddr().String(), "198.51.100.2:5060"},
		} {
			if tt.got != tt.want {
				t.Errorf("address %s, want %s", tt.got, tt.want)
			}
		}
		start = time.Now()
		io.WriteString(client, "hello")
		client.(*conn).CloseWrite()
		b, err := io.ReadAll(server)
		if string(b) != "hello" || err != nil || time.Since(start) != 10*time.Millisecond {
			t.Errorf("%q, %v after %v", b, err, time.Since(start))
		}
		// The other direction still works, and Close delivers what was written.
		io.WriteString(server, "answer")
		server.Close()
		if b, err := io.ReadAll(client); string(b) != "answer" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after CloseWrite: %v", err)
		}
		if _, err := server.Read(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
	})
}

func TestStreamBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Latency: time.Millisecond})
		client, server := connected(t, n, "", "80")
		data := make([]byte, 3*maxWindow)
		rand.Read(data)
		client.SetWriteDeadline(time.Now().Add(time.Second))
		sent, err := client.Write(data)
		if !errors.Is(err, os.ErrDeadlineExceeded) || sent < maxWindow || sent > maxWindow+maxSegment {
			t.Fatalf("wrote %d, %v", sent, err)
		}
		client.SetWriteDeadline(time.Time{})
		go func() {
			client.Write(data[sent:])
			client.Close()
		}()
		got, err := io.ReadAll(server)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d octets, %v", len(got), err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to a closed peer: %v", err)
		}
	})
}

func TestStreamDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		client, _ := connected(t, n, "", "80")
		client.SetDeadline(time.Now().Add(time.Second))
		_, err := client.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Error(err)
		}
		client.SetDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			client.Close()
		}()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Latency: 5 * time.Millisecond})
		start := time.Now()
		_, err := n.Inside().DialContext(t.Context(), "tcp", "", "203.0.113.10:81")
		var op *net.OpError
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || time.Since(start) != 10*time.Millisecond {
			t.Errorf("closed port: %v after %v", err, time.Since(start))
		}
		// From outside nobody gets in, and nobody says so.
		listen(t, n.Inside(), ":80")
		start = time.Now()
		if _, err := n.Outside().DialContext(t.Context(), "tcp", "", "198.51.100.2:80"); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(start) != dialTimeout {
			t.Errorf("filtered: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Inside().DialContext(ctx, "tcp", "", "192.0.2.1:80"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nowhere: %v", err)
		}
		if _, err := n.Inside().DialContext(t.Context(), "tcp", "10.0.0.77:0", "203.0.113.10:80"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("foreign local address: %v", err)
		}
		client, _ := connected(t, n, ":40000", "82")
		if _, err := n.Inside().DialContext(t.Context(), "tcp", ":40000", "203.0.113.10:82"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("same tuple: %v", err)
		}
		client.Close()
		connected(t, n, ":40000", "82")
	})
}

func TestListenerClose(t *testing.T) {
	n := newNetwork(t, Config{})
	l := listen(t, n.Outside(), "203.0.113.10:80")
	if _, err := n.Outside().Listen(t.Context(), "tcp", ":80"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	listen(t, n.Outside(), "203.0.113.11:80")
	client, err := n.Inside().DialContext(t.Context(), "tcp", "", "203.0.113.10:80")
	if err != nil {
		t.Fatal(err)
	}
	go l.Close()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection nobody accepted: %v", err)
	}
	listen(t, n.Outside(), "203.0.113.10:80")
}

// TestStreamSegments: the style sees segments, and one that it drops stalls the
// connection without ending it.
func TestStreamSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Style: "linux", Latency: time.Millisecond})
		client, server := connected(t, n, ":5060", "5060")
		const options = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.9:5060\r\nContent-Length: 0\r\n\r\n"
		io.WriteString(client, options)
		b := make([]byte, 1000)
		k, _ := server.Read(b)
		if want := strings.Replace(options, "10.0.0.9", "198.51.100.2", 1); string(b[:k]) != want {
			t.Errorf("%q", b[:k])
		}
		io.WriteString(client, "INVITE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n")
		io.WriteString(client, options)
		server.SetReadDeadline(time.Now().Add(time.Hour))
		if k, err := server.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v", b[:k], err)
		}
		io.WriteString(server, "still there")
		if k, err := client.Read(b); string(b[:k]) != "still there" {
			t.Errorf("%q, %v", b[:k], err)
		}
	})
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{netip.MustParseAddr("203.0.113.10").AsSlice()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// https does a GET that the server answers only after a second, as a long poll
// does, over a new connection.
func https(t *testing.T, n *Network) {
	t.Helper()
	cert := certificate(t)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			fmt.Fprintf(w, "%s %s", r.RemoteAddr, bytes.Repeat([]byte("x"), 1<<20))
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
	l := listen(t, n.Outside(), ":443")
	served := make(chan error)
	go func() { served <- server.ServeTLS(l, "", "") }()

	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return n.Inside().DialContext(ctx, network, "", address)
		},
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true,
	}
	for range 3 {
		resp, err := (&http.Client{Transport: transport}).Get("https://203.0.113.10/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || len(body) < 1<<20 || !bytes.HasPrefix(body, []byte("198.51.100.2:")) {
			t.Errorf("%d octets, %v: %.30q", len(body), err, body)
		}
	}
	transport.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Error(err)
	}
}

func TestHTTPS(t *testing.T) { https(t, newNetwork(t, Config{Style: "linux"})) }

func TestHTTPSInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		https(t, newNetwork(t, Config{Latency: 50 * time.Millisecond}))
		// Each answer takes the poll and at least a round trip.
		if d := time.Since(start); d < 3*1100*time.Millisecond || d > 10*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
