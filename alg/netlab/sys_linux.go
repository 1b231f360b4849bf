package netlab

import (
	"os"
	"os/exec"
	"syscall"
)

// statsSignal makes tcpdump print its counters.
const statsSignal = syscall.SIGUSR1

// setProcessGroup gives the command a process group of its own, so that its children can be killed with it, and asks the
// kernel to kill it when this process dies. The kernel means the thread that started it: a test that locks a goroutine
// to its thread and lets it end while locked would kill its commands.
func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills the process group that p leads.
func killGroup(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGKILL)
	if err == syscall.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// killProcess kills one process by its number.
func killProcess(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
