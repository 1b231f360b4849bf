package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which packages of the module a package may import. docs/design.md gives the reasons. Test files may import
// what they like.
var arrows = map[string][]string{
	"sip":                     {},
	"sip/sdp":                 {},
	"h323/per":                {},
	"h323":                    {"h323/per"},
	"reflector/wire":          {},
	"alg":                     {"sip", "sip/sdp", "h323"},
	"alg/capture":             {"alg", "alg/media", "sip", "sip/sdp", "h323", "reflector/wire"},
	"alg/media":               {},
	"alg/probe":               {"alg", "alg/media", "sip", "sip/sdp", "h323", "reflector/wire"},
	"alg/report":              {"alg"},
	"alg/fixup":               {},
	"alg/netlab":              {},
	"reflector":               {"reflector/wire", "sip", "sip/sdp", "h323"},
	"reflector/reflectortest": {"reflector"},
	"cmd/nofixup":             {"alg", "alg/capture", "alg/probe", "alg/report", "alg/fixup", "reflector", "reflector/wire", "sip", "sip/sdp"},
	"cmd/nofixup-reflector":   {"reflector", "reflector/wire"},
}

// owners says which packages may import a dependency outside of tests.
var owners = map[string][]string{
	"github.com/spf13/pflag":  {"cmd/nofixup", "cmd/nofixup-reflector"},
	"golang.org/x/term":       {"cmd/nofixup"},
	"golang.org/x/net":        {"reflector", "alg/probe"},
	"golang.org/x/sys":        {"reflector", "alg/probe"},
	"github.com/emiago/sipgo": {"alg/probe"},
	"github.com/pion/rtp":     {"alg/probe"},
	"github.com/pion/rtcp":    {"alg/probe"},

	"github.com/google/gopacket":    {"alg/capture"},
	"github.com/klauspost/compress": {"alg/capture"},
}

// banned are package names that say nothing.
var banned = []string{"internal", "utils", "util", "common", "helpers", "vendor"}

// topLevel is all that may stand at the top of the module.
var topLevel = []string{
	"cmd", "alg", "sip", "h323", "reflector", "testdata", "go.mod", "go.sum", "Dockerfile",
	"README.md", "CHANGELOG.md", "LICENSE", "docs", ".ci", ".git", ".gitignore", ".golangci.yml", ".dockerignore",
}

func TestArrows(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return fs.SkipDir
		case d.IsDir() && slices.Contains(banned, d.Name()):
			t.Errorf("%s: a package of that name says nothing of what it holds", name)
			return nil
		case path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		dir := path.Dir(name)
		seen[dir] = true
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, name, dir, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range seen {
		if _, ok := arrows[dir]; !ok {
			t.Errorf("%s: a package without arrows: say in this test what it may import", dir)
		}
	}
	for dir := range arrows {
		if !seen[dir] {
			t.Errorf("%s: arrows for a package that is not there", dir)
		}
	}
}

func checkImport(t *testing.T, file, dir, imported string) {
	t.Helper()
	if own, ok := strings.CutPrefix(imported, "nofixup/"); ok {
		if !slices.Contains(arrows[dir], own) {
			t.Errorf("%s: %s must not import %s", file, dir, own)
		}
		return
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return // the standard library
	}
	for dependency, users := range owners {
		if imported == dependency || strings.HasPrefix(imported, dependency+"/") {
			if !slices.Contains(users, dir) {
				t.Errorf("%s: %s belongs to %v", file, dependency, users)
			}
			return
		}
	}
	t.Errorf("%s: %s: a dependency without owner: say in this test who may import it", file, imported)
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		// A binary that somebody built there is nobody's business.
		if source := e.IsDir() || path.Ext(e.Name()) == ".go"; source && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s does not belong at the top of the module", e.Name())
		}
	}
}
