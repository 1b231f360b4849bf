package reflector

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"nofixup/reflector/wire"
)

// TestFates sends one datagram of every kind and looks at what becomes of it.
func TestFates(t *testing.T) {
	stranger := wire.NewToken()
	for _, tt := range []struct {
		name    string
		raw     func(token wire.Token) string
		from    string
		kept    bool
		silence string
		counted func(*counters) uint64
	}{
		{name: "empty", raw: func(wire.Token) string { return "" }, counted: func(c *counters) uint64 { return c.empty.Load() }},
		{
			name:    "oversize",
			raw:     func(k wire.Token) string { return request("OPTIONS", k, "X: "+strings.Repeat("x", 2000)) },
			counted: func(c *counters) uint64 { return c.oversize.Load() },
		},
		{
			name: "port 0", from: "192.0.2.9:0",
			raw:     func(k wire.Token) string { return request("OPTIONS", k) },
			counted: func(c *counters) uint64 { return c.badSource.Load() },
		},
		{
			name: "unspecified", from: "0.0.0.0:5060",
			raw:     func(k wire.Token) string { return request("OPTIONS", k) },
			counted: func(c *counters) uint64 { return c.badSource.Load() },
		},
		{
			name: "multicast", from: "224.0.1.75:5060",
			raw:     func(k wire.Token) string { return request("OPTIONS", k) },
			counted: func(c *counters) uint64 { return c.badSource.Load() },
		},
		{
			name: "multicast, IPv6", from: "[ff0e::1]:5060",
			raw:     func(k wire.Token) string { return request("OPTIONS", k) },
			counted: func(c *counters) uint64 { return c.badSource.Load() },
		},
		{
			name: "broadcast", from: "255.255.255.255:5060",
			raw:     func(k wire.Token) string { return request("OPTIONS", k) },
			counted: func(c *counters) uint64 { return c.badSource.Load() },
		},
		{
			name:    "no token",
			raw:     func(wire.Token) string { return "OPTIONS sip:a SIP/2.0\r\n\r\n" },
			counted: func(c *counters) uint64 { return c.tokenless.Load() },
		},
		{
			name:    "token of nobody",
			raw:     func(wire.Token) string { return request("OPTIONS", stranger) },
			counted: func(c *counters) uint64 { return c.tokenless.Load() },
		},
		{name: "options", raw: func(k wire.Token) string { return request("OPTIONS", k) }, kept: true},
		{
			name: "two tokens, the second one live", kept: true,
			raw: func(k wire.Token) string { return request("OPTIONS", stranger, "X: "+wire.Tag{Token: k}.String()) },
		},
		{name: "ack", raw: func(k wire.Token) string { return request("ACK", k) }, kept: true, silence: wire.SilenceACK},
		{
			name: "response", kept: true, silence: wire.SilenceResponse,
			raw: func(k wire.Token) string {
				return "SIP/2.0 200 OK\r\nCall-ID: " + wire.Tag{Token: k}.String() + "\r\n\r\n"
			},
		},
		{
			name: "no SIP at all", kept: true, silence: wire.SilenceMalformed,
			raw: func(k wire.Token) string { return "\x00\xff" + wire.Tag{Token: k}.String() },
		},
		{
			name: "larger", kept: true, silence: wire.SilenceLarger,
			raw: func(k wire.Token) string {
				return "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;rport\r\nf:sip:a\r\nt:sip:a\r\ni:" + wire.Tag{Token: k}.String() + "\r\nCSeq:1 OPTIONS\r\n\r\n"
			},
		},
		{
			name: "service port", from: "192.0.2.9:1023", kept: true, silence: wire.SilencePort,
			raw: func(k wire.Token) string { return request("OPTIONS", k) },
		},
		{name: "first port", from: "192.0.2.9:1024", kept: true, raw: func(k wire.Token) string { return request("OPTIONS", k) }},
		{name: "IPv6", from: "[2001:db8::9]:5060", kept: true, raw: func(k wire.Token) string { return request("OPTIONS", k) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{Limits: Limits{MessageOctets: 1500}})
			sess := b.open(t)
			from := client
			if tt.from != "" {
				from = netip.MustParseAddrPort(tt.from)
			}
			raw := tt.raw(sess.token)
			out := b.in(raw, from)
			receipts := receiptsOf(sess)
			if answered := tt.kept && tt.silence == ""; answered != (len(out) == 1) || len(out) > 1 {
				t.Fatalf("%d datagrams left", len(out))
			}
			if tt.counted != nil && tt.counted(&b.counters) != 1 {
				t.Errorf("not counted: %+v", b.Counters())
			}
			if !tt.kept {
				if len(receipts) != 0 {
					t.Fatalf("receipts: %+v", receipts)
				}
				return
			}
			in := receipts[0]
			if in.Seq != 1 || in.Direction != wire.In || in.Transport != "udp" || in.Local != here || in.Remote != from ||
				in.TTL != 57 || string(in.Data) != raw || in.Silence != tt.silence || in.Proven != (from.Addr() == client.Addr()) || in.At.IsZero() {
				t.Errorf("receipt: %+v", in)
			}
			if tt.silence != "" {
				if len(receipts) != 1 || b.Counters().Silences[tt.silence] != 1 {
					t.Errorf("receipts: %+v, silences: %v", receipts, b.Counters().Silences)
				}
				return
			}
			answer := receipts[1]
			if answer.Seq != 2 || answer.Direction != wire.Out || answer.Local != here || answer.Remote != from || answer.Answers != 1 ||
				string(answer.Data) != out[0].data || out[0].remote != from || out[0].local != here {
				t.Errorf("receipt: %+v, left: %+v", answer, out[0])
			}
		})
	}
}

// TestUnproven takes an address from its first datagram to being proven.
func TestUnproven(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	var nonce string
	for i := range 20 {
		out := b.in(request("OPTIONS", sess.token), other)
		if (len(out) == 1) != (i < 8) {
			t.Fatalf("datagram %d: %d answers", i, len(out))
		}
		if len(out) == 1 {
			_, nonce, _ = strings.Cut(out[0].data, "To: <sip:ping@198.51.100.5>;tag=")
			nonce, _, _ = strings.Cut(nonce, "\r\n")
		}
	}
	if len(nonce) != nonceLen {
		t.Fatalf("nonce %q", nonce)
	}
	// The budget is the session's: another unproven address has none left either.
	third := netip.MustParseAddrPort("203.0.113.99:40000")
	if out := b.in(request("OPTIONS", sess.token), third); len(out) != 0 {
		t.Fatal("a third address was answered")
	}
	// The nonce of one address is nothing from another one.
	b.in(request("ACK", sess.token, "X: "+nonce), third)
	if out := b.in(request("OPTIONS", sess.token), third); len(out) != 0 {
		t.Fatal("proven by another address's nonce")
	}
	b.in(request("ACK", sess.token, "X: "+nonce), other)
	receipts := receiptsOf(sess)
	if last := receipts[len(receipts)-1]; !last.Proven || last.Silence != wire.SilenceACK {
		t.Errorf("the ACK's receipt: %+v", last)
	}
	// Another port of the proven address is proven as well.
	for range 20 {
		if out := b.in(request("OPTIONS", sess.token), netip.AddrPortFrom(other.Addr(), 41000)); len(out) != 1 {
			t.Fatal("no answer though the address is proven")
		}
	}
	// In another session it is not, and its nonce is another one.
	second := b.open(t)
	if a, b := b.store.nonce(sess.token, other.Addr()), b.store.nonce(second.token, other.Addr()); a == b {
		t.Error("two sessions have the same nonce")
	}
	b.in(request("ACK", second.token, "X: "+nonce), other)
	if receipts := receiptsOf(second); receipts[0].Proven {
		t.Error("proven in another session")
	}
}

// TestProvenAreBounded proves more addresses than a session remembers.
func TestProvenAreBounded(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	for i := range 2 * maxProven {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 5060)
		nonce := b.store.nonce(sess.token, from.Addr())
		b.in(request("ACK", sess.token, "X: "+string(nonce[:])), from)
	}
	if len(sess.proven) != maxProven {
		t.Errorf("%d addresses are remembered", len(sess.proven))
	}
}

func TestBudgets(t *testing.T) {
	n := len(request("OPTIONS", wire.Token{})) // its answer is a little shorter
	for _, tt := range []struct {
		name             string
		limits           Limits
		sent             int
		receipts         int
		answers, dropped int
		last             string // silence of the last receipt
	}{
		{"messages, even", Limits{Messages: 4}, 5, 4, 2, 3, ""},
		{"messages, odd", Limits{Messages: 5}, 5, 5, 2, 2, wire.SilenceBudget},
		{"octets", Limits{SessionOctets: 3 * n}, 5, 3, 1, 3, wire.SilenceBudget},
		{"unproven", Limits{UnprovenAnswers: 3}, 5, 10, 5, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{Limits: tt.limits})
			sess := b.open(t)
			for range tt.sent {
				b.in(request("OPTIONS", sess.token), client)
			}
			receipts := receiptsOf(sess)
			if len(receipts) != tt.receipts || len(b.sock.sent) != tt.answers || sess.dropped != tt.dropped {
				t.Errorf("%d receipts, %d answers, %d dropped", len(receipts), len(b.sock.sent), sess.dropped)
			}
			if last := receipts[len(receipts)-1]; last.Silence != tt.last {
				t.Errorf("silence %q", last.Silence)
			}
			if int(b.counters.spent.Load()) != tt.dropped {
				t.Errorf("counted %d as spent", b.counters.spent.Load())
			}
		})
	}
}

// TestSend: whoever composed what is to leave, it leaves for a reason.
func TestSend(t *testing.T) {
	service := netip.AddrPortFrom(client.Addr(), 1023)
	for _, tt := range []struct {
		octets int
		why    leave
		to     netip.AddrPort
		want   error
	}{
		{10, leave{request: 10}, client, nil},
		{11, leave{request: 10}, client, errLarger},
		{1, leave{}, client, errLarger},
		{1000, leave{proven: true}, client, nil},
		{10, leave{request: 10}, service, errPort},
		{10, leave{proven: true}, service, errPort},
	} {
		b := newBench(t, Config{})
		err := b.send(b.sock, make([]byte, tt.octets), tt.why, here, tt.to)
		if !errors.Is(err, tt.want) || len(b.sock.sent) != map[bool]int{true: 1}[tt.want == nil] {
			t.Errorf("%+v: got %v, %d datagrams left", tt, err, len(b.sock.sent))
		}
	}
}

func TestSendFails(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	b.sock.fault = func() error { return errors.New("operation not permitted") }
	b.in(request("OPTIONS", sess.token), client)
	receipts := receiptsOf(sess)
	if len(receipts) != 1 || receipts[0].Silence != wire.SilenceFailed {
		t.Errorf("receipts: %+v", receipts)
	}
}

// TestPanic has the reflector meet a fault of its own: it costs one answer.
func TestPanic(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	b.sock.fault = func() error { panic("a fault") }
	b.in(request("OPTIONS", sess.token), client)
	b.sock.fault = nil
	if out := b.in(request("OPTIONS", sess.token), client); len(out) != 1 {
		t.Error("the next datagram was not answered")
	}
	receipts := receiptsOf(sess)
	if len(receipts) != 3 || receipts[0].Silence != wire.SilenceFailed || b.Counters().Panics != 1 {
		t.Errorf("receipts: %+v, panics: %d", receipts, b.Counters().Panics)
	}
	b.store.remove(sess, "test")
	if n := b.store.octets.Load(); n != 0 {
		t.Errorf("%d octets are still charged", n)
	}
}

// TestLoop lets two reflectors talk to each other.
func TestLoop(t *testing.T) {
	one, two := newBench(t, Config{}), newBench(t, Config{})
	a, b := one.open(t), two.open(t)
	// A request that is live on both, sent to one as if it came from the other.
	raw := request("OPTIONS", a.token, "X: "+wire.Tag{Token: b.token}.String())
	n := 0
	for out := one.in(raw, client); len(out) > 0; n++ {
		if n > 10 {
			t.Fatal("they do not stop")
		}
		out = two.in(out[0].data, here)
	}
	if n != 1 {
		t.Errorf("%d datagrams", n)
	}
}

// TestDeletedSession looks at a session's token after its end.
func TestDeletedSession(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	b.in(request("OPTIONS", sess.token), client)
	b.store.remove(sess, "test")
	if out := b.in(request("OPTIONS", sess.token), client); len(out) != 0 {
		t.Error("an ended session was answered")
	}
	if n := b.store.octets.Load(); n != 0 {
		t.Errorf("%d octets are still charged", n)
	}
	if len(receiptsOf(sess)) != 0 {
		t.Error("an ended session has receipts")
	}
}
