package reflector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"nofixup/reflector/wire"
)

// ListenError says what could not be bound.
type ListenError struct {
	Service string // "https", "sip", "sips", "h225", "h245", "ras", "media", "neutral", or "also" for [Config.Also]
	Network string // "tcp" or "udp"
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	err := e.Err
	var op *net.OpError // says network and address again
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Sprintf("%s: listen on %s %s: %v", e.Service, e.Network, e.Address, err)
}

func (e *ListenError) Unwrap() error { return e.Err }

// Hint says what may help, or nothing.
func (e *ListenError) Hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return "ports below 1024 need a privilege: on Linux CAP_NET_BIND_SERVICE or the sysctl net.ipv4.ip_unprivileged_port_start"
	case addressInUse(e.Err):
		return fmt.Sprintf("another program has this port: stop it, or choose another one with --%s", e.Service)
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "the address is not one of this machine's: behind a 1:1 NAT give the local one with --host, the public one with --advertise"
	}
	return ""
}

func addressInUse(err error) bool {
	const wsaEADDRINUSE = syscall.Errno(10048) // Windows has its own number for it
	return errors.Is(err, syscall.EADDRINUSE) || runtime.GOOS == "windows" && errors.Is(err, wsaEADDRINUSE)
}

// endpoint is where a socket is bound and what clients are told of it.
type endpoint struct {
	service string
	local   netip.AddrPort
	tell    netip.Addr // unspecified: the address that the client's HTTPS request came to
}

// neutral returns the same place as one of the neutral service.
func (e endpoint) neutral() endpoint {
	e.service = wire.ServiceNeutral
	return e
}

// clear returns the same place as one of SIP in clear.
func (e endpoint) clear() endpoint {
	e.service = wire.ServiceSIP
	return e
}

// told returns what a client is told whose HTTPS request came to the given address, or false if it cannot use this endpoint.
func (e endpoint) told(arrived netip.Addr) (netip.AddrPort, bool) {
	if !e.tell.IsUnspecified() {
		return netip.AddrPortFrom(e.tell, e.local.Port()), true
	}
	if !arrived.IsValid() || arrived.Is6() != e.local.Addr().Is6() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(arrived, e.local.Port()), true
}

// own returns what clients are told of the endpoint to whose local address something came; that address where they are told
// nothing.
func (e endpoint) own(local netip.AddrPort) netip.AddrPort {
	if told, ok := e.told(local.Addr()); ok {
		local = told
	}
	return netip.AddrPortFrom(local.Addr().WithZone(""), local.Port())
}

// beside returns the nth of the places on the same address of ours, counted in a circle: own is the address as clients know it,
// local as the socket has it.
func (s *Server) beside(ends []endpoint, own, local netip.AddrPort, nth uint32) (netip.AddrPort, bool) {
	var list []netip.AddrPort
	for _, e := range ends {
		if told, ok := e.told(local.Addr()); ok && told.Addr().WithZone("") == own.Addr() {
			list = append(list, netip.AddrPortFrom(own.Addr(), told.Port()))
		}
	}
	if len(list) == 0 {
		return netip.AddrPort{}, false
	}
	return list[int(nth)%len(list)], true
}

// readAlso reads an entry of [Config.Also].
func readAlso(entry string) (network, address string, err error) {
	network, address, _ = strings.Cut(entry, ":")
	if network != "tcp" && network != "udp" || address == "" {
		return "", "", fmt.Errorf("also %q: want tcp:PORT or udp:PORT", entry)
	}
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	return network, address, nil
}

// isFree reports whether a port stands for any free one.
func isFree(port string) bool { return strings.Trim(port, "0") == "" }

// maxPorts bounds the ports of a range: each is a socket for every host.
const maxPorts = 256

// readPorts reads the address of a service that may have a range of ports, "11000-11031", and returns one address for each.
func readPorts(service, address string) (list []string, err error) {
	host, port := "", address
	if strings.Contains(address, ":") {
		if host, port, err = net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("%s address %q: want FIRST-LAST, HOST:FIRST-LAST, :PORT or off", service, address)
		}
	}
	from, to, isRange := strings.Cut(port, "-")
	if !isRange {
		return []string{net.JoinHostPort(host, port)}, nil
	}
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	switch {
	case err1 != nil || err2 != nil || first == 0 || first > last:
		return nil, fmt.Errorf("%s address %q: the ports are no range within 1 to 65535", service, address)
	case last-first >= maxPorts:
		return nil, fmt.Errorf("%s address %q: more than %d ports", service, address, maxPorts)
	}
	for p := first; p <= last; p++ {
		list = append(list, net.JoinHostPort(host, strconv.FormatUint(p, 10)))
	}
	return list, nil
}

// opener opens one socket and says where it is bound.
type opener func(ctx context.Context, network, address string) (io.Closer, net.Addr, error)

// samePortTries is how often a port is looked for that is free on every host.
const samePortTries = 16

// checkAddresses reads every address as listening will, so that a mistake in one is told before anything is open.
func (c *Config) checkAddresses() error {
	for _, svc := range [...]struct {
		name, address string
		ports         func(service, address string) ([]string, error)
	}{
		{wire.ServiceSIP, c.SIP, onePort},
		{wire.ServiceSIPS, c.SIPS, onePort},
		{wire.ServiceNeutral, c.Neutral, onePort},
		{wire.ServiceRAS, c.RAS, onePort},
		{wire.ServiceH225, c.H225, onePort},
		{ServiceH245, c.H245, readPorts},
		{ServiceMedia, c.Media, readPairs},
		{ServiceHTTPS, c.HTTPS, onePort},
	} {
		if svc.address == Off {
			continue
		}
		addresses, err := svc.ports(svc.name, svc.address)
		if err != nil {
			return err
		}
		for _, address := range addresses {
			if _, _, _, err := c.readAddress(svc.name, address); err != nil {
				return err
			}
		}
	}
	for _, entry := range c.Also {
		_, address, err := readAlso(entry)
		if err != nil {
			return err
		}
		if _, _, _, err := c.readAddress(ServiceAlso, address); err != nil {
			return err
		}
	}
	return nil
}

// onePort is the address of a service that has one port.
func onePort(_, address string) ([]string, error) { return []string{address}, nil }

// readAddress reads the address of a service: the hosts that it stands for, what clients are told of each, and the port.
func (c *Config) readAddress(service, address string) (hosts, tells []netip.Addr, port uint16, err error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%s address %q: want HOST:PORT, :PORT or off", service, address)
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%s address %q: the port is not in 0 to 65535", service, address)
	}
	hosts, tells = c.Hosts, make([]netip.Addr, len(c.Hosts))
	for i := range hosts {
		tells[i] = c.advertised(i)
	}
	if host != "" {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("%s address %q: the host is not an IP address", service, address)
		}
		hosts, tells = []netip.Addr{addr}, []netip.Addr{addr}
		for i, h := range c.Hosts {
			if h == addr {
				tells[0] = c.advertised(i)
			}
		}
	}
	return hosts, tells, uint16(number), nil
}

// bind opens a socket for every host that the address of the service stands for. With port 0 all get the same free port.
// What was opened before an error is closed again.
func (c *Config) bind(ctx context.Context, service, network, address string, open opener) ([]io.Closer, []endpoint, error) {
	hosts, tells, port, err := c.readAddress(service, address)
	if err != nil {
		return nil, nil, err
	}
	for try := 1; ; try++ {
		socks, ends, err := bindHosts(ctx, service, network, hosts, port, open)
		if err != nil && port == 0 && try < samePortTries && addressInUse(err) {
			continue
		}
		for i := range ends {
			for j, h := range hosts {
				if h == ends[i].local.Addr() {
					ends[i].tell = tells[j]
				}
			}
		}
		return socks, ends, err
	}
}

func bindHosts(ctx context.Context, service, network string, hosts []netip.Addr, port uint16, open opener) (socks []io.Closer, ends []endpoint, err error) {
	for _, host := range hosts {
		family := network
		if host.IsUnspecified() {
			// One socket each, so that a datagram over IPv4 has an IPv4 address, TTL and control messages.
			family += map[bool]string{false: "4", true: "6"}[host.Is6()]
		}
		address := netip.AddrPortFrom(host, port).String()
		sock, addr, err := open(ctx, family, address)
		if err != nil {
			if host.IsUnspecified() && len(socks) > 0 && !addressInUse(err) && !errors.Is(err, fs.ErrPermission) {
				continue // a machine without IPv6
			}
			closeAll(socks)
			return nil, nil, &ListenError{Service: service, Network: network, Address: address, Err: err}
		}
		local := addrPort(addr)
		if port == 0 {
			port = local.Port()
		}
		socks = append(socks, sock)
		ends = append(ends, endpoint{service: service, local: netip.AddrPortFrom(host, local.Port())})
	}
	return socks, ends, nil
}

func closeAll(socks []io.Closer) {
	for _, sock := range socks {
		sock.Close()
	}
}

// addrPort returns the address and port of a net.Addr of any making, or the zero one.
func addrPort(addr net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch addr := addr.(type) {
	case nil:
	case *net.UDPAddr:
		ap = addr.AddrPort()
	case *net.TCPAddr:
		ap = addr.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(addr.String())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// ownAddress returns the address of this machine that others most likely reach it by: that of the first interface which is
// up, public before private, IPv4 before IPv6; loopback if there is no other. Nothing is sent to find it.
func ownAddress() netip.Addr {
	best, rank := netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0
	ifaces, err := net.Interfaces()
	if err != nil {
		return best
	}
	for _, iface := range ifaces {
		addrs, err := iface.Addrs()
		if err != nil || iface.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err != nil || !prefix.Addr().IsGlobalUnicast() {
				continue
			}
			r := 1
			if !prefix.Addr().IsPrivate() {
				r += 2
			}
			if prefix.Addr().Is4() {
				r++
			}
			if r > rank {
				best, rank = prefix.Addr(), r
			}
		}
	}
	return best
}
