package h323

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
)

// seeds adds the captured messages of one kind, each once, and some that are cut or wrong.
func seeds(f *testing.F, proto string) {
	f.Helper()
	var seen [][]byte
	for _, c := range captures(f) {
		if c.proto != proto || slices.ContainsFunc(seen, func(b []byte) bool { return bytes.Equal(b, c.raw) }) {
			continue
		}
		seen = append(seen, c.raw)
		f.Add(c.raw)
		f.Add(c.raw[:len(c.raw)/2])
	}
	if len(seen) < 5 {
		f.Fatalf("%d seeds of %s", len(seen), proto)
	}
	f.Add([]byte{})
	f.Add([]byte{3, 0, 0, 4})
	f.Add([]byte{3, 0, 0xff, 0xff, 8, 2, 0, 1, 5, 0x7e, 0xff, 0xff, 5})
	f.Add(bytes.Repeat([]byte{0xff}, 40))
}

// robust asserts what holds for every message.
func robust(t *testing.T, raw []byte, proto string) {
	c := captured{proto: proto, raw: raw}
	was := bytes.Clone(raw)
	p := c.parse()
	check(t, raw, p.Spans)
	if len(p.Notes) > maxNotes {
		t.Fatalf("%d notes", len(p.Notes))
	}
	for _, e := range p.Notes {
		if e.Off < 0 || e.Off > len(raw) || e.Msg == "" {
			t.Fatalf("note %+v of %d octets", e, len(raw))
		}
	}
	// Whether there is room for all, some or none of them makes no difference.
	first := Span{Off: 7, Part: PartNode}
	for _, room := range []int{1, 1 + len(p.Spans)/2, 100 + len(p.Spans)} {
		got := c.spans(append(make([]Span, 0, room), first))
		if got[0] != first || !slices.Equal(got[1:], p.Spans) {
			t.Fatalf("with room for %d of %d spans: %v, want %v", room-1, len(p.Spans), got[1:], p.Spans)
		}
	}
	p.CallReference()
	p.SequenceNumber()
	p.Channel()
	for _, s := range p.Spans {
		if s.Part == PartValue && s.Field != FieldNone && s.InnerField == FieldNone && s.Inner == MessageNone && p.Leaf(s.Field, int(s.Index), s.Part) == nil {
			t.Fatalf("%s has no value", s.Path())
		}
	}
	if !bytes.Equal(was, raw) {
		t.Fatal("the message was changed")
	}
	// Nothing is allocated but for the spans, whatever lengths and counts the message announces. The fuzzing engine allocates
	// at times too, but not every time.
	dst := make([]Span, 0, len(p.Spans))
	var before, after runtime.MemStats
	least := uint64(math.MaxUint64)
	for try := 0; try < 5 && least > uint64(2*len(raw)); try++ {
		runtime.ReadMemStats(&before)
		c.spans(dst)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least > uint64(2*len(raw)) {
		t.Fatalf("%d octets allocated for a message of %d", least, len(raw))
	}
}

func FuzzQ931(f *testing.F) {
	seeds(f, "call")
	f.Fuzz(func(t *testing.T, raw []byte) { robust(t, raw, "call") })
}

// FuzzH225 leaves the envelope right, so that every input gets as far as the packed encoding within.
func FuzzH225(f *testing.F) {
	// Up to the octet before the encoding of H323-UserInformation: TPKT, Q.931 of a Setup, User-User.
	envelope := []byte{3, 0, 0, 0, 8, 2, 0, 1, 5, 0x7e, 0, 0, 5}
	seeds := 0
	for _, c := range captures(f) {
		if c.proto != "call" {
			continue
		}
		var p PDU
		p.ParseCall(c.raw)
		// The encoding begins behind the protocol discriminator of User-User and ends with the message.
		if i := bytes.Index(c.raw, []byte{5, 0x20}); i > 0 && p.Message == Setup {
			f.Add(c.raw[i+1:])
			seeds++
		}
	}
	if seeds < 3 {
		f.Fatalf("%d seeds", seeds)
	}
	f.Fuzz(func(t *testing.T, encoding []byte) {
		if len(encoding) > 60000 {
			return
		}
		raw := append(bytes.Clone(envelope), encoding...)
		raw[2], raw[3] = byte(len(raw)>>8), byte(len(raw))
		raw[10], raw[11] = byte((len(encoding)+1)>>8), byte(len(encoding)+1)
		robust(t, raw, "call")
	})
}

func FuzzRAS(f *testing.F) {
	seeds(f, "ras")
	f.Fuzz(func(t *testing.T, raw []byte) { robust(t, raw, "ras") })
}

func FuzzH245(f *testing.F) {
	seeds(f, "h245")
	f.Fuzz(func(t *testing.T, raw []byte) { robust(t, raw, "h245") })
}

// FuzzTPKT cuts a stream at every octet and as a whole, which must come to the same.
func FuzzTPKT(f *testing.F) {
	var stream []byte
	for _, c := range captures(f) {
		if c.proto != "ras" && len(stream) < 600 {
			stream = append(stream, c.raw...)
		}
	}
	if len(stream) < 600 {
		f.Fatal("no stream")
	}
	f.Add(stream)
	f.Add(stream[:300])
	f.Add([]byte("\x03\x00\x00\x04\x03\x01\x00\x07abc"))
	f.Add([]byte("\x03\x00\x00\x03"))
	f.Add([]byte("\x04\x00\x00\x08abcd"))
	f.Add([]byte("\x03\x00\xff\xffabcd"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		cut := func(step int) (frames []int, failure error) {
			var framer Framer
			start, seen := 0, 0
			for seen <= len(stream) {
				frame, err := framer.Next(stream[start:seen])
				var syntax *SyntaxError
				switch {
				case errors.Is(err, ErrShort):
					if n := framer.Need(); n != 0 && n <= seen-start {
						t.Fatalf("needs %d octets and has %d", n, seen-start)
					}
					if seen == len(stream) {
						return frames, nil
					}
					seen = min(seen+step, len(stream))
				case errors.As(err, &syntax):
					if syntax.Off < 0 || syntax.Off >= seen-start {
						t.Fatalf("%v of %d octets", err, seen-start)
					}
					return frames, err
				case err != nil || frame.Len < headerLen || frame.Len > seen-start || len(frame.Payload(stream[start:])) != frame.Len-headerLen:
					t.Fatalf("%+v, %v of %d octets", frame, err, seen-start)
				default:
					frames = append(frames, frame.Len)
					start += frame.Len
				}
			}
			return frames, nil
		}
		slow, slowErr := cut(1)
		fast, fastErr := cut(max(1, len(stream)))
		if !slices.Equal(slow, fast) || (slowErr == nil) != (fastErr == nil) {
			t.Fatalf("%v %v octet by octet, %v %v at once", slow, slowErr, fast, fastErr)
		}
	})
}
