package reflector_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// TestTCPInfo shows that the first receipt of a connection tells of it, and no other does, in clear and over TLS.
func TestTCPInfo(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	clear, err := net.Dial("tcp", tcpTarget(t, sess, wire.ServiceSIP))
	if err != nil {
		t.Fatal(err)
	}
	defer clear.Close()
	secured, err := tls.Dial("tcp", tlsTarget(t, sess).String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer secured.Close()
	buf := make([]byte, 2000)
	for number, conn := range []net.Conn{clear, secured, clear, secured} {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, strings.ReplaceAll(overTLS(sess, uint32(number)), "SIP/2.0/TLS", "SIP/2.0/TCP")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	all, err := sess.Receipts(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, r := range all.Receipts {
		first := !seen[r.Conn]
		seen[r.Conn] = true
		switch {
		case !first || runtime.GOOS != "linux":
			if r.TCP != nil {
				t.Errorf("receipt %d: %+v", r.Seq, *r.TCP)
			}
		case r.TCP == nil || r.TCP.RTT <= 0 || r.TCP.RTT > 10000 || r.TCP.MSS < 500 || r.TCP.MSS > 65535:
			t.Errorf("first receipt of connection %d: %+v", r.Conn, r.TCP)
		}
	}
	if len(seen) != 2 || len(all.Receipts) < 8 {
		t.Errorf("%d connections, %d receipts", len(seen), len(all.Receipts))
	}
}
