package reflector

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sipgosip "github.com/emiago/sipgo/sip"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the goldens in testdata anew")

// testTag stands for the nonce in the goldens.
const testTag = "tagtagtagtag"

// answerCase is one file of testdata/answers: a request, where it came from, and either the answer or the silence.
type answerCase struct {
	file    string
	archive *txtar.Archive
	from    netip.AddrPort
	request []byte
}

// answerCases reads them all. Their lines end with LF; on the wire it is CRLF, unless the comment has a line "lf".
func answerCases(t testing.TB) []answerCase {
	t.Helper()
	files, err := filepath.Glob("testdata/answers/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/answers: %d files, %v", len(files), err)
	}
	var cases []answerCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := answerCase{file: file, archive: archive}
		lf := false
		for text := range strings.Lines(string(archive.Comment)) {
			text = strings.TrimSpace(text)
			if from, ok := strings.CutPrefix(text, "from: "); ok {
				c.from = netip.MustParseAddrPort(from)
			}
			lf = lf || text == "lf"
		}
		c.request = section(archive, "request")
		if c.request == nil || !c.from.IsValid() {
			t.Fatalf("%s: wants a section request and a line from:", file)
		}
		if !lf {
			c.request = bytes.ReplaceAll(c.request, []byte("\n"), []byte("\r\n"))
		}
		cases = append(cases, c)
	}
	return cases
}

func section(archive *txtar.Archive, name string) []byte {
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func TestAnswers(t *testing.T) {
	var c composer // one for all: what is left of an answer must not show in the next
	for _, tt := range answerCases(t) {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			answer, silence := c.answer(tt.request, tt.from, []byte(testTag))
			if (answer == nil) == (silence == "") {
				t.Fatalf("answer %q, silence %q", answer, silence)
			}
			if len(answer) > len(tt.request) {
				t.Errorf("%d octets for %d", len(answer), len(tt.request))
			}
			if bytes.Count(answer, []byte("\n")) != bytes.Count(answer, []byte("\r\n")) {
				t.Errorf("a line does not end with CRLF: %q", answer)
			}
			got := txtar.File{Name: "silence", Data: []byte(silence + "\n")}
			if answer != nil {
				got = txtar.File{Name: "answer", Data: bytes.ReplaceAll(answer, []byte("\r\n"), []byte("\n"))}
			}
			if *update {
				tt.archive.Files = []txtar.File{{Name: "request", Data: section(tt.archive, "request")}, got}
				if err := os.WriteFile(tt.file, txtar.Format(tt.archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want := section(tt.archive, got.Name); !bytes.Equal(got.Data, want) {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", got.Name, got.Data, want)
			}
		})
	}
}

// TestAnswersReferee has a SIP stack that shares no code with this one read the answers.
func TestAnswersReferee(t *testing.T) {
	var c composer
	parser := sipgosip.NewParser()
	for _, tt := range answerCases(t) {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			answer, silence := c.answer(tt.request, tt.from, []byte(testTag))
			if silence != "" {
				t.Skip("no answer: " + silence)
			}
			if strings.HasPrefix(filepath.Base(tt.file), "via-list") {
				t.Skip("sipgo v1.7.2 loses what follows white space in a Via")
			}
			msg, err := parser.ParseSIP(answer)
			if err != nil {
				t.Fatalf("%v\n%s", err, answer)
			}
			res, ok := msg.(*sipgosip.Response)
			if !ok {
				t.Fatalf("%T", msg)
			}
			for _, h := range []string{"via", "from", "to", "call-id", "cseq"} {
				if len(res.GetHeaders(h)) == 0 {
					t.Errorf("no %s:\n%s", h, answer)
				}
			}
			if tag, ok := res.To().Params.Get("tag"); res.To() != nil && !ok && !strings.Contains(string(answer), "Tag=") {
				t.Errorf("To tag %q:\n%s", tag, answer)
			}
			if received, ok := res.Via().Params.Get("received"); ok && received != tt.from.Addr().String() {
				t.Errorf("received %s, from %s", received, tt.from)
			}
		})
	}
}

func TestSentByHost(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":           "192.0.2.1",
		"192.0.2.1:5060":      "192.0.2.1",
		"192.0.2.1 : 5060":    "192.0.2.1",
		"[2001:db8::1]":       "2001:db8::1",
		"[2001:db8::1]:5060":  "2001:db8::1",
		"[::ffff:192.0.2.1]":  "192.0.2.1",
		"pc33.example.com":    "invalid IP",
		"pc33.example.com:60": "invalid IP",
		"[2001:db8::1":        "invalid IP",
		"":                    "invalid IP",
		"[":                   "invalid IP",
		":":                   "invalid IP",
	} {
		if got := sentByHost([]byte(in)); got.String() != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestComposerLetsGo keeps a message of many spans from holding memory for good.
func TestComposerLetsGo(t *testing.T) {
	var c composer
	many := []byte("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h" + strings.Repeat(";a", maxSpans))
	c.answer(many, netip.MustParseAddrPort("192.0.2.1:5060"), []byte(testTag))
	c.answer([]byte("OPTIONS sip:a SIP/2.0\r\n\r\n"), netip.MustParseAddrPort("192.0.2.1:5060"), []byte(testTag))
	if n := cap(c.msg.Spans); n > maxSpans {
		t.Errorf("room for %d spans is kept", n)
	}
}
