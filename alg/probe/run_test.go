package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
	"nofixup/reflector/wire"
)

// world is a client and a reflector with a box between them, all in memory.
type world struct {
	network *fixup.Network
	server  *reflector.Server
	cfg     Config
}

func newWorld(t *testing.T, cfg fixup.Config, limits reflector.Limits) *world {
	t.Helper()
	network, err := fixup.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return startWorld(t, network, reflector.Config{Limits: limits})
}

// startWorld starts a reflector in a network.
func startWorld(t *testing.T, network *fixup.Network, cfg reflector.Config) *world {
	t.Helper()
	cfg.Hosts, cfg.Network = []netip.Addr{netip.MustParseAddr("203.0.113.10")}, network.Outside()
	server, err := reflector.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &world{network, server, Config{
		Plan:      PlanOptions{Protos: []string{alg.ProtoSIP, alg.ProtoSIPS}},
		Reflector: server.URL(), Control: wire.Options{Pin: server.Pin()}, Network: network.Inside(), Version: "test", Kind: "probe",
	}}
}

func (w *world) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	w.network.Close()
}

func verdicts(r *alg.Report) string {
	var b strings.Builder
	for _, p := range r.Paths {
		b.WriteString(p.String() + ": " + string(p.Outbound) + " " + string(p.Inbound) + "\n")
	}
	return b.String()
}

// paths gives verdicts of the paths to port 5060 over UDP and TCP. Those to port 5061 and to the control port are clean.
func paths(outbound, inbound alg.Verdict) string {
	var b strings.Builder
	for _, transport := range []string{"udp", "tcp"} {
		for _, source := range []string{"5060", "ephemeral"} {
			b.WriteString("sip/" + transport + "/5060 from " + source + ": " + string(outbound) + " " + string(inbound) + "\n")
		}
		b.WriteString("sip/" + transport + "/5061 from ephemeral: clean clean\n")
		for _, source := range []string{"5060", "ephemeral"} {
			b.WriteString("sip/" + transport + "/15060 from " + source + ": clean clean\n")
		}
	}
	b.WriteString("sips/tls/5061 from ephemeral: clean clean\n")
	return b.String()
}

var (
	allClean  = paths(alg.Clean, alg.Clean)
	rewritten = paths(alg.Altered, alg.Altered)
	// Where more than a tenth of all messages gets lost, large ones are not sent.
	lossy = strings.NewReplacer(
		"udp/5060 from 5060: clean clean", "udp/5060 from 5060: untested untested",
		"udp/5060 from ephemeral: clean clean", "udp/5060 from ephemeral: untested untested",
		"udp/15060 from 5060: clean clean", "udp/15060 from 5060: untested untested",
		"udp/15060 from ephemeral: clean clean", "udp/15060 from ephemeral: untested untested",
	).Replace(allClean)
)

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name    string
		network fixup.Config
		want    string
		within  time.Duration
	}{
		{"none", fixup.Config{Latency: 10 * time.Millisecond}, allClean, 5 * time.Second},
		{"no NAT", fixup.Config{Latency: 10 * time.Millisecond, NoNAT: true}, allClean, 5 * time.Second},
		{"linux", fixup.Config{Style: "linux", Latency: 10 * time.Millisecond}, rewritten, 15 * time.Second},
		{"loss", fixup.Config{Latency: 10 * time.Millisecond, Loss: 0.2, Seed: 1}, lossy, 30 * time.Second},
		{"far away", fixup.Config{Latency: 400 * time.Millisecond}, allClean, 140 * time.Second},
		{"linux with loss", fixup.Config{Style: "linux", Loss: 0.05, Seed: 2}, rewritten, 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tc.network, reflector.Limits{})
				defer w.close(t)
				begin := time.Now()
				var first time.Duration
				w.cfg.Progress = func(p Progress) {
					if p.SoFar != "" && first == 0 {
						first = time.Since(begin)
					}
				}
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				if first == 0 || tc.network.Latency == 10*time.Millisecond && tc.network.Loss == 0 && first > time.Second {
					t.Errorf("first verdict after %v", first)
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
				if report.Network.NAT == tc.network.NoNAT || report.Network.Local.String() != "10.0.0.9" {
					t.Errorf("network %+v", report.Network)
				}
				registrations(t, report)
				if n := w.server.Counters().Sessions; n != 0 {
					t.Errorf("%d sessions left behind", n)
				}
			})
		})
	}
}

// registrations checks that every registration which reached the reflector was ended there.
func registrations(t *testing.T, r *alg.Report) {
	t.Helper()
	open, flows := map[alg.Path]bool{}, map[int]alg.Path{}
	for _, f := range r.Evidence.Flows {
		flows[f.ID] = f.Path
	}
	for _, p := range r.Evidence.Pairs {
		switch {
		case !p.Outbound || !p.Delivered():
		case p.Step == stepRegister:
			open[flows[p.Flow]] = true
		case p.Step == stepDeregister:
			delete(open, flows[p.Flow])
		}
	}
	if len(open) > 0 {
		t.Errorf("registrations left open on %v", open)
	}
}

// TestCut shows that a run which is stopped in the middle ends soon, has a report that claims nothing it did not test, and
// leaves no registration behind.
func TestCut(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 800 * time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Style: "linux", Latency: 10 * time.Millisecond}, reflector.Limits{})
				defer w.close(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(after, cancel)
				begin := time.Now()
				report, err := Run(ctx, w.cfg)
				if took := time.Since(begin) - after; took > time.Second {
					t.Errorf("took %v to end", took)
				}
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					return // cut before there was a session
				}
				if report.Verdict == alg.OverallClean || report.Evidence.Complete {
					t.Errorf("verdict %s, complete %v\n%s", report.Verdict, report.Evidence.Complete, verdicts(report))
				}
				registrations(t, report)
			})
		})
	}
}

// TestCutIsNotClean shows that behind plain NAT a run that was stopped half way is not clean: not everything was sent.
func TestCutIsNotClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{Latency: 10 * time.Millisecond}, reflector.Limits{})
		defer w.close(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.cfg.Progress = func(p Progress) {
			if p.What == "outer addresses" {
				cancel()
			}
		}
		report, err := Run(ctx, w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != alg.OverallInconclusive {
			t.Errorf("verdict %s\n%s", report.Verdict, verdicts(report))
		}
		for _, p := range report.Paths {
			if p.Outbound == alg.Clean {
				t.Errorf("%s: outbound clean", p.Path)
			}
		}
	})
}

// TestBudget shows that a session too small for the plan makes the result untested, not clean.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{}, reflector.Limits{Messages: 20})
		defer w.close(t)
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != alg.OverallInconclusive {
			t.Errorf("verdict %s\n%s", report.Verdict, verdicts(report))
		}
	})
}

// busy is a network on which source port 5060 is taken.
type busy struct{ Network }

func (b busy) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	if strings.HasSuffix(address, ":5060") {
		return nil, errors.New("address already in use")
	}
	return b.Network.ListenPacket(ctx, network, address)
}

func TestSourcePortTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Network = busy{w.cfg.Network}
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, tcp, _ := strings.Cut(allClean, "sip/tcp")
		want := `sip/udp/5060 from 5060: untested untested
sip/udp/5060 from ephemeral: clean clean
sip/udp/5061 from ephemeral: clean clean
sip/udp/15060 from 5060: untested untested
sip/udp/15060 from ephemeral: clean clean
sip/tcp` + tcp
		if got := verdicts(report); got != want || report.Verdict != alg.OverallInconclusive {
			t.Errorf("%s\n%s", report.Verdict, got)
		}
		if reason := report.Paths[0].Reason; !strings.Contains(reason, "source port 5060") || !strings.Contains(reason, "already in use") {
			t.Errorf("reason %q", reason)
		}
	})
}

// mute is a network that refuses to send datagrams, as a firewall on this computer does.
type mute struct{ Network }

func (m mute) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	c, err := m.Network.ListenPacket(ctx, network, address)
	return muteConn{c}, err
}

type muteConn struct{ net.PacketConn }

func (muteConn) WriteTo([]byte, net.Addr) (int, error) {
	return 0, errors.New("operation not permitted")
}

func TestSendingRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{}, reflector.Limits{})
		defer w.close(t)
		w.cfg.Network = mute{w.cfg.Network}
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != alg.OverallInconclusive || !strings.Contains(report.Paths[0].Reason, "operation not permitted") {
			t.Errorf("%s\n%s%s", report.Verdict, verdicts(report), report.Paths[0].Reason)
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{}, reflector.Limits{})
		defer w.close(t)
		wrong := "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
		cfg := w.cfg
		cfg.Control.Pin = wrong
		var pin *wire.PinError
		if _, err := Run(t.Context(), cfg); !errors.As(err, &pin) || pin.Want != wrong || pin.Got != w.server.Pin() {
			t.Errorf("wrong pin: %v", err)
		}
		cfg = w.cfg
		cfg.Plan.Families = []int{6}
		if _, err := Run(t.Context(), cfg); !errors.Is(err, ErrNoTarget) {
			t.Errorf("no target: %v", err)
		}
		cfg = w.cfg
		cfg.Source = netip.MustParseAddr("fd00:10::9")
		if _, err := Run(t.Context(), cfg); !errors.Is(err, ErrNoTarget) {
			t.Errorf("source of another family: %v", err)
		}
		if n := w.server.Counters().Sessions; n != 0 {
			t.Errorf("%d sessions left behind", n)
		}
	})
}

// TestActionless shows that calls are untested, and so the whole, where the reflector sends nothing of its own accord.
func TestActionless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fixup.Config{}, reflector.Limits{Actions: -1})
		defer w.close(t)
		report, err := Run(t.Context(), w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if report.Verdict != alg.OverallInconclusive || !strings.Contains(report.Paths[0].Reason, "this reflector sends nothing of its own accord") {
			t.Errorf("%s\n%s%s", report.Verdict, verdicts(report), report.Paths[0].Reason)
		}
	})
}
