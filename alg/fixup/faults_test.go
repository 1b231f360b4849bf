package fixup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestBlock: what is blocked vanishes, and leaves no way in behind.
func TestBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Block: func(p Packet, out bool) bool {
			return p.Proto == "udp" && out && p.Dst.Port() == 5060 || bytes.Equal(p.Payload, []byte("secret"))
		}})
		in, out := listenPacket(t, n.Inside(), ":5060"), listenPacket(t, n.Outside(), ":5060")
		other := listenPacket(t, n.Outside(), ":7000")
		in.WriteTo([]byte("a"), udp("203.0.113.10:5060"))
		expectDatagram(t, out, "", "")
		out.WriteTo([]byte("b"), udp("198.51.100.2:5060"))
		expectDatagram(t, in, "", "")
		in.WriteTo([]byte("c"), udp("203.0.113.10:7000"))
		expectDatagram(t, other, "c", "198.51.100.2:5060")
		other.WriteTo([]byte("secret"), udp("198.51.100.2:5060"))
		other.WriteTo([]byte("d"), udp("198.51.100.2:5060"))
		expectDatagram(t, in, "d", "203.0.113.10:7000")
	})
}

// TestBlockConnect: with the first segment or its answer gone, a connection
// hangs until the context ends, and the port can be used again.
func TestBlockConnect(t *testing.T) {
	for _, way := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			blocked := true
			n := newNetwork(t, Config{Block: func(p Packet, out bool) bool { return blocked && p.Proto == "tcp" && out == way }})
			l := listen(t, n.Outside(), ":5060")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			_, err := n.Inside().DialContext(ctx, "tcp", ":5060", "203.0.113.10:5060")
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
				t.Errorf("outbound %v: %v after %v", way, err, time.Since(start))
			}
			blocked = false
			client, err := n.Inside().DialContext(t.Context(), "tcp", ":5060", "203.0.113.10:5060")
			if err != nil {
				t.Fatal(err)
			}
			if server, err := l.Accept(); err != nil || server.RemoteAddr().String() != "198.51.100.2:5060" {
				t.Error(server, err)
			}
			client.Close()
		})
	}
}

// TestBlockStream: a segment that vanishes stalls its direction, whose end is
// not seen either.
func TestBlockStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := false
		n := newNetwork(t, Config{Block: func(p Packet, out bool) bool { return blocked && out }})
		client, server := connected(t, n, ":5060", "5060")
		expect := func(want string) {
			t.Helper()
			b := make([]byte, 10)
			server.SetReadDeadline(time.Now().Add(time.Minute))
			k, err := server.Read(b)
			if string(b[:k]) != want || want == "" && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q, %v, want %q", b[:k], err, want)
			}
		}
		io.WriteString(client, "a")
		expect("a")
		blocked = true
		client.Close()
		expect("")
	})
}

// TestRefuse: a connection attempt is refused at once, one that exists is
// reset at both ends, and UDP is nobody's business.
func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Latency: time.Second, Refuse: func(p Packet, out bool) bool {
			return p.Dst.Port() == 5061 || string(p.Payload) == "INVITE"
		}})
		listen(t, n.Outside(), ":5061")
		for range 2 {
			start := time.Now()
			_, err := n.Inside().DialContext(t.Context(), "tcp", ":5060", "203.0.113.10:5061")
			if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) != 0 {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		}
		in, out := listenPacket(t, n.Inside(), ":5060"), listenPacket(t, n.Outside(), ":5061")
		in.WriteTo([]byte("INVITE"), udp("203.0.113.10:5061"))
		time.Sleep(time.Second)
		expectDatagram(t, out, "INVITE", "198.51.100.2:5060")

		client, server := connected(t, n, ":5060", "5060")
		start := time.Now()
		if _, err := io.WriteString(client, "REGISTER"); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(client, "INVITE"); err != nil {
			t.Error(err)
		}
		b := make([]byte, 100)
		if _, err := client.Read(b); !errors.Is(err, syscall.ECONNRESET) || time.Since(start) != 0 {
			t.Errorf("client reads: %v after %v", err, time.Since(start))
		}
		if _, err := client.Write(b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("client writes: %v", err)
		}
		// What came before the reset is still there to read.
		if k, err := server.Read(b); string(b[:k]) != "REGISTER" || err != nil {
			t.Errorf("server reads: %q, %v", b[:k], err)
		}
		if _, err := server.Read(b); !errors.Is(err, syscall.ECONNRESET) || time.Since(start) != time.Second {
			t.Errorf("server reads: %v after %v", err, time.Since(start))
		}
		if _, err := server.Write(b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("server writes: %v", err)
		}
		client.Close()
		server.Close()
		connected(t, n, ":5060", "5060")
	})
}

// TestSamePortAgain: a source port serves one connection after the other, and
// the late end of an old one does no harm to the new one.
func TestSamePortAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{Style: "linux", Latency: time.Millisecond})
		l := listen(t, n.Outside(), ":5060")
		var old io.Closer
		for range 3 {
			client, err := n.Inside().DialContext(t.Context(), "tcp", ":5060", "203.0.113.10:5060")
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if old != nil {
				old.Close()
			}
			old = server
			if server.RemoteAddr().String() != "198.51.100.2:5060" {
				t.Errorf("from %v", server.RemoteAddr())
			}
			io.WriteString(server, "hello")
			b := make([]byte, 10)
			client.SetReadDeadline(time.Now().Add(time.Minute))
			if k, err := client.Read(b); string(b[:k]) != "hello" {
				t.Errorf("%q, %v", b[:k], err)
			}
			client.Close()
		}
		old.Close()
		if len(n.box.flows)+len(n.inside.conns)+len(n.outside.conns) != 0 {
			t.Errorf("%d flows left", len(n.box.flows))
		}
	})
}
