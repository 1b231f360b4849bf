package probe

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// TestRunH323 shows that calls over H.323 and requests of RAS get there and back, and what becomes of them on the way.
func TestRunH323(t *testing.T) {
	const clean = `h323/tcp/1720 from ephemeral: clean clean
h323/tcp/15060 from ephemeral: clean clean
ras/udp/1719 from ephemeral: clean clean
ras/udp/15060 from ephemeral: clean clean
`
	const altered = `h323/tcp/1720 from ephemeral: altered altered
h323/tcp/15060 from ephemeral: clean clean
ras/udp/1719 from ephemeral: altered clean
ras/udp/15060 from ephemeral: clean clean
`
	for _, tc := range []struct {
		name     string
		network  fixup.Config
		thorough bool
		want     string
		within   time.Duration
	}{
		{"none", fixup.Config{Latency: 10 * time.Millisecond}, false, clean, 5 * time.Second},
		{"no NAT", fixup.Config{Latency: 10 * time.Millisecond, NoNAT: true}, false, clean, 5 * time.Second},
		{"linux", fixup.Config{Style: "linux", Latency: 10 * time.Millisecond}, false, altered, 5 * time.Second},
		{"linux, no NAT", fixup.Config{Style: "linux", NoNAT: true, Latency: 10 * time.Millisecond}, false, clean, 5 * time.Second},
		{"loss", fixup.Config{Loss: 0.2, Seed: 3, Latency: 10 * time.Millisecond}, false, clean, 20 * time.Second},
		{"far away", fixup.Config{Latency: 400 * time.Millisecond}, false, clean, 100 * time.Second},
		{"thorough, linux", fixup.Config{Style: "linux", Latency: 10 * time.Millisecond}, true, altered, 5 * time.Second},
		{"thorough", fixup.Config{Latency: 10 * time.Millisecond}, true, clean, 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tc.network, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoH323, alg.ProtoRAS}, Thorough: tc.thorough}
				begin := time.Now()
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took > tc.within {
					t.Errorf("took %v, want at most %v", took, tc.within)
				}
				if got := verdicts(report); got != tc.want {
					for _, p := range report.Paths {
						t.Log(p.Path, p.Reason)
					}
					t.Errorf("got\n%swant\n%s", got, tc.want)
				}
				for _, n := range report.Network.Notes {
					if !tc.thorough || !strings.Contains(n, "a registration with a gatekeeper was made") {
						t.Error(n)
					}
				}
			})
		})
	}
}
