package alg

import (
	"bytes"
	"fmt"
	"strconv"

	"nofixup/sip"
)

// AnswerSigns compares an answer with the request that it answers, both seen at the same place: what an answer has to repeat
// (RFC 3261 8.2.6.2) must be what the request had.
func (h *Heard) AnswerSigns(request *Heard) (list []Sign) {
	q, a := request.Message, h.Message
	differ := func(rule *Rule, field string, sent, got []byte, c Confidence) {
		if len(list) == 8 {
			return // once is enough
		}
		s := Sign{
			Rule: rule, Field: field, Sent: bytes.Clone(sent), Got: bytes.Clone(got), Confidence: c,
			Evidence: fmt.Sprintf("%s was %q and is %q", field, short(sent), short(got)),
		}
		if c != High {
			s.Otherwise = "a server that does not repeat what it should"
		}
		s = s.by(h)
		s.Frames = append(append([]int{}, request.Frames...), h.Frames...)
		list = append(list, s)
	}
	vias := countOf(q, sip.HeaderVia)
	if got := countOf(a, sip.HeaderVia); got != vias {
		differ(&signAnswerAltered, "via", strconv.AppendInt(nil, int64(vias), 10), strconv.AppendInt(nil, int64(got), 10), Medium)
		vias = min(vias, got)
	}
	for i := range min(vias, 8) {
		sent, got := part(q, sip.HeaderVia, i, sip.PartSentBy), part(a, sip.HeaderVia, i, sip.PartSentBy)
		if !sameHost(sent, got) {
			differ(&signAnswerAltered, fmt.Sprintf("via[%d].sent-by", i), sent, got, addressed(sent, got))
		}
	}
	for _, f := range []struct {
		header sip.Header
		name   string
	}{{sip.HeaderFrom, "from"}, {sip.HeaderTo, "to"}} {
		sent, got := part(q, f.header, 0, sip.PartHost), part(a, f.header, 0, sip.PartHost)
		if !bytes.EqualFold(sent, got) {
			differ(&signAnswerAltered, f.name+".uri.host", sent, got, addressed(sent, got))
		}
		sent, got = part(q, f.header, 0, sip.PartPort), part(a, f.header, 0, sip.PartPort)
		if !bytes.Equal(sent, got) && !bytes.Equal(orDefault(sent), orDefault(got)) {
			differ(&signAnswerAltered, f.name+".uri.port", sent, got, Medium)
		}
	}
	if sent, got := q.Value(sip.HeaderCallID, 0), a.Value(sip.HeaderCallID, 0); !bytes.Equal(sent, got) {
		c := Medium
		if _, host, ok := bytes.Cut(got, []byte("@")); ok && hostPort(host).IsValid() {
			c = High
		}
		differ(&signAnswerAltered, "call-id", sent, got, c)
	}
	return list
}

// sameHost compares two sent-by: a port that is missing is SIP's.
func sameHost(a, b []byte) bool {
	if bytes.EqualFold(a, b) {
		return true
	}
	x, y := hostPort(a), hostPort(b)
	if x.IsValid() || y.IsValid() {
		return x == y
	}
	trim := func(v []byte) []byte {
		return bytes.TrimSuffix(bytes.Map(func(r rune) rune {
			if r == ' ' || r == '\t' {
				return -1
			}
			return r
		}, v), []byte(":5060"))
	}
	return bytes.EqualFold(trim(a), trim(b))
}

func orDefault(port []byte) []byte {
	if len(port) == 0 {
		return []byte("5060")
	}
	return port
}

// addressed is high where one of two hosts is an address: no server puts one there.
func addressed(sent, got []byte) Confidence {
	if hostPort(sent).IsValid() || hostPort(got).IsValid() {
		return High
	}
	return Medium
}

func short(b []byte) []byte { return b[:min(len(b), 80)] }

// RedirectSign is that an answer goes to another port of the client than the request came from, although it says by rport= that
// the server goes by that.
func (h *Heard) RedirectSign(request *Heard) (Sign, bool) {
	q, a := request.Message, h.Message
	_, asked := param(q, sip.HeaderVia, 0, "rport")
	filled, ok := param(a, sip.HeaderVia, 0, "rport")
	if !asked || !ok || len(filled) == 0 || h.Dst == request.Src || h.Dst.Addr() != request.Src.Addr() {
		return Sign{}, false
	}
	s := Sign{
		Rule: &signAnswerRedirected, Field: FieldSocket, Sent: Bytes(request.Src.String()), Got: Bytes(h.Dst.String()), Confidence: Medium,
		Otherwise: "a server that fills in rport= and goes by the Via",
		Evidence:  fmt.Sprintf("the request came from %s, its answer, with rport=%s, goes to %s", request.Src, short(filled), h.Dst),
	}
	if port, err := strconv.ParseUint(string(filled), 10, 16); err == nil && uint16(port) != request.Src.Port() && Private(h.Dst.Addr()) {
		// The server saw a translated port and sent there: only who translates can have chosen another one here.
		s.Confidence = High
		s.Otherwise = ""
	}
	return s.by(h), true
}

// RepetitionSigns compares two transmissions of one message at the same place: they are the same octets (RFC 3261 17.1.1.2), or
// somebody rewrote one of them otherwise than the other.
func (h *Heard) RepetitionSigns(first *Heard) (list []Sign) {
	if bytes.Equal(h.Message.Raw, first.Message.Raw) {
		return nil
	}
	p := Pair{Outbound: true, Inside: &Sighting{Raw: first.Message.Raw}, Outside: &Sighting{Raw: h.Message.Raw}}
	for _, c := range Compare(ProtoSIP, &p) {
		sent, got := hostPort(c.Sent), hostPort(c.Got)
		if c.Kind != ChangeAltered || !sent.IsValid() || !got.IsValid() || len(list) == 8 {
			continue
		}
		s := Sign{
			Rule: &signRepetitionAltered, Field: c.Field, Sent: bytes.Clone(c.Sent), Got: bytes.Clone(c.Got), Confidence: Medium,
			Otherwise: "a client whose address changed in between",
			Evidence:  fmt.Sprintf("%s was %q and is %q", c.Field, short(c.Sent), short(c.Got)),
		}
		s = s.by(h)
		s.Frames = append(append([]int{}, first.Frames...), h.Frames...)
		list = append(list, s)
	}
	return list
}
