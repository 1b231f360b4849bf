package capture

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nofixup/alg"
)

// large is where captures of full size are: PREFIX.in.pcap and so on, with what is in them in PREFIX.truth.json. They are made
// if they are not there: 750 calls of 60 s, a gigabyte for each.
func large(t testing.TB) string {
	name := os.Getenv("NOFIXUP_GENCAP")
	if name == "" {
		t.Skip("needs captures of a gigabyte: NOFIXUP_GENCAP=PREFIX says where they are, or are to be made")
	}
	if _, err := os.Stat(name + ".truth.json"); err != nil {
		generateFiles(t, name, 750, 60)
	}
	return name
}

func truths(t testing.TB, prefix string) map[string]truth {
	t.Helper()
	b, err := os.ReadFile(prefix + ".truth.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []truth
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	byID := map[string]truth{}
	classes := map[string]int{}
	for _, c := range list {
		byID[c.ID] = c
		classes[c.Class]++
	}
	if len(classes) != 6 || len(byID) != len(list) {
		t.Fatalf("%d calls of classes %v", len(list), classes)
	}
	return byID
}

// verdicts are what the classes of calls are to be called: by both sides, and by the inside alone, where what became of a
// packet behind the box cannot be seen.
var verdicts = map[string]struct {
	audio   string
	missing alg.Direction
	cause   string
	inside  string // audio by the inside alone
}{
	classGood:      {alg.AudioTwoWay, "", "", alg.AudioTwoWay},
	classNoneIn:    {alg.AudioOneWay, alg.Inbound, "media-blocked", alg.AudioOneWay},
	classNoneOut:   {alg.AudioOneWay, alg.Outbound, "media-blocked", alg.AudioTwoWay},
	classPrivate:   {alg.AudioOneWay, alg.Inbound, "media-address-private", alg.AudioOneWay},
	classHalf:      {alg.AudioOneWay, alg.Inbound, "sdp-port-untouched", alg.AudioOneWay},
	classSymmetric: {alg.AudioTwoWay, "", "media-asymmetric", alg.AudioTwoWay},
}

// checkTruth compares a report with what is in the captures: every call is there and called what it is, and every packet of
// RTP is accounted for.
func checkTruth(t *testing.T, r *alg.Report, all map[string]truth) {
	t.Helper()
	two := len(r.Evidence.Points) == 2
	if len(r.Calls) != len(all) {
		t.Errorf("%d calls, want %d", len(r.Calls), len(all))
	}
	wrong, streams := 0, 0
	for i := range r.Calls {
		c := &r.Calls[i]
		call, ok := all[c.ID]
		want := verdicts[call.Class]
		good := ok && c.Audio == want.audio && c.Missing == want.missing && c.Cause == want.cause
		if !two {
			good = ok && c.Audio == want.inside && (c.Audio == alg.AudioTwoWay) == (c.Missing == "")
		}
		if !good {
			if wrong++; wrong <= 5 {
				t.Errorf("call %s, %s: %s %s %s", c.ID, call.Class, c.Audio, c.Missing, c.Cause)
			}
		}
		streams += len(c.Streams)
		for _, at := range c.Streams {
			checkStream(t, r, c, &r.Streams[at], &call)
		}
	}
	if wrong > 0 || streams != len(r.Streams) {
		t.Errorf("%d calls of %d are called wrong; %d streams belong to calls, of %d", wrong, len(r.Calls), streams, len(r.Streams))
	}
}

// checkStream compares the account of a stream with what was sent and lost. A packet that was lost before the first or after
// the last one leaves no gap: by the other vantage point's stream, which lost none, it is known how many there are.
func checkStream(t *testing.T, r *alg.Report, c *alg.Call, s *alg.Stream, call *truth) {
	t.Helper()
	dir := 0
	if s.Src == call.Outside {
		dir = 1
	}
	source := []string{alg.Inside, alg.Outside}[dir]
	if s.Point == source || s.Point == "" && dir == 0 {
		if s.Packets != call.Sent[dir] || s.Lost != 0 {
			t.Errorf("%s at its source %q: %d packets, %d lost; want %d, 0", s.Src, s.Point, s.Packets, s.Lost, call.Sent[dir])
		}
		return
	}
	edges := 0
	for _, at := range c.Streams {
		if o := &r.Streams[at]; s.Point != "" && o.SSRC == s.SSRC && o.Point != s.Point {
			packets := func(d time.Duration) int { return int(math.Round(d.Seconds() * 50)) }
			edges = packets(s.First.Sub(o.First)) + packets(o.Last.Sub(s.Last))
		}
	}
	short := call.Lost[dir] - s.Lost - edges
	if s.Packets != call.Sent[dir]-call.Lost[dir] || short < 0 || s.Point != "" && short != 0 || short > 3 {
		t.Errorf("%s at %q: %d packets, %d lost, %d at the edges; want %d, %d", s.Src, s.Point, s.Packets, s.Lost, edges, call.Sent[dir]-call.Lost[dir], call.Lost[dir])
	}
}

// Every class of call is called what it is, from one side and from both and in both formats.
func TestTruth(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c")
	generateFiles(t, name, 60, 6)
	checkFiles(t, name)
}

// The same of captures of full size.
func TestTruthLarge(t *testing.T) { checkFiles(t, large(t)) }

func checkFiles(t *testing.T, name string) {
	all := truths(t, name)
	for what, cfg := range map[string]Config{
		"pcap":   {Files: []string{name + ".in.pcap"}},
		"pcapng": {Files: []string{name + ".in.pcapng"}},
		"pair":   {Inside: []string{name + ".in.pcap"}, Outside: []string{name + ".out.pcap"}},
	} {
		t.Run(what, func(t *testing.T) {
			r, err := Report(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			checkTruth(t, r, all)
		})
	}
}
