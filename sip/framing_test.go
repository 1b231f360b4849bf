package sip

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	const opt = "OPTIONS sip:a SIP/2.0\r\n"
	lim := Limits{Head: 100, Body: 10}
	for _, tt := range []struct {
		name, in string
		kind     Kind
		length   int
		err      string
	}{
		{"nothing", "", 0, 0, ErrShort.Error()},
		{"no length, no body", opt + "\r\nOPTIONS", KindMessage, len(opt) + 2, ""},
		{"length", opt + "Content-Length: 3\r\n\r\nabcd", KindMessage, len(opt) + 24, ""},
		{"length, short", opt + "Content-Length: 3\r\n\r\nab", 0, 0, ErrShort.Error()},
		{"compact, LF, spaces, fold", opt + "L \t:\n  003 \n\nabcd", KindMessage, len(opt) + 16, ""},
		{"equal ones", opt + "l: 3\r\nl: 03\r\n\r\nabc", KindMessage, len(opt) + 18, ""},
		{"unequal ones", opt + "l: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, 0, "sip: content-length: 4, but 3 in a line before at octet 45"},
		{"no number", opt + "l: 3 4\r\n\r\n", 0, 0, "sip: content-length: not a number at octet 26"},
		{"empty", opt + "l:\r\n\r\n", 0, 0, "sip: content-length: not a number at octet 25"},
		{"negative", opt + "l:-1\r\n\r\n", 0, 0, "sip: content-length: not a number at octet 25"},
		{"above the limit", opt + "l:11\r\n\r\n", 0, 0, "sip: content-length: above the limit of 10 octets at octet 25"},
		{"no int", opt + "l:99999999999999999999999999\r\n\r\n", 0, 0, "sip: content-length: above the limit of 10 octets at octet 25"},
		{"header section at the limit", opt + "x:" + strings.Repeat("x", 71) + "\r\n\r\n", KindMessage, 100, ""},
		{"header section above", opt + "x:" + strings.Repeat("x", 72) + "\r\n\r\n", 0, 0, "sip: header section: longer than 100 octets at octet 100"},
		{"no line end", strings.Repeat("x", 99), 0, 0, ErrShort.Error()},
		{"no line end, too long", strings.Repeat("x", 100), 0, 0, "sip: header section: longer than 100 octets at octet 100"},
		{"ping", "\r\n\r\n", KindKeepalive, 2, ""},
		{"LF", "\n", KindKeepalive, 1, ""},
		{"CR", "\r", 0, 0, ErrShort.Error()},
		{"stray CR", "\rOPTIONS", KindKeepalive, 1, ""},
		{"white space is no empty line", opt + " \r\n\r\n", KindMessage, len(opt) + 5, ""},
		{"length in the body", opt + "\r\nl: 5\r\n\r\n", KindMessage, len(opt) + 2, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Next([]byte(tt.in), lim)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if f.Kind != tt.kind || f.Len != tt.length || got != tt.err {
				t.Errorf("got %+v, %v; want %v %d, %s", f, err, tt.kind, tt.length, tt.err)
			}
		})
	}
}

func TestNextLimits(t *testing.T) {
	msg := []byte("OPTIONS sip:a SIP/2.0\r\nl: 65536\r\n\r\n")
	if _, err := Next(msg, Limits{}); !errors.Is(err, ErrShort) {
		t.Errorf("65536 octets with default limits: %v", err)
	}
	var syntax *SyntaxError
	if _, err := Next(msg, Limits{Body: -1}); !errors.As(err, &syntax) || syntax.Off != 26 {
		t.Errorf("no body allowed: %v", err)
	}
	if f, err := Next([]byte("OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n"), Limits{Body: -1}); err != nil || f.Len != f.Head {
		t.Errorf("an empty body: %+v, %v", f, err)
	}
}

// A sender who dribbles must not cost more than the octets he sends. A framer that starts from scratch at every octet looks
// at 2e12 octets here.
func TestFramerLinear(t *testing.T) {
	const size = 2 << 20
	head := "OPTIONS sip:a SIP/2.0\r\n" + strings.Repeat("X-Y: z\r\n", 1000) + "X: " + strings.Repeat("\rx", 1<<16)
	msg := []byte(head + strings.Repeat("y", size-len(head)) + "\r\nl: 60000\r\n\r\n" + strings.Repeat("z", 60000))
	f := Framer{Limits: Limits{Head: 2 * size}}
	began := time.Now()
	for i := range msg {
		frame, err := f.Next(msg[:i+1])
		if (err == nil) != (i+1 == len(msg)) || err == nil && frame.Len != len(msg) {
			t.Fatalf("after %d octets: %+v, %v", i+1, frame, err)
		}
		if n := len(msg) - 60000; i+1 == n && f.Need() != len(msg) || i+1 < n && f.Need() != 0 {
			t.Fatalf("after %d octets: needs %d", i+1, f.Need())
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestIsKeepalive(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "\r\n\r\n": true, "\x00": true, "\x00\x00\x00\x00": true, "\n": true,
		"\r\n\r\n\r": false, "\x00\x00\x00\x00\x00": false, "x": false, " ": false,
	} {
		if got := IsKeepalive([]byte(in)); got != want {
			t.Errorf("IsKeepalive(%q) is %v", in, got)
		}
	}
}

func FuzzFraming(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, 1000, 100)
		f.Add(append([]byte("\r\n\r\n"), s...), 20, 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, head, body int) {
		lim := Limits{Head: min(max(head, 0), 1<<16), Body: min(max(body, -1), 1<<16)}
		limitHead, limitBody := lim.Head, max(lim.Body, 0)
		if lim.Head == 0 {
			limitHead = DefaultHeadLimit
		}
		if lim.Body == 0 {
			limitBody = DefaultBodyLimit
		}
		if len(stream) > 1<<12 {
			return
		}
		slow := Framer{Limits: lim}
		for off := 0; ; {
			want, wantErr := Next(stream[off:], lim)
			var got Frame
			gotErr := error(ErrShort)
			for n := 0; n <= len(stream)-off && errors.Is(gotErr, ErrShort); n++ {
				got, gotErr = slow.Next(stream[off : off+n : off+n])
			}
			if got != want || (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
				t.Fatalf("at %d: %+v, %v whole; %+v, %v octet by octet", off, want, wantErr, got, gotErr)
			}
			if wantErr != nil {
				var syntax *SyntaxError
				if errors.As(wantErr, &syntax) && (syntax.Off < 0 || syntax.Off > len(stream)-off) {
					t.Fatalf("error at %d of %d octets", syntax.Off, len(stream)-off)
				}
				return
			}
			if want.Len <= 0 || want.Len > len(stream)-off {
				t.Fatalf("%+v in %d octets", want, len(stream)-off)
			}
			if want.Kind == KindMessage {
				if want.Head > limitHead || want.Len-want.Head > limitBody {
					t.Fatalf("%+v with %+v", want, lim)
				}
				// The two ways to find the end of the headers must not differ.
				if m := Parse(stream[off : off+want.Len]); m.BodyOff != want.Head {
					t.Fatalf("header section of %d octets, body at %d", want.Head, m.BodyOff)
				}
			}
			off += want.Len
		}
	})
}
