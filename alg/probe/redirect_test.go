package probe

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/alg/report"
	"nofixup/reflector"
)

// TestRedirected shows what a user reads of answers that go to the port in the Via, and that a plain NAT is not said to do so.
func TestRedirected(t *testing.T) {
	for style, want := range map[string]int{"linux": 1, "none": 0} {
		t.Run(style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Style: style, Latency: 10 * time.Millisecond}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan.Protos = []string{alg.ProtoSIP}
				result, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				found := 0
				for _, f := range result.Findings {
					if f.ID == "response-redirected" {
						found++
						if f.Port != 5060 || f.SourcePort != alg.Ephemeral || f.Direction != alg.Inbound {
							t.Errorf("%+v", f)
						}
					}
				}
				if found != want {
					t.Errorf("%d findings, want %d", found, want)
				}
				var b strings.Builder
				if err := report.Text(&b, result, report.TextOptions{}); err != nil {
					t.Fatal(err)
				}
				for _, line := range []string{"response-redirected", "    want  10.0.0.9:", "delivered to another port"} {
					if strings.Contains(b.String(), line) != (want > 0) {
						t.Errorf("%q:\n%s", line, b.String())
					}
				}
			})
		})
	}
}
