package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"

	"nofixup/reflector/wire"
)

// reachable checks that HTTPS to an address of the reflector works, once for each. That a port is blocked can be said only
// where another one is open: an address to which nothing at all leads, a family whose route ends nowhere, is not tested.
func (r *runner) reachable(ctx context.Context, to, local netip.Addr) error {
	control, err := wire.ParseURL(r.session.Grant.Control)
	if r.session.Grant.Control == "" || err != nil {
		control, err = wire.ParseURL(r.cfg.Reflector)
	}
	if err != nil || r.cfg.Control.Proxy != nil || control.Hostname() == to.String() {
		return nil // it works, or there is no telling
	}
	if err, known := r.reached[to]; known {
		return err
	}
	port := uint64(443)
	if text := control.Port(); text != "" {
		port, _ = strconv.ParseUint(text, 10, 16) // ParseURL has read it
	}
	// Loss must not take a whole family out of the test.
	for range reachTries {
		if err = r.connectsTo(ctx, local, netip.AddrPortFrom(to, uint16(port))); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("HTTPS to %s does not get through (%s)", to, connectReason(err))
	}
	if r.reached == nil {
		r.reached = map[netip.Addr]error{}
	}
	r.reached[to] = err
	return err
}

// reachTries is how often an address is tried: with a tenth of all packets lost one in 20,000 is given up wrongly, and a family
// that leads nowhere, which is common, takes five seconds to be found out.
const reachTries = 3

// connectsTo reports why a connection to an address does not come about.
func (r *runner) connectsTo(ctx context.Context, local netip.Addr, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, connectTime+4*r.rtt)
	defer cancel()
	conn, err := r.cfg.Network.DialContext(ctx, "tcp", netip.AddrPortFrom(local, 0).String(), to.String())
	if err != nil {
		return err
	}
	return conn.Close()
}
