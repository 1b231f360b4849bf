package netlab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeMedia shows what is said of the media of calls on the modes of the lab.
func TestProbeMedia(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		mode     netlab.Mode
		exit     int
		findings []string // about media
		paths    map[string]string
		hears    string
	}{
		{
			netlab.Plain, 0, nil,
			map[string]string{},
			"Audio passes both ways if the far end sends media back to where it comes from (symmetric RTP); from one that sends to the announced address a user on this network hears nothing",
		},
		{netlab.Firewall, 0, nil, map[string]string{}, "Audio passes both ways"},
		{
			netlab.ALG, 1,
			[]string{"media-depends-on-alg", "media-one-way", "media-pinhole-opened"},
			// The Setup with 27 extension bits is half rewritten.
			map[string]string{"tcp 1720": "clean blocked"},
			"Audio passes both ways",
		},
		{netlab.FirewallALG, 1, []string{"media-pinhole-opened"}, map[string]string{}, "Audio passes both ways"},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			report, exit := probe(t, lab, url, pin, "--only", "media", "-4")
			if exit != tc.exit {
				t.Errorf("exit %d, want %d: %v", exit, tc.exit, report.Network.Notes)
			}
			seen := 0
			for _, p := range report.Paths {
				if p.Proto != alg.ProtoMedia {
					continue
				}
				seen++
				want, ok := tc.paths[fmt.Sprintf("%s %d", p.Transport, p.Port)]
				if !ok {
					want = "clean clean"
				}
				if got := string(p.Outbound + " " + p.Inbound); got != want {
					t.Errorf("%s: %s, want %s: %s", p.Path, got, want, p.Reason)
				}
			}
			if seen != 5 { // SIP over UDP and TCP with their controls, and H.323
				t.Errorf("%d paths of media", seen)
			}
			var ids []string
			for _, f := range report.Findings {
				if strings.HasPrefix(f.ID, "media-") && !slices.Contains(ids, f.ID) {
					ids = append(ids, f.ID)
				}
				if tc.mode == netlab.FirewallALG && f.Kind == alg.ChangeAltered {
					t.Errorf("altered: %s %s", f.ID, f.Field)
				}
			}
			slices.Sort(ids)
			if !slices.Equal(ids, tc.findings) {
				t.Errorf("findings %q, want %q", ids, tc.findings)
			}
			if report.Media == nil || !strings.Contains(report.Media.Hears, tc.hears) {
				t.Errorf("%+v, want %q", report.Media, tc.hears)
			}
			announced(t, report, tc.mode)
			messages(t, report)
		})
	}
}

// announced asserts what became of media towards the addresses that calls announced.
func announced(t *testing.T, r *alg.Report, mode netlab.Mode) {
	t.Helper()
	seen := 0
	for _, trial := range r.Trials {
		m := trial.Media
		if m == nil || m.Outbound || m.Towards != alg.TowardsAnnounced {
			continue
		}
		seen++
		// Behind NAT only what the helper understood is reachable.
		reachable := !mode.NAT() || mode.Helpers() && !trial.Path.Control && m.Step != "live-27"
		if reachable != (m.NotSent == "" && m.Received == m.Sent && m.Sent > 0) || !reachable && m.NotSent != "private" {
			t.Errorf("%s %s: %+v", trial.Path, m.Step, m)
		}
	}
	if seen < 6 {
		t.Errorf("%d announcements", seen)
	}
	for _, f := range r.Findings {
		if f.ID == "media-one-way" && (f.Cause != "h323-partly-rewritten" || string(f.Sent) != string(f.Got) || !strings.Contains(f.Summary, "not sent")) {
			t.Errorf("%+v", f)
		}
	}
}

// messages asserts that those of the calls are compared like all others: each was delivered, with both sides known.
func messages(t *testing.T, r *alg.Report) {
	t.Helper()
	paths := map[int]alg.Path{}
	for _, f := range r.Evidence.Flows {
		paths[f.ID] = f.Path
	}
	// Paths, not messages: where an answer is late, an INVITE is sent once more (RFC 3261 17.1.1.2).
	got := map[string]map[alg.Path]bool{}
	for i := range r.Evidence.Pairs {
		if p := &r.Evidence.Pairs[i]; strings.HasPrefix(p.Step, "live") && paths[p.Flow].Proto == alg.ProtoSIP && p.Delivered() {
			if got[p.Step] == nil {
				got[p.Step] = map[alg.Path]bool{}
			}
			got[p.Step][paths[p.Flow]] = true
		}
	}
	for _, step := range []string{
		"live", "live-180", "live-200", "live-ack", "live-hold", "live-hold-200", "live-hold-ack", "live-resume", "live-resume-200",
		"live-resume-ack", "live-bye", "live-bye-200",
	} {
		if len(got[step]) != 4 { // UDP and TCP, the port of SIP and the control port
			t.Errorf("%s: on %v", step, got[step])
		}
	}
}

// TestProbeMediaFaults shows that what is done to media is told, for each direction by itself, and not taken for a gateway.
func TestProbeMediaFaults(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	// The address of the reflector says which way it goes: the client's ports may be the same ones.
	const out, in = "ip daddr 203.0.113.10 udp dport 10000-10063 ", "ip saddr 203.0.113.10 udp sport 10000-10063 "
	// What comes in passes until so long after the first that went out.
	ends := `set ever { type ipv4_addr; flags dynamic; }
		set fresh { type ipv4_addr; flags dynamic,timeout; timeout 2s; }
		chain f { type filter hook forward priority 0;
			` + out + `ip saddr != @ever add @fresh { ip saddr }
			` + out + `add @ever { ip saddr }
			` + in + `ip daddr != @fresh drop
		}`
	chain := func(rule string) string { return "chain f { type filter hook forward priority 0; " + rule + "\n}" }
	for _, tc := range []struct {
		name, rules string
		host        string
		flags       []string // of the reflector
		exit        int
		want        string   // verdicts of SIP over UDP
		says        []string // in the reason of that path
		finding     string
	}{
		{
			"out above a port", chain(out + "udp sport > 16384 drop"), "rtr", nil, 1, "blocked",
			[]string{"of the media from port ", "33200", "49800", "nothing arrives, of that from port 1"},
			"",
		},
		{
			"out to ports above", chain(`iifname "r0" udp dport > 16384 drop`), "rtr",
			[]string{"--media", "16400-16463"},
			1, "blocked untested",
			[]string{"nothing of", "a rule of a firewall"},
			"media-blocked",
		},
		{"in ends", ends, "isp", nil, 1, "clean blocked", []string{"inbound: media passes for", "and then no more"}, "media-one-way"},
		{
			"loss on the way in", chain(in + "numgen random mod 100 < 20 drop"), "isp", nil, 0, "clean clean",
			[]string{"inbound: about", "of the media is lost"},
			"media-lossy",
		},
		{
			"loss on the way out", chain(out + "numgen random mod 100 < 20 drop"), "isp", nil, 0, "clean clean",
			[]string{"outbound: about", "of the media is lost"},
			"media-lossy",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			url, pin := reflectorWith(t, lab.Host("wan"), append([]string{"--host", netlab.WANAddr.String()}, tc.flags...))
			lab.Host(tc.host).NFT(t, "table ip faults { "+tc.rules+"\n}\n")
			report, exit := probe(t, lab, url, pin, "--only", "media", "-4")
			var path alg.PathResult
			for _, p := range report.Paths {
				if p.Proto == alg.ProtoMedia && p.Transport == "udp" && !p.Control {
					path = p
				}
			}
			// Whether the call's own ports are among those that are shut the time of day tells.
			if got := string(path.Outbound + " " + path.Inbound); exit != tc.exit || !strings.HasPrefix(got, tc.want) {
				t.Errorf("exit %d, %s, want %d, %s: %s", exit, got, tc.exit, tc.want, path.Reason)
			}
			for _, want := range tc.says {
				if !strings.Contains(path.Reason, want) {
					t.Errorf("reason %q, want %q in it", path.Reason, want)
				}
			}
			other := map[bool]string{true: "inbound: ", false: "outbound: "}[strings.HasPrefix(tc.says[0], "outbound") || strings.HasPrefix(tc.name, "out ")]
			if tc.finding == "media-lossy" && strings.Contains(path.Reason, other) {
				t.Errorf("the other direction as well: %q", path.Reason)
			}
			found := false
			for _, f := range report.Findings {
				found = found || (f.ID == tc.finding || tc.finding == "" && f.Severity == alg.Critical) && f.Port == 5060 && f.Transport == "udp"
				if !strings.HasPrefix(f.ID, "media-") {
					t.Errorf("finding %s %s: nothing was done to the calls", f.ID, f.Summary)
				}
			}
			if !found {
				t.Errorf("no %s: %+v", tc.finding, report.Findings)
			}
		})
	}
}
