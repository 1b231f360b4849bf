package sip

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	sipgosip "github.com/emiago/sipgo/sip"
	"pgregory.net/rapid"
)

// sipgo is the independent referee: where a message is well formed, its fields must be the octets of our spans.
func agree(t interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, raw []byte,
) {
	t.Helper()
	parsed, err := sipgosip.ParseMessage(raw)
	if err != nil {
		t.Fatalf("sipgo: %v in %q", err, raw)
	}
	m := Parse(raw)
	same := func(path, want string) {
		t.Helper()
		s, ok := m.Find(path)
		if got := string(s.Bytes(raw)); ok != (want != "") || got != want {
			t.Errorf("%s is %q, sipgo has %q in %q", path, got, want, raw)
		}
	}
	port := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	uri := func(path string, u sipgosip.Uri) {
		t.Helper()
		same(path+".scheme", u.Scheme)
		same(path+".user", u.User)
		same(path+".host", u.Host)
		same(path+".port", port(u.Port))
		for _, p := range u.UriParams {
			if p.V != "" {
				same(path+"."+p.K, p.V)
			}
		}
	}
	params := func(path string, list sipgosip.HeaderParams) {
		t.Helper()
		for _, p := range list {
			if p.V != "" {
				same(path+"."+p.K, p.V)
			}
		}
	}

	switch r := parsed.(type) {
	case *sipgosip.Request:
		same("start-line.method", string(r.Method))
		uri("request-uri", r.Recipient)
		same("call-id", r.CallID().Value())
		same("cseq", r.CSeq().Value())
	case *sipgosip.Response:
		same("start-line.status", strconv.Itoa(r.StatusCode))
		same("start-line.reason", r.Reason)
	}
	for i, h := range parsed.GetHeaders("Via") {
		via := h.(*sipgosip.ViaHeader)
		path := fmt.Sprintf("via[%d]", i)
		same(path+".protocol", via.ProtocolName+"/"+via.ProtocolVersion+"/"+via.Transport)
		by := via.Host
		if strings.Contains(by, ":") && by[0] != '[' { // sipgo takes the brackets off here, and not in URIs
			by = "[" + by + "]"
		}
		same(path+".sent-by", strings.TrimSuffix(by+":"+port(via.Port), ":"))
		params(path, via.Params)
	}
	if h := parsed.From(); h != nil {
		uri("from.uri", h.Address)
		params("from", h.Params)
	}
	if h := parsed.To(); h != nil {
		uri("to.uri", h.Address)
		params("to", h.Params)
	}
	for i, h := range parsed.GetHeaders("Contact") {
		c := h.(*sipgosip.ContactHeader)
		path := fmt.Sprintf("contact[%d]", i)
		uri(path+".uri", c.Address)
		params(path, c.Params)
	}
	if n, ok := m.ContentLength(); ok && n != len(parsed.Body()) || string(m.Body()) != string(parsed.Body()) {
		t.Errorf("body of %d octets, announced %d, sipgo has %d", len(m.Body()), n, len(parsed.Body()))
	}
}

func TestAgreesWithSipgo(t *testing.T) {
	agree(t, invite(t))
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z][a-z0-9]{0,9}`)
		host := rapid.OneOf(rapid.StringMatching(`[a-z][a-z0-9]{0,5}\.example\.net`), rapid.Just("10.0.0.9"), rapid.Just("[2001:db8::9]"))
		colonPort := rapid.StringMatching(`(:[1-9][0-9]{0,3})?`)
		uri := func() string {
			return "sip:" + rapid.StringMatching(`([a-z0-9.+-]{1,12}@)?`).Draw(t, "user") + host.Draw(t, "host") +
				colonPort.Draw(t, "port") + rapid.SampledFrom([]string{"", ";transport=udp", ";lr;x-a=b"}).Draw(t, "params")
		}
		address := func() string {
			return rapid.SampledFrom([]string{"", "Dora ", `"Dora, M; <x>" `}).Draw(t, "display") + "<" + uri() + ">"
		}
		fields := []Field{}
		for range rapid.IntRange(1, 3).Draw(t, "vias") {
			fields = append(fields, Field{Name: "Via", Value: "SIP/2.0/UDP " + host.Draw(t, "by") + colonPort.Draw(t, "port") +
				";branch=z9hG4bK" + word.Draw(t, "branch") + rapid.SampledFrom([]string{"", ";rport", ";received=10.0.0.9"}).Draw(t, "x")})
		}
		fields = append(
			fields,
			Field{Name: "From", Value: address() + ";tag=" + word.Draw(t, "tag")},
			Field{Name: "To", Value: address()},
			Field{Name: "Call-ID", Value: word.Draw(t, "id") + "@10.0.0.9"},
			Field{Name: "CSeq", Value: "1 OPTIONS"},
			Field{Name: "Contact", Value: address() + rapid.SampledFrom([]string{"", ";expires=60"}).Draw(t, "expires")},
			Field{Name: "Max-Forwards", Value: "70"},
		)
		body := []byte(word.Draw(t, "body"))
		fields = append(fields, Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
		line := "OPTIONS " + uri() + " SIP/2.0"
		if rapid.Bool().Draw(t, "response") {
			line = "SIP/2.0 200 OK"
		}
		agree(t, Compose(nil, line, fields, body))
	})
}

func BenchmarkSipgoParse(b *testing.B) {
	msg := invite(b)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	p := sipgosip.NewParser()
	for b.Loop() {
		if _, err := p.ParseSIP(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSpansAgainstSipgo runs both in turns, so that whatever else the machine does hits both, and reports how many times
// longer sipgo takes: "sipgo/ours" over the whole run, with the garbage collections that sipgo's allocations cost, as in
// BenchmarkSipgoParse, and "sipgo/ours-best" over the fastest block of each, which no collection and no neighbour disturbed.
func BenchmarkSpansAgainstSipgo(b *testing.B) {
	const block = 200
	msg := invite(b)
	dst := make([]Span, 0, 256)
	p := sipgosip.NewParser()
	var ours, sipgos time.Duration
	oursBest, sipgosBest := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	blocks := 0
	for b.Loop() {
		t0 := time.Now()
		for range block {
			dst = AppendSpans(dst[:0], msg)
		}
		t1 := time.Now()
		for range block {
			if _, err := p.ParseSIP(msg); err != nil {
				b.Fatal(err)
			}
		}
		t2 := time.Now()
		ours, oursBest = ours+t1.Sub(t0), min(oursBest, t1.Sub(t0))
		sipgos, sipgosBest = sipgos+t2.Sub(t1), min(sipgosBest, t2.Sub(t1))
		blocks++
	}
	b.ReportMetric(float64(ours)/float64(blocks*block), "ours-ns")
	b.ReportMetric(float64(sipgos)/float64(blocks*block), "sipgo-ns")
	b.ReportMetric(float64(sipgos)/float64(ours), "sipgo/ours")
	b.ReportMetric(float64(sipgosBest)/float64(oursBest), "sipgo/ours-best")
	b.ReportMetric(0, "ns/op") // a block of both has no meaning of its own
}
