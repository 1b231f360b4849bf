package reflector_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"nofixup/h323"
	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// call is a connection that a test speaks H.323 over.
type call struct {
	net.Conn
	buf []byte
}

func newCall(t *testing.T, to string) *call {
	t.Helper()
	conn, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &call{Conn: conn}
}

func (c *call) send(t *testing.T, raw []byte, _ []h323.Span, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
}

// has reports whether a receipt is of the connection. A port of the client's may have others at once, to other ports.
func (c *call) has(r wire.Receipt) bool {
	return r.Transport == "tcp" && r.Remote.String() == c.LocalAddr().String() && r.Local.String() == c.RemoteAddr().String()
}

// next returns the next message.
func (c *call) next(t *testing.T, parse func(*h323.PDU, []byte)) (m h323.PDU) {
	t.Helper()
	for {
		f, err := h323.Next(c.buf)
		if err == nil {
			parse(&m, slices.Clone(c.buf[:f.Len]))
			c.buf = c.buf[f.Len:]
			return m
		}
		part := make([]byte, 4096)
		n, readErr := c.Read(part)
		if readErr != nil || !errors.Is(err, h323.ErrShort) {
			t.Fatal(err, readErr)
		}
		c.buf = append(c.buf, part[:n]...)
	}
}

// addressOf reads an address in a message.
func addressOf(t *testing.T, m *h323.PDU, f h323.Field) netip.AddrPort {
	t.Helper()
	addr, ok := netip.AddrFromSlice(m.Leaf(f, 0, h323.PartIP))
	port := m.Leaf(f, 0, h323.PartPort)
	if !ok || len(port) != 2 {
		t.Fatalf("%s: no %s", m.Message, f)
	}
	return netip.AddrPortFrom(addr, uint16(port[0])<<8|uint16(port[1]))
}

// TestH323Session is what a client does: it finds the gatekeeper, calls, opens the H.245 connection, and is called.
func TestH323Session(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Also: []string{"tcp:0"}})
	sess := dial(t, s)
	tag := func(number uint32) string { return wire.Tag{Token: sess.Grant.Token, Number: number}.String() }
	number := uint32(0)
	calls := 0
	for _, target := range sess.Grant.Targets {
		number += 10
		switch {
		case target.Service == wire.ServiceSIP, target.Service == wire.ServiceSIPS:
		case target.Transport == "udp":
			raw, _, err := h323.RASMessage{NonStandard: []byte(tag(number)), Body: h323.GatekeeperRequest{
				RASAddress: netip.MustParseAddrPort("10.0.0.9:1719"), Aliases: []h323.Alias{{Value: "probe"}},
			}}.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			var m h323.PDU
			m.ParseRAS([]byte(exchange(t, "", target.Addr, raw)))
			if m.Message != h323.GCF || addressOf(t, &m, h323.FieldRASAddress) != target.Addr {
				t.Errorf("%s: %s", target.Service, m.Message)
			}
		default:
			calls++
			c := newCall(t, target.Addr.String())
			raw, spans, err := h323.CallMessage{Display: tag(number), Body: h323.SetupBody{}}.Append(nil)
			c.send(t, raw, spans, err)
			for _, want := range []h323.Message{h323.CallProceeding, h323.Alerting} {
				if m := c.next(t, (*h323.PDU).ParseCall); m.Message != want {
					t.Errorf("%s: %s, want %s", target.Addr, m.Message, want)
				}
			}
			connect := c.next(t, (*h323.PDU).ParseCall)
			where := addressOf(t, &connect, h323.FieldH245Address)
			if where != s.Addr(reflector.ServiceH245) {
				t.Errorf("h245 at %s", where)
			}
			h := newCall(t, where.String())
			raw, spans, err = h323.AppendControlTPKT(nil, h323.NonStandardControl{Indication: true, Data: []byte(tag(number + 1))})
			h.send(t, raw, spans, err)
			raw, spans, err = h323.AppendControlTPKT(nil, h323.CapabilitySet{})
			h.send(t, raw, spans, err)
			if m := h.next(t, (*h323.PDU).ParseH245); m.Message != h323.TerminalCapabilitySetAck {
				t.Errorf("%s", m.Message)
			}
			all, err := sess.Receipts(t.Context(), 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(all.Receipts, c.has)
			seq, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionSetup, To: all.Receipts[i].Seq, Number: number + 2})
			if err != nil {
				t.Fatal(err)
			}
			setup := c.next(t, (*h323.PDU).ParseCall)
			if to := addressOf(t, &setup, h323.FieldDestCallSignalAddress); to.String() != c.LocalAddr().String() || string(setup.Display()) != tag(number+2) {
				t.Errorf("called %s, %q", to, setup.Display())
			}
			if from := addressOf(t, &setup, h323.FieldSourceCallSignalAddress); from != target.Addr {
				t.Errorf("called from %s", from)
			}
			more, err := sess.Receipts(t.Context(), seq-1, 0)
			if err != nil || string(more.Receipts[0].Data) != string(setup.Raw) {
				t.Errorf("%v, %+v", err, more)
			}
			// Neither is SIP, and only one of them is H.225.0.
			i = slices.IndexFunc(all.Receipts, h.has)
			for name, a := range map[string]wire.Action{
				"a Setup over H.245":       {Action: wire.ActionSetup, To: all.Receipts[i].Seq, Number: number + 3},
				"a request over H.225.0":   {Action: wire.ActionRequest, To: seq - 1, Number: number + 3, Method: "OPTIONS"},
				"a Setup with an SDP":      {Action: wire.ActionSetup, To: seq, Number: number + 3, SDP: true},
				"a Setup over UDP":         {Action: wire.ActionSetup, To: 1, Number: number + 3},
				"a Setup with a small tag": {Action: wire.ActionSetup, To: seq, Number: wire.MaxNumber + 1},
			} {
				var status *wire.StatusError
				if _, err := sess.Act(t.Context(), a); !errors.As(err, &status) || status.Code != 400 {
					t.Errorf("%s: %v", name, err)
				}
			}
			c.Close()
			receiptsUntil(t, sess, func(r wire.Receipt) bool {
				return c.has(r) && r.Direction == wire.In && r.End != ""
			})
			var status *wire.StatusError
			if _, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionSetup, To: seq, Number: number + 3}); !errors.As(err, &status) || status.Code != 409 {
				t.Errorf("a Setup over a connection that is gone: %v", err)
			}
		}
	}
	if calls != 4 {
		t.Errorf("%d calls", calls)
	}
}

// TestH323Off has a reflector without it: the neutral ports are for SIP alone.
func TestH323Off(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{H225: reflector.Off, RAS: reflector.Off})
	sess := dial(t, s)
	for _, target := range sess.Grant.Targets {
		if target.Service == wire.ServiceH225 || target.Service == wire.ServiceRAS {
			t.Errorf("%+v", target)
		}
		if target.Transport != "tcp" || target.Service != wire.ServiceNeutral {
			continue
		}
		c := newCall(t, target.Addr.String())
		raw, spans, err := h323.CallMessage{Display: wire.Tag{Token: sess.Grant.Token}.String(), Body: h323.SetupBody{}}.Append(nil)
		c.send(t, raw, spans, err)
		c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		if n, _ := c.Read(make([]byte, 100)); n != 0 {
			t.Errorf("%d octets from %s", n, target.Addr)
		}
	}
	if s.Addr(reflector.ServiceH245).IsValid() {
		t.Error("H.245 without calls")
	}
}
