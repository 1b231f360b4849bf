package alg

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTriesOn(t *testing.T) {
	for _, tc := range []struct {
		transport string
		q         float64
		want      int
	}{
		{"udp", 0.1, 8}, {"tcp", 0.1, 3}, {"udp", 0.5, 24}, {"tcp", 0.5, 8}, {"tcp", 0.6, 0}, {"tcp", 0, 1},
	} {
		if got := TriesOn(tc.transport, tc.q); got != tc.want {
			t.Errorf("%s, %v: %d tries, want %d", tc.transport, tc.q, got, tc.want)
		}
	}
}

// TestUnconnected shows what connections that do not come about mean.
func TestUnconnected(t *testing.T) {
	path := Path{Proto: "sip", Transport: "tcp", Family: 4, Port: 5060, SourcePort: 5060}
	control := path
	control.Port, control.Control = 15060, true
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	addr := netip.MustParseAddrPort
	points := []Point{
		{Name: Inside, From: at.Add(-time.Hour), To: at.Add(time.Hour), Complete: true},
		{Name: Outside, From: at.Add(-time.Hour), To: at.Add(time.Hour), Complete: true},
	}
	works := Case{
		Points: points,
		Flows:  []Flow{{ID: 1, Path: control, Inside: [2]netip.AddrPort{addr("10.0.0.9:5060"), addr("203.0.113.10:15060")}}},
	}
	for id, outbound := range []bool{true, false} {
		s := &Sighting{At: at, End: 1, Raw: Bytes("x")}
		works.Pairs = append(works.Pairs, Pair{
			ID: id + 1, Flow: 1, Try: 1, Outbound: outbound, Step: "options", Shape: ShapeLocal, Role: RoleControl, Inside: s, Outside: s,
		})
	}
	for _, tc := range []struct {
		name     string
		base     Case
		connects int
		want     Verdict
		reason   string
		findings int
	}{
		{"never", works, minConnects, Blocked, "the control port can be connected to", 1},
		{"too few", works, 2, Untested, "in 2 tries", 0},
		{"no control", Case{Points: points}, minConnects, Blocked, "no connection in 6 tries: it is refused", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.base
			for range tc.connects {
				c.Trials = append(c.Trials, Trial{Kind: TrialConnect, Path: path, At: at, Outcome: OutcomeFailed, Detail: "it is refused"})
			}
			var j Judge
			findings := j.Add(c)
			for _, p := range j.Report().Paths {
				if p.Path != path {
					continue
				}
				if p.Outbound != tc.want || p.Inbound != Untested || !strings.Contains(p.Reason, tc.reason) {
					t.Errorf("%s %s %q", p.Outbound, p.Inbound, p.Reason)
				}
			}
			if len(findings) != tc.findings {
				t.Errorf("%d findings", len(findings))
			}
		})
	}
}
