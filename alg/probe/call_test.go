package probe

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
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
					if !tc.thorough || !strings.Contains(n, "a registration with a gatekeeper was asked for") {
						t.Error(n)
					}
				}
			})
		})
	}
}

// TestRASAlone shows that behind a NAT RAS by itself is not called clean: no message of it would tell of a gateway in an outer
// box. Without a NAT, or with SIP beside it, it is.
func TestRASAlone(t *testing.T) {
	for _, tc := range []struct {
		name   string
		protos []string
		noNAT  bool
		want   alg.Verdict
	}{
		{"alone", []string{alg.ProtoRAS}, false, alg.Untested},
		{"without NAT", []string{alg.ProtoRAS}, true, alg.Clean},
		{"with SIP", []string{alg.ProtoRAS, alg.ProtoSIP}, false, alg.Clean},
		{"with H.323", []string{alg.ProtoRAS, alg.ProtoH323}, false, alg.Clean},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{NoNAT: tc.noNAT}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan.Protos = tc.protos
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range report.Paths {
					if p.Proto == alg.ProtoRAS && !p.Control && p.Outbound != tc.want {
						t.Errorf("%s (%s), want %s", p.Outbound, p.Reason, tc.want)
					}
				}
			})
		})
	}
}

// TestNotOffered shows that what was asked for and is not offered is not tested, and what was not asked for takes nothing away.
func TestNotOffered(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, fixup.Config{}, reflector.Limits{})
			defer w.close(t)
			server, err := reflector.Start(t.Context(), reflector.Config{
				Hosts: []netip.Addr{netip.MustParseAddr("203.0.113.11")}, Network: w.network.Outside(), H225: reflector.Off, RAS: reflector.Off,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Shutdown(context.Background())
			w.cfg.Reflector, w.cfg.Control.Pin = server.URL(), server.Pin()
			w.cfg.Plan.Protos = nil
			want := alg.OverallClean
			if asked {
				w.cfg.Plan.Protos = []string{alg.ProtoSIP, alg.ProtoH323}
				want = alg.OverallInconclusive
			}
			report, err := Run(t.Context(), w.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != want {
				t.Errorf("asked %v: %s, want %s\n%s", asked, report.Verdict, want, verdicts(report))
			}
			if !slices.Contains(report.Network.Notes, "the reflector does not offer H.323: it was not tested") {
				t.Errorf("notes %q", report.Network.Notes)
			}
		})
	}
}

// TestWithoutH245 shows the same of a reflector that takes calls over H.323 and no connections for H.245.
func TestWithoutH245(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			network, err := fixup.New(fixup.Config{})
			if err != nil {
				t.Fatal(err)
			}
			w := startWorld(t, network, reflector.Config{H245: reflector.Off})
			defer w.close(t)
			w.cfg.Plan.Protos = nil
			want, reason := alg.OverallClean, ""
			if asked {
				w.cfg.Plan.Protos = []string{alg.ProtoH323}
				want, reason = alg.OverallInconclusive, "the reflector takes no H.245 on connections of its own"
			}
			report, err := Run(t.Context(), w.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if report.Verdict != want {
				t.Errorf("asked %v: %s, want %s\n%s", asked, report.Verdict, want, verdicts(report))
			}
			for _, p := range report.Paths {
				if p.Proto == alg.ProtoH323 && !strings.Contains(p.Reason, reason) {
					t.Errorf("asked %v: %s: %s", asked, p.Path, p.Reason)
				}
			}
			if !slices.Contains(report.Network.Notes, "the reflector takes no H.245 on connections of its own: it was not tested") {
				t.Errorf("notes %q", report.Network.Notes)
			}
		})
	}
}

// TestStalled shows that a message which is dropped on TCP takes no other along: those behind it on its connection only wait.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{Block: func(p fixup.Packet, out bool) bool {
			// The H.323 message type of a Setup stands behind TPKT and call reference.
			return out && p.Dst.Port() == 1720 && len(p.Payload) > 9 && p.Payload[8] == 0x05
		}}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Plan.Protos = []string{alg.ProtoH323}
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if p := report.Paths[0]; p.Outbound != alg.Dropped {
			t.Errorf("%s: %s (%s)", p.Path, p.Outbound, p.Reason)
		}
		for _, f := range report.Findings {
			if f.ID != "message-dropped" || f.Message != "setup" {
				t.Errorf("%s %s", f.ID, f.Message)
			}
		}
	})
}

// TestStalledOnce shows that a connection which stalls in the middle of a call is made up for by another, although the client
// got a message of the same name through.
func TestStalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // connections send side by side
		var stalled netip.AddrPort
		w := newWorld(t, fixup.Config{Block: func(p fixup.Packet, out bool) bool {
			if out || p.Src.Port() != 1720 {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			if !stalled.IsValid() && len(p.Payload) > 9 && p.Payload[8] == 0x62 { // a Facility
				stalled = p.Dst
			}
			return p.Dst == stalled
		}}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Plan.Protos = []string{alg.ProtoH323}
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if !stalled.IsValid() {
			t.Fatal("no connection was stalled")
		}
		if p := report.Paths[0]; p.Outbound != alg.Clean || p.Inbound != alg.Clean {
			t.Errorf("%s: %s %s (%s)", p.Path, p.Outbound, p.Inbound, p.Reason)
		}
	})
}
