package reflector_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// dial opens a session on a server.
func dial(t testing.TB, s *reflector.Server) *wire.Session {
	t.Helper()
	c, err := wire.NewClient(s.URL(), wire.Options{Pin: s.Pin()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	sess, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sess
}

// options is an OPTIONS with the session's token in it.
func options(sess *wire.Session, number uint32) []byte {
	tag := wire.Tag{Token: sess.Grant.Token, Number: number}
	return fmt.Appendf(nil, "OPTIONS sip:%s@reflector.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK%[1]s;rport\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:a@10.0.0.9>;tag=1\r\nTo: <sip:ping@reflector.example>\r\nCall-ID: %[1]s\r\n"+
		"CSeq: 1 OPTIONS\r\nUser-Agent: padding padding padding\r\nContent-Length: 0\r\n\r\n", tag)
}

// exchange sends a datagram from an address and returns the answer, or nothing when none comes.
func exchange(t testing.TB, from string, to netip.AddrPort, raw []byte) string {
	t.Helper()
	conn, err := net.Dial("udp", to.String())
	if from != "" {
		conn, err = (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", to.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(raw); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("no answer from %s: %v", to, err)
	}
	return string(buf[:n])
}

// TestSession is what a client does, over real sockets.
func TestSession(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{SIPS: reflector.Off})
	sess := dial(t, s)
	g := sess.Grant
	if g.TLSPin != "" || len(g.TLSVersions)+len(g.TLSALPN) > 0 {
		t.Errorf("SIPS is off, and the grant is %+v", g)
	}
	if g.Control != s.URL() || g.Server != "nofixup-reflector devel" || g.Observed.Addr() != netip.MustParseAddr("127.0.0.1") ||
		len(g.Targets) != 7 || g.Targets[6] != (wire.Target{Service: "neutral", Transport: "tcp", Addr: s.Addr("https")}) || g.Budget.Actions != 600 || g.Budget.Messages != 12000 || g.Budget.LifetimeSeconds != 900 || g.Budget.UnprovenAnswers != 8 {
		t.Errorf("grant: %+v", g)
	}
	for i, target := range g.Targets[:2] {
		if other := g.Targets[3+i]; target.Transport != "udp" || other.Transport != "tcp" || other.Service != target.Service || other.Addr != target.Addr {
			t.Errorf("targets %+v", g.Targets)
		}
		raw := options(sess, uint32(i))
		answer := exchange(t, "", target.Addr, raw)
		if !strings.HasPrefix(answer, "SIP/2.0 200 OK\r\n") || len(answer) > len(raw) {
			t.Errorf("%s: %q", target.Service, answer)
		}
		r, err := sess.Receipts(t.Context(), uint64(2*i), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Receipts) != 2 || r.Next != uint64(2*i+2) || string(r.Receipts[0].Data) != string(raw) ||
			string(r.Receipts[1].Data) != answer || r.Receipts[0].Local != target.Addr || !r.Receipts[0].Proven ||
			r.Receipts[1].Answers != r.Receipts[0].Seq || time.Since(r.Receipts[0].At).Abs() > time.Minute {
			t.Errorf("%s: %+v", target.Service, r)
		}
		if runtime.GOOS == "linux" && r.Receipts[0].TTL != 64 {
			t.Errorf("TTL %d", r.Receipts[0].TTL)
		}
	}
	if err := sess.Renew(t.Context()); err != nil || sess.Grant.Budget.Renewals != 7 || sess.Grant.Session != g.Session {
		t.Errorf("renewed: %v, %+v", err, sess.Grant)
	}
	if err := sess.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var status *wire.StatusError
	if _, err := sess.Receipts(t.Context(), 0, 0); !errors.As(err, &status) || status.Code != http.StatusNotFound {
		t.Errorf("receipts of an ended session: %v", err)
	}
	// What a datagram was reserved is given back after its receipt can be read.
	for deadline := time.Now().Add(2 * time.Second); s.Counters().Octets != 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	c := s.Counters()
	if c.Kept != 2 || c.Answered != 2 || c.Opened != 1 || c.Deleted != 1 || c.Sessions != 0 || c.Octets != 0 {
		t.Errorf("%+v", c)
	}
}

// TestFullSession fetches more than fits into any buffer, in one answer.
func TestFullSession(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{Messages: 50}})
	sess := dial(t, s)
	conn, err := net.Dial("udp", sess.Grant.Targets[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw := append(options(sess, 1), strings.Repeat("x", 8000)...)
	raw = append([]byte("("), raw...) // no SIP, so each takes one receipt
	for i := range 60 {
		if _, err := conn.Write(raw); err != nil {
			t.Fatal(err)
		}
		// One at a time: the socket's buffer is not under test.
		for deadline := time.Now().Add(5 * time.Second); s.Counters().Received <= uint64(i); time.Sleep(50 * time.Microsecond) {
			if time.Now().After(deadline) {
				t.Fatalf("datagram %d did not arrive", i)
			}
		}
	}
	r, err := sess.Receipts(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Receipts) != 50 || r.Dropped != 10 || r.Next != 50 {
		t.Fatalf("%d receipts, %d dropped, next %d", len(r.Receipts), r.Dropped, r.Next)
	}
	for i, receipt := range r.Receipts {
		if receipt.Seq != uint64(i+1) || string(receipt.Data) != string(raw) {
			t.Errorf("receipt %d: %d octets, %d", i, len(receipt.Data), receipt.Seq)
		}
	}
}

func TestUnprovenAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs 127.0.0.2")
	}
	s := reflectortest.Start(t)
	sess := dial(t, s)
	answer := exchange(t, "127.0.0.2", s.Addr(wire.ServiceSIP), options(sess, 1))
	r, err := sess.Receipts(t.Context(), 0, 0)
	if err != nil || len(r.Receipts) != 2 || r.Receipts[0].Proven {
		t.Fatalf("%+v, %v", r, err)
	}
	_, nonce, _ := strings.Cut(answer, "To: <sip:ping@reflector.example>;tag=")
	nonce, _, _ = strings.Cut(nonce, "\r\n")
	back := strings.Replace(string(options(sess, 2)), "To: <sip:ping@reflector.example>", "To: <sip:ping@reflector.example>;tag="+nonce, 1)
	exchange(t, "127.0.0.2", s.Addr(wire.ServiceNeutral), []byte(back))
	r, err = sess.Receipts(t.Context(), 2, 0)
	if err != nil || len(r.Receipts) != 2 || !r.Receipts[0].Proven {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestWildcard asks a server that is bound to every address, by two of them.
func TestWildcard(t *testing.T) {
	s, err := reflector.Start(t.Context(), reflector.Config{
		HTTPS: ":0", SIP: ":0", SIPS: reflector.Off, Neutral: reflector.Off, H225: reflector.Off, H245: reflector.Off, RAS: reflector.Off,
		Media: reflector.Off,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(t.Context()) }()
	hosts := []string{"127.0.0.1"}
	if runtime.GOOS == "linux" {
		hosts = append(hosts, "127.0.0.2")
	}
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil {
		ln.Close()
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		addr := netip.MustParseAddr(host)
		url := "https://" + netip.AddrPortFrom(addr, s.Addr(reflector.ServiceHTTPS).Port()).String()
		c, err := wire.NewClient(url, wire.Options{Pin: s.Pin()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseIdle()
		sess, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := netip.AddrPortFrom(addr, s.Addr(wire.ServiceSIP).Port())
		if g := sess.Grant; g.Control != url || len(g.Targets) != 2 || g.Targets[0].Addr != want || g.Targets[1].Addr.Addr() != addr {
			t.Errorf("%s: grant %+v", host, g)
		}
		// A connected socket takes answers from the address it sent to alone.
		exchange(t, "", want, options(sess, 1))
		r, err := sess.Receipts(t.Context(), 0, 0)
		if err != nil || len(r.Receipts) != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		if runtime.GOOS == "linux" && (r.Receipts[0].Local != want || r.Receipts[0].TTL != 64) {
			t.Errorf("%s: %+v", host, r.Receipts[0])
		}
	}
	if strings.Contains(s.URL(), "0.0.0.0") || strings.Contains(s.URL(), "[::]") {
		t.Errorf("no client can use %s", s.URL())
	}
}

func TestHostsAndAdvertise(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs 127.0.0.2")
	}
	addrs := func(texts ...string) (out []netip.Addr) {
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(text))
		}
		return out
	}
	s := reflectortest.Start(t, reflector.Config{
		Hosts:     addrs("127.0.0.1", "127.0.0.2"),
		Advertise: addrs("203.0.113.10"),
		Neutral:   "127.0.0.2:0",
	})
	port := func(service string) uint16 { return s.Addr(service).Port() }
	if want := fmt.Sprintf("https://203.0.113.10:%d", port(reflector.ServiceHTTPS)); s.URL() != want {
		t.Errorf("URL %s, want %s", s.URL(), want)
	}
	c, err := wire.NewClient(s.Addr(reflector.ServiceHTTPS).String(), wire.Options{Pin: s.Pin()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	// The control URL is the advertised one, which nobody here can reach, so look at the grant alone.
	sess, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sess.Grant.Control != s.URL() {
		t.Errorf("control %s", sess.Grant.Control)
	}
	public := netip.MustParseAddr("203.0.113.10")
	var want []wire.Target
	for _, transport := range []string{"udp", "tcp"} {
		want = append(want,
			wire.Target{Service: "sip", Transport: transport, Addr: netip.AddrPortFrom(public, port("sip"))},
			wire.Target{Service: "sip", Transport: transport, Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port("sip"))},
		)
		for _, host := range []netip.Addr{public, netip.MustParseAddr("127.0.0.2")} {
			if transport == "tcp" {
				want = append(want, wire.Target{Service: "sips", Transport: "tls", Addr: netip.AddrPortFrom(host, port("sips"))})
			}
			want = append(want, wire.Target{Service: "sip", Transport: transport, Addr: netip.AddrPortFrom(host, port("sips"))})
		}
		want = append(want,
			wire.Target{Service: "neutral", Transport: transport, Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port("neutral"))})
		service := map[string]string{"udp": "ras", "tcp": "h225"}[transport]
		want = append(want,
			wire.Target{Service: service, Transport: transport, Addr: netip.AddrPortFrom(public, port(service))},
			wire.Target{Service: service, Transport: transport, Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port(service))})
	}
	want = append(want,
		wire.Target{Service: "neutral", Transport: "tcp", Addr: netip.AddrPortFrom(public, port("https"))},
		wire.Target{Service: "neutral", Transport: "tcp", Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), port("https"))})
	if fmt.Sprint(sess.Grant.Targets) != fmt.Sprint(want) {
		t.Errorf("targets %v, want %v", sess.Grant.Targets, want)
	}
}

func TestTrust(t *testing.T) {
	s := reflectortest.Start(t)
	open := func(opts wire.Options) error {
		c, err := wire.NewClient(s.URL(), opts)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseIdle()
		_, err = c.Open(t.Context())
		return err
	}
	if err := open(wire.Options{Pin: s.Pin()}); err != nil {
		t.Errorf("pinned: %v", err)
	}
	var pin *wire.PinError
	if err := open(wire.Options{Pin: "sha256//" + strings.Repeat("A", 43) + "="}); !errors.As(err, &pin) || pin.Got != s.Pin() {
		t.Errorf("another pin: %v", err)
	}
	var authority x509.UnknownAuthorityError
	if err := open(wire.Options{}); !errors.As(err, &authority) {
		t.Errorf("no pin: %v", err)
	}
	conn, err := tls.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cert := conn.ConnectionState().PeerCertificates[0]
	if err := cert.VerifyHostname("127.0.0.1"); err != nil {
		t.Error(err)
	}
	_, err = tls.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestListenErrors(t *testing.T) {
	s := reflectortest.Start(t)
	local := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	free := func(cfg reflector.Config) reflector.Config {
		for _, address := range []*string{&cfg.HTTPS, &cfg.SIP, &cfg.SIPS, &cfg.Neutral, &cfg.H225, &cfg.H245, &cfg.RAS, &cfg.Media} {
			*address = cmp.Or(*address, ":0")
		}
		return cfg
	}
	first := s.Addr(reflector.ServiceH245).Port()
	media := s.Addr(reflector.ServiceMedia).Port()
	for _, tt := range []struct {
		name    string
		cfg     reflector.Config
		service string
		cause   error
		hint    string
	}{
		{
			"sip in use",
			reflector.Config{Hosts: local, SIP: s.Addr("sip").String()},
			"sip", syscall.EADDRINUSE, "choose another one with --sip",
		},
		{
			"https in use",
			reflector.Config{Hosts: local, HTTPS: s.Addr("https").String()},
			"https", syscall.EADDRINUSE, "choose another one with --https",
		},
		{
			"also in use",
			reflector.Config{Hosts: local, Also: []string{"tcp:0", "tcp:" + s.Addr("https").String()}},
			"also", syscall.EADDRINUSE, "choose another one with --also",
		},
		{
			"h225 in use",
			reflector.Config{Hosts: local, H225: s.Addr("h225").String()},
			"h225", syscall.EADDRINUSE, "choose another one with --h225",
		},
		{
			"sips in use",
			reflector.Config{Hosts: local, SIPS: s.Addr("sips").String()},
			"sips", syscall.EADDRINUSE, "choose another one with --sips",
		},
		{
			"ras in use",
			reflector.Config{Hosts: local, RAS: s.Addr("ras").String()},
			"ras", syscall.EADDRINUSE, "choose another one with --ras",
		},
		{
			"a port of media in use",
			reflector.Config{Hosts: local, Media: fmt.Sprintf("%d-%d", media, media+1)},
			"media", syscall.EADDRINUSE, "choose another one with --media",
		},
		{
			"a port of h245 in use",
			reflector.Config{Hosts: local, H245: fmt.Sprintf("%d-%d", first, first)},
			"h245", syscall.EADDRINUSE, "choose another one with --h245",
		},
		{
			"not ours",
			reflector.Config{Hosts: []netip.Addr{netip.MustParseAddr("203.0.113.10")}},
			"sip", syscall.EADDRNOTAVAIL, "--advertise",
		},
	} {
		_, err := reflector.Start(t.Context(), free(tt.cfg))
		var listen *reflector.ListenError
		if !errors.As(err, &listen) {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		if listen.Service != tt.service || !strings.Contains(listen.Hint(), tt.hint) || runtime.GOOS == "linux" && !errors.Is(err, tt.cause) {
			t.Errorf("%s: got %v, hint %q", tt.name, err, listen.Hint())
		}
	}
	for _, tt := range []struct {
		cfg  reflector.Config
		want string
	}{
		{reflector.Config{Media: "10001-10064"}, `media address "10001-10064": media goes by pairs of ports`},
		{reflector.Config{Media: "10000-10062"}, "media goes by pairs of ports"},
		{reflector.Config{Media: ":10000"}, "media goes by pairs of ports"},
		{reflector.Config{Media: "10000"}, "media goes by pairs of ports"},
		{reflector.Config{Media: "10000-10256"}, "more than 256 ports"},
		{reflector.Config{Media: ":x"}, `media address ":x": want FIRST-LAST`},
		{reflector.Config{Media: "x:0"}, "the host is not an IP address"},
		{reflector.Config{H245: "localhost:0"}, `h245 address "localhost:0": the host is not an IP address`},
		{reflector.Config{H245: "11031-11000"}, `h245 address "11031-11000": the ports are no range within 1 to 65535`},
		{reflector.Config{H245: "0-5"}, "the ports are no range"},
		{reflector.Config{H245: "65530-65536"}, "the ports are no range"},
		{reflector.Config{H245: ":1-"}, "the ports are no range"},
		{reflector.Config{H245: "::1:1-2"}, `h245 address "::1:1-2": want FIRST-LAST, HOST:FIRST-LAST, :PORT or off`},
		{reflector.Config{H245: "11000-11256"}, "more than 256 ports"},
		{reflector.Config{H225: "1720"}, `h225 address "1720": want HOST:PORT`},
		{reflector.Config{RAS: "1719"}, `ras address "1719": want HOST:PORT`},
		{reflector.Config{HTTPS: "off"}, "https: cannot be off"},
		{reflector.Config{SIP: "5060"}, `sip address "5060": want HOST:PORT`},
		{reflector.Config{SIP: ":x"}, "the port is not in"},
		{reflector.Config{SIP: "localhost:0"}, "the host is not an IP address"},
		{reflector.Config{Hosts: local, Neutral: reflector.Off, Also: []string{"tcp:0"}}, "also: these are further ports"},
		{reflector.Config{Hosts: local, Also: []string{"80"}}, `also "80": want tcp:PORT or udp:PORT`},
		{reflector.Config{Hosts: local, Also: []string{"sctp:80"}}, `also "sctp:80": want`},
		{reflector.Config{Hosts: local, Also: []string{"tcp:"}}, `also "tcp:": want`},
		{reflector.Config{Hosts: local, Also: []string{"tcp:x"}}, `also address ":x": the port is not in`},
		{reflector.Config{Hosts: []netip.Addr{netip.IPv4Unspecified()}}, "not a unicast address"},
		{reflector.Config{Advertise: []netip.Addr{netip.MustParseAddr("224.0.0.1")}}, "not a unicast address"},
		{reflector.Config{Hosts: local, Advertise: []netip.Addr{netip.IPv6Loopback()}}, "1 addresses of a family for 0 hosts"},
		{reflector.Config{Limits: reflector.Limits{MessageOctets: 70000}}, "message limit"},
		{reflector.Config{Certificate: new(tls.Certificate)}, "the chain is empty"},
	} {
		cfg := free(tt.cfg)
		cfg.Network = unopened{t}
		if _, err := reflector.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want ... %s ...", err, tt.want)
		}
	}
}

// unopened is a network on which nothing may be opened.
type unopened struct{ t *testing.T }

func (n unopened) Listen(_ context.Context, network, address string) (net.Listener, error) {
	n.t.Errorf("listens on %s %s", network, address)
	return nil, net.ErrClosed
}

func (n unopened) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	n.t.Errorf("listens on %s %s", network, address)
	return nil, net.ErrClosed
}

// TestShutdown ends a server while a poll waits. That no goroutine is left is checked when all tests have ended.
func TestShutdown(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	polled := make(chan error, 1)
	go func() {
		r, err := sess.Receipts(t.Context(), 0, wire.MaxWait)
		if err == nil && len(r.Receipts) > 0 {
			err = errors.New("receipts")
		}
		polled <- err
	}()
	for s.Counters().Polls == 0 {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-polled; err != nil {
		t.Errorf("the poll was not drained: %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("second time: %v", err)
	}
	if c := s.Counters(); c.Sessions != 0 || c.Octets != 0 {
		t.Errorf("%+v", c)
	}
}

// TestShutdownCutsOff ends a server that a client keeps busy.
func TestShutdownCutsOff(t *testing.T) {
	s := reflectortest.Start(t)
	conn, err := tls.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	for s.Counters().Requests == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}
