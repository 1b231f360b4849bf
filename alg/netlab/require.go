package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// envRequired is the variable that turns a skipped lab test into a failed one when its value is "required": on the
// machine that is meant to run the labs, a silent skip would look like success.
const envRequired = "NOFIXUP_LAB"

// Require skips the test, with the reason, where no lab can be built: another system than Linux, no root, no tools, no
// right to make namespaces, a kernel without the helpers. It fails the test instead if the environment has
// NOFIXUP_LAB=required. The tools are further programs the test needs, besides ip, nft and sysctl.
func Require(t testing.TB, tools ...string) {
	t.Helper()
	err := supported()
	if err == nil {
		err = installed(tools...)
	}
	switch {
	case err == nil:
	case os.Getenv(envRequired) == "required":
		t.Fatalf("netlab: %s=required: %v", envRequired, err)
	default:
		t.Skipf("netlab: %v", err)
	}
}

func installed(tools ...string) error {
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("needs the program %s: %w", tool, err)
		}
	}
	return nil
}

// supported says once per process why no lab can be built here, or nil.
var supported = sync.OnceValue(func() error {
	if runtime.GOOS != "linux" {
		return errors.New("needs Linux: " + runtime.GOOS + " has no network namespaces")
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	if err := installed("ip", "nft", "sysctl"); err != nil {
		return err
	}
	if err := natHelpers(); err != nil {
		return err
	}
	// A trial of everything a lab asks of the kernel: root in a container may lack the right to any of it.
	ns := newPrefix() + "trial"
	defer func() { _ = remove([]string{ns}) }()
	if err := input("netns add "+ns+"\n"+
		"netns exec "+ns+" sysctl -qw net.ipv4.ip_forward=1\n"+
		"link add t0 netns "+ns+" type veth peer name t1 netns "+ns+"\n"+
		"netns exec "+ns+" ip addr add fd00::1/64 dev t0\n", "ip", "-batch", "-"); err != nil {
		return fmt.Errorf("needs network namespaces with IPv4 and IPv6: %w", err)
	}
	for _, family := range []string{"ip", "ip6"} {
		rules := "table " + family + " netlab {\n" + helperObjects + helperRules + masquerade("t0") + "}\n"
		if err := input(rules, "ip", "netns", "exec", ns, "nft", "-f", "-"); err != nil {
			return fmt.Errorf("needs a kernel with the SIP and H.323 helpers: %w", err)
		}
	}
	return nil
})

// natHelpers makes sure that the rewriting halves of the helpers are there. The kernel loads nf_conntrack_sip when a rule
// names the helper, but nobody asks for nf_nat_sip: without it everything seems to work and no octet is ever changed.
// They may be modules or built in, and a machine with a kernel of one piece may have neither modprobe nor a list of
// modules; the kernel's symbol table knows in both cases.
func natHelpers() error {
	want := []string{"nf_nat_sip", "nf_nat_h323"}
	if exec.Command("modprobe", append([]string{"-a"}, want...)...).Run() == nil {
		return nil
	}
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil // no evidence against: the tests will tell
	}
	defer f.Close()
	missing := map[string]bool{"nf_nat_sip": true, "nf_nat_h323": true}
	for sc := bufio.NewScanner(f); sc.Scan() && len(missing) > 0; {
		for name := range missing {
			if strings.Contains(sc.Text(), name) {
				delete(missing, name)
			}
		}
	}
	for _, name := range want {
		if missing[name] {
			return fmt.Errorf("needs a kernel with %s", name)
		}
	}
	return nil
}
