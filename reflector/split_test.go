package reflector_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

const webAddr = "198.51.100.5:443" // the HTTPS port in memory

// inMemory runs a test with a reflector without a system under it, in a time of its own.
func inMemory(t *testing.T, limits reflector.Limits, test func(t *testing.T, m *memory, s *reflector.Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, err := reflector.Start(t.Context(), reflector.Config{Hosts: []netip.Addr{serverAddr}, Network: m, Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		test(t, m, s)
	})
}

// session opens a session over a connection of its own, which is gone afterwards.
func (m *memory) session(t *testing.T, s *reflector.Server) *wire.Session {
	t.Helper()
	c, err := wire.NewClient(s.URL(), wire.Options{Pin: s.Pin(), Dial: m.dial})
	if err != nil {
		t.Fatal(err)
	}
	sess, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.CloseIdle()
	synctest.Wait()
	return sess
}

// web connects to the HTTPS port and sends the parts.
func (m *memory) web(t *testing.T, parts ...string) net.Conn {
	t.Helper()
	conn, err := m.dial(t.Context(), "tcp", webAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	for _, part := range parts {
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatalf("%q of %q: %v", part, parts, err)
		}
	}
	synctest.Wait()
	return conn
}

// closed returns what came before the connection was closed, and how long that took.
func closed(conn net.Conn) (string, time.Duration) {
	start := time.Now()
	got, _ := io.ReadAll(conn)
	return string(got), time.Since(start)
}

// open says whether a connection is open: nothing comes, for an instant.
func open(t *testing.T, conn net.Conn) bool {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(time.Nanosecond))
	defer conn.SetReadDeadline(time.Time{})
	_, err := conn.Read(make([]byte, 1))
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestFirstOctet(t *testing.T) {
	inMemory(t, reflector.Limits{}, func(t *testing.T, m *memory, s *reflector.Server) {
		sess := m.session(t, s) // 0x16
		if c := s.Counters(); c.Connections != 1 || c.Streams != 0 || c.Requests != 1 {
			t.Errorf("HTTPS: %+v", c)
		}
		next := uint64(0)
		for i, parts := range [][]string{
			{"%s"},
			{"\r\n\r\n%s"},
			{"\r\n\r\n", "%s"},
			{"\n", "%s"},
			{"O", "%s"},
		} {
			raw := string(options(sess, uint32(i)))
			if parts[0] == "O" {
				raw = raw[1:]
			}
			for j := range parts {
				parts[j] = strings.ReplaceAll(parts[j], "%s", raw)
			}
			conn := m.web(t, parts...)
			buf := make([]byte, 2000)
			n, err := conn.Read(buf)
			if err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 OK\r\n") {
				t.Fatalf("%q: %q, %v", parts, buf[:n], err)
			}
			conn.Close()
			synctest.Wait()
			r, err := sess.Receipts(t.Context(), next, 0)
			if err != nil {
				t.Fatal(err)
			}
			next = r.Next
			var in []byte
			for _, receipt := range r.Receipts {
				if receipt.Direction == wire.In {
					in = append(in, receipt.Data...)
				}
				if receipt.Local.String() != webAddr || receipt.Remote.Addr() != clientAddr {
					t.Errorf("%+v", receipt)
				}
			}
			// Each read of what was sent is one receipt; with answer and two ends.
			if string(in) != strings.Join(parts, "") || len(r.Receipts) != len(parts)+3 {
				t.Errorf("%q: %d receipts, %q", parts, len(r.Receipts), in)
			}
		}
		before := s.Counters()
		for _, tt := range []struct {
			name, sent string
			after      time.Duration
			unknown    uint64
		}{
			{"nothing", "", 5 * time.Second, 1},
			{"TPKT", "\x03\x00\x00\x08\x02\xf0\x80\x00", 0, 0},
			{"TPKT begun", "\x03", 10 * time.Second, 0},
			{"zero", "\x00", 0, 1},
			{"SSL 2", "\x80\x2e\x01\x00\x02", 0, 1},
			{"alert", "\x15\x03\x01\x00\x02\x02\x28", 0, 1},
			{"digit", "1", 0, 1},
			{"space", " OPTIONS", 0, 1},
			{"eight bits", "\xffOPTIONS", 0, 1},
			{"no TLS after all", "\x16OPTIONS sip:a SIP/2.0\r\n\r\n", 0, 0},
			{"TLS begun", "\x16", 5 * time.Second, 0},
			{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, 0},
			{"no token", "OPTIONS sip:a SIP/2.0\r\n\r\n", 0, 0},
			{"text begun", "O", 10 * time.Second, 0},
			{"keepalive", "\r\n\r\n", 10 * time.Second, 0},
		} {
			unknown := s.Counters().ConnectionsUnknown
			got, took := closed(m.web(t, tt.sent))
			if got != "" && tt.name != "no TLS after all" || took != tt.after { // that gets an alert, or HTTP
				t.Errorf("%s: %q, closed after %v, want %v", tt.name, got, took, tt.after)
			}
			if n := s.Counters().ConnectionsUnknown - unknown; n != tt.unknown {
				t.Errorf("%s: %d unknown", tt.name, n)
			}
		}
		if c := s.Counters(); c.Connections-before.Connections != 15 || c.ConnectionsStreams-before.ConnectionsStreams != 6 ||
			c.Streams-before.Streams != 6 || c.StreamsTokenless != 6 || c.StreamsOpen != 0 || c.Requests != before.Requests {
			t.Errorf("%+v, before %+v", c, before)
		}
		// An action names the port that the message came to.
		conn := m.web(t, string(options(sess, 100)))
		buf := make([]byte, 2000)
		if _, err := conn.Read(buf); err != nil {
			t.Fatal(err)
		}
		go sess.Act(t.Context(), wire.Action{Action: wire.ActionRequest, To: next + 1, Number: 101, Method: "OPTIONS"})
		n, err := conn.Read(buf)
		if err != nil || !strings.Contains(string(buf[:n]), "\r\nVia: SIP/2.0/TCP 198.51.100.5:443;") {
			t.Errorf("%q, %v", buf[:n], err)
		}
	})
}

// TestDribbledHello has a TLS client whose octets come one by one: it is served like any other.
func TestDribbledHello(t *testing.T) {
	inMemory(t, reflector.Limits{}, func(t *testing.T, m *memory, s *reflector.Server) {
		c, err := wire.NewClient(s.URL(), wire.Options{Pin: s.Pin(), Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := m.dial(ctx, network, address)
			return dribbler{conn}, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseIdle()
		if _, err := c.Open(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type dribbler struct{ net.Conn }

func (d dribbler) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// TestUndecidedAreLimited: until its first octet a connection counts as one of HTTPS, then as what it is, and in the end not
// at all.
func TestUndecidedAreLimited(t *testing.T) {
	inMemory(t, reflector.Limits{PerSource: 4, StreamsPerSource: 3}, func(t *testing.T, m *memory, s *reflector.Server) {
		sess := m.session(t, s)
		for round := range 3 {
			base := s.Counters()
			var conns []net.Conn
			for range 4 {
				conns = append(conns, m.web(t))
			}
			if got, took := closed(m.web(t)); got != "" || took != 0 {
				t.Fatalf("the fifth: %q after %v", got, took)
			}
			if c := s.Counters(); c.ConnectionsRefused-base.ConnectionsRefused != 1 || c.Streams != base.Streams {
				t.Fatalf("%+v", c)
			}
			// Two become streams, one of them with a token: there is room for two others.
			io.WriteString(conns[0], "O")
			conns[1].Write(options(sess, uint32(round)))
			conns[1].Read(make([]byte, 2000))
			synctest.Wait()
			for range 2 {
				conns = append(conns, m.web(t))
			}
			for i, conn := range conns {
				if !open(t, conn) {
					t.Errorf("connection %d is closed", i)
				}
			}
			if got, took := closed(m.web(t)); got != "" || took != 0 {
				t.Fatalf("the fifth again: %q after %v", got, took)
			}
			// Streams on this port and on others share one limit.
			sip, err := m.dial(t.Context(), "tcp", "198.51.100.5:5060")
			if err != nil {
				t.Fatal(err)
			}
			defer sip.Close()
			synctest.Wait()
			io.WriteString(conns[2], "O")
			if got, took := closed(conns[2]); got != "" || took != 0 {
				t.Errorf("the fourth stream: %q after %v", got, took)
			}
			conns = append(conns, m.web(t)) // in its place
			if c := s.Counters(); c.StreamsRefused-base.StreamsRefused != 1 || c.StreamsOpen != 3 || c.ConnectionsRefused-base.ConnectionsRefused != 2 ||
				c.ConnectionsStreams-base.ConnectionsStreams != 3 {
				t.Errorf("%+v", c)
			}
			for _, conn := range append(conns, sip) {
				conn.Close()
			}
			synctest.Wait()
		}
	})
}

// TestUndecided has hundreds of connections that say nothing, or little, while others are served, and all are cut off in time.
func TestUndecided(t *testing.T) {
	inMemory(t, reflector.Limits{PerSource: 1000, StreamsPerSource: 1000}, func(t *testing.T, m *memory, s *reflector.Server) {
		type end struct {
			first string
			after time.Duration
		}
		ends, start := make(chan end), time.Now()
		want := map[string]time.Duration{"": 5 * time.Second, "\x16": 5 * time.Second, "O": 10 * time.Second}
		const each = 100
		for range each {
			for first := range want {
				conn := m.web(t, first)
				go func() {
					closed(conn)
					ends <- end{first, time.Since(start)}
				}()
			}
		}
		sess := m.session(t, s)
		conn := m.web(t, string(options(sess, 1)))
		if n, err := conn.Read(make([]byte, 2000)); n == 0 || err != nil || time.Since(start) != 0 {
			t.Errorf("%d, %v after %v", n, err, time.Since(start))
		}
		for range each * len(want) {
			if e := <-ends; e.after != want[e.first] {
				t.Errorf("%q: closed after %v", e.first, e.after)
			}
		}
		synctest.Wait() // the last connections are being taken off the books
		if c := s.Counters(); c.ConnectionsUnknown != each || c.StreamsTokenless != each || c.ConnectionErrors != each || c.StreamsOpen != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestUndecidedFirst: the shorter limit of HTTPS and streams holds for the first octet.
func TestUndecidedFirst(t *testing.T) {
	for _, limits := range []reflector.Limits{{Header: time.Second}, {StreamFirst: time.Second}} {
		inMemory(t, limits, func(t *testing.T, m *memory, s *reflector.Server) {
			if got, took := closed(m.web(t)); got != "" || took != time.Second {
				t.Errorf("%q after %v", got, took)
			}
		})
	}
}

// TestUndecidedShutdown ends a server at once that nobody has told anything.
func TestUndecidedShutdown(t *testing.T) {
	inMemory(t, reflector.Limits{}, func(t *testing.T, m *memory, s *reflector.Server) {
		var conns []net.Conn
		for range 5 {
			conns = append(conns, m.web(t))
		}
		conns = append(conns, m.web(t, "O"))
		start := time.Now()
		if err := s.Shutdown(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		for _, conn := range conns {
			if got, took := closed(conn); got != "" || took != 0 {
				t.Errorf("%q after %v", got, took)
			}
		}
	})
}

// TestUndecidedSockets has real sockets: a stream too many is reset, and one on the HTTPS port can be closed by halves.
func TestUndecidedSockets(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{StreamsPerSource: 1}})
	sess := dial(t, s)
	connect := func(sent []byte) net.Conn {
		conn, err := net.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	buf := make([]byte, 2000)
	conn := connect(options(sess, 1))
	if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 OK\r\n") {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	if n, err := connect(options(sess, 2)).Read(buf); n != 0 || runtime.GOOS == "linux" && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a stream too many: %q, %v", buf[:n], err)
	}
	if _, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionClose, To: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(buf); !errors.Is(err, io.EOF) {
		t.Errorf("after close: %v", err)
	}
	late := options(sess, 3)
	if _, err := conn.Write(late); err != nil {
		t.Error(err)
	}
	conn.(*net.TCPConn).CloseWrite()
	all := receiptsUntil(t, sess, func(r wire.Receipt) bool { return r.Direction == wire.In && r.End != "" })
	if r := all[len(all)-2]; string(r.Data) != string(late) || r.Silence != wire.SilenceFailed {
		t.Errorf("%+v", all)
	}
}

// TestNeutralOff: then the HTTPS port has nothing but HTTPS.
func TestNeutralOff(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{SIPS: reflector.Off, Neutral: reflector.Off, H225: reflector.Off, RAS: reflector.Off})
	sess := dial(t, s)
	if len(sess.Grant.Targets) != 2 {
		t.Errorf("%+v", sess.Grant.Targets)
	}
	conn, err := net.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	conn.Write(options(sess, 1))
	if got, err := io.ReadAll(conn); len(got) != 0 || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q, %v", got, err)
	}
	if c := s.Counters(); c.Streams != 0 || c.ConnectionsUnknown != 1 {
		t.Errorf("%+v", c)
	}
}

// TestAlso wants every neutral target of a grant, in order, to answer.
func TestAlso(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{
		SIPS: reflector.Off, Also: []string{"tcp:0", "udp:0", "tcp:127.0.0.1:0"}, H225: reflector.Off, RAS: reflector.Off,
	})
	sess := dial(t, s)
	var list []string
	ports := map[netip.AddrPort]bool{}
	for i, target := range sess.Grant.Targets {
		list = append(list, target.Service+"/"+target.Transport)
		raw := options(sess, uint32(i))
		if target.Transport == "udp" {
			exchange(t, "", target.Addr, raw)
			continue
		}
		if ports[target.Addr] {
			t.Errorf("%s twice", target.Addr)
		}
		ports[target.Addr] = true
		conn, err := net.Dial("tcp", target.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write(raw)
		buf := make([]byte, 2000)
		if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 OK\r\n") {
			t.Errorf("%+v: %q, %v", target, buf[:n], err)
		}
	}
	if got, want := fmt.Sprint(list), "[sip/udp neutral/udp neutral/udp sip/tcp neutral/tcp neutral/tcp neutral/tcp neutral/tcp]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// The neutral port, that of HTTPS, then the others.
	if tcp := sess.Grant.Targets[4:]; tcp[0].Addr != s.Addr(wire.ServiceNeutral) || tcp[1].Addr != s.Addr(reflector.ServiceHTTPS) {
		t.Errorf("%+v", tcp)
	}
}

// TestListenFailureClosesAll has the last port fail: the others are free again.
func TestListenFailureClosesAll(t *testing.T) {
	taken := reflectortest.Start(t)
	var socks tracker
	_, err := reflector.Start(t.Context(), reflector.Config{
		Hosts: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, HTTPS: ":0", SIP: ":0", SIPS: ":0", Neutral: ":0", Network: &socks,
		H225: ":0", H245: ":0", RAS: ":0", Media: ":0",
		Also: []string{"tcp:0", "udp:0", "tcp:" + taken.Addr(wire.ServiceSIP).String()},
	})
	var listen *reflector.ListenError
	if !errors.As(err, &listen) || listen.Service != reflector.ServiceAlso {
		t.Fatal(err)
	}
	if len(socks.open) < 10 { // more when a port was free for UDP alone
		t.Errorf("%d sockets", len(socks.open))
	}
	for _, sock := range socks.open {
		if err := sock.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v was left open", sock)
		}
	}
}

// tracker is the network of the system and notes what was opened.
type tracker struct {
	lc   net.ListenConfig
	open []io.Closer
}

func (n *tracker) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := n.lc.Listen(ctx, network, address)
	if err == nil {
		n.open = append(n.open, ln)
	}
	return ln, err
}

func (n *tracker) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	conn, err := n.lc.ListenPacket(ctx, network, address)
	if err == nil {
		n.open = append(n.open, conn)
	}
	return conn, err
}

// TestAcceptErrors: the HTTPS port survives errors that pass, and with one that does not the server ends and says so.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &failing{memory: newMemory(), errs: make(chan error)}
		s, err := reflector.Start(t.Context(), reflector.Config{Hosts: []netip.Addr{serverAddr}, Network: m})
		if err != nil {
			t.Fatal(err)
		}
		silent := m.web(t)
		for range 3 {
			m.errs <- passing{}
		}
		m.session(t, s)
		if !open(t, silent) {
			t.Error("an undecided connection is gone")
		}
		permanent := errors.New("no such port any more")
		m.errs <- permanent
		if err := s.Wait(); !errors.Is(err, permanent) {
			t.Errorf("ended with %v", err)
		}
		closed(silent)
	})
}

// failing is a network in memory whose HTTPS port fails on request.
type failing struct {
	*memory
	errs chan error
}

func (f *failing) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := f.memory.Listen(ctx, network, address)
	if address == webAddr {
		ln = failingListener{ln.(*memoryListener), f.errs}
	}
	return ln, err
}

type failingListener struct {
	*memoryListener
	errs chan error
}

func (l failingListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	case conn := <-l.queue:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

type passing struct{}

func (passing) Error() string   { return "too many open files" }
func (passing) Timeout() bool   { return false }
func (passing) Temporary() bool { return true }

// TestShutdownInBackoff ends a server whose HTTPS port waits after an error: whoever is known by then and not yet served is
// closed as well.
func TestShutdownInBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &failing{memory: newMemory(), errs: make(chan error)}
		s, err := reflector.Start(t.Context(), reflector.Config{Hosts: []netip.Addr{serverAddr}, Network: m})
		if err != nil {
			t.Fatal(err)
		}
		m.errs <- passing{}
		var conns []net.Conn
		for range 20 {
			conns = append(conns, m.web(t, "\x16"))
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for _, conn := range conns {
			if got, took := closed(conn); got != "" || took != 0 {
				t.Errorf("%q after %v", got, took)
			}
		}
	})
}
