package alg

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestFragments(t *testing.T) {
	for _, tc := range []struct{ octets, family, mtu, want int }{
		{1472, 4, 1500, 1},
		{1473, 4, 1500, 2},
		{1452, 6, 1500, 1},
		{1453, 6, 1500, 2},
		{2952, 4, 1500, 2}, // 1,480 twice
		{2953, 4, 1500, 3},
		{3000, 4, 0, 3},
		{8000, 4, 0, 6},
		{8000, 6, 0, 6},
		{1400, 4, 1420, 2},
		{8000, 4, 65536, 1},
		{1, 4, 20, 1}, // no such interface
	} {
		if got := Fragments(tc.octets, tc.family, tc.mtu); got != tc.want {
			t.Errorf("%d octets, IPv%d, MTU %d: %d, want %d", tc.octets, tc.family, tc.mtu, got, tc.want)
		}
	}
}

func TestFragmented(t *testing.T) {
	for _, tc := range []struct {
		q       float64
		packets int
		want    float64
	}{{0.1, 0, 0.1}, {0.1, 1, 0.1}, {0.1, 2, 0.19}, {0.1, 6, 0.468559}, {0, 6, 0}, {1, 2, 1}} {
		if got := Fragmented(tc.q, tc.packets); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%v in %d packets: %v, want %v", tc.q, tc.packets, got, tc.want)
		}
	}
}

// sized is a message that is sent for its size, in so many tries.
func sized(flow, octets, fragments int, df string, lost bool) ([]message, Datagram) {
	const tries = 9 // two fragments take more than one does
	m := message{flow: flow, step: fmt.Sprintf("invite-size-%d%s", octets, df), tries: tries}
	if lost {
		m.lost = tries
	}
	return []message{m}, Datagram{Octets: octets, Fragments: fragments, DF: df}
}

func TestLargeDatagrams(t *testing.T) {
	type at struct {
		flow, octets, fragments int
		df                      string
		lost                    bool
	}
	for _, tc := range []struct {
		name    string
		sent    []at
		out     Verdict
		reason  string
		finding string // part of the first one's summary
		id      string
	}{
		{"all pass", []at{{mainFlow, 1600, 2, DFClear, false}, {controlFlow, 1600, 2, DFClear, false}}, Clean, "", "", ""},
		{
			"lost on every port", []at{
				{mainFlow, 1472, 1, DFSet, false},
				{controlFlow, 1472, 1, DFSet, false},
				{mainFlow, 1600, 2, DFClear, true},
				{controlFlow, 1600, 2, DFClear, true},
				{mainFlow, 3000, 3, DFClear, true},
				{controlFlow, 3000, 3, DFClear, true},
			}, Clean, "", "of 1600 octets, in fragments, none arrives, nor any larger one that was sent, while 1472 octets pass", "large-datagrams-lost",
		},
		{
			"lost with DF set",
			[]at{{mainFlow, 1472, 1, DFSet, true}, {controlFlow, 1472, 1, DFSet, true}, {mainFlow, 1472, 1, DFClear, false}, {controlFlow, 1472, 1, DFClear, false}},
			Clean, "", "of 1472 octets, in one packet that no router may fragment (DF set), none arrives", "large-datagrams-lost",
		},
		{
			"lost on one port",
			[]at{{mainFlow, 1600, 2, DFClear, true}, {controlFlow, 1600, 2, DFClear, false}},
			Dropped, "invite-size-1600clear is dropped here", "a valid message is dropped", "message-dropped",
		},
		{"no control", []at{{mainFlow, 1600, 2, DFClear, true}}, Untested, "without a control port that proves nothing", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScene().add(around()...)
			for _, a := range tc.sent {
				messages, d := sized(a.flow, a.octets, a.fragments, a.df, a.lost)
				before := len(s.Pairs)
				s.add(messages...)
				for i := range s.Pairs[before:] {
					s.Pairs[before+i].Datagram = d
				}
			}
			s.add(good(mainFlow, 1)...).add(good(controlFlow, 1)...)
			var j Judge
			j.Add(s.Case)
			r := j.Report()
			if p := r.Paths[0]; p.Outbound != tc.out || !strings.Contains(p.Reason, tc.reason) {
				t.Errorf("%s (%s), want %s (%s)", p.Outbound, p.Reason, tc.out, tc.reason)
			}
			switch {
			case tc.id == "" && len(r.Findings) > 0:
				t.Errorf("finding %s: %s", r.Findings[0].ID, r.Findings[0].Summary)
			case tc.id != "" && (len(r.Findings) != 1 || r.Findings[0].ID != tc.id || !strings.Contains(r.Findings[0].Summary, tc.finding)):
				t.Errorf("findings %+v, want %s: %s", r.Findings, tc.id, tc.finding)
			}
			if tc.out == Clean && r.Verdict != OverallClean {
				t.Errorf("verdict %s", r.Verdict)
			}
		})
	}
}

// TestRefusals shows that an ICMP error is the reason why nothing arrives, and no more than that.
func TestRefusals(t *testing.T) {
	refused := Trial{
		Kind: TrialRefused, Path: sipPath, Outcome: OutcomeFailed, By: netip.MustParseAddr("198.51.100.1"), Detail: "port unreachable",
	}
	const who = "refused by ICMP: port unreachable from 198.51.100.1"
	s := newScene().add(good(controlFlow, 20)...).add(message{flow: mainFlow, tries: enough, lost: enough})
	s.Trials = []Trial{refused, refused}
	var j Judge
	j.Add(s.Case)
	r := j.Report()
	if p := r.Paths[0]; p.Outbound != Blocked || strings.Count(p.Reason, who) != 1 {
		t.Errorf("%s: %s", p.Outbound, p.Reason)
	}
	if len(r.Findings) != 1 || r.Findings[0].ID != "port-blocked" || !strings.Contains(r.Findings[0].Summary, who) {
		t.Errorf("findings %+v", r.Findings)
	}
	s = newScene().add(around()...)
	s.Trials = []Trial{refused}
	j = Judge{}
	j.Add(s.Case)
	if r := j.Report(); r.Verdict != OverallClean || r.Paths[0].Reason != "" || len(r.Findings) != 0 {
		t.Errorf("%s: %+v %+v", r.Verdict, r.Paths, r.Findings)
	}
}

// TestBan shows that what was sent after a ban says nothing, what was before it does, and that a line which went down is no ban.
func TestBan(t *testing.T) {
	scene := func(step string) *scene {
		s := newScene().add(around()...)
		at := s.now.Add(500 * time.Millisecond)
		s.add(
			message{flow: mainFlow, step: "invite-no-cseq", breaks: "RFC 3261 8.1.1: no CSeq", tries: enough, lost: enough},
			message{flow: controlFlow, step: "invite-no-cseq"},
			message{flow: mainFlow, step: "deregister", tries: enough, lost: enough},
			message{flow: controlFlow, step: "deregister"},
			message{flow: mainFlow, in: true, step: "called-options", tries: enough, lost: enough},
		)
		s.Trials = []Trial{{Kind: TrialBan, Path: sipPath, At: at, Outcome: OutcomeFailed, Step: step, Detail: "nothing arrives on this port any more"}}
		return s
	}
	for _, tc := range []struct {
		name, step, reason string
		out, in            Verdict
		findings           int
	}{
		{"ban", "invite-no-cseq", "banned after invite-no-cseq: nothing arrives on this port any more", Inspected, Clean, 1},
		{"line down", "", "nothing arrives on this port any more", Untested, Untested, 0},
	} {
		var j Judge
		j.Add(scene(tc.step).Case)
		r := j.Report()
		if p := r.Paths[0]; p.Outbound != tc.out || p.Inbound != tc.in || !strings.Contains(p.Reason, tc.reason) {
			t.Errorf("%s: %s %s (%s)", tc.name, p.Outbound, p.Inbound, p.Reason)
		}
		if len(r.Findings) != tc.findings || tc.findings > 0 && (r.Findings[0].ID != "client-banned" || r.Findings[0].Message != "invite-no-cseq") {
			t.Errorf("%s: findings %+v", tc.name, r.Findings)
		}
	}
}
