package netlab

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// envFunc names the function to run instead of the tests.
const envFunc = "NOFIXUP_LAB_FUNC"

// sideBySide is how many parallel tests run at once unless -parallel says otherwise. They wait most of the time: the number of
// processors, which is what package testing takes, would leave those idle.
const sideBySide = 6

// Main is the TestMain of a package whose tests use [Host.Func] or [Build]. Started by Func, the process runs the named
// function with its arguments and ends with the code it returns. Otherwise Main runs the tests, of those that are parallel
// six at once unless -parallel is given, and afterwards removes what Build has built. It does not return.
//
//	func TestMain(m *testing.M) {
//		netlab.Main(m, map[string]func(args []string) int{"echo": echo})
//	}
func Main(m *testing.M, funcs map[string]func(args []string) int) {
	if name, ok := os.LookupEnv(envFunc); ok {
		f := funcs[name]
		if f == nil {
			fmt.Fprintf(os.Stderr, "netlab: the test binary has no function %q\n", name)
			os.Exit(2)
		}
		// What the function starts in turn must be free to be a test binary again.
		_ = os.Unsetenv(envFunc)
		os.Exit(f(os.Args[1:]))
	}
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(sideBySide)); err != nil {
			fmt.Fprintf(os.Stderr, "netlab: %v\n", err)
			os.Exit(2)
		}
	}
	code := m.Run()
	removeBuilds()
	os.Exit(code)
}
