package wire

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// example is the worked example of docs/protocol.md.
var example = Tag{
	Token:  Token{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
	Number: 1000,
}

const exampleText = "nfx" + "aaisem2ekvthpcezvk54zxpo74" + "aa7i"

func TestTagText(t *testing.T) {
	for _, tt := range []struct {
		tag  Tag
		want string
	}{
		{Tag{}, "nfx" + strings.Repeat("a", 30)},
		{example, exampleText},
		{Tag{Number: MaxNumber}, "nfx" + strings.Repeat("a", 26) + "7777"},
		{Tag{Number: MaxNumber + 2}, "nfx" + strings.Repeat("a", 29) + "b"}, // beyond 20 bits: only they are written
	} {
		if got := tt.tag.String(); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.tag.Token[:], got, tt.want)
		}
		if len(tt.want) != TagLen {
			t.Errorf("TagLen is %d, the text has %d octets", TagLen, len(tt.want))
		}
	}
}

func TestTags(t *testing.T) {
	other := Tag{Token: Token{1}, Number: 7}
	for _, tt := range []struct {
		name string
		in   string
		want []Tag
	}{
		{"empty", "", nil},
		{"none", "OPTIONS sip:a@b SIP/2.0\r\n\r\n", nil},
		{"alone", exampleText, []Tag{example}},
		{"in a message", "OPTIONS sip:" + exampleText + "@192.0.2.1 SIP/2.0\r\nCall-ID: " + other.String() + "@x\r\n", []Tag{example, other}},
		{"back to back", exampleText + other.String(), []Tag{example, other}},
		{"cut short", exampleText[:TagLen-1], nil},
		{"cut short, then whole", exampleText[:10] + exampleText, []Tag{example}},
		{"prefix in the prefix", "nfnfxnfx" + exampleText[3:], []Tag{example}},
		{"upper case", strings.ToUpper(exampleText), nil},
		{"digit out of the alphabet", strings.Replace(exampleText, "isem", "1sem", 1), nil},
		{"line end inside", strings.Replace(exampleText, "aais", "\r\nis", 1), nil},
		{"number out of the alphabet", exampleText[:TagLen-1] + "-", nil},
		{"bits beyond the token", exampleText[:28] + "5" + exampleText[29:], nil},
		{"damage before and after", "\x00\xff\r\n" + exampleText + "\xff\x00nfx", []Tag{example}},
		{"after 15 false ones", strings.Repeat("nfx-", 15) + exampleText, []Tag{example}},
		{"after 16 false ones", strings.Repeat("nfx-", 16) + exampleText, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tags := Tags([]byte(tt.in))
			if got := slices.Collect(tags); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if got := slices.Collect(tags); !slices.Equal(got, tt.want) {
				t.Errorf("second time: got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFindTag(t *testing.T) {
	other := Tag{Token: Token{1}, Number: 7}
	msg := []byte("x" + other.String() + "y" + exampleText)
	if got, ok := FindTag(msg, example.Token); !ok || got != example {
		t.Errorf("got %v, %v", got, ok)
	}
	if got, ok := FindTag(msg, Token{2}); ok {
		t.Errorf("found %v, which is not there", got)
	}
}

// TestTagRoundTrip puts a tag into random text that holds no other one, and finds it.
func TestTagRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Tag{Number: rapid.Uint32Range(0, MaxNumber).Draw(t, "number")}
		copy(want.Token[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "token"))
		junk := rapid.SliceOf(rapid.Byte().Filter(func(b byte) bool { return b != 'n' }))
		msg := append(junk.Draw(t, "before"), want.String()...)
		msg = append(msg, junk.Draw(t, "after")...)
		if got, ok := FindTag(msg, want.Token); !ok || got != want {
			t.Fatalf("got %v, %v, want %v", got, ok, want)
		}
	})
}

func TestTokenJSON(t *testing.T) {
	text, err := json.Marshal(example.Token)
	if want := `"aaisem2ekvthpcezvk54zxpo74"`; err != nil || string(text) != want {
		t.Fatalf("got %s, %v, want %s", text, err, want)
	}
	var got Token
	if err := json.Unmarshal(text, &got); err != nil || got != example.Token {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, bad := range []string{`""`, `"aaisem2ekvthpcezvk54zxpo7"`, `"aaisem2ekvthpcezvk54zxpo75"`, `"AAISEM2EKVTHPCEZVK54ZXPO74"`} {
		got = example.Token
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s: no error", bad)
		} else if got != example.Token {
			t.Errorf("%s: changed the token in spite of the error", bad)
		}
	}
}

func TestNewToken(t *testing.T) {
	if a, b := NewToken(), NewToken(); a == b || a == (Token{}) {
		t.Errorf("two tokens: %v, %v", a, b)
	}
}

func TestTagsAllocate(t *testing.T) {
	msg := []byte(strings.Repeat("nfxa", 20) + exampleText)
	n := testing.AllocsPerRun(100, func() {
		for tag := range Tags(msg) {
			_ = tag
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{
		"", "nfx", exampleText, exampleText[:20], "nfxnfx" + exampleText, "\r\n" + exampleText + "@nfx" + exampleText,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		n := 0
		for tag := range Tags(msg) {
			n++
			// One text for each tag: what was found must stand there as it would be written.
			if !bytes.Contains(msg, []byte(tag.String())) {
				t.Errorf("found %s, which is not there", tag)
			}
		}
		if n > maxCandidates {
			t.Errorf("%d tags, at most %d are looked for", n, maxCandidates)
		}
	})
}

func BenchmarkTags(b *testing.B) {
	msg := []byte(strings.Repeat("Via: SIP/2.0/UDP 192.0.2.1\r\n", 20) + exampleText)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		for tag := range Tags(msg) {
			if tag != example {
				b.Fatal(tag)
			}
		}
	}
}
