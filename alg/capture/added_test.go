package capture

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
)

// What one side alone has, the box sent: where the capture of the other side has all that passed, and so much is known of it.
func TestAdded(t *testing.T) {
	options := says("OPTIONS sip:b@example.net SIP/2.0", "c7", "1 OPTIONS", alice, "")
	yes := says(ok200, "c7", "1 OPTIONS", alice, "")
	trying := says("SIP/2.0 100 Trying", "c1", "1 INVITE", alice, "")
	bye := says("from callee BYE sip:a@example.net SIP/2.0", "c1", "9 BYE", bob, "")
	keep := says("from callee OPTIONS sip:a@example.net SIP/2.0", "box", "1 OPTIONS", bob, "")
	for _, tc := range []struct {
		name string
		make func(d *duo)
		want []string // beside media-latched
		note bool
	}{
		{"nothing", func(*duo) {}, nil, false},
		{"an answer by a proxy", func(d *duo) { d.in.send(50, bob, alice, trying) }, []string{"sip-proxy-answered inbound 100 INVITE"}, false},
		{"an answer by a proxy, outside", func(d *duo) {
			reinvite := says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "5 INVITE", bob, "")
			again := says("from callee SIP/2.0 100 Trying", "c1", "5 INVITE", bob, "")
			d.comes(5000, bob, nat, alice, reinvite, reinvite)
			d.out.send(5003, nat, bob, again)
		}, []string{"sip-proxy-answered outbound 100 INVITE"}, false},
		{"an answer by a proxy, as both copies of a mirrored port", func(d *duo) {
			for _, at := range []int64{50, 51} {
				d.in.id = 700
				d.in.send(at, bob, alice, trying)
			}
		}, []string{"sip-proxy-answered inbound 100 INVITE"}, false},
		{"an answer by a gateway to a request that it keeps", func(d *duo) {
			d.in.send(5000, alice, bob, options)
			d.in.send(5001, bob, alice, yes)
		}, []string{"sip-proxy-answered inbound 200 OPTIONS"}, false},
		{"a request by the box", func(d *duo) { d.in.send(5000, bob, alice, keep) }, []string{"message-added inbound OPTIONS"}, false},
		{"a BYE by the box, to either side", func(d *duo) {
			d.in.send(9000, bob, alice, bye)
			d.out.send(9001, nat, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "8 BYE", alice, ""))
		}, []string{"message-added inbound BYE", "message-added outbound BYE"}, false},
		{"a request of another phone behind the same public address", func(d *duo) {
			d.out.send(5000, nat, bob, says("OPTIONS sip:b@example.net SIP/2.0", "desk", "1 OPTIONS", alice, ""))
			d.out.send(5010, bob, nat, says(ok200, "desk", "1 OPTIONS", alice, ""))
		}, nil, true},
		{"a repetition that the other capture lacks", func(d *duo) {
			d.in.send(700, bob, alice, says(ok200, "c1", "1 INVITE", alice, body(bobMedia)))
		}, nil, true},
		{"before the other capture begins", func(d *duo) { d.in.send(-3100, bob, alice, keep) }, nil, true},
		{"after it ends", func(d *duo) { d.in.send(13100, bob, alice, keep) }, nil, true},
		{"the other capture lost media", func(d *duo) {
			d.in.send(5000, bob, alice, keep)
			d.out.forget(func(to netip.Addr, n byte) bool { return to == nat.Addr() && n == 33 })
		}, nil, true},
		{"the other capture lacks octets", func(d *duo) {
			d.in.send(5000, bob, alice, keep)
			f := udpFrame(t, phone, proxy, options)
			d.out.shots = append(d.out.shots, shot{at: start + 500*ms, data: f[:len(f)-10], size: len(f)})
		}, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, clock := range []int64{0, 3000} {
				d := newDuo(t)
				d.both(plainOut, plainIn)
				tc.make(d)
				for i := range d.out.shots {
					d.out.shots[i].at += clock * ms
				}
				r := d.report()
				var got []string
				for _, f := range r.Findings {
					if f.ID != "media-latched" {
						got = append(got, strings.Join([]string{f.ID, string(f.Direction), f.Message}, " "))
					}
					if f.ID == "message-added" && len(f.Got) == 0 {
						t.Errorf("%+v", f)
					}
				}
				slices.Sort(got)
				note := strings.Contains(strings.Join(r.Network.Notes, "\n"), "was seen only after the box")
				if !slices.Equal(got, tc.want) || note != tc.note {
					t.Errorf("clock %d: %q, want %q; notes %q", clock, got, tc.want, r.Network.Notes)
				}
				if r.Verdict == alg.OverallInterference {
					t.Errorf("%+v", r.Paths)
				}
			}
		})
	}
}

// A message that takes longer than its sender waits, and one that seems to because another copy of it came through.
func TestDelayedMessage(t *testing.T) {
	info := says("INFO sip:b@example.net SIP/2.0", "c1", "7 INFO", alice, "")
	for _, tc := range []struct {
		name string
		make func(d *duo)
		want bool
	}{
		{"slow", func(d *duo) {
			d.took = 900
			d.goes(5000, alice, nat, bob, info, info)
			d.took = 1
		}, true},
		{"quick", func(d *duo) { d.goes(5000, alice, nat, bob, info, info) }, false},
		{"repeated, and the first is lost", func(d *duo) {
			d.goes(5000, alice, nat, bob, info, nil)
			d.goes(5900, alice, nat, bob, info, info)
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDuo(t)
			tc.make(d)
			d.both(plainOut, plainIn)
			r := d.report()
			if slices.Contains(ids(r), "message-delayed") != tc.want {
				t.Errorf("%v", ids(r))
			}
		})
	}
}
