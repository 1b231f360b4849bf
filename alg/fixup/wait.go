package fixup

import (
	"sync"
	"time"
)

// gate is a mutex with a condition that a timer or a channel can end as well.
// A sync.Cond has no timeout, and deadlines are the point here.
type gate struct {
	sync.Mutex
	ch chan struct{}
}

// wake ends every wait. The gate is held.
func (g *gate) wake() {
	if g.ch != nil {
		close(g.ch)
		g.ch = nil
	}
}

// wait gives up the gate until wake, until the time at (zero: never) or until
// done, and takes it again. The caller looks for itself what has changed.
func (g *gate) wait(at time.Time, done <-chan struct{}) {
	if g.ch == nil {
		g.ch = make(chan struct{})
	}
	ch := g.ch
	g.Unlock()
	defer g.Lock()

	var fire <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		fire = t.C
	}
	select {
	case <-ch:
	case <-fire:
	case <-done:
	}
}

// past reports whether the time t, where zero means never, has come.
func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// sooner returns the earlier of two times, zero meaning never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
