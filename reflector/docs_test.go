package reflector

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const protocolPage = "../docs/protocol.md"

// TestProtocolExample has the reflector answer the request of the page's example.
func TestProtocolExample(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	block := func(start string) string {
		t.Helper()
		_, text, ok := strings.Cut(string(page), "```\n"+start)
		if !ok {
			t.Fatalf("no block that begins with %q", start)
		}
		text, _, _ = strings.Cut(text, "```")
		return strings.ReplaceAll(start+text, "\n", "\r\n")
	}
	var c composer
	answer, silence := c.answer([]byte(block("OPTIONS")), netip.MustParseAddrPort("198.51.100.2:40000"), []byte("q3v7mz2kd6xw"))
	if want := block("SIP/2.0 200"); silence != "" || string(answer) != want {
		t.Errorf("silence %q, got:\n%s\nwant:\n%s", silence, answer, want)
	}
}

// TestProtocolPromises wants every test that the page names to be there.
func TestProtocolPromises(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z]+)`").FindAllStringSubmatch(string(page), -1)
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(names) == 0 || len(files) == 0 {
		t.Fatalf("%d names, %d files, %v", len(names), len(files), err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, name := range names {
		if !strings.Contains(source.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("%s is promised and not there", name[1])
		}
	}
}
