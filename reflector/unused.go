package reflector

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// checkUnused refuses addresses of [Config.Unused] at which somebody listens, or nobody can be.
func (c *Config) checkUnused() error {
	c.Unused = unmap(c.Unused)
	for _, addr := range c.Unused {
		switch {
		case !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr.Zone() != "":
			return fmt.Errorf("unused %s: not a unicast address", addr)
		case slices.ContainsFunc(c.Hosts, netip.Addr.IsUnspecified):
			return errors.New("unused: without a host every address is listened on")
		case slices.Contains(c.Hosts, addr) || slices.Contains(c.Advertise, addr):
			return fmt.Errorf("unused %s: it is one of the hosts", addr)
		}
	}
	return nil
}

// listenUnused makes the list of what clients may be told of [Config.Unused]. It refuses an address on which one service is, by
// an address of its own or as clients know it.
func (s *Server) listenUnused() error {
	if len(s.cfg.Unused) == 0 {
		return nil
	}
	for i := range s.cfg.Unused {
		s.unused = append(s.unused, s.cfg.advertised(len(s.cfg.Hosts)+i))
	}
	var ends []endpoint
	ends = append(ends, s.https...)
	for _, svc := range s.udp {
		ends = append(ends, svc.endpoint)
	}
	for _, l := range s.tcp {
		ends = append(ends, l.endpoint)
	}
	for _, end := range ends {
		at := end.local.Addr()
		switch {
		case slices.Contains(s.cfg.Unused, at) || at.IsUnspecified():
			return fmt.Errorf("unused: the service %s listens on %s", end.service, end.local)
		case slices.Contains(s.unused, end.tell):
			return fmt.Errorf("unused: clients are told %s for the service %s", end.tell, end.service)
		}
	}
	var kept []string
	for _, addr := range s.unused {
		if slices.ContainsFunc(s.https, func(end endpoint) bool { return !tellsUnused(addr, end.tell) }) {
			kept = append(kept, addr.String())
		}
	}
	if kept != nil {
		s.cfg.Log.Warn("unused addresses are private: who comes to another kind of address is not told; --advertise names the public ones, after those of the hosts",
			"unused", strings.Join(kept, " "))
	}
	return nil
}

// unusedFor returns what a client is told of [Config.Unused] whose HTTPS request came to the given address of ours.
func (s *Server) unusedFor(arrived netip.AddrPort) (list []netip.Addr) {
	came := arrived.Addr()
	for _, end := range s.https {
		if end.local == arrived {
			came = end.own(arrived).Addr()
		}
	}
	for _, addr := range s.unused {
		if tellsUnused(addr, came) {
			list = append(list, addr)
		}
	}
	return list
}

// tellsUnused reports whether an unused address is of use to a client that came to another one, as it knows that. What is private
// leads the client to a place in its own network where somebody may well listen, unless it came to us by such an address itself.
func tellsUnused(addr, came netip.Addr) bool {
	return reach(addr) == reachAll || addr.Is6() == came.Is6() && reach(came) <= reach(addr)
}

// reachAll is the reach of a public address.
const reachAll = 3

// reach orders addresses by how far away those are who can reach them: this machine, this link, this site or the Internet.
func reach(addr netip.Addr) int {
	switch {
	case addr.IsLoopback():
		return 0
	case addr.IsLinkLocalUnicast():
		return 1
	case isPrivate(addr):
		return 2
	}
	return reachAll
}
