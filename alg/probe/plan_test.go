package probe

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

var update = flag.Bool("update", false, "write the goldens anew")

func targets() []wire.Target {
	var out []wire.Target
	for _, addr := range []string{"203.0.113.10", "2001:db8:203::10"} {
		a := netip.MustParseAddr(addr)
		out = append(out,
			wire.Target{Service: wire.ServiceSIP, Transport: "udp", Addr: netip.AddrPortFrom(a, 5060)},
			wire.Target{Service: wire.ServiceNeutral, Transport: "udp", Addr: netip.AddrPortFrom(a, 15060)},
			wire.Target{Service: "of-tomorrow", Transport: "udp", Addr: netip.AddrPortFrom(a, 1)},
		)
	}
	return out
}

// port5061 is what a reflector has there, after SIP over TCP on the other port.
var port5061 = []wire.Target{
	{Service: wire.ServiceSIP, Transport: "tcp", Addr: netip.MustParseAddrPort("203.0.113.10:5060")},
	{Service: wire.ServiceSIP, Transport: "udp", Addr: netip.MustParseAddrPort("203.0.113.10:5061")},
	{Service: wire.ServiceSIPS, Transport: "tls", Addr: netip.MustParseAddrPort("203.0.113.10:5061")},
	{Service: wire.ServiceSIP, Transport: "tcp", Addr: netip.MustParseAddrPort("203.0.113.10:5061")},
}

// port1720 is what it has for H.323.
var port1720 = []wire.Target{
	{Service: wire.ServiceH225, Transport: "tcp", Addr: netip.MustParseAddrPort("203.0.113.10:1720")},
	{Service: wire.ServiceNeutral, Transport: "tcp", Addr: netip.MustParseAddrPort("203.0.113.10:15060")},
}

func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts PlanOptions
		more []wire.Target
	}{
		{name: "default"},
		{"ipv4-via", PlanOptions{Families: []int{4}, ViaAddresses: []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::9")}}, nil},
		{"ipv6", PlanOptions{Families: []int{6}}, nil},
		{"5061", PlanOptions{Families: []int{4}}, port5061},
		{"sips", PlanOptions{Protos: []string{alg.ProtoSIPS}}, port5061},
		{"h323", PlanOptions{Protos: []string{alg.ProtoH323}}, port1720},
		{"h323-media", PlanOptions{Protos: []string{alg.ProtoH323, alg.ProtoMedia}, Families: []int{4}}, port1720},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := NewPlan(append(targets(), tc.more...), tc.opts)
			var b strings.Builder
			if err := plan.Print(&b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "plan", tc.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != strings.ReplaceAll(string(want), "\r\n", "\n") {
				t.Errorf("got\n%s\nwant\n%s", b.String(), want)
			}
		})
	}
}

// TestPlanControls shows that whatever goes to a port goes to its control port, too, and the malformed comes last.
func TestPlanControls(t *testing.T) {
	plan := NewPlan(targets(), PlanOptions{})
	type key struct {
		family int
		source alg.SourcePort
		name   string
		shape  string
	}
	count := map[bool]map[key]int{true: {}, false: {}}
	broken := false
	for _, r := range plan.Rounds {
		for _, s := range r.Steps {
			p := plan.Flows[s.Flow].Path
			count[p.Control][key{p.Family, p.SourcePort, s.Name, s.Shape}]++
			if broken && s.Breaks == "" {
				t.Errorf("%s comes after a message that breaks the rules", s.Name)
			}
			if (s.Role == alg.RoleControl) != p.Control {
				t.Errorf("%s on %s is a %s", s.Name, p, s.Role)
			}
		}
		for _, s := range r.Steps {
			broken = broken || s.Breaks != ""
		}
	}
	for k, n := range count[false] {
		if count[true][k] != n {
			t.Errorf("%v: %d times, %d times to the control port", k, n, count[true][k])
		}
	}
	if len(count[false]) == 0 || !broken {
		t.Error("an empty plan")
	}
}

// TestPortWalk shows that no port is announced twice within three minutes, in one run or in one run after the other.
func TestPortWalk(t *testing.T) {
	last := map[uint16]time.Time{}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for now := start; now.Before(start.Add(10 * time.Minute)); now = now.Add(2 * time.Second) {
		walk := newPortWalk(now)
		for range 90 { // offers in a run of two seconds
			first := walk.take(mediaPorts)
			if first%2 != 0 || first < firstMediaPort || int(first)+mediaPorts > 65536 {
				t.Fatalf("port %d", first)
			}
			for p := first; p < first+mediaPorts; p++ {
				if at, ok := last[p]; ok && now.Sub(at) < 180*time.Second {
					t.Fatalf("port %d twice within %v", p, now.Sub(at))
				}
				last[p] = now
			}
		}
	}
}

// TestStepNames shows that a name stands for one step: that of a framing is looked up ahead of transports, and would take an odd
// message of the same name with it. Each of both kinds is part of a thorough plan.
func TestStepNames(t *testing.T) {
	planned := map[string]bool{}
	plan := NewPlan(append(targets(), port5061...), PlanOptions{Thorough: true})
	for _, round := range plan.Rounds {
		for _, s := range round.Steps {
			planned[s.Name] = true
		}
	}
	for _, f := range framings {
		if o, ok := oddOf(f.name); ok {
			t.Errorf("%s is a framing and %s", f.name, traitOf(o.name))
		}
		if !planned[f.name] {
			t.Errorf("%s is not planned", f.name)
		}
	}
	for _, o := range odds {
		if !planned[o.name] {
			t.Errorf("%s is not planned", o.name)
		}
		if traitOf(o.name)+breaksOf(o.name) == "" {
			t.Errorf("nobody says what is odd about %s", o.name)
		}
	}
}
