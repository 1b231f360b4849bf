package reflector

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// rateBuckets is the size of the table: 512 KiB, whatever number of sources there is.
const rateBuckets = 1 << 16

// rateLimit is a token bucket for every source, and one for every neighbourhood of sources, in a table of fixed size. Two
// sources that fall into the same bucket share it; which ones do is random, so that nobody can choose to.
//
// A bucket is one number, the time in nanoseconds at which it will be full again (the virtual scheduling form of the
// generic cell rate algorithm, ITU-T I.371 A.1).
type rateLimit struct {
	seed   maphash.Seed
	start  time.Time
	burst  int
	refill time.Duration
	full   [rateBuckets]atomic.Int64
}

func newRateLimit(burst int, refill time.Duration) *rateLimit {
	return &rateLimit{seed: maphash.MakeSeed(), start: time.Now(), burst: burst, refill: refill}
}

// wideFactor is how much more a /24 or /48 may do than a /32 or /64.
const wideFactor = 4

// take takes one token of the source and of its neighbourhood. If there is none it says when to come again.
func (r *rateLimit) take(source netip.Addr) (wait time.Duration, ok bool) {
	narrow, wide := neighbourhood(source)
	now := time.Since(r.start)
	if wait, ok := r.takeOne(narrow, now, r.refill); !ok {
		return wait, false
	}
	return r.takeOne(wide, now, r.refill/wideFactor)
}

func (r *rateLimit) takeOne(key netip.Prefix, now, refill time.Duration) (wait time.Duration, ok bool) {
	depth := time.Duration(r.burst) * r.refill // the same time for both widths: a quarter of the interval, four times the burst
	bucket := r.bucket(key)
	for {
		old := bucket.Load()
		full := max(time.Duration(old), now) + refill
		if wait := full - now - depth; wait > 0 {
			return wait, false
		}
		if bucket.CompareAndSwap(old, int64(full)) {
			return 0, true
		}
	}
}

func (r *rateLimit) bucket(key netip.Prefix) *atomic.Int64 {
	return &r.full[maphash.Comparable(r.seed, key)%rateBuckets]
}

// neighbourhood returns the prefixes that a source is counted by: /32 and /24 of IPv4, /64 and /48 of IPv6. An IPv6 host
// has a /64 to itself.
func neighbourhood(addr netip.Addr) (narrow, wide netip.Prefix) {
	addr = addr.Unmap().WithZone("")
	n, w := 32, 24
	if addr.Is6() {
		n, w = 64, 48
	}
	narrow, _ = addr.Prefix(n) // an invalid address has the zero prefix
	wide, _ = addr.Prefix(w)
	return narrow, wide
}
