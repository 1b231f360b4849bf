package probe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// TestHoleLife shows how long ports stay open that calls announce: three minutes behind the helpers of Linux, which keep what a call
// announces for so long. Behind a plain NAT nothing is sent there, and nothing is claimed.
func TestHoleLife(t *testing.T) {
	for _, tc := range []struct {
		name    string
		network fixup.Config
		idle    time.Duration
		want    string // trials after silence
		says    string
	}{
		{
			"linux",
			fixup.Config{Style: "linux", Latency: 10 * time.Millisecond},
			0,
			"30 ok, 95 ok, 185 failed", "unused it stays open for more than 95 s, less than 185 s",
		},
		{
			"linux without NAT",
			fixup.Config{Style: "linux", NoNAT: true, Latency: 10 * time.Millisecond},
			0,
			"30 ok, 95 ok, 185 failed", "unused it stays open for more than 95 s, less than 185 s",
		},
		{
			"linux, two of three",
			fixup.Config{Style: "linux", Latency: 10 * time.Millisecond},
			100 * time.Second,
			"30 ok, 95 ok", "unused it stays open for more than 95 s",
		},
		{"linux, none", fixup.Config{Style: "linux", Latency: 10 * time.Millisecond}, -1, "", ""},
		{"NAT", fixup.Config{Latency: 10 * time.Millisecond}, 0, "30 unsent, 95 unsent, 185 unsent", ""},
		{"no NAT", fixup.Config{NoNAT: true, Latency: 10 * time.Millisecond}, 0, "30 failed, 95 failed, 185 failed", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tc.network, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoMedia}, Thorough: true, Idle: tc.idle}
				began := time.Now()
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > LongestIdle+15*time.Second {
					t.Errorf("took %v", took)
				}
				var got []string
				for _, x := range report.Trials {
					if x.Pinhole == nil || x.Pinhole.Idle == 0 {
						continue
					}
					got = append(got, fmt.Sprintf("%.0f %s", x.Pinhole.Idle, x.Outcome))
					if p := x.Path; p.Port != 5060 || p.Transport != "udp" || p.SourcePort != alg.Ephemeral || p.Control || x.Pinhole.Neighbour {
						t.Errorf("%s %+v", p, *x.Pinhole)
					}
				}
				if list := strings.Join(got, ", "); list != tc.want {
					t.Errorf("%s, want %s", list, tc.want)
				}
				opened := false
				for _, f := range report.Findings {
					if f.ID == "message-dropped" {
						t.Errorf("%s %s %s", f.Path(), f.Message, f.Summary)
					}
					if f.ID != "media-pinhole-opened" || f.Transport != "udp" {
						continue
					}
					opened = true
					if !strings.HasSuffix(f.Summary, tc.says) || tc.says == "" && strings.Contains(f.Summary, "unused") {
						t.Errorf("%s", f.Summary)
					}
				}
				if linux := tc.network.Style == "linux"; opened != linux {
					t.Errorf("opened: %v", opened)
				}
				hungUp := map[string]int{}
				for _, p := range report.Evidence.Pairs {
					if strings.HasPrefix(p.Step, stepPinholeIdle) && p.Delivered() {
						hungUp[p.Step]++
					}
				}
				if calls := len(got); hungUp[stepPinholeIdle] != calls || tc.network.Style == "linux" && (hungUp[stepPinholeIdle+"-486"] != calls || hungUp[stepPinholeIdle+"-ack"] != calls) {
					t.Errorf("calls: %v", hungUp)
				}
				if slices.ContainsFunc(report.Network.Notes, func(n string) bool { return strings.Contains(n, "budget") }) {
					t.Errorf("notes: %q", report.Network.Notes)
				}
			})
		})
	}
}
