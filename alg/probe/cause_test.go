package probe

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipgosip "github.com/emiago/sipgo/sip"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// TestCause shows that the thorough probe names what sets boxes off that go by different things.
func TestCause(t *testing.T) {
	for _, tc := range []struct {
		style string
		want  []string // what each sentence has
	}{
		{"none", nil},
		{"linux", []string{
			"SIP over UDP and TCP on port 5060 (IPv4): messages are altered, outbound and inbound; " +
				"the same messages on port 15060 pass untouched, so it is the port that sets the box off; " +
				"it goes by this computer's own address with its port, in Via, From, Contact and SDP; on port 5061 nothing is done to them.",
		}},
		{"sdp-only", []string{"it goes by this computer's own address, in SDP; on port 5061"}},
		{"replace", []string{
			"SIP over UDP on ports 5060 and 5061 (IPv4)",
			"; it goes by this computer's own address, wherever it stands, even in what is no SIP.",
			"; it goes by this computer's own address, wherever it stands.",
		}},
		{"replace-given", []string{"it goes by the address 10.9.9.9.", "so are they on port 15060"}},
	} {
		t.Run(tc.style, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Style: tc.style, Latency: 10 * time.Millisecond}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan.Thorough, w.cfg.Plan.Idle = true, -1
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				all := strings.Join(report.Triggers, "\n")
				for _, want := range tc.want {
					if !strings.Contains(all, want) {
						t.Errorf("no %q", want)
					}
				}
				if len(tc.want) == 0 && all != "" {
					t.Error("a cause where there is nothing")
				}
				t.Logf("%s\ntook %d ms", all, report.Duration)
			})
		})
	}
}

// TestVariants shows that a variant holds the own address in its place and nowhere else.
func TestVariants(t *testing.T) {
	for _, own := range []string{"10.0.0.9:40000", "[fd00:10::9]:40000"} {
		tm := template{
			tag: wire.Tag{Number: 7}, own: netip.MustParseAddrPort(own), server: netip.MustParseAddr("203.0.113.10"),
			media: 20000, transport: "udp", agent: "nofixup/test",
		}
		for _, step := range causeSteps {
			raw := tm.cause(step)
			holds := bytes.Contains(raw, []byte(tm.own.Addr().String()))
			foreign := step == alg.StepCauseNames || step == alg.StepCausePrivate || step == alg.StepCausePublic
			if holds == foreign {
				t.Errorf("%s: the own address, %v:\n%s", step, holds, raw)
			}
			if step == alg.StepCauseNoSIP {
				continue
			}
			whole(t, raw)
		}
	}
}

// whole asserts that a real stack takes a request, and that its body has the length that it says.
func whole(t *testing.T, raw []byte) {
	t.Helper()
	msg, err := sipgosip.ParseMessage(raw)
	if err != nil {
		t.Errorf("%v:\n%s", err, raw)
		return
	}
	m := sip.Parse(raw)
	if n, ok := m.ContentLength(); !ok || n != len(msg.Body()) {
		t.Errorf("Content-Length %d, body of %d octets:\n%s", n, len(msg.Body()), raw)
	}
}

func TestWithoutLine(t *testing.T) {
	tm := template{tag: wire.Tag{Number: 7}, own: netip.MustParseAddrPort("10.0.0.9:5060"), server: netip.MustParseAddr("203.0.113.10"), media: 20000, transport: "udp", agent: "x"}
	o, n, ok := lessOf("invite-four-media-17")
	if !ok || o.name != "invite-four-media" || n != 17 {
		t.Fatalf("%v %d %v", o.name, n, ok)
	}
	raw := o.compose(&tm)
	lines := omissible(raw)
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "m=video") })
	if i < 0 {
		t.Fatalf("%q", lines)
	}
	less := withoutLine(raw, i+1)
	if bytes.Count(less, []byte("m=video")) != 1 {
		t.Errorf("%s", less)
	}
	whole(t, less)
	for _, name := range []string{"invite", "invite-room", "invite-room-0", "invite-room-x", "unknown-3"} {
		if _, _, ok := lessOf(name); ok {
			t.Errorf("%s", name)
		}
	}
}
