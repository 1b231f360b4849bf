package probe

import (
	"sync"
	"time"
)

// portWalk hands out even ports that no message of this run or of one within the last three minutes announced, as long as
// a run does not take them faster than time passes for the next one's start. A Linux helper holds an announced port for
// 180 s and drops a message from another flow that announces it again: that would look like a drop where there is none (and it
// would be ours).
type portWalk struct {
	mu   sync.Mutex
	next int
}

const (
	firstMediaPort = 10000
	mediaPortSpan  = 54000 // 27,000 even ports: at one in 7 ms the walk takes 189 s
	mediaPortPace  = 7     // milliseconds
)

// newPortWalk starts where the time of day says, so that runs one after the other do not meet.
func newPortWalk(now time.Time) *portWalk {
	return &portWalk{next: int(now.UnixMilli() / mediaPortPace % (mediaPortSpan / 2))}
}

// take returns the first of n ports, an even one of five digits.
func (w *portWalk) take(n int) uint16 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next*2+n > mediaPortSpan {
		w.next = 0
	}
	port := firstMediaPort + 2*w.next
	w.next += (n + 1) / 2
	return uint16(port)
}
