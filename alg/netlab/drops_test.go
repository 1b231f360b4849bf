package netlab_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestProbeDrops shows that each kind of message which the kernel's gateway drops is a finding of its own, that what is valid
// is told from what is not, and that nothing else is called dropped.
func TestProbeDrops(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	report, _ := probe(t, lab, url, pin, "--thorough")
	got := map[string][]string{}
	for _, f := range report.Findings {
		if f.ID != "message-dropped" && f.ID != "nonconforming-dropped" {
			continue
		}
		if f.Direction != alg.Outbound || f.Port != 5060 {
			t.Errorf("%s: %s is dropped %s on port %d", f.ID, f.Field, f.Direction, f.Port)
		}
		// Three of them the helper drops for what it finds on its way through the media; the others come before or after that.
		media := slices.Contains([]string{"invite-host-c", "invite-low-port", "invite-other-family"}, f.Field)
		if says := strings.HasSuffix(f.Summary, "; it passes without m=audio"); says != (f.Transport == "udp" && media) {
			t.Errorf("%s %s from %s: %s", f.Transport, f.Field, f.SourcePort, f.Summary)
		}
		at := fmt.Sprintf("%s from %s", f.Transport, f.SourcePort)
		got[at] = append(got[at], f.ID+" "+f.Field)
	}
	udp := []string{
		"message-dropped invite-host-c",
		"message-dropped invite-host-o",
		"message-dropped invite-low-port",
		"message-dropped invite-no-length",
		"message-dropped invite-other-family",
		"message-dropped invite-size-1472-df", // it fills a packet with DF, and grows
		"nonconforming-dropped ack-no-cseq",
		"nonconforming-dropped broken-answer-bad-cseq",
		"nonconforming-dropped broken-answer-bad-status",
		"nonconforming-dropped broken-answer-no-cseq",
		"nonconforming-dropped bye-no-cseq",
		"nonconforming-dropped invite-no-c",
		"nonconforming-dropped invite-no-cseq",
		"nonconforming-dropped prack-no-cseq",
		"nonconforming-dropped register-expires",
		"nonconforming-dropped register-no-cseq",
		"nonconforming-dropped update-no-cseq",
	}
	tcp := slices.DeleteFunc(slices.Clone(udp), func(s string) bool {
		_, name, _ := strings.Cut(s, " ")
		// What would take its connection with it is sent over UDP alone.
		return slices.Contains([]string{"invite-no-length", "ack-no-cseq", "bye-no-cseq", "prack-no-cseq", "update-no-cseq"}, name) ||
			strings.HasPrefix(name, "broken-answer") || strings.HasPrefix(name, "invite-size-")
	})
	for at, want := range map[string][]string{
		"udp from 5060": udp, "udp from ephemeral": udp, "tcp from 5060": tcp, "tcp from ephemeral": tcp,
	} {
		slices.Sort(got[at])
		if !slices.Equal(got[at], want) {
			t.Errorf("%s: dropped are\n%s\nwant\n%s", at, strings.Join(got[at], "\n"), strings.Join(want, "\n"))
		}
	}
	t.Logf("took %d ms", report.Duration)
}

// TestProbeNames shows that what tells the kernel's gateway from others has a finding of its own: what it forces, and what it
// leaves alone while it rewrites the rest.
func TestProbeNames(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	report, _ := probe(t, lab, url, pin, "--thorough")
	got := map[string]bool{}
	for _, f := range report.Findings {
		if f.Direction == alg.Outbound && f.Transport == "udp" {
			got[fmt.Sprintf("%s %s %s from %s: %s became %s", f.ID, f.Kind, f.Field, f.SourcePort, address(f.Sent), address(f.Got))] = true
		}
		if f.ID == "from-untouched" && f.SourcePort == 5060 {
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{
		"sdp-origin-forced altered sdp.o.address from 5060: 10.9.9.9 became 192.0.2.77",
		"sdp-origin-forced altered sdp.o.address from ephemeral: 10.9.9.9 became 192.0.2.77",
		"via-lower-untouched missed via[1].sent-by from 5060: 10.0.0.9 became 10.0.0.9",
		"via-lower-untouched missed via[1].sent-by from ephemeral: 10.0.0.9 became 10.0.0.9",
		"via-folded-untouched missed via[0].sent-by from 5060: 10.0.0.9 became 10.0.0.9",
		"via-folded-untouched missed via[0].sent-by from ephemeral: 10.0.0.9 became 10.0.0.9",
		"from-untouched missed from.uri.host from ephemeral: 10.0.0.9 became 10.0.0.9",
		"identity-rewritten altered from.uri.host from 5060: 10.0.0.9 became 198.51.100.2",
	} {
		if !got[want] {
			t.Errorf("no %s", want)
		}
	}
}

// address leaves a port out.
func address(b []byte) string {
	host, _, _ := strings.Cut(string(b), ":")
	return host
}
