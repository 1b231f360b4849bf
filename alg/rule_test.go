package alg

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const findingsDir = "../docs/findings"

// Every rule has its page, and no page is left over.
func TestRulePages(t *testing.T) {
	pages := map[string]bool{}
	names, err := filepath.Glob(filepath.Join(findingsDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		pages[filepath.Base(n)] = true
	}
	if len(pages) == 0 {
		t.Fatalf("%s holds no pages", findingsDir)
	}
	for _, r := range Rules() {
		name := r.ID + ".md"
		text, err := os.ReadFile(filepath.Join(findingsDir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		delete(pages, name)
		if !strings.HasPrefix(string(text), "# "+r.ID+"\n") {
			t.Errorf("%s does not begin with its name", name)
		}
		if !strings.Contains(string(text), "Source: "+r.Source+".") {
			t.Errorf("%s lacks its source, %s", name, r.Source)
		}
		if !strings.Contains(string(text), "Severity: "+string(r.Severity)+".") {
			t.Errorf("%s lacks its severity, %s", name, r.Severity)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(findingsDir, link[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		checkCarets(t, name, string(text))
	}
	for name := range pages {
		t.Errorf("%s is no rule's page", name)
	}
}

// checkCarets asserts that the carets of the examples stand under the octets of the line above, and under no space at the
// ends.
func checkCarets(t *testing.T, name, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.Trim(line, " ^") != "" || !strings.Contains(line, "^") {
			continue
		}
		above := lines[i-1]
		from, to := strings.Index(line, "^"), len(line)
		if to > len(above) || above[from] == ' ' && !strings.Contains(line, " ^^ ") && !strings.HasSuffix(line, "  ^^") {
			t.Errorf("%s: the carets under %q miss it", name, above)
		}
	}
}

func TestRules(t *testing.T) {
	ids := map[string]bool{}
	rules := Rules()
	for _, r := range rules {
		if ids[r.ID] {
			t.Errorf("%s twice", r.ID)
		}
		ids[r.ID] = true
		if !regexp.MustCompile(`^[a-z]+[0-9]*(-[a-z]+)+$`).MatchString(r.ID) || r.Severity.rank() < 0 ||
			r.Summary == "" || r.Symptom == "" || r.Advice == "" || r.Source == "" {
			t.Errorf("%+v", r)
		}
		if _, err := os.Stat("rule_" + strings.ReplaceAll(r.ID, "-", "_") + ".go"); err != nil {
			t.Error(err)
		}
	}
	// Some rule takes every change.
	c := Change{Kind: "other", Field: "other"}
	if claim(rules, &exchange{}, &c) == nil {
		t.Error("a change is nobody's")
	}
}
