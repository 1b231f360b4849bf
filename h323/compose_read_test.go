package h323

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestComposeRead has the parser read every message: it understands every octet, and finds the addresses exactly where and
// under the names that the composer gave them.
func TestComposeRead(t *testing.T) {
	for _, c := range composeCases(t) {
		if err := readComposed(c); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestComposeReadAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := readComposed(anyComposed.Draw(t, "composed")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestComposeReadCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyCall.Draw(t, "message")
		msg, _, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var p PDU
		p.ParseCall(msg)
		reference, callee, ok := p.CallReference()
		if !ok || reference != m.Reference || callee != m.FromCallee {
			t.Errorf("call reference %d, %t", reference, callee)
		}
		if string(p.Display()) != m.Display {
			t.Errorf("display %q", p.Display())
		}
		if m.Body == nil {
			return
		}
		if p.Message != m.Body.message() {
			t.Errorf("message %s", p.Message)
		}
		if !bytes.Equal(p.CallIdentifier(), m.ID[:]) {
			t.Errorf("call identifier %x", p.CallIdentifier())
		}
		if setup, ok := m.Body.(SetupBody); ok && !bytes.Equal(p.ConferenceID(), setup.ConferenceID[:]) {
			t.Errorf("conference identifier %x", p.ConferenceID())
		}
	})
}

func readComposed(c composed) error {
	var p PDU
	shift := int32(0)
	switch c.kind {
	case "call":
		p.ParseCall(c.msg)
	case "ras":
		p.ParseRAS(c.msg)
	case "h245":
		p.ParseH245(c.msg)
	default: // put into a packet
		p.ParseH245(slices.Concat([]byte{3, 0, 0, byte(headerLen + len(c.msg))}, c.msg))
		shift = headerLen
	}
	if len(p.Notes) > 0 {
		return fmt.Errorf("notes %v", p.Notes)
	}
	var got []Span
	for _, s := range p.Spans {
		if s.Part == PartIP || s.Part == PartPort {
			s.Off, s.End = s.Off-shift, s.End-shift
			got = append(got, s)
		}
	}
	if slices.Equal(got, c.spans) {
		return nil
	}
	return fmt.Errorf("addresses %s, want %s", composedPaths(got), composedPaths(c.spans))
}

func composedPaths(spans []Span) []string {
	var list []string
	for _, s := range spans {
		list = append(list, fmt.Sprintf("%s[%d:%d]", s.Path(), s.Off, s.End))
	}
	return list
}
