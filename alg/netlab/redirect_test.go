package netlab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeRedirects shows that answers which the kernel's gateway delivers to the port in the Via are found out where it
// translates addresses, on either family, and that no other router is said to do so.
func TestProbeRedirects(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		mode netlab.Mode
		want []string
	}{
		{netlab.ALG, []string{"IPv4 200 OPTIONS", "IPv6 200 OPTIONS"}},
		{netlab.Plain, nil},
		{netlab.Firewall, nil},
		{netlab.FirewallALG, nil}, // without NAT the kernel touches no port
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			report, _ := probe(t, lab, url, pin)
			var got []string
			for _, f := range report.Findings {
				if f.ID != "response-redirected" {
					continue
				}
				got = append(got, fmt.Sprintf("IPv%d %s", f.Family, f.Message))
				if f.Transport != "udp" || f.Port != 5060 || f.SourcePort != alg.Ephemeral || f.Direction != alg.Inbound || f.Count != 1 {
					t.Errorf("%+v", f)
				}
				p := report.Evidence.Pairs[f.Marks[0].Pair-1]
				flow := report.Evidence.Flows[p.Flow-1]
				via := fmt.Sprintf("%s;branch=", p.Inside.To)
				request := slices.IndexFunc(report.Evidence.Pairs, func(o alg.Pair) bool {
					return o.Flow == p.Flow && o.Outbound && strings.Contains(string(o.Inside.Raw), via)
				})
				if flow.Inside[0].String() != string(f.Sent) || p.Inside.To.String() != string(f.Got) || request < 0 {
					t.Errorf("sent to %s, arrived at %s; the evidence says %v and %v, request %d", f.Sent, f.Got, flow.Inside[0], p.Inside.To, request)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("redirected are %v, want %v", got, tc.want)
			}
			// The step was carried out on the control port, too, and its answers came back to where they belong.
			tried := map[string]bool{}
			for _, p := range report.Evidence.Pairs {
				if path := report.Evidence.Flows[p.Flow-1].Path; p.Step == "via-port" && !p.Outbound && p.Delivered() {
					tried[fmt.Sprintf("IPv%d %d", path.Family, path.Port)] = true
					if path.Control && p.Inside.To.IsValid() {
						t.Errorf("%s: arrived at %s", path, p.Inside.To)
					}
				}
			}
			if len(tried) != 4 {
				t.Errorf("answered on %v", tried)
			}
		})
	}
}
