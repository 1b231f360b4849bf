package netlab_test

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/alg/netlab"
)

// envVictim makes TestVictim build a lab: "hang" to be killed with it, "end" to go on to its cleanups.
const envVictim = "NOFIXUP_LAB_VICTIM"

// TestVictim is the process of TestKilled that dies in the middle, or the next one after it.
func TestVictim(t *testing.T) {
	role := os.Getenv(envVictim)
	if role == "" {
		t.Skip("a part of TestKilled")
	}
	lab := netlab.Up(t, netlab.Double)
	if role == "end" {
		return
	}
	capture := lab.Host("wan").Capture(t, "w0")
	defer capture.Stop(t)
	// In a session of its own, nothing but the namespace ties the process to the test.
	escaped := netlab.Start(t, lab.Host("lan").Command(t.Context(), "setsid", "-f", "sh", "-c", "echo pid $$; exec sleep 1000"))
	escaped.WaitFor(t, "\n")
	var names []string
	for _, h := range []string{"lan", "inn", "rtr", "isp", "wan"} {
		names = append(names, lab.Host(h).Namespace())
	}
	// Not through the log of the test, which is kept back until it ends.
	_, _ = os.Stdout.WriteString(strings.Join(names, " ") + " " + escaped.Output())
	time.Sleep(time.Minute)
}

// victim prepares this test binary with TestVictim alone. A killed process does not remove its temporary directory either,
// so that lies in one of t.
func victim(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$", "-test.v")
	cmd.Env = append(os.Environ(), envVictim+"="+role, "TMPDIR="+t.TempDir())
	return cmd
}

// TestKilled kills a process that has a lab, and shows that the next one leaves nothing of it.
func TestKilled(t *testing.T) {
	netlab.Require(t, "tcpdump", "setsid")
	cmd := victim(t, "hang")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var names []string
	pid := ""
	for lines := bufio.NewScanner(out); pid == "" && lines.Scan(); {
		if before, after, ok := strings.Cut(lines.Text(), " pid "); ok {
			names, pid = strings.Fields(before), after
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(names) != 5 {
		t.Fatalf("the victim did not get to its lab: %q", names)
	}
	if out, err := victim(t, "end").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	left := existing(t)
	for _, n := range names {
		if slices.Contains(left, n) {
			t.Errorf("%s is still there", n)
		}
	}
	// The killed process lingers until someone has collected it.
	for range 100 {
		if _, err = os.Readlink("/proc/" + pid + "/exe"); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil {
		t.Errorf("process %s is still there", pid)
	}
}

// TestRemoved shows that nothing is left of a lab whose test has ended.
func TestRemoved(t *testing.T) {
	var names []string
	t.Run("lab", func(t *testing.T) {
		lab := netlab.Up(t, netlab.ALG)
		for _, h := range []string{"lan", "rtr", "isp", "wan"} {
			names = append(names, lab.Host(h).Namespace())
		}
	})
	left := existing(t)
	for _, n := range names {
		if slices.Contains(left, n) {
			t.Errorf("%s is still there", n)
		}
	}
}

// existing lists the namespaces of the machine.
func existing(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		names = append(names, strings.Fields(line)[0])
	}
	return names
}
