package reflector

import (
	"errors"
	"net"
	"sync"
	"time"
)

// kind is what a connection to the HTTPS port turns out to be.
type kind int

const (
	kindNone kind = iota // nothing that has a place there
	kindTLS
	kindText
	kindTPKT
	kinds
)

// kindOf tells by the first octet: TLS begins with a handshake record (RFC 8446 5.1), H.323 over TCP with version 3 of TPKT
// (RFC 1006 6), SIP with a letter of its start line or a keepalive (RFC 5626 4.4.1).
func kindOf(first byte) kind {
	switch {
	case first == 0x16:
		return kindTLS
	case 'A' <= first && first <= 'Z', 'a' <= first && first <= 'z', first == '\r', first == '\n':
		return kindText
	case first == 0x03:
		return kindTPKT
	}
	return kindNone
}

// split is a listener whose connections go different ways, each by its first octet. A connection that has sent none is
// undecided: a goroutine waits for it, and neither for long nor beyond the limits of the listener. Connections of a kind that
// has no branch are closed.
type split struct {
	ln       *limitListener
	first    time.Duration // in which the first octet must come
	counters *counters
	branches [kinds]*branch
	failed   chan error    // of ln, for whoever serves TLS
	closed   chan struct{} // closed when the listener is

	mu        sync.Mutex
	ended     bool
	undecided map[*limitConn]struct{}
}

func newSplit(ln *limitListener, first time.Duration, c *counters) *split {
	return &split{
		ln: ln, first: first, counters: c,
		failed: make(chan error), closed: make(chan struct{}), undecided: make(map[*limitConn]struct{}),
	}
}

// branch returns the listener of the connections of some kinds. It is called before run.
func (s *split) branch(of ...kind) net.Listener {
	b := &branch{split: s, queue: make(chan *headConn)}
	for _, k := range of {
		s.branches[k] = b
		b.tls = b.tls || k == kindTLS
	}
	return b
}

// run takes connections until the listener is closed, and returns when none is undecided.
func (s *split) run() {
	var deciding sync.WaitGroup
	defer deciding.Wait()
	for {
		conn, err := s.ln.take()
		if err != nil {
			// Who accepts the branch knows whether to go on, and waits before it does.
			select {
			case s.failed <- err:
			case <-s.closed:
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !s.wait(conn) {
			conn.Close()
			return
		}
		deciding.Go(func() { s.decide(conn) })
	}
}

// wait notes an undecided connection, or says that the listener is closed.
func (s *split) wait(conn *limitConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.undecided[conn] = struct{}{}
	}
	return !s.ended
}

// decide hands the connection to its branch.
func (s *split) decide(conn *limitConn) {
	_ = conn.SetReadDeadline(time.Now().Add(s.first)) // all branches set their own afterwards
	head := make([]byte, readStep)                    // a read of one octet alone would cost the branch a receipt, or a system call
	n, err := conn.Read(head)
	for n == 0 && err == nil {
		n, err = conn.Read(head)
	}
	s.mu.Lock()
	delete(s.undecided, conn)
	s.mu.Unlock()
	k := kindNone
	if n > 0 {
		k = kindOf(head[0])
	}
	to := s.branches[k]
	if to == nil {
		s.counters.connectionsUnknown.Add(1)
		conn.Close()
		return
	}
	select {
	case to.queue <- &headConn{Conn: conn, head: head[:n]}:
	case <-s.closed:
		conn.Close()
	}
}

// Close closes the listener and the undecided connections, and ends all branches.
func (s *split) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	close(s.closed)
	for conn := range s.undecided {
		conn.Close()
	}
	return s.ln.Close()
}

// branch is the listener of the connections of some kinds. To close it closes the whole port.
type branch struct {
	*split
	tls   bool
	queue chan *headConn
}

func (b *branch) Addr() net.Addr { return b.ln.Addr() }

func (b *branch) Accept() (net.Conn, error) {
	var failed chan error
	if b.tls {
		failed = b.failed
	}
	select {
	case conn := <-b.queue:
		if !b.tls {
			// It is no HTTPS connection any more; other limits hold from here on.
			b.counters.connectionsStreams.Add(1)
			limited := conn.Conn.(*limitConn)
			conn.Conn = limited.Conn
			limited.release()
		}
		return conn, nil
	case err := <-failed:
		return nil, err
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// headConn is a connection of which the first octets have been read already.
type headConn struct {
	net.Conn
	head []byte
}

func (c *headConn) Read(b []byte) (int, error) {
	if c.head == nil {
		return c.Conn.Read(b)
	}
	n := copy(b, c.head)
	if c.head = c.head[n:]; len(c.head) == 0 {
		c.head = nil
	}
	return n, nil
}

// CloseWrite and SetLinger do what the connection can do.
func (c *headConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *headConn) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}
