package netlab_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeFamilies shows that a path whose two families differ is told per family: helpers on both, and addresses that are
// translated in IPv4 alone, as most routers have it. Over IPv6 the helper then changes no octet, and drops what it cannot read.
func TestProbeFamilies(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	lab.Host("rtr").NFT(t, "delete chain ip6 netlab nat")
	lab.Host("isp").Run(t, "ip", "-6", "route", "add", "fd00:10::/64", "via", netlab.PublicAddr6.String())
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
	report, exit := probe(t, lab, url, pin, "--only", "sip,h323")
	if exit != 1 {
		t.Errorf("exit %d", exit)
	}
	for _, p := range report.Paths {
		var want [2]alg.Verdict
		switch {
		case p.Proto == alg.ProtoSIP && p.Port == 5060 && p.Family == 4, p.Proto == alg.ProtoH323 && p.Port == 1720 && p.Family == 4:
			want = [2]alg.Verdict{alg.Altered, alg.Altered}
		case p.Proto == alg.ProtoSIP && p.Port == 5060:
			want = [2]alg.Verdict{alg.Inspected, alg.Clean}
		default:
			want = [2]alg.Verdict{alg.Clean, alg.Clean}
		}
		if got := [2]alg.Verdict{p.Outbound, p.Inbound}; got != want {
			t.Errorf("%s: %v, want %v: %s", p.Path, got, want, p.Reason)
		}
	}
	for _, f := range report.Findings {
		if f.Family == 6 && f.ID != "nonconforming-dropped" {
			t.Errorf("IPv6: %s %s", f.ID, f.Field)
		}
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, _ := lab.Host("lan").Command(ctx, netlab.Build(t, "nofixup/cmd/nofixup"), "probe", "--only", "sip", "--pin", pin, url).Output()
	text := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		"rewrites SIP over IPv4",
		"sip/udp 5060 5060 altered altered", "sip/udp IPv6 5060 5060 inspected clean",
		"network 10.0.0.9", "-> NAT -> 198.51.100.2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, out)
		}
	}
}

// TestProbeH323OverIPv6 shows that the kernel rewrites H.323 over IPv4 alone, also where it translates the addresses of both.
func TestProbeH323OverIPv6(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
	report, _ := probe(t, lab, url, pin, "--only", "h323")
	seen := 0
	for _, p := range report.Paths {
		if p.Control {
			continue
		}
		seen++
		if altered := p.Outbound == alg.Altered; altered != (p.Family == 4) || p.Family == 6 && p.Outbound != alg.Clean {
			t.Errorf("%s: %s %s: %s", p.Path, p.Outbound, p.Inbound, p.Reason)
		}
	}
	if seen != 2 {
		t.Errorf("%d paths:\n%s", seen, verdicts(report))
	}
}
