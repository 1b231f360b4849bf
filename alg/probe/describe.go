package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nofixup/alg"
)

// describe says what was learnt about the network.
func (r *runner) describe(n *alg.Network, flows []alg.Flow) {
	n.Local = r.local
	if d, ok := r.cfg.Network.(describer); ok {
		n.Interface, n.MTU = d.Interface(r.local)
		n.Notes = append(n.Notes, d.Notes(r.local)...)
	}
	for i := range flows {
		f := &flows[i]
		n.NAT = n.NAT || f.Translated()
		if f.Outside[0].IsValid() && (!n.Public.IsValid() || f.Inside[0].Addr() == r.local) {
			n.Public, n.Reflector = f.Outside[0].Addr(), f.Inside[1].Addr()
		}
	}
	if n.NAT {
		n.NATs = 1
	}
	for _, a := range r.inner {
		n.NATs = 2
		n.Notes = append(n.Notes, "a second NAT lies on the way: the box that rewrites knows this computer as "+a.String()+", and was tested with that address, too")
	}
	n.Notes = append(n.Notes, r.notes...)
	if !n.Reflector.IsValid() && len(r.plan.Flows) > 0 {
		n.Reflector = r.plan.Flows[0].Target.Addr()
	}
	n.Notes = append(n.Notes, r.publicAddresses(flows)...)
	n.Mappings = mappings(flows)
	n.Notes = append(n.Notes, mappingNotes(n.Mappings)...)
	r.mu.Lock()
	pollErr := r.pollErr
	r.mu.Unlock() // before the ledger's lock: with that held, messages are numbered under this one
	r.ledger.mu.Lock()
	dropped, flooded := r.ledger.dropped, r.ledger.flooded
	r.ledger.mu.Unlock()
	if pollErr != nil {
		n.Notes = append(n.Notes, "receipts stopped coming: "+pollErr.Error())
	}
	if flooded {
		n.Notes = append(n.Notes, "more came in over connections that the reflector did not send than is kept")
	}
	if dropped > 0 {
		n.Notes = append(n.Notes, "the session's budget was used up: some messages got no receipt")
	}
}

// publicAddresses says so where the network has several public addresses: HTTPS, UDP and TCP may leave by different lines, or
// a pool of addresses may be given out by the connection. It is no interference, but far ends that compare addresses stumble.
func (r *runner) publicAddresses(flows []alg.Flow) []string {
	type seen struct {
		addr netip.Addr
		by   []string
	}
	var notes []string
	for _, family := range []int{4, 6} {
		var all []seen
		add := func(addr netip.Addr, by string) {
			addr = addr.Unmap()
			if !addr.IsValid() || addr.Is6() != (family == 6) {
				return
			}
			i := slices.IndexFunc(all, func(s seen) bool { return s.addr == addr })
			if i < 0 {
				all, i = append(all, seen{addr: addr}), len(all)
			}
			if !slices.Contains(all[i].by, by) {
				all[i].by = append(all[i].by, by)
			}
		}
		for i := range flows {
			p := flows[i].Path
			add(flows[i].Outside[0].Addr(), fmt.Sprintf("%s %d", strings.ToUpper(p.Transport), p.Port))
		}
		add(r.session.Grant.Observed.Addr(), "HTTPS")
		if len(all) < 2 {
			continue
		}
		var parts []string
		for _, s := range all {
			slices.Sort(s.by)
			parts = append(parts, s.addr.String()+" ("+strings.Join(s.by, ", ")+")")
		}
		slices.Sort(parts)
		notes = append(notes, "the network has several public addresses: "+strings.Join(parts, " and "))
	}
	return notes
}
