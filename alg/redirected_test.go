package alg

import (
	"net/netip"
	"strings"
	"testing"
)

// TestResponseRedirected shows that an answer which arrives at another socket than its flow's is redirected, octets equal or
// not, and that what arrives where it belongs is not.
func TestResponseRedirected(t *testing.T) {
	answer := []byte("SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
	other := netip.MustParseAddrPort("10.0.0.9:5070")
	for _, tc := range []struct {
		name     string
		to       netip.AddrPort
		got      []byte
		outbound bool
		want     Verdict
		reason   string
	}{
		{"where it belongs", netip.AddrPort{}, answer, false, Clean, ""},
		{"the flow's own socket, named", client, answer, false, Clean, ""},
		{"another socket", other, answer, false, Redirected, "inbound: step is delivered to another port of this computer"},
		{"another socket, and other octets", other, append(answer, 'x'), false, Altered, "and these are delivered to another port: step"},
		{"a request of the client's", other, answer, true, Clean, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := pairCase(ProtoSIP, answer, tc.got, tc.outbound)
			c.Pairs[0].Inside.To = tc.to
			var j Judge
			var found *Finding
			for _, f := range j.Add(c) {
				if f.ID == responseRedirected.ID {
					found = &f
				}
			}
			path := j.Report().Paths[0]
			got := path.Inbound
			if tc.outbound {
				got = path.Outbound
			}
			if got != tc.want || !strings.Contains(path.Reason, tc.reason) {
				t.Errorf("%s: %s", got, path.Reason)
			}
			switch {
			case (found != nil) != (tc.reason != ""):
				t.Errorf("finding %+v", found)
			case found != nil && (string(found.Sent) != "10.0.0.9:5060" || string(found.Got) != "10.0.0.9:5070" || found.Message != "200 OPTIONS"):
				t.Errorf("%q became %q in %q", found.Sent, found.Got, found.Message)
			}
		})
	}
}
