package probe

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/reflector"
)

// TestInserted shows that whatever somebody in between adds to a SIP stream is found, and nothing else is called so.
func TestInserted(t *testing.T) {
	const ping = "OPTIONS sip:ping@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/TCP 198.51.100.2;branch=z9hG4bKp\r\nFrom: <sip:a@b>;tag=1\r\n" +
		"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	behind := func(more string) func(b []byte) ([]byte, error) {
		return func(b []byte) ([]byte, error) { return append(b, more...), nil }
	}
	ahead := func(more string) func(b []byte) ([]byte, error) {
		return func(b []byte) ([]byte, error) { return append([]byte(more), b...), nil }
	}
	read := func(more string) func(int, []byte) []byte {
		return func(_ int, b []byte) []byte { return append(b, more...) }
	}
	for _, tc := range []struct {
		name string
		box  meddler
		out  alg.Verdict
		in   alg.Verdict
		id   string // of a finding that there must be
	}{
		{"nothing", meddler{}, alg.Clean, alg.Clean, ""},
		{"a request behind each write", meddler{out: behind(ping)}, alg.Altered, alg.Clean, "octets-inserted"},
		{"every write twice", meddler{out: func(b []byte) ([]byte, error) { return append(b, b...), nil }}, alg.Altered, alg.Clean, "octets-inserted"},
		{"line ends behind each write", meddler{out: behind("\r\n")}, alg.Altered, alg.Clean, "octets-inserted"},
		{"half a message behind", meddler{out: behind(ping[:40])}, alg.Altered, alg.Clean, ""},
		{"line ends ahead of each write", meddler{out: ahead("\r\n")}, alg.Altered, alg.Clean, "message-rewritten"},
		{"a request behind each read", meddler{in: read(ping)}, alg.Clean, alg.Altered, "octets-inserted"},
		{"line ends behind each read", meddler{in: read("\r\n\r\n")}, alg.Clean, alg.Altered, "octets-inserted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fixup.Config{Latency: 10 * time.Millisecond}, reflector.Limits{})
				defer w.close(t)
				w.cfg.Plan = PlanOptions{Protos: []string{alg.ProtoSIP}}
				tc.box.Network, tc.box.port = w.cfg.Network, "5060"
				w.cfg.Network = tc.box
				report, err := Run(t.Context(), w.cfg)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range report.Paths {
					out, in := alg.Clean, alg.Clean
					if p.Transport == "tcp" && p.Port == 5060 {
						out, in = tc.out, tc.in
					}
					if p.Outbound != out || (p.Inbound != in && in != alg.Clean) {
						t.Errorf("%s: %s %s, want %s %s: %s", p.Path, p.Outbound, p.Inbound, out, in, p.Reason)
					}
				}
				if tc.id != "" && !slices.ContainsFunc(report.Findings, func(f alg.Finding) bool { return f.ID == tc.id }) {
					t.Errorf("no %s", tc.id)
				}
				for _, f := range report.Findings {
					if f.ID == "octets-inserted" && bytes.Contains(f.Got, []byte(report.Evidence.Points[0].Name)) || tc.id == "" && f.ID == "octets-inserted" && tc.out == alg.Clean {
						t.Errorf("%s: %q", f.ID, f.Got)
					}
				}
			})
		})
	}
}
