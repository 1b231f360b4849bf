package probe

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// meddler is a network with a box that changes the streams to port 1720, or another one, whole: each write and each read is
// given to it.
type meddler struct {
	Network
	port string
	out  func(b []byte) ([]byte, error) // nil leaves what is written
	in   func(nth int, b []byte) []byte // nil leaves what is read
}

func (m meddler) DialContext(ctx context.Context, network, local, address string) (net.Conn, error) {
	c, err := m.Network.DialContext(ctx, network, local, address)
	if err != nil || network != "tcp" || !strings.HasSuffix(address, ":"+cmp.Or(m.port, "1720")) {
		return c, err
	}
	return &meddled{Conn: c, meddler: m}, nil
}

type meddled struct {
	net.Conn
	meddler
	reads int
	rest  []byte
}

func (c *meddled) Write(b []byte) (int, error) {
	if c.out == nil {
		return c.Conn.Write(b)
	}
	out, err := c.out(bytes.Clone(b))
	if err == nil {
		_, err = c.Conn.Write(out)
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *meddled) Read(b []byte) (int, error) {
	if c.in == nil {
		return c.Conn.Read(b)
	}
	if len(c.rest) == 0 {
		chunk := make([]byte, len(b))
		n, err := c.Conn.Read(chunk)
		if err != nil {
			return 0, err
		}
		c.rest = c.in(c.reads, chunk[:n])
		c.reads++
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// TestMeddled shows what becomes of calls whose streams are meddled with.
func TestMeddled(t *testing.T) {
	keepalive := []byte{3, 0, 0, 4}
	atEnd := func(more ...byte) func(b []byte) ([]byte, error) {
		return func(b []byte) ([]byte, error) {
			if kindOf(alg.ProtoH323, b) == "releaseComplete" {
				b = append(b, more...)
			}
			return b, nil
		}
	}
	for _, tc := range []struct {
		name string
		box  meddler
		out  alg.Verdict
		in   alg.Verdict
	}{
		{"octets behind the last message", meddler{out: atEnd(3, 0, 0, 40, 1, 2, 3)}, alg.Altered, alg.Clean},
		{"a message behind the last one", meddler{out: atEnd(keepalive...)}, alg.Altered, alg.Clean},
		{"a message ahead of the first one", meddler{in: func(nth int, b []byte) []byte {
			if nth == 0 {
				b = append(bytes.Clone(keepalive), b...)
			}
			return b
		}}, alg.Clean, alg.Altered},
		{"a message behind what was read", meddler{in: func(_ int, b []byte) []byte {
			return append(b, keepalive...)
		}}, alg.Clean, alg.Altered},
		{"reset before the end of the call", meddler{out: func(b []byte) ([]byte, error) {
			if kindOf(alg.ProtoH323, b) == "releaseComplete" {
				return nil, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.ECONNRESET)}
			}
			return b, nil
		}}, alg.Dropped, alg.Clean},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Latency: 10 * time.Millisecond}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoH323}}
				tc.box.Network = w.cfg.Network
				w.cfg.Network = tc.box
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				want := "h323/tcp/1720 from ephemeral: " + string(tc.out) + " " + string(tc.in) +
					"\nh323/tcp/15060 from ephemeral: clean clean\n"
				if got := verdicts(report); got != want {
					t.Errorf("got\n%swant\n%s%s", got, want, report.Paths[0].Reason)
				}
				for _, n := range report.Network.Notes {
					t.Error(n) // of an inner NAT, say
				}
			})
		})
	}
}
