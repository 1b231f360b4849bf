package netlab_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeSIPProxy shows that a SIP proxy which the router puts messages through is named as what it is, that nothing a proxy
// may do is called interference, and that a proxy which rewrites addresses is found out as any other box.
func TestProbeSIPProxy(t *testing.T) {
	netlab.Require(t, "kamailio")
	t.Parallel()
	proxies, thorough := []string{"sip-proxy", "sip-proxy-refused"}, []string{"--thorough"}
	for _, tc := range []struct {
		name, relay string
		tcp         bool // as well
		flags       []string
		exit        int
		outbound    alg.Verdict
		found       []string
	}{
		{"stateless", `forward();`, true, thorough, 0, alg.Clean, proxies},
		{"stateful", `t_relay();`, false, thorough, 0, alg.Clean, append(proxies, "sip-proxy-answered")},
		{"stateful over both", `t_relay();`, true, nil, 0, alg.Clean, append(proxies, "sip-proxy-answered")},
		{"in the route", `record_route(); t_relay();`, false, thorough, 0, alg.Clean, append(proxies, "sip-proxy-answered")},
		{
			"rewriting Contact", `if (src_ip == 10.0.0.9) { fix_nated_contact(); } forward();`, true, thorough, 1, alg.Altered,
			append(proxies, "contact-rewritten"),
		},
		{
			"rewriting the session description", `if (src_ip == 10.0.0.9) { subst_body('/10\.0\.0\.9/198.51.100.2/g'); } forward();`, false, thorough,
			1, alg.Altered,
			append(proxies, "content-length-rewritten", "sdp-attribute-rewritten", "sdp-connection-rewritten", "sdp-origin-rewritten"),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			proxyAt(t, lab.Host("rtr"), tc.relay, tc.tcp)
			report, exit := probe(t, lab, url, pin, tc.flags...)
			want := allPaths(alg.Clean, alg.Clean, 4)
			for _, through := range []string{"udp IPv4 5060 ", "tcp IPv4 5060 "} {
				if tc.tcp || strings.HasPrefix(through, "udp") {
					want = regexp.MustCompile(`(?m)^(`+through+`.*): clean`).ReplaceAllString(want, "$1: "+string(tc.outbound))
				}
			}
			if got := verdicts(report); exit != tc.exit || got != want {
				t.Errorf("exit %d, got\n%swant exit %d\n%s", exit, got, tc.exit, want)
				for _, p := range report.Paths {
					t.Log(p.Path, p.Reason)
				}
			}
			found := map[string]bool{}
			for _, f := range report.Findings {
				found[f.ID] = true
				if f.Port != 5060 || f.Transport != "udp" && !tc.tcp {
					t.Errorf("%s on %s", f.ID, f.Path())
				}
				if !slices.Contains(tc.found, f.ID) {
					t.Errorf("%s %s %s %s: %.100q became %.100q", f.ID, f.Direction, f.Message, f.Field, f.Sent, f.Got)
				}
			}
			for _, id := range tc.found {
				if !found[id] {
					t.Errorf("no %s among %v", id, slices.Sorted(maps.Keys(found)))
				}
			}
		})
	}
}

// proxyAt has the router put SIP over UDP, and over TCP if so told, through Debian's kamailio, which says that it is there: a Via
// in front, Max-Forwards one less. Over UDP who sends from port 5060 has that port outside as well, whoever sends from another
// one has 5062.
func proxyAt(t *testing.T, router *netlab.Host, relay string, tcp bool) {
	t.Helper()
	conf := fmt.Sprintf(`#!KAMAILIO
log_stderror=yes
children=2
mhomed=1
auto_aliases=no
tcp_children=2
tcp_connection_lifetime=120
listen=udp:%[1]s:5060
listen=tcp:%[1]s:5060
listen=tcp:%[2]s:5060
listen=udp:%[2]s:5060
listen=udp:%[2]s:5062
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "nathelper.so"
loadmodule "textops.so"
loadmodule "cfgutils.so"
loadmodule "xlog.so"
modparam("pv", "shvset", "client=s:")
request_route {
	if (!mf_process_maxfwd_header("70")) { exit; }
	if (src_ip == %[4]s) {
		if ($rd == "%[2]s") {
			if ($Rp == 5060) { $du = "sip:%[3]s:5060"; } else { $du = $shv(client); }
		}
		if (proto == TCP) { force_send_socket(tcp:%[1]s:5060); } else { force_send_socket(%[1]s:5060); }
	} else {
		force_rport();
		if (proto == TCP) {
			$du = "sip:%[4]s:5060;transport=tcp";
			force_send_socket(tcp:%[2]s:5060);
		} else if ($sp == 5060) {
			$du = "sip:%[4]s:5060";
			force_send_socket(%[2]s:5060);
		} else {
			$du = "sip:%[4]s:5060";
			$shv(client) = "sip:%[3]s:" + $sp;
			force_send_socket(%[2]s:5062);
		}
	}
	%[5]s
}
event_route[core:worker-one-init] { xlog("L_ERR", "the proxy works"); }
onreply_route {
	if (src_ip == %[3]s && $sp != 5060) { force_send_socket(%[2]s:5062); }
}
`, netlab.RouterAddr, netlab.PublicAddr, netlab.LANAddr, netlab.WANAddr, relay)
	dir := t.TempDir()
	file := filepath.Join(dir, "kamailio.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p := netlab.Start(t, router.Command(context.Background(), "kamailio", "-DD", "-E", "-f", file, "-m", "32", "-M", "4", "-Y", dir))
	p.WaitFor(t, "the proxy works")
	protocols := "udp"
	if tcp {
		protocols = "udp, tcp"
	}
	router.NFT(t, fmt.Sprintf(`table ip proxy {
		chain nat { type nat hook prerouting priority -100; iifname "r0" meta l4proto { %s } th dport 5060 redirect to :5060; }
	}`, protocols))
}
