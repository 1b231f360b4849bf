package capture_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"nofixup/alg"
	"nofixup/alg/capture"
	"nofixup/alg/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

const h323Dir = "../../testdata/h323"

// judged reports on captures and checks that the JSON form is what the schema says.
func judged(t *testing.T, cfg capture.Config) *alg.Report {
	t.Helper()
	r, err := capture.Report(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	s, err := c.Compile("../../docs/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
	return r
}

// golden compares a report as people see it with what it was.
func golden(t *testing.T, name string, r *alg.Report) {
	t.Helper()
	var b bytes.Buffer
	if err := report.Text(&b, r, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s:\n%s\nwant:\n%s", file, b.Bytes(), want)
	}
}

// fields are the fields that findings name, with the ID of each.
func fields(r *alg.Report) (list []string) {
	for _, f := range r.Findings {
		if f.Field != "" {
			list = append(list, f.ID+" "+f.Field)
		}
	}
	return list
}

// The captures of testdata/h323 show what their makers saw: two calls with audio one way since the gateway left fastStart
// private, the others with audio both ways, and what was rewritten in each.
func TestH323Captures(t *testing.T) {
	const partly = "h323-partly-rewritten"
	for _, tc := range []struct {
		name, audio, cause string
		fields             []string
		inside, outside    string // audio by one side alone
	}{
		{"fs-tun", alg.AudioOneWay, partly, []string{partly + " setup.fastStart[0].mediaChannel.ip", "h323-signalling-address-rewritten setup.sourceCallSignalAddress.ip"}, alg.AudioOneWay, alg.AudioOneWay},
		{"fs-notun", alg.AudioOneWay, partly, []string{partly + " setup.fastStart[0].mediaChannel.ip", "h323-signalling-address-rewritten setup.sourceCallSignalAddress.ip"}, alg.AudioOneWay, alg.AudioOneWay},
		{"nofs-notun", alg.AudioTwoWay, "", []string{"h323-media-address-rewritten olc.mediaControlChannel.ip", "h323-media-address-rewritten olcAck.mediaChannel.ip", "h323-signalling-address-rewritten setup.sourceCallSignalAddress.ip"}, alg.AudioTwoWay, alg.AudioTwoWay},
		{"nofs-tun", alg.AudioTwoWay, "", []string{"h323-media-address-rewritten facility.h245Control[0].olcAck.mediaChannel.ip", "h323-signalling-address-rewritten setup.sourceCallSignalAddress.ip"}, alg.AudioTwoWay, alg.AudioTwoWay},
		{"gk-direct", alg.AudioNotExpected, "", []string{"ras-address-rewritten grq.rasAddress.ip", "ras-address-rewritten arq.srcCallSignalAddress.ip"}, alg.AudioNotExpected, alg.AudioNotExpected},
		{"gk-inbound", alg.AudioTwoWay, "", []string{"h323-signalling-address-rewritten setup.destCallSignalAddress.ip", "h323-media-address-rewritten alerting.fastStart[1].mediaChannel.ip", "ras-address-rewritten rrq.callSignalAddress[0].ip"}, alg.AudioTwoWay, alg.AudioTwoWay},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lan, wan := filepath.Join(h323Dir, tc.name+".lan.pcap"), filepath.Join(h323Dir, tc.name+".wan.pcap")
			r := judged(t, capture.Config{Inside: []string{lan}, Outside: []string{wan}})
			golden(t, tc.name, r)
			if len(r.Calls) != 1 || r.Calls[0].Audio != tc.audio || r.Calls[0].Cause != tc.cause {
				t.Errorf("%+v, want audio %s because of %q", r.Calls, tc.audio, tc.cause)
			}
			for _, want := range tc.fields {
				if !slices.Contains(fields(r), want) {
					t.Errorf("no %s in\n%s", want, strings.Join(fields(r), "\n"))
				}
			}
			if r.Verdict != alg.OverallInterference || r.Network.Local.String() != "192.168.1.10" || r.Network.Public.String() != "198.51.100.2" {
				t.Errorf("%s, %+v", r.Verdict, r.Network)
			}
			for file, want := range map[string]string{lan: tc.inside, wan: tc.outside} {
				r := judged(t, capture.Config{Files: []string{file}})
				if len(r.Calls) != 1 || r.Calls[0].Audio != want || r.Fault() != (want == alg.AudioOneWay) || r.Verdict != alg.OverallInconclusive {
					t.Errorf("%s: %s, %+v, want %s", file, r.Verdict, r.Calls, want)
				}
			}
		})
	}
}
