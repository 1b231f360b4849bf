package reflector

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"nofixup/reflector/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	here   = netip.MustParseAddrPort("198.51.100.5:5060") // the reflector
	client = netip.MustParseAddrPort("192.0.2.9:5060")    // opened the session, so it is proven
	other  = netip.MustParseAddrPort("203.0.113.7:40000") // is not
)

// sent is a datagram that left the reflector.
type sent struct {
	data          string
	local, remote netip.AddrPort
}

// recorder is a socket that keeps what is written to it.
type recorder struct {
	ttl   int
	mu    sync.Mutex // for media, which is sent by timers: see all
	sent  []sent
	fault func() error // called for every write
}

func (r *recorder) read([]byte) (int, netip.AddrPort, error) {
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (r *recorder) arrival() (netip.AddrPort, int, int) { return here, r.ttl, noTOS }
func (r *recorder) Close() error                        { return nil }

func (r *recorder) write(b []byte, local, remote netip.AddrPort) error {
	if r.fault != nil {
		if err := r.fault(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, sent{string(b), local, remote})
	return nil
}

// all returns what has been written so far.
func (r *recorder) all() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

// bench is a server without sockets, whose datagrams a test hands in.
type bench struct {
	*Server
	sock *recorder
	svc  *service
}

// tb is what a testing.TB and a rapid.T have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

func newBench(t tb, cfg Config) *bench {
	t.Helper()
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{cfg: cfg, stop: make(chan struct{}), done: make(chan struct{})}
	s.end = sync.OnceFunc(func() { close(s.stop) })
	s.store = newStore(cfg.Limits, &s.counters, cfg.Log)
	sock := &recorder{ttl: 57}
	t.Cleanup(s.store.close)
	svc := &service{endpoint: endpoint{service: wire.ServiceSIP, local: here, tell: here.Addr()}, sock: sock}
	s.udp = []*service{svc}
	return &bench{s, sock, svc}
}

// open opens a session for the client.
func (b *bench) open(t tb) *session {
	t.Helper()
	sess, _, err := b.store.open(client)
	if err != nil {
		t.Fatal(err)
	}
	return sess
}

// in hands in one datagram and returns what left because of it.
func (b *bench) in(raw string, remote netip.AddrPort) []sent {
	before := len(b.sock.sent)
	b.datagram(b.svc, []byte(raw), remote)
	return b.sock.sent[before:]
}

// receiptsOf returns a session's receipts.
func receiptsOf(s *session) []wire.Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.since(0)...)
}

// request is a SIP request with a session's token in it, large enough for any answer.
func request(method string, token wire.Token, lines ...string) string {
	tag := wire.Tag{Token: token, Number: 1}.String()
	return fmt.Sprintf("%s sip:%s@198.51.100.5 SIP/2.0\r\n"+
		"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK%[2]s;rport\r\n"+
		"Max-Forwards: 70\r\n"+
		"From: <sip:a@192.0.2.9>;tag=1\r\n"+
		"To: <sip:ping@198.51.100.5>\r\n"+
		"Call-ID: %[2]s@192.0.2.9\r\n"+
		"CSeq: 1 %[1]s\r\n"+
		"User-Agent: padding padding padding padding\r\n"+
		"%[3]s\r\n", method, tag, strings.Join(append(lines, ""), "\r\n"))
}

func TestRequestParses(t *testing.T) {
	raw := request("OPTIONS", wire.Token{}, "X: y")
	if !strings.HasSuffix(raw, "\r\nX: y\r\n\r\n") || !strings.HasSuffix(request("OPTIONS", wire.Token{}), "padding\r\n\r\n") {
		t.Errorf("%q", raw)
	}
}

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
