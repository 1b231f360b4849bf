package report_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/report"
)

// A call that a server handed on shows its legs, and one without audio to be missed says why.
func TestLegsText(t *testing.T) {
	ends := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	r := &alg.Report{Source: "capture", Verdict: alg.OverallInconclusive, Calls: []alg.Call{
		{ID: "a", Proto: "sip", State: "ended", From: "sip:1@a", To: "sip:2@b", Start: at, End: at.Add(time.Minute), Audio: alg.AudioNotExpected, Why: "to the caller alone by agreement: 425 packets, 0 the other way", Began: true},
		{
			ID: "b", Proto: "sip", State: "ended", From: "sip:3@a", To: "sip:4@b", Start: at, End: at.Add(time.Minute), Audio: alg.AudioOneWay, Missing: alg.Inbound, Cause: "media-one-way",
			Legs: []alg.Leg{
				{ID: "b", Caller: ends("198.51.100.20:5060"), Callee: ends("203.0.113.5:5060"), State: "ended", Audio: alg.AudioTwoWay},
				{ID: "c", Caller: ends("203.0.113.5:5060"), Callee: ends("203.0.113.10:5060"), State: "ended", Audio: alg.AudioOneWay, Cause: "media-one-way"},
			},
		},
	}}
	var b strings.Builder
	if err := report.Text(&b, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "sip:") || strings.Contains(line, "leg ") {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
	}
	want := []string{
		"12:00:00.000 sip sip:3@a -> sip:4@b ended 60 s - one-way, nothing inbound media-one-way",
		"- leg 198.51.100.20:5060 -> 203.0.113.5:5060 ended two-way",
		"- leg 203.0.113.5:5060 -> 203.0.113.10:5060 ended one-way media-one-way",
		"sip sip:1@a -> sip:2@b ended, began before 60 s - not-expected to the caller alone by agreement: 425 packets, 0 the other way",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
