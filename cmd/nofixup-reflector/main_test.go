package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nofixup/reflector"
	"nofixup/reflector/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nofixup-reflector": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Condition: func(cond string) (bool, error) {
			if cond != "ipv6" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			ln, err := net.Listen("tcp", "[::1]:0")
			if err == nil {
				ln.Close()
			}
			return err == nil, nil
		},
		Setup: func(env *testscript.Env) error {
			return writeKey(env.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":  start,
			"signal": signalCmd,
			"open":   open,
			"occupy": occupy,
			"exits":  exits,
		},
	})
}

// server is the process that a script has started.
type server struct {
	cmd    *exec.Cmd
	ready  string
	stderr bytes.Buffer
	rest   chan string // what came on standard output after the ready line
}

// running finds a script's process by its number: scripts run side by side, and pass on nothing but variables.
var running sync.Map

// start runs nofixup-reflector with the given flags until the ready line, which goes into $READY, $URL and $PIN.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! start")
	}
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, "nofixup-reflector"); path == "" && exists(p) {
			path = p
		}
	}
	s := &server{cmd: exec.Command(path, args...), rest: make(chan string, 1)}
	s.cmd.Dir = ts.MkAbs(".")
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	ts.Defer(func() { _ = s.cmd.Process.Kill() })
	out := bufio.NewReader(stdout)
	s.ready, err = out.ReadString('\n')
	if err != nil {
		_ = s.cmd.Wait()
		ts.Fatalf("no ready line: %v\n%s", err, s.stderr.String())
	}
	go func() {
		rest, _ := io.ReadAll(out)
		s.rest <- string(rest)
	}()
	fields := strings.Fields(s.ready)
	if len(fields) != 3 || fields[0] != "ready" || !strings.HasPrefix(fields[2], "pin=") {
		ts.Fatalf("ready line %q", s.ready)
	}
	ts.Setenv("READY", strings.TrimSpace(s.ready))
	ts.Setenv("URL", fields[1])
	ts.Setenv("PIN", strings.TrimPrefix(fields[2], "pin="))
	ts.Setenv("SERVER", fmt.Sprint(s.cmd.Process.Pid))
	running.Store(fmt.Sprint(s.cmd.Process.Pid), s)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// signalCmd sends TERM or INT to the process and wants it to exit with 0. What it had logged goes into the file "log".
func signalCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signal TERM|INT")
	}
	v, ok := running.Load(ts.Getenv("SERVER"))
	if !ok {
		ts.Fatalf("nothing was started")
	}
	s := v.(*server)
	ts.Check(s.cmd.Process.Signal(map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt}[args[0]]))
	rest := <-s.rest
	err := s.cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("log"), s.stderr.Bytes(), 0o666))
	if err != nil {
		ts.Fatalf("%v\n%s", err, s.stderr.String())
	}
	if rest != "" {
		ts.Fatalf("more on standard output: %q", rest)
	}
}

// open opens a session at a URL with a pin, and ends it.
func open(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] open URL PIN")
	}
	c, err := wire.NewClient(args[0], wire.Options{Pin: args[1]})
	ts.Check(err)
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	sess, err := c.Open(ctx)
	if neg != (err != nil) {
		ts.Fatalf("open: %v", err)
	}
	if err == nil {
		ts.Check(sess.Close(ctx))
	}
}

// exits runs a command and wants it to exit with the given code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || fmt.Sprint(exit.ExitCode()) != args[0] {
		ts.Fatalf("got %v, want exit code %s", err, args[0])
	}
}

// occupy listens on a free port of 127.0.0.1 and puts the address into a variable.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: occupy tcp|udp VARIABLE")
	}
	if args[0] == "udp" {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		ts.Check(err)
		ts.Defer(func() { conn.Close() })
		ts.Setenv(args[1], conn.LocalAddr().String())
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv(args[1], ln.Addr().String())
}

// writeKey writes a certificate for 127.0.0.1 and its key.
func writeKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// TestRun runs the program in this process: ready, metrics, drain.
func TestRun(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, out := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{
			"--host", "127.0.0.1", "--https", ":0", "--sip", ":0", "--sips", ":0", "--neutral", "off",
			"--h225", ":0", "--h245", ":0", "--ras", ":0", "--media", ":0", "--metrics", address,
		}, out, &stderr)
		out.Close()
	}()
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	if !regexp.MustCompile(`^ready https://127\.0\.0\.1:\d+ pin=sha256//[A-Za-z0-9+/]{43}=$`).MatchString(lines.Text()) {
		t.Fatalf("first line %q", lines.Text())
	}
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !bytes.Contains(body, []byte("\nnofixup_reflector_sessions 0\n")) {
		t.Errorf("%v\n%s", err, body)
	}
	if resp, err := http.Get("http://" + address + "/debug/pprof/"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	cancel()
	if c := <-code; c != exitOK {
		t.Errorf("exit %d\n%s", c, stderr.String())
	}
	if lines.Scan() {
		t.Errorf("more on standard output: %q", lines.Text())
	}
}

// TestAlso: what the flag and its absence mean.
func TestAlso(t *testing.T) {
	for _, tt := range []struct {
		args, want string
		given      bool
	}{
		{"", "[tcp:80]", false},
		{"--also off", "[]", true},
		{"--also tcp:80,udp:123 --also tcp:389", "[tcp:80 udp:123 tcp:389]", true},
		{"--neutral off", "[]", false},
		{"--neutral off --also off", "[]", true},
		{"--neutral off --also tcp:80", "[tcp:80]", true}, // which is refused
		{"--also off,tcp:80", "[off tcp:80]", true},       // so is this
	} {
		o, _, err := parse(strings.Fields(tt.args))
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := o.config(io.Discard)
		if got := fmt.Sprint(cfg.Also); err != nil || got != tt.want || o.alsoGiven != tt.given {
			t.Errorf("%q: %s, given %v, %v", tt.args, got, o.alsoGiven, err)
		}
	}
}

// TestAlsoTaken: a further port that cannot be had ends the start if it was asked for, else there is a warning.
func TestAlsoTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	cfg := reflector.Config{
		Hosts: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, HTTPS: ":0", SIP: ":0", SIPS: ":0", Neutral: ":0",
		H225: ":0", H245: ":0", RAS: ":0", Media: ":0",
		Also: []string{"tcp:" + taken.Addr().String()}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	var listen *reflector.ListenError
	if _, err := startServer(t.Context(), cfg, true); !errors.As(err, &listen) || log.Len() != 0 {
		t.Errorf("asked for: %v, %s", err, log.String())
	}
	srv, err := startServer(t.Context(), cfg, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, taken.Addr().String()) {
		t.Errorf("log: %s", got)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	cfg.SIP = taken.Addr().String() // another port is no matter of taste
	if _, err := startServer(t.Context(), cfg, false); !errors.As(err, &listen) || listen.Service != wire.ServiceSIP {
		t.Errorf("sip taken: %v", err)
	}
}

// TestMetrics gives every counter a value of its own and looks for it: a counter that is added must be shown as well.
func TestMetrics(t *testing.T) {
	c := reflector.Counters{Silences: map[string]uint64{"ack": 9001, "port": 9002}}
	want := []string{" 9001\n", " 9002\n"}
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		n := int64(7000 + i)
		switch f := v.Field(i); f.Kind() {
		case reflect.Uint64:
			f.SetUint(uint64(n))
		case reflect.Int, reflect.Int64:
			f.SetInt(n)
		default:
			continue
		}
		want = append(want, fmt.Sprintf(" %d\n", n))
	}
	got := string(metrics(c))
	for _, w := range want {
		if strings.Count(got, w) != 1 {
			t.Errorf("%q stands there %d times", w, strings.Count(got, w))
		}
	}
	line := regexp.MustCompile(`^(# (HELP|TYPE) nofixup_reflector_[a-z_]+ .+|nofixup_reflector_[a-z_]+(\{[a-z]+="[a-z_]+"\})? \d+)$`)
	for text := range strings.Lines(got) {
		if !line.MatchString(strings.TrimSuffix(text, "\n")) {
			t.Errorf("not in the format: %q", text)
		}
	}
}
