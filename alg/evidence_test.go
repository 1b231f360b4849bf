package alg

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestEvidenceRoundTrip(t *testing.T) {
	s := newScene().add(around(
		message{flow: mainFlow, got: replace("70", "71")},
		message{flow: mainFlow, step: "invite", got: replace("10.0.0.9", "\xff\x00\xfe")},
		message{flow: mainFlow, in: true, step: "invite", got: replace("rport=5060", "rport=1")},
		message{flow: mainFlow, step: "lost", tries: enough, lost: enough},
	)...).add(message{flow: controlFlow, step: "lost"})
	s.Flows = append(s.Flows, Flow{ID: otherFlow, Path: Path{Proto: "sip", Transport: "udp", Family: 6, Port: 5060}})
	trials := []Trial{{Kind: "socket", Path: s.Flows[2].Path, Outcome: OutcomeFailed, Detail: "none", At: testTime}}
	judge := func(e *Evidence, trials []Trial) *Report {
		var j Judge
		for _, c := range e.Cases(trials) {
			j.Add(c)
		}
		r := j.Report()
		r.Trials, r.Evidence = trials, *e
		return r
	}
	first := judge(&Evidence{Complete: true, Points: s.Points, Flows: s.Flows, Pairs: s.Pairs}, trials)
	if len(first.Findings) < 4 || len(first.Paths) != 3 {
		t.Fatalf("%d findings, %d paths", len(first.Findings), len(first.Paths))
	}
	text, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	again := judge(&read.Evidence, read.Trials)
	for _, r := range []*Report{&read, again} {
		if !reflect.DeepEqual(r.Paths, first.Paths) || !reflect.DeepEqual(r.Triggers, first.Triggers) || r.Verdict != first.Verdict {
			t.Errorf("paths %+v\nwant %+v", r.Paths, first.Paths)
		}
	}
	second, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, second) {
		t.Error("the JSON differs")
	}
}

func TestCasesOfDamagedEvidence(t *testing.T) {
	e := Evidence{Pairs: []Pair{{ID: 1, Flow: 7, Inside: &Sighting{}}}, Flows: []Flow{{ID: 1, Path: sipPath}}}
	cases := e.Cases(nil)
	if len(cases) != 1 || len(cases[0].Pairs) != 0 || !cases[0].CutShort {
		t.Errorf("%+v", cases)
	}
	var j Judge
	j.Add(Case{Pairs: []Pair{{ID: 1, Flow: 7}, {ID: 2}}})
	if r := j.Report(); r.Verdict != OverallInconclusive || len(r.Paths) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestBytesJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":           `""`,
		"a\r\n\x00é": `"a\r\n\u0000é"`,
		"\xff":       `{"data":"/w==","format":"base64"}`,
	} {
		out, err := json.Marshal(Bytes(in))
		if err != nil || string(out) != want {
			t.Errorf("%q: %s, %v", in, out, err)
		}
		var back Bytes
		if err := json.Unmarshal(out, &back); err != nil || string(back) != in {
			t.Errorf("%s: %q, %v", out, back, err)
		}
	}
	for _, bad := range []string{`{"data":"","format":"hex"}`, `{"data":"*","format":"base64"}`, `7`} {
		var b Bytes
		if err := json.Unmarshal([]byte(bad), &b); err == nil {
			t.Errorf("%s: %q", bad, b)
		}
	}
	var p SourcePort
	for in, want := range map[string]bool{`"5060"`: true, `"ephemeral"`: true, `"65536"`: false, `5060`: false, `""`: false} {
		if err := json.Unmarshal([]byte(in), &p); (err == nil) != want {
			t.Errorf("%s: %v", in, err)
		}
	}
}
