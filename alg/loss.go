package alg

import (
	"math"
	"time"
)

// Chance of calling plain loss a drop: one in ten million.
const falseDrop = 1e-7

// tooLossy is the share of loss above which nothing is judged by absence.
const tooLossy = 0.5

// LossEstimate is the loss to assume after so many of the sent messages were lost: a little above what was seen, the more
// so the fewer were sent (Laplace's rule of succession).
func LossEstimate(lost, sent int) float64 { return float64(lost+1) / float64(sent+2) }

// Tries is how often a message must be lost, when a share q of all messages is, before that proves a drop: q to the power
// of the tries is below 1e-7. It returns 0 when q is above one half: too lossy to prove anything.
func Tries(q float64) int {
	switch {
	case q > tooLossy:
		return 0
	case q <= 0:
		return 1
	}
	return int(math.Ceil(math.Log(falseDrop) / math.Log(q)))
}

// TriesBeside is how many datagrams to ports beside those that calls announce must not come in, when a share q of all is lost: q to
// the power of that is below 1 in 1,000. That something filters at all is proven by [Tries]. These tell the announced port from a
// range of ports that is open to everybody, and whose end would have to lie just there for what is proven elsewhere to mislead.
func TriesBeside(q float64) int {
	if q <= 0 || q > tooLossy {
		return LeastBeside
	}
	return max(LeastBeside, int(math.Ceil(math.Log(falseRange)/math.Log(q))))
}

// LeastBeside is the least of that, whatever the loss.
const LeastBeside = 2

// falseRange is the chance of taking loss for the end of a range of open ports.
const falseRange = 1e-3

// TriesOn is Tries for a transport. TCP sends what got lost again by itself, after about 0.2 s and 0.6 s: a message that
// has not arrived after [StallTime] was lost three times.
func TriesOn(transport string, q float64) int {
	n := Tries(q)
	if transport != "udp" {
		return (n + 2) / 3
	}
	return n
}

// Fragmented is the loss of messages that travel in so many packets, when a share q of all packets is lost: one of them is
// enough.
func Fragmented(q float64, packets int) float64 {
	if packets <= 1 {
		return q
	}
	return 1 - math.Pow(1-q, float64(packets))
}

// MostFragmentLoss is the loss above which messages in fragments are not sent at all: they would tell nothing.
const MostFragmentLoss = 0.1

// StallTime is how long a message on TCP must be waited for, beside the round trips, before it counts as stalled: long
// enough for the first two retransmissions of a sender whose shortest time-out is 200 ms.
const StallTime = 800 * time.Millisecond

// Connects is how many attempts to connect must fail before that proves a closed port, when so many of the attempts on the
// control port failed although others there came about. An attempt that fails lost two SYN segments, or their answers: where
// none failed on the control port, or it cannot be connected to at all, minConnects proves it with up to 14 % of loss. It returns 0 where so many fail that nothing can be proven.
func Connects(failed, made int) int {
	if failed == 0 || made == 0 {
		return minConnects
	}
	n := Tries(LossEstimate(failed, failed+made))
	if n == 0 {
		return 0
	}
	return max(minConnects, n)
}

const minConnects = 6

// AssumedLoss stands in where the control port gives no measure, since nothing comes back from it either.
const AssumedLoss = 0.2

// TriesUnmeasured is how often messages must be lost where no loss could be measured.
func TriesUnmeasured(transport string) int { return TriesOn(transport, AssumedLoss) }
