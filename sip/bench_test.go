package sip

import (
	"os"
	"testing"
)

func invite(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("../testdata/invite.txt")
	if err != nil {
		tb.Fatal(err)
	}
	if len(b) != 994 {
		tb.Fatalf("the message has %d octets, want 994", len(b))
	}
	return b
}

func BenchmarkSpans(b *testing.B) {
	msg := invite(b)
	dst := make([]Span, 0, 256)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendSpans(dst[:0], msg)
	}
	b.ReportMetric(float64(len(dst)), "spans")
}
