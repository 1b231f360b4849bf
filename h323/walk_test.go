package h323

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

func TestSpanSize(t *testing.T) {
	if n := unsafe.Sizeof(Span{}); n > 28 {
		t.Errorf("a span has %d octets", n)
	}
}

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		span Span
		want string
	}{
		{Span{}, "message"},
		{Span{Message: Setup, Field: FieldSourceCallSignalAddress, Part: PartIP}, "setup.sourceCallSignalAddress.ip"},
		{Span{Message: Setup, Field: FieldFastStart, Index: 3, InnerField: FieldMediaChannel, Part: PartIP}, "setup.fastStart[3].mediaChannel.ip"},
		{
			Span{Message: Setup, Field: FieldFastStart, InnerField: FieldMediaControlChannel, Part: PartPort, Reverse: true},
			"setup.fastStart[0].reverse.mediaControlChannel.port",
		},
		{
			Span{Message: Facility, Field: FieldH245Control, Inner: OLC, InnerField: FieldMediaControlChannel, Part: PartPort},
			"facility.h245Control[0].olc.mediaControlChannel.port",
		},
		{Span{Message: Facility, Field: FieldH245Control, Index: 1, Inner: EndSessionCommand, Part: PartRest}, "facility.h245Control[1].endSessionCommand.rest"},
		{Span{Message: OLC, Field: FieldMediaChannel, Reverse: true, Part: PartIP}, "olc.reverse.mediaChannel.ip"},
		{Span{Message: OLCAck, Field: FieldMediaChannel, Part: PartPort}, "olcAck.mediaChannel.port"},
		{Span{Message: GRQ, Field: FieldRASAddress, Part: PartIP}, "grq.rasAddress.ip"},
		{Span{Message: RRQ, Field: FieldCallSignalAddress, Part: PartPort}, "rrq.callSignalAddress[0].port"},
		{Span{Message: RRQ, Field: FieldRASAddresses, Index: 1, Part: PartRoute, PartIndex: 2}, "rrq.rasAddress[1].route[2]"},
		{
			Span{
				Message: IRR, Field: FieldPerCallInfo, InnerField: FieldPDU, InnerIndex: 2, Inner: Setup, Deep: true,
				SubField: FieldFastStart, SubIndex: 1, LastField: FieldMediaChannel, Part: PartIP,
			},
			"irr.perCallInfo[0].pdu[2].setup.fastStart[1].mediaChannel.ip",
		},
		{
			Span{Message: IRR, Field: FieldPerCallInfo, InnerField: FieldAudio, SubField: FieldRTPAddressSend, Part: PartIP},
			"irr.perCallInfo[0].audio[0].rtpAddress.sendAddress.ip",
		},
		{Span{Message: Setup, Field: FieldDisplay, Index: 1}, "setup.display[1]"},
		{Span{Message: Setup, Part: PartExtension, PartIndex: 12}, "setup.extension[12]"},
		{Span{Message: 255, Field: 255, Part: 255}, "message 255.field 255"},
	} {
		if got := tt.span.Path(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for m := MessageNone; int(m) < numMessages; m++ {
		if name := m.String(); name == "" || seen[name] {
			t.Errorf("message %d has the name %q", m, name)
		}
		seen[m.String()] = true
	}
	lists := map[string]bool{}
	for f := FieldTPKTLength; int(f) < numFields; f++ {
		name := f.String()
		key := name
		if f.Repeats() {
			key += "[]"
		}
		if name == "" || strings.ContainsAny(name, "[]") || lists[key] {
			t.Errorf("field %d has the name %q", f, name)
		}
		lists[key] = true
	}
	if !GRQ.RAS() || !SCR.RAS() || Setup.RAS() || OLC.RAS() || !NonStandard.Control() || !GenericIndication.Control() || NonStandardMessage.Control() {
		t.Error("a message of another protocol")
	}
}

// TestSchema looks at what the walker takes for granted, and that every field is in use.
func TestSchema(t *testing.T) {
	fields := map[Field]bool{}
	seen := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		optional := 0
		for _, it := range n.root {
			if it.t == nil {
				t.Errorf("a component without a type, of field %v, message %v", it.f, it.m)
			}
			if it.how&opt != 0 {
				optional++
			}
		}
		for _, it := range slices.Concat(n.root, n.more) {
			fields[it.f] = true
			visit(it.t)
		}
		switch {
		case optional > 32:
			t.Errorf("%d optional components", optional)
		case n.kind == kindChoice && (len(n.root) == 0 || len(n.root) > 255):
			t.Errorf("a choice of %d", len(n.root))
		case (n.kind == kindList || n.kind == kindContents) != (n.of != nil):
			t.Errorf("elements of kind %d", n.kind)
		case (n.kind == kindNumber || n.kind == kindNulls || n.kind == kindEnum || n.kind == kindString) && n.size == 0:
			t.Errorf("kind %d without a size", n.kind)
		case n.lo > n.hi || n.hi > 65535:
			t.Errorf("%d to %d", n.lo, n.hi)
		}
		visit(n.of)
	}
	for _, n := range []*node{&tUserInformation, &tRAS, &tControl, &tInnerGeneric} {
		visit(n)
	}
	for f := FieldProtocolIdentifier; int(f) < numFields; f++ {
		if !fields[f] {
			t.Errorf("%v is in no type", f)
		}
	}
}

// paths renders the spans of a message between the envelope and the end, with their octets.
func paths(p *PDU) string {
	var b strings.Builder
	for _, s := range p.Spans {
		b.WriteString(s.Path() + "=" + hex.EncodeToString(s.Bytes(p.Raw)) + "\n")
	}
	for _, e := range p.Notes {
		b.WriteString(e.Error() + "\n")
	}
	return b.String()
}

func TestEnvelope(t *testing.T) {
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"nothing", nil, "h323: tpkt: cut short at octet 0\n"},
		{"no header", []byte("GET / HTTP"), "h323: tpkt: not a header at octet 0\n"},
		{"keepalive", []byte{3, 0, 0, 4}, "message.tpktLength=0004\n"},
		{"another protocol", []byte{3, 0, 0, 7, 9, 1, 2}, "message.tpktLength=0007\nmessage.rest=090102\nh323: q.931: another protocol discriminator at octet 4\n"},
		{"no message type", []byte{3, 0, 0, 8, 8, 2, 0, 1}, "message.tpktLength=0008\nh323: q.931: cut short at octet 8\n"},
		{"no call reference", []byte{3, 0, 0, 7, 8, 0, 5}, "setup.tpktLength=0007\nsetup.messageType=05\n"},
		{
			"elements",
			[]byte{3, 0, 0, 30, 8, 2, 0, 1, 0x5a, 0x08, 1, 0x80, 0xa1, 0x28, 2, 'a', 'b', 0x28, 1, 'c', 0x9e, 0x28, 1, 'd', 0x77, 1, 'e', 0x28, 9, 'f'},
			"releaseComplete.tpktLength=001e\nreleaseComplete.callReference=0001\nreleaseComplete.messageType=5a\n" +
				"releaseComplete.cause=80\nreleaseComplete.ie[0]=a1\nreleaseComplete.display=6162\nreleaseComplete.display[1]=63\nreleaseComplete.ie[1]=64\n" +
				"releaseComplete.ie[2]=65\nreleaseComplete.display[2]=66\n" +
				"h323: information element: longer than its message at octet 27\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p PDU
			p.ParseCall(tt.raw)
			check(t, tt.raw, p.Spans)
			if got := paths(&p); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestContained has an error end the encoding that it is in, and nothing around it.
func TestContained(t *testing.T) {
	raw, _ := setups(t)
	var p PDU
	p.ParseCall(raw)
	ip, ok := p.Find("setup.fastStart[0].mediaChannel.ip")
	if !ok || len(p.Notes) > 0 {
		t.Fatal(paths(&p))
	}
	broken := slices.Clone(raw)
	length := int(ip.Off) - 5 // of h2250LogicalChannelParameters
	broken[length] = 0x7f
	var q PDU
	q.ParseCall(broken)
	check(t, broken, q.Spans)
	want := slices.DeleteFunc(slices.Clone(p.Spans), func(s Span) bool {
		return s.Field == FieldFastStart && s.Index == 0 && s.InnerField != FieldForwardLogicalChannelNumber
	})
	if !slices.Equal(q.Spans, want) || len(q.Notes) != 1 || q.Notes[0].Off != length+1 {
		t.Errorf("got\n%s\nof\n%s", paths(&q), paths(&p))
	}

	// A Setup that is cut short anywhere is named up to there.
	for n := range raw {
		q.ParseCall(raw[:n])
		check(t, raw[:n], q.Spans)
		if len(q.Notes) == 0 {
			t.Fatalf("nothing is said about a message cut after %d octets", n)
		}
		for i, s := range q.Spans {
			if i >= len(p.Spans) || s.Off != p.Spans[i].Off || s.End > p.Spans[i].End {
				t.Fatalf("cut after %d octets: %s", n, s.Path())
			}
		}
	}
	q.ParseCall(append(slices.Clone(raw), 3, 0, 0))
	if !slices.Equal(q.Spans, p.Spans) || len(q.Notes) != 1 || q.Notes[0].Off != len(raw) {
		t.Errorf("octets after the frame: %v", q.Notes)
	}
}

func TestPDU(t *testing.T) {
	var call, ras, control PDU
	for _, c := range captures(t) {
		p := c.parse()
		switch {
		case p.Message == Alerting && call.Message == MessageNone:
			call = p
		case p.Message == RRQ && ras.Message == MessageNone:
			ras = p
		case p.Message == OLCAck && control.Message == MessageNone:
			control = p
		}
	}
	text := func(utf16 []byte) (s string) {
		for i := 1; i < len(utf16); i += 2 {
			s += string(rune(utf16[i]))
		}
		return s
	}
	if crv, callee, ok := call.CallReference(); !ok || !callee || crv > 0x7fff {
		t.Errorf("call reference %d, %v", crv, callee)
	}
	if len(call.CallIdentifier()) != 16 || call.ConferenceID() != nil || !strings.Contains(string(call.Display()), "nofixup") {
		t.Errorf("%x, %x, %q", call.CallIdentifier(), call.ConferenceID(), call.Display())
	}
	if s, ok := call.Find("alerting.fastStart[1].mediaChannel.ip"); !ok || len(s.Bytes(call.Raw)) != 4 {
		t.Error("no address")
	}
	if _, ok := call.Find("alerting.fastStart[9]"); ok {
		t.Error("found what is not there")
	}
	if ras.SequenceNumber() != 2 || string(ras.Leaf(FieldRASAddresses, 0, PartIP)) != "\xc0\xa8\x01\x0a" ||
		text(ras.Leaf(FieldTerminalAlias, 0, PartH323ID)) == "" || text(ras.Value(FieldGatekeeperIdentifier)) == "" || ras.Channel() != 0 {
		t.Errorf("%s", paths(&ras))
	}
	if control.Channel() == 0 || control.SequenceNumber() != 0 || len(control.Leaf(FieldMediaChannel, 0, PartPort)) != 2 {
		t.Errorf("%s", paths(&control))
	}

	// A non-standard indication: 3 bits for one, 5 for its kind, 1 for no additions, 1 for an identifier by H.221.
	raw := []byte{3, 0, 0, 15, 0x60, 0x40, 0xb5, 0, 0, 0x12, 4, 'e', 'c', 'h', 'o'}
	control.ParseH245(raw)
	if control.Message != NonStandard || string(control.Leaf(FieldNone, 0, PartData)) != "echo" || len(control.Notes) > 0 {
		t.Errorf("%v %s", control.Message, paths(&control))
	}
}

func TestAllocs(t *testing.T) {
	raw, large := setups(t)
	var p PDU
	p.ParseCall(large)
	dst, buf := p.Spans, make([]byte, 0, 256)
	for name, f := range map[string]func(){
		"AppendSpans": func() { dst = AppendSpans(dst[:0], raw) },
		"ParseCall":   func() { p.ParseCall(large) },
		"AppendPath": func() {
			for _, s := range dst {
				buf = s.AppendPath(buf[:0])
			}
		},
		"Leaf": func() { p.Leaf(FieldSourceCallSignalAddress, 0, PartIP) },
		"Next": func() { _, _ = Next(raw) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
