package reflector

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// rasBodies are one of each message of RAS that is composed.
var rasBodies = []h323.RASBody{
	h323.GatekeeperRequest{RASAddress: inside},
	h323.RegistrationRequest{CallSignalAddress: []netip.AddrPort{inside}, RASAddresses: []netip.AddrPort{inside}, TimeToLive: 1 << 31},
	h323.UnregistrationRequest{CallSignalAddress: []netip.AddrPort{inside}},
	h323.AdmissionRequest{Endpoint: "x", Source: []h323.Alias{{Value: "x"}}},
	h323.GatekeeperConfirm{RASAddress: inside},
	h323.RASReject{Message: h323.ARJ},
}

// drawRAS makes something between a fine RAS message and garbage.
func drawRAS(t *rapid.T, token wire.Token, nonces []string) string {
	data := wire.Tag{Token: token, Number: 1}.String()
	if len(nonces) > 0 && rapid.IntRange(0, 3).Draw(t, "nonce") == 0 {
		data += rapid.SampledFrom(nonces).Draw(t, "which")
	}
	data += strings.Repeat(" ", rapid.SampledFrom([]int{0, 10, 60, 200}).Draw(t, "pad"))
	raw := must(h323.RASMessage{
		Seq: rapid.Uint16Min(1).Draw(t, "seq"), NonStandard: []byte(data), Body: rapid.SampledFrom(rasBodies).Draw(t, "body"),
	}.Append(nil))
	return damage(t, raw)
}

// damage spoils some of the messages.
func damage(t *rapid.T, raw string) string {
	switch rapid.IntRange(0, 5).Draw(t, "damage") {
	case 0: // cut
		return raw[:rapid.IntRange(0, len(raw)).Draw(t, "cut")]
	case 1: // octets overwritten
		b := []byte(raw)
		for range rapid.IntRange(1, 20).Draw(t, "octets") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "where")] = rapid.Byte().Draw(t, "octet")
		}
		return string(b)
	case 2: // octets put in
		at := rapid.IntRange(0, len(raw)).Draw(t, "at")
		return raw[:at] + string(rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "more")) + raw[at:]
	}
	return raw
}

// identifiers returns the nonces in an answer of RAS.
func identifiers(raw string) (list []string) {
	var m h323.PDU
	m.ParseRAS([]byte(raw))
	for _, f := range []h323.Field{h323.FieldGatekeeperIdentifier, h323.FieldEndpointIdentifier} {
		if v := m.Value(f); len(v) == 2*nonceLen {
			var text []byte
			for i := 1; i < len(v); i += 2 {
				text = append(text, v[i])
			}
			list = append(list, string(text))
		}
	}
	return list
}

// placeholder is the tag of no session: a fuzz target puts the session's own in its place, which has the same length.
var placeholder = wire.Tag{}.String()[:29]

func withTag(raw []byte, token wire.Token) string {
	return strings.ReplaceAll(string(raw), placeholder, wire.Tag{Token: token}.String()[:29])
}

// FuzzRAS hands in datagrams of the fuzzer's choice on the port of RAS, all of which have a live token. The nonce of the
// address stands for NONCENONCENO.
func FuzzRAS(f *testing.F) {
	for _, body := range rasBodies {
		for _, data := range []string{"", " NONCENONCENO", strings.Repeat(" ", 100)} {
			f.Add([]byte(must(h323.RASMessage{NonStandard: []byte(wire.Tag{}.String() + data), Body: body}.Append(nil))), uint16(1719), false)
		}
	}
	b := withH323(f, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1}})
	b.svc.service, b.svc.ras = wire.ServiceRAS, new(gatekeeper)
	f.Fuzz(func(t *testing.T, raw []byte, port uint16, known bool) {
		sess := b.open(t)
		defer b.store.remove(sess, "test")
		b.sock.sent = nil
		from := netip.AddrPortFrom(other.Addr(), port)
		if known {
			from = netip.AddrPortFrom(client.Addr(), port)
		}
		nonce := b.store.nonce(sess.token, from.Addr())
		text := strings.ReplaceAll(withTag(raw, sess.token), "NONCENONCENO", string(nonce[:]))
		if !strings.Contains(text, sess.token.String()) {
			text += wire.Tag{Token: sess.token}.String()
		}
		var books ledger
		for range 10 {
			out := b.in(text, from)
			books.note(t, text, from, true, sess.isProven(from.Addr()), out)
			for _, o := range out {
				checkRAS(t, text, o.data)
			}
		}
		if books.unproven > 8 {
			t.Fatalf("%d answers to an unproven address", books.unproven)
		}
		if n := b.Counters().Panics; n != 0 {
			t.Fatalf("%d faults", n)
		}
	})
}

// checkRAS wants an answer to be one, and to have no address that is not ours.
func checkRAS(t *testing.T, request, answer string) {
	var req, m h323.PDU
	req.ParseRAS([]byte(request))
	m.ParseRAS([]byte(answer))
	if len(m.Notes) > 0 || m.SequenceNumber() != req.SequenceNumber() || m.Message != req.Message+1 {
		t.Fatalf("%s %d to %s %d, %v", m.Message, m.SequenceNumber(), req.Message, req.SequenceNumber(), m.Notes)
	}
	for _, line := range addresses(&m) {
		if !strings.Contains(line, " "+here.Addr().String()+":") {
			t.Fatalf("%s", line)
		}
	}
}

// calls are the streams of good clients, by service.
func calls(token wire.Token) map[string][]string {
	c := &caller{token: token, fast: fastStart}
	tunnels := &caller{token: token, tunnelled: true}
	tunnelled := []string{
		tunnels.setup(),
		tunnels.call(h323.FacilityBody{}, h323.CapabilitySet{}, h323.Determination{}, h323.Channel{MediaControl: inside}),
		tunnels.call(h323.ReleaseBody{}),
	}
	return map[string][]string{
		wire.ServiceH225:    {c.setup(), c.call(h323.FacilityBody{}), "\x03\x00\x00\x04", c.call(h323.ReleaseBody{})},
		wire.ServiceNeutral: tunnelled,
		ServiceH245: {
			"\x03\x00\x00\x04", c.hello(), packet(h323.CapabilitySet{}), packet(h323.Determination{}),
			packet(h323.Channel{Number: 9, Codec: h323.CodecH263, MediaControl: inside}), packet(h323.EndSession{}),
		},
	}
}

// TestH323Splits cuts good streams everywhere: the answers are the same.
func TestH323Splits(t *testing.T) {
	b := withH323(t, Config{Limits: Limits{OpenBurst: 1 << 20, OpenRefill: 1, SessionsPerSource: 1 << 20, Sessions: 1 << 20}})
	for _, service := range []string{wire.ServiceH225, wire.ServiceNeutral, ServiceH245} {
		var want []string
		for cut := range len(strings.Join(calls(wire.Token{})[service], "")) {
			sess := b.open(t)
			whole := strings.Join(calls(sess.token)[service], "")
			p := b.dialTo(t, service, client, false)
			if err := p.send(whole[:cut], whole[cut:]); err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, raw := range frames(t, p.hangUp()) {
				var m h323.PDU
				if m.ParseCall([]byte(raw)); service == ServiceH245 {
					m.ParseH245([]byte(raw))
				}
				kinds = append(kinds, m.Message.String())
			}
			if want == nil {
				want = kinds
			}
			if books := keepBooks(t, sess, 1); !slices.Equal(kinds, want) || len(want) < 3 || books.in != whole || books.inEnd != wire.EndClosed {
				t.Fatalf("%s cut at %d: %v, want %v, %+v", service, cut, kinds, want, books)
			}
			b.store.remove(sess, "test")
		}
	}
}

// TestH323Promises throws streams of all kinds at the ports of H.323, cut in all ways.
func TestH323Promises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := withH323(t, Config{Limits: Limits{
			Messages: rapid.SampledFrom([]int{0, 7, 30}).Draw(t, "messages"), SessionOctets: rapid.SampledFrom([]int{0, 1500}).Draw(t, "octets"),
		}})
		sess := b.open(t)
		tokens := rapid.SampledFrom([]wire.Token{sess.token, sess.token, sess.token, {}})
		for range rapid.IntRange(1, 3).Draw(t, "connections") {
			service := rapid.SampledFrom([]string{wire.ServiceH225, wire.ServiceNeutral, ServiceH245}).Draw(t, "service")
			var whole string
			for _, message := range calls(tokens.Draw(t, "token"))[rapid.SampledFrom([]string{service, service, wire.ServiceH225}).Draw(t, "stream")] {
				whole += damage(t, message)
			}
			var parts []string
			for rest := whole; rest != ""; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "part")
				parts, rest = append(parts, rest[:n]), rest[n:]
			}
			from := rapid.SampledFrom([]netip.AddrPort{client, other, netip.MustParseAddrPort("192.0.2.9:53")}).Draw(t, "from")
			checkStream(t, b, service, sess, from, parts)
		}
		if sess.receipts > b.cfg.Limits.Messages || sess.payload > b.cfg.Limits.SessionOctets || sess.held != 0 || len(sess.streams) != 0 {
			t.Fatalf("%d receipts, %d octets, %d held", sess.receipts, sess.payload, sess.held)
		}
		if got := int64(sess.receipts)*receiptOverhead + int64(sess.payload); got != b.Counters().Octets {
			t.Fatalf("%d octets are charged for receipts that take %d", b.Counters().Octets, got)
		}
	})
}

// FuzzH323Stream hands in streams of the fuzzer's choice. They come after a good message, if it says so; the octets of cuts say
// how long the parts are, over and over.
func FuzzH323Stream(f *testing.F) {
	for _, service := range []string{wire.ServiceH225, wire.ServiceNeutral, ServiceH245} {
		for _, message := range calls(wire.Token{})[service] {
			f.Add([]byte(message), byte(0), true, []byte{7})
			f.Add([]byte(message), byte(1), false, []byte{})
			f.Add([]byte(message), byte(2), true, []byte{})
		}
	}
	b := withH323(f, Config{Limits: Limits{OpenBurst: 1 << 30, OpenRefill: 1, SessionsPerSource: 1 << 20, Sessions: 1 << 20}})
	f.Fuzz(func(t *testing.T, raw []byte, which byte, greeted bool, cuts []byte) {
		sess := b.open(t)
		defer b.store.remove(sess, "test")
		service := []string{wire.ServiceH225, ServiceH245, wire.ServiceNeutral}[which%3]
		whole := withTag(raw, sess.token)
		if c := (&caller{token: sess.token}); greeted && service == ServiceH245 {
			whole = c.hello() + whole
		} else if greeted {
			whole = c.setup() + whole
		}
		var parts []string
		for i := 0; whole != ""; i++ {
			n := len(whole)
			if len(cuts) > 0 && i < 1000 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			parts, whole = append(parts, whole[:n]), whole[n:]
		}
		checkStream(t, b, service, sess, other, parts)
	})
}

// recorded returns the payloads of the Ethernet frames in the captures that go to a port over a transport: 6 or 17.
func recorded(t *testing.T, transport byte, port uint16) (list []string) {
	t.Helper()
	files, err := filepath.Glob("../testdata/h323/*.lan.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at := 24; at+16 <= len(data); {
			n := int(binary.LittleEndian.Uint32(data[at+8:]))
			frame := data[at+16:][:n]
			at += 16 + n
			if len(frame) < 54 || frame[12] != 8 || frame[13] != 0 || frame[23] != transport {
				continue
			}
			ip := frame[14:][:binary.BigEndian.Uint16(frame[16:])]
			l4 := ip[4*(ip[0]&15):]
			head := 8
			if transport == 6 {
				head = int(l4[12]>>4) * 4
			}
			if binary.BigEndian.Uint16(l4[2:]) == port && len(l4) > head {
				list = append(list, string(l4[head:]))
			}
		}
	}
	if len(list) == 0 {
		t.Fatal("no captures")
	}
	return list
}

// TestStrangers has real endpoints call, and look for a gatekeeper: what has no token is met with silence.
func TestStrangers(t *testing.T) {
	b := withH323(t, Config{})
	sess := b.open(t)
	setups := 0
	for _, raw := range recorded(t, 6, 1720) {
		var m h323.PDU
		if m.ParseCall([]byte(raw)); m.Message != h323.Setup {
			continue
		}
		if f, err := h323.Next([]byte(raw)); err != nil || f.Len != len(raw) {
			continue // in two segments, or two messages
		}
		setups++
		for _, service := range []string{wire.ServiceH225, wire.ServiceNeutral, ServiceH245} {
			p := b.dialTo(t, service, other, false)
			_ = p.send(raw) // the reflector hangs up
			<-p.done
			<-p.eof
			if got := p.received(); got != "" {
				t.Errorf("%s: %x", service, got)
			}
		}
	}
	b.svc.service, b.svc.ras = wire.ServiceRAS, new(gatekeeper)
	requests := recorded(t, 17, 1719)
	for _, raw := range requests {
		if out := b.in(raw, other); len(out) != 0 {
			t.Errorf("%q", out[0].data)
		}
	}
	c := b.Counters()
	if setups == 0 || c.StreamsTokenless != uint64(3*setups) || c.Tokenless != uint64(len(requests)) || sess.receipts != 0 {
		t.Errorf("%d setups, %d datagrams, %+v", setups, len(requests), c)
	}
}

// TestH323Slow has senders that say nothing, dribble, or announce more than they send, with and without a token.
func TestH323Slow(t *testing.T) {
	for _, tt := range []struct {
		name  string
		token bool
		more  string
		after time.Duration
		end   string
	}{
		{"nothing", false, "", 5 * time.Second, ""},
		{"begun", false, "\x03", 10 * time.Second, ""},
		{"announced", false, "\x03\x00\x40\x00abc", 10 * time.Second, ""},
		{"too large", false, "\x03\x00\x40\x01", 0, ""},
		{"another version", false, "\x04\x00\x00\x08", 0, ""},
		{"shorter than its header", false, "\x03\x00\x00\x03", 0, ""},
		{"keepalives", false, strings.Repeat("\x03\x00\x00\x04", 9), 10 * time.Second, ""},
		{"idle", true, "", 15 * time.Second, wire.EndTimeout},
		{"begun", true, "\x03", 10 * time.Second, wire.EndTimeout},
		{"announced", true, "\x03\x00\x40\x00abc", 10 * time.Second, wire.EndTimeout},
		{"too large", true, "\x03\x00\x40\x01", 0, wire.EndSyntax},
		{"text", true, "OPTIONS sip:a SIP/2.0\r\n\r\n", 0, wire.EndSyntax},
	} {
		for _, service := range []string{wire.ServiceH225, ServiceH245} {
			synctest.Test(t, func(t *testing.T) {
				b := withH323(t, Config{})
				sess := b.open(t)
				c := &caller{token: sess.token}
				start := time.Now()
				p := b.dialTo(t, service, client, false)
				if tt.token && service == ServiceH245 {
					p.send(c.hello())
				} else if tt.token {
					p.send(c.setup())
				}
				for i := range len(tt.more) {
					if p.send(tt.more[i:i+1]) != nil {
						break
					}
				}
				<-p.done
				if took := p.ended.Sub(start); took != tt.after {
					t.Errorf("%s, %s: closed after %v, want %v", service, tt.name, took, tt.after)
				}
				if !tt.token {
					if p.received() != "" || sess.receipts != 0 {
						t.Errorf("%s, %s: %x", service, tt.name, p.received())
					}
				} else if books := keepBooks(t, sess, 1); books.inEnd != tt.end {
					t.Errorf("%s, %s: end %q", service, tt.name, books.inEnd)
				}
				sess.timer.Stop()
				b.store.remove(sess, "test")
			})
		}
	}
}

// TestH323Endless sends for as long as the reflector takes it: the session's budget is the end of it.
func TestH323Endless(t *testing.T) {
	c := &caller{number: 1}
	flood := strings.Repeat("\x02\x00\x00\x00\x05", 2000) // more tunnelled messages than a Facility has room for answers to
	for name, part := range map[string]string{
		"setup":      c.setup(),
		"channels":   packet(h323.Channel{MediaControl: inside}),
		"keepalives": "\x03\x00\x00\x04",
		"garbage":    "\x03\x00\x20\x00" + strings.Repeat("\xff", 0x2000-4),
		"flood":      "\x03\x00\x27\x14" + flood,
	} {
		for _, service := range []string{wire.ServiceH225, ServiceH245} {
			b := withH323(t, Config{Limits: Limits{Messages: 300, SessionOctets: 200 << 10}})
			sess := b.open(t)
			c := &caller{token: sess.token, tunnelled: true}
			p := b.dialTo(t, service, client, false)
			first := c.setup()
			if service == ServiceH245 {
				first = c.hello()
			}
			n := 0
			for err := p.send(first); err == nil && n < 1<<20; n++ {
				err = p.send(part)
			}
			p.hangUp()
			books := keepBooks(t, sess, 1)
			if books.inEnd != wire.EndBudget || sess.receipts > b.cfg.Limits.Messages || sess.payload > b.cfg.Limits.SessionOctets || n > 10*b.cfg.Limits.Messages {
				t.Errorf("%s, %s: end %q after %d parts, %d receipts, %d octets", service, name, books.inEnd, n, sess.receipts, sess.payload)
			}
			if most := int64(sess.payload) + int64(sess.receipts)*receiptOverhead; b.store.octets.Load() > most || b.Counters().Panics != 0 {
				t.Errorf("%s, %s: %d octets are charged for %d", service, name, b.store.octets.Load(), most)
			}
		}
	}
}

// TestTunnelledAreBounded has more H.245 messages in one message than are answered.
func TestTunnelledAreBounded(t *testing.T) {
	b := withH323(t, Config{})
	sess := b.open(t)
	c := &caller{token: sess.token, tunnelled: true}
	p := b.dialTo(t, wire.ServiceH225, client, false)
	if err := p.send(c.call(nil, slices.Repeat([]h323.Control{h323.ChannelClose{Number: 3}}, 100)...)); err != nil {
		t.Fatal(err)
	}
	var m h323.PDU
	m.ParseCall([]byte(p.hangUp()))
	if n := len(controls(&m)); n != maxTunnelled || m.Message != h323.Facility {
		t.Errorf("%d answers in %s", n, m.Message)
	}
}
