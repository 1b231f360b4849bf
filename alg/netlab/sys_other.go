//go:build !linux

package netlab

import (
	"os"
	"os/exec"
)

// On other systems the package builds, so that tests may import it anywhere, but Require lets no test get as far as
// these.

const statsSignal = unsupportedSignal("statistics")

type unsupportedSignal string

func (s unsupportedSignal) String() string { return string(s) }
func (unsupportedSignal) Signal()          {}

func setProcessGroup(*exec.Cmd) {}

func killGroup(p *os.Process) error { return p.Kill() }

func killProcess(int) {}
