// Command nofixup-reflector is the public far end of nofixup's probes.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"nofixup/reflector"
)

const name = "nofixup-reflector"

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// drainTime bounds the wait for requests that are being answered when the process is told to end.
const drainTime = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	tuneMemory()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// memoryLimit is what the collector keeps the process below: twice what receipts may hold, and some more.
const memoryLimit = 640 << 20

// tuneMemory lets small heaps grow before they are collected, since most of the memory is receipts, which live for minutes.
// The environment's GOGC and GOMEMLIMIT win.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// run is the whole program: it serves until ctx ends and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, flags, err := parse(args)
	switch {
	case err != nil:
		return fail(stderr, exitUsage, err)
	case opts.help:
		usage(stdout, flags)
		return exitOK
	case opts.version:
		fmt.Fprintln(stdout, name, version())
		return exitOK
	}
	cfg, err := opts.config(stderr)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	if opts.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(opts.tlsCert, opts.tlsKey)
		if err != nil {
			return fail(stderr, exitFailure, hinted{
				fmt.Errorf("certificate: %w", err), "both files are PEM, and the certificate's file begins with the server's own",
			})
		}
		cfg.Certificate = &cert
	}
	return serve(ctx, cfg, opts, stdout, stderr)
}

// startServer starts the server. Further ports that nobody asked for are left out if they cannot be had: they are for clients that
// can reach no better one.
func startServer(ctx context.Context, cfg reflector.Config, alsoGiven bool) (*reflector.Server, error) {
	srv, err := reflector.Start(ctx, cfg)
	var listen *reflector.ListenError
	if alsoGiven || !errors.As(err, &listen) || listen.Service != reflector.ServiceAlso {
		return srv, err
	}
	cfg.Log.Warn("the neutral service goes without a further port; --also off keeps it so", "port", cfg.Also[0], "err", err)
	cfg.Also = nil
	return reflector.Start(ctx, cfg)
}

// serve runs the server from the ready line to the end of its drain.
func serve(ctx context.Context, cfg reflector.Config, opts *options, stdout, stderr io.Writer) int {
	srv, err := startServer(ctx, cfg, opts.alsoGiven)
	if err != nil {
		var listen *reflector.ListenError
		if errors.As(err, &listen) {
			return fail(stderr, exitFailure, err)
		}
		return fail(stderr, exitUsage, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Wait() }()
	if opts.metrics != "" {
		m, err := startMetrics(ctx, opts.metrics, srv)
		if err != nil {
			shutdown(srv, cfg.Log)
			return fail(stderr, exitFailure, err)
		}
		defer m.Close()
	}
	fmt.Fprintf(stdout, "ready %s pin=%s\n", srv.URL(), srv.Pin())
	cfg.Log.Info("ready", "url", srv.URL(), "pin", srv.Pin(), "version", cfg.Version)
	select {
	case <-ctx.Done():
		shutdown(srv, cfg.Log)
	case err := <-ended:
		return fail(stderr, exitFailure, fmt.Errorf("the server ended: %w", err))
	}
	c := srv.Counters()
	cfg.Log.Info("ended", "sessions", c.Opened, "received", c.Received, "kept", c.Kept, "answered", c.Answered,
		"tokenless", c.Tokenless, "panics", c.Panics)
	return exitOK
}

// shutdown drains the server.
func shutdown(srv *reflector.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Warn("requests were cut off", "err", err)
	}
}

// options are the command line.
type options struct {
	hosts, advertise []string
	unused           []string
	https, sip, sips string
	neutral          string
	h225, h245, ras  string
	media            string
	also             []string
	alsoGiven        bool
	tlsCert, tlsKey  string
	metrics, log     string
	help, version    bool
}

func parse(args []string) (*options, *pflag.FlagSet, error) {
	o := new(options)
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringArrayVar(&o.hosts, "host", nil, "listen on `ADDR` and tell clients so; repeatable (default: all addresses)")
	f.StringArrayVar(&o.advertise, "advertise", nil, "tell clients `ADDR` instead (1:1 NAT), per --host, then per --unused; repeatable")
	f.StringArrayVar(&o.unused, "unused", nil, "tell clients `ADDR`, which leads here and where nobody listens; repeatable")
	f.StringVar(&o.https, "https", ":443", "`ADDR` of the control protocol")
	f.StringVar(&o.sip, "sip", ":5060", "`ADDR` of SIP over UDP and TCP, or off")
	f.StringVar(&o.sips, "sips", ":5061", "`ADDR` of SIP over TLS, and in clear over UDP and TCP, or off")
	f.StringVar(&o.h225, "h225", ":1720", "`ADDR` of H.323 call signalling over TCP, or off")
	f.StringVar(&o.h245, "h245", "11000-11031", "`PORTS` of H.245 for these calls over TCP: FIRST-LAST, an ADDR, or off")
	f.StringVar(&o.ras, "ras", ":1719", "`ADDR` of H.323 RAS over UDP, or off")
	f.StringVar(&o.media, "media", "10000-10063", "UDP `PORTS` that take media: FIRST-LAST, or off")
	f.StringVar(&o.neutral, "neutral", ":15060", "`ADDR` of all of these on a port that means nothing, or off")
	f.StringSliceVar(&o.also, "also", []string{"tcp:80"}, "more ports of the neutral service: `LIST` of tcp:PORT and udp:PORT, or off")
	f.Lookup("also").DefValue = "tcp:80"
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate chain for HTTPS, PEM `FILE` (default: self-signed, made at start)")
	f.StringVar(&o.tlsKey, "tls-key", "", "its private key, PEM `FILE`")
	f.StringVar(&o.metrics, "metrics", "", "serve counters for Prometheus over HTTP on `ADDR`, say 127.0.0.1:9100")
	f.StringVar(&o.log, "log", "text", "log to standard error as text or json")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
	f.BoolVarP(&o.help, "help", "h", false, "print this and exit")
	if err := f.Parse(args); err != nil {
		return nil, nil, hinted{err, "see " + name + " --help"}
	}
	o.alsoGiven = f.Changed("also")
	switch {
	case o.help || o.version:
	case f.NArg() > 0:
		return nil, nil, hinted{fmt.Errorf("unexpected argument %q", f.Arg(0)), "everything is a flag: see " + name + " --help"}
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return nil, nil, hinted{errors.New("--tls-cert and --tls-key belong together"), "give both, or none for a self-signed key"}
	}
	return o, f, nil
}

// config turns the flags into the server's config.
func (o *options) config(stderr io.Writer) (reflector.Config, error) {
	cfg := reflector.Config{
		HTTPS: o.https, SIP: o.sip, SIPS: o.sips, H225: o.h225, H245: o.h245, RAS: o.ras, Media: o.media, Neutral: o.neutral,
		Version: version(),
	}
	off := slices.Equal(o.also, []string{reflector.Off})
	if unasked := o.neutral == reflector.Off && !o.alsoGiven; !off && !unasked {
		cfg.Also = o.also
	}
	var err error
	if cfg.Hosts, err = addrs("host", o.hosts); err != nil {
		return cfg, err
	}
	if cfg.Advertise, err = addrs("advertise", o.advertise); err != nil {
		return cfg, err
	}
	if cfg.Unused, err = addrs("unused", o.unused); err != nil {
		return cfg, err
	}
	switch o.log {
	case "text":
		cfg.Log = slog.New(slog.NewTextHandler(stderr, nil))
	case "json":
		cfg.Log = slog.New(slog.NewJSONHandler(stderr, nil))
	default:
		return cfg, hinted{fmt.Errorf("--log %q", o.log), "text or json"}
	}
	return cfg, nil
}

func addrs(flag string, texts []string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range texts {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, hinted{fmt.Errorf("--%s %q: not an IP address", flag, text), "names are not looked up; a port belongs to --https, --sip and the like"}
		}
		out = append(out, addr)
	}
	return out, nil
}

// hinted is an error with a line that says what may help.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

// fail prints an error as every message of the program is printed, and returns the code.
func fail(stderr io.Writer, code int, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(stderr, "%s: hint: %s\n", name, h.Hint())
	}
	return code
}

// usage prints what --help promises.
func usage(w io.Writer, flags *pflag.FlagSet) {
	fmt.Fprintf(w, `usage: %[1]s [flags]

The far end of nofixup's probes: keeps what a test client sends for that client,
answers it as a SIP server or an H.323 endpoint would, and is silent to
everybody else.

example, on a machine with the public address 203.0.113.10:

  $ %[1]s --host 203.0.113.10
  ready https://203.0.113.10 pin=sha256//iB2rc5LEzX0z6lbBYYTgc3CKMfKxeGJjJTbAa1O7M/w=

  and elsewhere: nofixup probe --pin sha256//iB2r... 203.0.113.10

  Where a network lets out nothing but the web, the probe finds its control,
  the neutral service, on TCP ports 443 and 80. Another port in place of 80:

  $ %[1]s --host 203.0.113.10 --also tcp:8080

flags (an ADDR of a service is HOST:PORT, or :PORT for every --host; port 0 is any free one):

%[2]s
The ready line is the first on standard output: the URL is that of the first
--advertise or --host, else that of the machine's first address. Without
--also, port 80 is left out with a warning if it cannot be had. SIGTERM and
SIGINT drain. exit codes: 0 ended by a signal, 1 failure, 2 usage.
`, name, strings.TrimRight(flags.FlagUsages(), "\n")+"\n")
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
