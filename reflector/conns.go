package reflector

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

// connLimit counts connections in all, by source and by neighbourhood. What it holds is bounded by the connections there
// are.
type connLimit struct {
	all, source int

	mu    sync.Mutex
	total int
	by    map[netip.Prefix]int
}

func newConnLimit(all, source int) *connLimit {
	return &connLimit{all: all, source: source, by: make(map[netip.Prefix]int)}
}

// take counts a connection of the source, or says that it is one too many.
func (l *connLimit) take(source netip.Addr) bool {
	narrow, wide := neighbourhood(source)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.all || l.by[narrow] >= l.source || l.by[wide] >= wideFactor*l.source {
		return false
	}
	l.total++
	l.by[narrow]++
	l.by[wide]++
	return true
}

func (l *connLimit) release(source netip.Addr) {
	narrow, wide := neighbourhood(source)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	for _, key := range [...]netip.Prefix{narrow, wide} {
		if l.by[key]--; l.by[key] == 0 {
			delete(l.by, key)
		}
	}
}

// limitListener closes connections beyond the limit as soon as they are accepted, before any goroutine or TLS state is made
// for them.
type limitListener struct {
	net.Listener
	limit             *connLimit
	accepted, refused *atomic.Uint64
}

func (l *limitListener) Accept() (net.Conn, error) {
	conn, err := l.take()
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// take is Accept with the type that it returns.
func (l *limitListener) take() (*limitConn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := addrPort(conn.RemoteAddr()).Addr()
		if l.limit.take(source) {
			l.accepted.Add(1)
			return &limitConn{Conn: conn, release: sync.OnceFunc(func() { l.limit.release(source) })}, nil
		}
		l.refused.Add(1)
		if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
			_ = c.SetLinger(0) // a reset leaves no TIME_WAIT behind
		}
		conn.Close()
	}
}

type limitConn struct {
	net.Conn
	release func()
}

func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}

// SyscallConn implements [syscall.Conn], where the network can do that.
func (c *limitConn) SyscallConn() (syscall.RawConn, error) {
	if system, ok := c.Conn.(syscall.Conn); ok {
		return system.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// CloseWrite ends what this end sends and goes on reading, where the network can do that.
func (c *limitConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
