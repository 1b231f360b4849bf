package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nofixup/reflector"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"nofixup": main})
}

// TestScript runs the command line as a user does. The scripts have one more command, "reflector", which starts a reflector
// on 127.0.0.1 until the end of the script and sets URL and PIN; "exits N command…" wants exit code N.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"reflector": startReflector,
			"exits":     exits,
		},
	})
}

func startReflector(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: reflector")
	}
	server, err := reflector.Start(context.Background(), reflector.Config{
		Hosts: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, HTTPS: ":0", SIP: ":0", Neutral: ":0",
	})
	ts.Check(err)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		ts.Check(server.Shutdown(ctx))
	})
	ts.Setenv("URL", server.URL())
	ts.Setenv("PIN", server.Pin())
}

// exits runs a command that must end with the exit code given first.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
