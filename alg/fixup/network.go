package fixup

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Config describes a network. The zero value is the topology of the package
// comment with plain NAT, no latency and no loss.
type Config struct {
	// Style is the name of one of [Styles]; empty means "none".
	Style string
	// Latency is what every packet between the hosts takes, one way. The box
	// sits at the sender: it sees a packet the moment it is sent.
	Latency time.Duration
	// Loss is the share of datagrams that get lost between the box and the
	// outside, 0 to 1, in each direction on its own. TCP never loses anything.
	Loss float64
	// Seed fixes which datagrams get lost, and what else is left to chance.
	Seed uint64
	// NoNAT makes the box a stateful filter that translates nothing.
	NoNAT bool

	// Block, unless nil, is asked about every packet before the box does
	// anything with it, and true makes it vanish there: the sender learns
	// nothing. The packet has the addresses that the sender uses, out says that
	// it comes from inside. A TCP connection whose first segment (Open) or the
	// answer to it vanishes is never made: DialContext waits as it does for an
	// address where nobody is. Later on the direction in question stalls for
	// good. Block must not change the payload nor use the network, and is
	// called from whichever goroutine sends.
	Block func(p Packet, out bool) bool
	// Refuse is asked as Block is, of what Block lets through, about TCP only:
	// true resets the connection. Of the first segment that is ECONNREFUSED for
	// DialContext, later on ECONNRESET for both ends.
	Refuse func(p Packet, out bool) bool

	// Inside lists the addresses of the inside host, the default source
	// address of each family first. Empty means 10.0.0.9 and fd00:10::9.
	Inside []netip.Addr
	// Public is the outer address of the box. Zero means 198.51.100.2.
	Public netip.Addr
	// Outside lists the addresses of the outside host, as Inside does. Empty
	// means 203.0.113.10, 203.0.113.11 and 2001:db8:203::10.
	Outside []netip.Addr
}

// Network is two hosts with a [Box] between them. All methods of it and of its
// hosts may be used from several goroutines.
type Network struct {
	box     *Box
	latency time.Duration
	loss    float64
	inside  *Host
	outside *Host

	mu     sync.Mutex // guards what follows and the tables of both hosts
	out    *rand.Rand // fate of the datagrams to the outside
	in     *rand.Rand // and of those from there
	open   map[io.Closer]struct{}
	closed bool
}

// New builds a network. It fails for a style that is unknown (the error lists
// the known ones), a loss outside 0 to 1 and a negative latency. Nothing has to
// be released: Close is for unblocking whoever still waits.
func New(cfg Config) (*Network, error) {
	if !(cfg.Loss >= 0 && cfg.Loss <= 1) {
		return nil, fmt.Errorf("fixup: loss %v: not in 0 to 1", cfg.Loss)
	}
	if cfg.Latency < 0 {
		return nil, fmt.Errorf("fixup: latency %v: negative", cfg.Latency)
	}
	cfg.fill()
	box, err := NewBox(cfg)
	if err != nil {
		return nil, err
	}
	n := &Network{
		box:     box,
		latency: cfg.Latency,
		loss:    cfg.Loss,
		out:     rand.New(rand.NewPCG(cfg.Seed, 0)),
		in:      rand.New(rand.NewPCG(cfg.Seed, 1)),
		open:    make(map[io.Closer]struct{}),
	}
	n.inside = newHost(n, cfg.Inside)
	n.outside = newHost(n, cfg.Outside)
	return n, nil
}

func (c *Config) fill() {
	if len(c.Inside) == 0 {
		c.Inside = []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00:10::9")}
	}
	if !c.Public.IsValid() {
		c.Public = netip.MustParseAddr("198.51.100.2")
	}
	if len(c.Outside) == 0 {
		c.Outside = []netip.Addr{
			netip.MustParseAddr("203.0.113.10"),
			netip.MustParseAddr("203.0.113.11"),
			netip.MustParseAddr("2001:db8:203::10"),
		}
	}
}

// Inside is the host behind the box.
func (n *Network) Inside() *Host { return n.inside }

// Outside is the host in front of it.
func (n *Network) Outside() *Host { return n.outside }

// Box is the box between them.
func (n *Network) Box() *Box { return n.box }

// Close closes every socket, so that whoever waits on one returns with
// [net.ErrClosed]. Nothing can be opened afterwards.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	open := make([]io.Closer, 0, len(n.open))
	for c := range n.open {
		open = append(open, c)
	}
	n.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	return nil
}

// carry takes one packet from a host through the box, if it has to pass there,
// to the host that it is for. The host is nil unless it passes: stray
// destination, no binding, stopped by the style or a fault.
func (n *Network) carry(from *Host, p Packet) (*Host, Packet, fate) {
	if from.owns(p.Dst.Addr()) {
		return from, p, fatePassed
	}
	to := n.inside
	if from == n.inside {
		to = n.outside
	}
	p, how := n.box.through(p, from == n.inside)
	switch {
	case how != fatePassed:
		return nil, p, how
	case !to.owns(p.Dst.Addr()):
		return nil, p, fateDropped
	}
	return to, p, fatePassed
}

// lost draws the fate of one datagram. The loss is on the far side of the box,
// which therefore sees what is lost on the way out, not what is lost on the
// way in.
func (n *Network) lost(r *rand.Rand) bool {
	if n.loss == 0 {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return r.Float64() < n.loss
}

// delay is how long a packet between the two hosts takes.
func (n *Network) delay(a, b *Host) time.Duration {
	if a == b {
		return 0
	}
	return n.latency
}

// Host is one end of the network. Its methods have the signatures of package
// net's, except that DialContext also takes the local address.
type Host struct {
	net   *Network
	addrs []netip.Addr

	// guarded by net.mu
	udp   map[netip.AddrPort]*packetConn
	tcp   map[netip.AddrPort]*listener
	conns map[tuple]*conn
	next  uint16 // ephemeral port to try next
}

type tuple struct{ local, remote netip.AddrPort }

// The ephemeral range of RFC 6335 section 6.
const ephemeralFirst, ephemeralLast = 49152, 65535

func newHost(n *Network, addrs []netip.Addr) *Host {
	return &Host{
		net:   n,
		addrs: slices.Clone(addrs),
		udp:   make(map[netip.AddrPort]*packetConn),
		tcp:   make(map[netip.AddrPort]*listener),
		conns: make(map[tuple]*conn),
		next:  ephemeralFirst,
	}
}

// Addrs lists the addresses of the host, the default one of a family first.
func (h *Host) Addrs() []netip.Addr { return slices.Clone(h.addrs) }

func (h *Host) owns(a netip.Addr) bool { return slices.Contains(h.addrs, a) }

// source is the address that the host uses towards to, or the zero Addr when
// it has none of that family.
func (h *Host) source(to netip.Addr) netip.Addr {
	if h.owns(to) {
		return to
	}
	for _, a := range h.addrs {
		if a.Is4() == to.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// covered lists the addresses that a socket bound to a occupies: a itself, or
// every address of the host that fits the network when a is unspecified.
func (h *Host) covered(network string, a netip.Addr) []netip.Addr {
	if !a.IsUnspecified() {
		if h.owns(a) {
			return []netip.Addr{a}
		}
		return nil
	}
	var all []netip.Addr
	for _, x := range h.addrs {
		if fits(network, x) && (a.Is6() || x.Is4()) {
			all = append(all, x)
		}
	}
	return all
}

// ephemeral finds a port that taken refuses for none of the addresses. net.mu
// is held.
func (h *Host) ephemeral(addrs []netip.Addr, taken func(netip.AddrPort) bool) (uint16, error) {
next:
	for range ephemeralLast - ephemeralFirst + 1 {
		port := h.next
		if h.next++; h.next < ephemeralFirst {
			h.next = ephemeralFirst
		}
		for _, a := range addrs {
			if taken(netip.AddrPortFrom(a, port)) {
				continue next
			}
		}
		return port, nil
	}
	return 0, syscall.EADDRINUSE
}

// fits reports whether the network ("udp", "tcp4", ...) carries the address.
func fits(network string, a netip.Addr) bool {
	switch network[len(network)-1] {
	case '4':
		return a.Is4()
	case '6':
		return a.Is6()
	}
	return true
}

// parse reads "host:port" where either may be missing: the unspecified address
// and port 0. Hosts are literals.
func parse(network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var port uint64
	if service != "" {
		if port, err = strconv.ParseUint(service, 10, 16); err != nil {
			return netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: address}
		}
	}
	a := netip.IPv6Unspecified()
	if network[len(network)-1] == '4' {
		a = netip.IPv4Unspecified()
	}
	if host != "" {
		if a, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, &net.AddrError{Err: "not an address, and there is no name service here", Addr: host}
		}
		a = a.Unmap()
	}
	if !a.IsUnspecified() && !fits(network, a) {
		return netip.AddrPort{}, &net.AddrError{Err: "address of the wrong family for " + network, Addr: host}
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}
