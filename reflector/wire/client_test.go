package wire

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{in: "reflector.example", want: "https://reflector.example"},
		{in: "reflector.example:8443", want: "https://reflector.example:8443"},
		{in: "https://reflector.example", want: "https://reflector.example"},
		{in: "https://reflector.example/", want: "https://reflector.example"},
		{in: "https://192.0.2.1:443", want: "https://192.0.2.1:443"},
		{in: "192.0.2.1", want: "https://192.0.2.1"},
		{in: "2001:db8::1", want: "https://[2001:db8::1]"},
		{in: "[2001:db8::1]:8443", want: "https://[2001:db8::1]:8443"},
		{in: "https://[2001:db8::1]", want: "https://[2001:db8::1]"},
		{in: "http://reflector.example", err: "the scheme must be https"},
		{in: "", err: "no host"},
		{in: "https://:443", err: "no host"},
		{in: "https://user@reflector.example", err: "only a scheme, a host and a port"},
		{in: "https://reflector.example/v1/sessions", err: "only a scheme, a host and a port"},
		{in: "https://reflector.example?x=1", err: "only a scheme, a host and a port"},
		{in: "https://reflector.example?", err: "only a scheme, a host and a port"},
		{in: "https://reflector.example#x", err: "only a scheme, a host and a port"},
		{in: "reflector.example:99999", err: "port 99999"},
		{in: "reflector.example:sip", err: "invalid port"},
		{in: "reflector example", err: "invalid character"},
	} {
		u, err := ParseURL(tt.in)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "parse ") {
				t.Errorf("%q: got error %v, want ... %s ...", tt.in, err, tt.err)
			}
		case err != nil:
			t.Errorf("%q: %v", tt.in, err)
		case u.String() != tt.want:
			t.Errorf("%q: got %s, want %s", tt.in, u, tt.want)
		}
	}
}

// fake is a reflector that gives prepared answers.
func fake(t *testing.T, handler http.HandlerFunc) (*httptest.Server, Options) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are what some tests are about
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, Options{Pin: Pin(s.Certificate())}
}

func TestClientSession(t *testing.T) {
	var asked []string
	s, opts := fake(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Authorization"))
		switch r.Method + " " + r.URL.Path {
		case "POST /v1/sessions":
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"session":"a/b","secret":"s","budget":{"messages":9,"renewals":1},"later":"ignored"}`)
		case "GET /v1/sessions/a/b/receipts":
			io.WriteString(w, `{"receipts":[{"seq":4,"at":"2026-01-02T03:04:05Z","direction":"in","transport":"udp",`+
				`"local":"192.0.2.1:5060","remote":"[2001:db8::1]:5060","data":"AAH/"}],"next":4,"dropped":2}`)
		case "POST /v1/sessions/a/b/renew":
			io.WriteString(w, `{"session":"a/b","secret":"s","budget":{"messages":9}}`)
		case "POST /v1/sessions/a/b/actions":
			body, err := io.ReadAll(r.Body)
			if err != nil || r.Header.Get("Content-Type") != "application/json" ||
				string(body) != `{"action":"request","to":4,"number":5,"method":"INVITE","sdp":true}` {
				t.Errorf("action %s, %v", body, err)
			}
			io.WriteString(w, `{"seq":5}`)
		case "DELETE /v1/sessions/a/b":
			w.WriteHeader(http.StatusNoContent)
		}
	})
	opts.UserAgent = "test"
	c, err := NewClient(s.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	ctx := t.Context()
	sess, err := c.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if sess.Grant.Budget.Renewals != 1 {
		t.Errorf("grant: %+v", sess.Grant)
	}
	r, err := sess.Receipts(ctx, 3, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Receipts) != 1 || string(r.Receipts[0].Data) != "\x00\x01\xff" || r.Next != 4 || r.Dropped != 2 {
		t.Errorf("receipts: %+v", r)
	}
	seq, err := sess.Act(ctx, Action{Action: ActionRequest, To: 4, Number: 5, Method: "INVITE", SDP: true})
	if err != nil || seq != 5 {
		t.Errorf("acted: %d, %v", seq, err)
	}
	if err := sess.Renew(ctx); err != nil {
		t.Fatal(err)
	}
	if err := sess.Close(ctx); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"POST /v1/sessions ",
		"GET /v1/sessions/a%2Fb/receipts?after=3&wait=25.000 Bearer s",
		"POST /v1/sessions/a%2Fb/actions Bearer s",
		"POST /v1/sessions/a%2Fb/renew Bearer s",
		"DELETE /v1/sessions/a%2Fb Bearer s",
	}
	if strings.Join(asked, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked:\n%s\nwant:\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
}

// TestClientMovesToControl opens at one address and finds the rest of the session at another.
func TestClientMovesToControl(t *testing.T) {
	second, _ := fake(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"receipts":[],"next":0}`) })
	first, opts := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("%s %s came to the first address", r.Method, r.URL)
		}
		json.NewEncoder(w).Encode(Grant{Session: "a", Secret: "s", Control: second.URL})
	})
	c, err := NewClient(first.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	sess, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sess.Receipts(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
}

func TestClientErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"error":"no room","hint":"wait"}`)
		}, "reflector: no room (HTTP 503)"},
		{"no problem", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, "<html>")
		}, "reflector: HTTP 502 Bad Gateway"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://192.0.2.1/", http.StatusFound)
		}, "reflector: HTTP 302 Found"},
		{"web page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello") }, "not the answer of a reflector"},
		{"other JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, "holds no session"},
		{"too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, maxAnswer+1))
		}, "answer larger than"},
		{"control", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"session":"a","secret":"s","control":"http://192.0.2.1"}`)
		}, "grant: reflector address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, opts := fake(t, tt.answer)
			c, err := NewClient(s.URL, opts)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdle()
			_, err = c.Open(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want ... %s ...", err, tt.want)
			}
			var status *StatusError
			if tt.name == "problem" && (!errors.As(err, &status) || status.Problem.Hint != "wait" || status.RetryAfter != 7*time.Second) {
				t.Errorf("got %#v", err)
			}
		})
	}
}

func TestClientTrust(t *testing.T) {
	s, opts := fake(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"session":"a","secret":"s"}`) })
	open := func(address string, opts Options) error {
		t.Helper()
		c, err := NewClient(address, opts)
		if err != nil {
			return err
		}
		defer c.CloseIdle()
		_, err = c.Open(t.Context())
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	port := s.Listener.Addr().String()[strings.LastIndexByte(s.Listener.Addr().String(), ':'):]

	if err := open(s.URL, opts); err != nil {
		t.Errorf("right pin: %v", err)
	}
	if err := open("https://localhost"+port, opts); err != nil {
		t.Errorf("right pin, other name: %v", err)
	}
	if err := open(s.URL, Options{Roots: roots}); err != nil {
		t.Errorf("known authority: %v", err)
	}
	var pin *PinError
	wrong := strings.Replace(opts.Pin, opts.Pin[8:12], "AAAA", 1)
	if err := open(s.URL, Options{Pin: wrong}); !errors.As(err, &pin) || pin.Got != opts.Pin || pin.Want != wrong {
		t.Errorf("wrong pin: %v", err)
	}
	// A pin takes the place of the chain: a known authority does not make up for a wrong one.
	if err := open(s.URL, Options{Pin: wrong, Roots: roots}); !errors.As(err, &pin) {
		t.Errorf("wrong pin, known authority: %v", err)
	}
	var authority x509.UnknownAuthorityError
	if err := open(s.URL, Options{}); !errors.As(err, &authority) {
		t.Errorf("unknown authority: %v", err)
	}
	var hostname x509.HostnameError
	if err := open("https://localhost"+port, Options{Roots: roots}); !errors.As(err, &hostname) {
		t.Errorf("other name: %v", err)
	}
	for _, bad := range []string{"sha256//", "AAAA", opts.Pin[8:], opts.Pin + "A", "sha256/" + opts.Pin[8:]} {
		if err := open(s.URL, Options{Pin: bad}); err == nil || !strings.Contains(err.Error(), "want sha256//BASE64") {
			t.Errorf("pin %q: %v", bad, err)
		}
	}
}

func TestClientCancel(t *testing.T) {
	s, opts := fake(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, err := NewClient(s.URL, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
