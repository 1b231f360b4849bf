package h323

import (
	"math"
	"os"
	"testing"
	"time"

	sipgosip "github.com/emiago/sipgo/sip"
)

// setups are the Setup with fastStart that a real stack sent, and one as large as they become: six channels, H.245 besides.
func setups(tb testing.TB) (real, large []byte) {
	tb.Helper()
	for _, c := range captures(tb) {
		if c.file == "fs-tun.lan.pcap" {
			real = c.raw
			break
		}
	}
	large, _, err := fullSetup(28, own, outside).Append(nil)
	if err != nil || len(real) == 0 {
		tb.Fatal(err)
	}
	return real, large
}

func BenchmarkSpans(b *testing.B) {
	real, large := setups(b)
	for _, bb := range []struct {
		name string
		raw  []byte
	}{{"real", real}, {"large", large}} {
		b.Run(bb.name, func(b *testing.B) {
			dst := make([]Span, 0, 256)
			b.SetBytes(int64(len(bb.raw)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendSpans(dst[:0], bb.raw)
			}
			b.ReportMetric(float64(len(dst)), "spans")
		})
	}
}

// BenchmarkSpansAgainstSipgo runs a Setup and sipgo's parser with an INVITE in turns, so that whatever else the machine does
// hits both, and reports how many times longer sipgo takes, over the whole run and in the fastest block of each.
func BenchmarkSpansAgainstSipgo(b *testing.B) {
	real, large := setups(b)
	invite, err := os.ReadFile("../testdata/invite.txt")
	if err != nil || len(invite) != 994 {
		b.Fatal(err, len(invite))
	}
	b.Run("real", func(b *testing.B) { againstSipgo(b, real, invite) })
	b.Run("large", func(b *testing.B) { againstSipgo(b, large, invite) })
}

func againstSipgo(b *testing.B, setup, invite []byte) {
	const block = 200
	dst := make([]Span, 0, 256)
	p := sipgosip.NewParser()
	var ours, sipgos time.Duration
	oursBest, sipgosBest := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	blocks := 0
	for b.Loop() {
		t0 := time.Now()
		for range block {
			dst = AppendSpans(dst[:0], setup)
		}
		t1 := time.Now()
		for range block {
			if _, err := p.ParseSIP(invite); err != nil {
				b.Fatal(err)
			}
		}
		t2 := time.Now()
		ours, oursBest = ours+t1.Sub(t0), min(oursBest, t1.Sub(t0))
		sipgos, sipgosBest = sipgos+t2.Sub(t1), min(sipgosBest, t2.Sub(t1))
		blocks++
	}
	b.ReportMetric(float64(ours)/float64(blocks*block), "ours-ns")
	b.ReportMetric(float64(sipgos)/float64(blocks*block), "sipgo-ns")
	b.ReportMetric(float64(sipgos)/float64(ours), "sipgo/ours")
	b.ReportMetric(float64(sipgosBest)/float64(oursBest), "sipgo/ours-best")
	b.ReportMetric(0, "ns/op") // a block of both has no meaning of its own
}
