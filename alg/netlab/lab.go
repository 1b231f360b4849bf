package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Lab is a running network of namespaces.
type Lab struct {
	Mode  Mode
	hosts map[string]*Host
}

// Up builds the lab of the given mode and registers its removal, with everything that still runs in it, as a cleanup of
// t. It calls [Require] first, so a test need not. It takes a tenth of a second or so, and returns when the network
// works.
func Up(t testing.TB, mode Mode) *Lab {
	t.Helper()
	Require(t)
	sweepOnce()
	tp, err := mode.topology()
	if err != nil {
		t.Fatalf("netlab: %v", err)
	}
	prefix := newPrefix()
	ns := func(host string) string { return prefix + host }
	lab := &Lab{Mode: mode, hosts: make(map[string]*Host)}
	var names []string
	for _, h := range tp.hosts {
		lab.hosts[h] = &Host{name: h, namespace: ns(h)}
		names = append(names, ns(h))
	}
	t.Cleanup(func() {
		if err := remove(names); err != nil {
			t.Errorf("netlab: tear down: %v", err)
		}
	})
	if err := input(tp.createScript(ns), "ip", "-batch", "-"); err != nil {
		t.Fatalf("netlab: create: %v", err)
	}
	for _, h := range tp.hosts {
		if err := input(tp.hostScript(h), "ip", "-n", ns(h), "-batch", "-"); err != nil {
			t.Fatalf("netlab: %s: %v", h, err)
		}
	}
	for h, rules := range tp.rules {
		lab.Host(h).NFT(t, rules)
	}
	for _, h := range tp.hosts {
		if err := waitReady(ns(h), tp.devices(h)); err != nil {
			t.Fatalf("netlab: %s: %v", h, err)
		}
	}
	return lab
}

// readyPatience bounds the wait for the devices. They are ready at the first look, unless the machine is very busy.
const readyPatience = 5 * time.Second

// waitReady waits until all devices of a namespace can send and receive. The kernel notices in the background that the
// other end of a cable is up too; until then a device loses packets, and the first neighbour solicitation would be
// repeated only a second later. The sign is the link-local address, which a device gets when it is ready.
func waitReady(namespace string, devices int) error {
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		out, err := exec.Command("ip", "-n", namespace, "-o", "-6", "addr", "show").CombinedOutput()
		if err != nil {
			return fmt.Errorf("addresses: %w: %s", err, out)
		}
		text := string(out)
		if strings.Count(text, " fe80:") == devices && !strings.Contains(text, "tentative") {
			return nil
		}
		if time.Since(begin) > readyPatience {
			return fmt.Errorf("devices not ready after %v: %s", readyPatience, text)
		}
	}
}

// Host returns the host of that name: "lan", "inn" (only in mode [Double]), "rtr", "isp" or "wan". Any other name is a
// mistake in the test, and panics.
func (l *Lab) Host(name string) *Host {
	h := l.hosts[name]
	if h == nil {
		panic(fmt.Sprintf("netlab: mode %s has no host %q", l.Mode, name))
	}
	return h
}

// input runs a command with text on its standard input. The error carries what the command wrote.
func input(text, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// A namespace is named nofixup-PID-START-N-HOST: the process that made it, the start time of that process (a pid alone is
// reused, in a container soon), the number of the lab in it, and the host. The name tells a later process that the owner
// is gone.
var (
	namespaceName = regexp.MustCompile(`^nofixup-(\d+)-(\d+)-\d+-[a-z]+$`)
	labs          atomic.Int64
)

func newPrefix() string {
	pid := os.Getpid()
	return fmt.Sprintf("nofixup-%d-%s-%d-", pid, startTime(pid), labs.Add(1))
}

// startTime returns when a process started, in clock ticks since boot, or "" if there is no such process: field 22 of
// proc_pid_stat(5), counted behind the command name, which may itself contain blanks and parentheses.
func startTime(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// stale reports whether a name was given by a process that no longer runs.
func stale(name string, pattern *regexp.Regexp) bool {
	m := pattern.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	pid, err := strconv.Atoi(m[1])
	return err == nil && startTime(pid) != m[2]
}

// sweepOnce removes what earlier test processes left behind because they were killed: a killed process runs no cleanup.
// Errors are ignored; another process may be sweeping too.
var sweepOnce = sync.OnceFunc(func() {
	sweepBuilds()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		// The line may go on: "name (id: 0)".
		if f := strings.Fields(line); len(f) > 0 && stale(f[0], namespaceName) {
			names = append(names, f[0])
		}
	}
	_ = remove(names)
})

// remove kills the processes that run in the namespaces and deletes those that exist. All processes inside one were
// started by the lab it belongs to.
func remove(namespaces []string) error {
	var failed error
	for _, ns := range namespaces {
		out, err := exec.Command("ip", "netns", "pids", ns).Output()
		if err != nil {
			continue // never created
		}
		for pid := range strings.FieldsSeq(string(out)) {
			if n, err := strconv.Atoi(pid); err == nil {
				killProcess(n)
			}
		}
		if err := input("", "ip", "netns", "del", ns); err != nil {
			failed = err
		}
	}
	return failed
}
