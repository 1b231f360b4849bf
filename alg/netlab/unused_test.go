package netlab_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// relayFunc accepts connections and passes on what comes over them, as a transparent proxy does. Its arguments are pairs of
// where to listen and where to connect.
func relayFunc(args []string) int {
	for i := 0; i+1 < len(args); i += 2 {
		l, err := net.Listen("tcp", args[i])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		go func() {
			for {
				near, err := l.Accept()
				if err != nil {
					return
				}
				go relay(near.(*net.TCPConn), args[i+1])
			}
		}()
	}
	fmt.Println("ready")
	select {}
}

func relay(near *net.TCPConn, to string) {
	defer near.Close()
	conn, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	far := conn.(*net.TCPConn)
	defer far.Close()
	pass := func(to, from *net.TCPConn) {
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
	}
	go pass(near, far)
	pass(far, near)
}

// TestProbeTCPIntercepted shows that a router which completes TCP is found out although it changes nothing: on the port of SIP
// alone it is an interceptor, on all ports a proxy that means nothing to SIP, and without one the path is clean.
func TestProbeTCPIntercepted(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	clean := allPaths(alg.Clean, alg.Clean, 4)
	for _, tc := range []struct {
		name  string
		ports []int
		exit  int
		want  string
		id    string
	}{
		{"none", nil, 0, clean, ""},
		{
			"5060",
			[]int{5060},
			1,
			strings.NewReplacer("tcp IPv4 5060 from 5060: clean clean", "tcp IPv4 5060 from 5060: intercepted intercepted",
				"tcp IPv4 5060 from ephemeral: clean clean", "tcp IPv4 5060 from ephemeral: intercepted intercepted").Replace(clean),
			"tcp-intercepted",
		},
		{"all", []int{5060, 5061, 15060}, 0, clean, "tcp-proxy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			wan := lab.Host("wan")
			p := netlab.Start(t, wan.Command(context.Background(), netlab.Build(t, "nofixup/cmd/nofixup-reflector"),
				"--host", netlab.WANAddr.String(), "--unused", netlab.WANAddr2.String()))
			p.WaitFor(t, "ready ")
			url, pin := readyLine(t, p.Output())
			var args []string
			var rules strings.Builder
			for _, port := range tc.ports {
				args = append(args, fmt.Sprintf("0.0.0.0:%d", 20000+port), fmt.Sprintf("%s:%d", netlab.WANAddr, port))
				fmt.Fprintf(&rules, "iifname \"r0\" tcp dport %d redirect to :%d\n", port, 20000+port)
			}
			if args != nil {
				netlab.Start(t, lab.Host("rtr").Func(context.Background(), "relay", args...)).WaitFor(t, "ready")
				// Beyond the router segments are smaller, so that the ends can tell that their connections are two.
				lab.Host("isp").NFT(t, "table inet small {\nchain pass { type filter hook forward priority 0;\n"+
					"tcp flags syn tcp option maxseg size set 1300\n}\n}\n")
				lab.Host("rtr").NFT(t, "table ip relay {\nchain nat { type nat hook prerouting priority -100;\n"+rules.String()+"}\n}\n")
			}
			for n := range runs(t) {
				report, exit := probe(t, lab, url, pin)
				if got := verdicts(report); exit != tc.exit || got != tc.want {
					t.Errorf("run %d: exit %d, got\n%swant\n%s", n+1, exit, got, tc.want)
					for _, p := range report.Paths {
						t.Log(p.Path, p.Reason)
					}
				}
				found := 0
				for _, f := range report.Findings {
					if f.ID != tc.id || f.Transport != "tcp" {
						t.Errorf("run %d: %s on %s: %s", n+1, f.ID, f.Path(), f.Summary)
					}
					if !strings.Contains(f.Summary, "ms at the reflector") || !strings.Contains(f.Summary, "who is there answers in") ||
						!strings.Contains(f.Summary, "an MSS of ") {
						t.Errorf("run %d: %s", n+1, f.Summary)
					}
					found++
				}
				if (found > 0) != (tc.id != "") {
					t.Errorf("run %d: %d findings", n+1, found)
				}
				tried := 0
				for _, trial := range report.Trials {
					if trial.Kind == alg.TrialUnused {
						tried++
						if trial.Dst.Addr() != netlab.WANAddr2 {
							t.Errorf("%+v", trial)
						}
						if trial.Outcome == alg.OutcomeOK {
							if told := trial.TCP; told == nil || !known(told.Unused) || !known(told.Client) || !known(told.Server) ||
								told.Unused.MSS != told.Client.MSS || told.Server.MSS >= 1300 || told.Client.MSS < 1400 {
								t.Errorf("run %d: %s: %s", n+1, trial.Path, told)
							}
						} else if trial.TCP != nil {
							t.Errorf("run %d: %s: nothing came about, and yet %s", n+1, trial.Path, trial.TCP)
						}
					}
				}
				if tried < 5 {
					t.Errorf("run %d: %d trials", n+1, tried)
				}
			}
		})
	}
}

// known reports that the system has told of an end, as Linux does.
func known(end *alg.TCPEnd) bool { return end != nil && end.RTT > 0 && end.MSS > 0 }

func readyLine(t *testing.T, output string) (url, pin string) {
	t.Helper()
	for line := range strings.Lines(output) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "ready" {
			return f[1], strings.TrimPrefix(f[2], "pin=")
		}
	}
	t.Fatalf("no ready line in:\n%s", output)
	return "", ""
}
