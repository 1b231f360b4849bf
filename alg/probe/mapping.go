package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nofixup/alg"
)

// mappings are what became of the source of each path over UDP: of the first of its flows that the reflector saw, which every
// step but the last few shares.
func mappings(flows []alg.Flow) []alg.Mapping {
	var out []alg.Mapping
	for i := range flows {
		f := &flows[i]
		known := slices.ContainsFunc(out, func(m alg.Mapping) bool { return m.Path == f.Path })
		if f.Path.Transport == "udp" && f.Outside[0].IsValid() && !known {
			out = append(out, alg.Mapping{Path: f.Path, Inside: f.Inside[0], Outside: f.Outside[0]})
		}
	}
	return out
}

// mappingNotes says in words what is unusual about the mappings. None of it is interference, but far ends and phones that
// expect it otherwise stumble: over a source port that is not kept, over one that differs by destination (RFC 4787 4.1), and
// over signalling that comes from another address than media.
func mappingNotes(all []alg.Mapping) []string {
	var notes []string
	note := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(notes, text) {
			notes = append(notes, text)
		}
	}
	for i, m := range all {
		if m.Outside.Port() != m.Inside.Port() {
			note("the NAT does not keep source port %s over UDP to port %d: %s became %s", m.Path.SourcePort, m.Path.Port, m.Inside, m.Outside)
		}
		for _, o := range all[:i] {
			if o.Inside == m.Inside && o.Outside.Addr() == m.Outside.Addr() && o.Outside.Port() != m.Outside.Port() {
				note("the NAT gives one source port another mapping for each destination: %s became %s to port %d and %s to port %d",
					m.Inside, o.Outside, o.Path.Port, m.Outside, m.Path.Port)
			}
		}
	}
	for _, family := range []int{4, 6} {
		signalling, other := outsides(all, family, false), outsides(all, family, true)
		if len(signalling) == 0 || len(other) == 0 || slices.ContainsFunc(signalling, func(s string) bool { return slices.Contains(other, s) }) {
			continue
		}
		note("signalling over UDP comes from another public address than other UDP does: %s and %s; so may media, as with routers that "+
			"send port 5060 out by a line of its own", strings.Join(signalling, ", "), strings.Join(other, ", "))
	}
	return notes
}

// outsides are the public addresses of the paths of a family to the control port, or to the ports of protocols.
func outsides(all []alg.Mapping, family int, control bool) []string {
	var addrs []netip.Addr
	for _, m := range all {
		if m.Path.Family == family && m.Path.Control == control && m.Path.Port != 5061 && !slices.Contains(addrs, m.Outside.Addr()) {
			addrs = append(addrs, m.Outside.Addr())
		}
	}
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
