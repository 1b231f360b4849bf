package netlab_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// experiments are the findings that a probe makes by doing something and waiting for what comes of it, beside the messages that it
// sends. Who has captures alone cannot do that.
var experiments = []struct {
	id, proto, message string // of the finding
	why                string
}{
	{"media-pinhole-opened", "sip", "RTP", "the probe has a datagram sent to a port that no call announced as well, and knows that nothing opened either"},
	{"media-pinhole-opened", "h323", "RTP", "as of SIP"},
	{"media-depends-on-alg", "media", "RTP", "the probe has the far end send to where the call announced, and to where its own media came from"},
	{"media-one-way", "media", "RTP", "the media of the probe's calls lasts a second, and of calls in captures three are asked for"},
}

func ofExperiment(f *alg.Finding) bool {
	return slices.ContainsFunc(experiments, func(e struct{ id, proto, message, why string }) bool {
		return f.ID == e.id && f.Proto == e.proto && f.Message == e.message
	})
}

// slowCalls are the findings, each with its cause, that captures alone give where the machine is so slow that a call of the probe
// lasts the three seconds that are asked for. They are true; the probe says the same of the path.
var slowCalls = []struct{ id, cause, why string }{
	{"media-latched", "", "the probe announces its own address, which is private, and the reflector sends back to where media comes from"},
	{"media-one-way", "h323-partly-rewritten", "the kernel leaves the address for media of one of the Setups as it is"},
}

func ofSlowCall(f *alg.Finding) bool {
	return f.Message == "call" && slices.ContainsFunc(slowCalls, func(c struct{ id, cause, why string }) bool {
		return f.ID == c.id && f.Cause == c.cause
	})
}

// unreadable are the paths that captures say nothing about.
var unreadable = map[string]string{
	alg.ProtoMedia: "judged by experiments, see above",
	alg.ProtoSIPS:  "the messages are encrypted",
}

// TestCapturedProbe shows that captures of a probe, taken on either side of the router, give what the probe itself found: the same
// findings with the same octets, the same verdicts, the same NAT.
func TestCapturedProbe(t *testing.T) {
	netlab.Require(t, "tcpdump")
	t.Parallel()
	everything := []string{"--only", "sip,sips,h323,ras,media"}
	for _, tc := range []struct {
		name  string
		mode  netlab.Mode
		flags []string
		least int // findings
	}{
		{"alg", netlab.ALG, everything, 500},
		{"alg, thorough", netlab.ALG, []string{"--only", "sip,h323,ras", "--thorough"}, 500},
		{"plain", netlab.Plain, everything, 0},
		{"plain, thorough", netlab.Plain, []string{"--only", "sip,h323,ras", "--thorough"}, 0},
		{"firewall", netlab.Firewall, everything, 0},
		{"firewall-alg", netlab.FirewallALG, everything, 4},
		{"double", netlab.Double, everything, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			inside, outside := lab.Host("lan").Capture(t, "l0"), lab.Host("wan").Capture(t, "w0")
			live, _ := probeWithin(t, lab, 3*time.Minute, url, pin, tc.flags...)
			offline := fromCaptures(t, inside.Stop(t), outside.Stop(t))
			if *update && tc.name == "alg" {
				keepCaptures(t, inside.Stop(t), outside.Stop(t))
			}
			offline.Findings = slices.DeleteFunc(offline.Findings, func(f alg.Finding) bool { return ofSlowCall(&f) })
			sameFindings(t, live, offline)
			if len(offline.Findings) < tc.least || tc.least == 0 && len(offline.Findings) > 0 {
				t.Errorf("%d findings, want %d or more, or none at all", len(offline.Findings), tc.least)
			}
			samePaths(t, live, offline)
			sameNetwork(t, live, offline, tc.mode)
			if offline.Verdict != live.Verdict {
				t.Errorf("verdict %s, the probe says %s", offline.Verdict, live.Verdict)
			}
			if !offline.Evidence.Complete {
				t.Error("the evidence is not complete")
			}
			recognised(t, live, offline)
		})
	}
}

// keepCaptures records a part of the captures for tests that need no lab: SIP over UDP and IPv4 from port 5060, to port 5060 and to
// the control port, without fragments.
func keepCaptures(t *testing.T, inside, outside string) {
	t.Helper()
	for name, file := range map[string]string{"inside": inside, "outside": outside} {
		out, err := exec.CommandContext(t.Context(), "tcpdump", "--time-stamp-precision=nano", "-r", file, "-w", "-",
			"ip and udp and (port 15060 or (src port 5060 and dst port 5060)) and not portrange 16000-65535 and ip[6:2] & 0x3fff = 0").Output()
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		w.Write(out) // into memory: it cannot fail
		w.Close()
		if err := os.WriteFile(filepath.Join("..", "capture", "testdata", "probe-alg."+name+".pcap.gz"), packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCapturedProbeElsewhere shows the same of what else may lie between: a filter, a SIP proxy, a line that loses packets.
func TestCapturedProbeElsewhere(t *testing.T) {
	netlab.Require(t, "tcpdump", "kamailio")
	t.Parallel()
	for _, tc := range []struct {
		name  string
		mode  netlab.Mode
		make  func(t *testing.T, lab *netlab.Lab)
		lossy bool // how many messages get lost is an accident, and so is what can be told in spite of it
	}{
		{"a closed port", netlab.Plain, func(t *testing.T, lab *netlab.Lab) {
			filter(t, lab, "ip daddr 203.0.113.10 udp dport 5060 drop")
		}, false},
		{"answers dropped", netlab.ALG, func(t *testing.T, lab *netlab.Lab) {
			filter(t, lab, "ip saddr 203.0.113.10 udp sport 5060 drop")
		}, false},
		{"a proxy", netlab.Plain, func(t *testing.T, lab *netlab.Lab) { proxyAt(t, lab.Host("rtr"), `t_relay();`, false) }, false},
		{"a proxy that rewrites", netlab.Plain, func(t *testing.T, lab *netlab.Lab) {
			proxyAt(t, lab.Host("rtr"), `if (src_ip == 10.0.0.9) { fix_nated_contact(); } forward();`, false)
		}, false},
		{"5 % loss", netlab.Plain, func(t *testing.T, lab *netlab.Lab) {
			filter(t, lab, "meta l4proto udp numgen random mod 100 < 5 drop")
		}, true},
		{"5 % loss and a gateway", netlab.ALG, func(t *testing.T, lab *netlab.Lab) {
			filter(t, lab, "meta l4proto udp numgen random mod 100 < 5 drop")
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			tc.make(t, lab)
			inside, outside := lab.Host("lan").Capture(t, "l0"), lab.Host("wan").Capture(t, "w0")
			live, _ := probe(t, lab, url, pin)
			offline := fromCaptures(t, inside.Stop(t), outside.Stop(t))
			if tc.lossy {
				for _, w := range wrongUnderLoss(offline, tc.mode) {
					t.Error(w)
				}
				return
			}
			offline.Findings = slices.DeleteFunc(offline.Findings, func(f alg.Finding) bool { return ofSlowCall(&f) })
			sameFindings(t, live, offline)
			samePaths(t, live, offline)
			if offline.Verdict != live.Verdict {
				t.Errorf("verdict %s, the probe says %s", offline.Verdict, live.Verdict)
			}
		})
	}
}

// fromCaptures has nofixup's own binary analyse two captures.
func fromCaptures(t *testing.T, inside, outside string) *alg.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, netlab.Build(t, "nofixup/cmd/nofixup"), "pcap", "--json", "--inside", inside, "--outside", outside)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || stderr.Len() > 0 {
		t.Fatalf("pcap: %v\n%s", err, stderr.String())
	}
	report := new(alg.Report)
	if err := json.Unmarshal(out, report); err != nil {
		t.Fatalf("report: %v\n%s", err, out)
	}
	return report
}

func sameFindings(t *testing.T, live, offline *alg.Report) {
	t.Helper()
	text := func(f *alg.Finding) string {
		return fmt.Sprintf("%s %s %s, %s of %s: %.200q -> %.200q", f.ID, f.Path(), f.Direction, f.Field, f.Message, f.Sent, f.Got)
	}
	var want, got []string
	for i := range live.Findings {
		f := &live.Findings[i]
		if ofExperiment(f) {
			continue
		}
		want = append(want, text(f))
	}
	for i := range offline.Findings {
		got = append(got, text(&offline.Findings[i]))
	}
	differing(t, want, got)
}

// samePaths compares the verdicts on every path that captures can tell of. One that is inspected by the experiments alone is clean
// there.
func samePaths(t *testing.T, live, offline *alg.Report) {
	t.Helper()
	var want, got []string
	for _, p := range live.Paths {
		var messages, tried int
		for i := range live.Findings {
			switch f := &live.Findings[i]; {
			case f.Path() != p.Path:
			case ofExperiment(f):
				tried++
			default:
				messages++
			}
		}
		if p.Outbound == alg.Inspected && tried > 0 && messages == 0 {
			p.Outbound = alg.Clean
		}
		if unreadable[p.Proto] == "" {
			want = append(want, fmt.Sprintf("%s, control %v: %s %s", p.Path, p.Control, p.Outbound, p.Inbound))
		}
	}
	for _, p := range offline.Paths {
		got = append(got, fmt.Sprintf("%s, control %v: %s %s", p.Path, p.Control, p.Outbound, p.Inbound))
	}
	if len(want) < 7 {
		t.Errorf("only %d paths", len(want))
	}
	differing(t, want, got)
}

// differing reports what is in one list alone.
func differing(t *testing.T, want, got []string) {
	t.Helper()
	n := 0
	for _, list := range []struct {
		what string
		a, b []string
	}{{"the probe alone", want, got}, {"the captures alone", got, want}} {
		for _, x := range list.a {
			if !slices.Contains(list.b, x) {
				if n++; n <= 20 {
					t.Errorf("%s: %s", list.what, x)
				}
			}
		}
	}
	if n > 20 {
		t.Errorf("%d more", n-20)
	}
}

func sameNetwork(t *testing.T, live, offline *alg.Report, mode netlab.Mode) {
	t.Helper()
	a, b := live.Network, offline.Network
	if mode == netlab.Double {
		a.NATs = 1 // a probe finds out about the inner one by asking, captures on both ends cannot tell two from one
	}
	if a.NAT != b.NAT || a.NATs != b.NATs || a.Local != b.Local || a.Public != b.Public {
		t.Errorf("NAT %v, %d, %v as %v; the probe says %v, %d, %v as %v", b.NAT, b.NATs, b.Local, b.Public, a.NAT, a.NATs, a.Local, a.Public)
	}
}

// recognised checks that every message of the probe was known as such, and as of which step the client sent it.
func recognised(t *testing.T, live, offline *alg.Report) {
	t.Helper()
	if len(offline.Probes) != 1 {
		t.Fatalf("%d probes: %+v", len(offline.Probes), offline.Probes)
	}
	steps := func(r *alg.Report) (names []string, inside, outside int) {
		flows := map[int]*alg.Flow{}
		for i := range r.Evidence.Flows {
			flows[r.Evidence.Flows[i].ID] = &r.Evidence.Flows[i]
		}
		for i := range r.Evidence.Pairs {
			p := &r.Evidence.Pairs[i]
			f := flows[p.Flow]
			if f.Path.Transport == "tls" {
				continue
			}
			if p.Inside != nil {
				inside++
			}
			if p.Outside != nil {
				outside++
			}
			// An answer bears the name of its request, an acknowledgement that of nothing, and a variant without its User-Agent has
			// no signature.
			if !p.Outbound || f.Proto() != alg.ProtoSIP || p.Role == alg.RoleBracket || p.Role == alg.RoleCause || strings.HasSuffix(p.Step, alg.StepAck) {
				continue
			}
			names = append(names, fmt.Sprintf("%s %s with %s address as %s, odd for %q, breaks %q", f.Path, p.Step, p.Shape, p.Role, p.Trait, p.Breaks))
		}
		return names, inside, outside
	}
	want, in, out := steps(live)
	got, _, _ := steps(offline)
	differing(t, slices.Compact(slices.Sorted(slices.Values(want))), slices.Compact(slices.Sorted(slices.Values(got))))
	if p := offline.Probes[0]; p.Messages != in || p.Outside != out {
		t.Errorf("the probe has %d messages inside and %d outside, of which %d and %d are recognised", in, out, p.Messages, p.Outside)
	}
}
