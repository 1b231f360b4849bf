package alg

import "testing"

// TestTCPString shows that only what is known is said.
func TestTCPString(t *testing.T) {
	near, far := &TCPEnd{RTT: 0.2, MSS: 1460}, &TCPEnd{RTT: 21, MSS: 1400}
	for _, tc := range []struct {
		tcp  *TCP
		want string
	}{
		{nil, ""},
		{&TCP{}, ""},
		{&TCP{Unused: &TCPEnd{MSS: 1460}}, ""},
		{&TCP{Client: near}, ""},
		{&TCP{Server: far}, ""},
		{&TCP{Unused: near}, "who is there answers in 0.20 ms"},
		{&TCP{Unused: near, Client: &TCPEnd{MSS: 1460}, Server: far}, "who is there answers in 0.20 ms, an MSS of 1460 here and 1400 at the reflector"},
		{
			&TCP{Unused: near, Client: near, Server: far},
			"who is there answers in 0.20 ms, a connection to the reflector has a round trip of 0.20 ms here and 21.00 ms at the reflector, " +
				"an MSS of 1460 here and 1400 at the reflector",
		},
	} {
		if got := tc.tcp.String(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
