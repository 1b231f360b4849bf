package netlab_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// absentDir holds what a user sees in each case of TestAbsent.
const absentDir = "testdata/absent"

// egressPolicy is what a report says where a firewall lets out only some ports, SIP not among them.
const egressPolicy = "a firewall lets none of these ports out"

// absence is a case in which something is not there.
type absence struct {
	name      string
	reflector []netip.Addr // what it listens on; WANAddr unless set
	nobody    bool         // there is no reflector
	mode      netlab.Mode  // Plain unless set
	arrange   func(t *testing.T, lab *netlab.Lab)
	target    string // the reflector as the user names it; its URL unless set
	env       []string
	resolver  string // the nameserver of the computer, none unless set
	timeout   time.Duration

	exit   int
	paths  string   // as verdicts gives them, "" for no report
	reason string   // what must stand beside each path but the controls that is blocked
	says   []string // what must stand in the report or on stderr
	never  []string // what must not
}

// TestAbsent shows what a user is told where something is not there: a port, a name, a route, an address family, the
// reflector, a source port, the way back in. Nothing that was not tested is called clean, nothing that can be told from
// another cause is called interference, and every run ends within its --timeout. What is printed is kept word for word in
// absentDir; -update writes it anew.
func TestAbsent(t *testing.T) {
	netlab.Require(t)
	both := []netip.Addr{netlab.WANAddr, netlab.WANAddr6}
	// Where only the web is let out, the control over TCP is on a port of the web, and that one works.
	const blocked, webControl = "blocked untested", 443
	webOnly := at5061("tcp", blocked, strings.ReplaceAll(table(blocked, blocked, blocked, "clean clean"), "tcp IPv4 15060", fmt.Sprint("tcp IPv4 ", webControl)))
	// No call is made where nothing comes back, but to port 5061 none is planned.
	const oneWay = "clean untested"
	for _, tc := range []absence{
		{
			name: "https-only",
			arrange: atISP(`ip daddr 203.0.113.10 meta l4proto udp drop
				ip daddr 203.0.113.10 tcp dport != 443 drop`),
			exit: 1, paths: webOnly, reason: egressPolicy,
			says: []string{"INTERFERENCE", "SIP is blocked", "TCP to the neutral port 15060 is closed", "port 443 is the control in its place"},
		},
		{
			// What many offices have: the web and names, and nothing else.
			name: "default-deny",
			arrange: atISP(`ip daddr 203.0.113.10 tcp dport { 80, 443 } accept
				ip daddr 203.0.113.10 udp dport 53 accept
				ip daddr 203.0.113.10 drop`),
			exit: 1, paths: webOnly, reason: egressPolicy,
			says: []string{"INTERFERENCE", "SIP is blocked", "TCP to the neutral port 15060 is closed", "port 443 is the control in its place"},
		},
		{
			name: "udp-5060-filtered", arrange: atISP("ip daddr 203.0.113.10 udp dport 5060 drop"),
			exit: 1, paths: table(blocked, "clean clean", "clean clean", "clean clean"),
			reason: "while the control port works", says: []string{"INTERFERENCE"},
		},
		{
			name: "name-unknown", target: "https://reflector.example.net", resolver: "203.0.113.10",
			arrange: func(t *testing.T, lab *netlab.Lab) {
				names := netlab.Start(t, lab.Host("wan").Func(context.Background(), "names", "203.0.113.10:53"))
				names.WaitFor(t, "ready")
			},
			exit: 3, says: []string{"no such host", "hint: check the name of the reflector and this computer's DNS"},
		},
		{
			name: "name-server-silent", target: "https://reflector.example.net", resolver: "203.0.113.10", timeout: 3 * time.Second,
			arrange: atISP("udp dport 53 drop"),
			exit:    3, says: []string{"reflector.example.net", "hint: check the name of the reflector and this computer's DNS"},
		},
		{
			name: "no-route",
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("lan").Run(t, "ip", "route", "del", "default")
			},
			exit: 3, says: []string{"unreachable", "hint: this computer has no way there"},
		},
		{
			// The way leads through a tunnel, as its name and its MTU tell: what lies behind it was tested.
			name: "vpn",
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lan := lab.Host("lan")
				lan.Run(t, "ip", "link", "set", "l0", "down")
				lan.Run(t, "ip", "link", "set", "l0", "name", "wg0", "mtu", "1380")
				lan.Run(t, "ip", "link", "set", "wg0", "up")
				lan.Run(t, "ip", "route", "replace", "default", "via", "10.0.0.1")
			},
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "wg0 is a VPN by its name", "the MTU of wg0 is 1380 octets"},
		},
		{
			name: "ipv6-only", reflector: both, target: "https://[2001:db8:203::10]",
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("lan").Run(t, "ip", "addr", "del", netlab.LANAddr.String()+"/24", "dev", "l0")
			},
			paths: allPaths(alg.Clean, alg.Clean, 6),
			says:  []string{"CLEAN", "fd00:10::9", "IPv4 was not tested"},
		},
		{
			name: "ipv4-only", reflector: both,
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("lan").Run(t, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
			},
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "IPv6 was not tested"},
		},
		{
			// A router advertises a way, but there is no address to go it with except the one that every device has, and
			// that leads nowhere but to the neighbours.
			name: "ipv6-link-local", reflector: both,
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("lan").Run(t, "ip", "addr", "del", netlab.LANAddr6.String()+"/64", "dev", "l0")
			},
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "IPv6 was not tested"},
			never: []string{"port-blocked", "invalid argument"},
		},
		{
			// There is an address and a way, and nothing comes through, HTTPS neither: that is no rule about ports.
			name: "ipv6-broken", reflector: both,
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("isp").NFT(t, "table ip6 faults { chain f { type filter hook forward priority 0; policy drop; }; }")
			},
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "IPv6 was not tested"},
			never: []string{"port-blocked", "while HTTPS to the same address works"},
		},
		{
			name: "reflector-refused", nobody: true, target: "https://203.0.113.10", timeout: 5 * time.Second,
			exit: 3, says: []string{"refused", "hint: nothing listens there"},
		},
		{
			name: "reflector-silent", nobody: true, target: "https://203.0.113.10", timeout: 5 * time.Second,
			arrange: atISP("ip daddr 203.0.113.10 drop"),
			exit:    3, says: []string{"hint: HTTPS to the reflector does not get through"},
		},
		{
			// The address belongs to nobody: the last router says so, after it has asked for it in vain.
			name: "reflector-nowhere", nobody: true, target: "https://203.0.113.99", timeout: 10 * time.Second,
			exit: 3, says: []string{"no route to host", "hint: this computer has no way there"},
		},
		{
			name: "softphone",
			arrange: func(t *testing.T, lab *netlab.Lab) {
				phone := netlab.Start(t, lab.Host("lan").Func(context.Background(), "softphone", "10.0.0.9:5060"))
				phone.WaitFor(t, "ready")
			},
			exit: 3, paths: bySource("untested untested", "clean clean"),
			says: []string{"INCONCLUSIVE", "source port 5060 cannot be used on this computer", "address already in use"},
		},
		{
			name: "local-firewall",
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("lan").NFT(t, `table inet firewall {
					chain input { type filter hook input priority 0; meta l4proto udp drop; }
				}`)
			},
			exit: 3, paths: at5061("udp", oneWay, table("untested untested", "untested untested", "clean clean", "clean clean")),
			says: []string{"INCONCLUSIVE", "a firewall on this computer"},
		},
		{
			// What is seen on the way out is told all the same.
			name: "local-firewall-alg", mode: netlab.ALG,
			arrange: func(t *testing.T, lab *netlab.Lab) {
				lab.Host("lan").NFT(t, `table inet firewall {
					chain input { type filter hook input priority 0; meta l4proto udp drop; }
				}`)
			},
			exit: 1, paths: at5061("udp", oneWay, table("altered untested", "untested untested", "altered altered", "clean clean")),
			says: []string{"INTERFERENCE", "a firewall on this computer"},
		},
		{
			name: "addresses-by-protocol", arrange: sourceNAT("meta l4proto udp"),
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "198.51.100.2", "198.51.100.3", "several public addresses"},
		},
		{
			name: "addresses-by-port", arrange: sourceNAT("udp dport 5060"),
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "198.51.100.2", "198.51.100.3", "several public addresses"},
		},
		{
			name: "https-proxy", env: []string{"HTTPS_PROXY=http://10.0.0.1:3128", "https_proxy=http://10.0.0.1:3128"},
			paths: allPaths(alg.Clean, alg.Clean, 4),
			says:  []string{"CLEAN", "HTTPS_PROXY is set and was not used"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.timeout == 0 {
				t.Parallel() // the others may need all of their time
			}
			lab := netlab.Up(t, cmp.Or(tc.mode, netlab.Plain))
			var pin string
			if !tc.nobody {
				hosts := tc.reflector
				if hosts == nil {
					hosts = []netip.Addr{netlab.WANAddr}
				}
				var url string
				url, pin = reflectorAt(t, lab.Host("wan"), hosts...)
				tc.target = cmp.Or(tc.target, url)
			}
			if tc.arrange != nil {
				tc.arrange(t, lab)
			}
			tc.run(t, lab.Host("lan"), pin)
		})
	}
}

// run probes as a user does and checks all that the user gets.
func (tc *absence) run(t *testing.T, host *netlab.Host, pin string) {
	t.Helper()
	tc.timeout = cmp.Or(tc.timeout, 30*time.Second)
	args := []string{"--only", "sip", "--timeout", tc.timeout.String(), tc.target}
	shown := "$ nofixup probe " + strings.Join(args, " ")
	if pin != "" {
		args = append([]string{"--pin", pin}, args...)
	}
	command := append([]string{netlab.Build(t, "nofixup/cmd/nofixup"), "probe"}, args...)
	if tc.resolver != "" {
		command = append(withResolver(t, tc.resolver), command...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := host.Command(ctx, command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, tc.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("probe: %v", err)
	}
	// What the system needs to start and end a process is not the probe's fault.
	if took > tc.timeout+200*time.Millisecond {
		t.Errorf("took %v, with --timeout %v", took, tc.timeout)
	}
	t.Logf("took %v", took.Round(10*time.Millisecond))
	if code := cmd.ProcessState.ExitCode(); code != tc.exit {
		t.Errorf("exit code %d, want %d", code, tc.exit)
	}
	if got := tableOf(stdout.String()); got != tc.paths {
		t.Errorf("paths:\n%swant:\n%s", got, tc.paths)
	}
	text := strings.Join(strings.Fields(stdout.String()+" "+stderr.String()), " ") // lines are wrapped anywhere
	for _, want := range tc.says {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q", want)
		}
	}
	for _, wrong := range tc.never {
		if strings.Contains(text, wrong) {
			t.Errorf("it says %q", wrong)
		}
	}
	for _, r := range rowsOf(stdout.String()) {
		if strings.Contains(r.verdicts, string(alg.Blocked)) && !r.control && !strings.Contains(r.reason, tc.reason) {
			t.Errorf("%s is %s: %s: want %q in the reason", r.path, r.verdicts, r.reason, tc.reason)
		}
	}
	printed := stdout.String()
	if tc.mode.Helpers() {
		// What a gateway does is the affair of other tests; here its octets would differ from run to run.
		printed, _, _ = strings.Cut(printed, "\nfindings\n")
	}
	golden(t, filepath.Join(absentDir, tc.name+".txt"), fmt.Sprintf("%s\n%s-- stderr --\n%s-- exit code --\n%d\n",
		shown, steady(printed), steady(stderr.String()), cmd.ProcessState.ExitCode()))
}

// golden compares text with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs:\n%s\nwant:\n%s", file, got, want)
	}
}

// What differs from one run to the next, and what stands for it in a golden file.
var unsteady = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\bnfx[2-7a-z]{26}[2-7a-z]+`), "TOKEN"},
	{regexp.MustCompile(`((?:\d+\.){3}\d+|\]):(?:3[2-9]|[456]\d)\d{3}\b`), "$1:EPHEMERAL"},
	// Which connection comes about first is chance.
	{regexp.MustCompile(`TCP 5060, TCP 15060`), "TCP 15060, TCP 5060"},
	// Whether the tests run in a container is not the lab's affair.
	{regexp.MustCompile(`(?m)^  - this runs in .*\n(?:    .*\n)*`), ""},
}

// steady takes out of a text what differs from one run to the next.
func steady(text string) string {
	for _, u := range unsteady {
		text = u.pattern.ReplaceAllString(text, u.with)
	}
	return text
}

// rowPattern matches a line of the table of paths as the text of a report has it.
var rowPattern = regexp.MustCompile(`^  sip/(udp|tcp)( IPv6)? +(\d+)( \(control\))? +(5060|ephemeral) +([a-z]+ +[a-z]+)$`)

// row is what the text of a report says about a path.
type row struct {
	path, verdicts, reason string
	control                bool
}

// rowsOf reads the table of paths.
func rowsOf(text string) []row {
	var rows []row
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := rowPattern.FindStringSubmatch(line); m != nil {
			in = true
			rows = append(rows, row{
				path:     fmt.Sprintf("%s %s %s from %s", m[1], cmp.Or(strings.TrimSpace(m[2]), "IPv4"), m[3], m[5]),
				verdicts: strings.Join(strings.Fields(m[6]), " "), control: m[4] != "",
			})
		} else if in = in && strings.HasPrefix(line, "      "); in {
			r := &rows[len(rows)-1]
			r.reason = strings.TrimSpace(r.reason + " " + strings.TrimSpace(line))
		}
	}
	return rows
}

// tableOf gives the table of paths as verdicts does.
func tableOf(text string) string {
	var b strings.Builder
	for _, r := range rowsOf(text) {
		fmt.Fprintf(&b, "%s: %s\n", r.path, r.verdicts)
	}
	return b.String()
}

// table gives the verdicts of IPv4 to port 5060 and to the control port, over UDP and over TCP, from both source ports. Those to
// port 5061 are the control port's.
func table(udp, udpControl, tcp, tcpControl string) string {
	var b strings.Builder
	for i, v := range []string{udp, udpControl, tcp, tcpControl} {
		if i%2 == 1 {
			fmt.Fprintf(&b, "%s IPv4 5061 from ephemeral: %s\n", []string{"udp", "tcp"}[i/2], v)
		}
		for _, source := range []string{"5060", "ephemeral"} {
			fmt.Fprintf(&b, "%s IPv4 %d from %s: %s\n", []string{"udp", "tcp"}[i/2], []int{5060, 15060}[i%2], source, v)
		}
	}
	return b.String()
}

// at5061 puts other verdicts on port 5061 over a transport into a table.
func at5061(transport, verdicts, table string) string {
	return regexp.MustCompile("("+transport+" IPv4 5061 from ephemeral: ).*").ReplaceAllString(table, "${1}"+verdicts)
}

// bySource is like table, with the verdicts from source port 5060 and from another one.
func bySource(from5060, fromOther string) string {
	text := table(from5060, from5060, from5060, from5060)
	return regexp.MustCompile(`(ephemeral: ).*`).ReplaceAllString(text, "${1}"+fromOther)
}

// atISP filters beyond the router.
func atISP(rules string) func(*testing.T, *netlab.Lab) {
	return func(t *testing.T, lab *netlab.Lab) { filter(t, lab, rules) }
}

// sourceNAT has the router send some packets from a second public address, as one with several lines does.
func sourceNAT(match string) func(*testing.T, *netlab.Lab) {
	return func(t *testing.T, lab *netlab.Lab) {
		rtr := lab.Host("rtr")
		rtr.Run(t, "ip", "addr", "add", "198.51.100.3/24", "dev", "r1")
		// Before the lab's own masquerading: the first translation of a connection holds.
		rtr.NFT(t, `table ip pool {
			chain nat { type nat hook postrouting priority 90; oifname "r1" `+match+` snat to 198.51.100.3; }
		}`)
	}
}

// withResolver is the beginning of a command line for a computer with the nameserver. The file is mounted in a mount
// namespace of the command's own, which "ip netns exec" makes: the machine keeps its own.
func withResolver(t *testing.T, nameserver string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+nameserver+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, file}
}
