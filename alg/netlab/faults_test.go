package netlab_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	t.Parallel()
	for _, tc := range []struct {
		name, rule string
		exit       int
		want       string
		reason     string // of the first path
	}{
		{"the port", "ip daddr 203.0.113.10 udp dport 5060 drop", 1, `udp IPv4 5060 from 5060: blocked untested
udp IPv4 5060 from ephemeral: blocked untested
udp IPv4 5061 from ephemeral: clean clean
udp IPv4 15060 from 5060: clean clean
udp IPv4 15060 from ephemeral: clean clean
`, "while the control port works"},
		{"all ports", "ip daddr 203.0.113.10 udp dport { 5060, 5061, 15060 } drop", 1, `udp IPv4 5060 from 5060: blocked untested
udp IPv4 5060 from ephemeral: blocked untested
udp IPv4 5061 from ephemeral: blocked untested
udp IPv4 15060 from 5060: blocked untested
udp IPv4 15060 from ephemeral: blocked untested
`, "nor on the control port"},
		{"the source port", "ip daddr 203.0.113.10 udp sport 5060 drop", 1, `udp IPv4 5060 from 5060: blocked untested
udp IPv4 5060 from ephemeral: clean clean
udp IPv4 5061 from ephemeral: clean clean
udp IPv4 15060 from 5060: blocked untested
udp IPv4 15060 from ephemeral: clean clean
`, "a firewall stops this source port"},
		{"answers from the port", "ip saddr 203.0.113.10 udp sport 5060 drop", 1, `udp IPv4 5060 from 5060: untested blocked
udp IPv4 5060 from ephemeral: untested blocked
udp IPv4 5061 from ephemeral: clean clean
udp IPv4 15060 from 5060: clean clean
udp IPv4 15060 from ephemeral: clean clean
`, "while the control port works"},
		{"all answers", "ip saddr 203.0.113.10 meta l4proto udp drop", 3, `udp IPv4 5060 from 5060: untested untested
udp IPv4 5060 from ephemeral: untested untested
udp IPv4 5061 from ephemeral: clean untested
udp IPv4 15060 from 5060: untested untested
udp IPv4 15060 from ephemeral: untested untested
`, "a firewall on this computer"},
		{"the control port", "ip daddr 203.0.113.10 udp dport 15060 drop", 0, `udp IPv4 5060 from 5060: clean clean
udp IPv4 5060 from ephemeral: clean clean
udp IPv4 5061 from ephemeral: clean clean
udp IPv4 15060 from 5060: blocked untested
udp IPv4 15060 from ephemeral: blocked untested
`, ""},
		{"TCP", "ip daddr 203.0.113.10 tcp dport 5060 drop", 1, `tcp IPv4 5060 from 5060: blocked untested
tcp IPv4 5060 from ephemeral: blocked untested
tcp IPv4 5061 from ephemeral: clean clean
tcp IPv4 15060 from 5060: clean clean
tcp IPv4 15060 from ephemeral: clean clean
`, ""},
		{"TCP with a reset", "ip daddr 203.0.113.10 tcp dport 5060 reject with tcp reset", 1, `tcp IPv4 5060 from 5060: blocked untested
tcp IPv4 5060 from ephemeral: blocked untested
tcp IPv4 5061 from ephemeral: clean clean
tcp IPv4 15060 from 5060: clean clean
tcp IPv4 15060 from ephemeral: clean clean
`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
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

// TestProbeLoss shows that loss is taken for nothing else, and hides nothing: however the dice fall, no verdict and no
// finding claims that something was altered, dropped or blocked that was not. Each run is logged; with -artifacts the report
// of a run that failed is kept.
func TestProbeLoss(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	// Loss in both directions, each packet once. On TCP only the probed ports lose, not HTTPS.
	onUDP := "meta l4proto udp numgen random mod 100 < %d drop"
	onTCP := "ip daddr 203.0.113.10 tcp dport { 5060, 15060 } numgen random mod 100 < %[1]d drop\n" +
		"ip saddr 203.0.113.10 tcp sport { 5060, 15060 } numgen random mod 100 < %[1]d drop"
	onH323 := onUDP + "\n" + strings.ReplaceAll(onTCP, "5060, 15060", "1720, 11000-11031, 15060")
	for _, tc := range []struct {
		mode    netlab.Mode
		on      string
		rule    string
		percent int
		protos  string
	}{
		{netlab.Plain, "udp", onUDP, 5, "sip"},
		{netlab.Plain, "udp", onUDP, 20, "sip"},
		{netlab.ALG, "udp", onUDP, 5, "sip"},
		{netlab.Plain, "tcp", onTCP, 5, "sip"},
		{netlab.Plain, "h323", strings.Replace(onH323, "%d", "%[1]d", 1), 5, "h323,ras"},
		{netlab.ALG, "h323", strings.Replace(onH323, "%d", "%[1]d", 1), 5, "h323,ras"},
	} {
		t.Run(fmt.Sprintf("%s %s %d %%", tc.mode, tc.on, tc.percent), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			filter(t, lab, fmt.Sprintf(tc.rule, tc.percent))
			total := map[alg.Verdict]int{}
			for n := range runs(t) {
				report, exit := probe(t, lab, url, pin, "--only", tc.protos)
				wrong := wrongUnderLoss(report, tc.mode)
				counts := map[alg.Verdict]int{}
				for _, p := range report.Paths {
					counts[p.Outbound]++
					counts[p.Inbound]++
					total[p.Outbound]++
					total[p.Inbound]++
					if p.Outbound == alg.Untested || p.Inbound == alg.Untested {
						t.Logf("run %d: %s: %s %s: %s", n+1, p.Path, p.Outbound, p.Inbound, p.Reason)
					}
				}
				pairs, lost := 0, 0
				for i := range report.Evidence.Pairs {
					if p := &report.Evidence.Pairs[i]; p.Breaks == "" {
						pairs++
						if !p.Delivered() {
							lost++
						}
					}
				}
				t.Logf("run %d: exit %d, %v, sides %v, %d of %d messages lost, %d wrong", n+1, exit,
					time.Duration(report.Duration)*time.Millisecond, counts, lost, pairs, len(wrong))
				for _, w := range wrong {
					t.Errorf("run %d: %s", n+1, w)
				}
				if len(wrong) > 0 {
					keep(t, report, n+1)
				}
			}
			t.Logf("total: sides %v", total)
		})
	}
}

// wrongUnderLoss lists what a report claims that is not so where packets get lost at random.
func wrongUnderLoss(r *alg.Report, mode netlab.Mode) []string {
	var wrong []string
	known := []uint16{5060, 1720, 1719} // where the helpers are
	for _, p := range r.Paths {
		altered := mode.Helpers() && slices.Contains(known, p.Port)
		for _, v := range []alg.Verdict{p.Outbound, p.Inbound} {
			if p.Proto == alg.ProtoRAS && v == alg.Clean {
				continue // the kernel rewrites nothing in a GCF
			}
			if altered && v != alg.Altered || !altered && v != alg.Clean && v != alg.Untested {
				wrong = append(wrong, fmt.Sprintf("%s: %s %s (%s)", p.Path, p.Outbound, p.Inbound, p.Reason))
				break
			}
		}
	}
	for _, f := range r.Findings {
		helped := mode.Helpers() && slices.Contains(known, f.Port)
		grown := helped && strings.HasPrefix(f.Field, "invite-size-") && strings.HasSuffix(f.Field, "-df") // does not fit any more
		if !helped || f.ID == "message-dropped" && !grown || f.ID == "port-blocked" {
			wrong = append(wrong, fmt.Sprintf("finding %s: %s %s %s %s, %d times, %+v", f.ID, f.Path(), f.Direction, f.Message, f.Field, f.Count, f.Marks))
		}
	}
	return wrong
}

// keep writes a report into the artifacts of the test.
func keep(t *testing.T, r *alg.Report, run int) {
	t.Helper()
	name := filepath.Join(t.ArtifactDir(), fmt.Sprintf("run-%d.json", run))
	f, err := os.Create(name)
	if err == nil {
		err = errors.Join(r.WriteJSON(f), f.Close())
	}
	if err != nil {
		t.Errorf("keep the report: %v", err)
	}
	t.Logf("run %d: the report is in %s", run, name)
}
