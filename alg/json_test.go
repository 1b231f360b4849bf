package alg_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"nofixup/alg"
)

// What is written in pieces is what encoding/json writes in one.
func TestWriteJSON(t *testing.T) {
	full := reflect.New(reflect.TypeFor[alg.Report]()).Elem()
	fillValue(full, 0)
	for name, r := range map[string]alg.Report{
		"empty": {}, "full": full.Interface().(alg.Report),
		"lists": {Paths: []alg.PathResult{}, Calls: []alg.Call{}, Evidence: alg.Evidence{Pairs: []alg.Pair{}}},
		"octets": {
			Started: time.Unix(0, 0).UTC(), Network: alg.Network{Notes: []string{"<&>", "\x00"}},
			Evidence: alg.Evidence{Pairs: []alg.Pair{{Inside: &alg.Sighting{Raw: alg.Bytes("a<b>\r\n")}, Outside: &alg.Sighting{Raw: alg.Bytes{0xff}}}, {ID: 2}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(&r); err != nil {
				t.Fatal(err)
			}
			if err := r.WriteJSON(&got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("got\n%s\nwant\n%s", got.Bytes(), want.Bytes())
			}
		})
	}
	if err := new(alg.Report).WriteJSON(broken{}); err != errBroken {
		t.Errorf("%v", err)
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

// fillValue sets every field to something.
func fillValue(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fillValue(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		n := 2
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillValue(v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillValue(v.Index(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), depth+1)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(0.5)
	}
}
