package report_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/report"
)

// captured is a report on one capture.
func captured(t *testing.T, judge func(*alg.Judge)) string {
	t.Helper()
	var j alg.Judge
	judge(&j)
	r := j.Report()
	r.Source = "capture"
	var b bytes.Buffer
	if err := report.Text(&b, r, report.TextOptions{Width: 100}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var sipPath = alg.Path{Proto: alg.ProtoSIP, Transport: "udp", Family: 4, Port: 5060, SourcePort: 5060}

// A sign is shown with its confidence, and with what else explains it; it is no verdict.
func TestTextSigns(t *testing.T) {
	rule := func(id string) *alg.Rule {
		for _, r := range alg.Rules() {
			if r.ID == id {
				return &r
			}
		}
		t.Fatal(id)
		return nil
	}
	sign := func(c alg.Confidence, otherwise string) *alg.Sign {
		return &alg.Sign{
			Rule: rule("sign-mixed-addresses"), Field: "contact[0].uri.host", Sent: alg.Bytes("198.51.100.2"), Got: alg.Bytes("10.0.0.9"), Evidence: "198.51.100.2 in via[0].sent-by",
			Confidence: c, Otherwise: otherwise, Path: sipPath, Direction: alg.Outbound, Message: "INVITE", Count: 3,
		}
	}
	got := captured(t, func(j *alg.Judge) { j.AddSign(sign(alg.Medium, "a client that guesses")) })
	for _, want := range []string{
		"INCONCLUSIVE  the capture holds no call", "signs  of an application gateway (kinds: 1)", "WARNING  sign-mixed-addresses", "contact[0].uri.host\n",
		"want  198.51.100.2\n", "got   10.0.0.9\n", "confidence medium: one side alone proves nothing; it may as well be a client that guesses", "--inside FILE --outside FILE",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	got = captured(t, func(j *alg.Judge) { j.AddSign(sign(alg.Low, "a client that knows STUN")) })
	for _, not := range []string{"(kinds", "WARNING", "what to do"} {
		if strings.Contains(got, not) {
			t.Errorf("%q of a sign that something harmless explains:\n%s", not, got)
		}
	}
	if !strings.Contains(got, "INFO  sign-mixed-addresses") || !strings.Contains(got, "may as well be a client that knows STUN") {
		t.Errorf("\n%s", got)
	}
}

// A fault of signalling is in the headline although there is no call.
func TestTextFaultWithoutCall(t *testing.T) {
	got := captured(t, func(j *alg.Judge) {
		j.AddRequest(&alg.Request{
			Path: sipPath, Direction: alg.Outbound, Method: "REGISTER", Count: 6, Span: 12e9,
			Src: netip.MustParseAddrPort("10.0.0.9:5060"), Dst: netip.MustParseAddrPort("203.0.113.5:5060"),
		})
	})
	for _, want := range []string{"FAULT  the capture holds no call; register-unanswered", "CRITICAL  register-unanswered", "times in 12 s; no answer came"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
