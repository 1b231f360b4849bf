package alg

import (
	"strings"
	"testing"
	"time"
)

// TestBehindProxy shows what a SIP proxy on the path may keep to itself, and that without one the same loss is a drop.
func TestBehindProxy(t *testing.T) {
	const (
		invite  = "INVITE sip:bob@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKa1\r\nMax-Forwards: 70\r\nCSeq: 1 INVITE\r\n\r\n"
		added   = "Via: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bKp1\r\n"
		ack     = "ACK sip:bob@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKa1\r\nCSeq: 1 ACK\r\n\r\n"
		trying  = "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKa1\r\nCSeq: 1 INVITE\r\n\r\n"
		ringing = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKa1\r\nCSeq: 1 INVITE\r\n\r\n"
	)
	forwarded := strings.Replace(strings.Replace(invite, "Via: ", added+"Via: ", 1), "Max-Forwards: 70", "Max-Forwards: 69", 1)
	for _, tc := range []struct {
		name, lost string
		outbound   bool
		proxy      bool
		want       Verdict
		found      string
	}{
		{"the ACK of its own transaction", ack, true, true, Clean, ""},
		{"that ACK, no proxy", ack, true, false, Dropped, "message-dropped"},
		{"an ACK of its own branch", strings.Replace(ack, "a1", "a2", 1), true, true, Dropped, "message-dropped"},
		{"a CANCEL", strings.ReplaceAll(ack, "ACK", "CANCEL"), true, true, Clean, ""},
		{"a 100", trying, false, true, Clean, ""},
		{"a 180", ringing, false, true, Dropped, "message-dropped"},
		{"no SIP", "nofixup\r\n\r\n", true, true, Clean, "sip-proxy-refused"},
		{"no SIP, no proxy", "nofixup\r\n\r\n", true, false, Dropped, "message-dropped"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			control := Flow{ID: 2, Path: Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 15060, SourcePort: 5060, Control: true}}
			c := Case{
				Flows: []Flow{pairFlow(ProtoSIP), control},
				Points: []Point{
					{Name: Inside, From: testTime.Add(-time.Hour), To: testTime.Add(time.Hour), Complete: true},
					{Name: Outside, From: testTime.Add(-time.Hour), To: testTime.Add(time.Hour), Complete: true},
				},
			}
			add := func(flow int, step string, outbound bool, sent, got string) {
				at := testTime.Add(time.Duration(len(c.Pairs)) * time.Second)
				p := Pair{ID: len(c.Pairs) + 1, Flow: flow, Outbound: outbound, Step: step, Shape: ShapeLocal, Role: RoleProbe}
				a, b := &Sighting{At: at, Raw: Bytes(sent)}, &Sighting{At: at, Raw: Bytes(got)}
				if got == "" {
					b = nil
				}
				if p.Inside, p.Outside = a, b; !outbound {
					p.Inside, p.Outside = b, a
				}
				c.Pairs = append(c.Pairs, p)
			}
			got := invite
			if tc.proxy {
				got = forwarded
			}
			for range 40 { // without loss
				add(2, "invite", true, invite, invite)
				add(2, "ringing", false, ringing, ringing)
			}
			add(2, "lost", tc.outbound, tc.lost, tc.lost)
			around := func() {
				add(1, "invite", true, invite, got)
				add(1, "ringing", false, ringing, ringing)
			}
			around()
			for range 40 {
				add(1, "lost", tc.outbound, tc.lost, "")
			}
			around()
			var j Judge
			var found []string
			for _, f := range j.Add(c) {
				if f.ID != sipProxy.ID {
					found = append(found, f.ID)
				}
			}
			path := j.Report().Paths[0]
			verdict := path.Outbound
			if !tc.outbound {
				verdict = path.Inbound
			}
			if verdict != tc.want || strings.Join(found, " ") != tc.found {
				t.Errorf("%s, %v: %s", verdict, found, path.Reason)
			}
		})
	}
}

// TestProxyAnswersItself shows that a proxy's Via may be taken off an answer that stands before the request in the evidence, and that
// an answer which only the proxy gave is told and says nothing of the far end.
func TestProxyAnswersItself(t *testing.T) {
	request := "OPTIONS sip:a@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bKr1\r\nMax-Forwards: 70\r\nCSeq: 1 OPTIONS\r\n\r\n"
	arrived := strings.Replace(strings.Replace(request, "Via: ", "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKp1\r\nVia: ", 1), ": 70", ": 69", 1)
	answer := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKp1\r\nVia: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bKr1\r\nCSeq: 1 OPTIONS\r\n\r\n"
	there := strings.Replace(answer, "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKp1\r\n", "", 1)
	c := pairCase(ProtoSIP, []byte(answer), []byte(there), true)
	c.Pairs = append(c.Pairs, pairCase(ProtoSIP, []byte(request), []byte(arrived), false).Pairs[0])
	var j Judge
	for _, f := range j.Add(c) {
		if f.ID != sipProxy.ID {
			t.Errorf("%s %s", f.ID, f.Field)
		}
	}
	if p := j.Report().Paths[0]; p.Outbound != Clean || p.Inbound != Clean {
		t.Errorf("%s %s", p.Outbound, p.Inbound)
	}

	j = Judge{}
	findings := j.Add(pairCase(ProtoSIP, nil, []byte("SIP/2.0 403 Forbidden\r\nCSeq: 1 INVITE\r\n\r\n"), false))
	if len(findings) != 1 || findings[0].ID != sipProxyAnswered.ID || string(findings[0].Got) != "SIP/2.0 403 Forbidden" {
		t.Errorf("%+v", findings)
	}
	if p := j.Report().Paths[0]; p.Inbound != Untested {
		t.Errorf("inbound %s", p.Inbound)
	}
}
