package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// TestPinholes shows that ports which a gateway opens for calls are found for SIP and for H.323, each by itself and with no octet
// altered where nothing is translated, and that neither a NAT, a filter, nor loss is taken for one.
func TestPinholes(t *testing.T) {
	const sip, h323 = "sip/udp/5060 sip/tcp/5060", "h323/tcp/1720"
	const latency = 10 * time.Millisecond
	for _, tc := range []struct {
		name    string
		network fixup.Config
		opened  string // paths with the finding
		same    bool   // no octet is altered
		verdict alg.Overall
		outside bool // the client is beyond the box: nothing filters
	}{
		{"NAT", fixup.Config{Latency: latency}, "", true, alg.OverallClean, false},
		{"no NAT", fixup.Config{NoNAT: true, Latency: latency}, "", true, alg.OverallClean, false},
		{"linux", fixup.Config{Style: "linux", Latency: latency}, sip + " " + h323, false, alg.OverallInterference, false},
		{"linux, no NAT", fixup.Config{Style: "linux", NoNAT: true, Latency: latency}, sip + " " + h323, true, alg.OverallInterference, false},
		{"H.323 alone", fixup.Config{Style: "linux-h323", Latency: latency}, h323, false, alg.OverallInterference, false},
		{"H.323 alone, no NAT", fixup.Config{Style: "linux-h323", NoNAT: true, Latency: latency}, h323, true, alg.OverallInterference, false},
		{"lossy", fixup.Config{NoNAT: true, Latency: latency, Loss: 0.05, Seed: 1}, "", true, "", false},
		{"lossy NAT", fixup.Config{Latency: latency, Loss: 0.05, Seed: 2}, "", true, "", false},
		{"no filter", fixup.Config{Latency: latency}, "", true, alg.OverallClean, true},
		{"H.323 alone, no NAT, lossy", fixup.Config{Style: "linux-h323", NoNAT: true, Latency: latency, Loss: 0.03, Seed: 3}, h323, true, alg.OverallInterference, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tc.network, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan.Protos = nil
				if tc.outside {
					w.cfg.Network, w.cfg.Source = w.network.Outside(), netip.MustParseAddr("203.0.113.11")
				}
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				var opened []string
				for _, f := range report.Findings {
					if f.ID == "media-pinhole-opened" {
						opened = append(opened, fmt.Sprintf("%s/%s/%d", f.Proto, f.Transport, f.Port))
						if f.SourcePort != alg.Ephemeral || strings.Contains(f.Advice, "H.323") != (f.Proto == alg.ProtoH323) {
							t.Errorf("%+v", f)
						}
					}
				}
				slices.SortFunc(opened, func(a, b string) int { return strings.Index(sip+h323, a) - strings.Index(sip+h323, b) })
				if got := strings.Join(opened, " "); got != tc.opened {
					t.Errorf("opened on %q, want %q", got, tc.opened)
				}
				if tc.verdict != "" && report.Verdict != tc.verdict {
					t.Errorf("%s, want %s\n%s", report.Verdict, tc.verdict, verdicts(report))
				}
				for _, p := range report.Paths {
					at := fmt.Sprintf("%s/%s/%d", p.Proto, p.Transport, p.Port)
					want := alg.Clean
					if slices.Contains(opened, at) && p.SourcePort == alg.Ephemeral {
						want = alg.Inspected
					}
					if tc.network.Style == "linux" && p.SourcePort != alg.Ephemeral {
						continue // the helper of SIP drops what breaks a rule, too
					}
					if tc.same && p.Outbound != want && (tc.network.Loss == 0 || p.Outbound.Interference()) {
						t.Errorf("%s: %s, want %s: %s", p.Path, p.Outbound, want, p.Reason)
					}
				}
				if tc.same && slices.ContainsFunc(report.Findings, func(f alg.Finding) bool { return f.Kind != "" }) {
					t.Errorf("findings: %v", report.Findings)
				}
				holeTrials(t, report)
			})
		})
	}
}

// TestPinholesUnderLoss shows that loss makes no gateway of a filter, and that it hardly ever hides one.
func TestPinholesUnderLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("in short mode: more of the same adds nothing to what the race detector sees")
	}
	for _, loss := range []float64{0.01, 0.05, 0.2} {
		for _, style := range []string{"none", "linux-h323"} {
			found := 0
			const runs = 6
			for seed := range uint64(runs) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, fixup.Config{Style: style, NoNAT: true, Latency: 10 * time.Millisecond, Loss: loss, Seed: seed}, reflector.Limits{})
					defer w.close(t)
					w.cfg.Plan.Protos = []string{alg.ProtoMedia}
					report, err := Run(t.Context(), w.cfg)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range report.Findings {
						switch {
						case f.ID != "media-pinhole-opened":
						case f.Proto != alg.ProtoH323 || style == "none":
							t.Errorf("%s, loss %v, seed %d: %s: %s", style, loss, seed, f.Path(), f.Summary)
						default:
							found++
						}
					}
				})
			}
			if style == "linux-h323" && found < runs/2 {
				t.Errorf("loss %v: found in %d of %d runs", loss, found, runs)
			}
		}
	}
}

// holeTrials checks those that a report says were sent to announced ports: how many, and that both protocols had theirs.
func holeTrials(t *testing.T, r *alg.Report) {
	t.Helper()
	sent, tried := 0, map[string]bool{}
	for _, x := range r.Trials {
		if x.Pinhole == nil {
			continue
		}
		tried[x.Path.Proto] = true
		if x.Pinhole.NotSent == "" {
			sent++
		}
		t.Logf("%s %s %v > %v %+v", x.Path, x.Outcome, x.Src, x.Dst, *x.Pinhole)
	}
	if sent > 32 || !tried[alg.ProtoSIP] || !tried[alg.ProtoH323] {
		t.Errorf("%d datagrams, of %v", sent, tried)
	}
}
