package capture

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// probeMessage is message number n of a probe. The step is signed unless it is empty.
func probeMessage(token wire.Token, n int, step string, control bool) []byte {
	tag := wire.Tag{Token: token, Number: uint32(n)}.String()
	m := says("OPTIONS sip:"+tag+"@203.0.113.10 SIP/2.0", tag, "1 OPTIONS", alice, "")
	m = bytes.Replace(m, []byte("branch=z9hG4bK1OPTIONS"), []byte("branch=z9hG4bK"+tag), 1)
	if step != "" {
		m = bytes.Replace(m, []byte("Max-Forwards: 70\r\n"), []byte("Max-Forwards: 70\r\nUser-Agent: "+alg.Signature("1.0", step, control)+"\r\n"), 1)
	}
	return m
}

// The messages of a probe find each other whatever a box makes of the rest of them, and what does not arrive is missed.
func TestProbePaired(t *testing.T) {
	t.Run("NAT", func(t *testing.T) { testProbePaired(t, nat) })
	t.Run("no NAT", func(t *testing.T) { testProbePaired(t, alice) })
}

// testProbePaired has the client be seen as outer outside.
func testProbePaired(t *testing.T, outer netip.AddrPort) {
	token := wire.NewToken()
	spoil := func(m []byte) []byte {
		m = bytes.Replace(m, []byte("\r\nCSeq: 1 OPTIONS"), nil, 1)
		i := bytes.Index(m, []byte("Call-ID: "))
		m = slices.Concat(m[:i], []byte("Call-ID: other"), m[i+bytes.IndexByte(m[i:], '\r'):])
		return bytes.Replace(m, []byte("192.168.1.10"), []byte("198.51.100.2"), -1)
	}
	in, out := &scene{t: t}, &scene{t: t}
	neutral := netip.AddrPortFrom(bob.Addr(), 15060)
	number := 0
	send := func(step string, toControl bool, make func(m []byte) []byte) {
		number++
		to := bob
		if toControl {
			to = neutral
		}
		m := probeMessage(token, number, step, toControl)
		at := int64(number) * 20
		in.send(at, alice, to, m)
		if got := make(m); got != nil {
			out.send(at+1, outer, to, got)
		}
	}
	whole := func(m []byte) []byte { return m }
	lost := func([]byte) []byte { return nil }
	for range 4 {
		send("options", false, spoil)
		send("options", true, whole)
	}
	for range 20 {
		send("options-bracket", false, whole)
		send("invite-no-cseq", false, lost)
		send("options-bracket", true, whole)
		send("invite-no-cseq", true, whole)
	}
	send("options-bracket", false, whole)
	in.send(int64(number+1)*20, alice, bob, []byte("nofixup "+wire.Tag{Token: token, Number: 900}.String()+" \x00\xfe\xff"))
	out.send(int64(number+1)*20+1, outer, bob, []byte("nofixup "+wire.Tag{Token: token, Number: 900}.String()+" \x00\xfe\xff"))

	r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, p := range r.Paths {
		paths = append(paths, fmt.Sprintf("%s, control %v: %s", p.Path, p.Control, p.Outbound))
	}
	want := []string{"sip/udp/5060 from 5060, control false: altered", "sip/udp/15060 from 5060, control true: clean"}
	if !slices.Equal(paths, want) {
		t.Errorf("paths %q, want %q", paths, want)
	}
	for _, id := range []string{"call-id-rewritten", "header-removed", "via-rewritten", "nonconforming-dropped"} {
		if !slices.Contains(ids(r), id) {
			t.Errorf("no %s in %v", id, ids(r))
		}
	}
	if len(r.Probes) != 1 || r.Probes[0].Token != token.String() || r.Probes[0].Messages != number+1 || r.Probes[0].Outside != number+1-20 {
		t.Errorf("%+v", r.Probes)
	}
	if len(r.Calls) != 0 {
		t.Errorf("%d calls: nobody calls in a probe", len(r.Calls))
	}
	delivered := 0
	for _, p := range r.Evidence.Pairs {
		if p.Delivered() {
			delivered++
		}
	}
	if delivered != number+1-20 {
		t.Errorf("%d of %d messages were found on the other side", delivered, number+1)
	}
}

// Of a message over TCP of which a box lets only the beginning through nothing has arrived, and neither capture lacks anything.
func TestTCPBeginningAlone(t *testing.T) {
	in, out := &scene{t: t}, &scene{t: t}
	seen := func(s *scene, at int64, frame []byte) {
		s.shots = append(s.shots, shot{at: start + at*ms, data: frame})
	}
	options := says("OPTIONS sip:b@example.net SIP/2.0", "c0", "1 OPTIONS", alice, "")
	ok := says(ok200, "c0", "1 OPTIONS", alice, "")
	call := says(invite, "c1", "1 INVITE", alice, body(aliceMedia))
	cut := len(call) - 40
	second, third := uint32(1+len(options)), uint32(1+len(options)+cut)
	back := uint32(1 + len(ok))
	for _, side := range []struct {
		*scene
		client netip.AddrPort
		after  int64
	}{{in, alice, 0}, {out, nat, 1}} {
		for _, f := range []struct {
			at       int64
			src, dst netip.AddrPort
			seq, ack uint32
			flags    string
			payload  []byte
		}{
			{0, side.client, bob, 0, 0, "S", nil},
			{2, bob, side.client, 0, 1, "SA", nil},
			{4, side.client, bob, 1, 1, "A", options},
			{6, bob, side.client, 1, second, "A", ok},
			{8, side.client, bob, second, back, "A", call[:cut]},
			{10, bob, side.client, back, third, "A", nil},
			{12, side.client, bob, third, back, "A", call[cut:]}, // the box drops it, and all repetitions
			{4000, side.client, bob, third, back, "A", call[cut:]},
			{20000, side.client, bob, third + 40, back, "RA", nil},
		} {
			if side.after > 0 && f.seq == third && f.src == side.client {
				continue
			}
			seen(side.scene, f.at+side.after, tcpFrame(t, f.src, f.dst, f.seq, f.ack, f.flags, f.payload))
		}
	}
	r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Evidence.Points {
		if !p.Complete {
			t.Errorf("%s counts as incomplete: %q", p.Name, r.Network.Notes)
		}
	}
	for _, p := range r.Evidence.Pairs {
		if lost := p.Step == "INVITE"; p.Delivered() == lost {
			t.Errorf("%s: delivered %v", p.Step, p.Delivered())
		}
	}
	if len(r.Evidence.Pairs) != 3 {
		t.Errorf("%d messages", len(r.Evidence.Pairs))
	}
}

// Whatever bears a token: nothing panics, and the evidence is what was captured.
func FuzzProbed(f *testing.F) {
	token := wire.Token{1, 2, 3}
	for n, step := range []string{"invite", "invite-no-cseq", "", "options-bracket", "invite-size-1472-df", "live"} {
		m := probeMessage(token, n+1, step, n%2 == 0)
		f.Add(m, m, uint16(5060))
		f.Add(m, bytes.Replace(m, []byte("OPTIONS"), []byte("INVITE"), 2), uint16(15060))
		f.Add(m, append([]byte("SIP/2.0 100 Trying\r\n"), m...), uint16(5061))
	}
	f.Add([]byte("nofixup/1 (garbage; service) "+wire.Tag{Token: token}.String()), []byte(wire.Tag{Token: token, Number: 1}.String()), uint16(1719))
	f.Fuzz(func(t *testing.T, a, b []byte, port uint16) {
		const most = 1400
		a, b = a[:min(len(a), most)], b[:min(len(b), most)]
		in, out := &scene{t: t}, &scene{t: t}
		to := netip.AddrPortFrom(bob.Addr(), port)
		first := probeMessage(token, 1, "options", false)
		for i, m := range [][]byte{first, a, b, a} {
			in.send(int64(i)*20, alice, to, m)
			out.send(int64(i)*20+1, nat, to, m)
			in.send(int64(i)*20+5, to, alice, b)
			out.send(int64(i)*20+4, to, nat, m)
		}
		r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Evidence.Pairs {
			for _, s := range []*alg.Sighting{p.Inside, p.Outside} {
				if s != nil && len(s.Raw) > 0 && !slices.ContainsFunc([][]byte{first, a, b}, func(m []byte) bool { return bytes.Equal(m, s.Raw) }) {
					t.Errorf("%q was never captured", s.Raw)
				}
			}
		}
	})
}
