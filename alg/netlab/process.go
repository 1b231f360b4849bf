package netlab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Process is a program that runs beside the test: a server, a listener, tcpdump.
type Process struct {
	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when the process has ended
	err    error         // of Wait, valid after done
}

// startPatience bounds how long [Process.WaitFor] waits, and stopPatience how long [Process.Stop] does before it kills.
const (
	startPatience = 10 * time.Second
	stopPatience  = 5 * time.Second
)

// Start starts a command made by [Host.Command] or [Host.Func] and registers, as a cleanup of t, that it is killed if it
// still runs then. Standard output and standard error are collected unless the command already has them set.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, output: newOutput(), done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.output
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.output
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("netlab: start: %v", err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// Output returns what the process has written so far.
func (p *Process) Output() string {
	text, _ := p.output.read()
	return text
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended and returns the error of [exec.Cmd.Wait]. The context of the command is the
// limit.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// WaitFor waits until the process has written the text, for example that it is listening. It fails the test if the
// process ends before, or takes longer than ten seconds.
func (p *Process) WaitFor(t testing.TB, text string) {
	t.Helper()
	if err := p.waitFor(func(out string) bool { return strings.Contains(out, text) }); err != nil {
		t.Fatalf("netlab: %s: waiting for %q: %v: %s", p.cmd, text, err, p.Output())
	}
}

// waitFor waits until the output satisfies the condition. The output is judged once more after the end, since the last
// words of a process and its end arrive together.
func (p *Process) waitFor(enough func(output string) bool) error {
	timeout := time.NewTimer(startPatience)
	defer timeout.Stop()
	for ended := false; ; {
		out, more := p.output.read()
		if enough(out) {
			return nil
		}
		if ended {
			return fmt.Errorf("it has ended: %w", p.err)
		}
		select {
		case <-more:
		case <-p.done:
			ended = true
		case <-timeout.C:
			return fmt.Errorf("nothing after %v", startPatience)
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("netlab: %s: signal %v: %v: %s", p.cmd, sig, err, p.Output())
	}
}

// Stop interrupts the process as ^C would, waits until it has ended and returns everything it wrote. It fails the test if
// the process is still there after five seconds, and kills it. How it ended is for [Process.Wait] to say. Stopping a
// process that has ended is no error.
func (p *Process) Stop(t testing.TB) string {
	t.Helper()
	_ = p.cmd.Process.Signal(os.Interrupt)
	timeout := time.NewTimer(stopPatience)
	defer timeout.Stop()
	select {
	case <-p.done:
	case <-timeout.C:
		p.kill()
		t.Errorf("netlab: %s: does not stop when interrupted: %s", p.cmd, p.Output())
	}
	return p.Output()
}

// kill ends the process and its group, if it still runs, and waits for its end.
func (p *Process) kill() {
	select {
	case <-p.done:
		// Its number may belong to another process by now.
	default:
		_ = killGroup(p.cmd.Process)
		<-p.done
	}
}

// output collects what a process writes, and tells who waits for it that there is more.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{} // closed and replaced at every write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.buf.Write(b)
}

// read returns what was written so far, and a channel that is closed as soon as there is more.
func (o *output) read() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String(), o.more
}
