package reflector_test

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// TestMediaSession has media taken and sent by a server on the system's own sockets, and told over HTTPS.
func TestMediaSession(t *testing.T) {
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	for _, tt := range []struct {
		name string
		cfg  reflector.Config
	}{
		{"one address", reflector.Config{Hosts: []netip.Addr{local}}},
		{"IPv6 first", reflector.Config{Hosts: []netip.Addr{netip.IPv6Loopback(), local}}},
		{"wildcard", reflector.Config{Hosts: []netip.Addr{local}, Media: "0.0.0.0:0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := tt.cfg
			s := reflectortest.Start(t, cfg)
			sess := dial(t, s)
			var at netip.AddrPort
			for _, m := range sess.Grant.Media {
				if m.First%2 != 0 || m.Last != m.First+15 {
					t.Errorf("%+v", m)
				}
				if m.Addr.Is4() {
					at = netip.AddrPortFrom(m.Addr, m.First)
				}
			}
			if len(sess.Grant.Media) != len(cfg.Hosts) || sess.Grant.Budget.MediaPerSecond != 200 || sess.Grant.Budget.MediaSeconds != 30 ||
				sess.Grant.Budget.Pinholes != 32 || !at.IsValid() {
				t.Fatalf("%+v", sess.Grant)
			}
			conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if cfg.Hosts[0].Is6() {
				// The session came over IPv6: the address of media proves itself by a connection.
				proveByTCP(t, s, sess, conn)
			}
			p := ipv4.NewPacketConn(conn)
			if err := p.SetTOS(0xb8); err != nil && runtime.GOOS == "linux" {
				t.Fatal(err)
			}
			_ = p.SetTTL(33)
			raw := append([]byte("\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78"), wire.Tag{Token: sess.Grant.Token, Number: 5}.String()...)
			raw = append(raw, bytes.Repeat([]byte{0xd5}, 172-len(raw))...)
			for range 10 {
				if _, err := conn.WriteTo(raw, net.UDPAddrFromAddrPort(at)); err != nil {
					t.Fatal(err)
				}
			}
			list := media(t, sess, 10)
			first := list[0]
			if first.Direction != wire.In || first.Local != at || first.Remote.String() != conn.LocalAddr().String() || first.Length != 172 ||
				first.Number != 5 || !first.Proven || string(first.Head) != string(raw[:64]) {
				t.Errorf("%+v", first)
			}
			if runtime.GOOS == "linux" && (first.TTL != 33 || first.TOS != 0xb8) {
				t.Errorf("TTL %d, TOS %#x", first.TTL, first.TOS)
			}
			sent, err := sess.Send(t.Context(), wire.Action{Action: wire.ActionMedia, Record: 1, Number: 6, Count: 20, Interval: 5})
			if err != nil || sent.Addr != first.Remote {
				t.Fatalf("%+v, %v", sent, err)
			}
			buf := make([]byte, 2000)
			for range 10 {
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				if from.String() != at.String() || n != 172 || !bytes.Contains(buf[:n], []byte(sent.Tag)) {
					t.Errorf("%d octets from %s", n, from)
				}
			}
			for _, r := range media(t, sess, 20)[10:] {
				if r.Direction != wire.Out || r.Remote != first.Remote || r.Number != 6 || !strings.Contains(string(r.Head), sent.Tag) {
					t.Errorf("%+v", r)
				}
			}
			if c := s.Counters(); c.MediaSent != 10 || c.Media != 10 || c.Panics != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// proveByTCP proves the address of a socket to the session.
func proveByTCP(t *testing.T, s *reflector.Server, sess *wire.Session, socket net.PacketConn) {
	t.Helper()
	for _, target := range sess.Grant.Targets {
		if target.Service != wire.ServiceSIP || target.Transport != "tcp" || !target.Addr.Addr().Is4() {
			continue
		}
		conn, err := net.Dial("tcp", target.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(options(sess, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("no target of SIP over TCP")
}

// media polls until there are so many records.
func media(t *testing.T, sess *wire.Session, want int) (list []wire.Media) {
	t.Helper()
	var after uint64
	for start := time.Now(); len(list) < want; {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%d records: %+v", len(list), list)
		}
		r, err := sess.Media(t.Context(), after, time.Second)
		if err != nil || r.Dropped != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		for i, m := range r.Media {
			if m.Seq != after+uint64(i)+1 {
				t.Fatalf("record %d after %d", m.Seq, after)
			}
		}
		list, after = append(list, r.Media...), r.Next
	}
	return list
}

// TestMediaOff leaves media out: nothing is granted, nothing can be announced, nothing is sent.
func TestMediaOff(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Media: reflector.Off})
	sess := dial(t, s)
	if len(sess.Grant.Media) != 0 || s.Addr(reflector.ServiceMedia).IsValid() {
		t.Errorf("%+v", sess.Grant.Media)
	}
	conn, err := net.Dial("udp", s.Addr(wire.ServiceSIP).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(options(sess, 1)); err != nil {
		t.Fatal(err)
	}
	if r, err := sess.Receipts(t.Context(), 0, wire.MaxWait); err != nil || len(r.Receipts) == 0 {
		t.Fatal(r, err)
	}
	for _, a := range []wire.Action{
		{Action: wire.ActionRequest, To: 1, Number: 2, Method: "INVITE", SDP: true, Port: 10000},
		{Action: wire.ActionPinhole, To: 1, Port: 10000, From: wire.FromMedia},
		{Action: wire.ActionMedia, To: 1, Port: 10000, Count: 1},
	} {
		if _, err := sess.Send(t.Context(), a); err == nil {
			t.Errorf("%+v was done", a)
		}
	}
	if r, err := sess.Media(t.Context(), 0, 0); err != nil || len(r.Media) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
