package netlab_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestInterrupt shows that a probe which is stopped by ^C in the middle ends within a second, tells what is known so far and
// claims nothing beyond it, and leaves no registration behind: on the wire beyond the router every REGISTER that had passed is
// followed by one with the same Call-ID that expires at once.
func TestInterrupt(t *testing.T) {
	netlab.Require(t, "tcpdump", "tshark")
	for _, tc := range []struct {
		mode  netlab.Mode
		after string // what has passed on the wire by then
	}{
		{netlab.Plain, "REGISTER sip:"}, {netlab.Plain, "SUBSCRIBE sip:"}, {netlab.Plain, "BYE sip:"}, {netlab.ALG, "SUBSCRIBE sip:"},
	} {
		t.Run(string(tc.mode)+" "+strings.TrimSuffix(tc.after, " sip:"), func(t *testing.T) {
			lab := netlab.Up(t, tc.mode)
			url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr)
			capture := lab.Host("wan").Capture(t, "w0")
			live := netlab.Start(t, lab.Host("wan").Command(context.Background(), "tcpdump", "-n", "-p", "-l", "-A", "--immediate-mode", "-i", "w0", "udp port 5060"))
			live.WaitFor(t, "listening on")
			cmd := lab.Host("lan").Command(context.Background(), netlab.Build(t, "nofixup/cmd/nofixup"), "probe", "--only", "sip", "--pin", pin, url)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			process := netlab.Start(t, cmd)
			live.WaitFor(t, tc.after)
			signalled := time.Now()
			process.Signal(t, os.Interrupt)
			err := process.Wait()
			// What the system needs to end a process is not the probe's fault.
			if took := time.Since(signalled); took > 1100*time.Millisecond {
				t.Errorf("took %v to end", took)
			} else {
				t.Logf("took %v to end", took.Round(time.Millisecond))
			}
			want := 3
			if tc.mode == netlab.ALG {
				want = 1 // what was seen by then is interference
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != want {
				t.Errorf("%v, want exit code %d:\n%s", err, want, process.Output())
			}
			text := process.Output()
			if !strings.Contains(text, "the run was cut short") || strings.Contains(text, "CLEAN") {
				t.Errorf("report:\n%s", text)
			}
			for line := range strings.Lines(tableOf(text)) {
				if strings.Contains(line, string(alg.Clean)) {
					t.Errorf("clean, though it was not tested to the end: %s", line)
				}
			}
			if stderr.Len() > 0 {
				t.Errorf("stderr: %s", stderr.String())
			}
			registered, ended := registrationsIn(t, capture.Stop(t), signalled)
			t.Logf("%d registrations, %d ended after the signal", len(registered), len(ended))
			for id := range registered {
				if !ended[id] {
					t.Errorf("the registration %s was not ended after the signal", id)
				}
			}
			if len(registered) == 0 {
				t.Error("there was no registration")
			}
		})
	}
}

// registrationsIn reads from a capture the Call-IDs of the REGISTERs that ask for a registration, and of those that end one
// after a time.
func registrationsIn(t *testing.T, file string, after time.Time) (registered, ended map[string]bool) {
	t.Helper()
	registered, ended = map[string]bool{}, map[string]bool{}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "tshark", "-r", file, "-d", "udp.port==15060,sip", "-d", "tcp.port==15060,sip",
		"-Y", `sip.Method == "REGISTER"`, "-T", "fields", "-e", "frame.time_epoch", "-e", "sip.Call-ID", "-e", "sip.Expires").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			t.Fatalf("tshark: %q", line)
		}
		at, err := strconv.ParseFloat(f[0], 64)
		switch {
		case err != nil:
			t.Fatalf("tshark: %q: %v", line, err)
		case f[2] != "0":
			registered[f[1]] = true
		case at >= float64(after.UnixNano())/1e9:
			ended[f[1]] = true
		}
	}
	return registered, ended
}
