package per

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
)

// TestReader reads one value out of octets and says where the cursor stands then, in bits.
func TestReader(t *testing.T) {
	span := func(off, end int) string { return fmt.Sprintf("%d-%d", off, end) }
	constrained := func(size uint64) func(*Reader) string {
		return func(r *Reader) string { return fmt.Sprint(r.Constrained(size)) }
	}
	after := func(bits int, f func(*Reader) string) func(*Reader) string {
		return func(r *Reader) string { r.Bits(bits); return f(r) }
	}
	small := func(r *Reader) string { return fmt.Sprint(r.Small()) }
	length := func(r *Reader) string { return fmt.Sprint(r.Length()) }
	open := func(r *Reader) string { return span(r.Open()) }
	for _, tt := range []struct {
		name, in string
		f        func(*Reader) string
		want     string
		left     int // bits
		err      string
	}{
		{"bits", "a5", func(r *Reader) string { return fmt.Sprint(r.Bits(3), r.Bool(), r.Bits(0), r.Bits(4)) }, "5 false 0 5", 0, ""},
		{"bits over octets", "0123456789", after(4, func(r *Reader) string { return fmt.Sprintf("%x", r.Bits(32)) }), "12345678", 4, ""},
		{"bits in a long buffer", "0123456789abcdef01", after(4, func(r *Reader) string { return fmt.Sprintf("%x", r.Bits(32)) }), "12345678", 36, ""},
		{"bits, too many", "01", func(r *Reader) string { return fmt.Sprint(r.Bits(9)) }, "0", 8, "value: longer than its encoding at octet 3"},
		{"bits, 33", "0102030405", func(r *Reader) string { return fmt.Sprint(r.Bits(33)) }, "0", 40, "bit-field: longer than 32 bits at octet 3"},
		{"bool past the end", "", func(r *Reader) string { return fmt.Sprint(r.Bool()) }, "false", 0, "value: longer than its encoding at octet 3"},

		// X.691 10.5.7
		{"one value", "ff", constrained(1), "0", 8, ""},
		{"two values", "80", constrained(2), "1", 7, ""},
		{"193 values", "c0", constrained(193), "192", 0, ""},
		{"193 values, above", "c1", constrained(193), "0", 0, "number: above its range at octet 4"},
		{"255 values do not align", "8080", after(1, constrained(255)), "1", 7, ""},
		{"256 values align", "80fe", after(1, constrained(256)), "254", 0, ""},
		{"257 values", "800100", after(1, constrained(257)), "256", 0, ""},
		{"257 values, above", "0101", constrained(257), "0", 0, "number: above its range at octet 5"},
		{"65536 values", "ffff", constrained(65536), "65535", 0, ""},
		{"2^32 values in 1 octet", "0007", constrained(1 << 32), "7", 0, ""},
		{"2^32 values in 4 octets", "c0fffffffe", constrained(1 << 32), "4294967294", 0, ""},
		{"2^24 values in 3 octets", "80010203", constrained(1 << 24), "66051", 0, ""},
		{"19200 values", "4aff", constrained(19200), "19199", 0, ""},

		// X.691 10.6
		{"small", "7e", small, "63", 1, ""},
		{"small of 1 octet", "800180", small, "128", 0, ""},
		{"small of 2 octets", "80020102", small, "258", 0, ""},
		{"small of 3 octets", "8003010203", small, "0", 24, "small number: not of 1 or 2 octets at octet 5"},
		{"small of 8 octets", "8008ffffffffffffffff", small, "0", 64, "small number: not of 1 or 2 octets at octet 5"},
		{"small of no octets", "8000", small, "0", 0, "small number: not of 1 or 2 octets at octet 5"},

		// X.691 10.9.3
		{"length", "05ffffffffff", length, "5", 40, ""},
		{"length in 2 octets", "800500", length, "5", 8, ""},
		{"length in fragments", "c1ff", length, "0", 8, "length: in fragments at octet 4"},
		{"length, too long", "7fff", length, "0", 8, "length: more than there are bits at octet 4"},
		{"open", "8003010203ff", after(1, open), "5-8", 8, ""},
		{"open of nothing", "00ff", open, "4-4", 8, ""},
		{"open, too long", "0401", open, "0-0", 8, "value: longer than its encoding at octet 4"},
		{"size", "7f40", func(r *Reader) string { return fmt.Sprint(r.Size(1, 128)) }, "0", 9, "size: more than there are bits at octet 3"},
		{"size, 1 octet", "0201ffffff", func(r *Reader) string { return fmt.Sprint(r.Size(1, 256)) }, "3", 32, ""},
		{"fixed size", "ffff", func(r *Reader) string { return fmt.Sprint(r.Size(4, 4)) }, "4", 16, ""},
		{"octets align", "ff010203", after(1, func(r *Reader) string { return span(r.Octets(3)) }), "4-7", 0, ""},
		{"no octets do not", "ff01", after(1, func(r *Reader) string { return span(r.Octets(0)) }), "3-3", 15, ""},
		{"long", "40ffff", func(r *Reader) string { return span(r.Long(1 << 32)) }, "4-6", 0, ""},

		// X.691 18.7
		{"additions", "0580", func(r *Reader) string {
			n, at := r.Additions()
			return fmt.Sprint(n, r.BitAt(at, 0), r.BitAt(at, 1), r.BitAt(at, 2))
		}, "3 true true false", 6, ""},
		{"additions of 65 and more", "8041ffffffffffffffff80", func(r *Reader) string {
			n, at := r.Additions()
			return fmt.Sprint(n, r.BitAt(at, 64), r.BitAt(at, 1000))
		}, "65 true false", 7, ""},
		{"additions, too many", "7eff", func(r *Reader) string {
			n, _ := r.Additions()
			return fmt.Sprint(n)
		}, "0", 9, "additions: more than there are bits at octet 3"},

		{"zeros", "01", func(r *Reader) string { return fmt.Sprint(r.Zeros(8), r.Zeros(7), r.Zeros(1), r.Zeros(2)) }, "false true false false", 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, err := hex.DecodeString(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			// In the middle of a buffer: nothing of it may be read that is not of the encoding.
			r := At(append(append([]byte{1, 2, 3}, in...), 0xee), 3, 3+len(in))
			got := tt.f(&r)
			message := ""
			if err := r.Err(); err != nil {
				message = err.Error()[len("per: "):]
			}
			failed := r.err
			r.err = Error{}
			if got != tt.want || r.Left() != tt.left || message != tt.err {
				t.Errorf("got %s, %d bits left, %q; want %s, %d, %q", got, r.Left(), message, tt.want, tt.left, tt.err)
			}
			r.err = failed
			if tt.err != "" {
				// An error stays, and nothing moves.
				if r.Left() != 0 || r.Bool() || r.Bits(1) != 0 || r.Length() != 0 || r.Zeros(0) || r.Failure() != failed {
					t.Error("reads on after an error")
				}
			}
		})
	}
}

func TestAt(t *testing.T) {
	b := []byte{1, 2, 3, 4}
	for _, tt := range []struct{ off, end, left int }{
		{0, 4, 32}, {1, 3, 16}, {4, 4, 0}, {0, 99, 32}, {-1, 4, 32}, {3, 1, 0}, {9, 9, 0},
	} {
		r := At(b, tt.off, tt.end)
		if r.Left() != tt.left || !r.OK() || !r.Aligned() || r.Err() != nil {
			t.Errorf("At(%d, %d): %d bits", tt.off, tt.end, r.Left())
		}
	}
}

func TestReaderCopies(t *testing.T) {
	r := At([]byte{0xaa, 0xbb}, 0, 2)
	second := r
	if r.Bits(8) != 0xaa || second.Bits(16) != 0xaabb || r.Off() != 1 || r.End() != 2 {
		t.Error("a copy is not a cursor of its own")
	}
	r.Fail("what: cause")
	var e *Error
	if !errors.As(r.Err(), &e) || e.Off != 1 || e.Msg != "what: cause" || second.Err() != nil {
		t.Errorf("got %v", r.Err())
	}
}

// FuzzReader reads whatever there is by a program: no panic, and never beyond the encoding.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, []byte{0x80, 0x01, 0x05, 0x7e, 0xff, 0x00, 0x40, 1, 2, 3, 4})
	f.Add([]byte{2, 2, 3}, []byte{0x80, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, program, in []byte) {
		r := At(in, 0, len(in))
		for _, op := range program {
			left := r.Left()
			off, end := 0, 0
			n := 0
			switch op % 12 {
			case 0:
				r.Bool()
			case 1:
				r.Bits(int(op) / 8)
			case 2:
				n = r.Small()
			case 3:
				n = r.Length()
			case 4:
				off, end = r.Open()
			case 5:
				n = r.Size(int(op), 300)
			case 6:
				off, end = r.Octets(int(op) / 16)
			case 7:
				off, end = r.Long(1 << 32)
			case 8:
				r.Constrained(uint64(op) * uint64(op))
			case 9:
				count, at := r.Additions()
				for i := range count {
					r.BitAt(at, i)
				}
			case 10:
				r.Align()
			case 11:
				r.Zeros(int(op) / 8)
			}
			if off < 0 || off > end || end > len(in) || n < 0 || n > 65535 || r.Left() > left || r.Off() > len(in) {
				t.Fatalf("operation %d: %d-%d, %d, %d bits left of %d", op%12, off, end, n, r.Left(), left)
			}
		}
		if e := r.Failure(); e.Off > len(in) {
			t.Fatalf("%+v", e)
		}
	})
}
