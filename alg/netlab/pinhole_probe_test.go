package netlab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbePinholes shows that ports which the kernel's gateways open for calls are found, of SIP and of H.323, also where there is one
// of them alone, on either family and transport and with no octet altered, and that neither a NAT nor a filter is taken for one. Its
// holes are for the address that the call goes to, from any port of it (sip_direct_media, expect_rtp_rtcp).
func TestProbePinholes(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	const established = `table inet mine {
		chain input {
			type filter hook input priority 0; policy drop;
			ct state established,related accept
			meta l4proto ipv6-icmp accept
		}
	}`
	q931 := ""
	for _, family := range []string{"ip", "ip6"} {
		q931 += fmt.Sprintf(`table %s mine {
			ct helper q931 { type "Q.931" protocol tcp; }
			chain helpers {
				type filter hook prerouting priority 0;
				tcp dport 1720 ct helper set "q931"
			}
		}
		`, family)
	}
	sip := []string{"sip udp IPv4", "sip udp IPv6", "sip tcp IPv4", "sip tcp IPv6"}
	h323 := []string{"h323 tcp IPv4", "h323 tcp IPv6"}
	opened := slices.Concat(sip, h323)
	for _, tc := range []struct {
		name string
		mode netlab.Mode
		lan  string // ruleset
		rtr  string // another
		want []string
		exit int
		note string
		sent bool // the reflector sent to announced ports
	}{
		// Of IPv6 the kernel's gateway for H.323 rewrites nothing, so that behind NAT a call announces an address that cannot be reached.
		{"alg", netlab.ALG, "", "", opened[:5], 1, "", true},
		{"firewall-alg", netlab.FirewallALG, "", "", opened, 1, "", true},
		{"plain", netlab.Plain, "", "", nil, 0, "", false},
		{"firewall", netlab.Firewall, "", "", nil, 0, "", true},
		{"firewall, H.323 alone", netlab.Firewall, "", q931, h323, 1, "", true},
		{"plain, H.323 alone", netlab.Plain, "", q931, h323[:1], 1, "", true},
		{"firewall here", netlab.Firewall, established, "", nil, 0, "a firewall of this computer filters what comes in", true},
		{"firewall here as well", netlab.FirewallALG, established, "", nil, 1, "a firewall of this computer filters what comes in", true},
		{"firewall here, H.323 alone", netlab.Firewall, established, q931, nil, 0, "a firewall of this computer filters what comes in", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			if tc.lan != "" {
				lab.Host("lan").NFT(t, tc.lan)
			}
			if tc.rtr != "" {
				lab.Host("rtr").NFT(t, tc.rtr)
			}
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr2, netlab.WANAddr6)
			report, exit := probe(t, lab, url, pin, "--only", "sip,h323,media")
			if exit != tc.exit {
				t.Errorf("exit %d, want %d:\n%s", exit, tc.exit, verdicts(report))
			}
			var got []string
			for _, f := range report.Findings {
				if f.ID != "media-pinhole-opened" {
					continue
				}
				got = append(got, fmt.Sprintf("%s %s IPv%d", f.Proto, f.Transport, f.Family))
				port := map[string]uint16{alg.ProtoSIP: 5060, alg.ProtoH323: 1720}[f.Proto]
				if f.Port != port || f.SourcePort != alg.Ephemeral || strings.Contains(f.Summary, "another address") {
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
			for _, p := range report.Paths {
				if tc.mode.NAT() || p.Proto != alg.ProtoH323 {
					continue
				}
				want := alg.Clean
				if !p.Control && slices.Contains(got, fmt.Sprintf("%s %s IPv%d", p.Proto, p.Transport, p.Family)) {
					want = alg.Inspected
				}
				if p.Outbound != want || p.Inbound != alg.Clean {
					t.Errorf("%s: %s %s, want %s: %s", p.Path, p.Outbound, p.Inbound, want, p.Reason)
				}
			}
			const cause = "H.323 over TCP on port 1720 (IPv4 and IPv6): calls open the ports that they announce, on port 15060 they do not, so it is the port that sets the box off."
			if known := slices.Contains(report.Triggers, cause); known != (slices.Equal(tc.want, h323) || slices.Equal(tc.want, opened) && tc.lan == "") && !tc.mode.NAT() {
				t.Errorf("causes %q", report.Triggers)
			}
			if i := slices.IndexFunc(report.Findings, func(f alg.Finding) bool { return f.Kind != "" }); i >= 0 && !tc.mode.NAT() {
				t.Errorf("altered: %+v", report.Findings[i])
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
			if strings.Contains(notes, "budget") {
				t.Errorf("not all was tried: %s", notes)
			}
			if tc.note != "" && !strings.Contains(notes, tc.note) || tc.note == "" && strings.Contains(notes, "firewall of this computer") {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

// TestProbeBindings shows how long idle bindings live: as long on the port of SIP as elsewhere behind a plain router, and longer
// behind the kernel's gateway, which keeps those of SIP for an hour (sip_timeout).
func TestProbeBindings(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		mode  netlab.Mode
		want  string // rungs on port 5060, those on the control port
		short bool
		says  string
	}{
		{netlab.Plain, "15 ok, 30 failed; 15 ok, 30 failed", true, ""},
		{netlab.ALG, "15 ok, 30 ok; 15 ok, 30 failed", false, "a binding lives for more than 30 s, on the control port for less than 30 s"},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			lab.Host("rtr").Run(t, "sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=10", "net.netfilter.nf_conntrack_udp_timeout_stream=20")
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			began := time.Now()
			report, exit := probe(t, lab, url, pin, "--thorough", "--idle", "3m5s", "--timeout", "45s")
			t.Logf("%v, exit %d", time.Since(began), exit)
			rungs := map[bool][]string{}
			for _, x := range report.Trials {
				if x.Binding != nil {
					rungs[x.Path.Control] = append(rungs[x.Path.Control], fmt.Sprintf("%.0f %s", x.Binding.Idle, x.Outcome))
				}
			}
			slices.Sort(rungs[false])
			slices.Sort(rungs[true])
			if got := strings.Join(rungs[false], ", ") + "; " + strings.Join(rungs[true], ", "); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			if short := slices.ContainsFunc(report.Findings, func(f alg.Finding) bool { return f.ID == "binding-short" }); short != tc.short {
				t.Errorf("short: %v", short)
			}
			for _, p := range report.Paths {
				if p.Port == 5060 && p.Transport == "udp" && p.SourcePort == alg.Ephemeral && !strings.Contains(p.Reason, tc.says) {
					t.Errorf("%s: %s", p.Path, p.Reason)
				}
				if tc.mode == netlab.Plain && (p.Outbound != alg.Clean || p.Inbound != alg.Clean) {
					t.Errorf("%s: %s %s: %s", p.Path, p.Outbound, p.Inbound, p.Reason)
				}
			}
			if notes := strings.Join(report.Network.Notes, "\n"); !strings.Contains(notes, "idle for 45 s and more were not tried") {
				t.Errorf("what was left out is not said: %s", notes)
			}
		})
	}
}
