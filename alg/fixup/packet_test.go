package fixup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func newNetwork(t *testing.T, cfg Config) *Network {
	t.Helper()
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func listenPacket(t *testing.T, h *Host, address string) net.PacketConn {
	t.Helper()
	c, err := h.ListenPacket(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func udp(s string) *net.UDPAddr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// expectDatagram reads one datagram and checks it; want "" means silence. It belongs inside a synctest bubble: a busy machine makes
// no datagram late there, and no silence short.
func expectDatagram(t *testing.T, c net.PacketConn, want, from string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	b := make([]byte, 2000)
	n, addr, err := c.ReadFrom(b)
	switch {
	case want == "" && !errors.Is(err, os.ErrDeadlineExceeded):
		t.Fatalf("got %q from %v, %v, want nothing", b[:n], addr, err)
	case want == "":
	case err != nil:
		t.Fatalf("want %q: %v", want, err)
	case string(b[:n]) != want || addr.String() != from:
		t.Fatalf("got %q from %v, want %q from %s", b[:n], addr, want, from)
	}
}

func TestNew(t *testing.T) {
	_, err := New(Config{Style: "pix"})
	if err == nil || !strings.Contains(err.Error(), "linux, linux-h323, none, proxy, replace, replace-given, sdp-only") {
		t.Errorf("unknown style: %v", err)
	}
	for _, cfg := range []Config{{Loss: -0.1}, {Loss: 1.1}, {Latency: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
	if !slices.IsSortedFunc(Styles(), func(a, b Style) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("styles are not sorted")
	}
	for _, s := range Styles() {
		if s.About == "" || s.Verdict != "clean" && s.Verdict != "interference" {
			t.Errorf("style %q: %q, %q", s.Name, s.About, s.Verdict)
		}
	}
}

func TestTranslation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		in := listenPacket(t, n.Inside(), ":5060")
		out := listenPacket(t, n.Outside(), "203.0.113.10:5060")
		second := listenPacket(t, n.Outside(), "203.0.113.11:5060")
		other := listenPacket(t, n.Outside(), "203.0.113.10:7000")

		in.WriteTo([]byte("a"), udp("203.0.113.10:5060"))
		expectDatagram(t, out, "a", "198.51.100.2:5060")
		out.WriteTo([]byte("b"), udp("198.51.100.2:5060"))
		expectDatagram(t, in, "b", "203.0.113.10:5060")

		// Nobody else gets in before something went there, and then by the
		// same mapping.
		for _, c := range []net.PacketConn{second, other} {
			c.WriteTo([]byte("c"), udp("198.51.100.2:5060"))
			expectDatagram(t, in, "", "")
			in.WriteTo([]byte("d"), c.LocalAddr())
			expectDatagram(t, c, "d", "198.51.100.2:5060")
			c.WriteTo([]byte("e"), udp("198.51.100.2:5060"))
			expectDatagram(t, in, "e", c.LocalAddr().String())
		}
		// The private address is not routed outside, the public one not inside.
		out.WriteTo([]byte("f"), udp("10.0.0.9:5060"))
		expectDatagram(t, in, "", "")
		in.WriteTo([]byte("g"), udp("198.51.100.2:5060"))
		expectDatagram(t, in, "", "")
		// Within a host nothing is in between.
		other.WriteTo([]byte("h"), udp("203.0.113.10:5060"))
		expectDatagram(t, out, "h", "203.0.113.10:7000")
		// IPv6 is filtered only.
		in6, out6 := listenPacket(t, n.Inside(), "[fd00:10::9]:40000"), listenPacket(t, n.Outside(), ":40001")
		out6.WriteTo([]byte("i"), udp("[fd00:10::9]:40000"))
		expectDatagram(t, in6, "", "")
		in6.WriteTo([]byte("j"), udp("[2001:db8:203::10]:40001"))
		expectDatagram(t, out6, "j", "[fd00:10::9]:40000")
		out6.WriteTo([]byte("k"), udp("[fd00:10::9]:40000"))
		expectDatagram(t, in6, "k", "[2001:db8:203::10]:40001")
	})
}

func TestMappingLife(t *testing.T) {
	for style, life := range map[string]time.Duration{"none": lifeBoth, "linux": lifeLinux} {
		t.Run(style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t, Config{Style: style})
				in, out := listenPacket(t, n.Inside(), ":5060"), listenPacket(t, n.Outside(), ":5060")
				ping := func() {
					in.WriteTo([]byte("ping"), udp("203.0.113.10:5060"))
					expectDatagram(t, out, "ping", "198.51.100.2:5060")
				}
				ping()
				out.WriteTo([]byte("pong"), udp("198.51.100.2:5060"))
				expectDatagram(t, in, "pong", "203.0.113.10:5060")
				time.Sleep(life - time.Second)
				out.WriteTo([]byte("still"), udp("198.51.100.2:5060"))
				expectDatagram(t, in, "still", "203.0.113.10:5060")
				time.Sleep(life + time.Second)
				out.WriteTo([]byte("late"), udp("198.51.100.2:5060"))
				expectDatagram(t, in, "", "")
				ping()
			})
		})
	}
}

func TestPortPreservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.77")
		n := newNetwork(t, Config{Inside: []netip.Addr{a, b}})
		out := listenPacket(t, n.Outside(), ":5060")
		first, second := listenPacket(t, n.Inside(), "10.0.0.9:5060"), listenPacket(t, n.Inside(), "10.0.0.77:5060")
		first.WriteTo([]byte("1"), udp("203.0.113.10:5060"))
		expectDatagram(t, out, "1", "198.51.100.2:5060")
		second.WriteTo([]byte("2"), udp("203.0.113.10:5060"))
		expectDatagram(t, out, "2", "198.51.100.2:5061")
		out.WriteTo([]byte("3"), udp("198.51.100.2:5061"))
		expectDatagram(t, second, "3", "203.0.113.10:5060")
	})
}

func TestNoNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{NoNAT: true})
		in, out := listenPacket(t, n.Inside(), ":5060"), listenPacket(t, n.Outside(), ":5060")
		out.WriteTo([]byte("a"), udp("10.0.0.9:5060"))
		expectDatagram(t, in, "", "")
		in.WriteTo([]byte("b"), udp("203.0.113.10:5060"))
		expectDatagram(t, out, "b", "10.0.0.9:5060")
		out.WriteTo([]byte("c"), udp("10.0.0.9:5060"))
		expectDatagram(t, in, "c", "203.0.113.10:5060")
	})
}

func TestListenPacketErrors(t *testing.T) {
	n := newNetwork(t, Config{})
	h := n.Inside()
	first := listenPacket(t, h, ":5060")
	for _, tt := range []struct {
		network, address string
		want             error
	}{
		{"udp", ":5060", syscall.EADDRINUSE},
		{"udp4", "10.0.0.9:5060", syscall.EADDRINUSE},
		{"udp", "10.0.0.10:0", syscall.EADDRNOTAVAIL},
		{"udp", "203.0.113.10:0", syscall.EADDRNOTAVAIL},
		{"tcp", ":0", net.UnknownNetworkError("tcp")},
	} {
		_, err := h.ListenPacket(t.Context(), tt.network, tt.address)
		var op *net.OpError
		if !errors.Is(err, tt.want) || !errors.As(err, &op) {
			t.Errorf("%s %s: %v, want %v", tt.network, tt.address, err, tt.want)
		}
	}
	for _, address := range []string{"nonsense", "host.example:1", "10.0.0.9:99999", "10.0.0.9:sip"} {
		if _, err := h.ListenPacket(t.Context(), "udp", address); err == nil {
			t.Errorf("%s: no error", address)
		}
	}
	first.Close()
	if err := first.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	if _, err := first.WriteTo([]byte("x"), udp("203.0.113.10:1")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	again := listenPacket(t, h, ":5060")
	if _, err := again.WriteTo(make([]byte, maxDatagram+1), udp("203.0.113.10:1")); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("oversized: %v", err)
	}
	if a := listenPacket(t, h, ":0").LocalAddr().(*net.UDPAddr); a.Port < ephemeralFirst {
		t.Errorf("ephemeral port %d", a.Port)
	}
}

func TestDialUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		out := listenPacket(t, n.Outside(), ":5060")
		stranger := listenPacket(t, n.Outside(), ":7000")
		c, err := n.Inside().DialContext(t.Context(), "udp", ":40000", "203.0.113.10:5060")
		if err != nil {
			t.Fatal(err)
		}
		if c.LocalAddr().String() != "10.0.0.9:40000" || c.RemoteAddr().String() != "203.0.113.10:5060" {
			t.Errorf("addresses %v, %v", c.LocalAddr(), c.RemoteAddr())
		}
		c.Write([]byte("a"))
		expectDatagram(t, out, "a", "198.51.100.2:40000")
		stranger.WriteTo([]byte("b"), udp("198.51.100.2:40000"))
		out.WriteTo([]byte("c"), udp("198.51.100.2:40000"))
		b := make([]byte, 10)
		if n, err := c.Read(b); err != nil || string(b[:n]) != "c" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		six, err := n.Inside().DialContext(t.Context(), "udp", "", "[2001:db8:203::10]:5060")
		if err != nil || !strings.HasPrefix(six.LocalAddr().String(), "[fd00:10::9]:") {
			t.Errorf("IPv6: %v, %v", six, err)
		}
	})
}

func TestDatagramsAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		in, out := listenPacket(t, n.Inside(), ":1"), listenPacket(t, n.Outside(), ":2")
		b := []byte("before")
		in.WriteTo(b, udp("203.0.113.10:2"))
		copy(b, "after!")
		expectDatagram(t, out, "before", "198.51.100.2:1")
		// A short buffer cuts the datagram off and does not keep the rest.
		in.WriteTo([]byte("long"), udp("203.0.113.10:2"))
		in.WriteTo([]byte("next"), udp("203.0.113.10:2"))
		short := make([]byte, 2)
		if n, _, err := out.ReadFrom(short); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		expectDatagram(t, out, "next", "198.51.100.2:1")
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		in, out := listenPacket(t, n.Inside(), ":1"), listenPacket(t, n.Outside(), ":2")
		for range maxQueue + 10 {
			in.WriteTo([]byte("x"), udp("203.0.113.10:2"))
		}
		for range maxQueue {
			expectDatagram(t, out, "x", "198.51.100.2:1")
		}
		expectDatagram(t, out, "", "")
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, Config{})
		c := listenPacket(t, n.Inside(), ":1")
		start := time.Now()
		c.SetReadDeadline(start.Add(time.Minute))
		_, _, err := c.ReadFrom(nil)
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		// A deadline that moves wakes the reader that waits.
		c.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			c.SetReadDeadline(time.Now())
		}()
		if _, _, err := c.ReadFrom(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		// So does Close.
		c.SetReadDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			n.Close()
		}()
		if _, _, err := c.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := n.Inside().ListenPacket(context.Background(), "udp", ":0"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("on a closed network: %v", err)
		}
	})
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = 37 * time.Millisecond
		n := newNetwork(t, Config{Latency: latency})
		in, out := listenPacket(t, n.Inside(), ":1"), listenPacket(t, n.Outside(), ":2")
		start := time.Now()
		in.WriteTo([]byte("a"), udp("203.0.113.10:2"))
		time.Sleep(time.Millisecond)
		in.WriteTo([]byte("b"), udp("203.0.113.10:2"))
		b := make([]byte, 1)
		for i, want := range []string{"a", "b"} {
			_, from, _ := out.ReadFrom(b)
			if got := time.Since(start); string(b) != want || got != latency+time.Duration(i)*time.Millisecond {
				t.Errorf("%q after %v", b, got)
			}
			out.WriteTo(b, from)
		}
		in.ReadFrom(b)
		if got := time.Since(start); got != 2*latency {
			t.Errorf("back after %v", got)
		}
	})
}

func TestLoss(t *testing.T) {
	const total, loss = 20000, 0.2
	count := func(seed uint64) (counts [2]int, fate string) {
		n := newNetwork(t, Config{Loss: loss, Seed: seed})
		in, out := listenPacket(t, n.Inside(), ":1"), listenPacket(t, n.Outside(), ":2")
		var got strings.Builder
		for i, dir := range []struct{ from, to net.PacketConn }{{in, out}, {out, in}} {
			to := []net.Addr{udp("203.0.113.10:2"), udp("198.51.100.2:1")}[i]
			dir.to.SetReadDeadline(time.Now().Add(-1))
			for range total {
				dir.from.WriteTo([]byte("x"), to)
				c := dir.to.(*packetConn)
				c.in.Lock()
				counts[i] += len(c.queue)
				got.WriteByte('0' + byte(len(c.queue)))
				c.queue = nil
				c.in.Unlock()
			}
		}
		return counts, got.String()
	}
	counts, fate := count(1)
	for i, n := range counts {
		// Five standard deviations of the binomial distribution.
		if d := float64(n) - total*(1-loss); d*d > 25*total*loss*(1-loss) {
			t.Errorf("direction %d: %d of %d arrived", i, n, total)
		}
	}
	if _, again := count(1); again != fate {
		t.Error("the same seed loses other datagrams")
	}
	if _, other := count(2); other == fate {
		t.Error("another seed loses the same datagrams")
	}
	if fate[:total] == fate[total:] {
		t.Error("both directions lose alike")
	}
}

func TestConcurrentUse(t *testing.T) {
	n := newNetwork(t, Config{Style: "linux"})
	out := listenPacket(t, n.Outside(), ":5060")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				c, err := n.Inside().ListenPacket(t.Context(), "udp", ":0")
				if err != nil {
					t.Error(err)
					return
				}
				c.WriteTo([]byte("INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n"), udp("203.0.113.10:5060"))
				c.Close()
			}
		})
	}
	got := 0
	out.SetReadDeadline(time.Now().Add(10 * time.Second))
	for b := make([]byte, 100); got < 800; got++ {
		if _, _, err := out.ReadFrom(b); err != nil {
			t.Fatalf("after %d: %v", got, err)
		}
	}
	group.Wait()
}
