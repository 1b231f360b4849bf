package probe

import (
	"bytes"
	"context"
	"fmt"
	"net"
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

// hop is a network with a stateful SIP proxy on the way to port 5060 over TCP, which opens a connection for each that it takes: it puts
// its Via in front of requests, takes it off their answers, and acknowledges refusals by itself (RFC 3261 16.7, 17.1.1.3).
type hop struct{ Network }

func (h hop) DialContext(ctx context.Context, network, local, address string) (net.Conn, error) {
	c, err := h.Network.DialContext(ctx, network, local, address)
	if err != nil || network != "tcp" || !strings.HasSuffix(address, ":5060") {
		return c, err
	}
	return &hopped{Conn: c, invites: map[string][]byte{}}, nil
}

type hopped struct {
	net.Conn
	out, in  hopStream
	invites  map[string][]byte // as sent on, by the branch of the client
	rest     []byte
	finished error
}

type hopStream struct {
	framer sip.Framer
	buf    []byte
}

// pass gives the messages that are whole to send.
func (s *hopStream) pass(b []byte, forward func(m []byte) []byte) (out []byte) {
	s.buf = append(s.buf, b...)
	for len(s.buf) > 0 {
		f, err := s.framer.Next(s.buf)
		if err != nil {
			return out
		}
		m := bytes.Clone(s.buf[:f.Len])
		if f.Kind == sip.KindMessage {
			m = forward(m)
		}
		out, s.buf = append(out, m...), s.buf[f.Len:]
	}
	return out
}

const hopBranch = "z9hG4bKhop"

func (c *hopped) forward(raw []byte) []byte {
	m := sip.Parse(raw)
	start, rest, _ := bytes.Cut(raw, []byte("\r\n"))
	if !m.IsRequest() {
		if via, behind, _ := bytes.Cut(rest, []byte("\r\n")); bytes.Contains(via, []byte(hopBranch)) {
			rest = behind
		}
		return slices.Concat(start, []byte("\r\n"), rest)
	}
	span, _ := m.Find("via[0].branch")
	branch := string(span.Bytes(raw))
	via := "\r\nVia: SIP/2.0/TCP 198.51.100.2:5060;branch=" + hopBranch + branch + "\r\n"
	if invite := c.invites[branch]; string(m.Method()) == "ACK" && invite != nil {
		// Its own: the answer's To, and of the request what RFC 3261 17.1.1.3 says.
		own := "ACK " + strings.Fields(string(start))[1] + " SIP/2.0" + via
		return fmt.Appendf(nil, "%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			own, m.Value(sip.HeaderFrom, 0), m.Value(sip.HeaderTo, 0), m.Value(sip.HeaderCallID, 0))
	}
	if left, ok := m.Find("max-forwards"); ok {
		at := int(left.Off) - len(start) - 2
		rest = slices.Concat(rest[:at], []byte("69"), rest[at+len(left.Bytes(raw)):])
	}
	sent := slices.Concat(start, []byte(via), rest)
	if string(m.Method()) == "INVITE" {
		c.invites[branch] = sent
	}
	return sent
}

func (c *hopped) Write(b []byte) (int, error) {
	if out := c.out.pass(b, c.forward); len(out) > 0 {
		if _, err := c.Conn.Write(out); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (c *hopped) Read(b []byte) (int, error) {
	for len(c.rest) == 0 && c.finished == nil {
		chunk := make([]byte, 4096)
		n, err := c.Conn.Read(chunk)
		c.rest, c.finished = c.in.pass(chunk[:n], c.forward), err
	}
	if len(c.rest) == 0 {
		return 0, c.finished
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// TestHop shows that the acknowledgement which a stateful proxy sends in place of the client's is taken for its own.
func TestHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{Latency: 10 * time.Millisecond}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoSIP}, Thorough: true}
		w.cfg.Network = hop{w.cfg.Network}
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
				t.Errorf("%s %s %s: %.100q became %.100q", f.ID, f.Message, f.Field, f.Sent, f.Got)
			}
		}
		if !named {
			t.Error("no proxy is named")
		}
	})
}
