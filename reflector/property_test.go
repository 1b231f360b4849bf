package reflector

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nofixup/reflector/wire"
)

// ledger keeps the promises of the reflector towards those who did not ask for anything: whatever comes in,
//   - without a live token nothing leaves,
//   - a datagram leaves only to where one came from, at most one for each, and with no more octets than it had,
//   - to addresses that have not proven themselves at most 8 leave in a session,
//   - an action sends one datagram at most, to where one came from that has proven itself, and not to a service's port.
type ledger struct {
	in, out  int // octets
	unproven int
	heard    map[netip.AddrPort]bool
}

// note checks one datagram and what left because of it.
func (l *ledger) note(t interface{ Fatalf(string, ...any) }, raw string, from netip.AddrPort, live, proven bool, out []sent) {
	if l.heard == nil {
		l.heard = make(map[netip.AddrPort]bool)
	}
	l.heard[from] = true
	l.in += len(raw)
	if len(out) > 0 && !live {
		t.Fatalf("%q has no live token and was answered %d times", raw, len(out))
	}
	if len(out) > 1 {
		t.Fatalf("%q was answered %d times", raw, len(out))
	}
	for _, o := range out {
		l.out += len(o.data)
		switch {
		case len(o.data) > len(raw):
			t.Fatalf("%d octets for %d:\n%q\n%q", len(o.data), len(raw), raw, o.data)
		case o.remote != from:
			t.Fatalf("from %s, answered to %s", from, o.remote)
		case !l.heard[o.remote]:
			t.Fatalf("sent to %s, which never sent anything", o.remote)
		case from.Port() < 1024:
			t.Fatalf("answered to port %d", from.Port())
		}
		if !proven {
			l.unproven++
		}
	}
	if l.out > l.in {
		t.Fatalf("%d octets in, %d out", l.in, l.out)
	}
}

// act checks one action and what left because of it.
func (l *ledger) act(t interface{ Fatalf(string, ...any) }, sess *session, a wire.Action, seq uint64, err error, out []sent) {
	if len(out) == 0 {
		if err == nil || seq != 0 {
			t.Fatalf("%+v: nothing left, seq %d, %v", a, seq, err)
		}
		return
	}
	to := out[0].remote
	switch {
	case err != nil || len(out) > 1:
		t.Fatalf("%+v: %d datagrams left, %v", a, len(out), err)
	case !l.heard[to] || !sess.isProven(to.Addr()):
		t.Fatalf("%+v: to %s, which has not proven itself", a, to)
	case to.Port() < minAnsweredPort:
		t.Fatalf("%+v: to port %d", a, to.Port())
	}
	r := receiptsOf(sess)
	if asked := r[a.To-1]; asked.Remote != to || asked.Direction != wire.In {
		t.Fatalf("%+v: to %s, not where %+v came from", a, to, asked)
	}
	if tag, ok := wire.FindTag([]byte(out[0].data), sess.token); !ok || tag.Number != a.Number || string(r[seq-1].Data) != out[0].data {
		t.Fatalf("%+v: number %d in %q", a, tag.Number, out[0].data)
	}
}

// drawAction makes an action that may or may not be done.
func drawAction(t *rapid.T, receipts int) wire.Action {
	a := wire.Action{
		To:     uint64(rapid.IntRange(0, receipts+1).Draw(t, "to")),
		Number: rapid.Uint32Range(0, 9).Draw(t, "number"),
		SDP:    rapid.Bool().Draw(t, "sdp"),
	}
	if rapid.IntRange(0, 9).Draw(t, "setup") == 0 {
		return wire.Action{Action: wire.ActionSetup, To: a.To, Number: a.Number}
	}
	if rapid.Bool().Draw(t, "respond") {
		a.Action, a.Status = wire.ActionRespond, rapid.SampledFrom(actionStatuses).Draw(t, "status")
	} else {
		a.Action, a.Method = wire.ActionRequest, rapid.SampledFrom(actionMethods).Draw(t, "method")
		a.Dialog, a.CSeq = rapid.Bool().Draw(t, "dialog"), rapid.Uint32().Draw(t, "cseq")
	}
	return a
}

// TestPromises throws datagrams of all kinds at the receive path, with actions in between.
func TestPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := withH323(t, Config{Limits: Limits{Actions: 5}})
		b.svc.service, b.svc.ras = wire.ServiceNeutral, new(gatekeeper)
		sess, _, err := b.store.open(client)
		if err != nil {
			t.Fatal(err)
		}
		ended, _, err := b.store.open(client)
		if err != nil {
			t.Fatal(err)
		}
		b.store.remove(ended, "test")
		tokens := rapid.SampledFrom([]wire.Token{sess.token, sess.token, sess.token, ended.token, {}})
		sources := rapid.SampledFrom([]netip.AddrPort{
			client, other, netip.MustParseAddrPort("192.0.2.9:53"), netip.MustParseAddrPort("203.0.113.8:5060"),
			netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("203.0.113.7:19"),
		})
		var books ledger
		var nonces []string
		acted := 0
		for range rapid.IntRange(1, 40).Draw(t, "datagrams") {
			if rapid.IntRange(0, 3).Draw(t, "act") == 0 {
				a := drawAction(t, sess.receipts)
				if checkAction(a) != nil {
					continue
				}
				left := len(b.sock.sent)
				seq, err := b.perform(sess, a)
				books.act(t, sess, a, seq, err, b.sock.sent[left:])
				acted += len(b.sock.sent) - left
				continue
			}
			token := tokens.Draw(t, "token")
			var raw string
			if rapid.Bool().Draw(t, "ras") {
				raw = drawRAS(t, token, nonces)
			} else {
				raw = drawDatagram(t, token, nonces)
			}
			from := sources.Draw(t, "from")
			live := strings.Contains(raw, wire.Tag{Token: sess.token}.String()[:29])
			nonce := b.store.nonce(sess.token, from.Addr())
			was := sess.isProven(from.Addr())
			out := b.in(raw, from)
			proven := sess.isProven(from.Addr())
			if proven && !was && !strings.Contains(raw, string(nonce[:])) {
				t.Fatalf("%s is proven by %q", from, raw)
			}
			books.note(t, raw, from, live, proven, out)
			for _, o := range out {
				nonces = append(nonces, identifiers(o.data)...)
				if _, tag, ok := strings.Cut(o.data, ";tag="); ok && len(tag) >= nonceLen {
					nonces = append(nonces, tag[:nonceLen])
				}
				if _, rest, ok := strings.Cut(o.data, "\r\nTo: "); ok {
					if _, tag, ok := strings.Cut(rest, ";tag="); ok && len(tag) >= nonceLen {
						nonces = append(nonces, tag[:nonceLen])
					}
				}
			}
		}
		if acted != sess.actions || acted > b.cfg.Limits.Actions {
			t.Fatalf("%d datagrams left by %d actions", acted, sess.actions)
		}
		if books.unproven > b.cfg.Limits.UnprovenAnswers {
			t.Fatalf("%d answers to unproven addresses", books.unproven)
		}
		c := b.Counters()
		if c.Received != c.Empty+c.Oversize+c.BadSource+c.Tokenless+c.Kept+c.Spent || c.Panics != 0 {
			t.Fatalf("counters do not add up: %+v", c)
		}
		if got := int64(len(receiptsOf(sess)))*receiptOverhead + int64(sess.payload); got != c.Octets {
			t.Fatalf("%d octets are charged for receipts that take %d", c.Octets, got)
		}
	})
}

// drawDatagram makes something between a fine request and garbage.
func drawDatagram(t *rapid.T, token wire.Token, nonces []string) string {
	method := rapid.SampledFrom([]string{
		"OPTIONS", "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "SUBSCRIBE", "MESSAGE", "x",
	}).Draw(t, "method")
	var extra []string
	if len(nonces) > 0 && rapid.IntRange(0, 9).Draw(t, "nonce") == 0 {
		extra = append(extra, "X: "+rapid.SampledFrom(nonces).Draw(t, "which"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "lines") {
		extra = append(extra, rapid.SampledFrom([]string{
			"Contact: <sip:a@10.0.0.9>", "Expires: 5", "m: *", "Via: SIP/2.0/UDP h;rport,SIP/2.0/UDP i;rport", "To: <sip:x>;tag=1",
			"v: ;rport", " folded", "Via: SIP/2.0/UDP [::1", "\x00", "Call-ID:", "CSeq: 1", "", strings.Repeat("a:b\r\n", 200),
		}).Draw(t, "line"))
	}
	raw := request(method, token, extra...)
	switch rapid.IntRange(0, 5).Draw(t, "damage") {
	case 0: // cut
		raw = raw[:rapid.IntRange(0, len(raw)).Draw(t, "cut")]
	case 1: // lines out of order
		lines := strings.SplitAfter(raw, "\r\n")
		raw = strings.Join(rapid.Permutation(lines).Draw(t, "order"), "")
	case 2: // lines left out, with the start line in place
		lines := strings.SplitAfter(raw, "\r\n")
		i := rapid.IntRange(1, len(lines)-1).Draw(t, "from line")
		raw = strings.Join(append(lines[:1:1], lines[i:]...), "")
	case 3: // octets overwritten
		b := []byte(raw)
		for range rapid.IntRange(1, 20).Draw(t, "octets") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "where")] = rapid.Byte().Draw(t, "octet")
		}
		raw = string(b)
	case 4: // garbage
		raw = string(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "garbage")) + wire.Tag{Token: token}.String()
	}
	return raw
}

// FuzzDatagram is the same with bytes of the fuzzer's own choice. TOKEN stands for the session's tag and NONCE for the nonce
// of the address that the datagram comes from.
func FuzzDatagram(f *testing.F) {
	seeds := answerCases(f) // fails when there are none
	for _, c := range seeds {
		f.Add(append(c.request, "TOKEN"...), uint16(5060), false)
	}
	f.Add([]byte(strings.ReplaceAll(request("OPTIONS", wire.Token{}), wire.Tag{Number: 1}.String(), "TOKEN")), uint16(5060), true)
	f.Add([]byte(strings.ReplaceAll(request("ACK", wire.Token{}, "X: NONCE"), wire.Tag{Number: 1}.String(), "TOKEN")), uint16(5060), false)
	f.Add([]byte("TOKEN"), uint16(1023), true)
	f.Add([]byte("no token"), uint16(5060), true)
	b := newBench(f, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1}})
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
		var books ledger
		for range 10 {
			live := strings.Contains(text, sess.token.String())
			out := b.in(text, from)
			books.note(t, text, from, live, sess.isProven(from.Addr()), out)
		}
		if books.unproven > 8 {
			t.Fatalf("%d answers to an unproven address", books.unproven)
		}
		if n := b.Counters().Panics; n != 0 {
			t.Fatalf("%d faults", n)
		}
	})
}
