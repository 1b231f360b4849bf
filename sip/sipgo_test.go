package sip

import (
	"testing"

	sipgosip "github.com/emiago/sipgo/sip"
)

func BenchmarkSipgoParse(b *testing.B) {
	msg := invite(b)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	p := sipgosip.NewParser()
	for b.Loop() {
		if _, err := p.ParseSIP(msg); err != nil {
			b.Fatal(err)
		}
	}
}
