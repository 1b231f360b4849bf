package netlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Mode says what the router of a lab does with the packets it forwards.
type Mode string

// The modes. NAT is masquerading, for IPv4 and for IPv6.
const (
	ALG         Mode = "alg"          // NAT, with the SIP and H.323 helpers on their well-known ports
	Plain       Mode = "plain"        // the same NAT without helpers: a judge must call it clean
	Double      Mode = "double"       // as ALG, with a second, plain NAT between the host and the router; IPv4 only
	Firewall    Mode = "firewall"     // no NAT: a stateful filter that lets only answers in
	FirewallALG Mode = "firewall-alg" // the same filter with helpers: octets stay equal, announced ports open
)

// Modes returns every mode, for tests that run in all of them.
func Modes() []Mode { return []Mode{ALG, Plain, Double, Firewall, FirewallALG} }

// NAT reports whether the router translates addresses.
func (m Mode) NAT() bool { return m == ALG || m == Plain || m == Double }

// Helpers reports whether the router runs the kernel's SIP and H.323 helpers.
func (m Mode) Helpers() bool { return m == ALG || m == Double || m == FirewallALG }

// IPv6 reports whether the host "lan" has an IPv6 address.
func (m Mode) IPv6() bool { return m != Double }

// The IPv4 addresses of a lab.
var (
	InnerAddr    = netip.MustParseAddr("172.17.0.2")   // lan, in mode Double
	InnAddr      = netip.MustParseAddr("172.17.0.1")   // inn, the side of lan; mode Double
	LANAddr      = netip.MustParseAddr("10.0.0.9")     // lan, but in mode Double the outer side of inn
	RouterAddr   = netip.MustParseAddr("10.0.0.1")     // rtr, inside
	PublicAddr   = netip.MustParseAddr("198.51.100.2") // rtr, outside: the source wan sees behind NAT
	ISPAddr      = netip.MustParseAddr("198.51.100.1") // isp, the side of rtr
	ISPOuterAddr = netip.MustParseAddr("203.0.113.1")  // isp, the side of wan
	WANAddr      = netip.MustParseAddr("203.0.113.10") // wan
	WANAddr2     = netip.MustParseAddr("203.0.113.11") // wan, its second address
)

// The IPv6 addresses of a lab.
var (
	LANAddr6      = netip.MustParseAddr("fd00:10::9")
	RouterAddr6   = netip.MustParseAddr("fd00:10::1")
	PublicAddr6   = netip.MustParseAddr("2001:db8:51::2")
	ISPAddr6      = netip.MustParseAddr("2001:db8:51::1")
	ISPOuterAddr6 = netip.MustParseAddr("2001:db8:203::1")
	WANAddr6      = netip.MustParseAddr("2001:db8:203::10")
)

// Local returns the IPv4 address the host "lan" itself has: [LANAddr], in mode [Double] [InnerAddr].
func (m Mode) Local() netip.Addr {
	if m == Double {
		return InnerAddr
	}
	return LANAddr
}

// Source returns the IPv4 address that "wan" sees as the source of a packet from "lan".
func (m Mode) Source() netip.Addr {
	if m.NAT() {
		return PublicAddr
	}
	return LANAddr
}

// Source6 is [Mode.Source] for IPv6. In mode [Double], which has none, it is the zero Addr.
func (m Mode) Source6() netip.Addr {
	switch {
	case !m.IPv6():
		return netip.Addr{}
	case m.NAT():
		return PublicAddr6
	}
	return LANAddr6
}

// topology is a lab on paper: what to create, in the words of ip and nft.
type topology struct {
	hosts  []string
	cables [][2]plug
	routes []route
	rules  map[string]string // host to nft ruleset
}

// plug is one end of a cable.
type plug struct {
	host, device string
	addrs        []netip.Prefix
}

type route struct {
	host string
	to   string // a prefix or "default"
	via  netip.Addr
}

// topology draws the lab of mode m.
func (m Mode) topology() (topology, error) {
	if !slices.Contains(Modes(), m) {
		return topology{}, fmt.Errorf("unknown mode %q", m)
	}
	v4 := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 24) }
	v6 := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 64) }
	inner := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 16) }
	inside := plug{"rtr", "r0", []netip.Prefix{v4(RouterAddr), v6(RouterAddr6)}}
	tp := topology{
		hosts: []string{"lan", "rtr", "isp", "wan"},
		cables: [][2]plug{
			{
				{"rtr", "r1", []netip.Prefix{v4(PublicAddr), v6(PublicAddr6)}},
				{"isp", "i0", []netip.Prefix{v4(ISPAddr), v6(ISPAddr6)}},
			},
			{
				{"isp", "i1", []netip.Prefix{v4(ISPOuterAddr), v6(ISPOuterAddr6)}},
				{"wan", "w0", []netip.Prefix{v4(WANAddr), v4(WANAddr2), v6(WANAddr6)}},
			},
		},
		routes: []route{
			{"rtr", "default", ISPAddr},
			{"rtr", "default", ISPAddr6},
			{"wan", "default", ISPOuterAddr},
			{"wan", "default", ISPOuterAddr6},
		},
		rules: map[string]string{"rtr": m.routerRules()},
	}
	if m == Double {
		tp.hosts = []string{"lan", "inn", "rtr", "isp", "wan"}
		tp.cables = append(tp.cables,
			[2]plug{
				{"lan", "l0", []netip.Prefix{inner(InnerAddr)}},
				{"inn", "n0", []netip.Prefix{inner(InnAddr)}},
			},
			[2]plug{{"inn", "n1", []netip.Prefix{v4(LANAddr)}}, inside})
		tp.routes = append(tp.routes, route{"lan", "default", InnAddr}, route{"inn", "default", RouterAddr})
		tp.rules["inn"] = "table ip netlab {\n" + masquerade("n1") + "}\n"
	} else {
		tp.cables = append(tp.cables,
			[2]plug{{"lan", "l0", []netip.Prefix{v4(LANAddr), v6(LANAddr6)}}, inside})
		tp.routes = append(tp.routes, route{"lan", "default", RouterAddr}, route{"lan", "default", RouterAddr6})
	}
	if !m.NAT() {
		// Without NAT the Internet has to know the way to the private network.
		tp.routes = append(tp.routes,
			route{"isp", v4(LANAddr).Masked().String(), PublicAddr},
			route{"isp", v6(LANAddr6).Masked().String(), PublicAddr6})
	}
	return tp, nil
}

func masquerade(device string) string {
	return fmt.Sprintf("	chain nat { type nat hook postrouting priority 100; oifname %q masquerade; }\n", device)
}

// helperObjects declares the kernel's helpers. A kernel without them refuses the declaration, so [Require] loads it too.
const helperObjects = `	ct helper sip-udp { type "sip" protocol udp; }
	ct helper sip-tcp { type "sip" protocol tcp; }
	ct helper q931 { type "Q.931" protocol tcp; }
	ct helper ras { type "RAS" protocol udp; }
`

// helperRules attach the helpers by destination port, which is the only way in kernels of today: the automatic
// assignment by port was switched off by default in Linux 4.7 and removed in 6.0.
const helperRules = `	chain helpers {
		type filter hook prerouting priority 0;
		udp dport 5060 ct helper set "sip-udp"
		tcp dport 5060 ct helper set "sip-tcp"
		tcp dport 1720 ct helper set "q931"
		udp dport 1719 ct helper set "ras"
	}
`

// routerRules is the ruleset of rtr: one table per address family, since a helper object belongs to a family.
func (m Mode) routerRules() string {
	var b strings.Builder
	for _, family := range []struct{ name, icmp string }{{"ip", "icmp"}, {"ip6", "ipv6-icmp"}} {
		fmt.Fprintf(&b, "table %s netlab {\n", family.name)
		if m.Helpers() {
			b.WriteString(helperObjects + helperRules)
		}
		if m.NAT() {
			b.WriteString(masquerade("r1"))
		} else {
			fmt.Fprintf(&b, `	chain filter {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "r0" accept
		meta l4proto %s accept
	}
`, family.icmp)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// devices counts the devices of a host that end a cable.
func (tp topology) devices(host string) int {
	n := 0
	for _, c := range tp.cables {
		for _, p := range c {
			if p.host == host {
				n++
			}
		}
	}
	return n
}

// createScript is for ip -batch: the namespaces, their kernel settings and the cables between them.
//
// Duplicate address detection would keep an IPv6 address unusable for a second or two after the link is up; it has to be
// off before the first device exists.
//
// No two devices have the same index, though each namespace counts for itself: when both ends of a cable have the same,
// the kernel takes the device for one without a peer and may let its "carrier on" wait for up to a second
// (linkwatch_urgent_event in net/core/link_watch.c).
func (tp topology) createScript(ns func(host string) string) string {
	var b strings.Builder
	for _, h := range tp.hosts {
		settings := "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0"
		switch h {
		case "inn":
			settings += " net.ipv4.ip_forward=1"
		case "rtr", "isp":
			settings += " net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
		}
		fmt.Fprintf(&b, "netns add %s\nnetns exec %[1]s sysctl -qw %s\n", ns(h), settings)
	}
	for i, c := range tp.cables {
		fmt.Fprintf(&b, "link add %s index %d netns %s type veth peer name %s index %d netns %s\n",
			c[0].device, 2*i+11, ns(c[0].host), c[1].device, 2*i+12, ns(c[1].host))
	}
	return b.String()
}

// hostScript is for ip -batch inside the namespace of host: addresses, links, routes.
func (tp topology) hostScript(host string) string {
	b := new(strings.Builder)
	fmt.Fprintln(b, "link set lo up")
	for _, c := range tp.cables {
		for _, p := range c {
			if p.host != host {
				continue
			}
			for _, a := range p.addrs {
				nodad := ""
				if a.Addr().Is6() {
					nodad = " nodad"
				}
				fmt.Fprintf(b, "addr add %s dev %s%s\n", a, p.device, nodad)
			}
			fmt.Fprintf(b, "link set %s up\n", p.device)
		}
	}
	for _, r := range tp.routes {
		if r.host == host {
			fmt.Fprintf(b, "route replace %s via %s\n", r.to, r.via)
		}
	}
	return b.String()
}
