package probe

import (
	"context"
	"net"
	"net/netip"
)

// Network is how the runner reaches the world.
type Network interface {
	// DialContext connects to address, from local ("" for the system's choice, or "host:port"). A "udp" connection sends
	// nothing; it tells by its local address which one the system would send from.
	DialContext(ctx context.Context, network, local, address string) (net.Conn, error)
	// ListenPacket opens an unconnected socket: a connected one would hide answers from other ports.
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
}

// System is the network of this computer.
type System struct{}

// DialContext implements [Network].
func (System) DialContext(ctx context.Context, network, local, address string) (net.Conn, error) {
	d, refused := newDialer()
	if local != "" {
		addr, err := netip.ParseAddrPort(local)
		if err != nil {
			return nil, err
		}
		if network[0] == 'u' {
			d.LocalAddr = net.UDPAddrFromAddrPort(addr)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(addr)
		}
	}
	conn, err := d.DialContext(ctx, network, address)
	return conn, refused(err)
}

// ListenPacket implements [Network].
func (System) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	var c net.ListenConfig
	return c.ListenPacket(ctx, network, address)
}

// Interface returns the name and the MTU, in octets, of the interface that has the address; "" and 0 if none is found.
func (System) Interface(addr netip.Addr) (name string, mtu int) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", 0
	}
	for _, i := range interfaces {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == addr {
				return i.Name, i.MTU
			}
		}
	}
	return "", 0
}

// describer is a network that knows its computer; the one in memory has none.
type describer interface {
	Interface(addr netip.Addr) (name string, mtu int)
	Notes(addr netip.Addr) []string
}
