package reflector

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/h323"
	"nofixup/reflector/wire"
)

// inside is where the client of the tests believes to be.
var inside = netip.MustParseAddrPort("10.0.0.9:1720")

// withH323 gives a bench places for H.323.
func withH323(t tb, cfg Config) *bench {
	b := newBench(t, cfg)
	b.h225 = []endpoint{{wire.ServiceH225, netip.AddrPortFrom(here.Addr(), 1720), here.Addr()}}
	for port := range uint16(3) {
		b.h245 = append(b.h245, endpoint{ServiceH245, netip.AddrPortFrom(here.Addr(), 11000+port), here.Addr()})
	}
	return b
}

// must makes the octets of what a test has composed.
func must(raw []byte, _ []h323.Span, err error) string {
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// caller composes the messages of a client that calls.
type caller struct {
	token     wire.Token
	number    uint32
	tunnelled bool
	fast      []h323.Channel
}

func (c *caller) display() string {
	c.number++
	return wire.Tag{Token: c.token, Number: c.number}.String()
}

func (c *caller) call(body h323.CallBody, control ...h323.Control) string {
	return must(h323.CallMessage{
		Reference: 4711, Display: c.display(), ID: [16]byte{1, 2, 3}, Body: body, Tunnelling: c.tunnelled, Control: control,
	}.Append(nil))
}

func (c *caller) setup() string {
	return c.call(h323.SetupBody{
		SourceCallSignalAddress: inside, DestCallSignalAddress: here, ConferenceID: [16]byte{4, 5, 6}, FastStart: c.fast,
	})
}

// hello is what an H.245 connection begins with.
func (c *caller) hello() string {
	return must(h323.AppendControlTPKT(nil, h323.NonStandardControl{Indication: true, Data: []byte(c.display())}))
}

func packet(m h323.Control) string { return must(h323.AppendControlTPKT(nil, m)) }

// fastStart is what an endpoint offers that has audio and video.
var fastStart = []h323.Channel{
	{Number: 1, Codec: h323.CodecG711Alaw, MediaControl: inside},
	{Number: 2, Codec: h323.CodecG711Alaw, Reverse: true, Media: inside, MediaControl: inside},
	{Number: 3, Codec: h323.CodecG711Ulaw, MediaControl: inside},
	{Number: 4, Codec: h323.CodecH263, MediaControl: inside},
	{Number: 5, Codec: h323.CodecH261, Reverse: true, Media: inside, MediaControl: inside},
}

// frames cuts a stream into its packets.
func frames(t tb, stream string) (list []string) {
	t.Helper()
	for rest := []byte(stream); len(rest) > 0; {
		f, err := h323.Next(rest)
		if err != nil {
			t.Fatal(err, stream)
		}
		list, rest = append(list, string(rest[:f.Len])), rest[f.Len:]
	}
	return list
}

// addresses lists the addresses in a message by their path.
func addresses(p *h323.PDU) (list []string) {
	for i, s := range p.Spans {
		if s.Part == h323.PartIP {
			addr, _ := netip.AddrFromSlice(s.Bytes(p.Raw))
			port := p.Spans[i+1].Bytes(p.Raw)
			list = append(list, fmt.Sprintf("%s %s", strings.TrimSuffix(s.Path(), ".ip"), netip.AddrPortFrom(addr, uint16(port[0])<<8|uint16(port[1]))))
		}
	}
	return list
}

func TestSetup(t *testing.T) {
	for _, tt := range []struct {
		name      string
		service   string
		tunnelled bool
		fast      []h323.Channel
	}{
		{"slow", wire.ServiceH225, false, nil},
		{"fast", wire.ServiceH225, false, fastStart},
		{"neutral", wire.ServiceNeutral, false, fastStart[2:]},
		{"tunnelled", wire.ServiceH225, true, fastStart},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := withH323(t, Config{})
			sess := b.open(t)
			c := &caller{token: sess.token, number: 6, tunnelled: tt.tunnelled, fast: tt.fast}
			seen := map[string]bool{}
			for i := range 4 {
				p := b.dialTo(t, tt.service, client, false)
				setup := c.setup()
				if err := p.send(setup); err != nil {
					t.Fatal(err)
				}
				got := frames(t, p.hangUp())
				if len(got) != 3 {
					t.Fatalf("%d messages, silence %q", len(got), receiptsOf(sess)[0].Silence)
				}
				var names, where []string
				for _, raw := range got {
					var m h323.PDU
					m.ParseCall([]byte(raw))
					names = append(names, m.Message.String())
					where = append(where, addresses(&m)...)
					crv, callee, _ := m.CallReference()
					if crv != 4711 || !callee || string(m.Display()) != (wire.Tag{Token: sess.token, Number: c.number}).String() ||
						!bytes.Equal(m.CallIdentifier(), []byte{1, 2, 3, 15: 0}) || len(m.Notes) > 0 {
						t.Errorf("%s: %d %t %q %x %v", m.Message, crv, callee, m.Display(), m.CallIdentifier(), m.Notes)
					}
					if id := m.ConferenceID(); m.Message == h323.Connect && !bytes.Equal(id, []byte{4, 5, 6, 15: 0}) {
						t.Errorf("conference %x", id)
					}
					if on := m.Value(h323.FieldH245Tunnelling); len(on) != 1 || on[0]&0x80 != 0 != tt.tunnelled {
						t.Errorf("tunnelling %x", on)
					}
				}
				if fmt.Sprint(names) != "[callProceeding alerting connect]" {
					t.Errorf("%s", names)
				}
				checkAccepted(t, where, tt.fast, seen)
				slow := !tt.tunnelled && tt.fast == nil
				var last string
				if len(where) > 0 {
					last = where[len(where)-1]
				}
				if slow && last != fmt.Sprintf("connect.h245Address %s:%d", here.Addr(), 11000+i%3) {
					t.Errorf("%s", last)
				}
				if !slow && strings.HasPrefix(last, "connect") {
					t.Errorf("%s", where)
				}
				books := keepBooks(t, sess, uint64(i+1))
				if books.in != setup || books.out != strings.Join(got, "") || books.silences[0] != "" {
					t.Errorf("%+v", books)
				}
				receipts := receiptsOf(sess)[6*i:]
				for j, r := range receipts[1:4] {
					if string(r.Data) != got[j] || r.Answers != receipts[0].Seq || r.Direction != wire.Out {
						t.Errorf("%+v", r)
					}
				}
			}
		})
	}
}

// checkAccepted wants the addresses of the accepted channels in an Alerting: ours, on ports not seen before.
func checkAccepted(t *testing.T, where []string, offered []h323.Channel, seen map[string]bool) {
	t.Helper()
	var want []string
	switch {
	case len(offered) == 0:
	case offered[0].Number == 1:
		want = []string{"[0].mediaChannel", "[0].mediaControlChannel", "[1].mediaControlChannel", "[2].mediaChannel", "[2].mediaControlChannel", "[3].mediaControlChannel"}
	default:
		want = []string{"[0].mediaChannel", "[0].mediaControlChannel", "[1].mediaChannel", "[1].mediaControlChannel", "[2].mediaControlChannel"}
	}
	var got []string
	ports := map[string]bool{}
	for _, line := range where {
		path, address, _ := strings.Cut(line, " ")
		if at, ok := strings.CutPrefix(path, "alerting.fastStart"); ok {
			got = append(got, at)
			if !strings.HasPrefix(address, here.Addr().String()+":") || seen[address] {
				t.Errorf("%s: %s", at, address)
			}
			ports[address] = true
		}
	}
	for address := range ports {
		seen[address] = true
	}
	if !slices.Equal(got, want) {
		t.Errorf("accepted %v, want %v", got, want)
	}
}

// TestH245 has a call's H.245 on a connection of its own.
func TestH245(t *testing.T) {
	b := withH323(t, Config{})
	sess := b.open(t)
	c := &caller{token: sess.token}
	p := b.dialTo(t, ServiceH245, client, false)
	for _, tt := range []struct {
		in   string
		want string // the messages that come back
	}{
		{c.hello(), ""},
		{packet(h323.CapabilitySet{Sequence: 9}), "terminalCapabilitySetAck terminalCapabilitySet"},
		{packet(h323.CapabilitySet{Sequence: 10}), "terminalCapabilitySetAck"},
		{packet(h323.CapabilitySetAck{Sequence: 1}), ""},
		{packet(h323.Determination{Number: 5}), "masterSlaveDeterminationAck"},
		{packet(h323.DeterminationAck{}), ""},
		{packet(h323.Channel{Number: 300, Media: inside, MediaControl: inside}), "olcAck olc"},
		{packet(h323.Channel{Number: 301, Codec: h323.CodecH261, MediaControl: inside}), "olcAck"},
		{packet(h323.ChannelAck{Media: inside, MediaControl: inside}), ""},
		{packet(h323.ChannelClose{Number: 300}), "closeLogicalChannelAck"},
		{packet(h323.NonStandardControl{}), ""},
		{"\x03\x00\x00\x04", ""},
		{packet(h323.EndSession{}), "endSessionCommand"},
	} {
		before := len(p.received())
		if err := p.send(tt.in); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, raw := range frames(t, p.settled(t)[before:]) {
			var m h323.PDU
			m.ParseH245([]byte(raw))
			names = append(names, m.Message.String())
			switch m.Message {
			case h323.TerminalCapabilitySetAck:
				if n := m.Value(h323.FieldSequenceNumber)[0]; n != 9 && n != 10 {
					t.Errorf("sequence %d", n)
				}
			case h323.OLCAck, h323.CloseLogicalChannelAck:
				if n := m.Channel(); n != 300 && n != 301 {
					t.Errorf("channel %d", n)
				}
			}
			for _, line := range addresses(&m) {
				if !strings.Contains(line, " "+here.Addr().String()+":") {
					t.Errorf("%s", line)
				}
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%x: %q, want %q", tt.in, got, tt.want)
		}
	}
	p.hangUp()
	keepBooks(t, sess, 1)
}

// TestTunnelled has the same in Facility messages: all answers to one come in one.
func TestTunnelled(t *testing.T) {
	b := withH323(t, Config{})
	sess := b.open(t)
	c := &caller{token: sess.token, tunnelled: true}
	p := b.dialTo(t, wire.ServiceH225, client, false)
	for _, part := range []string{
		c.setup(),
		c.call(h323.FacilityBody{}, h323.CapabilitySet{}, h323.Determination{}),
		c.call(h323.FacilityBody{}, h323.Channel{Number: 7, MediaControl: inside}, h323.NonStandardControl{}),
		c.call(nil, h323.ChannelClose{Number: 7}),
		c.call(h323.FacilityBody{}, h323.CapabilitySetAck{}),
		c.call(h323.FacilityBody{}),
		c.call(h323.ReleaseBody{}),
	} {
		if err := p.send(part); err != nil {
			t.Fatal(err)
		}
	}
	got := frames(t, p.hangUp())
	var all []string
	for _, raw := range got[3:] {
		var m h323.PDU
		m.ParseCall([]byte(raw))
		var names []string
		for _, a := range controls(&m) {
			names = append(names, a.message.String())
		}
		all = append(all, m.Message.String()+": "+strings.Join(names, " "))
		if tag, ok := wire.FindTag([]byte(raw), sess.token); !ok || tag.Number < 2 || len(m.Notes) > 0 {
			t.Errorf("tag %v, %v", tag, m.Notes)
		}
		for _, line := range addresses(&m) {
			if !strings.Contains(line, " "+here.Addr().String()+":") {
				t.Errorf("%s", line)
			}
		}
	}
	want := "[facility: terminalCapabilitySetAck terminalCapabilitySet masterSlaveDeterminationAck facility: olcAck olc facility: closeLogicalChannelAck]"
	if fmt.Sprint(all) != want {
		t.Errorf("got %v\nwant %s", all, want)
	}
}

// TestActionSetup has the reflector call the client.
func TestActionSetup(t *testing.T) {
	b := withH323(t, Config{})
	sess := b.open(t)
	c := &caller{token: sess.token}
	p := b.dialTo(t, wire.ServiceH225, client, false)
	if err := p.send(c.setup()); err != nil {
		t.Fatal(err)
	}
	before := len(p.settled(t))
	seq, err := b.perform(sess, wire.Action{Action: wire.ActionSetup, To: 1, Number: 77})
	if err != nil {
		t.Fatal(err)
	}
	tag := wire.Tag{Token: sess.token, Number: 77}
	raw := p.settled(t)[before:]
	if r := receiptsOf(sess)[seq-1]; string(r.Data) != raw || r.Direction != wire.Out || r.Answers != 0 || sess.actions != 1 {
		t.Errorf("%+v", r)
	}
	var m h323.PDU
	m.ParseCall([]byte(raw))
	media := netip.AddrPortFrom(here.Addr(), mediaPort(b.turns.Load(), 0))
	rtcp := netip.AddrPortFrom(here.Addr(), media.Port()+1)
	want := []string{
		"setup.destCallSignalAddress " + client.String(),
		"setup.sourceCallSignalAddress " + here.String(),
		"setup.fastStart[0].mediaControlChannel " + rtcp.String(),
		"setup.fastStart[1].mediaChannel " + media.String(),
		"setup.fastStart[1].mediaControlChannel " + rtcp.String(),
	}
	_, callee, _ := m.CallReference()
	if got := addresses(&m); !slices.Equal(got, want) || callee || string(m.Display()) != tag.String() ||
		!bytes.Equal(m.ConferenceID(), sess.token[:]) || bytes.Equal(m.CallIdentifier(), sess.token[:]) || len(m.Notes) > 0 {
		t.Errorf("%s\nwant %s\n%t %q %v", got, want, callee, m.Display(), m.Notes)
	}
	// The client is called: what it tunnels is answered by the caller.
	if err := p.send(c.call(h323.ReleaseBody{})); err != nil {
		t.Fatal(err)
	}
	p.hangUp()
	keepBooks(t, sess, 1)
}

// grq composes a GRQ that has room for its answer.
func grq(token wire.Token, extra string) string {
	return must(h323.RASMessage{
		Seq: 515, NonStandard: []byte(wire.Tag{Token: token, Number: 3}.String() + extra), Body: h323.GatekeeperRequest{
			RASAddress: inside, Aliases: []h323.Alias{{Value: "probe"}},
		},
	}.Append(nil))
}

func TestRAS(t *testing.T) {
	b := withH323(t, Config{})
	b.svc.service, b.svc.ras = wire.ServiceRAS, new(gatekeeper)
	sess := b.open(t)
	nonce := b.store.nonce(sess.token, other.Addr())
	tag := wire.Tag{Token: sess.token, Number: 3}.String()
	compose := func(body h323.RASBody) string {
		return must(h323.RASMessage{Seq: 65535, NonStandard: []byte(tag), Body: body}.Append(nil))
	}
	for _, tt := range []struct {
		name, in, want, silence string
		addresses               string
	}{
		{name: "grq", in: grq(sess.token, ""), want: "gcf", addresses: "[gcf.rasAddress 198.51.100.5:5060]"},
		{name: "rrq", in: compose(h323.RegistrationRequest{
			CallSignalAddress: []netip.AddrPort{inside}, RASAddresses: []netip.AddrPort{inside}, TimeToLive: 3600,
		}), want: "rcf", addresses: "[]"},
		{name: "urq", in: compose(h323.UnregistrationRequest{CallSignalAddress: []netip.AddrPort{inside}}), want: "ucf", addresses: "[]"},
		{name: "arq", in: compose(h323.AdmissionRequest{Endpoint: string(nonce[:]), Source: []h323.Alias{{Value: "x"}}}), want: "acf", addresses: "[acf.destCallSignalAddress 198.51.100.5:1720]"},
		{name: "gcf", in: compose(h323.GatekeeperConfirm{RASAddress: inside}), silence: wire.SilenceUnanswered},
		{name: "grj", in: compose(h323.RASReject{Message: h323.GRJ}), silence: wire.SilenceUnanswered},
		{name: "small", in: must(h323.RASMessage{NonStandard: []byte(tag), Body: h323.GatekeeperRequest{RASAddress: inside, Product: "x"}}.Append(nil)), silence: wire.SilenceLarger},
		{name: "garbage", in: "\xff" + tag, silence: wire.SilenceMalformed},
		{name: "sip", in: request("OPTIONS", sess.token), silence: wire.SilenceUnanswered},
	} {
		out := b.in(tt.in, client)
		receipts := receiptsOf(sess)
		if tt.want == "" {
			if r := receipts[len(receipts)-1]; len(out) != 0 || r.Silence != tt.silence {
				t.Errorf("%s: %+v, silence %q", tt.name, out, r.Silence)
			}
			continue
		}
		if len(out) != 1 || len(out[0].data) > len(tt.in) || out[0].remote != client {
			t.Errorf("%s: %+v, silence %q", tt.name, out, receipts[len(receipts)-1].Silence)
			continue
		}
		var req, m h323.PDU
		req.ParseRAS([]byte(tt.in))
		m.ParseRAS([]byte(out[0].data))
		if m.Message.String() != tt.want || m.SequenceNumber() != req.SequenceNumber() || fmt.Sprint(addresses(&m)) != tt.addresses || len(m.Notes) > 0 ||
			!bytes.Equal(m.Leaf(h323.FieldNonStandardData, 0, h323.PartData), req.Leaf(h323.FieldNonStandardData, 0, h323.PartData)) {
			t.Errorf("%s: %s %d %s %v", tt.name, m.Message, m.SequenceNumber(), addresses(&m), m.Notes)
		}
		if m.Message == h323.RCF && !bytes.Equal(m.Value(h323.FieldTimeToLive), []byte{59}) {
			t.Errorf("time to live %x", m.Value(h323.FieldTimeToLive))
		}
	}
}

// TestRASProof has an address prove itself by the gatekeeperIdentifier of a GCF.
func TestRASProof(t *testing.T) {
	b := withH323(t, Config{})
	b.svc.service, b.svc.ras = wire.ServiceNeutral, new(gatekeeper)
	sess := b.open(t)
	for i := range 10 {
		if out := b.in(grq(sess.token, ""), other); len(out) == 1 != (i < 8) {
			t.Fatalf("answer %d: %+v", i, out)
		}
	}
	if out := b.in(request("OPTIONS", sess.token), client); len(out) != 1 || !strings.HasPrefix(out[0].data, "SIP/2.0 200") {
		t.Errorf("SIP on the same port: %+v", out)
	}
	var m h323.PDU
	m.ParseRAS([]byte(b.sock.sent[0].data))
	var nonce []byte
	for i, c := range m.Value(h323.FieldGatekeeperIdentifier) {
		if i%2 == 1 {
			nonce = append(nonce, c)
		}
	}
	if out := b.in(grq(sess.token, string(nonce)), other); len(out) != 1 || !sess.isProven(other.Addr()) {
		t.Errorf("with the nonce %q: %+v", nonce, out)
	}
	// RAS has no messages that an action could send.
	if _, err := b.perform(sess, wire.Action{Action: wire.ActionRequest, To: uint64(sess.receipts - 1), Number: 50, Method: "OPTIONS"}); err != errNoSIP {
		t.Errorf("a request to RAS: %v", err)
	}
}
