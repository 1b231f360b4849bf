package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Host is one network namespace of a [Lab].
type Host struct {
	name, namespace string
}

// Name returns the name the host has in every lab, for example "lan".
func (h *Host) Name() string { return h.name }

// Namespace returns the name of the network namespace, unique on the machine, for the rare tool that wants it.
func (h *Host) Namespace() string { return h.namespace }

// waitDelay is how long a command that was killed or has ended may keep its output pipes open through a child that left
// its process group, before they are closed from this side.
const waitDelay = 2 * time.Second

// Command prepares a program to run inside the namespace. It becomes the leader of a process group, and the whole group
// is killed when ctx ends; the kernel kills the program when the test process dies without having had time for that.
// With t.Context() it ends with the test. Output, input, environment and a gentler Cancel are the caller's to set.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.namespace, name}, args...)...)
	setProcessGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd.Process) }
	cmd.WaitDelay = waitDelay
	return cmd
}

// Run runs a program inside the namespace and returns its output, standard output and standard error together. It fails
// the test at once if the program does not succeed, or not within a minute.
func (h *Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return h.run(t, "", name, args...)
}

func (h *Host) run(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	// Not the context of t: rules are also changed in a cleanup, where that has already ended.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := h.Command(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("netlab: %s: %s %s: %v: %s", h.name, name, strings.Join(args, " "), errors.Join(err, ctx.Err()), out)
	}
	return string(out)
}

// NFT loads rules in the syntax of nft -f into the namespace, in addition to those it has. The lab's own tables are called
// netlab; a test that wants to remove its rules again puts them into a table of another name and loads "delete table".
//
//	isp.NFT(t, `table ip loss {
//		chain c { type filter hook forward priority 0; udp dport 5060 drop; }
//	}`)
func (h *Host) NFT(t testing.TB, ruleset string) {
	t.Helper()
	h.run(t, ruleset, "nft", "-f", "-")
}

// Func prepares a function of the test binary to run inside the namespace: the binary is started again, and the table
// given to [Main] says what name stands for. Everything said at [Host.Command] holds.
func (h *Host) Func(ctx context.Context, name string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(fmt.Sprintf("netlab: the path of the test binary: %v", err))
	}
	cmd := h.Command(ctx, self, args...)
	cmd.Env = append(os.Environ(), envFunc+"="+name)
	return cmd
}
