package probe

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
	"nofixup/sip"
)

// TestInserted shows that whatever somebody in between adds to a SIP stream is found, and nothing else is called so.
func TestInserted(t *testing.T) {
	const ping = "OPTIONS sip:ping@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.2;branch=z9hG4bKp\r\nFrom: <sip:a@b>;tag=1\r\n" +
		"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	behind := func(more string) func(b []byte) ([]byte, error) {
		return func(b []byte) ([]byte, error) { return append(b, more...), nil }
	}
	ahead := func(more string) func(b []byte) ([]byte, error) {
		return func(b []byte) ([]byte, error) { return append([]byte(more), b...), nil }
	}
	read := func(more string) func(int, []byte) []byte {
		return func(_ int, b []byte) []byte { return append(b, more...) }
	}
	for _, tc := range []struct {
		name string
		box  meddler
		out  alg.Verdict
		in   alg.Verdict
		id   string // of a finding that there must be
	}{
		{"nothing", meddler{}, alg.Clean, alg.Clean, ""},
		{"a request behind each write", meddler{out: behind(ping)}, alg.Altered, alg.Clean, "octets-inserted"},
		{"every write twice", meddler{out: func(b []byte) ([]byte, error) { return append(b, b...), nil }}, alg.Altered, alg.Clean, "octets-inserted"},
		{"line ends behind each write", meddler{out: behind("\r\n")}, alg.Altered, alg.Clean, "octets-inserted"},
		{"half a message behind", meddler{out: behind(ping[:40])}, alg.Altered, alg.Clean, ""},
		{"line ends ahead of each write", meddler{out: ahead("\r\n")}, alg.Altered, alg.Clean, "message-rewritten"},
		{"a request behind each read", meddler{in: read(ping)}, alg.Clean, alg.Altered, "octets-inserted"},
		{"line ends behind each read", meddler{in: read("\r\n\r\n")}, alg.Clean, alg.Altered, "octets-inserted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Latency: 10 * time.Millisecond}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoSIP}}
				tc.box.Network, tc.box.port = w.cfg.Network, "5060"
				w.cfg.Network = tc.box
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range report.Paths {
					out, in := alg.Clean, alg.Clean
					if p.Transport == "tcp" && p.Port == 5060 {
						out, in = tc.out, tc.in
					}
					if p.Outbound != out || (p.Inbound != in && in != alg.Clean) {
						t.Errorf("%s: %s %s, want %s %s: %s", p.Path, p.Outbound, p.Inbound, out, in, p.Reason)
					}
				}
				if tc.id != "" && !slices.ContainsFunc(report.Findings, func(f alg.Finding) bool { return f.ID == tc.id }) {
					t.Errorf("no %s", tc.id)
				}
				for _, f := range report.Findings {
					if f.ID == "octets-inserted" && bytes.Contains(f.Got, []byte(report.Evidence.Points[0].Name)) || tc.id == "" && f.ID == "octets-inserted" && tc.out == alg.Clean {
						t.Errorf("%s: %q", f.ID, f.Got)
					}
				}
			})
		})
	}
}

// ownACK is the outside of a network with the simulator's SIP proxy in it, which it makes a stateful one on port 5060 over TCP, with a
// connection for each that it takes: that acknowledges a refused INVITE by itself, under its own Via alone, and the client's ACK ends
// there (RFC 3261 17.1.1.3).
type ownACK struct{ reflector.Network }

func (n ownACK) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := n.Network.Listen(ctx, network, address)
	if err != nil || !strings.HasSuffix(address, ":5060") {
		return ln, err
	}
	return ownACKListener{ln}, nil
}

type ownACKListener struct{ net.Listener }

func (l ownACKListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &ownACKConn{Conn: c, invites: map[string]bool{}}, nil
}

type ownACKConn struct {
	net.Conn
	framer  sip.Framer
	buf     []byte          // not yet whole
	rest    []byte          // not yet read
	invites map[string]bool // by the proxy's Via
	err     error
}

func (c *ownACKConn) Read(b []byte) (int, error) {
	for len(c.rest) == 0 && c.err == nil {
		chunk := make([]byte, 4096)
		var n int
		n, c.err = c.Conn.Read(chunk)
		c.buf = append(c.buf, chunk[:n]...)
		for len(c.buf) > 0 {
			f, err := c.framer.Next(c.buf)
			if err != nil {
				break
			}
			c.rest, c.buf = append(c.rest, c.replace(c.buf[:f.Len])...), c.buf[f.Len:]
		}
	}
	if len(c.rest) == 0 {
		return 0, c.err
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *ownACKConn) replace(raw []byte) []byte {
	m := sip.Parse(raw)
	via := string(m.Value(sip.HeaderVia, 0))
	switch method := string(m.Method()); {
	case method == "INVITE":
		c.invites[via] = true
	case method == "ACK" && c.invites[via]:
		line, _, _ := bytes.Cut(raw, []byte("\r\n"))
		return fmt.Appendf(nil, "%s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			line, via, m.Value(sip.HeaderFrom, 0), m.Value(sip.HeaderTo, 0), m.Value(sip.HeaderCallID, 0))
	}
	return raw
}

// TestOwnACK shows that the acknowledgement which a stateful proxy sends in place of the client's is taken for its own.
func TestOwnACK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{Style: "proxy", Latency: 10 * time.Millisecond}, reflector.Limits{})
		defer w.close(t)
		server, err := reflector.Start(t.Context(), reflector.Config{
			Hosts: []netip.Addr{netip.MustParseAddr("203.0.113.11")}, Network: ownACK{w.network.Outside()},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Shutdown(context.Background())
		w.cfg.Reflector, w.cfg.Control.Pin = server.URL(), server.Pin()
		w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoSIP}}
		onlyProxy(t, w)
	})
}

// TestThoroughThroughProxy shows that of all that a thorough probe sends nothing has a SIP proxy taken for a gateway: one that
// keeps no state and looks at as little as it must forwards most of it.
func TestThoroughThroughProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{Style: "proxy", Latency: 10 * time.Millisecond}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Plan = PlanOptions{Thorough: true, Idle: -1}
		onlyProxy(t, w)
	})
}

// onlyProxy runs a probe and checks that nothing is found on the way but a SIP proxy.
func onlyProxy(t *testing.T, w *world) {
	t.Helper()
	report, err := Run(t.Context(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != alg.OverallClean {
		t.Errorf("%s\n%s", report.Verdict, verdicts(report))
	}
	named := false
	for _, f := range report.Findings {
		named = named || f.ID == "sip-proxy"
		if !strings.HasPrefix(f.ID, "sip-proxy") {
			t.Errorf("%s %s %s %s: %.100q became %.100q", f.ID, f.Path(), f.Message, f.Field, f.Sent, f.Got)
		}
	}
	if !named {
		t.Error("no proxy is named")
	}
}
