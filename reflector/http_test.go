package reflector_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nofixup/reflector"
	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
)

// connect opens a TLS connection without any client of ours.
func connect(t testing.TB, s *reflector.Server) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// ask writes a request as it stands and reads one answer.
func ask(t testing.TB, conn net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestHTTP(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	auth := "Authorization: Bearer " + sess.Grant.Secret + "\r\n"
	path := "/v1/sessions/" + sess.Grant.Session
	for _, tt := range []struct {
		name    string
		request string // without the protocol version and Host
		headers string
		status  int
		want    string // in the problem, or in the body
		allow   string
		open    bool // the connection stays open
	}{
		{name: "about", request: "GET /", status: 200, want: "nofixup reflector"},
		{name: "about, POST", request: "POST /", status: 405, want: "method not allowed", allow: "GET, HEAD"},
		{name: "open", request: "POST /v1/sessions", status: 201, want: `"token":"`, open: true},
		{name: "open, with a body", request: "POST /v1/sessions", headers: "Content-Length: 2\r\n\r\n{}", status: 201, want: `"token":"`, open: true},
		{name: "list", request: "GET /v1/sessions", status: 405, want: "method not allowed", allow: "POST"},
		{name: "no such page", request: "GET /metrics", status: 404, want: "no such page"},
		{name: "pprof", request: "GET /debug/pprof/", status: 404, want: "no such page"},
		{name: "two slashes", request: "POST /v1//sessions", status: 404, want: "no such page"},
		{name: "no id", request: "DELETE /v1/sessions/", status: 404, want: "no such page"},
		{name: "a longer word", request: "POST /v1/sessionsx", status: 404, want: "no such page"},
		{name: "another version", request: "POST /v2/sessions", status: 404, want: "no such page"},
		{name: "no such verb", request: "GET " + path + "/peers", headers: auth, status: 404, want: "no such page"},
		{name: "deeper", request: "GET " + path + "/receipts/1", headers: auth, status: 404, want: "no such page"},
		{name: "the server as a whole", request: "OPTIONS *", status: 404, want: "no such page"},
		{name: "proxy", request: "CONNECT 192.0.2.1:443", status: 404, want: "no such page"},
		{name: "proxy, GET", request: "GET http://192.0.2.1/", status: 200, want: "nofixup reflector"},
		{name: "receipts", request: "GET " + path + "/receipts", headers: auth, status: 200, want: `{"receipts":[],"next":0}`, open: true},
		{name: "receipts after more than there is", request: "GET " + path + "/receipts?after=7", headers: auth, status: 200, want: `{"receipts":[],"next":7}`, open: true},
		{name: "receipts, no secret", request: "GET " + path + "/receipts", status: 404, want: "no such session"},
		{name: "receipts, wrong secret", request: "GET " + path + "/receipts", headers: "Authorization: Bearer x\r\n", status: 404, want: "no such session"},
		{name: "receipts, another scheme", request: "GET " + path + "/receipts", headers: "Authorization: " + sess.Grant.Secret + "\r\n", status: 404, want: "no such session"},
		{name: "receipts, no such session", request: "GET /v1/sessions/x/receipts", headers: auth, status: 404, want: "no such session"},
		{name: "receipts, POST", request: "POST " + path + "/receipts", headers: auth, status: 405, want: "method not allowed", allow: "GET"},
		{name: "renew, GET", request: "GET " + path + "/renew", headers: auth, status: 405, want: "method not allowed", allow: "POST"},
		{name: "actions, GET", request: "GET " + path + "/actions", headers: auth, status: 405, want: "method not allowed", allow: "POST"},
		{name: "session, GET", request: "GET " + path, headers: auth, status: 405, want: "method not allowed", allow: "DELETE"},
		{name: "bad after", request: "GET " + path + "/receipts?after=-1", headers: auth, status: 400, want: "after: not a sequence number"},
		{name: "bad wait", request: "GET " + path + "/receipts?wait=NaN", headers: auth, status: 400, want: "wait: not a time"},
		{name: "negative wait", request: "GET " + path + "/receipts?wait=-1", headers: auth, status: 400, want: "wait: not a time"},
		{name: "large body", request: "POST /v1/sessions", headers: "Content-Length: 4097\r\n", status: 413, want: "the body is too large"},
		{
			name: "large body, chunked", request: "POST /v1/sessions",
			headers: "Transfer-Encoding: chunked\r\n\r\n1001\r\n" + strings.Repeat("x", 0x1001) + "\r\n0\r\n", status: 413, want: "the body is too large",
		},
		{name: "large header", request: "GET /", headers: "X: " + strings.Repeat("x", 32<<10) + "\r\n", status: 431, want: "431"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := connect(t, s)
			method, target, _ := strings.Cut(tt.request, " ")
			resp, body := ask(t, conn, method+" "+target+" HTTP/1.1\r\nHost: x\r\n"+tt.headers+"\r\n")
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) || resp.Header.Get("Allow") != tt.allow {
				t.Fatalf("got %s, Allow %q, %s", resp.Status, resp.Header.Get("Allow"), body)
			}
			if tt.open == resp.Close {
				t.Errorf("close: %v", resp.Close)
			}
			if tt.status == 431 {
				return // net/http answers this itself
			}
			if cc := resp.Header.Get("Cache-Control"); cc != "no-store" {
				t.Errorf("Cache-Control: %q", cc)
			}
			var problem wire.Problem
			if tt.status >= 400 && (json.Unmarshal([]byte(body), &problem) != nil || problem.Error == "") {
				t.Errorf("not a problem: %s", body)
			}
		})
	}
}

// TestUnknownAndWrongAreAlike asks for a session that is not there and with a secret that is wrong: nothing may tell them apart.
func TestUnknownAndWrongAreAlike(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	var answers []string
	for _, id := range []string{sess.Grant.Session, strings.Repeat("a", 26)} {
		resp, body := ask(t, connect(t, s), "DELETE /v1/sessions/"+id+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+strings.Repeat("a", 26)+"\r\n\r\n")
		resp.Header.Del("Date")
		var head strings.Builder
		resp.Header.Write(&head)
		answers = append(answers, resp.Status+"\n"+head.String()+body)
	}
	if answers[0] != answers[1] {
		t.Errorf("%s\n%s", answers[0], answers[1])
	}
	if _, err := sess.Receipts(t.Context(), 0, 0); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
}

// TestPollWaits keeps a poll open for longer than a request may take to arrive, then has it answered at once.
func TestPollWaits(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{Request: 100 * time.Millisecond}})
	sess := dial(t, s)
	start := time.Now()
	if r, err := sess.Receipts(t.Context(), 0, 500*time.Millisecond); err != nil || len(r.Receipts) != 0 || time.Since(start) < 500*time.Millisecond {
		t.Fatalf("%+v, %v after %v", r, err, time.Since(start))
	}
	got := make(chan wire.Receipts, 1)
	go func() {
		r, err := sess.Receipts(t.Context(), 0, wire.MaxWait)
		if err != nil {
			t.Error(err)
		}
		got <- r
	}()
	for s.Counters().Polls == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	exchange(t, "", s.Addr(wire.ServiceSIP), options(sess, 1))
	select {
	case r := <-got:
		if len(r.Receipts) != 2 || r.Next != 2 {
			t.Errorf("%+v", r)
		}
	case <-time.After(2 * time.Second):
		t.Error("the poll does not wake")
	}
}

func TestPollsAreBounded(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{Polls: 2}})
	sess := dial(t, s)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := sess.Receipts(t.Context(), 0, wire.MaxWait); err == nil {
				t.Error("a poll of an ended session succeeded with nothing to tell")
			}
		})
	}
	for s.Counters().Polls < 2 {
		time.Sleep(time.Millisecond)
	}
	var status *wire.StatusError
	if _, err := sess.Receipts(t.Context(), 0, time.Second); !errors.As(err, &status) || status.Code != http.StatusTooManyRequests {
		t.Errorf("third poll: %v", err)
	}
	if err := sess.Close(t.Context()); err != nil { // ends them
		t.Error(err)
	}
	wg.Wait()
	if n := s.Counters().Polls; n != 0 {
		t.Errorf("%d polls", n)
	}
}

// TestOpenIsLimited opens sessions as fast as it can: thirty are fine.
func TestOpenIsLimited(t *testing.T) {
	s := reflectortest.Start(t)
	c, err := wire.NewClient(s.URL(), wire.Options{Pin: s.Pin()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	var status *wire.StatusError
	for i := range 100 {
		sess, err := c.Open(t.Context())
		if errors.As(err, &status) {
			if i < 30 {
				t.Fatalf("session %d: %v", i, err)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = sess
	}
	if status == nil || status.Code != http.StatusTooManyRequests || status.RetryAfter <= 0 || status.Problem.Hint == "" {
		t.Errorf("got %+v", status)
	}
}

func TestFull(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{Sessions: 1}})
	dial(t, s)
	c, err := wire.NewClient(s.URL(), wire.Options{Pin: s.Pin()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	var status *wire.StatusError
	_, err = c.Open(t.Context())
	if !errors.As(err, &status) || status.Code != http.StatusServiceUnavailable || status.RetryAfter != 2*time.Minute || status.Problem.Hint == "" {
		t.Errorf("got %v", err)
	}
}

// TestActionRequests asks for actions with bodies of every kind.
func TestActionRequests(t *testing.T) {
	s := reflectortest.Start(t)
	sess := dial(t, s)
	exchange(t, "", sess.Grant.Targets[0].Addr, options(sess, 1))
	for _, tt := range []struct {
		body, secret string
		status       int
		want         string
	}{
		{body: `{"action":"respond","to":1,"number":2,"status":180}`, status: 200, want: `{"seq":3}`},
		{body: `{"action":"respond","to":1,"number":3,"status":180,"later":[]}`, status: 200, want: `{"seq":4}`},
		{body: `{"action":"request","to":1,"number":4,"method":"OPTIONS"}`, secret: "x", status: 404, want: "no such session"},
		{body: ``, status: 400, want: "the body is no action"},
		{body: `[]`, status: 400, want: "the body is no action"},
		{body: `{"action":"request","to":-1}`, status: 400, want: "the body is no action"},
		{body: `{"action":"request","to":1}{}`, status: 400, want: "the body is no action"},
		{body: `{"action":"relay","to":1}`, status: 400, want: `"hint":"one of respond, request, setup, close, media, pinhole"`},
		{body: `{"action":"respond","to":1,"status":700}`, status: 400, want: `"hint":"one of [100 180`},
		{body: `{"action":"request","to":1,"method":"REGISTER"}`, status: 400, want: `"hint":"one of [OPTIONS INVITE`},
		{body: `{"action":"request","to":99,"number":4,"method":"OPTIONS"}`, status: 404, want: "no such receipt"},
		{body: `{"x":"` + strings.Repeat("x", 4096) + `"}`, status: 413, want: "the body is too large"},
	} {
		secret := sess.Grant.Secret
		if tt.secret != "" {
			secret = tt.secret
		}
		resp, body := ask(t, connect(t, s), "POST /v1/sessions/"+sess.Grant.Session+"/actions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+secret+
			"\r\nContent-Length: "+strconv.Itoa(len(tt.body))+"\r\n\r\n"+tt.body)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: got %s, %s", tt.body, resp.Status, body)
		}
	}
	if c := s.Counters(); c.Actions != 2 || c.ActionsFailed != 8 {
		t.Errorf("%d actions, %d failed", c.Actions, c.ActionsFailed)
	}
}

// TestSlowClients has clients that say nothing, and dribble, cut off in time.
func TestSlowClients(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{Header: 200 * time.Millisecond, Request: 300 * time.Millisecond}})
	dribble := func(conn net.Conn) {
		for range 100 {
			if _, err := io.WriteString(conn, "G"); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	plain, err := net.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String())
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	slow := connect(t, s)
	go dribble(slow)
	body := connect(t, s)
	io.WriteString(body, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	for name, conn := range map[string]net.Conn{"no handshake": plain, "header": slow, "body": body} {
		start := time.Now()
		conn.SetReadDeadline(start.Add(5 * time.Second))
		_, err := io.Copy(io.Discard, conn)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() || time.Since(start) > 2*time.Second {
			t.Errorf("%s: open after %v: %v", name, time.Since(start), err)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	s := reflectortest.Start(t, reflector.Config{Limits: reflector.Limits{PerSource: 4}})
	var conns []net.Conn
	for range 4 {
		conns = append(conns, connect(t, s))
	}
	refused, err := net.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String())
	if err == nil { // the reset may come so early that it looks as if there had been no connection
		defer refused.Close()
		refused.SetReadDeadline(time.Now().Add(5 * time.Second))
		var timeout net.Error
		if _, err := refused.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("the fifth connection: %v", err)
		}
	}
	if n := s.Counters().ConnectionsRefused; n != 1 {
		t.Errorf("%d refused", n)
	}
	for _, conn := range conns {
		conn.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		conn, err := tls.Dial("tcp", s.Addr(reflector.ServiceHTTPS).String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no room after the others are gone: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestControlWithoutAddress has a certificate for a name alone: the client must go on using the name.
func TestControlWithoutAddress(t *testing.T) {
	cert, roots := namedCertificate(t, "localhost")
	s := reflectortest.Start(t, reflector.Config{Certificate: cert})
	_, port, _ := net.SplitHostPort(s.Addr(reflector.ServiceHTTPS).String())
	c, err := wire.NewClient("localhost:"+port, wire.Options{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	sess, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sess.Grant.Control != "" {
		t.Errorf("control %s, where the certificate does not hold", sess.Grant.Control)
	}
	if _, err := sess.Receipts(t.Context(), 0, 0); err != nil {
		t.Error(err)
	}
}

// namedCertificate makes a certificate for a name, and the pool that trusts it.
func namedCertificate(t testing.TB, name string) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
