package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what a client reads of one answer: a full session in base64 with room to spare.
const maxAnswer = 32 << 20

// Options say how a [Client] reaches its reflector. The zero value is the system's network and the system's roots.
type Options struct {
	// Dial opens the connection; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Roots are the authorities to trust; nil means the system's.
	Roots *x509.CertPool
	// Pin is the reflector's key, "sha256//BASE64" as curl writes it. It takes the place of the checks of chain, name and
	// expiry; without it all three hold.
	Pin string
	// Proxy is the HTTP proxy to reach the reflector through; nil means none. The environment's is never used: the address
	// that the reflector sees should be that of the probes' path.
	Proxy *url.URL
	// UserAgent is sent with every request; empty means "nofixup".
	UserAgent string
}

// Client speaks the control protocol with one reflector.
type Client struct {
	base *url.URL
	http *http.Client
	opts Options
}

// PinError says that the reflector has another key than the pinned one: either it is another server, or something on
// the path terminates TLS.
type PinError struct{ Want, Got string }

func (e *PinError) Error() string {
	return fmt.Sprintf("tls: the server's key is %s, not the pinned %s", e.Got, e.Want)
}

// StatusError is an answer of the reflector that is no success.
type StatusError struct {
	Code       int           // HTTP status
	Problem    Problem       // empty when the answer was no nofixup answer
	RetryAfter time.Duration // 0 when not told
}

func (e *StatusError) Error() string {
	if e.Problem.Error != "" {
		return fmt.Sprintf("reflector: %s (HTTP %d)", e.Problem.Error, e.Code)
	}
	return fmt.Sprintf("reflector: HTTP %d %s", e.Code, http.StatusText(e.Code))
}

// ParseURL reads the address of a reflector as a user types it: "https://host[:port]" or only "host[:port]".
func ParseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		// A bare IPv6 address is no URL host without brackets.
		if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
			s = "[" + s + "]"
		}
		s = "https://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		var perr *url.Error
		if errors.As(err, &perr) {
			err = perr.Err
		}
		return nil, fmt.Errorf("reflector address %q: %w", s, err)
	case u.Scheme != "https":
		return nil, fmt.Errorf("reflector address %q: the scheme must be https", s)
	case u.Hostname() == "":
		return nil, fmt.Errorf("reflector address %q: no host", s)
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("reflector address %q: only a scheme, a host and a port are allowed", s)
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, fmt.Errorf("reflector address %q: port %s is not in 0 to 65535", s, port)
		}
	}
	return &url.URL{Scheme: "https", Host: u.Host}, nil
}

// NewClient returns a client of the reflector at the given address. Nothing is sent yet.
func NewClient(address string, opts Options) (*Client, error) {
	base, err := ParseURL(address)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: opts.Roots}
	if opts.Pin != "" {
		if err := checkPin(opts.Pin); err != nil {
			return nil, err
		}
		// The pin is checked instead of the chain, in VerifyConnection so that a resumed session is checked as well.
		conf.InsecureSkipVerify = true
		conf.VerifyConnection = func(state tls.ConnectionState) error {
			got := Pin(state.PeerCertificates[0])
			if subtle.ConstantTimeCompare([]byte(got), []byte(opts.Pin)) != 1 {
				return &PinError{Want: opts.Pin, Got: got}
			}
			return nil
		}
	}
	if opts.UserAgent == "" {
		opts.UserAgent = "nofixup"
	}
	dial := opts.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var proxy func(*http.Request) (*url.URL, error)
	if opts.Proxy != nil {
		proxy = http.ProxyURL(opts.Proxy)
	}
	return &Client{base: base, opts: opts, http: &http.Client{
		Transport: &http.Transport{
			Proxy:               proxy,
			DialContext:         dial,
			TLSClientConfig:     conf,
			TLSHandshakeTimeout: 10 * time.Second,
			// A long poll may take MaxWait; a reflector that says nothing for longer is gone.
			ResponseHeaderTimeout: MaxWait + 10*time.Second,
			IdleConnTimeout:       time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Pin returns the SPKI pin of a certificate as curl writes it: "sha256//" and the base64 of the key's SHA-256.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return pinPrefix + base64.StdEncoding.EncodeToString(sum[:])
}

const pinPrefix = "sha256//"

func checkPin(pin string) error {
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(pin, pinPrefix))
	if !strings.HasPrefix(pin, pinPrefix) || err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("pin %q: want sha256//BASE64 of a key, as the reflector's ready line gives it", pin)
	}
	return nil
}

// Open asks for a session.
func (c *Client) Open(ctx context.Context) (*Session, error) {
	s := &Session{client: c, base: c.base}
	if err := s.do(ctx, http.MethodPost, "/v1/sessions", &s.Grant); err != nil {
		return nil, err
	}
	if s.Grant.Session == "" || s.Grant.Secret == "" {
		return nil, errors.New("reflector: the answer holds no session: is this a nofixup reflector?")
	}
	if s.Grant.Control != "" {
		control, err := ParseURL(s.Grant.Control)
		if err != nil {
			return nil, fmt.Errorf("grant: %w", err)
		}
		s.base = control
	}
	return s, nil
}

// CloseIdle closes the connections that no request uses.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Session is an open session of a client.
type Session struct {
	Grant Grant

	client *Client
	base   *url.URL
}

// Receipts fetches the receipts after the given sequence number. With none there it waits up to wait (at most MaxWait)
// for the first one.
func (s *Session) Receipts(ctx context.Context, after uint64, wait time.Duration) (Receipts, error) {
	q := url.Values{"after": {strconv.FormatUint(after, 10)}}
	if wait > 0 {
		q.Set("wait", strconv.FormatFloat(min(wait, MaxWait).Seconds(), 'f', 3, 64))
	}
	var r Receipts
	err := s.do(ctx, http.MethodGet, s.path("/receipts?"+q.Encode()), &r)
	return r, err
}

// Renew starts the session's lifetime anew and updates the grant.
func (s *Session) Renew(ctx context.Context) error {
	return s.do(ctx, http.MethodPost, s.path("/renew"), &s.Grant)
}

// Act makes the reflector send one message, and returns the Seq of its receipt.
func (s *Session) Act(ctx context.Context, a Action) (uint64, error) {
	var sent Sent
	err := s.exchange(ctx, http.MethodPost, s.path("/actions"), a, &sent)
	return sent.Seq, err
}

// Close ends the session; the reflector forgets all that it kept of it.
func (s *Session) Close(ctx context.Context) error {
	return s.do(ctx, http.MethodDelete, s.path(""), nil)
}

func (s *Session) path(rest string) string {
	return "/v1/sessions/" + url.PathEscape(s.Grant.Session) + rest
}

func (s *Session) do(ctx context.Context, method, path string, into any) error {
	return s.exchange(ctx, method, path, nil, into)
}

// exchange sends body as JSON, if it is not nil, and reads the answer into into, if that is not nil.
func (s *Session) exchange(ctx context.Context, method, path string, body, into any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base.String()+path, payload)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resolving := false
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { resolving = true },
		DNSDone:  func(httptrace.DNSDoneInfo) { resolving = false },
	}))
	req.Header.Set("User-Agent", s.client.opts.UserAgent)
	req.Header.Set("Accept", "application/json")
	if s.Grant.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+s.Grant.Secret)
	}
	resp, err := s.client.http.Do(req)
	if err != nil {
		var uerr *url.Error // says method and URL again, which hides the cause at the end of a long line
		if errors.As(err, &uerr) {
			err = uerr.Err
		}
		var name *net.DNSError
		switch {
		case resolving && !errors.As(err, &name):
			err = &net.DNSError{UnwrapErr: err, Err: "no answer from the name server in time", Name: s.base.Hostname(), IsTimeout: true}
		case errors.Is(err, context.DeadlineExceeded):
			err = fmt.Errorf("no answer in time: %w", err)
		}
		return fmt.Errorf("%s: %w", s.base.Host, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", s.base.Host, err)
	case len(answer) > maxAnswer:
		return fmt.Errorf("%s: answer larger than %d octets", s.base.Host, maxAnswer)
	case resp.StatusCode/100 != 2:
		serr := &StatusError{Code: resp.StatusCode}
		// What is no Problem stays empty: the status says enough.
		_ = json.Unmarshal(answer, &serr.Problem)
		if sec, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			serr.RetryAfter = time.Duration(sec) * time.Second
		}
		return serr
	case into == nil:
		return nil
	}
	if err := json.NewDecoder(bytes.NewReader(answer)).Decode(into); err != nil {
		if ctx.Err() != nil { // the reflector saw the request being given up, and its empty answer was faster than the end
			return fmt.Errorf("%s: %w", s.base.Host, ctx.Err())
		}
		return fmt.Errorf("%s: not the answer of a reflector: %w", s.base.Host, err)
	}
	return nil
}
