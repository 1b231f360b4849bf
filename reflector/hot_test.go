package reflector

import (
	"net/netip"
	"strings"
	"testing"

	"nofixup/reflector/wire"
)

// TestShedAllocatesNothing: what carries no live token must cost no memory, not even for a moment.
func TestShedAllocatesNothing(t *testing.T) {
	b := newBench(t, Config{})
	for name, raw := range map[string]string{
		"no tag":    strings.Repeat("OPTIONS sip:a SIP/2.0\r\n", 20),
		"many tags": strings.Repeat(wire.Tag{}.String(), 30),
	} {
		datagram := []byte(raw)
		if n := testing.AllocsPerRun(100, func() { b.datagram(b.svc, datagram, other) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkShed(b *testing.B) {
	for name, raw := range map[string]string{
		"scanner":     strings.ReplaceAll(request("OPTIONS", wire.Token{}), "nfx", "abc"),
		"wrong-token": request("OPTIONS", wire.NewToken()),
		"16-tags":     strings.Repeat(wire.Tag{Token: wire.NewToken()}.String()+" ", 40),
		"64-KiB":      strings.Repeat("x", maxDatagram),
	} {
		b.Run(name, func(b *testing.B) {
			bench := newBench(b, Config{})
			bench.open(b)
			datagram := []byte(raw)
			b.ReportAllocs()
			for b.Loop() {
				bench.datagram(bench.svc, datagram, other)
			}
		})
	}
}

// sink is a socket that forgets.
type sink struct{ recorder }

func (*sink) write([]byte, netip.AddrPort, netip.AddrPort) error { return nil }

// BenchmarkOptions takes a valid OPTIONS from token to answer, without a socket.
func BenchmarkOptions(b *testing.B) {
	bench := newBench(b, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1}})
	svc := &service{endpoint: bench.svc.endpoint, sock: &sink{}}
	sess := bench.open(b)
	datagram := []byte(request("OPTIONS", sess.token))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%900 == 0 { // before the budget is spent
			bench.store.remove(sess, "bench")
			sess = bench.open(b)
			datagram = []byte(request("OPTIONS", sess.token))
		}
		bench.datagram(svc, datagram, client)
	}
	if bench.counters.spent.Load() != 0 || bench.counters.answered.Load() == 0 {
		b.Errorf("%+v", bench.Counters())
	}
}
