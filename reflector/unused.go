package reflector

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// listensUnused refuses an address of [Config.Unused] on which one service is, by an address of its own.
func (s *Server) listensUnused() error {
	var ends []endpoint
	ends = append(ends, s.https...)
	for _, svc := range s.udp {
		ends = append(ends, svc.endpoint)
	}
	for _, l := range s.tcp {
		ends = append(ends, l.endpoint)
	}
	for _, end := range ends {
		if at := end.local.Addr(); slices.Contains(s.cfg.Unused, at) || len(s.cfg.Unused) > 0 && at.IsUnspecified() {
			return fmt.Errorf("unused: the service %s listens on %s", end.service, end.local)
		}
	}
	return nil
}
