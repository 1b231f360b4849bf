package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"nofixup/alg"
)

// Config says what to analyse: Files of one vantage point, or those of two.
type Config struct {
	Files           []string
	Inside, Outside []string
	Limits          Limits
	MaxCalls        int // DefaultCalls if 0
	Progress        func(Progress)
	Stdin           io.Reader
	Version         string
}

// Report analyses captures and judges what they hold. An error means that there is nothing to report: a file that could not be
// read at all is one where it is the only one.
func Report(ctx context.Context, cfg Config) (*alg.Report, error) {
	began := time.Now()
	var r *alg.Report
	var err error
	switch {
	case len(cfg.Files) > 0:
		r, err = one(ctx, &cfg)
	case len(cfg.Inside) > 0 && len(cfg.Outside) > 0:
		r, err = two(ctx, &cfg)
	default:
		err = errors.New("no capture, or none of the other side")
	}
	if err != nil {
		return nil, err
	}
	r.Version, r.Source = cfg.Version, "capture"
	r.Duration = time.Since(began).Milliseconds()
	r.Evidence.Points, r.Evidence.Flows, r.Evidence.Pairs = some(r.Evidence.Points), some(r.Evidence.Flows), some(r.Evidence.Pairs)
	return r, nil
}

func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// one reports what one vantage point shows.
func one(ctx context.Context, cfg *Config) (*alg.Report, error) {
	calls := Calls{Max: cfg.MaxCalls}
	var found sessions
	var signalling Signalling
	message := func(m *Message) {
		signalling.Add(m)
		if m.Copy != 0 || m.Stray {
			return
		}
		if probe, _ := found.add(m); probe == nil || probe.played(m) {
			calls.Add(m)
		}
	}
	c, err := Read(ctx, cfg.Files, Options{Limits: cfg.Limits, Message: message, Progress: cfg.Progress, Stdin: cfg.Stdin})
	if err != nil {
		return nil, err
	}
	var j alg.Judge
	var list []alg.Call
	var paths []alg.Path
	observed := calls.Observed(c)
	signalling.Answerers(observed)
	for i := range observed {
		list = append(list, j.AddCall(&observed[i]))
		if p := observed[i].Path; !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	signalling.Judge(&j)
	signalling.Signs(&j, c)
	r := j.Report()
	r.Calls, r.Streams = calls.Legs(list), c.StreamsAt("")
	for _, p := range paths {
		r.Paths = append(r.Paths, alg.PathResult{Path: p, Outbound: alg.Untested, Inbound: alg.Untested, Reason: "one capture shows messages on one side alone"})
	}
	r.Started = time.Unix(0, c.First).UTC()
	r.Probes = found.list()
	r.Evidence.Complete = c.Complete() && calls.Left == 0 && signalling.Left == 0 && found.left() == ""
	r.Network.Notes = append(r.Network.Notes, c.notes("")...)
	if calls.Left > 0 {
		r.Network.Notes = append(r.Network.Notes, fmt.Sprintf("calls beyond the first %d were not followed", len(calls.order)))
	}
	if left := found.left(); left != "" {
		r.Network.Notes = append(r.Network.Notes, left)
	}
	if signalling.Left > 0 {
		r.Network.Notes = append(r.Network.Notes, fmt.Sprintf("%d requests without an answer and signs of a gateway found no room", signalling.Left))
	}
	return r, nil
}

// notes say what could not be read and what was left out, in sentences without their first capital and their full stop.
func (c *Capture) notes(point string) (notes []string) {
	if point != "" {
		point += ": "
	}
	add := func(n uint64, what string) {
		if n > 0 {
			notes = append(notes, point+fmt.Sprintf("%d %s", n, what))
		}
	}
	for i, d := range c.Damages {
		if i == 5 {
			break
		}
		notes = append(notes, point+d.String())
	}
	if c.Damaged > 5 {
		add(uint64(c.Damaged-5), "more damaged places in the files")
	}
	for _, f := range c.Left.UnreadableFiles {
		notes = append(notes, point+"not read: "+f)
	}
	l := &c.Left
	add(l.Dropped, "packets were lost by the capturing system, by its own account")
	add(l.Flows, "packets belong to conversations for which there was no room")
	add(l.Forgotten, "idle conversations in which nothing was recognised were forgotten to make room")
	add(l.Streams, "packets of RTP belong to streams for which there was no room")
	add(l.Announcements, "announced addresses were forgotten to make room")
	add(l.Relays, "messages are about clients and channels of TURN servers for which there was no room: what they relay is not followed")
	add(l.Octets, "octets of TCP streams were given up: too many waited")
	add(l.Gaps, "gaps in TCP streams: segments are missing in the capture")
	add(l.Unframed, "messages in TCP streams are too long, their length (Content-Length, TPKT) is none, or they are in parts or compressed (WebSocket)")
	add(l.Fragmented, "packets lack a fragment")
	add(l.Overlaps, "fragments contradict others, which were kept")
	add(l.Malformed, "packets have headers that contradict their length")
	var kinds []string
	for kind, n := range l.Links {
		kinds = append(kinds, fmt.Sprintf("%d frames of link type %d, which is not known", n, kind))
	}
	slices.Sort(kinds)
	if len(kinds) > 0 {
		notes = append(notes, point+strings.Join(kinds, ", "))
	}
	if l.Unordered {
		notes = append(notes, point+"the files overlap in time and were read one after the other: merge them first")
	}
	return notes
}
