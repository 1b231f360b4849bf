package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nofixup/reflector"
	"nofixup/reflector/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nofixup": main})
}

// TestScript runs the command line as a user does. The scripts have more commands, which last until the end of the script:
// "reflector" starts a reflector on ADDR, which is for --source as well, and sets URL and PIN, in one of the states of its
// function; "listen" starts something else on 127.0.0.1 and sets URL; "exits N command…" wants exit code N.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			captures, err := filepath.Abs(filepath.Join("..", "..", "testdata", "h323"))
			env.Setenv("CAPTURES", captures)
			env.Setenv("ADDR", ownLoopback().String())
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"reflector": startReflector,
			"listen":    startListener,
			"exits":     exits,
		},
	})
}

// ownLoopback is a loopback address that no other process takes, where the system has more than one of them: a probe sends from
// port 5060, and what another one on this machine holds is untested.
func ownLoopback() netip.Addr {
	if pid := os.Getpid(); runtime.GOOS == "linux" {
		return netip.AddrFrom4([4]byte{127, 64 | byte(pid>>16)&63, byte(pid >> 8), byte(pid)})
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// startReflector starts a reflector, by its argument: "expired" with a certificate that has expired, whose authority is in
// ca.pem, "full" with its only session in use, "busy" with the only one that a source can have in use.
func startReflector(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: reflector [expired|full|busy]")
	}
	cfg := reflector.Config{
		Hosts: []netip.Addr{ownLoopback()}, HTTPS: ":0", SIP: ":0", SIPS: ":0", H225: ":0", H245: ":0", RAS: ":0", Media: ":0", Neutral: ":0",
	}
	state := strings.Join(args, "")
	switch state {
	case "":
	case "expired":
		cert, authority := expiredCertificate(ts)
		cfg.Certificate = &cert
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), authority, 0o600))
	case "full":
		cfg.Limits.Sessions = 1
	case "busy":
		cfg.Limits.SessionsPerSource = 1
	default:
		ts.Fatalf("reflector: unknown state %q", state)
	}
	server, err := reflector.Start(context.Background(), cfg)
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		ts.Check(server.Shutdown(ctx))
	})
	if state == "full" || state == "busy" {
		client, err := wire.NewClient(server.URL(), wire.Options{Pin: server.Pin()})
		ts.Check(err)
		_, err = client.Open(context.Background())
		ts.Check(err)
		client.CloseIdle()
	}
	ts.Setenv("URL", server.URL())
	ts.Setenv("PIN", server.Pin())
}

// expiredCertificate makes a certificate for the reflector that was good until yesterday, and its authority in PEM form.
func expiredCertificate(ts *testscript.TestScript) (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	yesterday := time.Now().Add(-24 * time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: yesterday.Add(-24 * time.Hour), NotAfter: yesterday.Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "reflector"}, IPAddresses: []net.IP{ownLoopback().AsSlice()},
		NotBefore: yesterday.Add(-24 * time.Hour), NotAfter: yesterday,
	}
	own, err := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	ts.Check(err)
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, key)
	ts.Check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own})
}

// startListener starts something that is no reflector: "silent" takes connections and says nothing, "web" is an HTTPS
// server whose authority is in ca.pem, "plain" one without TLS, "proxy" an HTTP proxy, whose URL is in PROXY.
func startListener(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen silent|web|plain|proxy")
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	ts.Defer(server.Close)
	switch args[0] {
	case "silent":
		// The listener's queue takes connections although nobody accepts them.
		ts.Setenv("URL", "https://"+server.Listener.Addr().String())
	case "web":
		server.StartTLS()
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o600))
		ts.Setenv("URL", server.URL)
	case "plain":
		server.Start()
		ts.Setenv("URL", strings.Replace(server.URL, "http:", "https:", 1))
	case "proxy":
		server.Config.Handler = http.HandlerFunc(connect)
		server.Start()
		ts.Setenv("PROXY", server.URL)
	default:
		ts.Fatalf("listen: unknown kind %q", args[0])
	}
}

// connect is an HTTP proxy that knows the one method which HTTPS needs.
func connect(w http.ResponseWriter, r *http.Request) {
	there, err := net.Dial("tcp", r.Host)
	if r.Method != http.MethodConnect || err != nil {
		http.Error(w, "no way there", http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(there, buffered)
		there.Close()
	}()
	io.Copy(here, there)
}

// exits runs a command that must end with the exit code given first.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
