package netlab_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/alg/netlab"
)

var update = flag.Bool("update", false, "record anew the vectors of alg/fixup, as the running kernel treats them, and testdata")

// TestKernelVectors holds the vectors of alg/fixup, and with them its style "linux", to what the running kernel does: it
// sends every message of every vector through the router, one after the other, and compares what arrives with the vector.
func TestKernelVectors(t *testing.T) {
	netlab.Require(t)
	vectors := readVectors(t)
	for _, mode := range []netlab.Mode{netlab.ALG, netlab.FirewallALG} {
		t.Run(string(mode), func(t *testing.T) {
			lab := netlab.Up(t, mode)
			r := &replay{
				lab: lab,
				lan: newStation(t, lab.Host("lan"), netlab.LANAddr, netlab.LANAddr6),
				rtr: newStation(t, lab.Host("rtr")),
				wan: newStation(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr2, netlab.WANAddr6),
			}
			for i, v := range vectors {
				if v.mode == mode && (i%10 == 0 || !testing.Short()) {
					t.Run(v.name, func(t *testing.T) { r.vector(t, &v) })
				}
			}
		})
	}
}

// replay sends vectors through a lab. All vectors of a mode share the lab, and the router forgets everything in between:
// to build a lab for each would take longer than all the rest.
type replay struct {
	lab           *netlab.Lab
	lan, rtr, wan *station
	markers       int
}

// How long a message may take beyond the marker that was sent behind it, see [replay.pass].
const (
	beyondDropped   = 50 * time.Millisecond  // where it shall not arrive
	beyondDelivered = time.Second            // where it shall: this costs nothing unless the test fails
	beyondUnknown   = 250 * time.Millisecond // where what happens is recorded
)

func (r *replay) vector(t *testing.T, v *vector) {
	r.begin(t, v)
	var arrived []*message
	for i, s := range v.steps {
		want, beyond := s.want, beyondDelivered
		switch {
		case *update:
			want, beyond = nil, beyondUnknown
		case want == nil:
			beyond = beyondDropped
		}
		got := r.pass(t, s.sent, want, beyond)
		arrived = append(arrived, got)
		if !*update && !got.equal(want) {
			t.Errorf("%s: step %d of %d\nsent: %v\nwant: %v\ngot: %v", v.name, i+1, len(v.steps), &s.sent, want, got)
		}
		for _, host := range []*station{r.lan, r.wan} {
			for _, m := range host.rest() {
				t.Errorf("%s: step %d of %d: arrived at %s as well: %v", v.name, i+1, len(v.steps), host.name, &m)
			}
		}
	}
	if *update && !t.Failed() {
		if err := v.record(arrived); err != nil {
			t.Fatal(err)
		}
	}
}

// begin gives the vector a router without memory, and sockets wherever a message may arrive.
func (r *replay) begin(t *testing.T, v *vector) {
	t.Helper()
	r.lan.do(t, order{Do: "close"})
	r.wan.do(t, order{Do: "close"})
	r.lan.rest()
	r.wan.rest()
	if v.nat != "" {
		rtr := r.lab.Host("rtr")
		// The lab's own masquerading has priority 100.
		rtr.NFT(t, "table ip vector {\n\tchain nat { type nat hook postrouting priority 99; "+v.nat+"; }\n}\n")
		t.Cleanup(func() { rtr.NFT(t, "delete table ip vector") })
	}
	r.rtr.do(t, order{Do: "forget"})
	ports := append(v.ports(), markerPort)
	r.lan.do(t, order{Do: "open", UDP: everywhere(r.lan.addrs, ports)})
	r.wan.do(t, order{Do: "open", UDP: everywhere(r.wan.addrs, ports), TCP: r.servers(v)})
}

func everywhere(addrs []netip.Addr, ports []uint16) []netip.AddrPort {
	var all []netip.AddrPort
	for _, a := range addrs {
		for _, p := range ports {
			all = append(all, port(a, p))
		}
	}
	return all
}

// servers lists where the outer host accepts connections. The inner one opens them all.
func (r *replay) servers(v *vector) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range v.steps {
		if s.sent.Proto == "tcp" && r.outbound(s.sent) && !slices.Contains(all, s.sent.Dst) {
			all = append(all, s.sent.Dst)
		}
	}
	return all
}

func (r *replay) outbound(m message) bool { return slices.Contains(r.lan.addrs, m.Src.Addr()) }

// pass sends a message and returns what arrives on the other side, nil for nothing.
//
// Silence alone would have to last long before it means something. So a marker goes the same way right behind the
// message, on a flow that no helper looks at: when it has arrived, the message has, or was dropped. That is not exact. The
// kernel has a queue for each processor, and the sender may have moved to another one in between; and the receiver reads
// each socket in a thread of its own. Hence a little time beyond the marker.
func (r *replay) pass(t *testing.T, m message, want *message, beyond time.Duration) *message {
	t.Helper()
	from, to := r.wan, r.lan
	if r.outbound(m) {
		from, to = r.lan, r.wan
	}
	from.do(t, order{Do: "send", Message: m})
	r.mark(t, m.Src.Addr().Is6())
	over := time.After(beyond)
	first, ok := to.next(over)
	if !ok {
		return nil
	}
	got := &first
	// A datagram comes at once. A stream may come in pieces, and is complete when there is as much of it as is wanted.
	for got.Proto == "tcp" && (want == nil || len(got.Payload) < len(want.Payload)) {
		more, ok := to.next(over)
		if !ok {
			break
		}
		if more.Proto != "tcp" || more.Src != got.Src || more.Dst != got.Dst {
			t.Errorf("arrived at %s in the middle of a stream: %v", to.name, &more)
			break
		}
		got.Payload = append(got.Payload, more.Payload...)
	}
	return got
}

// markerPort is below all that a vector mentions.
const markerPort = 9

// mark sends a marker out and back in, and waits for it on either side. Before it is sent back, whatever the outer host
// was told to send before is on its way.
func (r *replay) mark(t *testing.T, six bool) {
	t.Helper()
	inner, outer := netlab.LANAddr, netlab.WANAddr
	if six {
		inner, outer = netlab.LANAddr6, netlab.WANAddr6
	}
	r.markers++
	m := message{"udp", port(inner, markerPort), port(outer, markerPort), fmt.Appendf(nil, "marker %d", r.markers)}
	r.lan.do(t, order{Do: "send", Message: m})
	m = r.wan.await(t, m.Payload)
	r.wan.do(t, order{Do: "send", Message: message{"udp", m.Dst, m.Src, m.Payload}})
	r.lan.await(t, m.Payload)
}

// TestVectorsCoverProbe holds the style "linux" to the kernel in what matters most: the simulator makes of the messages
// of a probe, and of the answers to them, what the kernel has made of them in the lab.
func TestVectorsCoverProbe(t *testing.T) {
	netlab.Require(t)
	for _, tc := range []struct {
		mode  netlab.Mode
		addrs []netip.Addr
	}{
		{netlab.ALG, []netip.Addr{netlab.WANAddr}}, // the lab translates IPv6 as well, which the simulator does not
		{netlab.FirewallALG, []netip.Addr{netlab.WANAddr, netlab.WANAddr6}},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), tc.addrs...)
			report, _ := probe(t, lab, url, pin)
			box, err := fixup.NewBox(fixup.Config{Style: "linux", NoNAT: !tc.mode.NAT()})
			if err != nil {
				t.Fatal(err)
			}
			var dropped, changed, same int
			for _, p := range inOrder(report.Evidence.Pairs) {
				sent, want := pairEnds(t, report, p)
				pass := box.In
				if p.Outbound {
					pass = box.Out
				}
				var got *message
				for _, segment := range segments(p, sent) {
					out, ok := pass(fixup.Packet{Proto: sent.Proto, Src: sent.Src, Dst: sent.Dst, Payload: bytes.Clone(segment)})
					switch {
					case !ok:
					case got == nil:
						got = &message{out.Proto, out.Src, out.Dst, out.Payload}
					default:
						got.Payload = slices.Concat(got.Payload, out.Payload)
					}
				}
				if p.Datagram.DF == alg.DFSet && got != nil && len(got.Payload) > maxUnfragmented(got.Dst.Addr()) {
					got = nil // it has grown, and no router may fragment it: the simulator knows no packets
				}
				if !got.equal(want) {
					t.Errorf("pair %d, %s:\nsent: %v\nthe kernel: %v\nthe simulator: %v", p.ID, p.Step, sent, want, got)
				}
				switch {
				case want == nil:
					dropped++
				case bytes.Equal(want.Payload, sent.Payload):
					same++
				default:
					changed++
				}
			}
			t.Logf("%d dropped, %d changed, %d not changed", dropped, changed, same)
			if dropped == 0 || same == 0 || changed == 0 && tc.mode.NAT() {
				t.Error("the helper has not shown all that it does")
			}
		})
	}
}

// inOrder sorts pairs by the time at which they passed the router. That is closest to what the inside saw, and all of
// that is by one clock; what never arrived there has the time at which it was sent.
func inOrder(pairs []alg.Pair) []alg.Pair {
	at := func(p alg.Pair) time.Time {
		if p.Inside != nil {
			return p.Inside.At
		}
		return p.Outside.At
	}
	return slices.SortedStableFunc(slices.Values(pairs), func(a, b alg.Pair) int { return at(a).Compare(at(b)) })
}

// maxUnfragmented is how many octets of a datagram a packet of the lab's links carries, which have Ethernet's MTU.
func maxUnfragmented(a netip.Addr) int {
	if a.Is4() {
		return 1500 - 20 - 8
	}
	return 1500 - 40 - 8
}

// segments cuts a message as the probe did that sent it.
func segments(p alg.Pair, sent *message) [][]byte {
	raw := sent.Payload
	at := 0
	if p.Outbound && sent.Proto == "tcp" && bytes.HasPrefix(raw, []byte("INVITE ")) {
		switch p.Step {
		case alg.StepInviteSplitHeaders:
			at = bytes.Index(raw, []byte("\r\nContact: ")) + len("\r\n")
		case alg.StepInviteSplitBody:
			body := bytes.Index(raw, []byte("\r\n\r\n")) + len("\r\n\r\n")
			at = body + (len(raw)-body)/2
		}
	}
	if at == 0 {
		return [][]byte{raw}
	}
	return [][]byte{raw[:at], raw[at:]}
}

// pairEnds gives a pair as the message that was sent and the one that arrived, nil if it did not.
func pairEnds(t *testing.T, report *alg.Report, p alg.Pair) (sent, got *message) {
	t.Helper()
	i := slices.IndexFunc(report.Evidence.Flows, func(f alg.Flow) bool { return f.ID == p.Flow })
	if i < 0 {
		t.Fatalf("pair %d has no flow", p.ID)
	}
	f := report.Evidence.Flows[i]
	side := func(addrs [2]netip.AddrPort, s *alg.Sighting) *message {
		if s == nil {
			return nil
		}
		if !p.Outbound {
			addrs[0], addrs[1] = addrs[1], addrs[0]
		}
		if s.To.IsValid() {
			addrs[1] = s.To
		}
		return &message{f.Path.Transport, addrs[0], addrs[1], s.Raw}
	}
	sent, got = side(f.Inside, p.Inside), side(f.Outside, p.Outside)
	if !p.Outbound {
		sent, got = got, sent
	}
	if sent == nil {
		t.Fatalf("pair %d was not sent", p.ID)
	}
	return sent, got
}
