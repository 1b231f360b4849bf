// Command nofixup tells whether a firewall or router rewrites, drops or intercepts SIP, with the octets as proof.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Exit codes; scripts hold on to them.
const (
	exitClean        = 0 // every path that was asked for is clean
	exitInterference = 1 // something on the path touches the protocol
	exitUsage        = 2 // the command line is wrong
	exitUnknown      = 3 // it could not be told
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is one of nofixup's commands.
type command struct {
	name, args, about string
	example           string
	// flags declares the command's flags and returns what runs it with the arguments that are left.
	flags func(f *pflag.FlagSet) func(ctx context.Context, args []string, out output) int
}

func commands() []command {
	return []command{probeCommand(), pcapCommand(), demoCommand(), versionCommand()}
}

// output is where a command writes: results to stdout, everything else to stderr.
type output struct {
	stdout, stderr io.Writer
}

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := output{stdout, stderr}
	root := pflag.NewFlagSet("nofixup", pflag.ContinueOnError)
	root.SetInterspersed(false)
	root.Usage = func() {}
	help := root.BoolP("help", "h", false, "")
	version := root.Bool("version", false, "")
	if err := root.Parse(args); err != nil {
		return out.usageError("", err)
	}
	switch name := root.Arg(0); {
	case *version:
		return out.version()
	case *help, name == "help" && root.NArg() == 1:
		out.usage()
		return exitClean
	case name == "":
		out.usageTo(stderr)
		return exitUsage
	case name == "help":
		return out.command(ctx, root.Arg(1), []string{"--help"})
	default:
		return out.command(ctx, name, root.Args()[1:])
	}
}

// command runs the named command.
func (out output) command(ctx context.Context, name string, args []string) int {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return out.usageError("", fmt.Errorf("unknown command %q", name))
	}
	c := all[i]
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	help := f.BoolP("help", "h", false, "print this and exit")
	exec := c.flags(f)
	if err := f.Parse(args); err != nil {
		return out.usageError(name, err)
	}
	if *help {
		fmt.Fprintf(out.stdout, "nofixup %s: %s\n\nusage: %s\n\nexample:\n%s\n\nflags:\n%s",
			name, c.about, strings.TrimSpace("nofixup "+name+" "+c.args), c.example, f.FlagUsagesWrapped(100))
		return exitClean
	}
	return exec(ctx, f.Args(), out)
}

func (out output) usage() { out.usageTo(out.stdout) }

func (out output) usageTo(w io.Writer) {
	fmt.Fprint(w, "nofixup tells whether a firewall or router between here and the Internet rewrites, drops or intercepts SIP.\n\n"+
		"usage: nofixup COMMAND [flags] [arguments]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.about)
	}
	fmt.Fprint(w, "\nexample:\n"+
		"  nofixup demo                                     see a report without any network\n"+
		"  nofixup probe https://reflector.example.net      test the network between here and that reflector\n"+
		"  nofixup pcap call.pcap                           find out why a call in a capture has no audio\n\n"+
		"exit codes: 0 clean, 1 interference or a fault, 2 usage, 3 could not tell\n"+
		"\"nofixup COMMAND --help\" tells more.\n")
}

// say writes one line to stderr.
func (out output) say(format string, args ...any) {
	fmt.Fprintf(out.stderr, "nofixup: "+format+"\n", args...)
}

// fail reports an error with what may help, and returns the exit code.
func (out output) fail(code int, err error) int {
	out.say("%v", err)
	if h := hint(err); h != "" {
		out.say("hint: %s", h)
	}
	return code
}

func (out output) usageError(command string, err error) int {
	out.say("%v", err)
	out.say("hint: see \"%s --help\"", strings.TrimSpace("nofixup "+command))
	return exitUsage
}
