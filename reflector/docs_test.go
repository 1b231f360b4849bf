package reflector

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nofixup/reflector/wire"
)

const protocolPage = "../docs/protocol.md"

// TestProtocolExample has the reflector answer the request of the page's example, and act on it.
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
	for start, action := range map[string]wire.Action{
		"SIP/2.0 180": {Action: wire.ActionRespond, To: 1, Number: 1001, Status: 180},
		"INVITE":      {Action: wire.ActionRequest, To: 1, Number: 1002, Method: "INVITE", SDP: true},
	} {
		tmpl := template{
			Action: action, token: testToken, nonce: "q3v7mz2kd6xw",
			own: netip.MustParseAddrPort("203.0.113.10:5060"), remote: netip.MustParseAddrPort("198.51.100.2:40000"),
		}
		text, err := tmpl.compose([]byte(block("OPTIONS")))
		if want := block(start); err != nil || string(text) != want {
			t.Errorf("%v, got:\n%s\nwant:\n%s", err, text, want)
		}
		example, err := json.Marshal(action)
		if err != nil || !strings.Contains(string(page), "`"+string(example)+"`") {
			t.Errorf("the page does not have %s", example)
		}
	}
}

// TestProtocolPromises wants every test that the page names to be there.
func TestProtocolPromises(t *testing.T) {
	page, err := os.ReadFile(protocolPage)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(page), -1)
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
