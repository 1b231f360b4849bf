package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"nofixup/alg"
	"nofixup/alg/probe"
	"nofixup/alg/report"
)

// display are the flags that all commands with a report share.
type display struct {
	json  bool
	quiet bool
	color string
}

func (d *display) declare(f *pflag.FlagSet) {
	f.BoolVar(&d.json, "json", false, "print the report as JSON (schema 1) instead of text")
	f.BoolVar(&d.quiet, "quiet", false, "no progress and no messages but errors")
	f.StringVar(&d.color, "color", "auto", "colour in text: `WHEN` is auto, always or never")
}

func (d *display) check() error {
	switch d.color {
	case "auto", "always", "never":
		return nil
	}
	return fmt.Errorf("--color %q: want auto, always or never", d.color)
}

// show writes the report to stdout.
func (d *display) show(out output, r *alg.Report) error {
	if d.json {
		return r.WriteJSON(out.stdout)
	}
	opts := report.TextOptions{Color: d.color == "always"}
	if fd, ok := terminal(out.stdout); ok {
		opts.Color = opts.Color || d.color == "auto" && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(fd); err == nil {
			opts.Width = min(max(width, 40), 120)
		}
	}
	return report.Text(out.stdout, r, opts)
}

func terminal(w io.Writer) (fd int, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// progress rewrites one line on stderr, if that is a terminal and nobody asked for quiet.
type progress struct {
	w    io.Writer
	mu   sync.Mutex
	last int
}

func (d *display) progress(out output) *progress {
	if _, ok := terminal(out.stderr); !ok || d.quiet {
		return &progress{}
	}
	return &progress{w: out.stderr}
}

func (p *progress) update(at probe.Progress) {
	if p.w == nil {
		return
	}
	line := at.What
	if at.Total > 0 {
		line = fmt.Sprintf("%s: %d of %d", line, at.Done, at.Total)
	}
	if at.Left > 0 {
		line += fmt.Sprintf(", about %d s left", max(1, int(at.Left.Round(time.Second)/time.Second)))
	}
	if at.SoFar != "" {
		line += ", so far " + string(at.SoFar)
	}
	p.line(line)
}

// line shows a line in place of the one before.
func (p *progress) line(line string) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "\rnofixup: %s%s", line, strings.Repeat(" ", max(0, p.last-len(line))))
	p.last = len(line)
}

// clear wipes the line.
func (p *progress) clear() {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == 0 {
		return
	}
	fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.last+len("nofixup: ")))
	p.last = 0
}

// exitCode is what a report ends with.
func exitCode(r *alg.Report) int {
	switch r.Verdict {
	case alg.OverallClean:
		return exitClean
	case alg.OverallInterference:
		return exitInterference
	}
	return exitUnknown
}
