package reflector

import (
	"bytes"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// socket is a UDP socket as the receive path needs it. One goroutine reads, and it looks at the arrival of a datagram
// before it reads the next one.
type socket interface {
	// read fills b with one datagram, cut to len(b), and says where it came from.
	read(b []byte) (n int, remote netip.AddrPort, err error)
	// arrival tells where the datagram read last came to, its TTL or hop limit, 0 where the system does not say, and its octet of
	// DSCP and ECN, noTOS where the system does not say.
	arrival() (local netip.AddrPort, ttl, tos int)
	// write sends b from the local address, as arrival gave it.
	write(b []byte, local, remote netip.AddrPort) error
	Close() error
}

// readBuffer is the room in octets for datagrams that wait to be read: a flood is shed faster than it comes, if only just.
const readBuffer = 1 << 20

// newSocket wraps what a Network opened.
func newSocket(conn net.PacketConn, local netip.AddrPort) socket {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return &packetSocket{PacketConn: conn, local: local}
	}
	s := &udpSocket{UDPConn: udp, local: local}
	_ = udp.SetReadBuffer(readBuffer) // the system may give less
	// Where the system has no such control messages, receipts have no TTL; nothing else depends on it but the local
	// address on a wildcard socket.
	flags4, flags6 := ipv4.FlagTTL, ipv6.FlagHopLimit
	if local.Addr().IsUnspecified() {
		flags4, flags6 = flags4|ipv4.FlagDst, flags6|ipv6.FlagDst
	}
	if local.Addr().Is4() {
		_ = ipv4.NewPacketConn(udp).SetControlMessage(flags4, true)
		receiveTOS(udp)
	} else {
		_ = ipv6.NewPacketConn(udp).SetControlMessage(flags6|ipv6.FlagTrafficClass, true)
	}
	return s
}

// udpSocket is a socket of the system. TTL and destination come as control messages, which are only parsed for datagrams
// that turned out to be worth it.
type udpSocket struct {
	*net.UDPConn
	local netip.AddrPort
	oob   [128]byte
	oobn  int
	last  arrived // most datagrams of a client arrive as the one before, and parsing costs allocations
}

// arrived is a control message and what it says.
type arrived struct {
	oob   []byte
	local netip.AddrPort
	ttl   int
	tos   int
}

// noTOS stands for an octet of DSCP and ECN that is not known.
const noTOS = -1

func (s *udpSocket) read(b []byte) (int, netip.AddrPort, error) {
	n, oobn, _, remote, err := s.ReadMsgUDPAddrPort(b, s.oob[:])
	s.oobn = oobn
	return n, remote, err
}

func (s *udpSocket) arrival() (netip.AddrPort, int, int) {
	if oob := s.oob[:s.oobn]; !s.last.local.IsValid() || !bytes.Equal(oob, s.last.oob) {
		local, ttl, tos := s.parse(oob)
		s.last = arrived{append(s.last.oob[:0], oob...), local, ttl, tos}
	}
	return s.last.local, s.last.ttl, s.last.tos
}

func (s *udpSocket) parse(oob []byte) (netip.AddrPort, int, int) {
	var dst net.IP
	ttl, tos := 0, noTOS
	if s.local.Addr().Is4() {
		var cm ipv4.ControlMessage
		if cm.Parse(oob) == nil {
			dst, ttl = cm.Dst, cm.TTL
		}
		tos = parseTOS(oob)
	} else {
		var cm ipv6.ControlMessage
		if cm.Parse(oob) == nil {
			dst, ttl = cm.Dst, cm.HopLimit
			if cm.HopLimit > 0 { // a system that tells one of them tells both (RFC 3542 6)
				tos = cm.TrafficClass
			}
		}
	}
	local := s.local
	if addr, ok := netip.AddrFromSlice(dst); ok && local.Addr().IsUnspecified() {
		local = netip.AddrPortFrom(addr.Unmap(), local.Port())
	}
	return local, ttl, tos
}

// write sends from the address that the request came to: a client, and every NAT on the way, expects the answer from there,
// and on a wildcard socket the system would choose the address of the route back.
func (s *udpSocket) write(b []byte, local, remote netip.AddrPort) error {
	var oob []byte
	if s.local.Addr().IsUnspecified() && !local.Addr().IsUnspecified() {
		if src := local.Addr().AsSlice(); local.Addr().Is4() {
			oob = (&ipv4.ControlMessage{Src: src}).Marshal()
		} else {
			oob = (&ipv6.ControlMessage{Src: src}).Marshal()
		}
	}
	if oob == nil {
		_, err := s.WriteToUDPAddrPort(b, remote)
		return err
	}
	_, _, err := s.WriteMsgUDPAddrPort(b, oob, remote)
	return err
}

// packetSocket is a socket of any other network.
type packetSocket struct {
	net.PacketConn
	local netip.AddrPort
}

func (s *packetSocket) read(b []byte) (int, netip.AddrPort, error) {
	n, addr, err := s.ReadFrom(b)
	return n, addrPort(addr), err
}

func (s *packetSocket) arrival() (netip.AddrPort, int, int) { return s.local, 0, noTOS }

func (s *packetSocket) write(b []byte, _, remote netip.AddrPort) error {
	_, err := s.WriteTo(b, net.UDPAddrFromAddrPort(remote))
	return err
}
