package netlab_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeSecure shows that the kernel's helper, bound to port 5060 as it is by default, leaves SIP over TLS and in clear on
// port 5061 alone.
func TestProbeSecure(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, mode := range []netlab.Mode{netlab.Plain, netlab.ALG} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			report, exit := probe(t, lab, url, pin, "--only", "sips")
			want := "tls IPv4 5061 from ephemeral: clean clean\ntls IPv6 5061 from ephemeral: clean clean\n"
			if got := verdicts(report); exit != 0 || got != want {
				t.Errorf("exit %d\n%s", exit, got)
			}
			for _, trial := range report.Trials {
				if h := trial.TLS; trial.Kind != alg.TrialTLS || h == nil || h.Server == nil || h.Client != *h.Server || h.Client.Binding == "" {
					t.Errorf("trial %+v: %+v", trial, h)
				}
			}
		})
	}
}

// TestProbeHelperOn5061 shows that a helper which is bound to port 5061 as well, as some routers have it, is found out there,
// and that TLS on the same port gets through.
func TestProbeHelperOn5061(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	lab.Host("rtr").NFT(t, `table ip more {
		ct helper sip-udp { type "sip" protocol udp; }
		ct helper sip-tcp { type "sip" protocol tcp; }
		chain helpers {
			type filter hook prerouting priority 0;
			udp dport 5061 ct helper set "sip-udp"
			tcp dport 5061 ct helper set "sip-tcp"
		}
	}`)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	report, exit := probe(t, lab, url, pin, "--only", "sip,sips")
	want := strings.ReplaceAll(allPaths(alg.Altered, alg.Altered, 4), "5061 from ephemeral: clean clean", "5061 from ephemeral: altered altered") +
		"tls IPv4 5061 from ephemeral: clean clean\n"
	if got := verdicts(report); exit != 1 || got != want {
		t.Errorf("exit %d, got\n%swant\n%s", exit, got, want)
		for _, p := range report.Paths {
			t.Logf("%s: %s", p.Path, p.Reason)
		}
	}
	if causes := strings.Join(report.Triggers, "\n"); !strings.Contains(causes, "SIP over UDP and TCP on ports 5060 and 5061 (IPv4): messages are altered") {
		t.Errorf("causes:\n%s", causes)
	}
}

// TestProbeIntercepted shows that a router which terminates TLS on the way to port 5061 is found out, and what a user reads of
// it; without it the same router is clean.
func TestProbeIntercepted(t *testing.T) {
	netlab.Require(t, "stunnel4")
	t.Parallel()
	lab := netlab.Up(t, netlab.Plain)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	if report, exit := probe(t, lab, url, pin, "--only", "sips"); exit != 0 {
		t.Fatalf("without it: exit %d\n%s", exit, verdicts(report))
	}
	fingerprint := interceptAt(t, lab.Host("rtr"), netlab.WANAddr.String()+":5061")

	report, exit := probe(t, lab, url, pin, "--only", "sips")
	if got, want := verdicts(report), "tls IPv4 5061 from ephemeral: intercepted intercepted\n"; exit != 1 || got != want {
		t.Errorf("exit %d, got\n%swant\n%s%s", exit, got, want, report.Paths[0].Reason)
	}
	// What was sent through it arrived: stunnel changes nothing.
	delivered := 0
	for i := range report.Evidence.Pairs {
		if p := &report.Evidence.Pairs[i]; p.Outbound && p.Delivered() && bytes.Equal(p.Inside.Raw, p.Outside.Raw) {
			delivered++
		}
	}
	if delivered < 20 {
		t.Errorf("%d messages arrived through it", delivered)
	}
	var expected string
	for _, trial := range report.Trials {
		if trial.TLS != nil {
			expected = trial.TLS.Expected.SHA256
		}
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := lab.Host("lan").Command(ctx, netlab.Build(t, "nofixup/cmd/nofixup"), "probe", "--only", "sips", "--pin", pin, url)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if !errors.As(err, &failed) || failed.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		"INTERFERENCE", "terminates TLS", "sips/tls 5061 ephemeral intercepted intercepted", "tls-intercepted",
		"CN=firewall.example", expected, fingerprint, pin,
	} {
		if want == "" || !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
}

// interceptAt has a host terminate TLS towards an address: Debian's stunnel, once as a server and once as a client. It
// returns the fingerprint of the certificate that it shows.
func interceptAt(t *testing.T, host *netlab.Host, to string) (fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "firewall.example"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert := file("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	conf := file("stunnel.conf", fmt.Sprintf(`foreground = yes
pid =
debug = notice
syslog = no
[near]
accept = 0.0.0.0:15061
connect = 127.0.0.1:15062
cert = %s
[far]
client = yes
accept = 127.0.0.1:15062
connect = %s
`, cert, to))
	netlab.Start(t, host.Command(context.Background(), "stunnel4", conf)).WaitFor(t, "Configuration successful")
	host.NFT(t, `table ip intercept {
		chain nat { type nat hook prerouting priority -100; iifname "r0" tcp dport 5061 redirect to :15061; }
	}`)
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
