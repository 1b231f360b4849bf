package capture_test

import (
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/capture"
)

// The capture of a probe through the Linux kernel's gateway, as it was recorded in the lab.
func TestProbeGolden(t *testing.T) {
	const dir = "testdata/probe-alg."
	r := judged(t, capture.Config{Inside: []string{dir + "inside.pcap.gz"}, Outside: []string{dir + "outside.pcap.gz"}})
	if len(r.Probes) != 1 || r.Probes[0].Messages < 200 || len(r.Calls) != 0 {
		t.Errorf("%+v, %d calls", r.Probes, len(r.Calls))
	}
	for _, p := range r.Paths {
		want := alg.Altered
		if p.Control {
			want = alg.Clean
		}
		if p.Outbound != want || p.Inbound != want {
			t.Errorf("%s, control %v: %s %s", p.Path, p.Control, p.Outbound, p.Inbound)
		}
	}
	found := map[string]bool{}
	for _, f := range r.Findings {
		found[f.ID] = true
	}
	for _, id := range []string{"via-rewritten", "contact-rewritten", "sdp-connection-rewritten", "sdp-origin-forced", "content-length-wrong", "nonconforming-dropped"} {
		if !found[id] {
			t.Errorf("no %s", id)
		}
	}
	for _, f := range r.Findings {
		if f.Port != 5060 {
			t.Errorf("a finding about the control port: %s %s", f.ID, f.Field)
		}
		if f.ID == "nonconforming-dropped" && (f.Field != "invite-no-cseq" || !strings.HasSuffix(f.Summary, "no CSeq")) {
			t.Errorf("%s of %s: %s", f.ID, f.Field, f.Summary)
		}
	}
	golden(t, "probe-alg", r)

	// From one side it is a probe, and nobody's call.
	one := judged(t, capture.Config{Files: []string{dir + "inside.pcap.gz"}})
	if len(one.Probes) != 1 || one.Probes[0].Token != r.Probes[0].Token || len(one.Calls) != 0 || len(one.Findings) != 0 {
		t.Errorf("%+v, %d calls, %v", one.Probes, len(one.Calls), one.Findings)
	}
}
