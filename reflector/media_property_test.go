package reflector

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// mediaLedger keeps the promises of media: whatever comes in and whatever a client asks for,
//   - media goes only to addresses that have proven themselves, and not to a service's port,
//   - what goes to an address has at no time more packets or octets than what has come from it on the ports of media,
//   - beside that there are at most 32 pinhole datagrams of at most 64 octets, each to a port that a message of the session has
//     announced at that address, or to its neighbour, which none has.
type mediaLedger struct {
	in, out   map[netip.Addr]credit
	heard     map[netip.AddrPort]bool // where media came from
	announced map[netip.AddrPort]bool
	ports     map[uint16]bool
	pinholes  int
	seen      int // of what has left
}

func newMediaLedger() *mediaLedger {
	return &mediaLedger{
		in: make(map[netip.Addr]credit), out: make(map[netip.Addr]credit),
		heard: make(map[netip.AddrPort]bool), announced: make(map[netip.AddrPort]bool), ports: make(map[uint16]bool),
	}
}

// came notes media that got a record.
func (l *mediaLedger) came(r wire.Media) {
	l.heard[r.Remote] = true
	if r.Proven {
		c := l.in[r.Remote.Addr()]
		c.add(r.Length)
		l.in[r.Remote.Addr()] = c
	}
}

type fataler interface{ Fatalf(string, ...any) }

// left checks what has left since it was called last: all of it media, unless it is one pinhole datagram.
func (l *mediaLedger) left(t fataler, b *bench, sess *session, pinhole *wire.Action) {
	synctest.Wait()
	fresh := b.sock.all()[l.seen:]
	l.seen = len(b.sock.all())
	for _, s := range fresh {
		if !b.mediaPorts.holds(s.local.Port()) {
			continue // no media: the other ledger's
		}
		to := s.remote.Addr()
		switch {
		case !sess.isProven(to):
			t.Fatalf("to %s, which has not proven itself", s.remote)
		case isServicePort(s.remote.Port()):
			t.Fatalf("to a service's port, %s", s.remote)
		case strings.Contains(s.data, sess.token.String()):
			t.Fatalf("the token goes to %s", s.remote)
		}
		if pinhole != nil {
			l.pinholes++
			beside := netip.AddrPortFrom(to, s.remote.Port()-wire.Neighbour)
			if s.remote.Port() > 65535-2*wire.Neighbour && !l.announced[beside] {
				beside = netip.AddrPortFrom(to, s.remote.Port()+wire.Neighbour)
			}
			switch {
			case len(fresh) > 1 || len(s.data) > 64 || l.pinholes > b.cfg.Limits.Pinholes:
				t.Fatalf("%d datagrams, of %d octets, %d in all", len(fresh), len(s.data), l.pinholes)
			case pinhole.Neighbour && (!l.announced[beside] || l.ports[s.remote.Port()]):
				t.Fatalf("%s is nobody's neighbour", s.remote)
			case !pinhole.Neighbour && !l.announced[s.remote]:
				t.Fatalf("%s was never announced", s.remote)
			}
			continue
		}
		if !l.heard[s.remote] && !l.announced[s.remote] {
			t.Fatalf("media to %s", s.remote)
		}
		c := l.out[to]
		c.add(len(s.data))
		l.out[to] = c
		if in := l.in[to]; c.packets > in.packets || c.octets > in.octets {
			t.Fatalf("%s got %d packets with %d octets, and has sent %d with %d", to, c.packets, c.octets, in.packets, in.octets)
		}
	}
}

// drawOffer makes a session description and notes what it announces.
func (l *mediaLedger) drawOffer(t *rapid.T) string {
	hosts := rapid.SampledFrom([]string{"192.0.2.9", "10.0.0.9", "203.0.113.7", "198.51.100.77", "0.0.0.0", "127.0.0.1", "198.51.100.5", "x.example"})
	ports := rapid.SampledFrom([]int{30000, 30001, 30008, 30016, 5060, 53, 0, 65535, 65530, 1024})
	body := "v=0\nc=IN IP4 " + hosts.Draw(t, "host") + "\n"
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		body += fmt.Sprintf("m=audio %d RTP/AVP 0\n", ports.Draw(t, "port"))
		if rapid.Bool().Draw(t, "own") {
			body += "c=IN IP4 " + hosts.Draw(t, "host") + "\n"
		}
		if rapid.Bool().Draw(t, "rtcp") {
			body += fmt.Sprintf("a=rtcp:%d IN IP4 %s\n", ports.Draw(t, "port"), hosts.Draw(t, "host"))
		}
	}
	return body
}

// note notes what a message that got a receipt announces.
func (l *mediaLedger) note(body string) {
	for _, a := range announcedSDP([]byte(strings.ReplaceAll(body, "\n", "\r\n"))) {
		for _, p := range []place{a.rtp, a.rtcp} {
			l.announced[netip.AddrPortFrom(p.addr, p.port)] = true
			l.ports[p.port] = true
		}
	}
}

// drawMediaAction makes an action that may or may not be done.
func drawMediaAction(t *rapid.T, receipts, records int) wire.Action {
	a := wire.Action{
		Action: wire.ActionMedia, Number: rapid.Uint32Range(0, 9).Draw(t, "number"), RTCP: rapid.Bool().Draw(t, "rtcp"),
		Line: rapid.IntRange(0, 3).Draw(t, "line"), Port: mediaPort0 + rapid.Uint16Range(0, 9).Draw(t, "port"),
		To: uint64(rapid.IntRange(0, receipts+1).Draw(t, "to")),
	}
	if rapid.Bool().Draw(t, "pinhole") {
		a.Action = wire.ActionPinhole
		a.From = rapid.SampledFrom([]string{wire.FromMedia, wire.FromPort, wire.FromHost}).Draw(t, "from")
		a.Neighbour = rapid.Bool().Draw(t, "neighbour")
		return a
	}
	a.Count, a.Interval = rapid.IntRange(1, 100).Draw(t, "count"), rapid.IntRange(5, 40).Draw(t, "interval")
	if !a.RTCP {
		a.Size = rapid.SampledFrom([]int{0, 48, 172, 1200}).Draw(t, "size")
	}
	if rapid.Bool().Draw(t, "back") {
		a.To, a.Line, a.Port, a.Record = 0, 0, 0, uint64(rapid.IntRange(0, records+1).Draw(t, "record"))
	}
	return a
}

// TestMediaPromises throws messages, media and actions of all kinds at a session, and lets time pass.
func TestMediaPromises(t *testing.T) {
	sources := rapid.SampledFrom([]netip.AddrPort{
		phone, client, other, netip.MustParseAddrPort("198.51.100.77:30000"), netip.MustParseAddrPort("192.0.2.9:53"),
	})
	synctest.Test(t, func(t *testing.T) {
		// Only a testing.TB: in a bubble nobody may ask for the deadline.
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) {
			b := withMedia(t, Config{Limits: Limits{MediaPerSecond: 50, MediaSeconds: 2, Pinholes: rapid.SampledFrom([]int{3, 32}).Draw(t, "pinholes")}})
			sess, _, err := b.store.open(client)
			if err != nil {
				t.Fatal(err)
			}
			books := newMediaLedger()
			for range rapid.IntRange(1, 60).Draw(t, "steps") {
				var pinhole *wire.Action
				switch rapid.IntRange(0, 4).Draw(t, "step") {
				case 0:
					body, from := books.drawOffer(t), sources.Draw(t, "from")
					b.in(withSDP(sess.token, 1, body), from)
					books.note(body)
				case 1, 2:
					from, token := sources.Draw(t, "from"), rapid.SampledFrom([]wire.Token{sess.token, sess.token, {}}).Draw(t, "token")
					raw := rtpOf(token, 2, rapid.SampledFrom([]int{0, 60, 172, 1200, 1501}).Draw(t, "size"))
					if nonce := b.store.nonce(sess.token, from.Addr()); rapid.IntRange(0, 9).Draw(t, "nonce") == 0 {
						raw += string(nonce[:])
					}
					for range rapid.IntRange(1, 20).Draw(t, "packets") {
						if records := figuresOf(sess).records; len(b.on(mediaPort0+rapid.Uint16Range(0, 7).Draw(t, "port"), raw, from)) > 0 {
							t.Fatalf("%q was answered", raw)
						} else if figuresOf(sess).records > records {
							books.came(mediaOf(sess)[records])
						}
					}
				case 3:
					a := drawMediaAction(t, sess.receipts, figuresOf(sess).records)
					if b.check(a) != nil {
						continue
					}
					if sent, err := b.sendMedia(sess, a); err == nil && sent.Seq != 0 {
						pinhole = &a
						if r := mediaOf(sess)[sent.Seq-1]; r.Remote != sent.Addr || r.Direction != wire.Out {
							t.Fatalf("%+v: %+v, %+v", a, sent, r)
						}
					}
				case 4:
					time.Sleep(time.Duration(rapid.IntRange(0, 500).Draw(t, "ms")) * time.Millisecond)
				}
				books.left(t, b, sess, pinhole)
			}
			time.Sleep(time.Minute)
			books.left(t, b, sess, nil)
			if n := figuresOf(sess).talks; n > 0 || b.Counters().Panics > 0 {
				t.Fatalf("%d talks, %d faults", n, b.Counters().Panics)
			}
			records := int64(figuresOf(sess).records) * mediaOverhead
			if got := int64(sess.receipts)*receiptOverhead + int64(sess.payload) + records; got != b.Counters().Octets {
				t.Fatalf("%d octets are charged for %d", b.Counters().Octets, got)
			}
		})
	})
}

// TestMediaHostile is a client that means harm: its description has a victim's address, its token comes from the victim's
// address as well, and it acts ten thousand times.
func TestMediaHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withMedia(t, Config{Limits: Limits{Actions: 1 << 20}})
		sess := b.open(t)
		victim := netip.MustParseAddrPort("198.51.100.77:30000")
		books := newMediaLedger()
		for _, body := range []string{
			"v=0\nc=IN IP4 198.51.100.77\nm=audio 30000 RTP/AVP 0\nm=audio 30100 RTP/AVP 0\nc=IN IP4 192.0.2.9\n",
			"v=0\nc=IN IP4 192.0.2.9\nm=audio 30000 RTP/AVP 0\na=rtcp:30000 IN IP4 198.51.100.77\nm=audio 30200 RTP/AVP 0\nc=IN IP4 198.51.100.77/127\n",
		} {
			b.in(withSDP(sess.token, 1, body), client)
			b.in(withSDP(sess.token, 1, body), victim)
			books.note(body)
		}
		for i := range 10000 {
			if i%50 == 0 { // somebody replays the token, and the client itself sends a little
				for _, from := range []netip.AddrPort{victim, victim, phone} {
					n := figuresOf(sess).records
					b.on(mediaPort0, rtpOf(sess.token, 5, 100), from)
					if figuresOf(sess).records > n {
						books.came(mediaOf(sess)[n])
					}
				}
			}
			a := wire.Action{Action: wire.ActionPinhole, To: uint64(i%4 + 1), Number: 9, Line: i / 4 % 2, RTCP: i/8%2 == 0, From: wire.FromMedia, Port: mediaPort0}
			if i%3 == 0 {
				a = wire.Action{Action: wire.ActionMedia, To: a.To, Number: 9, Line: a.Line, RTCP: a.RTCP, Port: mediaPort0, Count: 1000, Interval: 5}
			} else if i%5 == 0 {
				a = wire.Action{Action: wire.ActionMedia, Record: uint64(i % max(1, figuresOf(sess).records)), Number: 9, Count: 1000, Interval: 5}
			} else {
				a.Neighbour = i/16%2 == 0
			}
			if b.check(a) != nil {
				continue
			}
			var pinhole *wire.Action
			if sent, err := b.sendMedia(sess, a); err == nil && sent.Seq > 0 {
				pinhole = &a
			}
			books.left(t, b, sess, pinhole)
			if i%100 == 0 {
				time.Sleep(time.Second)
				books.left(t, b, sess, nil)
			}
		}
		time.Sleep(time.Minute)
		books.left(t, b, sess, nil)
		for _, s := range b.sock.all() {
			if s.remote.Addr() != client.Addr() && b.mediaPorts.holds(s.local.Port()) {
				t.Fatalf("to %s", s.remote)
			}
		}
		if books.pinholes != 32 || books.out[client.Addr()].packets == 0 {
			t.Errorf("%d pinholes, %+v: the test shows nothing", books.pinholes, books.out)
		}
	})
}

// FuzzMedia hands in datagrams on a port of media, and the same octets as what a message announces. TOKEN stands for the
// session's tag and NONCE for the nonce of the address that they come from.
func FuzzMedia(f *testing.F) {
	rtp := strings.ReplaceAll(rtpOf(wire.Token{}, 1, 172), wire.Tag{Number: 1}.String(), "TOKEN")
	f.Add([]byte(rtp), uint16(30000), true)
	f.Add([]byte(rtp+"NONCE"), uint16(30000), false)
	f.Add([]byte("TOKEN"), uint16(1023), true)
	f.Add([]byte(strings.ReplaceAll(offer, "\n", "\r\n")), uint16(30000), true)
	f.Add([]byte("m=\r\nc=\r\na=rtcp:\r\nm=a 99999/2 x\r\nc=IN IP6 ::ffff:192.0.2.9\r\nTOKEN"), uint16(30000), true)
	f.Add([]byte(must(h323.CallMessage{
		Display: "TOKEN.media",
		Body:    h323.SetupBody{SourceCallSignalAddress: inside, DestCallSignalAddress: here, FastStart: fastStart},
	}.Append(nil))), uint16(30000), true)
	f.Add([]byte(packet(h323.ChannelAck{Number: 1, Session: 1, Media: inside, MediaControl: inside})), uint16(30000), true)
	b := withMedia(f, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1}})
	f.Fuzz(func(t *testing.T, raw []byte, port uint16, known bool) {
		sess := b.open(t)
		defer b.store.remove(sess, "test")
		b.sock.sent = nil
		from := netip.AddrPortFrom(other.Addr(), port)
		if known {
			from = netip.AddrPortFrom(client.Addr(), port)
		}
		nonce := b.store.nonce(sess.token, from.Addr())
		text := strings.NewReplacer("TOKEN", wire.Tag{Token: sess.token}.String(), "NONCE", string(nonce[:])).Replace(string(raw))
		if out := b.on(mediaPort0, text, from); len(out) > 0 {
			t.Fatalf("answered: %+v", out)
		}
		taken := len(mediaOf(sess)) > 0
		if live := strings.Contains(text, sess.token.String()); taken && !live {
			t.Fatalf("%q was taken without a token", text)
		}
		if proven := sess.isProven(from.Addr()); proven && !known && !strings.Contains(text, string(nonce[:])) {
			t.Fatalf("%s is proven by %q", from, text)
		}
		body := strings.ReplaceAll(text, "\r\n", "\n")
		b.in(withSDP(sess.token, 1, body), client)
		b.sock.sent = nil
		for line := range 3 {
			for _, beside := range []bool{false, true} {
				a := wire.Action{Action: wire.ActionPinhole, To: 1, Line: line, From: wire.FromMedia, Port: mediaPort0, Neighbour: beside}
				sent, err := b.sendMedia(sess, a)
				if err == nil && sent.NotSent == "" && sent.Addr.Addr() != client.Addr() && !sess.isProven(sent.Addr.Addr()) {
					t.Fatalf("%+v", sent)
				}
			}
		}
		for _, s := range b.sock.all() {
			if !sess.isProven(s.remote.Addr()) || len(s.data) > 64 || isServicePort(s.remote.Port()) {
				t.Fatalf("%d octets to %s", len(s.data), s.remote)
			}
		}
		var p h323.PDU
		p.ParseCall([]byte(text))
		announcedH323(&p)
		p.ParseH245([]byte(text))
		announcedH323(&p)
		if n := b.Counters().Panics; n != 0 {
			t.Fatalf("%d faults", n)
		}
	})
}

// BenchmarkMedia takes one packet of audio after the other, without a socket.
func BenchmarkMedia(b *testing.B) {
	for _, size := range []int{172, 1200} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			bench := withMedia(b, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1, MediaPerSecond: 1 << 29, MediaSeconds: 1}})
			sess := bench.open(b)
			raw := []byte(rtpOf(sess.token, 1, size))
			svc := bench.mediaSocket(here.Addr(), mediaPort0)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n++; n%6000 == 0 { // as many as a session may
					bench.store.remove(sess, "bench")
					sess = bench.open(b)
					raw = []byte(rtpOf(sess.token, 1, size))
				}
				bench.takeMediaPacket(svc, raw, phone)
			}
			if c := bench.Counters(); c.Spent != 0 || c.Media != c.Received {
				b.Errorf("%+v", c)
			}
		})
	}
}
