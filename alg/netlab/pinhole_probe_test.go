package netlab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbePinholes shows that ports which the kernel's gateway opens for calls are found, on either family and transport and with
// no octet altered, and that neither a NAT nor a filter is taken for one. Its holes are for the address that the call goes to, from
// any port of it (sip_direct_media).
func TestProbePinholes(t *testing.T) {
	netlab.Require(t)
	const established = `table inet mine {
		chain input {
			type filter hook input priority 0; policy drop;
			ct state established,related accept
			meta l4proto ipv6-icmp accept
		}
	}`
	opened := []string{"udp IPv4", "udp IPv6", "tcp IPv4", "tcp IPv6"}
	for _, tc := range []struct {
		name string
		mode netlab.Mode
		lan  string // ruleset
		want []string
		exit int
		note string
		sent bool // the reflector sent to announced ports
	}{
		{"alg", netlab.ALG, "", opened, 1, "", true},
		{"firewall-alg", netlab.FirewallALG, "", opened, 1, "", true},
		{"plain", netlab.Plain, "", nil, 0, "", false},
		{"firewall", netlab.Firewall, "", nil, 0, "", true},
		{"firewall here", netlab.Firewall, established, nil, 0, "a firewall of this computer filters what comes in", true},
		{"firewall here as well", netlab.FirewallALG, established, nil, 1, "a firewall of this computer filters what comes in", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lab := netlab.Up(t, tc.mode)
			if tc.lan != "" {
				lab.Host("lan").NFT(t, tc.lan)
			}
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr2, netlab.WANAddr6)
			report, exit := probe(t, lab, url, pin)
			if exit != tc.exit {
				t.Errorf("exit %d, want %d:\n%s", exit, tc.exit, verdicts(report))
			}
			var got []string
			for _, f := range report.Findings {
				if f.ID != "media-pinhole-opened" {
					continue
				}
				got = append(got, fmt.Sprintf("%s IPv%d", f.Transport, f.Family))
				if f.Port != 5060 || f.SourcePort != alg.Ephemeral || strings.Contains(f.Summary, "another address") {
					t.Errorf("%+v", f)
				}
				if both := strings.Contains(f.Summary, "another port of the far end"); both != (f.Transport == "udp") {
					t.Errorf("%s: %s", f.Transport, f.Summary)
				}
			}
			slices.SortFunc(got, func(a, b string) int { return slices.Index(opened, a) - slices.Index(opened, b) })
			if !slices.Equal(got, tc.want) {
				t.Errorf("opened on %v, want %v", got, tc.want)
			}
			count := map[string]int{}
			for _, x := range report.Trials {
				if x.Pinhole == nil {
					continue
				}
				count[string(x.Outcome)]++
				if x.Pinhole.NotSent == "" {
					count["sent"]++
				}
				t.Logf("%s %s %v > %v %+v", x.Path, x.Outcome, x.Src, x.Dst, *x.Pinhole)
			}
			if (count["sent"] > 0) != tc.sent || count["sent"] > 32 || len(count) == 0 {
				t.Errorf("datagrams: %v", count)
			}
			notes := strings.Join(report.Network.Notes, "\n")
			if tc.note != "" && !strings.Contains(notes, tc.note) || tc.note == "" && strings.Contains(notes, "firewall of this computer") {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}
