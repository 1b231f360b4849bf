package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
)

// version is the version of the tool, in reports and in User-Agent.
const version = "0.1.0"

func versionCommand() command {
	return command{
		name: "version", about: "print the version",
		example: "  nofixup version",
		flags: func(*pflag.FlagSet) func(context.Context, []string, output) int {
			return func(_ context.Context, args []string, out output) int {
				if len(args) > 0 {
					return out.usageError("version", fmt.Errorf("unexpected argument %q", args[0]))
				}
				return out.version()
			}
		},
	}
}

func (out output) version() int {
	fmt.Fprintf(out.stdout, "nofixup %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitClean
}
