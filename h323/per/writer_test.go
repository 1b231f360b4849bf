package per

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func TestWriter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(*Writer)
		want  string
	}{
		{"nothing", func(*Writer) {}, ""},
		{"bits", func(w *Writer) { w.Bits(0b101, 3); w.Bool(true); w.Bool(false); w.Bits(0x1FF, 9) }, "b7fc"},
		{"high bits are not written", func(w *Writer) { w.Bits(0xFFF5, 4) }, "50"},
		{"align", func(w *Writer) { w.Bool(true); w.Align(); w.Align(); w.Bool(true) }, "8080"},
		{"octets align", func(w *Writer) { w.Bool(true); w.Octets(1, 2) }, "800102"},
		{"one value", func(w *Writer) { w.Int(7, 7, 7) }, ""},
		{"range of 5", func(w *Writer) { w.Int(5, 1, 5) }, "80"},
		{"range of 255", func(w *Writer) { w.Bool(true); w.Int(255, 1, 255) }, "ff00"}, // X.691 10.5.7.1: not aligned
		{"range of 256", func(w *Writer) { w.Bool(true); w.Int(256, 1, 256) }, "80ff"}, // 10.5.7.2
		{"range of 257", func(w *Writer) { w.Bool(true); w.Int(256, 0, 256) }, "800100"},
		{"range of 65536", func(w *Writer) { w.Bool(true); w.Int(65535, 0, 65535) }, "80ffff"}, // 10.5.7.3
		{"range of 65537", func(w *Writer) { w.Int(0, 0, 65536) }, "0000"},                     // 10.5.7.4
		{"three octets", func(w *Writer) { w.Int(0x10000, 0, 1<<24-1) }, "80010000"},
		{"four octets", func(w *Writer) { w.Int(1<<32-1, 0, 1<<32-1) }, "c0ffffffff"},
		{"small", func(w *Writer) { w.Small(0); w.Small(63) }, "00fc"},
		{"length", func(w *Writer) { w.Bool(true); w.Length(127); w.Length(128); w.Length(16383) }, "807f8080bfff"},
		{"string", func(w *Writer) { w.Bool(true); w.String(9, 8) }, "80020908"},
		{"open", func(w *Writer) { w.Bool(true); at := w.Open(); w.Bits(3, 2); w.Close(at); w.Bool(true) }, "8001c080"},
		{"open and empty", func(w *Writer) { w.Close(w.Open()) }, "0100"}, // 10.1.3
		{"open in open", func(w *Writer) { a := w.Open(); b := w.Open(); w.Octets(5); w.Close(b); w.Close(a) }, "020105"},
	} {
		w := NewWriter([]byte{0xEE})
		tt.write(w)
		if w.Err() != nil {
			t.Errorf("%s: %v", tt.name, w.Err())
		}
		if got := hex.EncodeToString(w.Buf()); got != "ee"+tt.want {
			t.Errorf("%s: %s, want ee%s", tt.name, got, tt.want)
		}
		if w.Len() != len(w.Buf()) {
			t.Errorf("%s: length %d of %d octets", tt.name, w.Len(), len(w.Buf()))
		}
	}
}

func TestWriterOpenMoves(t *testing.T) {
	for _, tt := range []struct{ contents, moved int }{{0, 1}, {1, 1}, {127, 1}, {128, 2}, {16383, 2}} {
		w := NewWriter(nil)
		at := w.Open()
		contents := bytes.Repeat([]byte{7}, tt.contents)
		w.Octets(contents...)
		if moved := w.Close(at); moved != tt.moved || !bytes.HasSuffix(w.Buf(), contents) {
			t.Errorf("%d octets moved by %d, want %d", tt.contents, moved, tt.moved)
		}
	}
}

func TestWriterErrors(t *testing.T) {
	for _, tt := range []struct {
		write func(*Writer)
		want  string
	}{
		{func(w *Writer) { w.Int(0, 1, 3) }, "0 is not within 1 to 3"},
		{func(w *Writer) { w.Int(4, 1, 3); w.Small(64) }, "4 is not within 1 to 3"},
		{func(w *Writer) { w.Small(64) }, "64 is no small number"},
		{func(w *Writer) { w.Small(-1) }, "-1 is no small number"},
		{func(w *Writer) { w.Length(16384) }, "a length of 16384 asks for fragments"},
	} {
		w := NewWriter(nil)
		tt.write(w)
		if w.Err() == nil || w.Err().Error() != tt.want {
			t.Errorf("error %v, want %s", w.Err(), tt.want)
		}
	}
}
