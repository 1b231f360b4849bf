package netlab_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeFraming shows what the kernel's helper makes of messages over TCP that come in several segments, or several in one:
// it takes each segment for itself. Without it, however the messages are cut, they arrive as they were sent.
func TestProbeFraming(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		mode  netlab.Mode
		flags []string
		exit  int
	}{
		{netlab.ALG, nil, 1},
		{netlab.ALG, []string{"--thorough"}, 1},
		{netlab.Plain, []string{"--thorough"}, 0},
		{netlab.Firewall, []string{"--thorough"}, 0},
	} {
		t.Run(string(tc.mode)+strings.Join(tc.flags, ""), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			report, exit := probe(t, lab, url, pin, tc.flags...)
			if exit != tc.exit {
				t.Errorf("exit %d\n%s", exit, verdicts(report))
			}
			steps := framedSteps(t, report, tc.mode.Helpers())
			want := []string{"invite-split-body", "invite-split-headers"}
			if len(tc.flags) > 0 {
				want = []string{
					"invite-pair", "invite-pair-options", "invite-split-body", "invite-split-headers", "invite-unframed",
					"invite-unframed-options", "options-octets", "options-ping",
				}
			}
			if !slices.Equal(steps, want) {
				t.Errorf("steps %q, want %q", steps, want)
			}
			splitFindings(t, report, tc.mode.Helpers())
		})
	}
}

// framedSteps returns the names of the steps that are about framing, which all must have arrived, and as they were sent where
// nothing is in the way.
func framedSteps(t *testing.T, report *alg.Report, helpers bool) (names []string) {
	t.Helper()
	paths := map[int]alg.Path{}
	for _, f := range report.Evidence.Flows {
		paths[f.ID] = f.Path
	}
	for _, p := range report.Evidence.Pairs {
		if !p.Outbound || !slices.ContainsFunc([]string{"-split-", "-pair", "-ping", "-unframed", "-octets"}, func(s string) bool { return strings.Contains(p.Step, s) }) {
			continue
		}
		names = append(names, p.Step)
		path := paths[p.Flow]
		untouched := !helpers || path.Port != 5060 || p.Step == "invite-split-body" || p.Step == "invite-unframed"
		switch {
		case path.Transport != "tcp" || path.Port == 5061:
			t.Errorf("%s on %s", p.Step, path)
		case !p.Delivered():
			t.Errorf("%s on %s did not arrive", p.Step, path)
		case untouched != bytes.Equal(p.Inside.Raw, p.Outside.Raw) && p.Step != "options-octets": // how that is cut is up to TCP
			t.Errorf("%s on %s: got %q", p.Step, path, p.Outside.Raw)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// splitFindings checks what is reported of messages that came in parts: on port 5060 alone, and nothing without a helper.
func splitFindings(t *testing.T, report *alg.Report, helpers bool) {
	t.Helper()
	type finding struct {
		id     string
		source alg.SourcePort
		field  string
	}
	found := map[finding]bool{}
	for _, f := range report.Findings {
		switch f.ID {
		case "octets-inserted":
			t.Errorf("%s: %q", f.Path(), f.Got)
		case "sip-split-untouched", "sip-partly-rewritten":
			if f.Port != 5060 || f.Transport != "tcp" || f.Direction != alg.Outbound || !helpers {
				t.Errorf("%s on %s, %s", f.ID, f.Path(), f.Direction)
			}
			if f.Family == 4 && f.Message == "INVITE" {
				found[finding{f.ID, f.SourcePort, f.Field}] = true
			}
		}
	}
	for _, want := range []finding{
		{"sip-split-untouched", 5060, ""},
		{"sip-split-untouched", alg.Ephemeral, ""},
		{"sip-partly-rewritten", 5060, "via[0].sent-by"},
		{"sip-partly-rewritten", 5060, "from.uri.host"},
		{"sip-partly-rewritten", alg.Ephemeral, "via[0].sent-by"},
		{"sip-partly-rewritten", alg.Ephemeral, "sdp.c.address"},
	} {
		if found[want] != helpers {
			t.Errorf("%v: found %v, want %v", want, found[want], helpers)
		}
	}
	if found[finding{"sip-partly-rewritten", 5060, "contact[0].uri.host"}] {
		t.Error("the part with Contact is the one that is rewritten")
	}
}
