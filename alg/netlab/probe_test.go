package netlab_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// runs is how often a test repeats what must come out the same every time: NOFIXUP_RUNS, or twice.
func runs(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("NOFIXUP_RUNS"), "2"))
	if err != nil || n < 1 {
		t.Fatalf("NOFIXUP_RUNS=%s: want a number", os.Getenv("NOFIXUP_RUNS"))
	}
	return n
}

// reflectorAt starts the reflector's own binary on a host of the lab and returns its URL and pin.
func reflectorAt(t *testing.T, host *netlab.Host, addrs ...netip.Addr) (url, pin string) {
	t.Helper()
	var args []string
	for _, a := range addrs {
		args = append(args, "--host", a.String())
	}
	return reflectorWith(t, host, args)
}

// reflectorWith does so with the given flags.
func reflectorWith(t *testing.T, host *netlab.Host, args []string) (url, pin string) {
	t.Helper()
	p := netlab.Start(t, host.Command(context.Background(), netlab.Build(t, "nofixup/cmd/nofixup-reflector"), args...))
	p.WaitFor(t, "ready ")
	for line := range strings.Lines(p.Output()) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "ready" {
			return f[1], strings.TrimPrefix(f[2], "pin=")
		}
	}
	t.Fatalf("no ready line in:\n%s", p.Output())
	return "", ""
}

// probe runs nofixup's own binary on the host behind the router and returns its report and exit code. Unless the flags say
// otherwise it tests SIP.
func probe(t *testing.T, lab *netlab.Lab, url, pin string, flags ...string) (*alg.Report, int) {
	t.Helper()
	return probeWithin(t, lab, time.Minute, url, pin, flags...)
}

// probeWithin gives it so much time.
func probeWithin(t *testing.T, lab *netlab.Lab, limit time.Duration, url, pin string, flags ...string) (*alg.Report, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if !slices.Contains(flags, "--only") {
		flags = append([]string{"--only", "sip"}, flags...)
	}
	if slices.Contains(flags, "--thorough") && !slices.Contains(flags, "--idle") {
		flags = append(flags, "--idle", "0") // three minutes of waiting, which a test of its own is for
	}
	args := append([]string{"probe", "--json", "--pin", pin}, flags...)
	cmd := lab.Host("lan").Command(ctx, netlab.Build(t, "nofixup/cmd/nofixup"), append(args, url)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("probe: %v", err)
	}
	if stderr.Len() > 0 {
		t.Errorf("probe wrote to stderr, which is no terminal: %s", stderr.String())
	}
	report := new(alg.Report)
	if err := json.Unmarshal(stdout.Bytes(), report); err != nil {
		t.Fatalf("report: %v\n%s", err, stdout.String())
	}
	return report, cmd.ProcessState.ExitCode()
}

// verdicts gives the paths of a report as "udp IPv4 5060 from 5060: altered altered", one a line.
func verdicts(r *alg.Report) string {
	var b strings.Builder
	for _, p := range r.Paths {
		fmt.Fprintf(&b, "%s IPv%d %d from %s: %s %s\n", p.Transport, p.Family, p.Port, p.SourcePort, p.Outbound, p.Inbound)
	}
	return b.String()
}

// allPaths gives the verdicts of the families over UDP and TCP. The paths to port 5061, from an ephemeral port alone, and to the
// control port are clean.
func allPaths(outbound, inbound alg.Verdict, families ...int) string {
	var b strings.Builder
	for _, transport := range []string{"udp", "tcp"} {
		for _, family := range families {
			for _, port := range []int{5060, 5061, 15060} {
				for _, source := range []string{"5060", "ephemeral"} {
					if port == 5061 && source == "5060" {
						continue
					}
					out, in := outbound, inbound
					if port != 5060 {
						out, in = alg.Clean, alg.Clean
					}
					fmt.Fprintf(&b, "%s IPv%d %d from %s: %s %s\n", transport, family, port, source, out, in)
				}
			}
		}
	}
	return b.String()
}

// TestProbe shows that the verdict on every mode of the lab is right, and the same again and again.
func TestProbe(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		name    string
		mode    netlab.Mode
		flags   []string
		exit    int
		overall alg.Overall
		want    string
		nat     bool
		nats    int
	}{
		{"alg", netlab.ALG, nil, 1, alg.OverallInterference, allPaths(alg.Altered, alg.Altered, 4, 6), true, 1},
		{"plain", netlab.Plain, nil, 0, alg.OverallClean, allPaths(alg.Clean, alg.Clean, 4, 6), true, 1},
		{"double", netlab.Double, nil, 1, alg.OverallInterference, allPaths(alg.Altered, alg.Altered, 4), true, 2},
		{
			"double with via address", netlab.Double,
			[]string{"--via-address", netlab.LANAddr.String()},
			1, alg.OverallInterference, allPaths(alg.Altered, alg.Altered, 4), true, 2,
		},
		{"firewall", netlab.Firewall, nil, 0, alg.OverallClean, allPaths(alg.Clean, alg.Clean, 4, 6), false, 0},
		{
			"firewall-alg", netlab.FirewallALG, nil, 1, alg.OverallInterference,
			allPaths(alg.Inspected, alg.Clean, 4, 6), false, 0,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			for n := range runs(t) {
				report, exit := probe(t, lab, url, pin, tc.flags...)
				if exit != tc.exit || report.Verdict != tc.overall {
					t.Errorf("run %d: exit %d, %s; want exit %d, %s", n+1, exit, report.Verdict, tc.exit, tc.overall)
				}
				if got := verdicts(report); got != tc.want {
					t.Errorf("run %d: got\n%swant\n%s", n+1, got, tc.want)
				}
				if report.Network.NAT != tc.nat || report.Network.NATs != tc.nats {
					t.Errorf("run %d: nat %v, %d; want %v, %d", n+1, report.Network.NAT, report.Network.NATs, tc.nat, tc.nats)
				}
				if report.Network.Local != tc.mode.Local() || report.Network.Public != tc.mode.Source() {
					t.Errorf("run %d: local %v, public %v", n+1, report.Network.Local, report.Network.Public)
				}
				if !report.Evidence.Complete {
					t.Errorf("run %d: the evidence is not complete", n+1)
				}
			}
		})
	}
}

// TestProbeFindings shows what the kernel's gateway does, field by field, and that nothing is claimed beyond it.
func TestProbeFindings(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	report, _ := probe(t, lab, url, pin)
	find := func(transport string, direction alg.Direction, field string, source alg.SourcePort, message string) *alg.Finding {
		for i := range report.Findings {
			f := &report.Findings[i]
			if f.ID == "sdp-origin-forced" {
				continue // of the offer with somebody else's media address
			}
			if f.Kind == alg.ChangeMissed {
				continue // of the message in two segments, of which the helper rewrites one
			}
			if f.Transport == transport && f.Field == field && f.SourcePort == source && f.Direction == direction && f.Message == message {
				return f
			}
		}
		return nil
	}
	for _, transport := range []string{"udp", "tcp"} {
		for _, want := range []struct {
			direction                 alg.Direction
			message, field, sent, got string
		}{
			{alg.Outbound, "INVITE", "via[0].sent-by", "10.0.0.9:5060", "198.51.100.2:5060"},
			{alg.Outbound, "INVITE", "contact[0].uri.host", "10.0.0.9", "198.51.100.2"},
			{alg.Outbound, "INVITE", "from.uri.host", "10.0.0.9", "198.51.100.2"},
			{alg.Outbound, "INVITE", "sdp.o.address", "10.0.0.9", "198.51.100.2"},
			{alg.Outbound, "INVITE", "sdp.c.address", "10.0.0.9", "198.51.100.2"},
			// A call to here: its answer leaves with the SDP rewritten.
			{alg.Outbound, "200 INVITE", "sdp.c.address", "10.0.0.9", "198.51.100.2"},
			{alg.Outbound, "200 INVITE", "contact[0].uri.host", "10.0.0.9", "198.51.100.2"},
			// What the kernel maps back on the way in.
			{alg.Inbound, "200 REGISTER", "via[0].sent-by", "198.51.100.2:5060", "10.0.0.9:5060"},
			{alg.Inbound, "200 REGISTER", "contact[0].uri.host", "198.51.100.2", "10.0.0.9"},
			{alg.Inbound, "INVITE", "request-uri.host", "198.51.100.2", "10.0.0.9"},
			{alg.Inbound, "OPTIONS", "request-uri.host", "198.51.100.2", "10.0.0.9"},
		} {
			f := find(transport, want.direction, want.field, 5060, want.message)
			if f == nil {
				t.Errorf("%s %s: no finding about %s of %s", transport, want.direction, want.field, want.message)
				continue
			}
			if string(f.Sent) != want.sent || string(f.Got) != want.got || f.Port != 5060 {
				t.Errorf("%s %s %s: %q became %q, want %q and %q", transport, want.direction, want.field, f.Sent, f.Got, want.sent, want.got)
			}
		}
		length := func(id string) *alg.Finding {
			for i := range report.Findings {
				f := &report.Findings[i]
				if f.ID == id && f.Transport == transport && f.SourcePort == 5060 && f.Direction == alg.Outbound && f.Message == "INVITE" {
					return f
				}
			}
			return nil
		}
		// The kernel counts a body of several parts from the SDP on. Over TCP that message belongs to --thorough.
		if wrong := length("content-length-wrong"); (wrong != nil) != (transport == "udp") {
			t.Errorf("%s: wrong Content-Length: %+v", transport, wrong)
		}
		if f := length("content-length-rewritten"); f == nil {
			t.Error("no finding about content-length")
		} else if sent, got := atoi(t, f.Sent), atoi(t, f.Got); got-sent != 2*len("198.51.100.2")-2*len("10.0.0.9") {
			t.Errorf("content-length: %d became %d", sent, got)
		}
	}
	// From without a port stands for 5060: from another source port the helper does not take it for its own.
	for _, f := range report.Findings {
		switch {
		case f.Port != 5060:
			t.Errorf("a finding about the control port: %s %s", f.ID, f.Field)
		case f.Family != 4:
			t.Errorf("a finding about IPv6, which was not tested: %s %s", f.ID, f.Field)
		}
		for _, never := range []string{"call-id", "header[x-canary]", "via[1]", "route[", "p-asserted-identity", "sdp.media[", "cseq", "max-forwards"} {
			if strings.HasPrefix(f.Field, never) && f.Kind != alg.ChangeMissed {
				t.Errorf("a finding about %s, which the kernel never touches: %q became %q", f.Field, f.Sent, f.Got)
			}
		}
	}
}

func atoi(t *testing.T, b []byte) int {
	t.Helper()
	n, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReceipts shows that what the client says it sent and received, and what the reflector says it received and sent, is
// what was on the wires on both sides of the router: every datagram and every stream, octet for octet, and no other.
func TestReceipts(t *testing.T) {
	netlab.Require(t, "tcpdump")
	t.Parallel()
	for _, mode := range []netlab.Mode{netlab.ALG, netlab.Plain, netlab.Double} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, mode)
			addrs := []netip.Addr{netlab.WANAddr}
			if mode.IPv6() {
				addrs = append(addrs, netlab.WANAddr6)
			}
			url, pin := reflectorAt(t, lab.Host("wan"), addrs...)
			inside, outside := lab.Host("lan").Capture(t, "l0"), lab.Host("wan").Capture(t, "w0")
			report, _ := probe(t, lab, url, pin, "--only", "sip,h323,ras")
			flows := map[int]alg.Flow{}
			for _, f := range report.Evidence.Flows {
				flows[f.ID] = f
			}
			var wantInside, wantOutside []string
			for _, p := range report.Evidence.Pairs {
				f := flows[p.Flow]
				if f.Path.Transport != "udp" {
					continue
				}
				add := func(list *[]string, ends [2]netip.AddrPort, s *alg.Sighting) {
					if s == nil {
						return
					}
					if !p.Outbound {
						ends[0], ends[1] = ends[1], ends[0]
						if s.To.IsValid() {
							ends[1] = s.To
						}
					}
					*list = append(*list, fmt.Sprintf("%v > %v %q", ends[0], ends[1], s.Raw))
				}
				add(&wantInside, f.Inside, p.Inside)
				add(&wantOutside, f.Outside, p.Outside)
			}
			same(t, "inside", wantInside, render(slices.DeleteFunc(inside.Datagrams(t), beside), func(d netlab.Datagram) string {
				return fmt.Sprintf("%v > %v %q", d.Src, d.Dst, d.Payload)
			}))
			// Keepalives of two line ends have no room for a number, and media is no message: they are not among the pairs.
			same(t, "outside", wantOutside, render(slices.DeleteFunc(outside.Datagrams(t), beside), func(d netlab.Datagram) string {
				return fmt.Sprintf("%v > %v %q", d.Src, d.Dst, d.Payload)
			}))
			for _, side := range []struct {
				name    string
				capture *netlab.Capture
				want    []string
			}{
				{"inside", inside, streams(report, func(f *alg.Flow, p *alg.Pair) ([2]netip.AddrPort, *alg.Sighting) { return f.Inside, p.Inside })},
				{"outside", outside, streams(report, func(f *alg.Flow, p *alg.Pair) ([2]netip.AddrPort, *alg.Sighting) { return f.Outside, p.Outside })},
			} {
				var got []string
				for _, s := range side.capture.Streams(t) {
					if https := strings.HasSuffix(url, fmt.Sprintf(":%d", s.Src.Port())) || s.Src.Port() == 443 || s.Dst.Port() == 443; https || len(s.Data) == 0 {
						continue
					}
					got = append(got, fmt.Sprintf("%v > %v %q", s.Src, s.Dst, s.Data))
				}
				same(t, side.name+" tcp", side.want, got)
			}
		})
	}
}

func keepalive(d netlab.Datagram) bool { return string(d.Payload) == "\r\n\r\n" }

// beside reports what is on the wire and no message: keepalives, and what goes to or from the reflector's ports of media.
func beside(d netlab.Datagram) bool {
	media := func(end netip.AddrPort) bool {
		return (end.Addr() == netlab.WANAddr || end.Addr() == netlab.WANAddr6) && 10000 <= end.Port() && end.Port() <= 10063
	}
	return keepalive(d) || media(d.Src) || media(d.Dst)
}

func render[T any](list []T, text func(T) string) []string {
	var out []string
	for _, x := range list {
		out = append(out, text(x))
	}
	return out
}

// streams puts the messages of a report's connections together, as one side saw them: one text for each direction.
func streams(r *alg.Report, side func(*alg.Flow, *alg.Pair) ([2]netip.AddrPort, *alg.Sighting)) []string {
	var out []string
	for i := range r.Evidence.Flows {
		f := &r.Evidence.Flows[i]
		if f.Path.Transport != "tcp" {
			continue
		}
		for _, outbound := range []bool{true, false} {
			var seen []*alg.Sighting
			var ends [2]netip.AddrPort
			for j := range r.Evidence.Pairs {
				p := &r.Evidence.Pairs[j]
				if p.Flow != f.ID || p.Outbound != outbound {
					continue
				}
				if at, s := side(f, p); s != nil {
					ends, seen = at, append(seen, s)
				}
			}
			slices.SortFunc(seen, func(a, b *alg.Sighting) int { return a.Off - b.Off })
			var data []byte
			for _, s := range seen {
				data = append(data, s.Raw...)
			}
			if len(data) == 0 {
				continue
			}
			if !outbound {
				ends[0], ends[1] = ends[1], ends[0]
			}
			out = append(out, fmt.Sprintf("%v > %v %q", ends[0], ends[1], data))
		}
	}
	return out
}

// same compares what a report says with what was captured; the order of arrival is the network's affair.
func same(t *testing.T, side string, want, got []string) {
	t.Helper()
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 20 {
		t.Fatalf("%s: only %d in the report", side, len(want))
	}
	missing := slices.DeleteFunc(want, func(w string) bool {
		i, ok := slices.BinarySearch(got, w)
		if ok {
			got = slices.Delete(got, i, i+1)
		}
		return ok
	})
	const most = 5
	for _, w := range missing[:min(len(missing), most)] {
		t.Errorf("%s: in the report and not on the wire: %s", side, nearest(w, got))
	}
	for _, g := range got[:min(len(got), most)] {
		t.Errorf("%s: on the wire and not in the report: %s", side, nearest(g, missing))
	}
	if n := len(missing) + len(got); n > 2*most {
		t.Errorf("%s: %d more", side, n-2*most)
	}
}

// nearest shows where a text differs from the one in the list that it has most in common with.
func nearest(text string, list []string) string {
	best := 0
	for _, other := range list {
		n := 0
		for n < min(len(text), len(other)) && text[n] == other[n] {
			n++
		}
		best = max(best, n)
	}
	const around = 100
	return text[:min(len(text), around)] + fmt.Sprintf(" … differs from octet %d of %d on: ", best, len(text)) +
		text[max(0, best-around):min(len(text), best+around)]
}

// TestProbeIsWellFormed has Wireshark's dissector look at all that a probe sends and is sent.
func TestProbeIsWellFormed(t *testing.T) {
	netlab.Require(t, "tcpdump", "tshark")
	t.Parallel()
	lab := netlab.Up(t, netlab.Plain)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
	capture := lab.Host("lan").Capture(t, "l0")
	report, _ := probe(t, lab, url, pin)
	file := capture.Stop(t)
	tshark := func(filter string) []string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "tshark", "-r", file, "-d", "udp.port==15060,sip", "-Y", filter,
			"-d", "tcp.port==15060,sip", "-d", "tcp.port==5061,sip", "-T", "fields", "-e", "sip.Call-ID", "-e", "sip.Request-Line", "-e", "_ws.expert.message").Output()
		if err != nil {
			t.Fatalf("tshark: %v", err)
		}
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	}
	seen := 0
	for _, p := range report.Evidence.Pairs {
		if p.Inside != nil && p.Step != "stun" {
			seen++
		}
	}
	got := 0
	for _, frame := range tshark("sip") {
		ids, _, _ := strings.Cut(frame, "\t")
		got += 1 + strings.Count(ids, ",") // one segment may hold two messages
	}
	if got != seen {
		t.Errorf("tshark reads %d SIP messages, the probe saw %d", got, seen)
	}
	for _, bad := range tshark("_ws.malformed || sip && _ws.expert.severity >= 6291456") {
		t.Errorf("tshark complains: %s", bad)
	}
}

// TestSilence shows that without a token the reflector is silent to the scanners' own tools, and to a telephone that calls it.
func TestSilence(t *testing.T) {
	netlab.Require(t, "tcpdump", "sipsak", "sipp", "baresip")
	lab := netlab.Up(t, netlab.Plain)
	reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	capture := lab.Host("wan").Capture(t, "w0")
	lan := lab.Host("lan")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// Both tools fail, as nobody answers them.
	_ = lan.Command(ctx, "sipsak", "-s", "sip:100@"+netlab.WANAddr.String(), "-D", "2").Run()
	sipp := lan.Command(ctx, "sipp", "-sn", "uac", "-m", "3", "-r", "10", "-recv_timeout", "500", "-timeout", "2", netlab.WANAddr.String())
	sipp.Dir = t.TempDir()
	_ = sipp.Run()
	telephone(t, lan, "sip:100@"+netlab.WANAddr.String())
	in := 0
	for _, d := range capture.Datagrams(t) {
		if d.Src.Addr() == netlab.WANAddr {
			t.Errorf("the reflector answered: %v > %v %q", d.Src, d.Dst, d.Payload)
		} else {
			in++
		}
	}
	if in < 6 {
		t.Errorf("only %d datagrams reached the reflector", in)
	}
}

// telephone has baresip call somebody, for long enough to repeat itself.
func telephone(t *testing.T, host *netlab.Host, to string) {
	t.Helper()
	modules, err := filepath.Glob("/usr/lib/*baresip/modules")
	if more, _ := filepath.Glob("/usr/lib/*/baresip/modules"); err == nil {
		modules = append(modules, more...)
	}
	if len(modules) == 0 {
		t.Fatal("baresip has no modules")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config": "module_path " + modules[0] + "\nmodule account.so\nmodule menu.so\nmodule g711.so\nmodule aubridge.so\n" +
			"audio_player aubridge,x\naudio_source aubridge,x\naudio_alert aubridge,x\n",
		"accounts": "<sip:test@example.net;transport=udp>;regint=0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	out, err := host.Command(ctx, "baresip", "-f", dir, "-e", "/dial "+to, "-t", "3").CombinedOutput()
	if !bytes.Contains(out, []byte("connecting to")) {
		t.Errorf("baresip has not called: %v\n%s", err, out)
	}
}
