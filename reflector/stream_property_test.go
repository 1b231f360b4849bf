package reflector

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nofixup/h323"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// claims says whether a stream's first message holds the token, which is what makes the reflector speak.
func claims(stream string, token wire.Token) bool {
	rest := []byte(stream)
	for {
		f, err := sip.Next(rest, Limits{}.withDefaults().streamLimits())
		if err != nil || f.Kind == sip.KindMessage {
			if err == nil {
				stream = stream[:len(stream)-len(rest)+f.Len]
			}
			for tag := range allTags(stream) {
				if tag.Token == token {
					return true
				}
			}
			return false
		}
		rest = rest[f.Len:]
	}
}

// allTags is wire.Tags without its bound, which counts anew with every read of a stream.
func allTags(text string) func(yield func(wire.Tag) bool) {
	return func(yield func(wire.Tag) bool) {
		for i := range text {
			if !strings.HasPrefix(text[i:], "nfx") {
				continue
			}
			for tag := range wire.Tags([]byte(text[i:min(len(text), i+wire.TagLen)])) {
				if !yield(tag) {
					return
				}
			}
		}
	}
}

// claimsTPKT is claims for what is in TPKTs.
func claimsTPKT(stream string, token wire.Token) bool {
	rest := []byte(stream)
	for {
		f, err := h323.Next(rest)
		if err != nil || len(f.Payload(rest)) > 0 {
			if err == nil {
				stream = stream[:len(stream)-len(rest)+f.Len]
			}
			for tag := range allTags(stream) {
				if tag.Token == token {
					return true
				}
			}
			return false
		}
		rest = rest[f.Len:]
	}
}

// checkStream sends a stream in parts to a service and looks at the promises: without a token nothing leaves and nothing is kept, and what is
// kept is what was sent and what came.
func checkStream(t interface {
	tb
	Fatalf(string, ...any)
}, b *bench, service string, sess *session, from netip.AddrPort, parts []string,
) {
	t.Helper()
	p := b.dialTo(t, service, from, false)
	before := sess.connections
	whole := strings.Join(parts, "")
	claims := claims
	if service == wire.ServiceH225 || service == ServiceH245 || service == wire.ServiceNeutral && strings.HasPrefix(whole, "\x03") {
		claims = claimsTPKT
	}
	_ = p.send(parts...) // the reflector may well hang up in between
	got := p.hangUp()
	if !claims(whole, sess.token) || sess.connections == before {
		if got != "" || sess.connections != before {
			t.Fatalf("%q has no token in time, and %q left", whole, got)
		}
		return
	}
	books := keepBooks(t, sess, sess.connections)
	if !strings.HasPrefix(whole, books.in) || books.out != got || books.inEnd == "" || books.outEnd == "" {
		t.Fatalf("sent %q, kept %+v, got %q", whole, books, got)
	}
	if books.inEnd == wire.EndClosed && books.in != whole {
		t.Fatalf("sent %q, kept %q", whole, books.in)
	}
	if from.Port() < minAnsweredPort && got != "" {
		t.Fatalf("to port %d: %q", from.Port(), got)
	}
	if n := b.Counters().Panics; n != 0 {
		t.Fatalf("%d faults", n)
	}
}

// TestStreamPromises throws streams of all kinds at the reflector, cut in all ways.
func TestStreamPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, Config{Limits: Limits{
			Messages: rapid.SampledFrom([]int{0, 7, 30}).Draw(t, "messages"), SessionOctets: rapid.SampledFrom([]int{0, 3000}).Draw(t, "octets"),
		}})
		sess := b.open(t)
		tokens := rapid.SampledFrom([]wire.Token{sess.token, sess.token, sess.token, {}})
		for range rapid.IntRange(1, 3).Draw(t, "connections") {
			var whole string
			for range rapid.IntRange(1, 4).Draw(t, "messages") {
				if token := tokens.Draw(t, "token"); rapid.Bool().Draw(t, "good") {
					whole += tcpRequest(rapid.SampledFrom([]string{"OPTIONS", "ACK", "INVITE"}).Draw(t, "method"), token, 2, "body")
				} else {
					whole += drawDatagram(t, token, nil)
				}
			}
			var parts []string
			for rest := whole; rest != ""; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "part")
				parts, rest = append(parts, rest[:n]), rest[n:]
			}
			from := rapid.SampledFrom([]netip.AddrPort{client, other, netip.MustParseAddrPort("192.0.2.9:53")}).Draw(t, "from")
			checkStream(t, b, wire.ServiceSIP, sess, from, parts)
		}
		if sess.receipts > b.cfg.Limits.Messages || sess.payload > b.cfg.Limits.SessionOctets || sess.held != 0 || len(sess.streams) != 0 {
			t.Fatalf("%d receipts, %d octets, %d held", sess.receipts, sess.payload, sess.held)
		}
		if got := int64(sess.receipts)*receiptOverhead + int64(sess.payload); got != b.Counters().Octets {
			t.Fatalf("%d octets are charged for receipts that take %d", b.Counters().Octets, got)
		}
	})
}

// FuzzStream is the same with bytes of the fuzzer's own choice. TOKEN stands for the session's tag; the octets of cuts say how
// long the parts are, over and over.
func FuzzStream(f *testing.F) {
	for _, c := range answerCases(f) { // fails when there are none
		f.Add(append([]byte("OPTIONS sip:TOKEN SIP/2.0\r\n\r\n"), c.request...), []byte{200, 3})
	}
	text := tcpRequest("OPTIONS", wire.Token{}, 1, "body")
	text = strings.ReplaceAll(text, wire.Tag{Number: 1}.String(), "TOKEN")
	f.Add([]byte(text+"\r\n\r\n"+text), []byte{})
	f.Add([]byte(text+text), []byte{1})
	f.Add([]byte("a\r\n\r\nTOKEN\r\n\r\n"), []byte{2})
	f.Add([]byte("TOKEN\r\nl: 99999999999\r\n\r\n"), []byte{7})
	f.Add([]byte("no token\r\n\r\n"), []byte{5})
	b := newBench(f, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1, SessionsPerSource: 1 << 20, Sessions: 1 << 20}})
	f.Fuzz(func(t *testing.T, raw, cuts []byte) {
		sess := b.open(t)
		defer b.store.remove(sess, "test")
		whole := string(bytes.ReplaceAll(raw, []byte("TOKEN"), []byte(wire.Tag{Token: sess.token}.String())))
		var parts []string
		for i := 0; whole != ""; i++ {
			n := len(whole)
			if len(cuts) > 0 && i < 1000 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			parts, whole = append(parts, whole[:n]), whole[n:]
		}
		checkStream(t, b, wire.ServiceSIP, sess, other, parts)
	})
}

// TestStreamMemory has a thousand senders hold as much as they can get hold of.
func TestStreamMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	stuffed := "OPTIONS sip:a SIP/2.0\r\nX: " + strings.Repeat("x", 16000) + "\r\nl: 32768\r\n\r\n" + strings.Repeat("x", 32767)
	for _, tt := range []struct {
		name  string
		parts []string
		each  int64 // octets for one connection
	}{
		{"one octet", []string{"O"}, 40 << 10},
		{"octet by octet", strings.Split(strings.Repeat("x", 1000), ""), 50 << 10},
		{"a large message", []string{stuffed}, 130 << 10},
		{"keepalives", []string{strings.Repeat("\r\n", 32<<10)[1:]}, 130 << 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const connections = 300
			b := newBench(t, Config{})
			sess := b.open(t)
			before := heap()
			for range connections {
				p := b.dial(t, other, false)
				if err := p.send(tt.parts...); err != nil {
					t.Fatal(err)
				}
			}
			if grown := (heap() - before) / connections; grown > tt.each {
				t.Errorf("%d octets for each connection, at most %d wanted", grown, tt.each)
			} else {
				t.Logf("%d octets for each connection", grown)
			}
			// None of them is in the way of anybody else.
			p := b.dial(t, client, false)
			p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
			if got := p.hangUp(); !strings.HasPrefix(got, "SIP/2.0 200 OK") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestStreamEndless sends for as long as the reflector takes it, with a token: the session's budget is the end of it.
func TestStreamEndless(t *testing.T) {
	for name, part := range map[string]func(token wire.Token) string{
		"good":       func(token wire.Token) string { return tcpRequest("OPTIONS", token, 1, "") },
		"keepalives": func(wire.Token) string { return "\r\n" },
		"octets":     func(wire.Token) string { return "\n" },
		"large":      func(token wire.Token) string { return tcpRequest("ACK", token, 1, strings.Repeat("x", 30000)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Config{})
			sess := b.open(t)
			p := b.dial(t, client, false)
			text := part(sess.token)
			n := 0
			for p.send(tcpRequest("OPTIONS", sess.token, 1, "")) == nil {
				for n++; n < 1<<20 && p.send(text) == nil; n++ {
				}
			}
			p.hangUp()
			books := keepBooks(t, sess, 1)
			if books.inEnd != wire.EndBudget || sess.receipts > b.cfg.Limits.Messages || sess.payload > b.cfg.Limits.SessionOctets || n > 10*b.cfg.Limits.Messages {
				t.Errorf("end %q after %d parts, %d receipts, %d octets", books.inEnd, n, sess.receipts, sess.payload)
			}
			if most := int64(sess.payload) + int64(sess.receipts)*receiptOverhead; b.store.octets.Load() > most {
				t.Errorf("%d octets are charged for %d", b.store.octets.Load(), most)
			}
		})
	}
}

// TestStreamShutdown ends a server whose clients hold on to their connections.
func TestStreamShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{})
		sess := b.open(t)
		var peers []*peer
		for i, deaf := range []bool{false, true, false} {
			p := b.dial(t, client, deaf)
			if i < 2 {
				p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
			}
			peers = append(peers, p)
		}
		synctest.Wait()
		start := time.Now()
		b.end()
		b.closeStreams()
		for _, p := range peers {
			<-p.done
		}
		if time.Since(start) != 0 || b.Counters().StreamsOpen != 0 {
			t.Errorf("after %v, %d open", time.Since(start), b.Counters().StreamsOpen)
		}
		if b.enroll(peers[0].st) {
			t.Error("a connection after the end")
		}
	})
}

// faultyConn is a connection with a fault.
type faultyConn struct{ duplex }

func (faultyConn) Read([]byte) (int, error) { panic("a fault with payload") }

// TestStreamPanic has the reflector meet a fault of its own: it costs that connection alone.
func TestStreamPanic(t *testing.T) {
	var text strings.Builder
	b := newBench(t, Config{Log: textLog(&text)})
	sess := b.open(t)
	p := b.dial(t, client, false)
	p.send(tcpRequest("OPTIONS", sess.token, 1, ""))
	faulty := &peer{done: make(chan struct{}), eof: make(chan struct{})}
	var up, down net.Conn
	faulty.up, up = net.Pipe()
	down, faulty.down = net.Pipe()
	b.connect(t, faulty, faultyConn{duplex{down, up, here, client}}, false)
	<-faulty.done
	<-faulty.eof
	if n := b.Counters().Panics; n != 1 || strings.Contains(text.String(), "payload") {
		t.Errorf("%d faults, log %s", n, text.String())
	}
	p.send(tcpRequest("OPTIONS", sess.token, 2, ""))
	if got := p.hangUp(); strings.Count(got, "200 OK") != 2 {
		t.Errorf("the other connection: %q", got)
	}
}
