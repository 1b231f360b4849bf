//go:build linux

package capture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nofixup/alg"
)

// used is what a process took.
type used struct {
	cpu, wall time.Duration
	rss       int64 // octets, if looked at
}

// measure runs a program to its end and hands its output to take. Its memory is looked at every so often, or never: that takes a core
// from it.
func measure(t *testing.T, env []string, take func(io.Reader), every time.Duration, name string, args ...string) used {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// What the system says of an ended process counts the memory of the one that started it (getrusage(2), ru_maxrss).
	var rss atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for peak := int64(1); peak > 0 && every > 0; time.Sleep(every) {
			peak = residentPeak(cmd.Process.Pid)
			rss.Store(max(rss.Load(), peak))
		}
	}()
	take(out)
	wall := time.Since(began)
	<-done
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 1 && code != 3 {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return used{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall, rss.Load()}
}

// residentPeak is the most memory that a process had, in octets; 0 once it has ended.
func residentPeak(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := bytes.Cut(b, []byte("VmHWM:"))
	var kib int64
	fmt.Sscan(string(rest), &kib)
	return kib << 10
}

// The binary beside tshark on captures of full size, taking turns: the goals of docs/performance.md. What it says is right
// besides.
func TestBeside(t *testing.T) {
	name := large(t)
	all := truths(t, name)
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("NOFIXUP_RUNS")); err == nil {
		rounds = n
	}
	nofixup := filepath.Join(t.TempDir(), "nofixup")
	if b, err := exec.Command("go", "build", "-o", nofixup, "nofixup/cmd/nofixup").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	check := func(out io.Reader) {
		var r alg.Report
		if err := json.NewDecoder(out).Decode(&r); err != nil {
			t.Fatal(err)
		}
		checkTruth(t, &r, all)
	}
	discard := func(out io.Reader) { io.Copy(io.Discard, out) }
	in, ng, out := name+".in.pcap", name+".in.pcapng", name+".out.pcap"
	runs := []struct {
		what string
		run  func() used
	}{
		{"pcap", func() used { return measure(t, nil, discard, 0, nofixup, "pcap", in) }},
		{"pcap, one core", func() used { return measure(t, []string{"GOMAXPROCS=1"}, discard, 0, nofixup, "pcap", in) }},
		{"pcapng", func() used { return measure(t, nil, discard, 0, nofixup, "pcap", ng) }},
		{"pair", func() used {
			return measure(t, nil, discard, 0, nofixup, "pcap", "--inside", in, "--outside", out)
		}},
		{"tshark", func() used { return measure(t, nil, discard, 0, "tshark", "-q", "-z", "rtp,streams", "-r", in) }},
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("no tshark to compare with")
		runs = runs[:len(runs)-1]
	}
	for _, args := range [][]string{{in}, {ng}, {"--inside", in, "--outside", out}} {
		measure(t, nil, check, 0, nofixup, append([]string{"pcap", "--json"}, args...)...)
	}
	for _, file := range []string{in, ng, out} { // how the system keeps a file depends on how it came into memory: all the same way
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	got := map[string][]used{}
	for range rounds {
		for _, r := range runs {
			for _, file := range []string{in, ng, out} { // so that all have the files in memory
				f, err := os.Open(file)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, f)
				f.Close()
			}
			got[r.what] = append(got[r.what], r.run())
		}
	}
	for _, r := range runs {
		line := fmt.Sprintf("%-16s", r.what)
		for _, u := range got[r.what] {
			line += fmt.Sprintf("  %.2f s CPU, %.3f s", u.cpu.Seconds(), u.wall.Seconds())
		}
		t.Log(line)
	}
	cpu := func(u used) float64 { return u.cpu.Seconds() }
	wall := func(u used) float64 { return u.wall.Seconds() }
	mid := func(what string, of func(used) float64) float64 {
		var list []float64
		for _, u := range got[what] {
			list = append(list, of(u))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	for what, args := range map[string][]string{"pcap": {in}, "pcapng": {ng}, "pair": {"--inside", in, "--outside", out}} {
		most := measure(t, nil, discard, time.Millisecond, nofixup, append([]string{"pcap"}, args...)...).rss >> 20
		t.Logf("%s: %d MiB", what, most)
		if most > 64 && what != "pair" {
			t.Errorf("%s: %d MiB, want at most 64", what, most)
		}
	}
	goal := func(what string, ratio, least, most float64) {
		t.Logf("%s: %.2f", what, ratio)
		if ratio < least || ratio > most {
			t.Errorf("%s: %.2f, want %v to %v", what, ratio, least, most)
		}
	}
	if len(got["tshark"]) > 0 {
		goal("CPU of tshark against that of nofixup", mid("tshark", cpu)/mid("pcap", cpu), 60, 1e9)
	}
	goal("CPU for pcapng against that for pcap", mid("pcapng", cpu)/mid("pcap", cpu), 0, 1.3)
	goal("CPU for both sides against that for one", mid("pair", cpu)/mid("pcap", cpu), 0, 2.5)
	goal("time on one core against that on two", mid("pcap, one core", wall)/mid("pcap", wall), 1.7, 1e9)
}
