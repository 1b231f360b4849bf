package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var sipTCP = Path{Proto: ProtoSIP, Transport: "tcp", Family: 4, Port: 5060}

// newSIPStreams is like newScene, over TCP: an INVITE from 10.0.0.9.
func newSIPStreams() *scene {
	s := newScene()
	s.Flows = nil
	control := sipTCP
	control.Port, control.Control = 15060, true
	for i, p := range []Path{sipTCP, control} {
		ends := [2]netip.AddrPort{own(40100), netip.AddrPortFrom(server.Addr(), p.Port)}
		s.Flows = append(s.Flows, Flow{ID: i + 1, Path: p, Inside: ends, Outside: ends})
	}
	return s
}

// streamInvite is an INVITE with the given addresses in Via, Contact and session description.
func streamInvite(via, contact, media string) []byte {
	body := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n", media)
	return fmt.Appendf(nil, "INVITE sip:b@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/TCP %s:40100;branch=z9hG4bK1\r\n"+
		"From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@203.0.113.10>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"+
		"Contact: <sip:a@%s:40100>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		via, contact, len(body), body)
}

// TestSplitSIP shows what a message in parts says beside the same one in a single segment.
func TestSplitSIP(t *testing.T) {
	const own, public = "10.0.0.9", "198.51.100.2"
	sent := streamInvite(own, own, own)
	all := streamInvite(public, public, public)
	contact := streamInvite(own, public, own)
	media := streamInvite(public, public, own)
	for _, tc := range []struct {
		name  string
		whole [][]byte // as it arrived in each try
		split []byte
		want  string
	}{
		{"nothing in between", [][]byte{sent}, sent, ""},
		{"left alone in parts", [][]byte{all}, all, ""},
		{"untouched", [][]byte{all}, sent, "sip-split-untouched:"},
		{"Contact alone", [][]byte{all}, contact, "sip-partly-rewritten:sdp.c.address sip-partly-rewritten:via[0].sent-by"},
		{"media left", [][]byte{all}, media, "sip-partly-rewritten:sdp.c.address"},
		{"what the whole one lacks, too", [][]byte{media}, media, ""},
		{"what the whole one lacks in one try", [][]byte{all, media}, media, ""},
		{"the whole one untouched", [][]byte{sent}, contact, ""},
		{"lost", [][]byte{all}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSIPStreams()
			for _, got := range tc.whole {
				s.carry(mainFlow, true, StepInvite, ShapeLocal, sent, got)
			}
			s.carry(mainFlow, true, StepInviteSplitHeaders, ShapeLocal, sent, tc.split)
			// An answer bears the name of its request's step, and was not cut.
			s.carry(mainFlow, false, StepInvite, ShapeLocal, sent, all).carry(mainFlow, false, StepInviteSplitHeaders, ShapeLocal, sent, sent)
			r := s.judged()
			checkReport(t, r, s.Case)
			var got []string
			for _, f := range slices.Concat(withID(r, sipSplitUntouched.ID), withID(r, sipPartlyRewritten.ID)) {
				got = append(got, f.ID+":"+f.Field)
				if partly := f.ID == sipPartlyRewritten.ID; partly != (f.Kind == ChangeMissed) || partly && !bytes.Equal(f.Sent, f.Got) ||
					f.Direction != Outbound || f.Message != "INVITE" || f.Count != 1 || len(f.Marks) != 1 {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			if g := strings.Join(got, " "); g != tc.want {
				t.Errorf("%q, want %q", g, tc.want)
			}
		})
	}
}

// TestOctetsInserted shows what is made of octets that nobody sent: one finding, whatever they are; but what a SIP proxy says
// for itself is its right.
func TestOctetsInserted(t *testing.T) {
	const answer = "SIP/2.0 %s\r\nVia: SIP/2.0/TCP 10.0.0.9:40100;branch=z9hG4bK1\r\nFrom: <sip:a@example.org>;tag=1\r\n" +
		"To: <sip:b@203.0.113.10>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	sent := fmt.Sprintf(options, 1)
	proxied := strings.Replace(strings.Replace(sent, "Via:", "Via: SIP/2.0/TCP 198.51.100.2;branch=z9hG4bKp\r\nVia:", 1), "Max-Forwards: 70", "Max-Forwards: 69", 1)
	if proxied == sent || !strings.Contains(proxied, "69") {
		t.Fatal("no Max-Forwards")
	}
	ack := func(by string) string {
		return "ACK sip:b@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/TCP " + by + ";branch=z9hG4bKq\r\nFrom: <sip:a@example.org>;tag=1\r\n" +
			"To: <sip:b@203.0.113.10>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
	}
	for _, tc := range []struct {
		name, arrived, octets string
		message               string // of the finding; empty for none
	}{
		{"a request", sent, fmt.Sprintf(options, 2), "OPTIONS"},
		{"an answer", sent, fmt.Sprintf(answer, "200 OK"), "200 OPTIONS"},
		{"line ends", sent, "\r\n\r\n", "datagram"},
		{"no message", sent, "\x00\x01", "datagram"},
		{"a proxy's 100", proxied, fmt.Sprintf(answer, "100 Trying"), ""},
		{"a proxy's keepalive", proxied, "\r\n", ""},
		{"a proxy's ACK", proxied, ack("198.51.100.2"), ""},
		{"somebody else's ACK", proxied, ack("198.51.100.3"), "ACK"},
		{"an ACK without a proxy", sent, ack("198.51.100.2"), "ACK"},
		{"a 100 without a proxy", sent, fmt.Sprintf(answer, "100 Trying"), "100 OPTIONS"},
		{"a proxy's request", proxied, fmt.Sprintf(options, 2), "OPTIONS"},
	} {
		for _, outbound := range []bool{true, false} {
			s := newSIPStreams().carry(mainFlow, true, StepOptions, ShapeLocal, []byte(sent), []byte(tc.arrived))
			s.carry(mainFlow, outbound, "options-inserted", ShapeLocal, []byte{}, []byte(tc.octets))
			r := s.judged()
			found := withID(r, octetsInserted.ID)
			if tc.message == "" {
				if len(found) != 0 || r.Paths[0].Outbound.Interference() || r.Paths[0].Inbound.Interference() {
					t.Errorf("%s: %+v", tc.name, r.Findings)
				}
				continue
			}
			if len(found) != 1 || found[0].Message != tc.message || string(found[0].Got) != tc.octets || len(found[0].Sent) != 0 ||
				found[0].Kind != ChangeInserted || found[0].Direction != directionOf(outbound) {
				t.Errorf("%s, outbound %v: %+v", tc.name, outbound, r.Findings)
			}
		}
	}
}

// TestSplitManyFields shows that each field that was left as it was is named once.
func TestSplitManyFields(t *testing.T) {
	s := manyFields(100)
	r := s.judged()
	checkReport(t, r, s.Case)
	partly := withID(r, sipPartlyRewritten.ID)
	fields := make(map[string]bool)
	for _, f := range partly {
		fields[f.Field] = true
		if f.Count != 1 || string(f.Sent) != "10.0.0.9" {
			t.Errorf("%+v", f)
		}
	}
	for i := range 50 {
		if field := fmt.Sprintf("via[%d].sent-by", 2*i+1); len(partly) != 50 || !fields[field] {
			t.Errorf("%d findings, %s: %v", len(partly), field, fields[field])
		}
	}
}

// BenchmarkSplitManyFields judges a message of 20,000 fields, half of which stayed as they were when it came in parts.
func BenchmarkSplitManyFields(b *testing.B) {
	s := manyFields(20000)
	for b.Loop() {
		s.judged()
	}
}

// manyFields is a message with n lines that name the sender, each rewritten when it comes whole, every other one in parts.
func manyFields(n int) *scene {
	const own, public = "10.0.0.9", "198.51.100.2"
	message := func(even, odd string) []byte {
		raw := []byte("OPTIONS sip:b@203.0.113.10 SIP/2.0\r\n")
		for i := range n {
			raw = fmt.Appendf(raw, "Via: SIP/2.0/TCP %s;branch=z9hG4bK%d\r\n", []string{even, odd}[i%2], i)
		}
		return append(raw, "Content-Length: 0\r\n\r\n"...)
	}
	sent := message(own, own)
	return newSIPStreams().carry(mainFlow, true, StepOptions, ShapeLocal, sent, message(public, public)).
		carry(mainFlow, true, StepOptionsOctets, ShapeLocal, sent, message(public, own))
}
