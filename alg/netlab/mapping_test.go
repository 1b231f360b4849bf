package netlab_test

import (
	"strings"
	"testing"

	"nofixup/alg/netlab"
)

// TestProbeMappings shows that what a NAT makes of ports and addresses is told, and is no interference.
func TestProbeMappings(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		name, rules string
		want        []string
	}{
		{"ports kept", `oifname "r1" masquerade`, nil},
		{"ports chosen at random", `oifname "r1" udp dport { 5060, 5061, 15060 } masquerade random; oifname "r1" masquerade`, []string{
			"the NAT does not keep source port 5060 over UDP to port 5060: 10.0.0.9:5060 became 198.51.100.2:",
			"the NAT does not keep source port ephemeral over UDP to port 15060: 10.0.0.9:",
			"the NAT gives one source port another mapping for each destination: 10.0.0.9:5060 became 198.51.100.2:",
		}},
		{"another address for signalling", `oifname "r1" udp dport 5060 snat to 198.51.100.3; oifname "r1" masquerade`, []string{
			"signalling over UDP comes from another public address than other UDP does: 198.51.100.3 and 198.51.100.2;",
			"the network has several public addresses: ",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			rtr := lab.Host("rtr")
			rtr.Run(t, "ip", "addr", "add", "198.51.100.3/24", "dev", "r1")
			rtr.NFT(t, "flush chain ip netlab nat\ntable ip netlab { chain nat { "+tc.rules+"\n}\n}\n")
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			report, exit := probe(t, lab, url, pin)
			if exit != 0 {
				t.Errorf("exit %d\n%s", exit, verdicts(report))
			}
			notes := strings.Join(report.Network.Notes, "\n")
			for _, want := range tc.want {
				if !strings.Contains(notes, want) {
					t.Errorf("no note %q in\n%s", want, notes)
				}
			}
			if tc.want == nil && (strings.Contains(notes, "NAT") && strings.Contains(notes, "became") || strings.Contains(notes, "public address")) {
				t.Errorf("notes\n%s", notes)
			}
			if len(report.Network.Mappings) != 5 {
				t.Errorf("mappings %+v", report.Network.Mappings)
			}
			for _, m := range report.Network.Mappings {
				if m.Inside.Addr() != netlab.LANAddr || !m.Outside.IsValid() {
					t.Errorf("%+v", m)
				}
			}
		})
	}
}
