package fixup

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

const (
	// maxSegment is the most octets that one TCP segment carries: an Ethernet
	// frame less the headers of IPv4 and TCP with timestamps.
	maxSegment = 1448
	// maxWindow is how many octets may be under way or unread before the
	// writer waits.
	maxWindow = 256 << 10
)

// pipe is one direction of a TCP connection. It has one end that writes and
// one that reads.
type pipe struct {
	gate
	latency time.Duration
	segs    []segment
	size    int       // octets in segs
	eof     time.Time // when the reader learns of the end, zero: not yet
	stalled bool      // a segment was dropped by the box: nothing arrives any more
	rd, wd  time.Time // deadlines of the reader and the writer
	rr, wr  time.Time // when the reader and the writer learn of a reset
	shut    bool      // the writer has ended it
	closed  bool      // the reader has gone
}

type segment struct {
	due  time.Time
	data []byte
}

var errGone = os.NewSyscallError("write", syscall.EPIPE)

// room waits until the writer may send.
func (p *pipe) room() error {
	p.Lock()
	defer p.Unlock()
	for {
		switch {
		case p.shut:
			return net.ErrClosed
		case past(p.wr):
			return os.NewSyscallError("write", syscall.ECONNRESET)
		case p.closed:
			return errGone
		case past(p.wd):
			return os.ErrDeadlineExceeded
		case p.size < maxWindow:
			return nil
		}
		p.wait(sooner(p.wr, p.wd), nil)
	}
}

// push appends a segment. One that the box dropped stays in the send buffer
// for ever: the kernel at the sender repeats it and the box drops it again.
func (p *pipe) push(data []byte, dropped bool) {
	p.Lock()
	defer p.Unlock()
	if p.closed || p.shut {
		return
	}
	p.stalled = p.stalled || dropped
	p.size += len(data)
	if !p.stalled {
		p.segs = append(p.segs, segment{time.Now().Add(p.latency), data})
		p.wake()
	}
}

// read returns what has arrived, over the boundaries of segments.
func (p *pipe) read(b []byte) (int, error) {
	p.Lock()
	defer p.Unlock()
	for {
		if p.closed {
			return 0, net.ErrClosed
		}
		if past(p.rd) {
			return 0, os.ErrDeadlineExceeded
		}
		n := 0
		for n < len(b) && len(p.segs) > 0 && past(p.segs[0].due) {
			k := copy(b[n:], p.segs[0].data)
			n += k
			p.size -= k
			if p.segs[0].data = p.segs[0].data[k:]; len(p.segs[0].data) == 0 {
				p.segs[0] = segment{}
				p.segs = p.segs[1:]
			}
		}
		if n > 0 || len(b) == 0 {
			p.wake()
			return n, nil
		}
		if past(p.rr) {
			return 0, os.NewSyscallError("read", syscall.ECONNRESET)
		}
		next := p.eof
		if len(p.segs) > 0 {
			next = p.segs[0].due
		} else if past(p.eof) {
			return 0, io.EOF
		}
		p.wait(sooner(sooner(next, p.rd), p.rr), nil)
	}
}

// end is the writer's FIN.
func (p *pipe) end() {
	p.Lock()
	defer p.Unlock()
	if p.shut {
		return
	}
	p.shut = true
	if !p.stalled {
		p.eof = time.Now().Add(p.latency)
	}
	p.wake()
}

// ended reports whether the writer has sent its FIN.
func (p *pipe) ended() bool {
	p.Lock()
	defer p.Unlock()
	return p.shut
}

// reset is a reset that reaches the reader and the writer at the given times.
func (p *pipe) reset(reader, writer time.Time) {
	p.Lock()
	defer p.Unlock()
	p.rr, p.wr = sooner(p.rr, reader), sooner(p.wr, writer)
	p.wake()
}

// abandon is the reader's farewell: what is under way is lost, and whoever
// writes learns of it.
func (p *pipe) abandon() {
	p.Lock()
	defer p.Unlock()
	p.closed, p.segs, p.size = true, nil, 0
	p.wake()
}

func (p *pipe) deadlines(rd, wd *time.Time) {
	p.Lock()
	defer p.Unlock()
	if rd != nil {
		p.rd = *rd
	}
	if wd != nil {
		p.wd = *wd
	}
	p.wake()
}

// conn is one end of a TCP connection.
type conn struct {
	host   *Host
	addrs  tuple
	in     *pipe
	out    *pipe
	peer   *conn
	direct bool          // both ends on one host: nothing in between
	turn   chan struct{} // holds a token while nobody writes

	state gate // guards done
	done  bool
}

var _ net.Conn = (*conn)(nil)

// newConns makes both ends of a connection. Each sees the addresses that the
// box makes of it.
func newConns(a *Host, at tuple, b *Host, bt tuple) (*conn, *conn) {
	latency := a.net.delay(a, b)
	ab, ba := &pipe{latency: latency}, &pipe{latency: latency}
	x := &conn{host: a, addrs: at, in: ba, out: ab, direct: a == b, turn: make(chan struct{}, 1)}
	y := &conn{host: b, addrs: bt, in: ab, out: ba, direct: a == b, turn: make(chan struct{}, 1)}
	x.peer, y.peer = y, x
	return x, y
}

func (c *conn) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.fail("read", err)
}

// Write sends every maxSegment octets as a segment of their own, and each goes
// through the box alone. Two writes never share a segment.
func (c *conn) Write(b []byte) (int, error) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	n := 0
	for {
		if err := c.out.room(); err != nil {
			return n, c.fail("write", err)
		}
		if n == len(b) {
			return n, nil
		}
		k := min(len(b)-n, maxSegment)
		data, how := c.cross(append([]byte(nil), b[n:n+k]...))
		if how == fateRefused {
			c.reset()
		} else {
			c.out.push(data, how == fateDropped)
		}
		if n += k; n == len(b) {
			return n, nil
		}
	}
}

// cross takes a segment through the box.
func (c *conn) cross(data []byte) ([]byte, fate) {
	if c.direct {
		return data, fatePassed
	}
	p := Packet{Proto: "tcp", Src: c.addrs.local, Dst: c.addrs.remote, Payload: data}
	p, how := c.host.net.box.through(p, c.host == c.host.net.inside)
	return p.Payload, how
}

// reset ends both directions for both ends, for this one first: the box sits
// next to it.
func (c *conn) reset() {
	now := time.Now()
	c.in.reset(now, now.Add(c.out.latency))
	c.out.reset(now.Add(c.out.latency), now)
}

// CloseWrite ends the direction that this end writes. The other one stays.
func (c *conn) CloseWrite() error {
	if c.out.ended() {
		return nil
	}
	if _, how := c.cross(nil); how != fatePassed {
		c.out.push(nil, true)
	}
	c.out.end()
	return nil
}

// Close ends both directions. The peer gets what is under way, then EOF.
func (c *conn) Close() error {
	c.state.Lock()
	defer c.state.Unlock()
	if c.done {
		return c.fail("close", net.ErrClosed)
	}
	c.done = true
	c.CloseWrite()
	c.in.abandon()

	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.host.conns[c.addrs] == c {
		delete(c.host.conns, c.addrs)
	}
	delete(n.open, io.Closer(c))
	if _, open := n.open[c.peer]; !open && !c.direct {
		in, out := c, c.peer
		if in.host != n.inside {
			in, out = out, in
		}
		// A new connection may have the same addresses by now.
		if _, again := n.inside.conns[in.addrs]; !again {
			n.box.release(in.addrs.local, out.addrs.local)
		}
	}
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.addrs.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.addrs.remote) }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.deadlines(&t, nil)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.deadlines(nil, &t)
	return nil
}
