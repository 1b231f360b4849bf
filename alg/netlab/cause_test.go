package netlab_test

import (
	"strings"
	"testing"

	"nofixup/alg/netlab"
)

// TestProbeCause shows that the thorough probe names what sets the kernel's gateway off, by the ports and transports that it is
// bound to.
func TestProbeCause(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	const also = `table ip more {
		ct helper sip-udp { type "sip" protocol udp; }
		ct helper sip-tcp { type "sip" protocol tcp; }
		chain helpers { type filter hook prerouting priority 0; RULES
		}
	}`
	const by = "it goes by this computer's own address with its port, in Via, From, Contact and SDP"
	for _, tc := range []struct {
		name, rules string
		mode        netlab.Mode
		want        string
	}{
		{
			"port 5060", "", netlab.ALG,
			"SIP over UDP and TCP on port 5060 (IPv4): messages are altered, outbound and inbound; the same messages on port 15060 pass " +
				"untouched, so it is the port that sets the box off; " + by + "; on port 5061 nothing is done to them.",
		},
		{
			"port 5061, too", `udp dport 5061 ct helper set "sip-udp"; tcp dport 5061 ct helper set "sip-tcp"`, netlab.ALG,
			"SIP over UDP and TCP on ports 5060 and 5061 (IPv4): messages are altered, outbound and inbound; the same messages on port " +
				"15060 pass untouched, so it is the port that sets the box off; " + by + ".",
		},
		{
			"UDP alone", `udp dport 5060 ct helper set "sip-udp"`, netlab.Plain,
			"SIP over UDP on port 5060 (IPv4): messages are altered, outbound and inbound; the same messages on port 15060 pass " +
				"untouched, so it is the port that sets the box off; " + by + "; over TCP and on port 5061 nothing is done to them.",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			if tc.rules != "" {
				lab.Host("rtr").NFT(t, strings.Replace(also, "RULES", tc.rules, 1))
			}
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			report, exit := probe(t, lab, url, pin, "--thorough")
			if exit != 1 || len(report.Triggers) != 1 || report.Triggers[0] != tc.want {
				t.Errorf("exit %d\n%s\nwant\n%s", exit, strings.Join(report.Triggers, "\n"), tc.want)
			}
			t.Logf("took %d ms", report.Duration)
		})
	}
}
