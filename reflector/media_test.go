package reflector

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// mediaPort0 is the first port of media of a bench that has media.
const mediaPort0 = 10000

// phone is where the client has its media.
var phone = netip.AddrPortFrom(client.Addr(), 30000)

// second is another address of the reflector's.
var second = netip.MustParseAddr("198.51.100.6")

// mediaSock is a socket of media: what it writes goes into the bench's books.
type mediaSock struct {
	*recorder
	at  netip.AddrPort
	tos int
}

func (m *mediaSock) arrival() (netip.AddrPort, int, int) { return m.at, m.ttl, m.tos }

// withMedia gives a bench four pairs of ports of media on each of two addresses, and places for H.323.
func withMedia(t tb, cfg Config) *bench {
	b := withH323(t, cfg)
	for port := uint16(mediaPort0); port < mediaPort0+8; port++ {
		for _, addr := range []netip.Addr{here.Addr(), second} {
			at := netip.AddrPortFrom(addr, port)
			b.media = append(b.media, &service{endpoint: endpoint{ServiceMedia, at, addr}, sock: &mediaSock{b.sock, at, 0xb8}})
		}
	}
	b.mediaPorts = portRange{mediaPort0, mediaPort0 + 7}
	return b
}

// on hands in one datagram on a port of media and returns what left because of it.
func (b *bench) on(port uint16, raw string, remote netip.AddrPort) []sent {
	before := len(b.sock.all())
	b.takeMediaPacket(b.mediaSocket(here.Addr(), port), []byte(raw), remote)
	return b.sock.all()[before:]
}

// rtpOf is a client's packet of so many octets.
func rtpOf(token wire.Token, number uint32, size int) string {
	head := "\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78" + wire.Tag{Token: token, Number: number}.String()
	return head + strings.Repeat("\xd5", max(0, size-len(head)))
}

// mediaOf returns a session's records.
func mediaOf(sess *session) (list []wire.Media) {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	for _, page := range sess.media.pages {
		for i := range page {
			list = append(list, page[i].wire(uint64(len(list)+1)))
		}
	}
	return list
}

// mediaFigures are those of a session's books.
type mediaFigures struct{ records, dropped, talks int }

func figuresOf(sess *session) mediaFigures {
	sess.mu.Lock()
	defer sess.mu.Unlock()
	return mediaFigures{sess.media.records, sess.media.dropped, len(sess.media.talks)}
}

// TestMediaRecords looks at what is kept of packets, and that nothing goes back by itself.
func TestMediaRecords(t *testing.T) {
	b := withMedia(t, Config{})
	sess := b.open(t)
	nonce := b.store.nonce(sess.token, other.Addr())
	for i, tt := range []struct {
		name   string
		raw    string
		from   netip.AddrPort
		proven bool
	}{
		{"audio", rtpOf(sess.token, 7, 172), client, true},
		{"video", rtpOf(sess.token, 8, 1200), client, true},
		{"RTCP", "\x81\xc9\x00\x07" + rtpOf(sess.token, 9, 0)[4:], client, true},
		{"the tag alone", wire.Tag{Token: sess.token, Number: 10}.String(), client, true},
		{"from elsewhere", rtpOf(sess.token, 11, 172), other, false},
		{"with the nonce of elsewhere", rtpOf(sess.token, 12, 80) + string(nonce[:]), other, true},
		{"from elsewhere, which is proven now", rtpOf(sess.token, 13, 172), other, true},
	} {
		port := uint16(mediaPort0 + i%4)
		if out := b.on(port, tt.raw, tt.from); len(out) != 0 {
			t.Errorf("%s: answered %+v", tt.name, out)
		}
		list := mediaOf(sess)
		if len(list) != i+1 {
			t.Fatalf("%s: %d records", tt.name, len(list))
		}
		want := wire.Media{
			Seq: uint64(i + 1), At: list[i].At, Direction: wire.In, Local: netip.AddrPortFrom(here.Addr(), port), Remote: tt.from,
			TTL: 57, TOS: 0xb8, Length: len(tt.raw), Number: uint32(7 + i), Proven: tt.proven,
		}
		got := list[i]
		if head := tt.raw[:min(len(tt.raw), wire.MediaHead)]; string(got.Head) != head {
			t.Errorf("%s: kept %q", tt.name, got.Head)
		}
		got.Head = nil
		if fmt.Sprint(got) != fmt.Sprint(want) || time.Since(got.At) > time.Minute {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, want)
		}
	}
	for _, raw := range []string{"", rtpOf(sess.token, 1, maxMediaPacket+1), rtpOf(wire.NewToken(), 1, 172), "\x80\x00"} {
		b.on(mediaPort0, raw, client)
	}
	if c := b.Counters(); c.Kept != 7 || c.Media != 7 || c.Received != c.Empty+c.Oversize+c.BadSource+c.Tokenless+c.Kept+c.Spent ||
		c.Octets != 7*mediaOverhead {
		t.Errorf("%+v", c)
	}
	if len(receiptsOf(sess)) != 0 {
		t.Error("media got receipts")
	}
}

// TestMediaBudget sends more than the budget allows: faster, and in all.
func TestMediaBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withMedia(t, Config{Limits: Limits{MediaPerSecond: 10, MediaSeconds: 3}})
		sess := b.open(t)
		want := func(records, dropped int) {
			t.Helper()
			if got := figuresOf(sess); got.records != records || got.dropped != dropped {
				t.Errorf("%d records and %d dropped, want %d and %d", got.records, got.dropped, records, dropped)
			}
		}
		for range 25 {
			b.on(mediaPort0, rtpOf(sess.token, 1, 172), client)
		}
		want(10, 15)
		for range 15 {
			time.Sleep(100 * time.Millisecond)
			b.on(mediaPort0, rtpOf(sess.token, 1, 172), client)
		}
		want(25, 15)
		time.Sleep(10 * time.Second)
		for range 10 {
			b.on(mediaPort0, rtpOf(sess.token, 1, 172), client)
		}
		want(30, 20)
		if c := b.Counters(); c.Spent != 20 || c.Octets != 30*mediaOverhead {
			t.Errorf("%+v", c)
		}
		b.store.remove(sess, "test")
		if c := b.Counters(); c.Octets != 0 {
			t.Errorf("%d octets are left", c.Octets)
		}
	})
}

// sendMediaOf does an action of media and wants it done.
func (b *bench) sendMediaOf(t tb, sess *session, a wire.Action) wire.Sent {
	t.Helper()
	if err := b.check(a); err != nil {
		t.Fatal(err)
	}
	got, err := b.sendMedia(sess, a)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestMediaBack has media sent back to where some came from: all of it, and no more than came.
func TestMediaBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withMedia(t, Config{})
		sess := b.open(t)
		mapped := netip.AddrPortFrom(client.Addr(), 61000)
		for range 5 {
			b.on(mediaPort0+2, rtpOf(sess.token, 1, 172), mapped)
		}
		start := time.Now()
		got := b.sendMediaOf(t, sess, wire.Action{Action: wire.ActionMedia, Number: 20, Record: 1, Count: 8, Interval: 30})
		var tag wire.Tag
		for tag = range wire.Tags([]byte(got.Tag)) {
		}
		if got.Addr != mapped || tag.Number != 20 || tag.Token == sess.token || tag.String() != got.Tag {
			t.Fatalf("%+v", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(b.sock.all()) != 5 {
			t.Fatalf("%d packets for 5", len(b.sock.all()))
		}
		b.on(mediaPort0, rtpOf(sess.token, 2, 400), client) // credit is the address's, not the port's
		time.Sleep(5 * time.Second)
		synctest.Wait()
		b.on(mediaPort0, rtpOf(sess.token, 2, 172), client) // too late: patience is over
		time.Sleep(time.Second)
		synctest.Wait()
		if len(b.sock.all()) != 6 || figuresOf(sess).talks != 0 {
			t.Fatalf("%d packets, %d talks", len(b.sock.all()), figuresOf(sess).talks)
		}
		records := mediaOf(sess)
		for i, s := range b.sock.all() {
			if s.remote != mapped || s.local != netip.AddrPortFrom(here.Addr(), mediaPort0+2) || len(s.data) != 172 {
				t.Errorf("%+v", s)
			}
			raw := []byte(s.data)
			if raw[0] != 0x80 || raw[1]&0x7f != 0 || (raw[1]&0x80 != 0) != (i == 0) || binary.BigEndian.Uint16(raw[2:]) != uint16(i) ||
				binary.BigEndian.Uint32(raw[4:]) != uint32(240*i) || !bytes.Equal(raw[8:12], tag.Token[:4]) || !strings.Contains(s.data, got.Tag) {
				t.Errorf("packet %d: % x", i, raw[:60])
			}
			// Records 1 to 5 came, 6 to 10 went, 11 came, 12 went.
			n := 5 + i
			if i == 5 {
				n = 11
			}
			r := records[n]
			if r.Direction != wire.Out || r.Remote != mapped || r.Local != s.local || r.Number != 20 || r.Length != 172 || string(r.Head) != s.data[:64] {
				t.Errorf("%+v", r)
			}
			if i < 5 && r.At.Sub(start) != time.Duration(i)*30*time.Millisecond {
				t.Errorf("packet %d after %v", i, r.At.Sub(start))
			}
		}
		if c := b.Counters(); c.MediaSent != 6 || c.MediaSentOctets != 6*172 || c.Actions != 1 {
			t.Errorf("%+v", c)
		}
		// Octets are counted as packets are.
		before := len(b.sock.all())
		b.on(mediaPort0, rtpOf(sess.token, 2, 100), client)
		b.sendMediaOf(t, sess, wire.Action{Action: wire.ActionMedia, Number: 21, Record: 1, Count: 3, Size: 1200})
		b.sendMediaOf(t, sess, wire.Action{Action: wire.ActionMedia, Number: 22, Record: 1, Count: 1, RTCP: true})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		left := b.sock.all()[before:]
		if len(left) != 1 || len(left[0].data) != wire.RTCPSize || left[0].data[1] != 201 || left[0].data[9] != 204 {
			t.Errorf("%+v", left)
		}
	})
}

// TestMediaEnds ends a session, and the server, while media is being sent.
func TestMediaEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withMedia(t, Config{})
		sess := b.open(t)
		for range 100 {
			b.on(mediaPort0, rtpOf(sess.token, 1, 172), phone)
		}
		for i := range maxTalks {
			b.sendMediaOf(t, sess, wire.Action{Action: wire.ActionMedia, Number: uint32(i), Record: 1, Count: 50})
		}
		if _, err := b.sendMedia(sess, wire.Action{Action: wire.ActionMedia, Record: 1, Count: 50}); refusedAs(err) != 429 {
			t.Errorf("one too many: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		before := len(b.sock.all())
		b.store.remove(sess, "test")
		time.Sleep(time.Minute)
		synctest.Wait()
		if before == 0 || len(b.sock.all()) != before || b.Counters().Octets != 0 {
			t.Errorf("%d packets, then %d; %d octets", before, len(b.sock.all()), b.Counters().Octets)
		}
	})
}

// withSDP is a quiet INVITE with a session description.
func withSDP(token wire.Token, number uint32, body string) string {
	body = strings.ReplaceAll(body, "\n", "\r\n")
	raw := strings.TrimSuffix(quietInvite(token, number), "\r\n")
	return raw + fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

const offer = `v=0
o=- 1 1 IN IP4 10.0.0.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio 30000 RTP/AVP 0
m=video 30100 RTP/AVP 97
c=IN IP4 10.0.0.9
a=rtcp:30500 IN IP4 192.0.2.9
m=audio 30200 RTP/AVP 0
c=IN IP4 203.0.113.7
m=audio 0 RTP/AVP 0
m=audio 5060 RTP/AVP 0
m=audio 30300 RTP/AVP 0
c=IN IP4 phone.example
a=rtcp:30308
m=audio 80 RTP/AVP 0
m=audio 65532 RTP/AVP 0
m=audio 65524 RTP/AVP 0
`

// TestPinhole sends datagrams to what a message announces, and to nothing else.
func TestPinhole(t *testing.T) {
	b := withMedia(t, Config{})
	sess := b.open(t)
	if out := b.in(withSDP(sess.token, 1, offer), client); len(out) != 0 {
		t.Fatalf("answered: %+v", out)
	}
	host := here.Addr()
	for _, tt := range []struct {
		name    string
		a       wire.Action
		notSent string
		from    netip.AddrPort
		to      string
	}{
		{"announced", wire.Action{Port: 10002, From: wire.FromMedia}, "", netip.AddrPortFrom(host, 10002), "192.0.2.9:30000"},
		{"its RTCP", wire.Action{Port: 10002, From: wire.FromMedia, RTCP: true}, "", netip.AddrPortFrom(host, 10003), "192.0.2.9:30001"},
		{"neighbour", wire.Action{Port: 10002, From: wire.FromMedia, Neighbour: true}, "", netip.AddrPortFrom(host, 10002), "192.0.2.9:30008"},
		{"from another port", wire.Action{Port: 10002, From: wire.FromPort}, "", netip.AddrPortFrom(host, 10006), "192.0.2.9:30000"},
		{"from the other end", wire.Action{Port: 10004, From: wire.FromPort, RTCP: true}, "", netip.AddrPortFrom(host, 10001), "192.0.2.9:30001"},
		{"from another host", wire.Action{Port: 10002, From: wire.FromHost, RTCP: true}, "", netip.AddrPortFrom(second, 10003), "192.0.2.9:30001"},
		{"private", wire.Action{Port: 10002, From: wire.FromMedia, Line: 1}, wire.NotSentPrivate, netip.AddrPort{}, "10.0.0.9:30100"},
		{"RTCP of its own", wire.Action{Port: 10002, From: wire.FromMedia, Line: 1, RTCP: true}, "", netip.AddrPortFrom(host, 10003), "192.0.2.9:30500"},
		{"private neighbour", wire.Action{Port: 10002, From: wire.FromMedia, Line: 1, Neighbour: true}, wire.NotSentPrivate, netip.AddrPort{}, "10.0.0.9:30108"},
		{"foreign", wire.Action{Port: 10002, From: wire.FromMedia, Line: 2}, wire.NotSentForeign, netip.AddrPort{}, "203.0.113.7:30200"},
		{"none", wire.Action{Port: 10002, From: wire.FromMedia, Line: 3}, wire.NotSentNone, netip.AddrPort{}, ""},
		{"neighbour of none", wire.Action{Port: 10002, From: wire.FromMedia, Line: 3, Neighbour: true}, wire.NotSentNone, netip.AddrPort{}, ""},
		{"a service", wire.Action{Port: 10002, From: wire.FromMedia, Line: 4}, wire.NotSentPort, netip.AddrPort{}, "192.0.2.9:5060"},
		{"a name", wire.Action{Port: 10002, From: wire.FromMedia, Line: 5}, wire.NotSentName, netip.AddrPort{}, ""},
		{"a system port", wire.Action{Port: 10002, From: wire.FromMedia, Line: 6}, wire.NotSentPort, netip.AddrPort{}, "192.0.2.9:80"},
		{"at the end", wire.Action{Port: 10002, From: wire.FromMedia, Line: 7, Neighbour: true}, wire.NotSentAnnounced, netip.AddrPort{}, "192.0.2.9:65524"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, actions := len(b.sock.all()), sess.actions
			tt.a.Action, tt.a.To, tt.a.Number = wire.ActionPinhole, 1, 33
			got := b.sendMediaOf(t, sess, tt.a)
			left := b.sock.all()[before:]
			if tt.to != "" && got.Addr.String() != tt.to && tt.notSent != wire.NotSentName || got.NotSent != tt.notSent {
				t.Errorf("%+v", got)
			}
			if tt.notSent != "" {
				if len(left) != 0 || got.Seq != 0 || sess.actions != actions {
					t.Errorf("%+v, %d left, %d actions", got, len(left), sess.actions)
				}
				return
			}
			if len(left) != 1 || left[0].local != tt.from || left[0].remote.String() != tt.to || len(left[0].data) > 64 ||
				left[0].data[0]>>6 != 2 || !strings.Contains(left[0].data, got.Tag) || strings.Contains(left[0].data, sess.token.String()) {
				t.Fatalf("%+v, %+v", got, left)
			}
			if r := mediaOf(sess)[got.Seq-1]; r.Direction != wire.Out || r.Local != tt.from || r.Remote != got.Addr || r.Number != 33 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestMediaRefused looks at actions of media that are none, or that would go where nothing may.
func TestMediaRefused(t *testing.T) {
	b := withMedia(t, Config{Limits: Limits{Pinholes: 2, Actions: 10}})
	sess := b.open(t)
	b.in(withSDP(sess.token, 1, offer), client)                                       // 1
	b.in(withSDP(sess.token, 2, offer), other)                                        // 2, unproven
	b.in(withSDP(sess.token, 3, offer), netip.AddrPortFrom(client.Addr(), 53))        // 3
	b.in(request("OPTIONS", sess.token), client)                                      // 4, and its answer 5
	b.on(mediaPort0, rtpOf(sess.token, 4, 172), other)                                // media 1
	b.on(mediaPort0, rtpOf(sess.token, 4, 172), netip.AddrPortFrom(client.Addr(), 9)) // media 2
	b.on(mediaPort0, rtpOf(sess.token, 4, 172), phone)                                // media 3
	b.sock.sent = nil
	pinhole := func(a wire.Action) wire.Action {
		a.Action = wire.ActionPinhole
		if a.To == 0 {
			a.To = 1
		}
		if a.From == "" {
			a.From = wire.FromMedia
		}
		if a.Port == 0 {
			a.Port = mediaPort0
		}
		return a
	}
	media := func(a wire.Action) wire.Action {
		a.Action = wire.ActionMedia
		if a.Count == 0 {
			a.Count = 1
		}
		return a
	}
	for _, tt := range []struct {
		name   string
		a      wire.Action
		status int
	}{
		{"unproven", pinhole(wire.Action{To: 2}), 403},
		{"of a system port", pinhole(wire.Action{To: 3}), 403},
		{"no such receipt", pinhole(wire.Action{To: 9}), 404},
		{"of what was sent", pinhole(wire.Action{To: 5}), 400},
		{"no description", pinhole(wire.Action{To: 4}), 400},
		{"no such line", pinhole(wire.Action{Line: 20}), 400},
		{"a line too many", pinhole(wire.Action{Line: maxAnnounced}), 400},
		{"a line too few", pinhole(wire.Action{Line: -1}), 400},
		{"an odd port", pinhole(wire.Action{Port: mediaPort0 + 1}), 400},
		{"not a port of media", pinhole(wire.Action{Port: mediaPort0 + 8}), 400},
		{"from elsewhere", pinhole(wire.Action{From: "192.0.2.1"}), 400},
		{"with a count", pinhole(wire.Action{Count: 2}), 400},
		{"with a method", pinhole(wire.Action{Method: "INVITE"}), 400},
		{"a number too large", pinhole(wire.Action{Number: wire.MaxNumber + 1}), 400},
		{"neither", media(wire.Action{}), 400},
		{"both", media(wire.Action{To: 1, Port: mediaPort0, Record: 3}), 400},
		{"no port", media(wire.Action{To: 1}), 400},
		{"a port for a record", media(wire.Action{Record: 3, Port: mediaPort0}), 400},
		{"with a status", media(wire.Action{Record: 3, Status: 200}), 400},
		{"too small", media(wire.Action{Record: 3, Size: 47}), 400},
		{"too large", media(wire.Action{Record: 3, Size: 1201}), 400},
		{"RTCP has a size", media(wire.Action{Record: 3, Size: 100, RTCP: true}), 400},
		{"too fast", media(wire.Action{Record: 3, Interval: 4}), 400},
		{"too slow", media(wire.Action{Record: 3, Interval: 1001}), 400},
		{"too long", media(wire.Action{Record: 3, Interval: 1000, Count: 31}), 400},
		{"too many", media(wire.Action{Record: 3, Count: 6001}), 400},
		{"fewer than one", media(wire.Action{Record: 3, Count: -1}), 400},
		{"media that is unproven", media(wire.Action{Record: 1}), 403},
		{"media of a system port", media(wire.Action{Record: 2}), 403},
		{"no such record", media(wire.Action{Record: 4}), 404},
	} {
		actions := sess.actions
		err := b.check(tt.a)
		if err == nil {
			_, err = b.sendMedia(sess, tt.a)
		}
		if refusedAs(err) != tt.status || len(b.sock.all()) != 0 || sess.actions != actions {
			t.Errorf("%s: %v, %d sent, %d actions", tt.name, err, len(b.sock.all()), sess.actions)
		}
	}
	for i := range 3 {
		_, err := b.sendMedia(sess, pinhole(wire.Action{}))
		if (i < 2) != (err == nil) || i == 2 && refusedAs(err) != 429 {
			t.Errorf("pinhole %d: %v", i, err)
		}
	}
	if c := b.Counters(); c.Pinholes != 2 || len(b.sock.all()) != 2 {
		t.Errorf("%d pinholes, %d sent", c.Pinholes, len(b.sock.all()))
	}
	sess.actions = 10
	if _, err := b.sendMedia(sess, media(wire.Action{Record: 3})); refusedAs(err) != 429 {
		t.Errorf("no action left: %v", err)
	}
	one := withMedia(t, Config{})
	one.media = one.media[:1]
	one.mediaPorts = portRange{mediaPort0, mediaPort0 + 1}
	sess = one.open(t)
	one.in(withSDP(sess.token, 1, offer), client)
	for _, from := range []string{wire.FromPort, wire.FromHost} {
		if _, err := one.sendMedia(sess, pinhole(wire.Action{From: from})); refusedAs(err) != 400 {
			t.Errorf("%s: %v", from, err)
		}
	}
}

// TestMediaTowards sends media to where a message announces that it is taken.
func TestMediaTowards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withMedia(t, Config{})
		sess := b.open(t)
		b.in(withSDP(sess.token, 1, offer), client)
		b.on(mediaPort0, rtpOf(sess.token, 2, 172), client)
		b.on(mediaPort0, rtpOf(sess.token, 2, 172), client)
		a := wire.Action{Action: wire.ActionMedia, To: 1, Number: 5, Port: mediaPort0 + 4, Count: 3}
		if got := b.sendMediaOf(t, sess, a); got.Addr.String() != "192.0.2.9:30000" || got.NotSent != "" {
			t.Errorf("%+v", got)
		}
		for line, why := range map[int]string{1: wire.NotSentPrivate, 2: wire.NotSentForeign, 3: wire.NotSentNone, 5: wire.NotSentName, 6: wire.NotSentPort} {
			a.Line = line
			if got := b.sendMediaOf(t, sess, a); got.NotSent != why {
				t.Errorf("line %d: %+v", line, got)
			}
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(b.sock.all()) != 2 || b.sock.all()[1].remote.String() != "192.0.2.9:30000" || b.sock.all()[1].local.Port() != mediaPort0+4 {
			t.Errorf("%+v", b.sock.all())
		}
	})
}

// TestMediaH323 has H.323 announce ports of media, and sends to what it announces.
func TestMediaH323(t *testing.T) {
	b := withMedia(t, Config{})
	sess := b.open(t)
	public := netip.AddrPortFrom(client.Addr(), 31000)
	rtcp := netip.AddrPortFrom(client.Addr(), 31001)
	c := &caller{token: sess.token, fast: []h323.Channel{
		{Number: 1, Codec: h323.CodecG711Ulaw, MediaControl: rtcp},
		{Number: 2, Codec: h323.CodecG711Ulaw, Reverse: true, Media: public, MediaControl: rtcp},
		{Number: 3, Codec: h323.CodecH261, Reverse: true, Media: inside, MediaControl: inside},
	}}
	setup := func(mark string) string {
		return must(h323.CallMessage{
			Reference: 1, Display: c.display() + mark, ID: [16]byte{1},
			Body: h323.SetupBody{SourceCallSignalAddress: inside, DestCallSignalAddress: here, ConferenceID: [16]byte{4}, FastStart: c.fast},
		}.Append(nil))
	}
	var seen []string
	for _, mark := range []string{"", wire.Live, wire.Live} {
		p := b.dialTo(t, wire.ServiceH225, client, false)
		if err := p.send(setup(mark)); err != nil {
			t.Fatal(err)
		}
		p.settled(t)
		var m h323.PDU
		m.ParseCall([]byte(frames(t, p.received())[1])) // Alerting
		for _, text := range addresses(&m) {
			_, addr, _ := strings.Cut(text, " ")
			where := netip.MustParseAddrPort(addr)
			if live := b.mediaPorts.holds(where.Port()); live != (mark != "") || where.Addr() != here.Addr() {
				t.Errorf("%q: %s", mark, text)
			}
			seen = append(seen, text)
		}
		if mark == "" {
			p.hangUp()
			continue
		}
		seq := uint64(0)
		for _, r := range receiptsOf(sess) {
			if r.Direction == wire.In && r.Silence == "" {
				seq = r.Seq
			}
		}
		for _, tt := range []struct {
			line    int
			rtcp    bool
			to, why string
		}{
			{0, false, "", wire.NotSentNone},
			{0, true, rtcp.String(), ""},
			{1, false, public.String(), ""},
			{1, true, rtcp.String(), ""},
			{2, false, inside.String(), wire.NotSentPrivate},
		} {
			got := b.sendMediaOf(t, sess, wire.Action{
				Action: wire.ActionPinhole, To: seq, Number: 90, Line: tt.line, RTCP: tt.rtcp, From: wire.FromMedia, Port: mediaPort0,
			})
			if got.NotSent != tt.why || tt.to != "" && got.Addr.String() != tt.to {
				t.Errorf("line %d, RTCP %v: %+v", tt.line, tt.rtcp, got)
			}
		}
		p.hangUp()
	}
	// The calls of media took different ports.
	n := len(seen) / 3
	if n == 0 || seen[n] == seen[2*n] {
		t.Errorf("%q", seen)
	}
}

// TestMediaH245 is the same with channels that H.245 opens, on a connection of its own.
func TestMediaH245(t *testing.T) {
	b := withMedia(t, Config{})
	sess := b.open(t)
	c := &caller{token: sess.token}
	public := netip.AddrPortFrom(client.Addr(), 31000)
	hello := must(h323.AppendControlTPKT(nil, h323.NonStandardControl{Indication: true, Data: []byte(c.display() + wire.Live)}))
	olc := packet(h323.Channel{Number: 5, MediaControl: netip.AddrPortFrom(public.Addr(), 31001)})
	ack := packet(h323.ChannelAck{Number: 1, Session: 1, Media: public, MediaControl: netip.AddrPortFrom(public.Addr(), 31001)})
	p := b.dialTo(t, ServiceH245, client, false)
	if err := p.send(hello + olc + ack); err != nil {
		t.Fatal(err)
	}
	answered := p.settled(t)
	var m h323.PDU
	m.ParseH245([]byte(frames(t, answered)[0]))
	for _, text := range addresses(&m) {
		_, addr, _ := strings.Cut(text, " ")
		if !b.mediaPorts.holds(netip.MustParseAddrPort(addr).Port()) {
			t.Error(text)
		}
	}
	for line, want := range []string{"192.0.2.9:31001", "192.0.2.9:31001"} {
		a := wire.Action{Action: wire.ActionPinhole, To: 1, Number: 90, Line: line, RTCP: true, From: wire.FromMedia, Port: mediaPort0}
		if got := b.sendMediaOf(t, sess, a); got.Addr.String() != want || got.NotSent != "" {
			t.Errorf("line %d: %+v", line, got)
		}
	}
	if got := b.sendMediaOf(t, sess, wire.Action{Action: wire.ActionPinhole, To: 1, Line: 1, From: wire.FromMedia, Port: mediaPort0}); got.Addr != public {
		t.Errorf("%+v", got)
	}
	p.hangUp()
}

// TestMediaPortAnnounced has messages announce ports of media, and others never do.
func TestMediaPortAnnounced(t *testing.T) {
	b := withMedia(t, Config{})
	sess := b.open(t)
	nonce := b.store.nonce(sess.token, client.Addr())
	b.in(withSDP(sess.token, 1, strings.Replace(offer, "s=-", "s="+string(nonce[:]), 1)), client)
	for i, tt := range []struct {
		a    wire.Action
		want []string
	}{
		{wire.Action{Action: wire.ActionRespond, Status: 200, SDP: true, Port: 10004, Quiet: true}, []string{
			"m=audio 10004 ", "a=rtcp:10005 ", "m=video 10006 ", "a=rtcp:10007 ", "m=audio 10000 ", "Contact: <sip:TAG.quiet@198.51.100.5:5060>",
		}},
		{wire.Action{Action: wire.ActionRespond, Status: 183, SDP: true}, []string{"Contact: <sip:TAG@198.51.100.5:5060>"}},
		{wire.Action{Action: wire.ActionRequest, Method: "INVITE", SDP: true, Port: 10006, Quiet: true}, []string{
			"m=audio 10006 ", "m=video 10000 ", "Contact: <sip:TAG.quiet@198.51.100.5:5060>",
		}},
	} {
		tt.a.To, tt.a.Number = 1, uint32(i+10)
		if err := b.check(tt.a); err != nil {
			t.Fatal(err)
		}
		if _, err := b.perform(sess, tt.a); err != nil {
			t.Fatal(err)
		}
		text := b.sock.all()[i].data
		for _, want := range tt.want {
			if want = strings.Replace(want, "TAG", wire.Tag{Token: sess.token, Number: tt.a.Number}.String(), 1); !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		for port := range 8 {
			if tt.a.Port == 0 && strings.Contains(text, fmt.Sprintf(" %d RTP", mediaPort0+port)) {
				t.Errorf("a port of media in\n%s", text)
			}
		}
	}
	for _, a := range []wire.Action{
		{Action: wire.ActionRespond, To: 1, Number: 40, Status: 200, SDP: true, Port: 10005},
		{Action: wire.ActionRespond, To: 1, Number: 40, Status: 200, SDP: true, Port: 10008},
	} {
		if _, err := b.perform(sess, a); refusedAs(err) != 400 || sess.actions != 3 {
			t.Errorf("%+v: %v", a, err)
		}
	}
	if refusedAs(b.check(wire.Action{Action: wire.ActionRespond, To: 1, Status: 180, Port: 10004})) != 400 {
		t.Error("a port without a description")
	}
	// However the ports of media lie, those at which nobody listens are others, and so are those of other messages.
	at := ports{addr: here.Addr(), media: portRange{30000, 30255}}
	taken := map[uint16]uint32{}
	for n := range uint32(7000) {
		at.turn = n
		rtp, _ := at.pair(0)
		if before, ok := taken[rtp.Port()]; ok || at.media.holds(rtp.Port()) {
			t.Fatalf("port %s of message %d, and of %d", rtp, n, before)
		}
		taken[rtp.Port()] = n
	}
}

// TestQuietDialog plays a call through: everything in it is for the client to have answered.
func TestQuietDialog(t *testing.T) {
	b := withMedia(t, Config{})
	sess := b.open(t)
	b.in(withSDP(sess.token, 1, offer), client)
	if _, err := b.perform(sess, wire.Action{Action: wire.ActionRespond, To: 1, Number: 2, Status: 200, SDP: true, Port: 10002, Quiet: true}); err != nil {
		t.Fatal(err)
	}
	_, contact, _ := strings.Cut(b.sock.all()[0].data, "Contact: <")
	contact, _, _ = strings.Cut(contact, ">")
	for i, method := range []string{"INVITE", "UPDATE", "INFO", "BYE", "ACK"} {
		raw := request(method, sess.token)
		_, rest, _ := strings.Cut(raw, "\r\n")
		raw = method + " " + contact + " SIP/2.0\r\n" + rest
		if out := b.in(raw, client); len(out) != 0 {
			t.Fatalf("%s: answered %+v", method, out)
		}
		r := receiptsOf(sess)
		last := r[len(r)-1]
		if method == "ACK" {
			if last.Silence != wire.SilenceACK {
				t.Errorf("%s: %q", method, last.Silence)
			}
			continue
		}
		if last.Silence != wire.SilenceQuiet {
			t.Errorf("%s: %q", method, last.Silence)
		}
		a := wire.Action{Action: wire.ActionRespond, To: last.Seq, Number: uint32(10 + i), Status: 200, SDP: method == "INVITE", Quiet: true}
		if a.SDP {
			a.Port = 10002
		}
		if _, err := b.perform(sess, a); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}
