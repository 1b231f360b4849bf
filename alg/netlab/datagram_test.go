package netlab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// dropFragments drops every fragment but the first of its datagram at isp, which does not track connections, as a filter without
// state does that looks for ports.
const dropFragments = `table ip faults { chain f { type filter hook forward priority 0; ip frag-off & 0x1fff != 0 drop; }; }
table ip6 faults { chain f { type filter hook forward priority 0; frag frag-off != 0 drop; }; }
`

// smallMTU lets packets of no more than 1,492 octets pass, as a line with PPPoE does, and says nothing.
const smallMTU = `table ip faults { chain f { type filter hook forward priority 0; meta l4proto != tcp meta length > 1492 drop; }; }
table ip6 faults { chain f { type filter hook forward priority 0; meta l4proto != tcp meta length > 1492 drop; }; }
`

// TestProbeLargeDatagrams shows that datagrams lost for their size on every port are told as the path's affair, with the size and
// the way from which on, and that a gateway which takes them is told from that.
func TestProbeLargeDatagrams(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	fragments := map[int][]string{
		4: {"invite-size-1600 of 1600 octets, in fragments, none arrives, while 1472 octets pass"},
		6: {"invite-size-1600 of 1600 octets, in fragments, none arrives, while 1452 octets pass"},
	}
	for _, tc := range []struct {
		name  string
		rules string
		flags []string
		usual map[int][]string // of a path from port 5060, on which only the usual sizes are sent
		want  map[int][]string // by IP version: field of the finding, and a part of its summary; of a path from an ephemeral port
	}{
		{"nothing", "", nil, nil, nil},
		{"nothing, thorough", "", []string{"--thorough"}, nil, nil},
		{"fragments", dropFragments, nil, fragments, fragments},
		{"fragments, thorough", dropFragments, []string{"--thorough"}, fragments, map[int][]string{
			4: {"invite-size-1500 of 1500 octets, in fragments, none arrives, nor any larger one that was sent, while 1472 octets pass"},
			6: {"invite-size-1500 of 1500 octets, in fragments, none arrives, nor any larger one that was sent, while 1452 octets pass"},
		}},
		{"small MTU", smallMTU, []string{"--thorough"}, map[int][]string{
			4: {
				"invite-size-1472-df of 1472 octets, in one packet that no router may fragment (DF set), none arrives",
				"invite-size-1600 of 1600 octets, in fragments, none arrives",
			},
			6: {
				"invite-size-1452-df of 1452 octets, in one packet that no router may fragment (DF set), none arrives",
				"invite-size-1600 of 1600 octets, in fragments, none arrives",
			},
		}, map[int][]string{
			4: {
				"invite-size-1472 of 1472 octets, in one packet that routers may fragment (DF clear), none arrives, while 1400 octets pass",
				"invite-size-1472-df of 1472 octets, in one packet that no router may fragment (DF set), none arrives, while 1400 octets pass",
				"invite-size-1500 of 1500 octets, in fragments, none arrives, nor any larger one that was sent, while 1400 octets pass",
			},
			6: {
				"invite-size-1452-df of 1452 octets, in one packet that no router may fragment (DF set), none arrives, while 1400 octets pass",
				"invite-size-1500 of 1500 octets, in fragments, none arrives, nor any larger one that was sent, while 1400 octets pass",
			},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			if tc.rules != "" {
				lab.Host("isp").NFT(t, tc.rules)
			}
			report, exit := probe(t, lab, url, pin, tc.flags...)
			if got, want := verdicts(report), allPaths(alg.Clean, alg.Clean, 4, 6); exit != 0 || got != want {
				for _, p := range report.Paths {
					t.Log(p.Path, p.Reason)
				}
				t.Errorf("exit %d\n%swant 0\n%s", exit, got, want)
			}
			got := map[string][]string{}
			for _, f := range report.Findings {
				at := fmt.Sprintf("IPv%d %d from %s", f.Family, f.Port, f.SourcePort)
				if f.ID != "large-datagrams-lost" {
					t.Errorf("%s: %s %s", at, f.ID, f.Field)
					continue
				}
				_, what, _ := strings.Cut(f.Summary, ": ")
				got[at] = append(got[at], f.Field+" "+what)
			}
			for family, want := range map[int][]string{4: tc.want[4], 6: tc.want[6]} {
				for _, source := range []string{"5060", "ephemeral"} {
					at := fmt.Sprintf("IPv%d 5060 from %s", family, source)
					want := want
					if source == "5060" {
						want = tc.usual[family]
					}
					slices.Sort(got[at])
					if !slices.Equal(got[at], want) {
						t.Errorf("%s:\n%s\nwant\n%s", at, strings.Join(got[at], "\n"), strings.Join(want, "\n"))
					}
					delete(got, at)
				}
			}
			for at, more := range got {
				t.Errorf("%s: %v", at, more)
			}
			sizes(t, report)
			t.Logf("took %d ms", report.Duration)
		})
	}
}

// sizes checks that large messages were sent in the sizes that they claim, and how much of the session's budget all took.
func sizes(t *testing.T, r *alg.Report) {
	t.Helper()
	seen := map[string]bool{}
	octets := 0
	for _, p := range r.Evidence.Pairs {
		for _, s := range []*alg.Sighting{p.Outside} {
			if s != nil {
				octets += len(s.Raw)
			}
		}
		if d := p.Datagram; d.Octets > 0 {
			seen[fmt.Sprintf("%d %d %s", d.Octets, d.Fragments, d.DF)] = true
			if len(p.Inside.Raw) != d.Octets {
				t.Errorf("%s has %d octets", p.Step, len(p.Inside.Raw))
			}
		}
	}
	for _, want := range []string{"1472 1 set", "1452 1 set", "1600 2 clear"} {
		if !seen[want] {
			t.Errorf("no message of size, fragments and DF %s: %v", want, seen)
		}
	}
	if octets > 4<<20/2 {
		t.Errorf("%d octets in receipts, the budget is 4 MiB", octets)
	}
	t.Logf("%d octets in receipts of %d messages", octets, len(r.Evidence.Pairs))
}

// TestProbeLargeDatagramsALG shows what the kernel's gateway does to large messages: fragments are put together, rewritten and
// passed, but a message that fills a packet with DF and grows does not fit any more and is dropped.
func TestProbeLargeDatagramsALG(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
	report, exit := probe(t, lab, url, pin)
	if got, want := verdicts(report), allPaths(alg.Altered, alg.Altered, 4, 6); exit != 1 || got != want {
		t.Errorf("exit %d\n%swant 1\n%s", exit, got, want)
	}
	paths := map[int]alg.Path{}
	for _, f := range report.Evidence.Flows {
		paths[f.ID] = f.Path
	}
	rewritten := map[string]bool{}
	for _, p := range report.Evidence.Pairs {
		if at := paths[p.Flow]; p.Step == "invite-size-3000" && p.Outbound && p.Delivered() {
			rewritten[at.String()] = string(p.Inside.Raw) != string(p.Outside.Raw)
		}
	}
	for _, family := range []int{4, 6} {
		for _, source := range []alg.SourcePort{5060, alg.Ephemeral} {
			for _, port := range []uint16{5060, 15060} {
				at := alg.Path{Proto: "sip", Transport: "udp", Family: family, Port: port, SourcePort: source}
				if got, ok := rewritten[at.String()]; !ok || got != (port == 5060) {
					t.Errorf("%s: 3000 octets arrived %v, rewritten %v", at, ok, got)
				}
			}
		}
	}
	var dropped []string
	for _, f := range report.Findings {
		switch f.ID {
		case "message-dropped", "large-datagrams-lost":
			dropped = append(dropped, fmt.Sprintf("%s %s IPv%d from %s", f.ID, f.Field, f.Family, f.SourcePort))
		}
	}
	slices.Sort(dropped)
	want := []string{
		"message-dropped invite-size-1452-df IPv6 from 5060", "message-dropped invite-size-1452-df IPv6 from ephemeral",
		"message-dropped invite-size-1472-df IPv4 from 5060", "message-dropped invite-size-1472-df IPv4 from ephemeral",
	}
	if !slices.Equal(dropped, want) {
		t.Errorf("dropped\n%s\nwant\n%s", strings.Join(dropped, "\n"), strings.Join(want, "\n"))
	}
	for _, note := range report.Network.Notes {
		t.Log(note)
	}
}

// TestProbeRefused shows that a firewall which refuses is told from one that is silent, with its address.
func TestProbeRefused(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	// Answers to source port 5060 come in by the other interface.
	const rule = `table inet faults { chain f { type filter hook forward priority -10; iifname { "i0", "r0" } %s dport 5060 %s; }; }
`
	for _, tc := range []struct {
		name      string
		host      string
		transport string
		verdict   string
		reason    string // of IPv4
		reason6   string
		by, by6   netip.Addr
	}{
		{"silence", "isp", "udp", "drop", "nothing arrives on this port in", "nothing arrives on this port in", netip.Addr{}, netip.Addr{}},
		{
			"port unreachable at isp", "isp", "udp", "reject with icmpx port-unreachable",
			"refused by ICMP: port unreachable from 198.51.100.1", "refused by ICMP: port unreachable from 2001:db8:51::1",
			netlab.ISPAddr, netlab.ISPAddr6,
		},
		{
			"prohibited at rtr", "rtr", "udp", "reject with icmpx admin-prohibited",
			"refused by ICMP: administratively prohibited from 10.0.0.1", "refused by ICMP: administratively prohibited from fd00:10::1",
			netlab.RouterAddr, netlab.RouterAddr6,
		},
		{"silence", "isp", "tcp", "drop", "nobody answers", "nobody answers", netip.Addr{}, netip.Addr{}},
		{"reset at isp", "isp", "tcp", "reject with tcp reset", "it is refused with a reset", "it is refused with a reset", netip.Addr{}, netip.Addr{}},
		{
			"port unreachable at rtr", "rtr", "tcp", "reject with icmpx port-unreachable",
			"it is refused by ICMP: port unreachable from 10.0.0.1", "it is refused by ICMP: port unreachable from fd00:10::1",
			netlab.RouterAddr, netlab.RouterAddr6,
		},
		{
			"prohibited at isp", "isp", "tcp", "reject with icmpx admin-prohibited",
			"it is refused by ICMP: administratively prohibited from 198.51.100.1", "it is refused by ICMP: administratively prohibited from 2001:db8:51::1",
			netlab.ISPAddr, netlab.ISPAddr6,
		},
	} {
		t.Run(tc.transport+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			unlimited(t, lab)
			lab.Host(tc.host).NFT(t, fmt.Sprintf(rule, tc.transport, tc.verdict))
			report, exit := probe(t, lab, url, pin)
			if exit != 1 {
				t.Errorf("exit %d", exit)
			}
			for _, p := range report.Paths {
				closed := p.Transport == tc.transport && p.Port == 5060
				switch {
				case closed && p.Outbound != alg.Blocked, !closed && p.Outbound != alg.Clean:
					t.Errorf("%s: %s (%s)", p.Path, p.Outbound, p.Reason)
				case closed:
					want := tc.reason
					if p.Family == 6 {
						want = tc.reason6
					}
					if !strings.Contains(p.Reason, want) || (tc.by == netip.Addr{}) == strings.Contains(p.Reason, "ICMP") {
						t.Errorf("%s: %s, want %q in it", p.Path, p.Reason, want)
					}
				}
			}
			by := map[netip.Addr]bool{}
			for _, x := range report.Trials {
				if x.By.IsValid() {
					by[x.By] = true
				}
			}
			if tc.by.IsValid() && (!by[tc.by] || !by[tc.by6] || len(by) != 2) || !tc.by.IsValid() && len(by) != 0 {
				t.Errorf("refused by %v, want %v and %v", by, tc.by, tc.by6)
			}
			for _, f := range report.Findings {
				if f.ID != "port-blocked" || f.Transport != tc.transport {
					t.Errorf("finding %s %s", f.ID, f.Field)
				}
				if tc.by.IsValid() && !strings.Contains(f.Summary, tc.by.String()) && !strings.Contains(f.Summary, tc.by6.String()) {
					t.Errorf("%s: does not say by whom", f.Summary)
				}
			}
		})
	}
}

// unlimited lifts the limits on ICMP errors, so that a short test sees what a long one would.
func unlimited(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	for _, host := range []string{"rtr", "isp"} {
		lab.Host(host).Run(t, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000")
	}
}

// TestProbeRefusedInVain shows that ICMP errors which come for some datagrams make no path anything but clean, as the others pass:
// and that an error which waits to be told costs no other datagram.
func TestProbeRefusedInVain(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.Plain)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
	unlimited(t, lab)
	lab.Host("isp").NFT(t, `table inet faults {
	chain f {
		type filter hook forward priority -10
		iifname "i0" udp dport 5060 numgen inc mod 8 == 0 reject with icmpx admin-prohibited
	}
}
`)
	report, exit := probe(t, lab, url, pin)
	if got, want := verdicts(report), allPaths(alg.Clean, alg.Clean, 4, 6); exit != 0 || got != want || len(report.Findings) > 0 {
		t.Errorf("exit %d\n%swant 0\n%s%v", exit, got, want, report.Findings)
	}
	refused := map[netip.Addr]bool{}
	for _, x := range report.Trials {
		refused[x.By] = true
	}
	if !refused[netlab.ISPAddr] || !refused[netlab.ISPAddr6] {
		t.Errorf("refused by %v", refused)
	}
}

// TestProbeBanned shows that a firewall which bans the client for a malformed message is named as that: not as one which drops
// everything that came later.
func TestProbeBanned(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	// An INVITE without CSeq is the only one that has no session description, and so the only short one.
	const rules = `table ip ban {
	set banned { type ipv4_addr; flags timeout; }
	chain f {
		type filter hook forward priority -10;
		ip saddr @banned %s drop
		ip daddr @banned %s drop
		udp dport 5060 @th,64,48 0x494e56495445 udp length < 480 add @banned { ip saddr timeout 5m } %s
	}
}
`
	for _, tc := range []struct {
		name     string
		out, in  string // what is dropped from then on
		verdict  string // on the message itself
		reason   string
		tcp, all bool // whether the ban reaches TCP on the port, and all but HTTPS
	}{
		{"the port over UDP", "udp dport 5060", "udp sport 5060", "accept", "while the control port still works", false, false},
		{"the port", "meta l4proto { tcp, udp } th dport 5060", "meta l4proto { tcp, udp } th sport 5060", "drop", "while the control port still works", true, false},
		{"all but HTTPS", "meta l4proto { tcp, udp } th dport != 443", "meta l4proto { tcp, udp } th sport != 443", "drop", "nothing arrives on any port that was probed, the control port included, while HTTPS still works", true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			lab.Host("rtr").NFT(t, fmt.Sprintf(rules, tc.out, tc.in, tc.verdict))
			report, exit := probe(t, lab, url, pin, "--thorough")
			if exit != 1 {
				t.Errorf("exit %d", exit)
			}
			for _, p := range report.Paths {
				hit := p.Transport == "udp" && p.Port == 5060 || tc.tcp && p.Port == 5060 || tc.all
				switch {
				case hit && (p.Outbound != alg.Inspected || !strings.Contains(p.Reason, "banned after invite-no-cseq: ") || !strings.Contains(p.Reason, tc.reason)),
					!hit && (p.Outbound != alg.Clean || p.Inbound != alg.Clean):
					t.Errorf("%s: %s %s (%s)", p.Path, p.Outbound, p.Inbound, p.Reason)
				}
			}
			for _, f := range report.Findings {
				if f.ID != "client-banned" || f.Message != "invite-no-cseq" {
					t.Errorf("finding %s: %s %s %s", f.ID, f.Path(), f.Message, f.Field)
				}
			}
			if len(report.Findings) == 0 {
				t.Error("no finding")
			}
			paths := map[int]alg.Path{}
			for _, f := range report.Evidence.Flows {
				paths[f.ID] = f.Path
			}
			for _, p := range report.Evidence.Pairs {
				if at := paths[p.Flow]; p.Breaks != "" && p.Step != "invite-no-cseq" && at.Transport == "udp" && at.Port == 5060 {
					t.Errorf("%s was still sent on %s", p.Step, at)
				}
			}
			t.Logf("took %d ms", report.Duration)
		})
	}
}

// TestProbeSTUN shows that a firewall which keeps STUN off the SIP port, and lets it through elsewhere, is found, and that a
// keepalive for which a firewall shuts the port is found by what comes behind it.
func TestProbeSTUN(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct{ name, rule, field string }{
		{"stun", "iifname \"i0\" udp dport 5060 @th,96,32 0x2112a442 drop", "stun"},
		{
			"keepalive", "iifname \"i0\" udp dport 5060 udp length 12 update @shut { ip saddr timeout 50ms } drop\n" +
				"iifname \"i0\" udp dport 5060 ip saddr @shut drop", "options-keepalive",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			lab.Host("isp").NFT(t, "table ip faults {\nset shut { type ipv4_addr; flags timeout; }\nchain f {\ntype filter hook forward priority 0\n"+tc.rule+"\n}\n}\n")
			report, exit := probe(t, lab, url, pin)
			found := false
			for _, f := range report.Findings {
				found = found || f.Field == tc.field
				if f.ID != "message-dropped" || f.Transport != "udp" || f.Port != 5060 || tc.field == "stun" && f.Field != "stun" {
					t.Errorf("finding %s %s %s", f.ID, f.Path(), f.Field)
				}
			}
			if exit != 1 || !found || report.Paths[0].Outbound != alg.Dropped {
				t.Errorf("exit %d, %s (%s), %+v", exit, report.Paths[0].Outbound, report.Paths[0].Reason, report.Findings)
			}
		})
	}
}
