package reflector

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
		six, neighbour, next := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff"), netip.MustParseAddr("2001:db8:0:1::1")
		sources := []netip.Addr{one, other, six, next}
		for i := 2; i < 100; i++ {
			sources = append(sources, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
		r := newRateLimit(60, time.Second)
		for !apart(r, sources) {
			r = newRateLimit(60, time.Second)
		}
		take := func(addr netip.Addr, n int) (taken int, wait time.Duration) {
			for range n {
				w, ok := r.take(addr)
				if !ok {
					return taken, w
				}
				taken++
			}
			return taken, 0
		}
		if n, wait := take(one, 100); n != 60 || wait != time.Second {
			t.Errorf("burst: %d, then wait %v", n, wait)
		}
		time.Sleep(10 * time.Second)
		if n, _ := take(one, 100); n != 10 {
			t.Errorf("after 10 s: %d", n)
		}
		time.Sleep(time.Hour)
		if n, _ := take(one, 100); n != 60 {
			t.Errorf("after an hour: %d", n)
		}
		// Its /24 may do four times as much, whatever the number of hosts in it.
		total := 60
		for _, host := range sources[4:] {
			n, _ := take(host, 60)
			total += n
		}
		if total != 240 {
			t.Errorf("the /24: %d", total)
		}
		if n, _ := take(other, 100); n != 60 {
			t.Errorf("another network: %d", n)
		}
		// An IPv6 host has a /64 to choose from.
		if n, _ := take(six, 60); n != 60 {
			t.Errorf("IPv6: %d", n)
		}
		if n, _ := take(neighbour, 60); n != 0 {
			t.Errorf("the same /64: %d", n)
		}
		if n, _ := take(next, 60); n != 60 {
			t.Errorf("the /64 next to it: %d", n)
		}
	})
}

// apart reports whether no two sources share a bucket by chance.
func apart(r *rateLimit, sources []netip.Addr) bool {
	keys := map[netip.Prefix]bool{}
	for _, a := range sources {
		narrow, wide := neighbourhood(a)
		keys[narrow], keys[wide] = true, true
	}
	buckets := map[*atomic.Int64]bool{}
	for k := range keys {
		buckets[r.bucket(k)] = true
	}
	return len(buckets) == len(keys)
}

func TestNeighbourhood(t *testing.T) {
	for addr, want := range map[string][2]string{
		"192.0.2.1":            {"192.0.2.1/32", "192.0.2.0/24"},
		"::ffff:192.0.2.1":     {"192.0.2.1/32", "192.0.2.0/24"},
		"2001:db8:1:2:3:4:5:6": {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"fe80::1%eth0":         {"fe80::/64", "fe80::/48"},
	} {
		narrow, wide := neighbourhood(netip.MustParseAddr(addr))
		if narrow.String() != want[0] || wide.String() != want[1] {
			t.Errorf("%s: got %s, %s", addr, narrow, wide)
		}
	}
}

func TestConnLimit(t *testing.T) {
	l := newConnLimit(20, 2)
	a := netip.MustParseAddr("192.0.2.1")
	for i := range 3 {
		if got, want := l.take(a), i < 2; got != want {
			t.Errorf("connection %d of a source: %v", i, got)
		}
	}
	for i := range 3 {
		for range 2 {
			if !l.take(netip.AddrFrom4([4]byte{192, 0, 2, byte(2 + i)})) {
				t.Error("eight of a /24")
			}
		}
	}
	if l.take(netip.MustParseAddr("192.0.2.9")) {
		t.Error("nine of a /24")
	}
	l.release(a)
	if !l.take(netip.MustParseAddr("192.0.2.9")) {
		t.Error("no room after a release")
	}
	for i := range 12 {
		if !l.take(from4(i).Addr()) {
			t.Fatalf("connection %d of 20", 8+i)
		}
	}
	if l.take(from4(99).Addr()) {
		t.Error("connection 21 of 20")
	}
	for i := range 12 {
		l.release(from4(i).Addr())
	}
	if l.total != 8 || len(l.by) != 6 {
		t.Errorf("%d connections, %d counters: %v", l.total, len(l.by), l.by)
	}
}
