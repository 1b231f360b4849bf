package report

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"nofixup/alg"
)

// The media between two captures is listed the worst first, each stream with both addresses of the inner end.
func TestPassagesText(t *testing.T) {
	at := netip.MustParseAddrPort
	near, public, far, relay := at("10.0.0.9:4000"), at("198.51.100.2:40000"), at("203.0.113.10:5000"), at("203.0.113.7:6000")
	r := &alg.Report{
		Source: "capture",
		Calls:  []alg.Call{{ID: "c1", From: "sip:a@example.net", To: "sip:b@example.net"}},
		Streams: []alg.Stream{
			{Src: near, Dst: far, Point: alg.Inside, DSCP: 46},
			{Src: far, Dst: near, Point: alg.Inside},
			{Src: public, Dst: far, Point: alg.Outside},
			{Src: far, Dst: public, Point: alg.Outside},
			{Src: near, Dst: relay, Point: alg.Inside},
			{Src: near, Dst: far, Point: alg.Outside},
		},
		Passages: []alg.Passage{
			{Call: "c1", Direction: alg.Outbound, Streams: []int{0, 2}, Counted: true, Sent: 200, Lost: 3, Before: 4, Missed: 5, Samples: 30, Delay: 0.21, MaxDelay: 7},
			{Call: "c1", Direction: alg.Inbound, Streams: []int{3}, Counted: true, Sent: 190, Lost: 190, Blocked: true},
			{Streams: []int{4, 5}},
		},
	}
	var b bytes.Buffer
	if err := Text(&b, r, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "media between the two captures\n")
	got, _, _ = strings.Cut(got, "\n\n")
	want := strings.Join([]string{
		"  call                                    direction  inside         seen outside as     far end                                      lost between     lost before             delay               DSCP",
		"  sip:a@example.net -> sip:b@example.net  inbound    -              198.51.100.2:40000  203.0.113.10:5000                            all 190          -                       -                   0",
		"                                          outbound   10.0.0.9:4000  198.51.100.2:40000  203.0.113.10:5000                            3 of 200 (1.5 %)  4, and 5 by the capture  0.2 ms, at most 7.0  46, then 0",
		"  -                                       ?          10.0.0.9:4000  the same            203.0.113.7:6000, outside 203.0.113.10:5000  ?                -                       -                   0",
	}, "\n")
	if squeeze(got) != squeeze(want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func squeeze(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
