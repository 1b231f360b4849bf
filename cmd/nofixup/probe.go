package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"nofixup/alg/probe"
	"nofixup/reflector/wire"
)

// probeFlags are the flags of "nofixup probe".
type probeFlags struct {
	display
	only    []string
	ca, pin string
	proxy   string
	source  string
	via     []string
	timeout time.Duration
	idle    time.Duration
	v4, v6  bool

	thorough bool
	given    func(flag string) bool
	dryRun   bool
}

func probeCommand() command {
	return command{
		name: "probe", args: "[flags] REFLECTOR", about: "test the network between here and a reflector",
		example: "  nofixup probe https://reflector.example.net\n" +
			"  nofixup probe --json --pin sha256//BASE64 203.0.113.10 > report.json",
		flags: func(f *pflag.FlagSet) func(context.Context, []string, output) int {
			var p probeFlags
			f.StringSliceVar(&p.only, "only", nil, "test only these protocols: a `LIST` of "+strings.Join(probe.Protocols(), ", "))
			f.StringVar(&p.ca, "ca", "", "trust the authorities in this PEM `FILE` for HTTPS instead of the system's")
			f.StringVar(&p.pin, "pin", "", "trust the reflector with this `KEY` (sha256//BASE64) and no other, whatever its certificate says")
			f.StringVar(&p.proxy, "proxy", "", "ask the reflector through the HTTP proxy at this `URL`; what is tested never goes through it")
			f.StringVar(&p.source, "source", "", "send from this local `ADDR`")
			f.StringArrayVar(&p.via, "via-address", nil, "`ADDR` of a router between here and the outermost one, on its outer side; repeatable")
			f.DurationVar(&p.timeout, "timeout", 0, fmt.Sprintf("give up after `D` and report what is known by then (default %v, with --thorough %v, longer on slow lines)", probe.DefaultTimeout, probe.ThoroughTimeout))
			f.BoolVar(&p.thorough, "thorough", false, "also send odd and broken messages, over TCP as well, measure for three minutes how long idle bindings live, and register with a gatekeeper (RRQ, ARQ, URQ), for which a firewall may open a way in for some minutes")
			f.DurationVar(&p.idle, "idle", probe.LongestIdle, "with --thorough, try whether bindings that are idle for up to `D` let anything back in; 0 leaves that out")
			f.BoolVarP(&p.v4, "ipv4", "4", false, "IPv4 only")
			f.BoolVarP(&p.v6, "ipv6", "6", false, "IPv6 only")
			f.BoolVar(&p.dryRun, "dry-run", false, "print the plan and send nothing")
			p.given = f.Changed
			p.declare(f)
			return p.run
		},
	}
}

// usualRTT is assumed where nobody was asked.
const usualRTT = 20 * time.Millisecond

func (p *probeFlags) run(ctx context.Context, args []string, out output) int {
	cfg, err := p.config(args)
	if err != nil {
		return out.usageError("probe", err)
	}
	if p.dryRun {
		plan := probe.NewPlan(usualTargets(cfg.Reflector, cfg.Plan.Families), cfg.Plan)
		if err := plan.Print(out.stdout); err != nil {
			return out.fail(exitUnknown, err)
		}
		if !p.quiet {
			out.say("%d steps, about %d s with a round trip of %d ms; longer where messages are dropped", plan.Steps(),
				max(1, int(plan.Estimate(usualRTT).Round(time.Second)/time.Second)), usualRTT.Milliseconds())
		}
		return exitClean
	}
	if p.ca != "" {
		pem, err := os.ReadFile(p.ca)
		if err != nil {
			return out.usageError("probe", fmt.Errorf("--ca: %w", err))
		}
		cfg.Control.Roots = x509.NewCertPool()
		if !cfg.Control.Roots.AppendCertsFromPEM(pem) {
			return out.usageError("probe", fmt.Errorf("--ca %s: no certificate in PEM form", p.ca))
		}
	}
	bar := p.progress(out)
	cfg.Progress = bar.update
	report, err := probe.Run(ctx, cfg)
	bar.clear()
	if err != nil {
		return out.fail(exitUnknown, err)
	}
	if err := p.show(out, report); err != nil {
		return out.fail(exitUnknown, err)
	}
	return exitCode(report)
}

// config checks the flags.
func (p *probeFlags) config(args []string) (probe.Config, error) {
	cfg := probe.Config{Version: version, Kind: "probe", Timeout: p.timeout, Control: wire.Options{Pin: p.pin}}
	switch {
	case len(args) == 0:
		return cfg, errors.New("no reflector: name one, such as https://reflector.example.net")
	case len(args) > 1:
		return cfg, fmt.Errorf("unexpected argument %q", args[1])
	case p.check() != nil:
		return cfg, p.check()
	case p.timeout < 0 || p.timeout == 0 && p.given("timeout"):
		return cfg, fmt.Errorf("--timeout %s: want more than nothing", p.timeout)
	case p.pin != "" && p.ca != "":
		return cfg, errors.New("--pin and --ca: a pin takes the place of authorities, give one of them")
	}
	if p.proxy != "" {
		u, err := url.Parse(p.proxy)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
			return cfg, fmt.Errorf("--proxy %q: want http://host:port, https://host:port or socks5://host:port", p.proxy)
		}
		cfg.Control.Proxy = u
	}
	cfg.Reflector = args[0]
	if _, err := wire.NewClient(cfg.Reflector, cfg.Control); err != nil {
		return cfg, err
	}
	for _, proto := range p.only {
		if !slices.Contains(probe.Protocols(), proto) {
			return cfg, fmt.Errorf("--only %s: want some of %s", strings.Join(p.only, ","), strings.Join(probe.Protocols(), ","))
		}
	}
	cfg.Plan.Protos, cfg.Plan.Thorough, cfg.Plan.Idle = p.only, p.thorough, p.idle
	if p.idle <= 0 {
		cfg.Plan.Idle = -1
	}
	switch {
	case p.v4 && !p.v6:
		cfg.Plan.Families = []int{4}
	case p.v6 && !p.v4:
		cfg.Plan.Families = []int{6}
	}
	if p.source != "" {
		a, err := netip.ParseAddr(p.source)
		if err != nil {
			return cfg, fmt.Errorf("--source %q: no IP address", p.source)
		}
		cfg.Source = a.Unmap()
		if cfg.Plan.Families == nil { // an address is of one family
			cfg.Plan.Families = []int{4}
			if cfg.Source.Is6() {
				cfg.Plan.Families = []int{6}
			}
		}
	}
	for _, v := range p.via {
		a, err := netip.ParseAddr(v)
		if err != nil {
			return cfg, fmt.Errorf("--via-address %q: no IP address", v)
		}
		cfg.Plan.ViaAddresses = append(cfg.Plan.ViaAddresses, a.Unmap())
	}
	return cfg, nil
}

// usualTargets are the ports that a reflector listens on unless told otherwise; which ones a given reflector really has only
// its grant tells, and a dry run asks nobody.
func usualTargets(reflector string, families []int) []wire.Target {
	addr := netip.IPv4Unspecified()
	if u, err := wire.ParseURL(reflector); err == nil {
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			addr = a
		} else if len(families) == 1 && families[0] == 6 {
			addr = netip.IPv6Unspecified()
		}
	}
	at := func(service, transport string, port uint16) wire.Target {
		return wire.Target{Service: service, Transport: transport, Addr: netip.AddrPortFrom(addr, port)}
	}
	return []wire.Target{
		at(wire.ServiceSIP, "udp", 5060), at(wire.ServiceSIP, "tcp", 5060),
		at(wire.ServiceSIP, "udp", 5061), at(wire.ServiceSIP, "tcp", 5061), at(wire.ServiceSIPS, "tls", 5061),
		at(wire.ServiceH225, "tcp", 1720), at(wire.ServiceRAS, "udp", 1719),
		at(wire.ServiceNeutral, "udp", 15060), at(wire.ServiceNeutral, "tcp", 15060),
		at(wire.ServiceNeutral, "tcp", 443), at(wire.ServiceNeutral, "tcp", 80),
	}
}
