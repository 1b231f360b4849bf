package netlab_test

import (
	"fmt"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// filter drops datagrams at isp, beyond the router and before the Internet.
func filter(t *testing.T, lab *netlab.Lab, rule string) {
	t.Helper()
	lab.Host("isp").NFT(t, "table ip faults { chain f { type filter hook forward priority 0;\n"+rule+"\n}\n}\n")
}

// TestProbeBlocked shows that a closed port is told from a gateway, from loss, and from a firewall on the computer itself.
func TestProbeBlocked(t *testing.T) {
	netlab.Require(t)
	for _, tc := range []struct {
		name, rule string
		exit       int
		want       string
		reason     string // of the first path
	}{
		{"the port", "ip daddr 203.0.113.10 udp dport 5060 drop", 1, `udp IPv4 5060 from 5060: blocked untested
udp IPv4 5060 from ephemeral: blocked untested
udp IPv4 15060 from 5060: clean clean
udp IPv4 15060 from ephemeral: clean clean
`, "while the control port works"},
		{"all ports", "ip daddr 203.0.113.10 udp dport { 5060, 15060 } drop", 1, `udp IPv4 5060 from 5060: blocked untested
udp IPv4 5060 from ephemeral: blocked untested
udp IPv4 15060 from 5060: blocked untested
udp IPv4 15060 from ephemeral: blocked untested
`, "nor on the control port"},
		{"the source port", "ip daddr 203.0.113.10 udp sport 5060 drop", 1, `udp IPv4 5060 from 5060: blocked untested
udp IPv4 5060 from ephemeral: clean clean
udp IPv4 15060 from 5060: blocked untested
udp IPv4 15060 from ephemeral: clean clean
`, "a firewall stops this source port"},
		{"answers from the port", "ip saddr 203.0.113.10 udp sport 5060 drop", 1, `udp IPv4 5060 from 5060: untested blocked
udp IPv4 5060 from ephemeral: untested blocked
udp IPv4 15060 from 5060: clean clean
udp IPv4 15060 from ephemeral: clean clean
`, "while the control port works"},
		{"all answers", "ip saddr 203.0.113.10 meta l4proto udp drop", 3, `udp IPv4 5060 from 5060: untested untested
udp IPv4 5060 from ephemeral: untested untested
udp IPv4 15060 from 5060: untested untested
udp IPv4 15060 from ephemeral: untested untested
`, "a firewall on this computer"},
		{"the control port", "ip daddr 203.0.113.10 udp dport 15060 drop", 0, `udp IPv4 5060 from 5060: clean clean
udp IPv4 5060 from ephemeral: clean clean
udp IPv4 15060 from 5060: blocked untested
udp IPv4 15060 from ephemeral: blocked untested
`, ""},
		{"TCP", "ip daddr 203.0.113.10 tcp dport 5060 drop", 1, `tcp IPv4 5060 from 5060: blocked untested
tcp IPv4 5060 from ephemeral: blocked untested
tcp IPv4 15060 from 5060: clean clean
tcp IPv4 15060 from ephemeral: clean clean
`, ""},
		{"TCP with a reset", "ip daddr 203.0.113.10 tcp dport 5060 reject with tcp reset", 1, `tcp IPv4 5060 from 5060: blocked untested
tcp IPv4 5060 from ephemeral: blocked untested
tcp IPv4 15060 from 5060: clean clean
tcp IPv4 15060 from ephemeral: clean clean
`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			filter(t, lab, tc.rule)
			report, exit := probe(t, lab, url, pin)
			want := tc.want
			_, clean, _ := strings.Cut(allPaths(alg.Clean, alg.Clean, 4), "tcp")
			switch {
			case !strings.Contains(want, "tcp"):
				want += "tcp" + clean
			case !strings.Contains(want, "udp"):
				want = strings.ReplaceAll("tcp"+clean, "tcp", "udp") + want
			}
			if got := verdicts(report); exit != tc.exit || got != want {
				t.Errorf("exit %d\n%swant %d\n%s", exit, got, tc.exit, want)
			}
			if !strings.Contains(report.Paths[0].Reason, tc.reason) {
				t.Errorf("reason %q, want %q in it", report.Paths[0].Reason, tc.reason)
			}
			for _, f := range report.Findings {
				if f.ID != "port-blocked" {
					t.Errorf("finding %s %s: nothing was rewritten or dropped for what it is", f.ID, f.Field)
				}
			}
		})
	}
}

// TestProbeLoss shows that loss is taken for nothing else, and hides nothing.
func TestProbeLoss(t *testing.T) {
	netlab.Require(t)
	for _, tc := range []struct {
		mode    netlab.Mode
		percent int
	}{{netlab.Plain, 5}, {netlab.Plain, 20}, {netlab.ALG, 5}} {
		t.Run(fmt.Sprintf("%s %d %%", tc.mode, tc.percent), func(t *testing.T) {
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			filter(t, lab, fmt.Sprintf("meta l4proto udp numgen random mod 100 < %d drop", tc.percent))
			for n := range runs(t) {
				report, _ := probe(t, lab, url, pin)
				for _, p := range report.Paths {
					altered := tc.mode == netlab.ALG && !p.Control
					for _, v := range []alg.Verdict{p.Outbound, p.Inbound} {
						if altered && v != alg.Altered || !altered && v != alg.Clean && v != alg.Untested {
							t.Errorf("run %d: %s: %s (%s)", n+1, p.Path, v, p.Reason)
						}
					}
				}
			}
		})
	}
}
