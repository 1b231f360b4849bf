package probe

import (
	"strings"
	"testing"
	"testing/synctest"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// TestFallBack shows that where the neutral port is closed over TCP, 443 is the control in its place, and that it tells a
// gateway from a closed port as the neutral one does.
func TestFallBack(t *testing.T) {
	for _, tc := range []struct {
		style string
		want  alg.Verdict
	}{{"none", alg.Clean}, {"linux", alg.Altered}} {
		t.Run(tc.style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Style: tc.style, Block: func(p fixup.Packet, out bool) bool {
					return p.Proto == "tcp" && out && p.Dst.Port() == 15060
				}}, reflector.Limits{})
				defer w.close(t)

				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range report.Paths {
					if p.Transport != "tcp" || p.Port == 5061 {
						continue
					}
					want := tc.want
					if p.Control {
						want = alg.Clean
						if p.Port != 443 {
							t.Errorf("the control is %s", p.Path)
						}
					}
					if p.Outbound != want {
						t.Errorf("%s: %s (%s), want %s", p.Path, p.Outbound, p.Reason, want)
					}
				}
				notes := strings.Join(report.Network.Notes, "\n")
				if !strings.Contains(notes, "TCP to the neutral port 15060 is closed (nobody answers): port 443 is the control in its place") {
					t.Errorf("notes:\n%s", notes)
				}
			})
		})
	}
}
