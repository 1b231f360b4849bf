package h323

import (
	"bytes"
	"errors"
	"testing"
)

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		length   int
		err      string
	}{
		{"nothing", "", 0, ErrShort.Error()},
		{"part of the header", "\x03\x00\x00", 0, ErrShort.Error()},
		{"header only", "\x03\x00\x00\x04", 4, ""},
		{"one and more", "\x03\x00\x00\x06ab\x03", 6, ""},
		{"reserved octet", "\x03\x7f\x00\x05a", 5, ""},
		{"cut short", "\x03\x00\x00\x06a", 0, ErrShort.Error()},
		{"a length that lies", "\x03\x00\xff\xffa", 0, ErrShort.Error()},
		{"too short", "\x03\x00\x00\x03", 0, "h323: tpkt: length 3 at octet 2"},
		{"no length", "\x03\x00\x00\x00", 0, "h323: tpkt: length 0 at octet 2"},
		{"another version", "\x04\x00\x00\x06ab", 0, "h323: tpkt: version 4 at octet 0"},
		{"text", "G", 0, "h323: tpkt: version 71 at octet 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Next([]byte(tt.in))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if f.Len != tt.length || got != tt.err {
				t.Errorf("got %+v, %v; want %d, %s", f, err, tt.length, tt.err)
			}
		})
	}
}

func TestFramer(t *testing.T) {
	stream := []byte("\x03\x00\x00\x07abc\x03\x00\x00\x04\x03\x00\x00\x05d\x04")
	want := [][]byte{[]byte("abc"), {}, []byte("d")}
	var framer Framer
	var got [][]byte
	start := 0
	for seen := 0; ; {
		frame, err := framer.Next(stream[start:seen])
		if errors.Is(err, ErrShort) {
			if need := framer.Need(); need != 0 && (need < 4 || need > 7 || start+need <= seen) {
				t.Fatalf("needs %d octets", need)
			}
			seen++
			continue
		}
		var syntax *SyntaxError
		if errors.As(err, &syntax) {
			if syntax.Off != 0 || start != len(stream)-1 {
				t.Fatal(err)
			}
			break
		}
		got = append(got, frame.Payload(stream[start:]))
		start += frame.Len
	}
	for i := range want {
		if len(got) != len(want) || !bytes.Equal(got[i], want[i]) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}
