package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"nofixup/alg"
)

const schemaFile = "../../docs/report.schema.json"

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func toJSON(t *testing.T, r *alg.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func validate(s *jsonschema.Schema, text []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// Every report that is rendered for people has a JSON form that the schema describes and that reads back as it was.
func TestSchema(t *testing.T) {
	s := compileSchema(t)
	for name, scene := range scenes() {
		text := toJSON(t, scene().report())
		if err := validate(s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var r alg.Report
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if again := toJSON(t, &r); !bytes.Equal(text, again) {
			t.Errorf("%s: what was read is written otherwise", name)
		}
	}
	var j alg.Judge
	r := j.Report()
	r.Source = "probe"
	if err := validate(s, toJSON(t, r)); err == nil {
		t.Error("a report without evidence passes: its lists are null")
	}
	r.Evidence = alg.Evidence{Points: []alg.Point{}, Flows: []alg.Flow{}, Pairs: []alg.Pair{}}
	if err := validate(s, toJSON(t, r)); err != nil {
		t.Errorf("a report of nothing: %v", err)
	}
}

// The JSON form is a contract: this is what one looks like.
func TestJSONGolden(t *testing.T) {
	golden := filepath.Join("testdata", "control-characters.json")
	text := toJSON(t, scenes()["control-characters"]().report())
	if *update {
		if err := os.WriteFile(golden, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s differs:\n%s", golden, text)
	}
}

// full is a report with a value in every field.
func full() *alg.Report {
	var r alg.Report
	fill(reflect.ValueOf(&r).Elem())
	r.Schema, r.Source, r.Verdict = alg.Schema, "capture", alg.OverallInterference
	path := alg.Path{Proto: "sip", Transport: "tcp", Family: 6, Port: 5061, SourcePort: 5060, Control: true}
	r.Paths[0].Path, r.Trials[0].Path, r.Evidence.Flows[0].Path = path, path, path
	r.Network.Mappings[0].Path = path
	r.Paths[0].Outbound, r.Paths[0].Inbound = alg.Redirected, alg.Intercepted
	f := &r.Findings[0]
	f.Severity, f.Direction, f.Kind, f.Shape = alg.Critical, alg.Inbound, alg.ChangeReordered, "via 192.0.2.1"
	f.Confidence = alg.Low
	f.Proto, f.Transport, f.Family, f.Got = path.Proto, path.Transport, path.Family, alg.Bytes("\xff")
	r.Trials[0].Outcome = alg.OutcomeFailed
	stream := alg.Stream{
		Src: r.Streams[0].Src, Dst: r.Streams[0].Dst, SSRC: "0x00000001", Codec: "PCMU", First: began, Last: began,
		Point: alg.Inside, Late: 1, Duplicates: 1, DSCP: 46,
	}
	r.Streams[0], r.Trials[0].Media.Stream = stream, &stream
	r.Calls[0].Proto, r.Calls[0].Audio, r.Calls[0].Missing = alg.ProtoSIP, alg.AudioOneWay, alg.Inbound
	r.Calls[0].Legs[0].Audio = alg.AudioTwoWay
	r.Passages[0].Direction = alg.Inbound
	m := r.Trials[0].Media
	m.Signalling, m.Kind, m.Towards = alg.ProtoH323, alg.MediaRTCP, alg.TowardsSource
	r.Trials[0].Pinhole.From, r.Trials[0].Pinhole.Listening = "host", alg.FirewallUnknown
	r.Evidence.Points[0].Name, r.Evidence.Points[0].Role = alg.Outside, "capture"
	r.Evidence.Pairs[0].Role, r.Evidence.Pairs[0].Shape = alg.RoleBracket, alg.ShapeNone
	r.Evidence.Pairs[0].Datagram.DF = alg.DFClear
	return &r
}

// fill puts something into v and all that is in it.
func fill(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = began
		return
	case interface{ UnmarshalText([]byte) error }:
		for _, s := range []string{"10.0.0.9", "10.0.0.9:5060"} {
			if x.UnmarshalText([]byte(s)) == nil {
				return
			}
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(65)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		panic(v.Type())
	}
}

// Every field of a report is in the schema, and what the schema demands is there.
func TestSchemaFull(t *testing.T) {
	s := compileSchema(t)
	text := toJSON(t, full())
	if err := validate(s, text); err != nil {
		t.Error(err)
	}
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema, report map[string]any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	covered(t, "report", schema, schema, report)
}

// Whatever a finding or a trial can be is allowed.
func TestSchemaKinds(t *testing.T) {
	s := compileSchema(t)
	for _, kind := range []alg.ChangeKind{
		"", alg.ChangeAltered, alg.ChangeInserted, alg.ChangeRemoved, alg.ChangeReformatted, alg.ChangeReordered, alg.ChangeMissed,
	} {
		r := full()
		r.Findings[0].Kind = kind
		if err := validate(s, toJSON(t, r)); err != nil {
			t.Errorf("finding of kind %q: %v", kind, err)
		}
	}
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{alg.TrialSocket, alg.TrialStep, alg.TrialConnect, alg.TrialTLS, alg.TrialH245, alg.TrialMedia, alg.TrialPinhole, alg.TrialBinding, alg.TrialRefused, alg.TrialBan} {
		r := full()
		r.Trials[0].Kind = kind
		if err := validate(s, toJSON(t, r)); err != nil {
			t.Errorf("trial of kind %q: %v", kind, err)
		}
		if !bytes.Contains(raw, []byte(kind+": ")) {
			t.Errorf("the schema does not say what a trial of kind %q is", kind)
		}
	}
	for _, proto := range []string{alg.ProtoSIP, alg.ProtoSIPS, alg.ProtoH323, alg.ProtoRAS, alg.ProtoMedia} {
		r := full()
		r.Findings[0].Proto, r.Paths[0].Proto, r.Trials[0].Path.Proto, r.Evidence.Flows[0].Path.Proto = proto, proto, proto, proto
		if err := validate(s, toJSON(t, r)); err != nil {
			t.Errorf("%s: %v", proto, err)
		}
	}
}

// covered asserts that the schema names every property of v and has a type or description for it.
func covered(t *testing.T, path string, root, schema map[string]any, v any) {
	t.Helper()
	properties := map[string]any{}
	for s := schema; ; {
		if p, ok := s["properties"].(map[string]any); ok {
			for k, x := range p {
				properties[k] = x
			}
		}
		if items, ok := s["items"].(map[string]any); ok {
			schema = items
		}
		ref, ok := s["$ref"].(string)
		if !ok {
			break
		}
		s = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	switch v := v.(type) {
	case map[string]any:
		if _, data := v["format"]; data {
			return // octets
		}
		for k, x := range v {
			p, ok := properties[k].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is not in the schema", path, k)
				continue
			}
			covered(t, path+"."+k, root, p, x)
		}
	case []any:
		for _, x := range v {
			covered(t, path+"[]", root, schema, x)
		}
	}
}

// A broken report does not pass.
func TestSchemaBroken(t *testing.T) {
	s := compileSchema(t)
	good := string(toJSON(t, full()))
	for _, c := range []struct{ old, with string }{
		{`"schema": 1`, `"schema": 2`},
		{`"verdict": "interference"`, `"verdict": "maybe"`},
		{`"outbound": "redirected"`, `"outbound": "fine"`},
		{`"severity": "critical"`, `"severity": "bad"`},
		{`"direction": "inbound"`, `"direction": "in"`},
		{`"kind": "reordered"`, `"kind": "moved"`},
		{`"role": "bracket"`, `"role": "other"`},
		{`"outcome": "failed"`, `"outcome": ""`},
		{`"source_port": "5060"`, `"source_port": 5060`},
		{`"format": "base64"`, `"format": "hex"`},
		{`"started": "2026`, `"started": "x2026`},
		{`"transport": "tcp"`, `"transport": "sctp"`},
		{`"family": 6`, `"family": 5`},
		{`"findings": [`, `"other": [`},
		{`"sent_off": 1`, `"sent_off": -1`},
		{`"evidence": {`, `"evidence": null, "other": {`},
	} {
		bad := strings.Replace(good, c.old, c.with, 1)
		if bad == good {
			t.Errorf("%q is not in the report", c.old)
		}
		if err := validate(s, []byte(bad)); err == nil {
			t.Errorf("%s passes", c.with)
		}
	}
	// What is not known is allowed at every level.
	more := strings.ReplaceAll(good, "{\n", "{\n\"new_field\": 1,\n")
	if err := validate(s, []byte(more)); err != nil {
		t.Errorf("with new fields: %v", err)
	}
}
