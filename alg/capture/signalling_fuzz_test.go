package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
)

// signallingSeeds are captures of requests: repeated, answered at another port, in fragments, refused, of registrations.
func signallingSeeds(f *testing.F) [][]byte {
	f.Helper()
	first := udpFrame(f, nat, proxy, register("", 1, alice))
	invite := udpFrame(f, proxy, nat, says(invite, "c1", "1 INVITE", proxy, body(bobMedia, "a=rtcp:1 IN IP4 10.0.0.9")))
	var shots []shot
	shots = append(shots, timed(first, first, udpFrame(f, proxy, nat, []byte(strings.Replace(string(register("200 OK", 1, alice)), ";", ";rport=1;received=10.0.0.9;", 1))))...)
	for i, at := range retries {
		shots = append(shots, shot{at: start + at*ms, data: invite})
		for _, b := range fragmented(f, packetUDP(f, phone, proxy, uint16(i), long("2 INVITE", phone)), 1400) {
			shots = append(shots, shot{at: start + at*ms, data: b})
		}
	}
	return [][]byte{pcapFile(binary.LittleEndian, magicNano, 1, shots[:3]), pcapFile(binary.LittleEndian, magicNano, 1, shots)}
}

// FuzzSignalling judges the requests in files of any content: nothing panics, what is kept is bounded, and no sign is a fault.
func FuzzSignalling(f *testing.F) {
	seeds := signallingSeeds(f)
	follow := func(file []byte) (*Signalling, *Capture) {
		g := &Signalling{}
		c, err := Read(context.Background(), []string{"-"}, Options{
			Stdin: bytes.NewReader(file), Message: g.Add, Limits: Limits{Flows: 16, Streams: 16, Buffered: 4096},
		})
		if err != nil {
			return nil, nil
		}
		return g, c
	}
	if g, _ := follow(seeds[1]); g == nil || len(g.order) == 0 || len(g.queue) == 0 || len(g.clients.queue) == 0 {
		f.Fatal("the seeds show nothing")
	}
	for _, s := range slices.Concat(seeds, fileSeeds(f)) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		g, c := follow(file)
		if g == nil {
			return
		}
		if len(g.queue) > maxRequests+1 || g.octets > maxWaiting+1<<17 || len(g.waiting) > len(g.queue) || len(g.order) > maxSigns {
			t.Fatalf("%d requests of %d octets, %d signs", len(g.queue), g.octets, len(g.order))
		}
		var j, signs alg.Judge
		g.Judge(&j)
		g.Signs(&signs, c)
		for _, r := range []*alg.Report{j.Report(), signs.Report()} {
			for _, f := range r.Findings {
				if f.Count < 1 || f.Summary == "" || f.Confidence != "" && f.Severity == alg.Critical || f.Confidence == alg.Low && f.Severity != alg.Info {
					t.Fatalf("%+v", f)
				}
			}
		}
		if g.octets != 0 || len(g.waiting) != 0 {
			t.Fatalf("%d octets, %d requests are left", g.octets, len(g.waiting))
		}
	})
}
