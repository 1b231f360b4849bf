package netlab_test

import (
	"context"
	"encoding/binary"
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

// h323Paths gives the verdicts of H.323 and RAS, with clean control paths.
func h323Paths(outbound, inbound, rasOutbound alg.Verdict, families ...int) string {
	var b strings.Builder
	for _, proto := range []string{alg.ProtoH323, alg.ProtoRAS} {
		transport, port, out, in := "tcp", 1720, outbound, inbound
		if proto == alg.ProtoRAS {
			transport, port, out, in = "udp", 1719, rasOutbound, alg.Clean
		}
		for _, family := range families {
			o, i := out, in
			if family == 6 {
				o, i = alg.Clean, alg.Clean // the kernel never rewrites H.323 over IPv6
			}
			fmt.Fprintf(&b, "%s %s IPv%d %d: %s %s\n", proto, transport, family, port, o, i)
			fmt.Fprintf(&b, "%s %s IPv%d 15060: clean clean\n", proto, transport, family)
		}
	}
	return b.String()
}

func h323Verdicts(r *alg.Report) string {
	var b strings.Builder
	for _, p := range r.Paths {
		fmt.Fprintf(&b, "%s %s IPv%d %d: %s %s\n", p.Proto, p.Transport, p.Family, p.Port, p.Outbound, p.Inbound)
	}
	return b.String()
}

// TestProbeH323 shows that the verdicts on H.323 are right in every mode of the lab, and the same again and again.
func TestProbeH323(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	for _, tc := range []struct {
		mode netlab.Mode
		exit int
		want string
	}{
		{netlab.ALG, 1, h323Paths(alg.Altered, alg.Altered, alg.Altered, 4, 6)},
		{netlab.Plain, 0, h323Paths(alg.Clean, alg.Clean, alg.Clean, 4, 6)},
		{netlab.Double, 1, h323Paths(alg.Altered, alg.Altered, alg.Altered, 4)},
		{netlab.Firewall, 0, h323Paths(alg.Clean, alg.Clean, alg.Clean, 4, 6)},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
			for n := range runs(t) {
				report, exit := probe(t, lab, url, pin, "--only", "h323,ras")
				if exit != tc.exit {
					t.Errorf("run %d: exit %d, want %d", n+1, exit, tc.exit)
				}
				if got := h323Verdicts(report); got != tc.want {
					for _, p := range report.Paths {
						t.Log(p.Path, p.Reason)
					}
					t.Errorf("run %d: got\n%swant\n%s", n+1, got, tc.want)
				}
			}
		})
	}
}

// TestProbeH323Findings shows what the kernel's gateway does with H.323, field by field, and that nothing is claimed beyond
// it.
func TestProbeH323Findings(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	lab := netlab.Up(t, netlab.ALG)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
	report, exit := probe(t, lab, url, pin, "--only", "h323,ras")
	if exit != 1 {
		t.Errorf("exit %d, want 1", exit)
	}
	private, public := string([]byte{10, 0, 0, 9}), string([]byte{198, 51, 100, 2})
	for _, want := range []struct {
		direction alg.Direction
		field     string
	}{
		{alg.Outbound, "setup.sourceCallSignalAddress.ip"},
		{alg.Outbound, "setup.h245Address.ip"},
		{alg.Outbound, "setup.fastStart[0].mediaControlChannel.ip"},
		{alg.Outbound, "setup.fastStart[1].mediaChannel.ip"},
		{alg.Outbound, "setup.fastStart[1].mediaControlChannel.ip"},
		{alg.Outbound, "setup.fastStart[3].mediaChannel.ip"},
		{alg.Outbound, "setup.h245Control[1].olc.mediaChannel.ip"},
		{alg.Outbound, "facility.h245Address.ip"},
		{alg.Outbound, "facility.h245Control[0].olc.mediaControlChannel.ip"},
		{alg.Outbound, "facility.h245Control[0].olcAck.mediaChannel.ip"},
		{alg.Outbound, "connect.h245Address.ip"},
		{alg.Outbound, "alerting.fastStart[0].mediaChannel.ip"},
		{alg.Outbound, "olc.mediaChannel.ip"},
		{alg.Outbound, "olc.mediaControlChannel.ip"},
		{alg.Outbound, "olcAck.mediaChannel.ip"},
		{alg.Outbound, "olcAck.mediaControlChannel.ip"},
		{alg.Outbound, "grq.rasAddress.ip"},
		{alg.Inbound, "setup.destCallSignalAddress.ip"},
	} {
		sent, got := private, public
		if want.direction == alg.Inbound {
			sent, got = public, private
		}
		i := slices.IndexFunc(report.Findings, func(f alg.Finding) bool {
			return f.Field == want.field && f.Direction == want.direction && f.Kind == alg.ChangeAltered
		})
		if i < 0 {
			t.Errorf("%s: no finding about %s", want.direction, want.field)
			continue
		}
		if f := report.Findings[i]; string(f.Sent) != sent || string(f.Got) != got {
			t.Errorf("%s %s: %v became %v", want.direction, want.field, []byte(f.Sent), []byte(f.Got))
		}
	}
	steps := map[int]string{}
	for _, p := range report.Evidence.Pairs {
		steps[p.ID] = p.Step
	}
	// The Setup with 27 extension bits is the one of which Linux leaves the media private.
	partly := slices.IndexFunc(report.Findings, func(f alg.Finding) bool { return f.ID == "h323-partly-rewritten" })
	if partly < 0 {
		t.Error("the partial rewriting is not found")
	} else if f := report.Findings[partly]; !slices.ContainsFunc(f.Marks, func(m alg.Mark) bool { return steps[m.Pair] == "setup-27" }) {
		t.Errorf("the partial rewriting is found in other messages: %+v", f.Marks)
	}
	split := slices.IndexFunc(report.Findings, func(f alg.Finding) bool { return f.ID == "h323-split-untouched" })
	if split < 0 {
		t.Error("it is not said that the split message arrives untouched")
	} else if f := report.Findings[split]; steps[f.Marks[0].Pair] != alg.StepSetupSplitMiddle {
		t.Errorf("%s is said to arrive untouched", steps[f.Marks[0].Pair])
	}
	for _, f := range report.Findings {
		if f.Port != 1720 && f.Port != 1719 {
			t.Errorf("a finding about the control port: %s %s", f.ID, f.Field)
		}
		for _, never := range []string{"raw[", "setup.destCallSignalAddress", "callIdentifier", "conferenceID", "display", "tpkt"} {
			if f.Direction == alg.Outbound && strings.Contains(f.Field, never) {
				t.Errorf("a finding about %s, which the kernel never touches: %v became %v", f.Field, []byte(f.Sent), []byte(f.Got))
			}
		}
	}
}

// TestProbeH323IsWellFormed has Wireshark's dissectors look at all of H.323 that a probe sends and is sent.
func TestProbeH323IsWellFormed(t *testing.T) {
	netlab.Require(t, "tcpdump", "tshark")
	t.Parallel()
	lab := netlab.Up(t, netlab.Plain)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr6)
	capture := lab.Host("lan").Capture(t, "l0")
	report, _ := probe(t, lab, url, pin, "--only", "h323,ras", "--thorough")
	file := onKnownPorts(t, capture.Stop(t))
	tshark := func(filter string, fields ...string) []string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		args := []string{
			"-r", file, "-Y", filter, "-T", "fields",
		}
		for _, f := range fields {
			args = append(args, "-e", f)
		}
		out, err := exec.CommandContext(ctx, "tshark", args...).Output()
		if err != nil {
			t.Fatalf("tshark: %v", err)
		}
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	}
	want := map[string]int{}
	flows := map[int]*alg.Flow{}
	for i := range report.Evidence.Flows {
		flows[report.Evidence.Flows[i].ID] = &report.Evidence.Flows[i]
	}
	for _, p := range report.Evidence.Pairs {
		if p.Inside != nil {
			want[flows[p.Flow].Proto()]++
		}
	}
	got := map[string]int{}
	for proto, field := range map[string]string{
		alg.ProtoH323: "h225.h323_message_body", alg.ProtoH245: "h245.pdu_type", alg.ProtoRAS: "h225.RasMessage",
	} {
		filter := field
		if proto == alg.ProtoH245 {
			filter = "h245 && !h225" // tunnelled messages are counted with those around them
		}
		for _, frame := range tshark(filter, field) {
			got[proto] += 1 + strings.Count(frame, ",")
		}
	}
	for proto, n := range want {
		if n == 0 || got[proto] != n {
			t.Errorf("%s: tshark reads %d messages, the probe saw %d", proto, got[proto], n)
		}
	}
	for _, bad := range tshark("_ws.malformed || (h225 || h245) && _ws.expert.severity >= 6291456", "frame.number", "_ws.col.Protocol", "_ws.expert.message") {
		t.Errorf("tshark complains: %s", bad)
	}
}

// onKnownPorts copies a capture with the control port made those of H.225.0 and RAS, at another address: tshark cannot be told
// that there is H.323 on other ports. The file has one Ethernet frame a record and no IP options, as the lab makes them.
func onKnownPorts(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const control = 15060
	for rec := b[24:]; len(rec) > 16; {
		n := int(binary.LittleEndian.Uint32(rec[8:]))
		frame := rec[16 : 16+n]
		rec = rec[16+n:]
		var addrs, ports, proto int // offsets, the last one of the protocol's number
		addrLen := 4
		switch binary.BigEndian.Uint16(frame[12:]) {
		case 0x0800:
			addrs, ports, proto = 14+12, 14+20, 14+9
		case 0x86dd:
			addrs, ports, proto, addrLen = 14+8, 14+40, 14+6, 16
		default:
			continue
		}
		known := map[byte]uint16{6: 1720, 17: 1719}[frame[proto]]
		for end := range 2 {
			if port := frame[ports+2*end:]; known != 0 && binary.BigEndian.Uint16(port) == control {
				binary.BigEndian.PutUint16(port, known)
				frame[addrs+(end+1)*addrLen-1] ^= 0x80
			}
		}
	}
	copied := filepath.Join(t.TempDir(), "known.pcap")
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}
