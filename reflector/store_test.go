package reflector

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/reflector/wire"
)

// from4 returns the n-th of many sources in networks of their own.
func from4(n int) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 0x0a000001+uint32(n)<<8)
	return netip.AddrPortFrom(netip.AddrFrom4(a), 40000)
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{Limits: Limits{Sessions: 3}})
		var all []*session
		for i := range 3 {
			sess, _, err := b.store.open(from4(i))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, sess)
			time.Sleep(time.Second)
		}
		if _, retry, err := b.store.open(from4(3)); !errors.Is(err, errFull) || retry != 2*time.Minute {
			t.Fatalf("got %v, retry after %v", err, retry)
		}
		time.Sleep(90 * time.Second)
		b.in(request("OPTIONS", all[0].token), client) // the first one is heard of, so the second is the oldest
		time.Sleep(30 * time.Second)
		if _, _, err := b.store.open(from4(3)); err != nil {
			t.Fatal(err)
		}
		if out := b.in(request("OPTIONS", all[1].token), client); len(out) != 0 {
			t.Error("the session that made room is still there")
		}
		for _, i := range []int{0, 2} {
			if b.store.authorize(all[i].id, all[i].secret) == nil {
				t.Errorf("session %d is gone", i)
			}
		}
		if c := b.Counters(); c.Sessions != 3 || c.Evicted != 1 || c.Full != 1 || c.Opened != 4 {
			t.Errorf("%+v", c)
		}
	})
}

func TestSessionsPerSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{Limits: Limits{SessionsPerSource: 2}})
		prefix := netip.MustParsePrefix("2001:db8::/64")
		first, _, err := b.store.open(netip.AddrPortFrom(prefix.Addr().Next(), 1))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // or both would be equally old
		if _, _, err := b.store.open(netip.AddrPortFrom(prefix.Addr().Next().Next(), 2)); err != nil {
			t.Fatal(err)
		}
		third := netip.AddrPortFrom(prefix.Addr().Next().Next().Next(), 3)
		if _, _, err := b.store.open(third); !errors.Is(err, errPerSource) {
			t.Fatalf("third of a /64: %v", err)
		}
		if _, _, err := b.store.open(netip.MustParseAddrPort("[2001:db8:0:1::1]:1")); err != nil {
			t.Errorf("the /64 next to it: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, _, err := b.store.open(third); err != nil {
			t.Errorf("third when the first is idle: %v", err)
		}
		if b.store.authorize(first.id, first.secret) != nil {
			t.Error("the idle session is still there")
		}
	})
}

// TestMemoryIsBounded fills the memory for all sessions.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total = 20000
		b := newBench(t, Config{Limits: Limits{Octets: total, SessionOctets: 8000}})
		one, _, err := b.store.open(from4(1))
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := b.store.open(from4(2))
		if err != nil {
			t.Fatal(err)
		}
		fill := func(s *session) {
			for range 10 {
				b.in(request("OPTIONS", s.token, "X: "+strings.Repeat("x", 1000)), client)
				if n := b.store.octets.Load(); n > total {
					t.Fatalf("%d octets of at most %d", n, total)
				}
			}
		}
		fill(one)
		fill(two)
		if _, _, err := b.store.open(from4(3)); !errors.Is(err, errFull) {
			t.Fatalf("a third session with no room for it: %v", err)
		}
		before := len(receiptsOf(two))
		time.Sleep(3 * time.Minute)
		b.in(request("OPTIONS", two.token), client) // the other one is idle, so there is room again
		if _, _, err := b.store.open(from4(3)); err != nil {
			t.Errorf("a third session with an idle one: %v", err)
		}
		if n := len(receiptsOf(two)); n < before {
			t.Errorf("the live session lost receipts: %d, had %d", n, before)
		}
		if b.store.authorize(one.id, one.secret) != nil {
			t.Error("the idle session is still there")
		}
	})
}

func TestLiveSessionIsNotCutShort(t *testing.T) {
	b := newBench(t, Config{Limits: Limits{Octets: 3000, SessionOctets: 3000}})
	sess := b.open(t)
	for range 10 {
		b.in(request("OPTIONS", sess.token), client)
	}
	_, dropped, ok := sess.after(t.Context(), nil, 0, 0)
	if sess.receipts == 0 || dropped == 0 || !ok || b.store.octets.Load() > 3000 {
		t.Errorf("%d receipts, %d dropped, %d octets", sess.receipts, dropped, b.store.octets.Load())
	}
}

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{Limits: Limits{Renewals: 2}})
		sess := b.open(t)
		for i := range 2 {
			time.Sleep(14 * time.Minute)
			if !b.store.renew(sess) {
				t.Fatalf("renewal %d", i)
			}
		}
		if b.store.renew(sess) {
			t.Error("renewed once too often")
		}
		time.Sleep(15*time.Minute - time.Second)
		if b.store.authorize(sess.id, sess.secret) == nil {
			t.Fatal("expired too early")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if b.store.authorize(sess.id, sess.secret) != nil || b.store.renew(sess) {
			t.Error("not expired")
		}
		if out := b.in(request("OPTIONS", sess.token), client); len(out) != 0 {
			t.Error("an expired session was answered")
		}
		if c := b.Counters(); c.Expired != 1 || c.Sessions != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestSecrets(t *testing.T) {
	b := newBench(t, Config{})
	sess, second := b.open(t), b.open(t)
	if sess.id == second.id || sess.secret == second.secret || sess.token == second.token || len(sess.secret) != 26 {
		t.Errorf("%+v\n%+v", sess, second)
	}
	for _, tt := range []struct {
		id, secret string
		want       *session
	}{
		{sess.id, sess.secret, sess},
		{sess.id, second.secret, nil},
		{sess.id, "", nil},
		{sess.id, sess.id, nil},
		{sess.id, sess.token.String(), nil},
		{sess.token.String(), sess.secret, nil},
		{"", "", nil},
		{"x", "x", nil},
	} {
		if got := b.store.authorize(tt.id, tt.secret); got != tt.want {
			t.Errorf("%q with %q: got %v", tt.id, tt.secret, got)
		}
	}
}

func TestLongPoll(t *testing.T) {
	type result struct {
		receipts []wire.Receipt
		ok       bool
		took     time.Duration
	}
	for _, tt := range []struct {
		name string
		do   func(b *bench, sess *session, cancel, stop func())
		want int
		took time.Duration
	}{
		{"nothing", func(*bench, *session, func(), func()) {}, 0, 20 * time.Second},
		{"a receipt", func(b *bench, sess *session, _, _ func()) {
			b.in(request("OPTIONS", sess.token), client)
		}, 2, time.Second},
		{"another session's", func(b *bench, sess *session, _, _ func()) {
			s, _, _ := b.store.open(client)
			b.in(request("OPTIONS", s.token), client)
		}, 0, 20 * time.Second},
		{"ended", func(b *bench, sess *session, _, _ func()) { b.store.remove(sess, "test") }, 0, time.Second},
		{"client gone", func(_ *bench, _ *session, cancel, _ func()) { cancel() }, 0, time.Second},
		{"shutdown", func(_ *bench, _ *session, _, stop func()) { stop() }, 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{})
				sess := b.open(t)
				b.in(request("ACK", sess.token), client) // is there before, and not waited for
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				results := make(chan result)
				for range 2 {
					go func() {
						start := time.Now()
						pages, _, ok := sess.after(ctx, b.stop, 1, 20*time.Second)
						results <- result{slices.Concat(pages...), ok, time.Since(start)}
					}()
				}
				time.Sleep(time.Second)
				tt.do(b, sess, cancel, b.end)
				for range 2 {
					r := <-results
					if len(r.receipts) != tt.want || r.took != tt.took || r.ok == (tt.name == "ended") {
						t.Errorf("%d receipts after %v, alive: %v, want %d after %v", len(r.receipts), r.took, r.ok, tt.want, tt.took)
					}
				}
			})
		})
	}
}

// TestManySources sends tokenless datagrams and creation attempts from a million sources: nothing may grow.
func TestManySources(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const sources, slack = 1_000_000, 1 << 20
	b := newBench(t, Config{})
	raw := []byte(request("OPTIONS", wire.NewToken()))
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for i := range sources {
		from := from4(i)
		b.datagram(b.svc, raw, from)
		b.store.rate.take(from.Addr())
	}
	if grown := heap() - before; grown > slack {
		t.Errorf("%d octets more after %d sources", grown, sources)
	}
	if n := b.counters.tokenless.Load(); n != sources {
		t.Errorf("%d datagrams were tokenless", n)
	}
}

func TestLogHoldsNoPayload(t *testing.T) {
	var text strings.Builder
	b := newBench(t, Config{Log: textLog(&text)})
	sess := b.open(t)
	b.in(request("OPTIONS", sess.token, "X: payload"), client)
	b.sock.fault = func() error { panic("payload") }
	b.in(request("OPTIONS", sess.token, "X: payload"), client)
	b.store.remove(sess, "test")
	log := text.String()
	for _, want := range []string{"session opened", "session ended", "source=192.0.2.0/24", "fault in the reflector"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	for _, bad := range []string{client.Addr().String(), sess.secret, sess.token.String(), "payload"} {
		if strings.Contains(log, bad) {
			t.Errorf("%q in\n%s", bad, log)
		}
	}
}

// TestPages asks for receipts from every place on, across the pages they stand on.
func TestPages(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	const n = 2*pageSize + 3
	for range n {
		b.in(request("ACK", sess.token), client)
	}
	for seq := range uint64(n + 3) {
		got := slices.Concat(sess.since(seq)...)
		if want := max(0, n-int(seq)); len(got) != want {
			t.Fatalf("after %d: %d receipts, want %d", seq, len(got), want)
		}
		for i, r := range got {
			if r.Seq != seq+uint64(i)+1 {
				t.Fatalf("after %d: receipt %d has number %d", seq, i, r.Seq)
			}
		}
	}
}
