package alg

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
)

// WriteJSON writes the report as indented JSON, octets of the wire unescaped as far as JSON allows. It writes one element of
// a list after the other: a capture may have very many calls, streams and messages, and their text takes more memory than they.
func (r *Report) WriteJSON(w io.Writer) error {
	out := &jsonWriter{w: bufio.NewWriter(w)}
	out.enc = json.NewEncoder(&out.buf)
	out.enc.SetEscapeHTML(false)
	out.object(reflect.ValueOf(r).Elem(), "")
	out.text("\n")
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

type jsonWriter struct {
	w   *bufio.Writer
	buf bytes.Buffer // of one value
	enc *json.Encoder
	err error
}

const jsonIndent = "  "

// text writes octets as they are.
func (o *jsonWriter) text(list ...string) {
	for _, s := range list {
		if o.err == nil {
			_, o.err = o.w.WriteString(s)
		}
	}
}

// value writes any value, whose first line is indented already.
func (o *jsonWriter) value(v reflect.Value, indent string) {
	if o.err != nil {
		return
	}
	o.buf.Reset()
	o.enc.SetIndent(indent, jsonIndent)
	if o.err = o.enc.Encode(v.Interface()); o.err == nil {
		_, o.err = o.w.Write(bytes.TrimSuffix(o.buf.Bytes(), []byte("\n")))
	}
}

// object writes a structure as encoding/json does; its fields have names in their tags.
func (o *jsonWriter) object(v reflect.Value, indent string) {
	inner := indent + jsonIndent
	o.text("{")
	separator := "\n"
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		f := v.Field(i)
		empty := f.Kind() == reflect.Slice && f.Len() == 0 || f.IsZero()
		if name == "" || name == "-" || empty && strings.Contains(options, "omitempty") && f.Kind() != reflect.Struct || f.IsZero() && strings.Contains(options, "omitzero") {
			continue
		}
		o.text(separator, inner, `"`, name, `": `)
		separator = ",\n"
		switch {
		case f.Type() == reflect.TypeFor[Evidence]():
			o.object(f, inner)
		case f.Kind() == reflect.Slice && f.Len() > 0 && f.Type().Elem().Kind() != reflect.Uint8:
			o.list(f, inner)
		default:
			o.value(f, inner)
		}
	}
	o.text("\n", indent, "}")
}

func (o *jsonWriter) list(v reflect.Value, indent string) {
	inner := indent + jsonIndent
	o.text("[")
	separator := "\n"
	for i := range v.Len() {
		o.text(separator, inner)
		separator = ",\n"
		o.value(v.Index(i), inner)
	}
	o.text("\n", indent, "]")
}
