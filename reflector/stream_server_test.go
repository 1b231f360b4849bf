package reflector_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// tcpTarget returns the address of a service over TCP.
func tcpTarget(t testing.TB, sess *wire.Session, service string) string {
	t.Helper()
	for _, target := range sess.Grant.Targets {
		if target.Service == service && target.Transport == "tcp" {
			return target.Addr.String()
		}
	}
	t.Fatalf("no %s over TCP: %+v", service, sess.Grant.Targets)
	return ""
}

// receiptsUntil polls until a receipt has what is wanted, and returns all of them.
func receiptsUntil(t testing.TB, sess *wire.Session, done func(wire.Receipt) bool) []wire.Receipt {
	t.Helper()
	var all []wire.Receipt
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		r, err := sess.Receipts(t.Context(), uint64(len(all)), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Receipts...)
		for _, receipt := range r.Receipts {
			if done(receipt) {
				return all
			}
		}
	}
	t.Fatalf("not there: %+v", all)
	return nil
}

// TestStreamSession is what a client does over TCP, with real sockets: a request, an action, and the reflector closes first.
func TestStreamSession(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	for i, service := range []string{wire.ServiceSIP, wire.ServiceNeutral} {
		conn, err := net.Dial("tcp", tcpTarget(t, sess, service))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		first, _ := sess.Receipts(t.Context(), 0, 0)
		raw := strings.ReplaceAll(string(options(sess, uint32(10*i))), "SIP/2.0/UDP", "SIP/2.0/TCP")
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2000)
		n, err := conn.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP ") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		// What has been answered has its receipts.
		all, err := sess.Receipts(t.Context(), first.Next, 0)
		if err != nil || len(all.Receipts) != 2 || string(all.Receipts[0].Data) != raw || string(all.Receipts[1].Data) != string(buf[:n]) {
			t.Fatalf("%v, %+v", err, all)
		}
		in, out := all.Receipts[0], all.Receipts[1]
		if in.Transport != "tcp" || in.Conn != uint64(i+1) || !in.Proven || in.Remote.String() != conn.LocalAddr().String() ||
			in.Local.String() != conn.RemoteAddr().String() || out.Answers != in.Seq || out.Conn != in.Conn {
			t.Errorf("receipts %+v", all)
		}
		seq, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionRequest, To: in.Seq, Number: uint32(10*i + 1), Method: "OPTIONS"})
		if err != nil {
			t.Fatal(err)
		}
		if n, err = conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "OPTIONS sip:") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		if tag, ok := wire.FindTag(buf[:n], sess.Grant.Token); !ok || tag.Number != uint32(10*i+1) {
			t.Errorf("tag %v in\n%s", tag, buf[:n])
		}
		closed, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionClose, To: seq})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(buf); !errors.Is(err, io.EOF) {
			t.Errorf("after close: %v", err)
		}
		conn.Close()
		end := receiptsUntil(t, sess, func(r wire.Receipt) bool { return r.Seq > closed && r.End != "" })
		if o, i := end[closed-1], end[closed]; o.End != wire.EndClosed || o.Direction != wire.Out || i.Direction != wire.In || i.End != wire.EndClosed || i.Off != int64(len(raw)) {
			t.Errorf("ends %+v, %+v", o, i)
		}
		var status *wire.StatusError
		if _, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionClose, To: seq}); !errors.As(err, &status) || status.Code != 409 {
			t.Errorf("closed twice: %v", err)
		}
	}
}

// TestStreamClosesFirst connects from one port again and again: the reflector closes first, so the port is free at once.
func TestStreamClosesFirst(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems have other rules for TIME_WAIT")
	}
	s := reflectortest.Start(t)
	sess := dial(t, s)
	var dialer net.Dialer
	for i := range 5 {
		conn, err := dialer.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
		if err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
		defer conn.Close()
		dialer.LocalAddr = conn.LocalAddr()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		conn.Write(options(sess, uint32(i)))
		if _, err := conn.Read(make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
		r, err := sess.Receipts(t.Context(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		first := slices.IndexFunc(r.Receipts, func(r wire.Receipt) bool { return r.Conn == uint64(i+1) })
		if _, err := sess.Act(t.Context(), wire.Action{Action: wire.ActionClose, To: r.Receipts[first].Seq}); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
			t.Fatal(rest, err)
		}
		conn.Close()
	}
}

// TestStreamsAreLimited opens more connections than a source may have, without a token and with one; the port goes on.
func TestStreamsAreLimited(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{StreamsPerSource: 4}})
	sess := dial(t, s)
	var conns []net.Conn
	for i := range 4 {
		conn, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			conn.Write(options(sess, uint32(i)))
		}
		conns = append(conns, conn)
	}
	// Until the four are taken, the fifth could overtake one of them: it comes to another listener.
	for deadline := time.Now().Add(5 * time.Second); s.Counters().Streams < 4 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	refused, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceNeutral)) // the limit is one for all ports
	if err == nil {                                                          // the reset may come so early that it looks as if there had been no connection
		defer refused.Close()
		refused.SetReadDeadline(time.Now().Add(5 * time.Second))
		var timeout net.Error
		if _, err := refused.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("the fifth connection: %v", err)
		}
	}
	if c := s.Counters(); c.StreamsRefused != 1 || c.ConnectionsRefused != 0 || c.Streams != 4 {
		t.Errorf("%+v", c)
	}
	for _, conn := range conns {
		conn.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
		if err == nil {
			conn.SetDeadline(deadline)
			conn.Write(options(sess, 9))
			n, err := conn.Read(make([]byte, 100))
			conn.Close()
			if err == nil && n > 0 {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no room after the others are gone")
		}
	}
}

// TestStreamSlowloris has a few hundred connections say nothing or dribble while a good one is answered, and all cut off in
// time.
func TestStreamSlowloris(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{
		StreamsPerSource: 1000, StreamFirst: 1500 * time.Millisecond, StreamMessage: 2 * time.Second,
	}})
	sess := dial(t, s)
	var conns []net.Conn
	for range 300 {
		conn, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	start := time.Now()
	for i, conn := range conns {
		if i%2 == 0 {
			io.WriteString(conn, "OPTIONS ")
		}
	}
	good, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	good.SetDeadline(time.Now().Add(5 * time.Second))
	good.Write(options(sess, 1))
	n, err := good.Read(make([]byte, 100))
	if cut := s.Counters().StreamsTokenless; n == 0 || err != nil || cut == 300 {
		t.Errorf("%d, %v, after %d others were cut off", n, err, cut)
	}
	for _, conn := range conns {
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the last one was cut off after %v", took)
	}
	for deadline := time.Now().Add(5 * time.Second); s.Counters().StreamsTokenless != 300; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d were tokenless", s.Counters().StreamsTokenless)
		}
	}
}

// TestStreamShutdownServer ends a server with open connections.
func TestStreamShutdownServer(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	for i := range 6 {
		conn, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i > 2 {
			conn.Write(options(sess, uint32(i)))
		}
	}
	for s.Counters().StreamsOpen < 6 {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if err := s.Shutdown(t.Context()); err != nil || time.Since(start) > 2*time.Second || s.Counters().StreamsOpen != 0 {
		t.Errorf("%v after %v, %d open", err, time.Since(start), s.Counters().StreamsOpen)
	}
}
