package reflector

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sipgosip "github.com/emiago/sipgo/sip"
	"golang.org/x/tools/txtar"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

// testToken is the token in testdata/actions.
var testToken = wire.Token{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

// actionCase is one file of testdata/actions: an action, the message that it goes by, and what is sent or why not.
type actionCase struct {
	file    string
	archive *txtar.Archive
	from    netip.AddrPort
	action  wire.Action
	message []byte

	transport string // "udp" unless a line says otherwise
}

func actionCases(t testing.TB) (cases []actionCase) {
	t.Helper()
	files, err := filepath.Glob("testdata/actions/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/actions: %d files, %v", len(files), err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := actionCase{file: file, archive: archive}
		for text := range strings.Lines(string(archive.Comment)) {
			key, value, _ := strings.Cut(strings.TrimSpace(text), ": ")
			switch key {
			case "from":
				c.from = netip.MustParseAddrPort(value)
			case "action":
				if err := json.Unmarshal([]byte(value), &c.action); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
			case "tcp", "tls":
				c.transport = key
			}
		}
		c.message = bytes.ReplaceAll(section(archive, "message"), []byte("\n"), []byte("\r\n"))
		if c.message == nil || !c.from.IsValid() || checkAction(c.action) != nil {
			t.Fatalf("%s: wants a section message, a line from: and an action: %v", file, checkAction(c.action))
		}
		cases = append(cases, c)
	}
	return cases
}

func (c *actionCase) compose() ([]byte, error) {
	own := netip.MustParseAddrPort("203.0.113.10:5060")
	if c.from.Addr().Is6() {
		own = netip.MustParseAddrPort("[2001:db8:1::10]:5060")
	}
	t := template{Action: c.action, token: testToken, nonce: testTag, own: own, remote: c.from, transport: c.transport}
	return t.compose(c.message)
}

// TestActionTemplates compares what is sent with the goldens.
func TestActionTemplates(t *testing.T) {
	for _, tt := range actionCases(t) {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			text, err := tt.compose()
			got := txtar.File{Name: "sent", Data: bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))}
			var r *refusal
			switch {
			case errors.As(err, &r):
				got = txtar.File{Name: "refused", Data: []byte(r.what + "\n")}
			case err != nil:
				t.Fatal(err)
			case bytes.Count(text, []byte("\n")) != bytes.Count(text, []byte("\r\n")):
				t.Errorf("a line does not end with CRLF: %q", text)
			}
			// The body of a MESSAGE has no line end.
			if n := len(got.Data); got.Data[n-1] != '\n' {
				got.Data = append(got.Data, '\n')
			}
			if *update {
				tt.archive.Files = []txtar.File{{Name: "message", Data: section(tt.archive, "message")}, got}
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

// TestActionReferee has a SIP stack that shares no code with this one read what is sent, and this module's own parser.
func TestActionReferee(t *testing.T) {
	parser := sipgosip.NewParser()
	for _, tt := range actionCases(t) {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			text, err := tt.compose()
			if err != nil {
				t.Skip(err)
			}
			own := sip.Parse(text)
			for _, s := range own.Spans {
				if s.Header == sip.Malformed {
					t.Errorf("malformed: %q", s.Bytes(text))
				}
			}
			if n, ok := own.ContentLength(); !ok || n != len(own.Body()) {
				t.Errorf("length %d, %v, of %d", n, ok, len(own.Body()))
			}
			if f, err := sip.Next(text, sip.Limits{}); err != nil || f.Len != len(text) {
				t.Errorf("frame %+v, %v", f, err)
			}
			tag := wire.Tag{Token: testToken, Number: tt.action.Number}
			if canary := string(own.Named("X-Canary", 0)); canary != tt.from.String()+" "+tag.String() {
				t.Errorf("canary %q", canary)
			}
			if tag, ok := wire.FindTag(text, testToken); tt.action.Number > 1 && (!ok || tag.Number != tt.action.Number) {
				t.Errorf("the message's name is %d", tag.Number)
			}
			msg, err := parser.ParseSIP(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			headers := []string{"via", "from", "to", "call-id", "cseq"}
			if req, ok := msg.(*sipgosip.Request); ok {
				headers = append(headers, "max-forwards")
				if string(req.Method) != tt.action.Method || req.CSeq().MethodName != req.Method || req.CSeq().SeqNo != max(1, tt.action.CSeq) {
					t.Errorf("%s, %s", req.Method, req.CSeq())
				}
			}
			for _, h := range headers {
				if len(msg.GetHeaders(h)) == 0 {
					t.Errorf("no %s:\n%s", h, text)
				}
			}
			if slices.Contains([]string{"INVITE", "UPDATE", "NOTIFY"}, tt.action.Method) && len(msg.GetHeaders("contact")) == 0 {
				t.Errorf("no contact:\n%s", text)
			}
		})
	}
}
