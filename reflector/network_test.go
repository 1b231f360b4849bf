package reflector_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/wire"
)

// memory is a network without a system under it: the reflector must get by on the interfaces alone.
type memory struct {
	mu    sync.Mutex
	conns map[netip.AddrPort]*memoryConn
	next  uint16
	queue map[string]chan net.Conn // by the listener's address
}

func newMemory() *memory {
	return &memory{conns: make(map[netip.AddrPort]*memoryConn), next: 50000, queue: make(map[string]chan net.Conn)}
}

var serverAddr, clientAddr = netip.MustParseAddr("198.51.100.5"), netip.MustParseAddr("192.0.2.9")

func (m *memory) free(addr netip.AddrPort) netip.AddrPort {
	if addr.Port() == 0 {
		m.next++
		return netip.AddrPortFrom(addr.Addr(), m.next)
	}
	return addr
}

func (m *memory) ListenPacket(_ context.Context, _, address string) (net.PacketConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	addr := m.free(netip.MustParseAddrPort(address))
	c := &memoryConn{network: m, addr: addr, in: make(chan memoryPacket, 100), closed: make(chan struct{})}
	m.conns[addr] = c
	return c, nil
}

func (m *memory) Listen(_ context.Context, _, address string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &memoryListener{m.free(netip.MustParseAddrPort(address)), make(chan net.Conn), make(chan struct{}), sync.Once{}}
	m.queue[l.addr.String()] = l.queue
	return l, nil
}

func (m *memory) dial(ctx context.Context, _, address string) (net.Conn, error) {
	near, far := net.Pipe()
	client, server := net.Addr(net.TCPAddrFromAddrPort(netip.AddrPortFrom(clientAddr, 40000))), memoryAddr(address)
	m.mu.Lock()
	queue := m.queue[address]
	m.mu.Unlock()
	select {
	case queue <- addressed{far, server, client}:
		return addressed{near, client, server}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// memoryAddr is an address of no type that the reflector could know.
type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

type addressed struct {
	net.Conn
	local, remote net.Addr
}

func (a addressed) LocalAddr() net.Addr  { return a.local }
func (a addressed) RemoteAddr() net.Addr { return a.remote }

type memoryListener struct {
	addr   netip.AddrPort
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.addr.String()) }

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.queue:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

type memoryPacket struct {
	data []byte
	from netip.AddrPort
}

type memoryConn struct {
	net.PacketConn // nil: what is not below is not used
	network        *memory
	addr           netip.AddrPort
	in             chan memoryPacket
	closed         chan struct{}
	once           sync.Once
}

func (c *memoryConn) LocalAddr() net.Addr { return memoryAddr(c.addr.String()) }

func (c *memoryConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-c.in:
		return copy(b, p.data), memoryAddr(p.from.String()), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *memoryConn) WriteTo(b []byte, to net.Addr) (int, error) {
	c.network.mu.Lock()
	peer := c.network.conns[netip.MustParseAddrPort(to.String())]
	c.network.mu.Unlock()
	if peer == nil {
		return 0, errors.New("no route")
	}
	peer.in <- memoryPacket{append([]byte(nil), b...), c.addr}
	return len(b), nil
}

func (c *memoryConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// TestMemoryNetwork runs a whole session, polls and lifetime included, in no time at all.
func TestMemoryNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemory()
		s, err := reflector.Start(t.Context(), reflector.Config{Hosts: []netip.Addr{serverAddr}, Network: network})
		if err != nil {
			t.Fatal(err)
		}
		if s.URL() != "https://198.51.100.5" || s.Addr(wire.ServiceNeutral).Port() != 15060 {
			t.Errorf("URL %s, neutral %s", s.URL(), s.Addr(wire.ServiceNeutral))
		}
		c, err := wire.NewClient(s.URL(), wire.Options{Pin: s.Pin(), Dial: network.dial})
		if err != nil {
			t.Fatal(err)
		}
		sess, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if g := sess.Grant; g.Control != s.URL() || g.Observed.Addr() != clientAddr || g.Targets[0].Addr != netip.AddrPortFrom(serverAddr, 5060) {
			t.Errorf("grant %+v", g)
		}
		start := time.Now()
		if r, err := sess.Receipts(t.Context(), 0, time.Hour); err != nil || len(r.Receipts) != 0 || time.Since(start) != wire.MaxWait {
			t.Errorf("%+v, %v after %v", r, err, time.Since(start))
		}
		conn, err := network.ListenPacket(t.Context(), "udp", netip.AddrPortFrom(clientAddr, 5060).String())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(7 * time.Second)
			conn.WriteTo(options(sess, 1), memoryAddr("198.51.100.5:5060"))
		}()
		start = time.Now()
		r, err := sess.Receipts(t.Context(), 0, wire.MaxWait)
		if err != nil || len(r.Receipts) != 2 || time.Since(start) != 7*time.Second || !r.Receipts[0].At.Equal(time.Now()) {
			t.Errorf("%+v, %v after %v", r, err, time.Since(start))
		}
		buf := make([]byte, 2000)
		if n, _, err := conn.ReadFrom(buf); err != nil || string(buf[:n]) != string(r.Receipts[1].Data) {
			t.Errorf("%q, %v", buf[:n], err)
		}
		stream, err := network.dial(t.Context(), "tcp", "198.51.100.5:5060")
		if err != nil {
			t.Fatal(err)
		}
		go stream.Write(options(sess, 2))
		if n, err := stream.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 OK\r\n") {
			t.Errorf("%q, %v", buf[:n], err)
		}
		start = time.Now()
		if _, err := stream.Read(buf); !errors.Is(err, io.EOF) || time.Since(start) != 15*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		r, err = sess.Receipts(t.Context(), 2, 0)
		if err != nil || len(r.Receipts) != 4 || r.Receipts[0].Transport != "tcp" || r.Receipts[2].End != wire.EndTimeout {
			t.Errorf("%+v, %v", r, err)
		}
		time.Sleep(16 * time.Minute)
		if s.Counters().Sessions != 0 {
			t.Error("the session outlived itself")
		}
		if _, err := sess.Receipts(t.Context(), 0, 0); err == nil {
			t.Error("receipts of an expired session")
		}
		c.CloseIdle()
		conn.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
