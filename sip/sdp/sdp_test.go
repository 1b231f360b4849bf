package sdp

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// paths renders every span as "path=octets".
func paths(body string) []string {
	var out []string
	for _, s := range AppendSpans(nil, []byte(body)) {
		out = append(out, s.Path([]byte(body))+"="+string(s.Bytes([]byte(body))))
	}
	return out
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"empty", "", ""},
		{"only line ends", "\r\n\n\r", ""},
		{"session", "v=0\r\no=dora 1 2 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n", `
sdp.v=0
sdp.o.username=dora
sdp.o.session-id=1
sdp.o.version=2
sdp.o.nettype=IN
sdp.o.addrtype=IP4
sdp.o.address=10.0.0.9
sdp.s=-
sdp.c.nettype=IN
sdp.c.addrtype=IP4
sdp.c.address=10.0.0.9
sdp.t=0 0`},
		{"media", "m=audio 40122/2 RTP/AVP 0 8 101\nc=IN IP4 233.252.0.1/127/3\nb=AS:64\nb=TIAS:64000\nb=AS:65\n" +
			"a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=sendrecv\na=rtcp:40123\na=rtcp:40125\n", `
sdp.media[0].type=audio
sdp.media[0].port=40122
sdp.media[0].ports=2
sdp.media[0].proto=RTP/AVP
sdp.media[0].fmt=0 8 101
sdp.media[0].c.nettype=IN
sdp.media[0].c.addrtype=IP4
sdp.media[0].c.address=233.252.0.1
sdp.media[0].c.ttl=127/3
sdp.media[0].b[AS]=64
sdp.media[0].b[TIAS]=64000
sdp.media[0].b[AS][1]=65
sdp.media[0].a[rtpmap][0]=0 PCMU/8000
sdp.media[0].a[rtpmap][1]=8 PCMA/8000
sdp.media[0].a[sendrecv]=sendrecv
sdp.media[0].a[rtcp]=40123
sdp.media[0].a[rtcp][1]=40125`},
		{"indexes start again in every section", "a=x:1\na=x:2\nc=IN IP6 ::1\nc=IN IP6 ::2\nm=audio 1 RTP/AVP 0\na=x:3\n" +
			"a=candidate:1\nm=video 2 RTP/AVP 0\na=x:4\na=candidate:2\n", `
sdp.a[x]=1
sdp.a[x][1]=2
sdp.c.nettype=IN
sdp.c.addrtype=IP6
sdp.c.address=::1
sdp.c[1].nettype=IN
sdp.c[1].addrtype=IP6
sdp.c[1].address=::2
sdp.media[0].type=audio
sdp.media[0].port=1
sdp.media[0].proto=RTP/AVP
sdp.media[0].fmt=0
sdp.media[0].a[x]=3
sdp.media[0].a[candidate][0]=1
sdp.media[1].type=video
sdp.media[1].port=2
sdp.media[1].proto=RTP/AVP
sdp.media[1].fmt=0
sdp.media[1].a[x]=4
sdp.media[1].a[candidate][0]=2`},
		{"no letter, no end of line", "v=0\n\nhello\n =x\n1=2\nv = 0\nx=y\nX=z\nx=w", `
sdp.v=0
sdp.line[2]=hello
sdp.line[3]= =x
sdp.line[4]=1=2
sdp.line[5]=v = 0
sdp.x=y
sdp.X=z
sdp.x[1]=w`},
		{"origin with a long user name", "o=My PBX 1.0 7 8 IN IP4 192.0.2.1\n", `
sdp.o.username=My PBX 1.0
sdp.o.session-id=7
sdp.o.version=8
sdp.o.nettype=IN
sdp.o.addrtype=IP4
sdp.o.address=192.0.2.1`},
		{"too few fields", "o=7 8 IN IP4 192.0.2.1\nc=IN 192.0.2.1\nc=\nm=audio\nm=\n", `
sdp.o=7 8 IN IP4 192.0.2.1
sdp.c=IN 192.0.2.1
sdp.media[0].type=audio`},
		{"too many fields and white space", "c= IN\tIP4  192.0.2.1  more of it \n", `
sdp.c.nettype=IN
sdp.c.addrtype=IP4
sdp.c.address=192.0.2.1
sdp.c=more of it`},
		{"attributes without name or value", "a=\na=:x\na=rtcp:\na=a b:c\na=\xff\x00%[:d\nb=64\nb=:64\n", `
sdp.a=:x
sdp.a[rtcp]=rtcp:
sdp.a[a%20b]=c
sdp.a[%FF%00%25%5B]=d
sdp.b=64
sdp.b[1]=:64`},
		{"value of white space", "s= \r\ni=a\rb\r\n", "\nsdp.s= \nsdp.i=a\rb"},
		{"line end of many CRs", "s=x\r\r\n", "\nsdp.s=x"},
		{"long name", "a=" + strings.Repeat("n", 100) + ":v", "\nsdp.a[" + strings.Repeat("n", 59) + "...]=v"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, p := range paths(tt.body) {
				got += "\n" + p
			}
			if got != tt.want {
				t.Errorf("got:%s\nwant:%s", got, tt.want)
			}
		})
	}
}

func TestLineKey(t *testing.T) {
	body := []byte("v=0\nc=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2\nb=AS:1\njunk\nm=audio 9 RTP/AVP 0\na=rtpmap:0 x\na=rtpmap:1 x\nc=IN IP4 192.0.2.3\njunk\n")
	want := []string{
		"sdp.v", "sdp.c", "sdp.c", "sdp.b[AS]", "sdp.line", "sdp.media[0].m", "sdp.media[0].a[rtpmap]",
		"sdp.media[0].a[rtpmap]", "sdp.media[0].c", "sdp.media[0].line",
	}
	line := -1
	for _, s := range AppendSpans(nil, body) {
		if int(s.Line) == line {
			continue
		}
		if line = int(s.Line); s.LineKey(body) != want[line] {
			t.Errorf("line %d is %s, want %s", line, s.LineKey(body), want[line])
		}
	}
	if line != len(want)-1 {
		t.Errorf("%d lines, want %d", line+1, len(want))
	}
}

// Between the leaves of a well-formed description stand letters and equals signs, names and colons, SP, slashes, line ends.
func TestGaps(t *testing.T) {
	body := description(t)
	at := 0
	gap := func(end int) {
		g := body[at:end]
		if i := bytes.LastIndexByte(g, '\n'); i >= 0 || at == 0 {
			line := g[i+1:]
			if len(line) >= 2 && line[1] == '=' {
				line = line[2:]
				if k := bytes.IndexByte(line, ':'); k >= 0 {
					line = line[k+1:]
				}
			}
			g = append(g[:i+1:i+1], line...)
		}
		if rest := strings.Trim(string(g), " /\r\n"); rest != "" {
			t.Errorf("%q lies between the leaves, in %q at %d", rest, body[at:end], at)
		}
	}
	for _, s := range AppendSpans(nil, body) {
		gap(int(s.Off))
		at = int(s.End)
	}
	gap(len(body))
}

func TestAllocs(t *testing.T) {
	body := description(t)
	dst := make([]Span, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = AppendSpans(dst[:0], body) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		for _, s := range dst {
			buf = s.AppendPath(buf[:0], body)
		}
	}); n != 0 {
		t.Errorf("%v allocations for the paths", n)
	}
}

// Counters stop at their limits and work stays linear: this would take minutes otherwise.
func TestMany(t *testing.T) {
	var names strings.Builder
	for i := range 200_000 {
		names.WriteString("a=")
		for n := i; n > 0; n /= 26 {
			names.WriteByte(byte('a' + n%26))
		}
		names.WriteString(":\n")
	}
	for _, body := range []string{
		strings.Repeat("m=audio 1 RTP/AVP 0\n", 70_000),
		strings.Repeat("a=x:y\n", 70_000),
		strings.Repeat("c=IN IP4 192.0.2.1\n", 70_000),
		strings.Repeat("\n", 1<<20),
		strings.Repeat(" ", 1<<20),
		"o=" + strings.Repeat("x ", 1<<19),
		names.String(),
	} {
		check(t, []byte(body), AppendSpans(nil, []byte(body)))
	}
}

// description returns the body of the INVITE that all benchmarks use.
func description(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("../../testdata/invite.txt")
	if err != nil {
		tb.Fatal(err)
	}
	_, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok || len(body) == 0 {
		tb.Fatal("the INVITE has no body")
	}
	return body
}

// check asserts what holds for every input: spans are in range, in order, disjoint and not empty, which makes spans and gaps
// joined the input, and paths are printable.
func check(t *testing.T, body []byte, spans []Span) {
	t.Helper()
	at := int32(0)
	buf := make([]byte, 0, 256)
	for i, s := range spans {
		if s.Off < at || s.Off >= s.End || int(s.End) > len(body) {
			t.Fatalf("span %d [%d,%d) after %d in %d octets", i, s.Off, s.End, at, len(body))
		}
		at = s.End
		if s.NameOff > s.NameEnd || s.NameOff < 0 || int(s.NameEnd) > len(body) {
			t.Fatalf("span %d: name [%d,%d)", i, s.NameOff, s.NameEnd)
		}
		if i > 1000 && i < len(spans)-1000 {
			continue // thousands of alike paths prove nothing
		}
		buf = s.AppendPath(buf[:0], body)
		if !bytes.HasPrefix(buf, []byte("sdp.")) || len(buf) > 128 {
			t.Fatalf("path %q", buf)
		}
		for _, c := range append(buf, s.LineKey(body)...) {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("path %q", buf)
			}
		}
	}
}

func FuzzSpans(f *testing.F) {
	seeds := []string{
		string(description(f)),
		"v=0\no=- 0 0 IN IP6 ::1\ns= \nt=0 0\nm=audio 9/2 RTP/AVP 0\nc=IN IP4 233.252.0.1/127\nb=AS:64\n",
		"a=:\na=\na=x:\nb=\nb=1\nc=\no=\nm=\nz\n=\n\r\r\n\x00=\xff",
		"m=audio 1 a\na=candidate:1 1 UDP 1 10.0.0.9 5000 typ host\na=candidate:2\nm=video 2 b\na=ssrc:1\n",
	}
	for _, s := range seeds {
		if s == "" {
			f.Fatal("an empty seed")
		}
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		was := bytes.Clone(body)
		spans := AppendSpans(nil, body)
		check(t, body, spans)
		if !bytes.Equal(was, body) {
			t.Fatal("the input was changed")
		}
		// Nothing is lost but what is known to mean nothing: a gap holds letters and names that the path repeats.
		at := 0
		for _, s := range spans {
			g := body[at:s.Off]
			if i := bytes.LastIndexByte(g, '\n'); i >= 0 {
				g = g[i+1:]
			}
			at = int(s.End)
			if len(g) > 1 && g[0] == s.Type && g[1] == '=' {
				g = g[2:]
			}
			if s.NameEnd < s.Off {
				g = bytes.TrimSuffix(g, body[s.NameOff:s.NameEnd+1]) // with the colon
			}
			if rest := strings.Trim(string(g), " \t/"); rest != "" {
				t.Fatalf("%q lies in a gap before %s", rest, s.Path(body))
			}
		}
	})
}

func BenchmarkSpans(b *testing.B) {
	body := description(b)
	dst := make([]Span, 0, 256)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendSpans(dst[:0], body)
	}
}
