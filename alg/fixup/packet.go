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
	// maxDatagram is the largest UDP payload that IPv4 carries, in octets:
	// 65535 less 20 of IP and 8 of UDP.
	maxDatagram = 65507
	// maxQueue is how many datagrams wait in a socket; what comes then is
	// lost, as with a full socket buffer.
	maxQueue = 4096
)

type datagram struct {
	due  time.Time // when it arrives
	from netip.AddrPort
	data []byte
}

// packetConn is a UDP socket: a net.PacketConn, and a net.Conn when remote is
// set.
type packetConn struct {
	host    *Host
	network string
	local   netip.AddrPort   // as it reads, possibly the unspecified address
	bound   []netip.AddrPort // what it receives for
	remote  netip.AddrPort   // the only peer, if connected

	in     gate // guards what follows
	queue  []datagram
	rd, wd time.Time // deadlines
	closed bool
}

var (
	_ net.PacketConn = (*packetConn)(nil)
	_ net.Conn       = (*packetConn)(nil)
)

// ListenPacket opens a UDP socket. The network is udp, udp4 or udp6; the
// address a literal of the host or empty, with a port or 0. A port in use gives
// a [*net.OpError] around [syscall.EADDRINUSE]. The result also has the methods
// ReadFromUDPAddrPort and WriteToUDPAddrPort of [*net.UDPConn].
func (h *Host) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := h.openUDP(ctx, "listen", network, address, netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (h *Host) openUDP(ctx context.Context, op, network, address string, remote netip.AddrPort) (*packetConn, error) {
	fail := func(err error) error { return &net.OpError{Op: op, Net: network, Err: err} }
	switch network {
	case "udp", "udp4", "udp6":
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
	if remote.IsValid() && local.Addr().IsUnspecified() {
		src := h.source(remote.Addr())
		if !src.IsValid() {
			return nil, fail(os.NewSyscallError("connect", syscall.ENETUNREACH))
		}
		local = netip.AddrPortFrom(src, local.Port())
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
	taken := func(at netip.AddrPort) bool { return h.udp[at] != nil }
	if local.Port() == 0 {
		port, err := h.ephemeral(addrs, taken)
		if err != nil {
			return nil, fail(os.NewSyscallError("bind", err))
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	}
	c := &packetConn{host: h, network: network, local: local, remote: remote}
	for _, a := range addrs {
		at := netip.AddrPortFrom(a, local.Port())
		if taken(at) {
			e := fail(os.NewSyscallError("bind", syscall.EADDRINUSE)).(*net.OpError)
			e.Source = net.UDPAddrFromAddrPort(local)
			return nil, e
		}
		c.bound = append(c.bound, at)
	}
	for _, at := range c.bound {
		h.udp[at] = c
	}
	h.net.open[c] = struct{}{}
	return c, nil
}

// send puts one datagram on its way. Like UDP it reports nothing that happens
// to it once it has left.
func (c *packetConn) send(op string, data []byte, to netip.AddrPort) (int, error) {
	fail := func(err error) (int, error) {
		return 0, &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Addr: net.UDPAddrFromAddrPort(to), Err: err}
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	c.in.Lock()
	closed, wd := c.closed, c.wd
	c.in.Unlock()
	switch {
	case closed:
		return fail(net.ErrClosed)
	case past(wd):
		return fail(os.ErrDeadlineExceeded)
	case !to.IsValid() || to.Port() == 0 || to.Addr().IsUnspecified():
		return fail(os.NewSyscallError("sendto", syscall.EINVAL))
	case len(data) > maxDatagram:
		return fail(os.NewSyscallError("sendto", syscall.EMSGSIZE))
	}
	from := c.local
	if from.Addr().IsUnspecified() {
		from = netip.AddrPortFrom(c.host.source(to.Addr()), from.Port())
	}
	if !from.IsValid() || from.Addr().Is4() != to.Addr().Is4() {
		return fail(os.NewSyscallError("sendto", syscall.ENETUNREACH))
	}
	c.host.net.datagram(c.host, Packet{Proto: "udp", Src: from, Dst: to, Payload: append([]byte(nil), data...)})
	return len(data), nil
}

func (n *Network) datagram(from *Host, p Packet) {
	outbound := from == n.inside && !from.owns(p.Dst.Addr())
	inbound := from == n.outside && !from.owns(p.Dst.Addr())
	if inbound && n.lost(n.in) {
		return
	}
	to, p, _ := n.carry(from, p)
	if to == nil || outbound && n.lost(n.out) {
		return
	}
	n.mu.Lock()
	c := to.udp[p.Dst]
	n.mu.Unlock()
	if c != nil && (!c.remote.IsValid() || c.remote == p.Src) {
		c.deliver(datagram{time.Now().Add(n.delay(from, to)), p.Src, p.Payload})
	}
}

func (c *packetConn) deliver(d datagram) {
	c.in.Lock()
	defer c.in.Unlock()
	if !c.closed && len(c.queue) < maxQueue {
		c.queue = append(c.queue, d)
		c.in.wake()
	}
}

func (c *packetConn) receive(op string, b []byte) (int, netip.AddrPort, error) {
	fail := func(err error) (int, netip.AddrPort, error) {
		return 0, netip.AddrPort{}, &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
	c.in.Lock()
	defer c.in.Unlock()
	for {
		if c.closed {
			return fail(net.ErrClosed)
		}
		if past(c.rd) {
			return fail(os.ErrDeadlineExceeded)
		}
		var due time.Time
		if len(c.queue) > 0 {
			d := c.queue[0]
			if due = d.due; past(due) {
				c.queue[0] = datagram{}
				c.queue = c.queue[1:]
				return copy(b, d.data), d.from, nil
			}
		}
		c.in.wait(sooner(due, c.rd), nil)
	}
}

func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.receive("read", b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

func (c *packetConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	return c.receive("read", b)
}

func (c *packetConn) Read(b []byte) (int, error) {
	n, _, err := c.receive("read", b)
	return n, err
}

func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, &net.OpError{Op: "write", Net: c.network, Source: c.LocalAddr(), Addr: to, Err: syscall.EINVAL}
	}
	return c.WriteToUDPAddrPort(b, u.AddrPort())
}

func (c *packetConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.remote.IsValid() {
		return 0, &net.OpError{Op: "write", Net: c.network, Source: c.LocalAddr(), Addr: net.UDPAddrFromAddrPort(to), Err: net.ErrWriteToConnected}
	}
	return c.send("write", b, to)
}

func (c *packetConn) Write(b []byte) (int, error) { return c.send("write", b, c.remote) }

func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

func (c *packetConn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}

func (c *packetConn) SetDeadline(t time.Time) error { return c.deadlines(&t, &t) }

func (c *packetConn) SetReadDeadline(t time.Time) error { return c.deadlines(&t, nil) }

func (c *packetConn) SetWriteDeadline(t time.Time) error { return c.deadlines(nil, &t) }

func (c *packetConn) deadlines(rd, wd *time.Time) error {
	c.in.Lock()
	defer c.in.Unlock()
	if c.closed {
		return &net.OpError{Op: "set", Net: c.network, Source: c.LocalAddr(), Err: net.ErrClosed}
	}
	if rd != nil {
		c.rd = *rd
	}
	if wd != nil {
		c.wd = *wd
	}
	c.in.wake()
	return nil
}

func (c *packetConn) Close() error {
	c.in.Lock()
	defer c.in.Unlock()
	if c.closed {
		return &net.OpError{Op: "close", Net: c.network, Source: c.LocalAddr(), Err: net.ErrClosed}
	}
	c.closed, c.queue = true, nil
	c.in.wake()

	n := c.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, at := range c.bound {
		delete(c.host.udp, at)
	}
	delete(n.open, io.Closer(c))
	return nil
}
