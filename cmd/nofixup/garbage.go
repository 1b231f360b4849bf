package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

const (
	// memoryLimit is how much memory the collector of garbage lets grow before it works harder, in octets: with the limits as they
	// are, hostile captures need less. With others nobody knows.
	memoryLimit = 384 << 20
	// quietMemory is below how much memory, in octets, it does not work at all, for one vantage point and for two: that is as much as
	// large captures of calls take, and collecting would take a tenth of the time.
	quietMemory     = 44 << 20
	quietMemoryPair = 112 << 20
)

// quietCollector has garbage collected only once the program has come to so much memory, in octets, and from then on as usual, up
// to memoryLimit. Who sets GOGC or GOMEMLIMIT decides alone.
func quietCollector(quiet int64) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent := debug.SetGCPercent(-1)
	debug.SetMemoryLimit(quiet)
	// The first collection finds that nobody has this any more.
	runtime.AddCleanup(&struct{ *int }{}, func(percent int) {
		debug.SetMemoryLimit(memoryLimit)
		debug.SetGCPercent(percent)
	}, percent)
}
