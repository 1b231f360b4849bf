package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"nofixup/alg"
)

// socket is one UDP socket that flows share: all flows from one source port of one family.
type socket struct {
	conn  net.PacketConn
	local netip.AddrPort
}

// flow is a planned flow with its socket, and with what was learnt about it.
type flow struct {
	alg.Flow
	plan   PlannedFlow
	socket *socket
	mapped netip.AddrPort // the source that the reflector saw last
	nonce  string         // what the reflector's answers call themselves by; sent back, it proves the source address
}

// openSocket binds a source port at an address.
func openSocket(ctx context.Context, network Network, local netip.Addr, port alg.SourcePort) (*socket, error) {
	conn, err := network.ListenPacket(ctx, "udp", netip.AddrPortFrom(local, uint16(port)).String())
	if err != nil {
		return nil, err
	}
	addr, err := addrPort(conn.LocalAddr())
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &socket{conn: conn, local: addr}, nil
}

// read hands every datagram that arrives to take until the socket is closed. An ICMP error that the system reports for a
// datagram sent earlier, or that an interface went down, is no end: the socket lives on.
func (s *socket) read(take func(raw []byte, at time.Time)) {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(pace) // an error that stays must not make this spin
			continue
		}
		take(append([]byte(nil), buf[:n]...), time.Now())
	}
}

// localAddr returns the address that the system sends from towards a target.
func localAddr(ctx context.Context, network Network, target netip.AddrPort) (netip.Addr, error) {
	conn, err := network.DialContext(ctx, "udp", "", target.String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	addr, err := addrPort(conn.LocalAddr())
	return addr.Addr(), err
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	if u, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		ap := u.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
}

// mediaPorts hands out even ports that no message of this run or of one within the last four minutes announced. A Linux
// helper holds an announced port for 180 s and drops a message from another flow that announces it again: that would look
// like a drop where there is none (and it would be ours).
type portWalk struct {
	mu   sync.Mutex
	next int
}

const (
	firstMediaPort = 10000
	mediaPortSpan  = 48000 // 24,000 even ports: at 100 a second the walk takes 240 s
)

// newPortWalk starts where the time of day says, so that runs one after the other do not meet.
func newPortWalk(now time.Time) *portWalk {
	return &portWalk{next: int(now.UnixMilli() / 10 % (mediaPortSpan / 2))}
}

// take returns the first of n ports, an even one of five digits.
func (w *portWalk) take(n int) uint16 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next*2+n > mediaPortSpan {
		w.next = 0
	}
	port := firstMediaPort + 2*w.next
	w.next += (n + 1) / 2
	return uint16(port)
}
