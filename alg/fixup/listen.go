package fixup

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	// maxBacklog is how many connections wait for Accept.
	maxBacklog = 1024
	// dialTimeout is when a SYN without an answer is given up. Linux takes 127
	// seconds with its six repetitions.
	dialTimeout = 127 * time.Second
)

// listener is a TCP listener.
type listener struct {
	host    *Host
	network string
	local   netip.AddrPort
	bound   []netip.AddrPort

	in     gate // guards what follows
	queue  []arrival
	closed bool
}

type arrival struct {
	due  time.Time
	conn *conn
}

// Listen opens a TCP listener. The arguments and the errors are those of
// ListenPacket, for tcp, tcp4 and tcp6.
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	fail := func(err error) error { return &net.OpError{Op: "listen", Net: network, Err: err} }
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fail(net.UnknownNetworkError(network))
	}
	if err := ctx.Err(); err != nil {
		return nil, fail(err)
	}
	local, err := parse(network, address)
	if err != nil {
		return nil, fail(err)
	}
	addrs := h.covered(network, local.Addr())
	if len(addrs) == 0 {
		return nil, fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.closed {
		return nil, fail(net.ErrClosed)
	}
	taken := func(at netip.AddrPort) bool { return h.tcp[at] != nil }
	if local.Port() == 0 {
		port, err := h.ephemeral(addrs, taken)
		if err != nil {
			return nil, fail(os.NewSyscallError("bind", err))
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	}
	l := &listener{host: h, network: network, local: local}
	for _, a := range addrs {
		at := netip.AddrPortFrom(a, local.Port())
		if taken(at) {
			e := fail(os.NewSyscallError("bind", syscall.EADDRINUSE)).(*net.OpError)
			e.Source = net.TCPAddrFromAddrPort(local)
			return nil, e
		}
		l.bound = append(l.bound, at)
	}
	for _, at := range l.bound {
		h.tcp[at] = l
	}
	h.net.open[l] = struct{}{}
	return l, nil
}

func (l *listener) Accept() (net.Conn, error) {
	l.in.Lock()
	defer l.in.Unlock()
	for {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: l.network, Source: l.Addr(), Err: net.ErrClosed}
		}
		var due time.Time
		if len(l.queue) > 0 {
			if due = l.queue[0].due; past(due) {
				c := l.queue[0].conn
				l.queue = l.queue[1:]
				return c, nil
			}
		}
		l.in.wait(due, nil)
	}
}

// deliver queues a new connection, if the listener takes it.
func (l *listener) deliver(c *conn, due time.Time) bool {
	l.in.Lock()
	defer l.in.Unlock()
	if l.closed || len(l.queue) >= maxBacklog {
		return false
	}
	l.queue = append(l.queue, arrival{due, c})
	l.in.wake()
	return true
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

func (l *listener) Close() error {
	l.in.Lock()
	if l.closed {
		l.in.Unlock()
		return &net.OpError{Op: "close", Net: l.network, Source: l.Addr(), Err: net.ErrClosed}
	}
	queue := l.queue
	l.closed, l.queue = true, nil
	l.in.wake()
	l.in.Unlock()

	for _, a := range queue {
		a.conn.Close()
	}
	n := l.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, at := range l.bound {
		delete(l.host.tcp, at)
	}
	delete(n.open, io.Closer(l))
	return nil
}

// DialContext connects over tcp or udp, each also with 4 or 6. Local is empty
// or "host:port" with either part empty; both hosts are literals. A UDP socket
// hears only its peer, and its LocalAddr is the source address that the host
// uses towards it. A TCP port that nobody listens on gives a [*net.OpError]
// around [syscall.ECONNREFUSED]; one that the box lets nobody reach gives
// [syscall.ETIMEDOUT] after 127 seconds, or the error of ctx before. A local
// port is free again as soon as its connection is closed: there is no TIME_WAIT.
func (h *Host) DialContext(ctx context.Context, network, local, address string) (net.Conn, error) {
	fail := func(err error) error { return &net.OpError{Op: "dial", Net: network, Err: err} }
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return nil, fail(net.UnknownNetworkError(network))
	}
	remote, err := parse(network, address)
	if err != nil {
		return nil, fail(err)
	}
	if remote.Port() == 0 || remote.Addr().IsUnspecified() {
		return nil, fail(os.NewSyscallError("connect", syscall.EINVAL))
	}
	if local == "" {
		local = ":0"
	}
	if network[0] == 'u' {
		c, err := h.openUDP(ctx, "dial", network, local, remote)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	from, err := parse(network, local)
	if err != nil {
		return nil, fail(err)
	}
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(h.source(remote.Addr()), from.Port())
	}
	if from.Addr().IsValid() && !h.owns(from.Addr()) {
		return nil, fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
	}
	if !from.Addr().IsValid() || from.Addr().Is4() != remote.Addr().Is4() {
		return nil, fail(os.NewSyscallError("connect", syscall.ENETUNREACH))
	}
	c, err := h.connect(ctx, tuple{from, remote})
	if err != nil {
		e := fail(err).(*net.OpError)
		e.Source, e.Addr = net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(remote)
		return nil, e
	}
	return c, nil
}

// connect is the handshake: half a round trip to the listener, the other half
// back. The box sees both segments when the first one is sent.
func (h *Host) connect(ctx context.Context, at tuple) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := h.net
	at, err := h.reserve(at)
	if err != nil {
		return nil, err
	}
	release := func() {
		n.mu.Lock()
		delete(h.conns, at)
		n.mu.Unlock()
	}
	start := time.Now()
	to, syn, how := n.carry(h, Packet{Proto: "tcp", Src: at.local, Dst: at.remote, Open: true})
	if to != nil {
		_, _, how = n.carry(to, Packet{Proto: "tcp", Src: syn.Dst, Dst: syn.Src})
	}
	switch how {
	case fateDropped:
		err := sleep(ctx, start.Add(dialTimeout))
		release()
		if err == nil {
			err = os.NewSyscallError("connect", syscall.ETIMEDOUT)
		}
		return nil, err
	case fateRefused:
		release()
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	x, y := newConns(h, at, to, tuple{syn.Dst, syn.Src})
	n.mu.Lock()
	closed, l := n.closed, to.tcp[syn.Dst]
	if l != nil && !closed {
		h.conns[at] = x
		n.open[x], n.open[y] = struct{}{}, struct{}{}
		to.conns[y.addrs] = y
	}
	n.mu.Unlock()

	delay := n.delay(h, to)
	refused := closed || l == nil
	if !refused && !l.deliver(y, start.Add(delay)) {
		refused = true
		y.Close()
	}
	if err := sleep(ctx, start.Add(2*delay)); err != nil {
		x.Close()
		release()
		return nil, err
	}
	if refused {
		x.Close()
		release()
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return x, nil
}

// reserve claims the tuple of a connection, with a port where it has none.
func (h *Host) reserve(at tuple) (tuple, error) {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return at, net.ErrClosed
	}
	taken := func(local netip.AddrPort) bool {
		_, busy := h.conns[tuple{local, at.remote}]
		return busy || h.tcp[local] != nil && at.local.Port() == 0
	}
	if at.local.Port() == 0 {
		port, err := h.ephemeral([]netip.Addr{at.local.Addr()}, taken)
		if err != nil {
			return at, err
		}
		at.local = netip.AddrPortFrom(at.local.Addr(), port)
	} else if taken(at.local) {
		return at, os.NewSyscallError("connect", syscall.EADDRINUSE)
	}
	h.conns[at] = nil
	return at, nil
}

// sleep waits until a time or for the end of ctx, whose error it returns.
func sleep(ctx context.Context, until time.Time) error {
	d := time.Until(until)
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
