package alg

import (
	"fmt"
	"strings"
)

// Passage is what became of one RTP stream between two points, of what passed the first while both looked on.
type Passage struct {
	Call      string    `json:"call,omitempty"`      // ID of the call, as the inside has it
	Direction Direction `json:"direction,omitempty"` // empty where it is not known which point is nearer to the sender
	Streams   []int     `json:"streams"`             // places in Report.Streams: at the first point and at the second; one if no other saw it

	Counted bool `json:"counted"`           // how many were lost is known
	Sent    int  `json:"sent"`              // packets that passed the first point
	Lost    int  `json:"lost"`              // of these never came to the second
	Before  int  `json:"lost_before"`       // packets that were lost before the first point
	Missed  int  `json:"missed,omitempty"`  // packets that passed the second point and are missing at the first: its capture lost them
	Blocked bool `json:"blocked,omitempty"` // it never came to the second point, which saw other media of that time

	Samples  int     `json:"samples"`      // packets whose delay is known, which needs the clocks to be compared; 0: none
	Delay    float64 `json:"delay_ms"`     // median of theirs
	MaxDelay float64 `json:"max_delay_ms"` // the longest of theirs
}

// Clock is by how much the clock of the outside is ahead of the inside's. Nothing tells this from delay: it is taken to be such
// that both directions take the same time.
type Clock struct {
	Offset float64 `json:"offset_ms"`
	Doubt  float64 `json:"doubt_ms"`           // how far off that may be; -1 where there is one direction alone, whose delay then is 0
	Drift  float64 `json:"drift_ms,omitempty"` // by how much it changes in the course of the captures, at least: one clock runs faster
}

const (
	// slowMedia is the delay of a way from mouth to ear that nobody minds (ITU-T G.114 II), in ms: nothing on it may take all.
	slowMedia = 150
	// jerkyMedia is how much more than others some packets may take, in ms: more than buffers of receivers even out.
	jerkyMedia = 200
)

// doubtful reports that the capture of the second point may have lost what is missing there, since it lost at least half as large
// a share of the media that passed it the other way.
func (p *Passage) doubtful(lossy [2]float64) bool {
	own := lossy[1]
	if p.Direction == Inbound {
		own = lossy[0]
	}
	return p.Sent == 0 || own >= float64(p.Lost)/float64(p.Sent)/2
}

// AddPassage judges what became of a stream of a call that AddCall has judged. lossy is the share of packets that the capture of
// the inside, and that of the outside, lost themselves.
func (j *Judge) AddPassage(p *Passage, o *Observed, c *Call, lossy [2]float64, clock *Clock) {
	if p.Direction == "" || !p.Counted || p.Sent < minHeard {
		return
	}
	silent := c.Audio == AudioNone || c.Audio == AudioOneWay && c.Missing == p.Direction // which has a finding of its own
	switch {
	case p.Blocked && !silent:
		j.callFinding(&mediaBlocked, o, o.path(), p.Direction, between(p)+", of another stream of a call that has audio")
	case p.Blocked || silent || p.doubtful(lossy):
	case float64(p.Lost) >= lossyMedia*float64(p.Sent):
		j.callFinding(&mediaLossy, o, o.path(), p.Direction, between(p))
	}
	if p.Samples == 0 || clock == nil {
		return
	}
	var why []string
	if p.Delay-clock.Drift >= slowMedia {
		// Both directions together take at least that long, whatever the clocks say.
		why = append(why, fmt.Sprintf("it takes about %.0f ms, give or take %.0f", p.Delay, clock.Doubt))
	}
	if p.MaxDelay-p.Delay-clock.Drift >= jerkyMedia { // a clock that runs faster looks like packets that come later and later
		why = append(why, fmt.Sprintf("some packets take %.0f ms more than most", p.MaxDelay-p.Delay))
	}
	if len(why) > 0 {
		j.callFinding(&mediaDelayed, o, o.path(), p.Direction, strings.Join(why, ", "))
	}
}

// between says how much is missing at the second point.
func between(p *Passage) string {
	first, second := Inside, Outside
	if p.Direction == Inbound {
		first, second = second, first
	}
	if p.Blocked {
		return fmt.Sprintf("%s packets pass the %s capture and none the %s one", number(p.Sent), first, second)
	}
	what := fmt.Sprintf("of %s packets that pass the %s capture %s never come to the %s one (%.1f %%)", number(p.Sent), first, number(p.Lost), second, 100*float64(p.Lost)/float64(p.Sent))
	if p.Before > 0 {
		what += fmt.Sprintf(", %s were lost before", number(p.Before))
	}
	return what
}
