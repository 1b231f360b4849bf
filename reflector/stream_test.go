package reflector

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nofixup/reflector/wire"
)

// TestStream takes one connection from its first message to its end.
func TestStream(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	p := b.dial(t, client, false)
	options, ack := tcpRequest("OPTIONS", sess.token, 1, ""), tcpRequest("ACK", sess.token, 2, "")
	invite := tcpRequest("INVITE", sess.token, 3, "v=0\r\n")
	if err := p.send(options, "\r\n\r\n", ack, invite[:40], invite[40:]); err != nil {
		t.Fatal(err)
	}
	got := p.hangUp()
	books := keepBooks(t, sess, 1)
	if books.in != options+"\r\n\r\n"+ack+invite || books.out != got || books.inEnd != wire.EndClosed || books.outEnd != wire.EndClosed {
		t.Errorf("%+v, got %q", books, got)
	}
	if want := []string{"", wire.SilencePartial, wire.SilenceACK, wire.SilencePartial, ""}; !slices.Equal(books.silences, want) {
		t.Errorf("silences %q, want %q", books.silences, want)
	}
	if !strings.HasPrefix(got, "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP ") || strings.Count(got, "SIP/2.0 486 Busy Here\r\n") != 1 || strings.Count(got, "Content-Length: 0\r\n\r\n") != 2 {
		t.Errorf("got %q", got)
	}
	var answers []uint64
	for _, r := range receiptsOf(sess) {
		if r.Direction == wire.Out && r.End == "" {
			answers = append(answers, r.Answers)
		}
	}
	if !slices.Equal(answers, []uint64{1, 6}) { // 2 is the answer, 3 the keepalives, 4 the ACK, 5 the first part
		t.Errorf("answers to %v", answers)
	}
	if c := b.Counters(); c.Received != 0 || c.StreamReads != 5 || c.Answered != 2 || c.StreamsTokenless != 0 || c.StreamsOpen != 0 {
		t.Errorf("%+v", c)
	}
	b.store.remove(sess, "test")
	if n := b.store.octets.Load(); n != 0 {
		t.Errorf("%d octets are still charged", n)
	}
}

// TestStreamSplits sends the same stream in every way that it can be cut: the same answers must come back.
func TestStreamSplits(t *testing.T) {
	b := newBench(t, Config{Limits: Limits{OpenBurst: 1 << 20, OpenRefill: 1, SessionsPerSource: 1 << 20, Sessions: 1 << 20, Messages: 5000}})
	first := b.open(t)
	stream := func(token wire.Token) string {
		return tcpRequest("OPTIONS", token, 1, "") + "\r\n" + tcpRequest("MESSAGE", token, 2, "hello") +
			strings.ReplaceAll(tcpRequest("REGISTER", token, 3, "", "Contact: <sip:a@10.0.0.9>"), "\r\n", "\n") + tcpRequest("ACK", token, 4, "")
	}
	parts := func(whole string, at ...int) (out []string) {
		last := 0
		for _, i := range append(at, len(whole)) {
			if i > last {
				out, last = append(out, whole[last:i]), i
			}
		}
		return out
	}
	run := func(t interface {
		tb
		Fatalf(string, ...any)
	}, cut func(string) []string,
	) string {
		sess := b.open(t)
		defer b.store.remove(sess, "test")
		p := b.dial(t, client, false)
		whole := stream(sess.token)
		if err := p.send(cut(whole)...); err != nil {
			t.Fatalf("%v", err)
		}
		got := p.hangUp()
		books := keepBooks(t, sess, 1)
		if books.in != whole || books.out != got || books.inEnd != wire.EndClosed || books.outEnd != wire.EndClosed {
			t.Fatalf("%+v\ngot %q", books, got)
		}
		// Tokens and nonces are of one length, so that answers differ in nothing else.
		nonce, other := b.store.nonce(sess.token, client.Addr()), b.store.nonce(first.token, client.Addr())
		return strings.NewReplacer(sess.token.String(), first.token.String(), string(nonce[:]), string(other[:])).Replace(got)
	}
	want := run(t, func(s string) []string { return []string{s} })
	if strings.Count(want, "SIP/2.0 200 OK\r\n") != 3 {
		t.Fatalf("%q", want)
	}
	size := len(stream(first.token))
	for i := 1; i < size; i++ {
		if got := run(t, func(s string) []string { return parts(s, i) }); got != want {
			t.Fatalf("cut at %d: %q", i, got)
		}
	}
	if got := run(t, func(s string) []string { return strings.Split(s, "") }); got != want {
		t.Fatalf("octet by octet: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfN(rapid.IntRange(1, size-1), 0, 30).Draw(t, "cuts")
		slices.Sort(at)
		if got := run(t, func(s string) []string { return parts(s, at...) }); got != want {
			t.Fatalf("cut at %v: %q", at, got)
		}
	})
}

// TestStreamWithoutToken: nothing leaves, nothing is kept, and the connection is closed at once or in time.
func TestStreamWithoutToken(t *testing.T) {
	stranger := wire.NewToken()
	dribble := func(octet string, n int) []string { return slices.Repeat([]string{octet}, n) }
	for _, tt := range []struct {
		name  string
		parts func(live wire.Token) []string
		pause time.Duration
		after time.Duration // the connection is closed
	}{
		{name: "nothing", after: 5 * time.Second},
		{name: "one octet", parts: func(wire.Token) []string { return []string{"O"} }, after: 10 * time.Second},
		{name: "a message", parts: func(wire.Token) []string { return []string{tcpRequest("OPTIONS", stranger, 1, "")} }},
		{
			name:  "a message, octet by octet",
			parts: func(wire.Token) []string { return strings.Split(tcpRequest("OPTIONS", stranger, 1, ""), "") },
		},
		{
			name:  "the token only in the second message",
			parts: func(live wire.Token) []string { return []string{"a\r\n\r\n" + tcpRequest("OPTIONS", live, 1, "")} },
		},
		{name: "TLS", parts: func(wire.Token) []string { return []string{"\x16\x03\x01\x02\x00\x01\x00"} }, after: 10 * time.Second},
		{name: "dribble", parts: func(wire.Token) []string { return dribble("x", 30) }, pause: time.Second, after: 10 * time.Second},
		{name: "keepalives", parts: func(wire.Token) []string { return dribble("\r\n", 30) }, pause: time.Second, after: 10 * time.Second},
		{name: "endless header", parts: func(wire.Token) []string { return dribble(strings.Repeat("x", 1000), 100) }},
		{name: "endless keepalives", parts: func(wire.Token) []string { return dribble(strings.Repeat("\r\n", 500), 100) }},
		{name: "endless body", parts: func(wire.Token) []string {
			return append([]string{"OPTIONS sip:a SIP/2.0\r\nl: 99999999999\r\n\r\n"}, dribble(strings.Repeat("x", 1000), 100)...)
		}},
		{name: "half a tag", parts: func(live wire.Token) []string {
			tag := wire.Tag{Token: live}.String()
			return []string{"OPTIONS sip:" + tag[:wire.TagLen-1] + " SIP/2.0\r\n\r\n"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{})
				sess := b.open(t)
				p := b.dial(t, client, false)
				start := time.Now()
				if tt.parts != nil {
					for _, part := range tt.parts(sess.token) {
						if p.send(part) != nil {
							break
						}
						time.Sleep(tt.pause)
					}
				}
				<-p.done
				if took := p.ended.Sub(start); took != tt.after {
					t.Errorf("closed after %v, want %v", took, tt.after)
				}
				<-p.eof
				if got := p.received(); got != "" || len(receiptsOf(sess)) != 0 || b.Counters().StreamsTokenless != 1 {
					t.Errorf("got %q, receipts %+v", got, receiptsOf(sess))
				}
			})
		})
	}
}

// TestStreamTimes lets every deadline pass that a session's connection has.
func TestStreamTimes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		run   func(b *bench, sess *session, p *peer)
		after time.Duration
	}{
		{"idle", func(*bench, *session, *peer) {}, 15 * time.Second},
		{"unfinished", func(_ *bench, _ *session, p *peer) {
			time.Sleep(time.Second)
			p.send("O")
			for range 20 {
				time.Sleep(time.Second)
				p.send("x")
			}
		}, 11 * time.Second},
		{"keepalives", func(_ *bench, _ *session, p *peer) {
			for range 80 {
				time.Sleep(time.Second)
				p.send("\r\n")
			}
		}, time.Minute},
		{"an action", func(b *bench, sess *session, p *peer) {
			time.Sleep(14 * time.Second)
			if _, err := b.perform(sess, wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "OPTIONS"}); err != nil {
				panic(err)
			}
		}, 29 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{})
				sess := b.open(t)
				p := b.dial(t, client, false)
				start := time.Now()
				p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
				tt.run(b, sess, p)
				<-p.done
				<-p.eof
				books := keepBooks(t, sess, 1)
				if took := p.ended.Sub(start); took != tt.after || books.inEnd != wire.EndTimeout || books.outEnd != wire.EndClosed {
					t.Errorf("after %v, %+v", took, books)
				}
			})
		})
	}
}

// TestStreamEnds looks at every other reason for an end.
func TestStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		limits  Limits
		rest    string // after an OPTIONS
		in      string
		answers int
		dropped int
	}{
		{name: "no length", rest: "OPTIONS sip:a SIP/2.0\r\nContent-Length: x\r\n\r\n", in: wire.EndSyntax, answers: 1},
		{name: "length too large", rest: "OPTIONS sip:a SIP/2.0\r\nContent-Length: 32769\r\n\r\n", in: wire.EndSyntax, answers: 1},
		{name: "header too large", rest: strings.Repeat("x", 17<<10), in: wire.EndSyntax, answers: 1},
		{name: "message too large", limits: Limits{MessageOctets: 1000}, rest: "MESSAGE sip:a SIP/2.0\r\nl: 990\r\n\r\n", in: wire.EndSyntax, answers: 1},
		{name: "messages", limits: Limits{Messages: 5}, rest: "OPTIONS sip:a SIP/2.0\r\n\r\n" + "x", in: wire.EndClosed, answers: 1},
		{name: "messages spent", limits: Limits{Messages: 4}, rest: "x", in: wire.EndBudget, answers: 1, dropped: 1},
		{name: "no room for the answer", limits: Limits{Messages: 3}, rest: "x", in: wire.EndBudget, dropped: 1},
		{name: "octets spent", limits: Limits{SessionOctets: 1000}, rest: strings.Repeat("x", 1000), in: wire.EndBudget, answers: 1, dropped: 1},
		{name: "memory spent", limits: Limits{Octets: 2400, SessionOctets: 2400}, rest: strings.Repeat("x", 1000), in: wire.EndBudget, answers: 1, dropped: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{Limits: tt.limits})
			sess := b.open(t)
			p := b.dial(t, client, false)
			p.send(tcpRequest("OPTIONS", sess.token, 1, ""), tt.rest)
			got := p.hangUp()
			books := keepBooks(t, sess, 1)
			if books.inEnd != tt.in || books.outEnd != wire.EndClosed || books.out != got || strings.Count(got, "SIP/2.0 200") != tt.answers || sess.dropped != tt.dropped {
				t.Errorf("%+v, dropped %d, got %q", books, sess.dropped, got)
			}
			if n := sess.receipts; tt.limits.Messages > 0 && n > tt.limits.Messages {
				t.Errorf("%d receipts", n)
			}
			b.store.remove(sess, "test")
			if n := b.store.octets.Load(); n != 0 {
				t.Errorf("%d octets are still charged", n)
			}
		})
	}
}

// TestStreamTwoInOne completes several messages with one read.
func TestStreamTwoInOne(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	p := b.dial(t, client, false)
	ack, options := tcpRequest("ACK", sess.token, 1, ""), tcpRequest("OPTIONS", sess.token, 2, "")
	p.send(ack+options+options, ack+"x y\r\n\r\n", "x y\r\n\r\n"+ack)
	p.hangUp()
	books := keepBooks(t, sess, 1)
	if want := []string{"", wire.SilenceACK, wire.SilenceMalformed}; !slices.Equal(books.silences, want) || strings.Count(books.out, "SIP/2.0 200") != 2 {
		t.Errorf("silences %q, out %q", books.silences, books.out)
	}
}

// TestStreamProves opens a connection from an address that the session does not know: its handshake proves it.
func TestStreamProves(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	for range 20 {
		b.in(request("OPTIONS", sess.token), other)
	}
	if n := len(b.sock.sent); n != 8 {
		t.Fatalf("%d answers", n)
	}
	p := b.dial(t, netip.AddrPortFrom(other.Addr(), 50000), false)
	p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
	if got := p.hangUp(); !strings.Contains(got, ";received="+other.Addr().String()) {
		t.Errorf("got %q", got)
	}
	if out := b.in(request("OPTIONS", sess.token), other); len(out) != 1 {
		t.Error("not proven by TCP")
	}
}

// TestStreamServicePort: nothing is sent to where another service could be, not even over TCP.
func TestStreamServicePort(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	p := b.dial(t, netip.AddrPortFrom(client.Addr(), 1023), false)
	p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
	if got, books := p.hangUp(), keepBooks(t, sess, 1); got != "" || !slices.Equal(books.silences, []string{wire.SilencePort}) {
		t.Errorf("got %q, %+v", got, books)
	}
	if _, err := b.perform(sess, wire.Action{Action: wire.ActionRequest, To: 1, Number: 2, Method: "OPTIONS"}); !errors.Is(err, errConnection) {
		t.Errorf("%v", err)
	}
}

// TestStreamsOfSession opens more connections than a session may have.
func TestStreamsOfSession(t *testing.T) {
	b := newBench(t, Config{Limits: Limits{StreamsPerSession: 3}})
	sess := b.open(t)
	var peers []*peer
	for range 3 {
		p := b.dial(t, client, false)
		p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
		p.await(t, "200 OK")
		peers = append(peers, p)
	}
	extra := b.dial(t, client, false)
	extra.send(tcpRequest("OPTIONS", sess.token, 1, ""))
	if got := extra.hangUp(); got != "" || sess.dropped != 1 {
		t.Errorf("got %q, dropped %d", got, sess.dropped)
	}
	peers[0].hangUp()
	again := b.dial(t, client, false)
	again.send(tcpRequest("OPTIONS", sess.token, 1, ""))
	if got := again.hangUp(); got == "" {
		t.Error("no room after one is gone")
	}
	if books := keepBooks(t, sess, 4); books.inEnd != wire.EndClosed {
		t.Errorf("%+v", books)
	}
}

// TestStreamSessionEnds deletes a session with open connections.
func TestStreamSessionEnds(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	p := b.dial(t, client, false)
	p.send(tcpRequest("OPTIONS", sess.token, 1, ""), "MESSAGE half")
	unclaimed := b.dial(t, client, false)
	b.store.remove(sess, "test")
	<-p.done
	<-p.eof
	unclaimed.send(tcpRequest("OPTIONS", sess.token, 1, ""))
	if got := unclaimed.hangUp(); got != "" {
		t.Errorf("an ended session was answered: %q", got)
	}
	if n := b.store.octets.Load(); n != 0 || len(receiptsOf(sess)) != 0 {
		t.Errorf("%d octets are still charged, %d receipts", n, len(receiptsOf(sess)))
	}
}

// TestStreamDeaf has a client take nothing: it holds up nobody, and the receipts say how much it was sent.
func TestStreamDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{})
		sess := b.open(t)
		p := b.dial(t, client, true)
		start := time.Now()
		p.send(strings.Repeat(tcpRequest("OPTIONS", sess.token, 1, ""), 3))
		buf := make([]byte, 100)
		if n, err := p.down.Read(buf); n != 100 || err != nil {
			t.Fatal(n, err)
		}
		// While the write hangs: UDP, a poll, another connection.
		if out := b.in(request("OPTIONS", sess.token), client); len(out) != 1 {
			t.Error("UDP waits")
		}
		if pages, _, ok := sess.after(t.Context(), nil, 0, time.Second); !ok || len(slices.Concat(pages...)) != 6 {
			t.Errorf("%+v", pages)
		}
		q := b.dial(t, client, false)
		q.send(tcpRequest("OPTIONS", sess.token, 1, ""))
		if q.hangUp() == "" || time.Since(start) > 0 {
			t.Error("another connection waits")
		}
		<-p.done
		if took := p.ended.Sub(start); took != 5*time.Second {
			t.Errorf("cut off after %v", took)
		}
		var outEnd wire.Receipt
		for _, r := range receiptsOf(sess) {
			if r.Conn == 1 && r.Direction == wire.Out {
				outEnd = r
			}
		}
		if outEnd.End != wire.EndTimeout || outEnd.Off != 100 {
			t.Errorf("%+v", outEnd)
		}
	})
}

// TestStreamDeafDelete deletes the session while a write hangs.
func TestStreamDeafDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{})
		sess := b.open(t)
		p := b.dial(t, client, true)
		start := time.Now()
		p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
		synctest.Wait()
		b.store.remove(sess, "test")
		<-p.done
		if time.Since(start) != 0 || len(receiptsOf(sess)) != 0 || b.store.octets.Load() != 0 {
			t.Errorf("after %v, %d octets", time.Since(start), b.store.octets.Load())
		}
	})
}
