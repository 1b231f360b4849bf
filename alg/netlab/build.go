package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"
)

// builds remembers what this process has built: a binary is linked once, however many tests ask for it.
var builds struct {
	mu   sync.Mutex
	dir  string
	done map[string]func() (string, error)
}

// buildName is like the name of a namespace: it tells the next process whether the owner is gone. On systems without
// /proc the start time is empty.
var buildName = regexp.MustCompile(`^nofixup-build-(\d+)-(\d+)-\d+$`)

// Build compiles a main package of the module, for example "nofixup/cmd/nofixup", and returns the path of the binary. Each
// package is compiled once per test process, without cgo, so that the binary also runs where the C library is another
// one. The binaries are removed by [Main], or by the next process that builds or runs a lab.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	builds.mu.Lock()
	if builds.done == nil {
		builds.done = make(map[string]func() (string, error))
	}
	if builds.done[pkg] == nil {
		n := len(builds.done)
		builds.done[pkg] = sync.OnceValues(func() (string, error) { return build(pkg, n) })
	}
	once := builds.done[pkg]
	builds.mu.Unlock()
	binary, err := once()
	if err != nil {
		t.Fatalf("netlab: build: %v", err)
	}
	return binary
}

// build compiles pkg into a folder of its own: two packages may end in the same name.
func build(pkg string, n int) (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, fmt.Sprint(n), path.Base(pkg))
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	// Version control stamping is off: it asks git about the whole tree, which tests have no business with.
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", pkg, err, out)
	}
	return binary, nil
}

func buildDir() (string, error) {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir != "" {
		return builds.dir, nil
	}
	sweepBuilds()
	pid := os.Getpid()
	dir, err := os.MkdirTemp("", fmt.Sprintf("nofixup-build-%d-%s-", pid, startTime(pid)))
	if err != nil {
		return "", err
	}
	builds.dir = dir
	return dir, nil
}

// removeBuilds removes the binaries of this process.
func removeBuilds() {
	builds.mu.Lock()
	defer builds.mu.Unlock()
	if builds.dir != "" {
		_ = os.RemoveAll(builds.dir)
	}
}

// sweepBuilds removes the binaries of processes that are gone.
func sweepBuilds() {
	old, err := filepath.Glob(filepath.Join(os.TempDir(), "nofixup-build-*"))
	if err != nil {
		return
	}
	for _, dir := range old {
		if stale(filepath.Base(dir), buildName) {
			_ = os.RemoveAll(dir)
		}
	}
}
