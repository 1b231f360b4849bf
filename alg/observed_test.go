package alg

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// unackedCall is a call whose answer got no ACK, with audio both ways unless the callee cannot be reached.
func unackedCall(id string, u Unacked, deaf bool) *Observed {
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	near, far := netip.MustParseAddrPort("192.168.1.10:4000"), netip.MustParseAddrPort("203.0.113.10:5000")
	way := func(to, from netip.AddrPort) Way {
		return Way{
			Agreed: true, Expected: true, Announced: to, Path: "sdp.media[0]", Went: to, Source: from,
			Packets: 1000, First: began, Last: began.Add(20 * time.Second), Far: from.Addr(),
		}
	}
	o := &Observed{
		Call: Call{ID: id, Proto: ProtoSIP}, Path: Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060},
		Answered: true, Known: true, Ways: [2]Way{way(near, far), way(far, near)}, Unacked: &u,
	}
	o.Ways[0].Far = near.Addr() // in one network: no address is of no use
	if deaf {
		o.Ways[1].Refused, o.Ways[1].Errors, o.Ways[1].By = 15*time.Second, 30, far.Addr()
	}
	return o
}

// An answer without an ACK keeps the cause of the call that its evidence is of, and takes no cause from the audio of its own.
func TestUnackedCause(t *testing.T) {
	again := Unacked{Count: 7, Span: 20 * time.Second}
	astray, large := again, again
	astray.Contact, astray.Signals = netip.MustParseAddrPort("10.0.0.9:5060"), netip.MustParseAddrPort("203.0.113.10:5060")
	large.Size, large.Pieces = 3000, 3
	for _, tc := range []struct {
		name   string
		calls  []Unacked
		cause  string   // of the finding
		others []string // that are found as well
	}{
		{"astray, then large", []Unacked{astray, large}, "contact-unreachable", []string{"large-message-lost"}},
		{"large, then astray", []Unacked{large, astray}, "large-message-lost", []string{"contact-unreachable"}},
		{"astray, then nobody knows", []Unacked{astray, again}, "contact-unreachable", nil},
		{"nobody knows, then astray", []Unacked{again, astray}, "", []string{"contact-unreachable"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var j Judge
			for i, u := range tc.calls {
				c := j.AddCall(unackedCall(string(rune('a'+i)), u, true))
				if c.Audio != AudioOneWay || c.Cause != "media-refused" {
					t.Errorf("audio %s because of %q", c.Audio, c.Cause)
				}
			}
			if c := j.AddCall(unackedCall("z", astray, false)); c.Audio != AudioTwoWay || c.Cause != "" {
				t.Errorf("audio %s because of %q", c.Audio, c.Cause)
			}
			var found []string
			for _, f := range j.Report().Findings {
				found = append(found, f.ID)
				if f.ID == "ack-missing" && (f.Cause != tc.cause || f.Count != len(tc.calls)+1 || f.Call != "a") {
					t.Errorf("cause %q, want %q; %d of %s", f.Cause, tc.cause, f.Count, f.Call)
				}
				if f.ID == "media-one-way" && f.Cause != "media-refused" {
					t.Errorf("%s because of %q", f.ID, f.Cause)
				}
			}
			for _, id := range append(tc.others, "ack-missing", "media-refused") {
				if !slices.Contains(found, id) {
					t.Errorf("no %s in %v", id, found)
				}
			}
		})
	}
}
