package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"nofixup/alg"
	"nofixup/alg/fixup"
	"nofixup/alg/probe"
	"nofixup/reflector"
	"nofixup/reflector/wire"
)

func demoCommand() command {
	var styles strings.Builder
	for _, s := range fixup.Styles() {
		fmt.Fprintf(&styles, "\n    %-14s %s", s.Name, s.About)
	}
	return command{
		name: "demo", args: "[flags]", about: "show a report: reflector, firewall and client in this process, no network needed",
		example: "  nofixup demo\n  nofixup demo --alg none\n\nstyles:" + styles.String(),
		flags: func(f *pflag.FlagSet) func(context.Context, []string, output) int {
			var d display
			style := f.String("alg", "linux", "the `STYLE` of the firewall in the middle")
			d.declare(f)
			return func(ctx context.Context, args []string, out output) int {
				if len(args) > 0 {
					return out.usageError("demo", fmt.Errorf("unexpected argument %q", args[0]))
				}
				if err := d.check(); err != nil {
					return out.usageError("demo", err)
				}
				return demo(ctx, &d, *style, out)
			}
		},
	}
}

// demo runs the whole tool over a network in memory: the client at 10.0.0.9, a box at 198.51.100.2, the reflector at
// 203.0.113.10. It succeeds when the report says what the style announces.
func demo(ctx context.Context, d *display, name string, out output) int {
	network, err := fixup.New(fixup.Config{Style: name, Latency: 5 * time.Millisecond})
	if err != nil {
		return out.usageError("demo", fmt.Errorf("--alg: %w", err))
	}
	defer network.Close()
	server, err := reflector.Start(ctx, reflector.Config{
		Hosts:   []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, 10})},
		Network: network.Outside(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: version,
	})
	if err != nil {
		return out.fail(exitUnknown, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // the process ends anyway
	}()
	bar := d.progress(out)
	report, err := probe.Run(ctx, probe.Config{
		Reflector: server.URL(), Control: wire.Options{Pin: server.Pin()}, Network: network.Inside(),
		Version: version, Kind: "demo", Progress: bar.update,
	})
	bar.clear()
	if err != nil {
		return out.fail(exitUnknown, err)
	}
	style := announced(name)
	report.Network.Notes = append(report.Network.Notes,
		fmt.Sprintf("this is a demonstration: the network is in memory, its firewall imitates %s", style.About))
	if err := d.show(out, report); err != nil {
		return out.fail(exitUnknown, err)
	}
	if string(report.Verdict) != style.Verdict {
		return out.fail(exitUnknown, fmt.Errorf("the report says %s, the style %q announces %s", report.Verdict, name, style.Verdict))
	}
	return exitClean
}

// announced returns the style of that name, which exists.
func announced(name string) fixup.Style {
	for _, s := range fixup.Styles() {
		if s.Name == name {
			return s
		}
	}
	return fixup.Style{Verdict: string(alg.OverallInconclusive)}
}
