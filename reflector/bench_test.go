package reflector_test

import (
	"net"
	"testing"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// BenchmarkLoopback asks with one OPTIONS after the other over loopback. Client and server share the machine, so the figure
// is an upper bound for what the server takes.
func BenchmarkLoopback(b *testing.B) {
	s := reflectortest.Start(b, reflector.Config{Limits: reflector.Limits{
		Messages: 1 << 30, SessionOctets: 64 << 30, Octets: 64 << 30,
	}})
	sess := dial(b, s)
	conn, err := net.Dial("udp", s.Addr(wire.ServiceSIP).String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	raw, buf := options(sess, 1), make([]byte, 2000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(raw); err != nil {
			b.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopbackShed floods a server with tokenless datagrams and counts those that it took.
func BenchmarkLoopbackShed(b *testing.B) {
	s := reflectortest.Start(b)
	sess := dial(b, s)
	raw := options(sess, 1)
	for i := range raw { // of the same size, with something that looks like a token of somebody else
		if string(raw[max(i-3, 0):i]) == "nfx" {
			raw[i] ^= 1
		}
	}
	conn, err := net.Dial("udp", s.Addr(wire.ServiceSIP).String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	for b.Loop() {
		if _, err := conn.Write(raw); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	c := s.Counters()
	for begin := time.Now(); c.Tokenless == 0 && time.Since(begin) < time.Second; c = s.Counters() {
		time.Sleep(time.Millisecond) // a few datagrams are sent before the first is read
	}
	if c.Kept != 0 || c.Tokenless == 0 {
		b.Errorf("%+v", c)
	}
	b.ReportMetric(float64(c.Tokenless)/took.Seconds(), "shed/s")
}
