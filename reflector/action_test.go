package reflector

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nofixup/reflector/wire"
)

// refusedAs returns the HTTP status of a refusal, or 0.
func refusedAs(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

// quiet is an INVITE that the client has answered by actions.
func quietInvite(token wire.Token, number uint32) string {
	tag := wire.Tag{Token: token, Number: 1}.String()
	raw := strings.Replace(request("INVITE", token, "Contact: <sip:probe@10.0.0.9>"), "sip:"+tag+"@", "sip:"+tag+wire.Quiet+"@", 1)
	return strings.ReplaceAll(raw, tag, wire.Tag{Token: token, Number: number}.String())
}

// TestQuiet looks at who is quiet and who is not.
func TestQuiet(t *testing.T) {
	tag := wire.Tag{Token: testToken, Number: 1}.String()
	for _, tt := range []struct {
		name, line string
		quiet      bool
	}{
		{"quiet", "INVITE sip:" + tag + ".quiet@h SIP/2.0", true},
		{"more behind", "INVITE sip:" + tag + ".quiet.x@h SIP/2.0", true},
		{"its CANCEL", "CANCEL sip:" + tag + ".quiet@h SIP/2.0", true},
		{"another tag before it", "INVITE sip:" + tag + "-" + tag + ".quiet@h SIP/2.0", true},
		{"the word twice", "INVITE sip:x.quiet." + tag + ".quiet@h SIP/2.0", true},
		{"another method", "OPTIONS sip:" + tag + ".quiet@h SIP/2.0", false},
		{"not behind it", "INVITE sip:" + tag + "x.quiet@h SIP/2.0", false},
		{"no tag", "INVITE sip:x.quiet@h SIP/2.0", false},
		{"half a tag", "INVITE sip:" + tag[1:] + ".quiet@h SIP/2.0", false},
		{"upper case", "INVITE sip:" + tag + ".QUIET@h SIP/2.0", false},
		{"on another line", "INVITE sip:h SIP/2.0\r\nX: " + tag + ".quiet", false},
	} {
		_, rest, _ := strings.Cut(request("INVITE", testToken), "\r\n")
		method, _, _ := strings.Cut(tt.line, " ")
		raw := tt.line + "\r\n" + strings.Replace(rest, "CSeq: 1 INVITE", "CSeq: 1 "+method, 1)
		var c composer
		answer, silence := c.answer([]byte(raw), client, []byte(testTag))
		if got := silence == wire.SilenceQuiet; got != tt.quiet || got == (answer != nil) {
			t.Errorf("%s: silence %q, answer %q", tt.name, silence, answer)
		}
	}
}

// TestActions has a call made in either direction over UDP.
func TestActions(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	nonceOf := b.store.nonce(sess.token, client.Addr())
	if out := b.in(strings.Replace(quietInvite(sess.token, 1), ";tag=1", ";tag=1"+string(nonceOf[:]), 1), client); len(out) != 0 {
		t.Fatalf("answered: %+v", out)
	}
	if r := receiptsOf(sess); len(r) != 1 || r[0].Silence != wire.SilenceQuiet {
		t.Fatalf("%+v", r)
	}
	for i, a := range []wire.Action{
		{Action: wire.ActionRespond, To: 1, Number: 2, Status: 100},
		{Action: wire.ActionRespond, To: 1, Number: 3, Status: 180},
		{Action: wire.ActionRespond, To: 1, Number: 4, Status: 200, SDP: true},
		{Action: wire.ActionRequest, To: 1, Number: 5, Method: "INFO", Dialog: true},
		{Action: wire.ActionRequest, To: 1, Number: 6, Method: "INVITE", SDP: true},
	} {
		seq, err := b.perform(sess, a)
		if err != nil || seq != uint64(i+2) {
			t.Fatalf("%+v: %d, %v", a, seq, err)
		}
		left, r := b.sock.sent[i], receiptsOf(sess)[seq-1]
		if left.remote != client || left.local != here || string(r.Data) != left.data || r.Direction != wire.Out || r.Remote != client ||
			r.Local != here || r.Transport != "udp" || (r.Answers == 1) != (a.Action == wire.ActionRespond) {
			t.Errorf("%+v, %+v", left, r)
		}
		if tag, ok := wire.FindTag(r.Data, sess.token); !ok || tag.Number != a.Number {
			t.Errorf("number %d in\n%s", tag.Number, r.Data)
		}
	}
	// One To tag for all of them, and it is the one that automatic answers have.
	nonce := b.store.nonce(sess.token, client.Addr())
	for _, left := range b.sock.sent {
		if strings.Count(left.data, ";tag="+string(nonce[:])) != 1 {
			t.Errorf("no nonce in\n%s", left.data)
		}
	}
	// The client answers the last one, which is what an ACK goes by.
	answer := strings.Replace(b.sock.sent[4].data, "INVITE sip:probe@10.0.0.9 SIP/2.0", "SIP/2.0 200 OK", 1)
	answer, _, _ = strings.Cut(answer, "Content-Type")
	answer = strings.Replace(answer, "\r\nFrom: ", "\r\nX: "+wire.Tag{Token: sess.token, Number: 7}.String()+"\r\nFrom: ", 1)
	b.in(answer+"\r\n", client)
	if r := receiptsOf(sess)[6]; r.Silence != wire.SilenceResponse || !r.Proven {
		t.Fatalf("%+v", r)
	}
	if _, err := b.perform(sess, wire.Action{Action: wire.ActionRequest, To: 7, Number: 8, Method: "ACK", Dialog: true}); err != nil {
		t.Fatal(err)
	}
	if c := b.Counters(); c.Actions != 6 || c.ActionOctets == 0 || c.Answered != 0 || sess.actions != 6 {
		t.Errorf("%+v, %d", c, sess.actions)
	}
}

// TestActionsRefused asks for what must not be.
func TestActionsRefused(t *testing.T) {
	options := wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "OPTIONS"}
	for _, tt := range []struct {
		name   string
		limits Limits
		from   netip.AddrPort
		action wire.Action
		before func(b *bench, sess *session)
		status int
	}{
		{name: "to the future", action: wire.Action{Action: wire.ActionRequest, To: 3, Number: 9, Method: "OPTIONS"}, status: 404},
		{name: "to an answer", action: wire.Action{Action: wire.ActionRequest, To: 2, Number: 9, Method: "OPTIONS"}, status: 400},
		{name: "respond to an answer", action: wire.Action{Action: wire.ActionRespond, To: 2, Number: 9, Status: 200}, status: 400},
		{name: "close without a connection", action: wire.Action{Action: wire.ActionClose, To: 1}, status: 400},
		{name: "an old number", action: wire.Action{Action: wire.ActionRespond, To: 1, Number: 0, Status: 200}, status: 400},
		{name: "an unproven address", from: other, action: options, status: 403},
		{name: "an unproven port", from: netip.AddrPortFrom(client.Addr(), client.Port()+1), action: options, status: 403},
		{name: "a service port", from: netip.MustParseAddrPort("192.0.2.9:53"), action: options, status: 403},
		{name: "no room for messages", limits: Limits{Messages: 2}, action: options, status: 503},
		{name: "no room for octets", limits: Limits{SessionOctets: 800}, action: options, status: 503},
		{name: "no room in memory", limits: Limits{Octets: 1500, SessionOctets: 1500}, action: options, status: 503},
		{name: "too large", limits: Limits{MessageOctets: 430}, action: wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "INVITE", SDP: true}, status: 400},
		{
			name: "budget", limits: Limits{Actions: 2}, action: options, status: 429,
			before: func(b *bench, sess *session) {
				for range 2 {
					if _, err := b.perform(sess, options); err != nil {
						panic(err)
					}
				}
			},
		},
		{name: "ended", action: options, status: 404, before: func(b *bench, sess *session) { b.store.remove(sess, "test") }},
		{
			name: "the system refuses", action: options, status: 503,
			before: func(b *bench, _ *session) { b.sock.fault = func() error { return errors.New("not permitted") } },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{Limits: tt.limits})
			sess := b.open(t)
			from := client
			if tt.from.IsValid() {
				from = tt.from
			}
			first := request("OPTIONS", sess.token)
			if from == client {
				// As the client's next message does, it holds the nonce of an answer.
				nonce := b.store.nonce(sess.token, from.Addr())
				first = strings.Replace(first, ";tag=1", ";tag=1"+string(nonce[:]), 1)
			}
			b.in(first, from)
			if tt.before != nil {
				tt.before(b, sess)
			}
			left, kept, spent := len(b.sock.sent), len(receiptsOf(sess)), sess.actions
			seq, err := b.perform(sess, tt.action)
			if refusedAs(err) != tt.status || seq != 0 {
				t.Errorf("%d, %v, want %d", seq, err, tt.status)
			}
			if len(b.sock.sent) != left || len(receiptsOf(sess)) != kept || sess.actions != spent {
				t.Errorf("%d left, %d kept, %d actions", len(b.sock.sent)-left, len(receiptsOf(sess))-kept, sess.actions-spent)
			}
			b.store.remove(sess, "test")
			if n := b.store.octets.Load(); n != 0 {
				t.Errorf("%d octets are still charged", n)
			}
		})
	}
}

// TestActionProven takes an address from unproven to proven: the action that was refused is done.
func TestActionProven(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	b.in(request("ACK", sess.token), other)
	options := wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "OPTIONS"}
	if _, err := b.perform(sess, options); refusedAs(err) != http.StatusForbidden {
		t.Fatalf("%v", err)
	}
	nonce := b.store.nonce(sess.token, other.Addr())
	b.in(request("ACK", sess.token, "X: "+string(nonce[:])), other)
	// The address is proven now, but the first message does not show that its port is.
	if _, err := b.perform(sess, options); refusedAs(err) != http.StatusForbidden {
		t.Fatalf("%v", err)
	}
	options.To = 2
	if _, err := b.perform(sess, options); err != nil || len(b.sock.sent) != 1 || b.sock.sent[0].remote != other {
		t.Errorf("%v, %+v", err, b.sock.sent)
	}
}

// TestCheckAction goes through what no receipt could make possible.
func TestCheckAction(t *testing.T) {
	for _, a := range []wire.Action{
		{Action: "respond", Number: 1, Status: 200},
		{Action: "relay", To: 1, Number: 1},
		{To: 1, Number: 1, Status: 200},
		{Action: "respond", To: 1, Number: 1, Status: 201},
		{Action: "respond", To: 1, Number: 1},
		{Action: "respond", To: 1, Number: wire.MaxNumber + 1, Status: 200},
		{Action: "respond", To: 1, Number: 1, Status: 200, Method: "INVITE"},
		{Action: "respond", To: 1, Number: 1, Status: 200, Dialog: true},
		{Action: "respond", To: 1, Number: 1, Status: 180, SDP: true},
		{Action: "request", To: 1, Number: 1},
		{Action: "request", To: 1, Number: 1, Method: "invite"},
		{Action: "request", To: 1, Number: 1, Method: "REGISTER"},
		{Action: "request", To: 1, Number: 1, Method: "INVITE\r\nX:"},
		{Action: "request", To: 1, Number: 1, Method: "INVITE", Status: 200},
		{Action: "request", To: 1, Number: 1, Method: "INVITE", CSeq: 1 << 31},
		{Action: "request", To: 1, Number: 1, Method: "OPTIONS", SDP: true},
		{Action: "request", To: 1, Number: 1, Method: "BYE"},
		{Action: "close", To: 1, Number: 1},
		{Action: "close"},
	} {
		if refusedAs(checkAction(a)) != http.StatusBadRequest {
			t.Errorf("%+v: %v", a, checkAction(a))
		}
	}
}

// TestActionsOverTCP acts on messages that came in pieces, and on two that came as one.
func TestActionsOverTCP(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	p := b.dial(t, client, false)
	tcp := func(s string) string { return strings.Replace(s, "SIP/2.0/UDP", "SIP/2.0/TCP", 1) }
	invite, options := tcp(quietInvite(sess.token, 1)), tcpRequest("OPTIONS", sess.token, 2, "")
	second := tcp(quietInvite(sess.token, 3))
	p.send("\r\n"+invite[:50], invite[50:300], invite[300:]+options[:10], options[10:]+second+options)

	p.await(t, "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\nSIP/2.0 200 OK")
	var silences []string
	for _, r := range receiptsOf(sess) {
		silences = append(silences, r.Silence)
	}
	if want := []string{"partial", "partial", "quiet", "", "", ""}; !slices.Equal(silences, want) {
		t.Fatalf("silences %q", silences)
	}
	respond := func(to uint64, number uint32) (string, error) {
		seq, err := b.perform(sess, wire.Action{Action: wire.ActionRespond, To: to, Number: number, Status: 180})
		if err != nil {
			return "", err
		}
		r := receiptsOf(sess)[seq-1]
		if r.Answers != to || r.Conn != 1 || r.Transport != "tcp" {
			t.Errorf("%+v", r)
		}
		return string(r.Data), nil
	}
	if _, err := respond(1, 10); refusedAs(err) != http.StatusBadRequest {
		t.Errorf("to a part: %v", err)
	}
	for to, number := range map[uint64]uint32{3: 1, 4: 3} {
		text, err := respond(to, 10+number)
		if err != nil || !strings.Contains(text, "Call-ID: "+wire.Tag{Token: sess.token, Number: number}.String()) || !strings.Contains(text, ";transport=tcp>") {
			t.Errorf("%v, to %d:\n%s", err, to, text)
		}
	}
	got := p.hangUp()
	if books := keepBooks(t, sess, 1); books.out != got || strings.Count(got, "180 Ringing") != 2 {
		t.Errorf("%+v\n%q", books, got)
	}
	if _, err := respond(3, 20); refusedAs(err) != http.StatusConflict {
		t.Errorf("on a closed connection: %v", err)
	}
	if _, err := b.perform(sess, wire.Action{Action: wire.ActionClose, To: 3}); refusedAs(err) != http.StatusConflict {
		t.Errorf("closed again: %v", err)
	}
}

// TestActionClose closes a connection, the reflector first; what the client still has under way is kept.
func TestActionClose(t *testing.T) {
	for name, half := range map[string]bool{"one direction": true, "both": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Config{})
				sess := b.open(t)
				p := &peer{done: make(chan struct{}), eof: make(chan struct{})}
				var up, down net.Conn
				p.up, up = net.Pipe()
				down, p.down = net.Pipe()
				var conn net.Conn = duplex{down, up, here, client}
				if !half {
					conn = whole{conn}
				}
				b.connect(t, p, conn, false)
				options := tcpRequest("OPTIONS", sess.token, 1, "")
				p.send(options)
				synctest.Wait()
				start := time.Now()
				seq, err := b.perform(sess, wire.Action{Action: wire.ActionClose, To: 2})
				if err != nil || seq != 3 {
					t.Fatal(seq, err)
				}
				<-p.eof
				if err := p.send(options); half != (err == nil) {
					t.Errorf("%v", err)
				}
				if _, err := b.perform(sess, wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "OPTIONS"}); refusedAs(err) != http.StatusConflict {
					t.Errorf("%v", err)
				}
				<-p.done
				books := keepBooks(t, sess, 1)
				if books.outEnd != wire.EndClosed || books.out != p.received() {
					t.Errorf("%+v", books)
				}
				if half && (books.inEnd != wire.EndTimeout || p.ended.Sub(start) != drainTime || !slices.Equal(books.silences, []string{"", wire.SilenceFailed})) {
					t.Errorf("after %v: %+v", p.ended.Sub(start), books)
				}
				if !half && (books.inEnd != wire.EndClosed || p.ended.Sub(start) != 0) {
					t.Errorf("after %v: %+v", p.ended.Sub(start), books)
				}
			})
		})
	}
}

// TestActionDeaf acts on a connection whose client takes nothing.
func TestActionDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{})
		sess := b.open(t)
		p := b.dial(t, client, true)
		p.send(tcpRequest("ACK", sess.token, 1, ""))
		synctest.Wait()
		options := wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "OPTIONS"}
		start := time.Now()
		if seq, err := b.perform(sess, options); seq == 0 || refusedAs(err) != http.StatusConflict || time.Since(start) != 5*time.Second {
			t.Errorf("%d, %v after %v", seq, err, time.Since(start))
		}
		<-p.done
		last := receiptsOf(sess)[3]
		if last.Direction != wire.Out || last.End != wire.EndTimeout || last.Off != 0 {
			t.Errorf("%+v", last)
		}
	})
}

// TestActionAdvertised: behind a 1:1 NAT a client must be told the address that it knows.
func TestActionAdvertised(t *testing.T) {
	b := newBench(t, Config{})
	sess := b.open(t)
	b.svc.tell = netip.MustParseAddr("203.0.113.200")
	nonce := b.store.nonce(sess.token, client.Addr())
	b.in(strings.Replace(request("OPTIONS", sess.token), ";tag=1", ";tag=1"+string(nonce[:]), 1), client)
	if _, err := b.perform(sess, wire.Action{Action: wire.ActionRequest, To: 1, Number: 9, Method: "INVITE", SDP: true}); err != nil {
		t.Fatal(err)
	}
	text := b.sock.sent[1].data
	if strings.Contains(text, here.Addr().String()) || strings.Count(text, "203.0.113.200") != 8 {
		t.Error(text)
	}
}
