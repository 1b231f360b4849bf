package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"nofixup/alg"
	"nofixup/alg/capture"
)

func pcapCommand() command {
	return command{
		name: "pcap", args: "[flags] FILE... | --inside FILE --outside FILE", about: "find out from captures what became of the calls in them",
		example: "  nofixup pcap call.pcapng\n  nofixup pcap trace.pcap0 trace.pcap1\n  nofixup pcap --inside lan.pcap --outside wan.pcap\n  tcpdump -w - udp | nofixup pcap -",
		flags: func(f *pflag.FlagSet) func(context.Context, []string, output) int {
			var p pcapFlags
			f.StringArrayVar(&p.inside, "inside", nil, "a capture `FILE` from the inner side of a firewall; repeatable")
			f.StringArrayVar(&p.outside, "outside", nil, "a capture `FILE` from its outer side, of the same time; repeatable")
			f.IntVar(&p.calls, "max-calls", capture.DefaultCalls, "follow at most `N` calls")
			f.IntVar(&p.limits.Flows, "max-flows", capture.DefaultFlows, "keep at most `N` conversations")
			f.IntVar(&p.messages, "max-messages", capture.DefaultMessages>>20, "with --inside and --outside keep at most `N` MiB of messages of either side")
			f.IntVar(&p.evidence, "max-evidence", capture.DefaultEvidence>>20, "keep at most `N` MiB of messages in the report")
			p.declare(f)
			return p.run
		},
	}
}

type pcapFlags struct {
	display
	inside, outside []string
	calls           int
	messages        int // MiB
	evidence        int // MiB
	limits          capture.Limits
}

// progressEvery is how often the progress is shown anew.
const progressEvery = 100 * time.Millisecond

// exitInterrupted is what shells have for a command that an interrupt ended: 128 and the number of the signal.
const exitInterrupted = 130

// maxMiB keeps limits in MiB from being more than there can be.
const maxMiB = 1 << 20

func (p *pcapFlags) run(ctx context.Context, args []string, out output) int {
	cfg, err := p.config(args)
	if err != nil {
		return out.usageError("pcap", err)
	}
	if l := cfg.Limits; l.Flows <= capture.DefaultFlows && l.Messages <= capture.DefaultMessages && l.Evidence <= capture.DefaultEvidence &&
		cfg.MaxCalls <= capture.DefaultCalls {
		quiet := int64(quietMemory)
		if len(cfg.Files) == 0 {
			quiet = quietMemoryPair
		}
		quietCollector(quiet)
	}
	bar := p.progress(out)
	if slices.Contains(slices.Concat(cfg.Files, cfg.Inside, cfg.Outside), "-") {
		// An interrupt also ends what writes into the pipe: that is how a live capture is ended, to be reported on.
		stop := context.AfterFunc(ctx, func() {
			bar.clear()
			if !p.quiet {
				out.say("interrupted: reporting on what comes until the end of standard input")
			}
		})
		defer stop()
		ctx = context.WithoutCancel(ctx)
	}
	began := time.Now()
	shown := began
	cfg.Progress = func(at capture.Progress) {
		if now := time.Now(); now.Sub(shown) >= progressEvery {
			shown = now
			bar.line(rate(at, now.Sub(began)))
		}
	}
	report, err := capture.Report(ctx, cfg)
	bar.clear()
	if errors.Is(err, context.Canceled) {
		out.say("interrupted")
		return exitInterrupted
	}
	if err != nil {
		out.say("%v", err)
		if h := captureHint(err); h != "" {
			out.say("hint: %s", h)
		}
		return exitUnknown
	}
	if err := p.show(out, report); err != nil {
		return out.fail(exitUnknown, err)
	}
	return captureCode(report)
}

// config checks the flags.
func (p *pcapFlags) config(args []string) (capture.Config, error) {
	cfg := capture.Config{Files: args, Inside: p.inside, Outside: p.outside, Limits: p.limits, MaxCalls: p.calls, Version: version}
	cfg.Limits.Messages, cfg.Limits.Evidence = p.messages<<20, p.evidence<<20
	switch {
	case p.check() != nil:
		return cfg, p.check()
	case p.calls <= 0:
		return cfg, fmt.Errorf("--max-calls %d: want more than nothing", p.calls)
	case p.limits.Flows <= 0:
		return cfg, fmt.Errorf("--max-flows %d: want more than nothing", p.limits.Flows)
	case p.messages <= 0 || p.messages > maxMiB:
		return cfg, fmt.Errorf("--max-messages %d: want 1 to %d", p.messages, maxMiB)
	case p.evidence <= 0 || p.evidence > maxMiB:
		return cfg, fmt.Errorf("--max-evidence %d: want 1 to %d", p.evidence, maxMiB)
	case len(p.inside) > 0 != (len(p.outside) > 0):
		return cfg, errors.New("--inside and --outside: give both, or captures of one side without them")
	case len(p.inside) > 0 && len(args) > 0:
		return cfg, fmt.Errorf("unexpected argument %q: is it --inside or --outside?", args[0])
	case slices.Contains(p.inside, "-") && (len(p.inside) > 1 || slices.Contains(p.outside, "-")), slices.Contains(p.outside, "-") && len(p.outside) > 1:
		return cfg, errors.New("standard input cannot be one of several files")
	case len(p.inside) > 0:
		return cfg, nil
	case len(args) == 0:
		return cfg, errors.New("no capture: name one, or - for standard input")
	case len(args) > 1 && slices.Contains(args, "-"):
		return cfg, errors.New("standard input cannot be one of several files")
	}
	return cfg, nil
}

// rate is how fast reading goes, and what is left of it.
func rate(at capture.Progress, since time.Duration) string {
	const mega = 1e6
	line := fmt.Sprintf("%.0f MB read, %d packets", float64(at.Read)/mega, at.Packets)
	if since < 200*time.Millisecond || at.Read == 0 {
		return line
	}
	perSecond := float64(at.Read) / since.Seconds()
	line += fmt.Sprintf(", %.0f MB/s", perSecond/mega)
	if at.Total > at.Read {
		line += fmt.Sprintf(", about %d s left", max(1, int(float64(at.Total-at.Read)/perSecond+0.5)))
	}
	return line
}

// captureHint says what may help against an error, "" if nothing is known.
func captureHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "check the name of the file"
	case errors.Is(err, fs.ErrPermission):
		return "captures are often readable by root alone: use sudo or change the file's mode"
	}
	return "captures are pcap or pcapng files, also compressed with gzip or zstd: \"tcpdump -w FILE\" writes one"
}

// captureCode is what a report on captures ends with. One capture cannot prove that nothing is rewritten; it is a success
// when of each call in it the audio could be judged, and nothing is wrong with it.
func captureCode(r *alg.Report) int {
	switch {
	case r.Verdict == alg.OverallInterference, r.Fault():
		return exitInterference
	case r.Verdict == alg.OverallClean:
		return exitClean
	case len(r.Evidence.Points) > 0 || len(r.Calls) == 0:
		return exitUnknown
	case slices.ContainsFunc(r.Calls, func(c alg.Call) bool { return c.Audio == alg.AudioUnknown }):
		return exitUnknown
	}
	return exitClean
}
