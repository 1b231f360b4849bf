package reflector

import (
	"errors"
	"net/netip"
	"slices"
)

// outlet is what octets leave through: a UDP socket, or a TCP connection, which has its addresses already.
type outlet interface {
	write(b []byte, local, remote netip.AddrPort) error
}

// leave is what allows octets to go out: one of the two. The zero leave allows none.
type leave struct {
	request int  // octets of the datagram that is answered: the answer may have as many
	proven  bool // the address has proven itself to the session that is answered, or acts: any length

	credit *credit // media: what may go out, from which this is taken; nil for what is no media
}

// credit is how much media may go out: as much as has come in from the same address, or a fixed number of pinhole datagrams.
type credit struct{ packets, octets int }

// take takes one packet of n octets off, or says that there is not so much.
func (c *credit) take(n int) bool {
	if c.packets < 1 || c.octets < n {
		return false
	}
	c.packets--
	c.octets -= n
	return true
}

// minAnsweredPort is the lowest port that anything is sent to: below are the well-known services (RFC 6335 6), which a
// forged source address would make the victims of a loop.
const minAnsweredPort = 1024

// Reasons for which send refuses.
var (
	errLarger = errors.New("send: the answer is larger than the request")
	errPort   = errors.New("send: the port could be another service's")
	errCredit = errors.New("send: more media than has come from there")
)

// send is the only place where octets leave the ports that take probes. They go to where something came from; to an address
// that has not proven itself they are an answer no longer than its request, whoever composed it. Media goes to proven
// addresses alone, and only on credit, which is spent here and whether or not the system takes the packet.
func (s *Server) send(to outlet, b []byte, why leave, local, remote netip.AddrPort) error {
	switch {
	case remote.Port() < minAnsweredPort:
		return errPort
	case !why.proven && (len(b) > why.request || why.credit != nil):
		return errLarger
	case why.credit != nil && isServicePort(remote.Port()):
		return errPort
	case why.credit != nil && !why.credit.take(len(b)):
		return errCredit
	}
	return to.write(b, local, remote)
}

// servicePorts are ports from 1024 on that are known for a service over UDP which answers (IANA's registry of service names).
// Media may be announced anywhere, but nobody's media is there.
var servicePorts = [...]uint16{
	1194, 1433, 1434, 1645, 1646, 1701, 1718, 1719, 1812, 1813, 1900, 2049, 2123, 2152, 3389, 3478, 3479, 3702, 4500, 4789, 5060,
	5061, 5349, 5350, 5351, 5353, 5355, 5683, 5684, 6081, 6881, 11211, 27015, 51820,
}

// isServicePort says whether media never goes to that port.
func isServicePort(port uint16) bool {
	return port < minAnsweredPort || slices.Contains(servicePorts[:], port)
}
