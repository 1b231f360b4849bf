package probe

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
	"nofixup/reflector/wire"
)

// interceptor is a network on which somebody terminates TLS to port 5061, with a handshake of its own to the reflector.
type interceptor struct {
	Network
	near, far *tls.Config // towards the client and the reflector; without near nobody answers the handshake
	rewrite   func([]byte) []byte
}

func (i interceptor) DialContext(ctx context.Context, network, local, address string) (net.Conn, error) {
	far, err := i.Network.DialContext(ctx, network, local, address)
	if err != nil || network != "tcp" || !strings.HasSuffix(address, ":5061") {
		return far, err
	}
	client, near := net.Pipe()
	go i.relay(near, far)
	return piped{client, far}, nil
}

// relay carries what is in TLS from one end to the other.
func (i interceptor) relay(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	if i.near == nil {
		_, _ = io.Copy(io.Discard, near)
		return
	}
	first := make([]byte, 1)
	if n, _ := near.Read(first); n == 0 {
		return
	}
	up, down := io.ReadWriteCloser(headed{io.MultiReader(bytes.NewReader(first), near), near}), io.ReadWriteCloser(far)
	if first[0] == 0x16 {
		// Not within Read and Write of two goroutines, of which one would wait for a lock: time would stand still.
		server, client := tls.Server(up.(net.Conn), i.near), tls.Client(far, i.far)
		if server.Handshake() != nil || client.Handshake() != nil {
			return
		}
		up, down = server, client
	}
	done := make(chan struct{}, 2)
	carry := func(to io.Writer, from io.Reader) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				b := buf[:n]
				if i.rewrite != nil {
					b = i.rewrite(b)
				}
				if _, err := to.Write(b); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	go carry(down, up)
	go carry(up, down)
	<-done
	near.Close()
	far.Close()
	<-done
}

// headed is a connection of which the first octet has been read already.
type headed struct {
	from io.Reader
	net.Conn
}

func (h headed) Read(b []byte) (int, error) { return h.from.Read(b) }

// piped is a pipe with the addresses of the connection behind it.
type piped struct {
	net.Conn
	behind net.Conn
}

func (p piped) LocalAddr() net.Addr  { return p.behind.LocalAddr() }
func (p piped) RemoteAddr() net.Addr { return p.behind.RemoteAddr() }

// newCertificate makes a key and a certificate in somebody's name.
func newCertificate(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestIntercepted shows that whoever terminates TLS is found out: by the key, and with the reflector's own key by what the
// two ends know of the handshake. What is in TLS is sent all the same, so that it shows what becomes of it.
func TestIntercepted(t *testing.T) {
	own, other := newCertificate(t, "reflector"), newCertificate(t, "firewall")
	near := func(cert *tls.Certificate, conf *tls.Config) *tls.Config {
		conf.Certificates = []tls.Certificate{*cert}
		return conf
	}
	far := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{wire.ALPNSIP}}
	sip2 := []string{wire.ALPNSIP}
	for _, tc := range []struct {
		name   string
		box    interceptor
		want   string // verdicts
		fields []string
		also   string // another finding
	}{
		{
			name: "another key", box: interceptor{near: near(other, &tls.Config{NextProtos: sip2}), far: far},
			want: "intercepted intercepted", fields: []string{"tls.binding", "tls.certificate"},
		},
		{
			name: "another key, nothing else in common",
			box: interceptor{
				near: near(other, &tls.Config{MaxVersion: tls.VersionTLS12}),
				far:  &tls.Config{InsecureSkipVerify: true},
			},
			want: "intercepted intercepted", fields: []string{"tls.alpn", "tls.binding", "tls.certificate", "tls.cipher", "tls.version"},
		},
		{
			name: "the reflector's key", box: interceptor{near: near(own, &tls.Config{NextProtos: sip2}), far: far},
			want: "intercepted intercepted", fields: []string{"tls.binding"},
		},
		{
			name: "and rewrites",
			box: interceptor{near: near(other, &tls.Config{NextProtos: sip2}), far: far, rewrite: func(b []byte) []byte {
				return bytes.ReplaceAll(b, []byte("Max-Forwards: 70"), []byte("Max-Forwards: 69"))
			}},
			want: "intercepted intercepted", fields: []string{"tls.binding", "tls.certificate"}, also: "message-rewritten",
		},
		{
			name: "and passes nothing on", box: interceptor{
				near: near(other, &tls.Config{NextProtos: sip2}), far: far, rewrite: func([]byte) []byte { return nil },
			},
			want: "intercepted intercepted", fields: []string{"tls.certificate"},
		},
		{name: "nobody answers", want: "blocked untested"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, err := fixup.New(fixup.Config{Latency: 10 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				w := startWorld(t, network, reflector.Config{Certificate: own})
				defer w.close(t)
				w.cfg.Plan.Protos = []string{alg.ProtoSIPS}
				tc.box.Network = w.cfg.Network
				w.cfg.Network = tc.box
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := verdicts(report), "sips/tls/5061 from ephemeral: "+tc.want+"\n"; got != want || report.Verdict != alg.OverallInterference {
					t.Errorf("%s, got\n%swant\n%s%s", report.Verdict, got, want, report.Paths[0].Reason)
				}
				if tc.box.near == nil && !strings.Contains(report.Paths[0].Reason, "TLS handshake does not come about in 7 tries, while TCP connects: nobody answers") {
					t.Errorf("reason %q", report.Paths[0].Reason)
				}
				var fields []string
				also := tc.also == ""
				for _, f := range report.Findings {
					if f.ID != "tls-intercepted" {
						also = also || f.ID == tc.also
						continue
					}
					fields = append(fields, f.Field)
					if f.Field == "tls.certificate" && (!strings.Contains(string(f.Sent), w.server.Pin()) || !strings.Contains(string(f.Got), "CN=firewall, issued by CN=firewall, SHA-256 ")) {
						t.Errorf("want %s, got %s", f.Sent, f.Got)
					}
				}
				slices.Sort(fields)
				if !slices.Equal(fields, tc.fields) || !also {
					t.Errorf("fields %v, want %v; findings %+v", fields, tc.fields, report.Findings)
				}
				if report.Evidence.Complete && len(report.Evidence.Pairs) == 0 && tc.box.near != nil {
					t.Error("nothing was sent through it")
				}
			})
		})
	}
}

// TestSecure shows what a report tells of a handshake between the two ends alone.
func TestSecure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{Latency: 10 * time.Millisecond}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Plan.Protos = []string{alg.ProtoSIPS}
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != alg.OverallClean || len(report.Trials) != 1 {
			t.Fatalf("%s, %+v", report.Verdict, report.Trials)
		}
		h := report.Trials[0].TLS
		if h == nil || h.Server == nil || h.Client != *h.Server || h.Client.Binding == "" || h.Client.Version != "TLS 1.3" ||
			h.Client.ALPN != wire.ALPNSIP || len(h.Chain) != 1 || h.Chain[0].Pin != w.server.Pin() || h.Chain[0].SHA256 != h.Expected.SHA256 {
			t.Errorf("%+v", h)
		}
		for i := range report.Evidence.Pairs {
			p := &report.Evidence.Pairs[i]
			text := string(p.Inside.Raw)
			if !strings.Contains(text, "SIP/2.0/TLS ") || strings.Contains(strings.ToLower(text), "<sip:") {
				t.Errorf("%s: not SIP over TLS:\n%s", p.Step, text)
			}
		}
	})
}
