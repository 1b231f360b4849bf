package reflector

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"nofixup/reflector/wire"
)

// portRange are the ports of media, the first one even and the last one odd; the zero range is none. It is the same on every
// address that has media.
type portRange struct{ first, last uint16 }

func (r portRange) pairs() int {
	if r.last == 0 {
		return 0
	}
	return (int(r.last) - int(r.first) + 1) / 2
}

// holds says whether the port is one of them.
func (r portRange) holds(port uint16) bool { return r.last != 0 && r.first <= port && port <= r.last }

// pair returns the port for RTP of a pair, of which there are so many that they turn in a circle.
func (r portRange) pair(nth int) uint16 { return r.first + 2*uint16(nth%r.pairs()) }

// index is the inverse of pair.
func (r portRange) index(port uint16) int { return int(port-r.first) / 2 }

// far returns the pair that is farthest away: an end of the range.
func (r portRange) far(port uint16) uint16 {
	if n := r.pairs(); 2*r.index(port) < n {
		return r.pair(n - 1)
	}
	return r.first
}

// freePairs is how many pairs of free ports there are where none are named.
const freePairs = 8

// readPairs reads what [readPorts] does, and wants pairs of ports; the one port 0 stands for pairs that are free.
func readPairs(service, address string) ([]string, error) {
	addresses, err := readPorts(service, address)
	if err != nil {
		return nil, err
	}
	_, first, err := net.SplitHostPort(addresses[0])
	switch port, perr := strconv.ParseUint(first, 10, 16); {
	case err != nil || perr != nil:
		return nil, fmt.Errorf("%s address %q: want FIRST-LAST, HOST:FIRST-LAST, :0 or off", service, address)
	case port != 0 && (port%2 != 0 || len(addresses)%2 != 0):
		return nil, fmt.Errorf("%s address %q: media goes by pairs of ports, the even one first (RFC 3550 11)", service, address)
	}
	return addresses, nil
}

// listenMedia opens the sockets of media.
func (s *Server) listenMedia(ctx context.Context, bind binder) error {
	if s.cfg.Media == Off {
		return nil
	}
	addresses, err := readPairs(ServiceMedia, s.cfg.Media)
	if err != nil {
		return err
	}
	if host, port, _ := net.SplitHostPort(addresses[0]); isFree(port) { // readPairs has split it as well
		return s.listenFreeMedia(ctx, host)
	}
	for _, address := range addresses {
		socks, ends, err := bind(ServiceMedia, "udp", address)
		if err != nil {
			return err
		}
		s.takeMedia(socks, ends)
	}
	return nil
}

// listenFreeMedia looks for pairs of ports that follow each other and are free on every host.
func (s *Server) listenFreeMedia(ctx context.Context, host string) error {
	for try := 1; ; try++ {
		probe, ends, err := s.cfg.bind(ctx, ServiceMedia, "udp", net.JoinHostPort(host, "0"), s.openPacket)
		if err != nil {
			return err
		}
		closeAll(probe)
		first := ends[0].local.Port() &^ (2*freePairs - 1)
		var all []io.Closer
		var where []endpoint
		for i := range uint16(2 * freePairs) {
			socks, ends, failed := s.cfg.bind(ctx, ServiceMedia, "udp", net.JoinHostPort(host, strconv.Itoa(int(first+i))), s.openPacket)
			if err = failed; err != nil {
				break
			}
			all, where = append(all, socks...), append(where, ends...)
		}
		if err == nil {
			s.takeMedia(all, where)
			return nil
		}
		closeAll(all)
		if try >= samePortTries || !addressInUse(err) {
			return err
		}
	}
}

// takeMedia adds sockets of media, in the order of their ports.
func (s *Server) takeMedia(socks []io.Closer, ends []endpoint) {
	for i, sock := range socks {
		s.media = append(s.media, &service{endpoint: ends[i], sock: newSocket(sock.(net.PacketConn), ends[i].local)})
	}
	s.mediaPorts = portRange{s.media[0].local.Port(), s.media[len(s.media)-1].local.Port()}
}

// mediaRanges returns what a client is told whose HTTPS request came to the given address.
func (s *Server) mediaRanges(arrived netip.Addr) (list []wire.MediaPorts) {
	for _, svc := range s.media {
		if svc.local.Port() != s.mediaPorts.first {
			continue
		}
		if told, ok := svc.told(arrived); ok {
			list = append(list, wire.MediaPorts{Addr: told.Addr().WithZone(""), First: s.mediaPorts.first, Last: s.mediaPorts.last})
		}
	}
	return list
}

// mediaSocket returns the socket of a port of media on an address of ours, as arrival gives it, or nil.
func (s *Server) mediaSocket(local netip.Addr, port uint16) *service {
	var wild *service
	for _, svc := range s.media {
		switch at := svc.local; {
		case at.Port() != port:
		case at.Addr() == local:
			return svc
		case at.Addr().IsUnspecified() && at.Addr().Is6() == local.Is6():
			wild = svc
		}
	}
	return wild
}

// otherHost returns the socket of a port of media on another address than the given one, of the same family, or nil. What is
// bound to all addresses knows no other one.
func (s *Server) otherHost(local netip.Addr, port uint16) *service {
	for _, svc := range s.media {
		addr := svc.local.Addr()
		if svc.local.Port() == port && addr != local && !addr.IsUnspecified() && addr.Is6() == local.Is6() {
			return svc
		}
	}
	return nil
}

// checkMediaPort refuses an action whose Port is none for RTP on the address that its message came to.
func (s *Server) checkMediaPort(local netip.Addr, port uint16) error {
	if port%2 != 0 || s.mediaSocket(local, port) == nil {
		return refuse(http.StatusBadRequest, "port: not one for RTP on the address that the message came to", "an even port of media in the grant")
	}
	return nil
}
