package netlab_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"nofixup/alg/netlab"
)

// vectorDirH323 holds what the kernel was seen to do to H.323, and a README.
const vectorDirH323 = "../fixup/testdata/linux-h323"

// TestKernelVectorsH323 holds the H.323 vectors of alg/fixup to what the running kernel does, as TestKernelVectors does
// with those of SIP. With -update it composes the messages anew and records what becomes of them.
func TestKernelVectorsH323(t *testing.T) {
	netlab.Require(t)
	var vectors []vectorH323
	if *update {
		vectors = composedVectors(t)
	} else {
		vectors = readVectorsH323(t)
	}
	for _, mode := range []netlab.Mode{netlab.ALG, netlab.FirewallALG} {
		t.Run(string(mode), func(t *testing.T) {
			lab := netlab.Up(t, mode)
			r := &replayH323{replay: replay{
				lab: lab,
				lan: newStation(t, lab.Host("lan"), netlab.LANAddr, netlab.LANAddr6),
				rtr: newStation(t, lab.Host("rtr")),
				wan: newStation(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr2, netlab.WANAddr6),
			}}
			for i, v := range vectors {
				if v.mode == mode && (i%10 == 0 || !testing.Short()) {
					t.Run(v.name, func(t *testing.T) { r.vector(t, &v) })
				}
			}
		})
	}
}

// vectorH323 is a vector, with what its file begins with if it was composed.
type vectorH323 struct {
	vector
	about string
	natOf []string
}

func readVectorsH323(t *testing.T) []vectorH323 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectorDirH323, "*.txt"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	var all []vectorH323
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v := vectorH323{vector: vector{
			name: strings.TrimSuffix(filepath.Base(file), ".txt"), file: file, mode: netlab.ALG, archive: txtar.Parse(data),
		}}
		if err := v.read(); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, v)
	}
	return all
}

func composedVectors(t *testing.T) []vectorH323 {
	t.Helper()
	var all []vectorH323
	for _, c := range composeVectors(t) {
		v := vectorH323{
			vector: vector{name: c.name, file: filepath.Join(vectorDirH323, c.name+".txt"), mode: c.mode},
			about:  c.about,
			natOf:  c.nat,
		}
		if len(c.nat) > 0 {
			var err error
			if v.nat, err = natRule(c.nat[0], c.nat[1], c.nat[2]); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range c.steps {
			v.steps = append(v.steps, exchange{sent: s})
		}
		all = append(all, v)
	}
	return all
}

// replayH323 also lets the outer host open connections: to what the helper expects.
type replayH323 struct{ replay }

func (r *replayH323) vector(t *testing.T, v *vectorH323) {
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
		if err := v.write(arrived); err != nil {
			t.Fatal(err)
		}
	}
}

// begin gives the vector a router without memory, and sockets wherever a message may arrive.
func (r *replayH323) begin(t *testing.T, v *vectorH323) {
	t.Helper()
	r.lan.do(t, order{Do: "close"})
	r.wan.do(t, order{Do: "close"})
	r.lan.rest()
	r.wan.rest()
	if v.nat != "" {
		rtr := r.lab.Host("rtr")
		rtr.NFT(t, "table ip vector {\n\tchain nat { type nat hook postrouting priority 99; "+v.nat+"; }\n}\n")
		t.Cleanup(func() { rtr.NFT(t, "delete table ip vector") })
	}
	r.rtr.do(t, order{Do: "forget"})
	udp := everywhere(append(slices.Clone(r.lan.addrs), r.wan.addrs...), []uint16{markerPort})
	var inner, outer []netip.AddrPort // where connections are accepted
	var peers []netip.AddrPort        // the outer ends of those so far
	for _, s := range v.steps {
		m := s.sent
		to, peer := m.Dst, m.Dst
		if !r.outbound(m) {
			peer = m.Src
			if to.Addr() == netlab.PublicAddr {
				to = port(netlab.LANAddr, to.Port())
			}
		}
		if s.want != nil {
			to = s.want.Dst
		}
		switch {
		case m.Proto == "udp":
			udp = append(udp, m.Src, to)
		case slices.Contains(peers, peer):
		case r.outbound(m):
			outer = append(outer, m.Dst)
		default:
			inner = append(inner, to)
		}
		if m.Proto == "tcp" {
			peers = append(peers, peer)
		}
	}
	r.lan.do(t, order{Do: "open", UDP: ownedBy(r.lan.addrs, udp), TCP: ownedBy(r.lan.addrs, inner)})
	r.wan.do(t, order{Do: "open", UDP: ownedBy(r.wan.addrs, udp), TCP: ownedBy(r.wan.addrs, outer)})
}

// ownedBy picks those that a host has, each once.
func ownedBy(addrs []netip.Addr, all []netip.AddrPort) []netip.AddrPort {
	var own []netip.AddrPort
	for _, a := range all {
		if slices.Contains(addrs, a.Addr()) && !slices.Contains(own, a) {
			own = append(own, a)
		}
	}
	return own
}

// write records a vector that was composed, if its file does not say the same.
func (v *vectorH323) write(arrived []*message) error {
	a := &txtar.Archive{Comment: []byte(v.about + "\n")}
	add := func(name, format string, args ...any) {
		a.Files = append(a.Files, txtar.File{Name: name, Data: fmt.Appendf(nil, format, args...)})
	}
	if v.mode != netlab.ALG {
		add("mode", "%s\n", v.mode)
	}
	if len(v.natOf) > 0 {
		add("nat", "%s\n", strings.Join(v.natOf, " "))
	}
	for i, s := range v.steps {
		add("from", "%s %v %v\n", s.sent.Proto, s.sent.Src, s.sent.Dst)
		add("sent quoted", "%s", quotedOctets(s.sent.Payload))
		if m := arrived[i]; m == nil {
			add("to", "dropped\n")
		} else {
			add("to", "%v %v\n", m.Src, m.Dst)
			add("got quoted", "%s", quotedOctets(m.Payload))
		}
	}
	data := txtar.Format(a)
	if old, err := os.ReadFile(v.file); err == nil && bytes.Equal(bytes.ReplaceAll(old, []byte("\r\n"), []byte("\n")), data) {
		return nil
	}
	return os.WriteFile(v.file, data, 0o644)
}

// quotedOctets writes octets as string literals, 24 a line, so that what differs between two messages stands in one line.
func quotedOctets(b []byte) string {
	var out strings.Builder
	for line := range slices.Chunk(b, 24) {
		out.WriteString(strconv.QuoteToASCII(string(line)) + "\n")
	}
	return out.String()
}
