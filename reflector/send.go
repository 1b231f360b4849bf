package reflector

import (
	"errors"
	"net/netip"
)

// outlet is what octets leave through: a UDP socket, or a TCP connection, which has its addresses already.
type outlet interface {
	write(b []byte, local, remote netip.AddrPort) error
}

// leave is what allows octets to go out: one of the two. The zero leave allows none.
type leave struct {
	request int  // octets of the datagram that is answered: the answer may have as many
	proven  bool // the address has proven itself to the session that is answered, or acts: any length
}

// minAnsweredPort is the lowest port that anything is sent to: below are the well-known services (RFC 6335 6), which a
// forged source address would make the victims of a loop.
const minAnsweredPort = 1024

// Reasons for which send refuses.
var (
	errLarger = errors.New("send: the answer is larger than the request")
	errPort   = errors.New("send: the port could be another service's")
)

// send is the only place where octets leave the ports that take probes. They go to where something came from; to an address
// that has not proven itself they are an answer no longer than its request, whoever composed it.
func (s *Server) send(to outlet, b []byte, why leave, local, remote netip.AddrPort) error {
	switch {
	case remote.Port() < minAnsweredPort:
		return errPort
	case !why.proven && len(b) > why.request:
		return errLarger
	}
	return to.write(b, local, remote)
}
