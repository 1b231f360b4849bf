package probe

import (
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// TestEstimate shows that what is told in advance is about what a run takes where nothing is dropped, and that the time left
// goes down to nothing.
func TestEstimate(t *testing.T) {
	for _, tc := range []struct {
		name     string
		latency  time.Duration
		protos   []string
		thorough bool
	}{
		{"near", 10 * time.Millisecond, nil, false},
		{"far", 100 * time.Millisecond, nil, false},
		{"thorough", 10 * time.Millisecond, nil, true},
		{"H.323", 10 * time.Millisecond, []string{"h323", "ras"}, false},
		{"UDP", 50 * time.Millisecond, []string{"ras"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if testing.Short() && (tc.thorough || tc.latency > 50*time.Millisecond) {
				t.Skip("in short mode: a long run adds nothing to what the race detector sees")
			}
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Latency: tc.latency}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan = PlanOptions{Protos: tc.protos, Thorough: tc.thorough}
				var told, last time.Duration
				var begin time.Time // of the plan: the session is open by then
				w.cfg.Progress = func(p Progress) {
					if told == 0 {
						told, begin = p.Left, time.Now()
					}
					last = p.Left
				}
				if _, err := Run(t.Context(), w.cfg); err != nil {
					t.Fatal(err)
				}
				took := time.Since(begin)
				t.Logf("told %v, took %v", told, took)
				if told < took/2 || told > 2*took {
					t.Errorf("told %v, took %v", told, took)
				}
				if last > told/4 {
					t.Errorf("%v left at the end", last)
				}
			})
		})
	}
}
