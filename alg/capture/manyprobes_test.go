package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// Probes beyond those that are told apart are nobody's calls, and it is said how many there are.
func TestManyProbes(t *testing.T) {
	token := func(n int) wire.Token { return wire.Token{1, byte(n >> 8), byte(n)} }
	for _, tc := range []struct {
		probes int
		note   string
	}{
		{maxSessions, ""},
		{maxSessions + 3, "3 probes of nofixup beyond the first 16 were not judged: 9 messages"},
		{maxSessions + maxOthers + 5, fmt.Sprintf("at least %d probes of nofixup beyond the first 16 were not judged: %d messages", maxOthers, 3*(maxOthers+5))},
	} {
		t.Run(fmt.Sprint(tc.probes), func(t *testing.T) {
			s := &scene{t: t}
			for n := range tc.probes {
				tag := wire.Tag{Token: token(n), Number: 1}.String()
				for i, m := range []struct {
					src, dst netip.AddrPort
					first    string
				}{{alice, bob, invite}, {bob, alice, ok200}, {bob, alice, ok200}} {
					b := says(m.first, tag, "1 INVITE", alice, body(aliceMedia))
					s.send(int64(n*60+i*20), m.src, m.dst, bytes.Replace(b, []byte("z9hG4bK1INVITE"), []byte("z9hG4bK"+tag), 1))
				}
			}
			r := s.report()
			if len(r.Probes) != maxSessions || len(r.Calls) != 0 || len(r.Findings) != 0 || r.Evidence.Complete != (tc.note == "") {
				t.Errorf("%d probes, %d calls, %v, complete %v", len(r.Probes), len(r.Calls), ids(r), r.Evidence.Complete)
			}
			if slices.Contains(r.Network.Notes, tc.note) != (tc.note != "") || tc.note == "" && strings.Contains(strings.Join(r.Network.Notes, ""), "probes") {
				t.Errorf("%q, want %q", r.Network.Notes, tc.note)
			}
		})
	}
}

// Of a probe for which there was no room at one point alone nothing was lost on the way.
func TestManyProbesPaired(t *testing.T) {
	in, out := &scene{t: t}, &scene{t: t}
	neutral := netip.AddrPortFrom(bob.Addr(), 15060)
	const n = maxSessions + 1
	token := func(i int) wire.Token { return wire.Token{2, byte(i)} }
	at := int64(0)
	for i := range n { // outside the last one comes first
		out.send(at+int64(i), nat, bob, probeMessage(token(n-1-i), 9999, "options-bracket", false))
	}
	for i := range n {
		for number := range 60 {
			at += 100
			to, step := bob, "options-bracket"
			if number%2 == 1 {
				to = neutral
			}
			if number%4 < 2 {
				step = "options"
			}
			m := probeMessage(token(i), number+1, step, to == neutral)
			in.send(at, alice, to, m)
			out.send(at+1, nat, to, m)
		}
	}
	r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Paths {
		if p.Outbound == alg.Dropped || p.Outbound == alg.Blocked {
			t.Errorf("%s %s", p.Path, p.Outbound)
		}
	}
	for _, point := range []string{alg.Inside, alg.Outside} {
		if want := fmt.Sprintf(point+": 1 probes of nofixup beyond the first 16 were not judged: %d messages", map[string]int{alg.Inside: 60, alg.Outside: 61}[point]); !slices.Contains(r.Network.Notes, want) {
			t.Errorf("%q, want %q", r.Network.Notes, want)
		}
	}
	if len(r.Findings) != 0 || len(r.Calls) != 0 || r.Verdict == alg.OverallInterference {
		t.Errorf("%v, %d calls, %s", ids(r), len(r.Calls), r.Verdict)
	}
}
