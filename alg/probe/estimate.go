package probe

import (
	"time"

	"nofixup/alg"
)

// Estimate is how long a plan takes with this round trip where nothing gets lost: rounds follow each other, within one the
// flows go on side by side, and so do idle bindings beside them all. What is dropped takes longer: it is sent again until that proves something.
func (p *Plan) Estimate(rtt time.Duration) time.Duration {
	var sum time.Duration
	for _, round := range p.Rounds {
		sum += p.duration(round.Steps, rtt)
	}
	return max(sum, p.idleTime()) + p.duration(p.Farewell.Steps, rtt)
}

// duration is how long steps take that are sent side by side on their flows.
func (p *Plan) duration(steps []Step, rtt time.Duration) time.Duration {
	flows := map[int]time.Duration{}
	var longest time.Duration
	for _, s := range steps {
		path := p.Flows[s.Flow].Path
		if flows[s.Flow] == 0 && path.Transport == "udp" {
			flows[s.Flow] = 2 * rtt // until the report on the last message is there
		}
		flows[s.Flow] += s.duration(path, rtt)
		longest = max(longest, flows[s.Flow])
	}
	return longest
}

// liveTalk is how long media is sent in a call.
const liveTalk = 2900 * time.Millisecond

// duration is how long a step keeps its flow busy.
func (s Step) duration(path alg.Path, rtt time.Duration) time.Duration {
	messages := time.Duration(len(s.messages(path.Proto)))
	beside := time.Duration(0)
	if s.Name == stepPinhole {
		beside = holeTime
	}
	switch {
	case isLive(s.Name):
		return liveTalk + (6+messages)*rtt
	case !s.Script && path.Transport == "udp":
		return pace
	case s.Script && path.Proto == alg.ProtoH323:
		return beside + (4+messages/2)*rtt // most messages follow each other without being waited for
	case s.Script:
		return beside + 2*messages*rtt // each waits for the report on the one before
	case path.Transport == "tls":
		return 5 * rtt
	}
	return 3 * rtt // to connect, to send, to hear of it
}
