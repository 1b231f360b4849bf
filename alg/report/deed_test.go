package report

import (
	"strings"
	"testing"

	"nofixup/alg"
)

// TestDeed shows that the headline names what it is about: those paths that bear the verdict, and no control besides.
func TestDeed(t *testing.T) {
	path := func(proto, transport string, control bool, outbound alg.Verdict) alg.PathResult {
		return alg.PathResult{
			Path: alg.Path{Proto: proto, Transport: transport, Family: 4, Port: 5060, Control: control}, Outbound: outbound, Inbound: alg.Clean,
		}
	}
	for _, tc := range []struct {
		name  string
		paths []alg.PathResult
		want  string
	}{
		{"one of two", []alg.PathResult{
			path("sip", "udp", false, alg.Altered), path("sip", "tcp", false, alg.Altered), path("h323", "tcp", false, alg.Clean),
		}, "rewrites SIP"},
		{"one transport", []alg.PathResult{path("sip", "udp", false, alg.Blocked), path("sip", "tcp", false, alg.Clean)}, "SIP over UDP is blocked"},
		{"the control alone", []alg.PathResult{path("sip", "udp", false, alg.Clean), path("sip", "udp", true, alg.Altered)}, "rewrites SIP"},
		{"a control that is blocked", []alg.PathResult{path("sip", "udp", false, alg.Inspected), path("sip", "udp", true, alg.Blocked)}, "reads SIP"},
		{"several", []alg.PathResult{
			path("sip", "udp", false, alg.Altered), path("h323", "tcp", false, alg.Altered), path("ras", "udp", false, alg.Altered),
		}, "rewrites H.323, RAS and SIP"},
		{"media one way", []alg.PathResult{path("sip", "udp", false, alg.Clean), path("media", "udp", false, alg.Blocked)}, "outbound media is blocked in between"},
		{"media of some calls", []alg.PathResult{
			path("media", "tcp", false, alg.Blocked), path("media", "udp", false, alg.Clean), path("media", "udp", true, alg.Blocked),
		}, "outbound media of calls over TCP is blocked in between"},
		{"signalling and media", []alg.PathResult{path("sip", "udp", false, alg.Blocked), path("media", "udp", false, alg.Blocked)}, "SIP and media are blocked"},
		{"rewritten and blocked", []alg.PathResult{path("sip", "udp", false, alg.Altered), path("media", "udp", false, alg.Blocked)}, "rewrites SIP, and outbound media is blocked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := &text{report: &alg.Report{Paths: tc.paths}}
			if got := x.deed("in between"); !strings.Contains(got, tc.want) {
				t.Errorf("%q, want %q in it", got, tc.want)
			}
		})
	}
}
