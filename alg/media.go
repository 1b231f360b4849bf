package alg

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// minMedia is how many datagrams must be sent before their absence says that media is blocked, not lossy: at half of them lost
// none of 24 arriving happens once in ten million times.
const minMedia = 24

// leg is one trial of media.
type leg struct {
	*Media
	trial *Trial
}

func (l leg) tested() bool { return l.NotSent == "" && l.Sent >= minMedia }
func (l leg) dead() bool   { return l.tested() && l.Received == 0 }
func (l leg) alive() bool  { return l.Received > 0 }

// stopped reports that media arrived for a while and then no more, which the loss until then does not explain.
func (l leg) stopped() bool {
	if !l.tested() || !l.alive() || l.Span <= 0 {
		return false
	}
	tail := float64(l.Sent) * (l.Span - l.Heard) / l.Span // datagrams after the last that arrived
	before := float64(l.Sent) - tail
	q := LossEstimate(int(math.Round(before))-min(l.Received, int(math.Round(before))), int(math.Round(before)))
	return q <= tooLossy && tail >= float64(max(Tries(q), 8))
}

// mediaJudge judges the media of all calls of a run, when everything else has been judged.
type mediaJudge struct {
	*Judge
	report *Report
	legs   []leg
}

// media adds what the trials of media show to a report.
func (j *Judge) media(r *Report) {
	m := &mediaJudge{Judge: j, report: r}
	for i := range j.played {
		t := &j.played[i]
		m.legs = append(m.legs, leg{t.Media, t})
	}
	if len(m.legs) == 0 {
		return
	}
	var paths []Path
	for _, l := range m.legs {
		if !slices.Contains(paths, l.trial.Path) {
			paths = append(paths, l.trial.Path)
		}
	}
	for _, p := range paths {
		result := m.path(p)
		if i := slices.IndexFunc(r.Paths, func(o PathResult) bool { return o.Path == p }); i >= 0 {
			// So far only that was known of it which could not be tried: one call of several leaves doubt about the path.
			result.Reason = strings.Trim(result.Reason+"; "+r.Paths[i].Reason, "; ")
			result.Outbound, result.Inbound = result.Outbound.Worse(r.Paths[i].Outbound), result.Inbound.Worse(r.Paths[i].Inbound)
			r.Paths[i] = result
		} else {
			r.Paths = append(r.Paths, result)
		}
	}
	m.calls()
	r.Media = m.summary()
}

// of returns the legs of a path that match.
func (m *mediaJudge) of(p Path, match func(leg) bool) (legs []leg) {
	for _, l := range m.legs {
		if l.trial.Path == p && match(l) {
			legs = append(legs, l)
		}
	}
	return legs
}

// passing returns the legs by which a direction is judged: what the far end announces is where media goes out to, and where
// media comes from is where it goes back to.
func (m *mediaJudge) passing(p Path, outbound bool) []leg {
	return m.of(p, func(l leg) bool {
		return l.Outbound == outbound && l.Kind != MediaRTCP && (l.Towards == TowardsAnnounced) == outbound
	})
}

// announced returns the legs of media that come in to where this end announced that it listens.
func (m *mediaJudge) announced(p Path) []leg {
	return m.of(p, func(l leg) bool { return !l.Outbound && l.Kind == MediaAudio && l.Towards == TowardsAnnounced })
}

// path judges one path.
func (m *mediaJudge) path(p Path) PathResult {
	r := PathResult{Path: p}
	var reasons []string
	var out, in string
	r.Outbound, out = m.direction(p, true)
	r.Inbound, in = m.direction(p, false)
	switch {
	case r.Outbound == Blocked && r.Inbound == Blocked:
		m.finding(&mediaBlocked, p, Outbound, out)
		m.finding(&mediaBlocked, p, Inbound, in)
	case r.Outbound == Blocked && r.Inbound == Untested && len(m.passing(p, false)) == 0:
		m.finding(&mediaBlocked, p, Outbound, out) // nothing comes back where nothing arrives
	case r.Outbound == Blocked:
		m.finding(&mediaOneWay, p, Outbound, out)
	case r.Inbound == Blocked:
		m.finding(&mediaOneWay, p, Inbound, in)
	}
	if why := m.unreachable(p); why != "" && r.Inbound != Blocked {
		r.Inbound, in = Blocked, why
	}
	m.depends(p)
	reasons = appendReason(reasons, Outbound, out)
	reasons = appendReason(reasons, Inbound, in)
	r.Reason = strings.Join(reasons, "; ")
	return r
}

// fates tells apart what became of legs: media arrived, it did not, it did for a while, or too little was sent to tell.
func fates(legs []leg) (alive, dead, stopped, short []leg) {
	for _, l := range legs {
		switch {
		case l.stopped():
			stopped = append(stopped, l)
		case l.alive():
			alive = append(alive, l)
		case l.dead():
			dead = append(dead, l)
		default:
			short = append(short, l)
		}
	}
	return alive, dead, stopped, short
}

// direction judges whether media passes one way.
func (m *mediaJudge) direction(p Path, outbound bool) (Verdict, string) {
	legs := m.passing(p, outbound)
	alive, dead, stopped, short := fates(legs)
	other := ""
	if !p.Control && len(dead)+len(stopped) > 0 {
		if control, ok := m.control(p); ok {
			if v, _ := m.direction(control, outbound); v == Blocked {
				other = fmt.Sprintf(", as in a call on port %d: a rule of a firewall, not an application gateway", control.Port)
			} else if v == Clean && (len(alive) == 0 || len(stopped) > 0) {
				// Where some ports are shut the control call may not have used those.
				other = fmt.Sprintf(", while it passes in a call on port %d", control.Port)
			}
		}
	}
	switch {
	case len(legs) == 0:
		return Untested, "no media was sent"
	case len(stopped) > 0:
		return Blocked, fmt.Sprintf("media passes for %.1f s and then no more%s", stopped[0].Heard/1000, other)
	case len(dead) > 0 && len(alive) > 0:
		return Blocked, fmt.Sprintf("of the media %s nothing arrives, of that %s it does%s", ports(dead, outbound), ports(alive, outbound), other)
	case len(dead) > 0:
		return Blocked, fmt.Sprintf("nothing of %d datagrams of media arrives%s", total(dead), other)
	case len(alive) == 0:
		return Untested, fmt.Sprintf("only %d datagrams of media were sent, %d would tell", total(short), minMedia)
	}
	sent, lost := 0, 0
	for _, l := range alive {
		sent += l.Sent
		lost += l.Sent - min(l.Received, l.Sent)
	}
	if q := float64(lost) / float64(sent); q >= lossyMedia {
		why := fmt.Sprintf("about %.0f %% of the media is lost", 100*q)
		m.finding(&mediaLossy, p, directionOf(outbound), why)
		return Clean, why
	}
	return Clean, ""
}

// lossyMedia is the share of loss from which on people hear it, with codecs that hide some.
const lossyMedia = 0.03

func total(legs []leg) (n int) {
	for _, l := range legs {
		n += l.Sent
	}
	return n
}

// ports names the ports of this end, or the kinds of media, that legs have in common.
func ports(legs []leg, outbound bool) string {
	var list []string
	for _, l := range legs {
		here := l.trial.Src
		if !outbound {
			here = l.trial.Dst
		}
		list = appendNew(list, fmt.Sprint(here.Port()))
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	if outbound {
		return "from port " + and(list)
	}
	return "to port " + and(list)
}

// control returns the control path of a path of media.
func (m *mediaJudge) control(p Path) (Path, bool) {
	for _, l := range m.legs {
		c := l.trial.Path
		if c.Control && c.Family == p.Family && c.Transport == p.Transport {
			return c, true
		}
	}
	return Path{}, false
}

// unreachable is why media does not arrive at the address that this end announced, where a gateway rewrote the call and left
// just that address as it was. Where nothing was rewritten that is what a NAT does, and no fault of anybody's.
func (m *mediaJudge) unreachable(p Path) string {
	for _, l := range m.announced(p) {
		if l.NotSent == "" && !l.dead() {
			continue
		}
		i := slices.IndexFunc(m.report.Findings, func(f Finding) bool {
			key := findingKey{f.ID, f.Path(), f.Direction, f.Message, f.Field}
			return f.Proto == l.Signalling && f.Transport == p.Transport && f.Port == p.Port && f.Family == p.Family &&
				f.Direction == Outbound && slices.Contains(m.partial[key], l.Step)
		})
		if i < 0 {
			continue
		}
		cause := m.report.Findings[i]
		why := fmt.Sprintf("media to the address announced in %s is not heard", cause.Field)
		switch {
		case l.NotSent != "":
			why = fmt.Sprintf("the far end sends to the address that arrived in %s, which is %s: it was not sent, nobody could receive it", cause.Field, l.NotSent)
		}
		f := m.finding(&mediaOneWay, p, Inbound, why)
		f.Cause, f.Field, f.Sent, f.Got = cause.ID, cause.Field, cause.Sent, cause.Got
		return why
	}
	return ""
}

// leavesMedia are the findings of a call that was rewritten but for the address of its media.
var leavesMedia = []string{"h323-partly-rewritten", "sip-partly-rewritten"}

// depends reports that media reaches the announced address because of a gateway alone.
func (m *mediaJudge) depends(p Path) {
	control, ok := m.control(p)
	if p.Control || !ok {
		return
	}
	with := m.announced(p)
	without := m.announced(control)
	heard := func(l leg) bool { return l.alive() }
	if slices.ContainsFunc(with, heard) && len(without) > 0 && !slices.ContainsFunc(without, heard) {
		why := "nothing arrives there in a call on port " + fmt.Sprint(control.Port)
		if n := without[0].NotSent; n != "" {
			why = fmt.Sprintf("in a call on port %d that address is %s", control.Port, n)
		}
		m.finding(&mediaDependsOnALG, p, Inbound, why)
	}
}

// finding adds one to the report.
func (m *mediaJudge) finding(rule *Rule, p Path, dir Direction, why string) *Finding {
	if p.Control {
		return new(Finding) // what happens there is told beside the others
	}
	for i := range m.report.Findings {
		if f := &m.report.Findings[i]; f.ID == rule.ID && f.Path() == p && f.Direction == dir {
			return f
		}
	}
	m.report.Findings = append(m.report.Findings, Finding{
		ID: rule.ID, Severity: rule.Severity, Proto: p.Proto, Transport: p.Transport, Family: p.Family, Port: p.Port,
		SourcePort: p.SourcePort, Direction: dir, Message: "RTP", Count: 1,
		Summary: rule.Summary + ": " + why, Symptom: rule.Symptom, Advice: rule.Advice,
	})
	return &m.report.Findings[len(m.report.Findings)-1]
}

// calls lists the calls and the streams of media in them.
func (m *mediaJudge) calls() {
	r := m.report
	index := map[string]int{}
	for _, l := range m.legs {
		i, ok := index[l.Call]
		if !ok {
			i = len(r.Calls)
			index[l.Call] = i
			r.Calls = append(r.Calls, Call{
				ID: l.Call, Proto: l.Signalling, State: "established", Start: l.trial.At, End: l.trial.At,
				From: l.trial.Src.String(), To: l.trial.Dst.String(), Streams: []int{},
			})
		}
		c := &r.Calls[i]
		if l.trial.At.Before(c.Start) {
			c.Start = l.trial.At
		}
		if l.Stream != nil {
			c.Streams = append(c.Streams, len(r.Streams))
			r.Streams = append(r.Streams, *l.Stream)
			if l.Stream.Last.After(c.End) {
				c.End = l.Stream.Last
			}
		}
	}
	for i := range r.Calls {
		m.hear(&r.Calls[i])
	}
}

// hear says how much of a call was to be heard, by where media goes that the far end sends back to its source; where a gateway
// left the address of the media alone, by what it announced.
func (m *mediaJudge) hear(c *Call) {
	var out, in bool
	var path Path
	for _, l := range m.legs {
		if l.Call != c.ID || l.Kind != MediaAudio {
			continue
		}
		path = l.trial.Path
		if l.alive() && !l.stopped() {
			out = out || l.Outbound
			in = in || !l.Outbound && l.Towards == TowardsSource
		}
	}
	cause, mixed := m.report.causeOf(path)
	if out && in && !mixed {
		c.Audio = AudioTwoWay
		return
	}
	c.Cause = cause
	if c.Audio = AudioNone; out || in {
		c.Audio = AudioOneWay
	}
}

// causeOf is the finding that explains why media on a path does not pass, empty if it does; mixed says that it is about a call
// that was rewritten but for the address of its media.
func (r *Report) causeOf(p Path) (id string, mixed bool) {
	for _, f := range r.Findings {
		if f.Path() == p && (f.ID == mediaOneWay.ID || f.ID == mediaBlocked.ID) {
			return cmp.Or(f.Cause, f.ID), f.Cause != ""
		}
	}
	return "", false
}
