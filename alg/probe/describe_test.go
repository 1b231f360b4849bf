package probe

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// TestDescribeWhileMessagesArrive shows that a report can be made while connections are still read: a message that arrives is
// numbered with the ledger locked.
func TestDescribeWhileMessagesArrive(t *testing.T) {
	r := &runner{session: new(wire.Session)}
	r.ledger = newLedger(wire.Token{}, r.nextNumber)
	at := r.newLink(&flow{plan: PlannedFlow{Path: alg.Path{Proto: alg.ProtoH323, Transport: "tcp"}}}, netip.AddrPort{})
	const times = 20000
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range times {
				at.inbound, at.came = nil, 0
				r.ledger.arrivedInOrder(at, &sighting{})
			}
		})
		wg.Go(func() {
			for range times {
				r.describe(new(alg.Network), nil)
			}
		})
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("they wait for each other")
	}
}
