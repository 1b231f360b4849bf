package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/alg/fixup"
)

// TestDemoStyles shows that every style that is listed is found out, and found out for what it is.
func TestDemoStyles(t *testing.T) {
	for _, style := range fixup.Styles() {
		t.Run(style.Name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			if code := run(t.Context(), []string{"demo", "--json", "--alg", style.Name}, &stdout, &stderr); code != exitClean {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			report := new(alg.Report)
			if err := json.Unmarshal([]byte(stdout.String()), report); err != nil {
				t.Fatal(err)
			}
			if string(report.Verdict) != style.Verdict {
				t.Errorf("verdict %s, the style announces %s", report.Verdict, style.Verdict)
			}
			for _, p := range report.Paths {
				everywhere := style.Everywhere && p.Proto == alg.ProtoSIP // no style reads H.323 on any port
				if clean := p.Outbound == alg.Clean && p.Inbound == alg.Clean; p.Control && clean == everywhere {
					t.Errorf("%s: %s %s", p.Path, p.Outbound, p.Inbound)
				}
			}
			grave := slices.ContainsFunc(report.Findings, func(f alg.Finding) bool { return f.Severity != alg.Info })
			if clean := style.Verdict == string(alg.OverallClean); clean == grave {
				t.Errorf("%d findings, grave ones %v", len(report.Findings), grave)
			}
		})
	}
}

// TestHelp shows that every command has help with an example, on stdout.
func TestHelp(t *testing.T) {
	for _, c := range commands() {
		var stdout strings.Builder
		if code := run(t.Context(), []string{c.name, "--help"}, &stdout, io.Discard); code != exitClean {
			t.Errorf("%s: exit code %d", c.name, code)
		}
		for _, want := range []string{"usage: nofixup " + c.name, "example:\n  nofixup " + c.name, "flags:", "--help"} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: no %q in its help", c.name, want)
			}
		}
	}
}
