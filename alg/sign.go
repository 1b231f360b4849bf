package alg

import (
	"bytes"
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"nofixup/sip"
	"nofixup/sip/sdp"
)

// Heard is a message of SIP as one vantage point saw it pass.
type Heard struct {
	Path      Path
	Direction Direction
	Src, Dst  netip.AddrPort
	Call      string
	Frames    []int
	Message   *sip.Message

	spans []sdp.Span // of its description; kept for the next message where a Heard is used again
}

// Confidence says how far a sign of an application gateway tells it from everything else that looks the same.
type Confidence string

// Levels of confidence, the lowest first.
const (
	Low    Confidence = "low"    // something harmless explains it as well
	Medium Confidence = "medium" // what explains it otherwise is rare
	High   Confidence = "high"   // the message contradicts itself or another one at the same place
)

func (c Confidence) rank() int { return map[Confidence]int{Low: 1, Medium: 2, High: 3}[c] }

// Sign is a trace that an application gateway may have left in messages, seen from one side. It proves nothing: where somebody
// else may have done the same its confidence is low, and Otherwise names them.
type Sign struct {
	Rule       *Rule
	Field      string // path of the field that it is seen by
	Sent, Got  Bytes  // the field as it should read, as far as that is known, and as it reads
	Evidence   string
	Confidence Confidence
	Otherwise  string     // what else explains it
	Client     netip.Addr // that an answer goes to, where that matters
	Own        netip.Addr // the public address that is put into the message, invalid if none is

	Path      Path
	Direction Direction
	Message   string
	Call      string
	Frames    []int
	Count     int
}

// by fills in whose message it is.
func (s Sign) by(h *Heard) Sign {
	s.Path, s.Direction, s.Call, s.Frames, s.Count = h.Path, h.Direction, h.Call, h.Frames, 1
	s.Message = knownName(h.Message)
	return s
}

// knownName is the name of a message, of which there are only so many.
func knownName(m *sip.Message) string {
	switch method := string(m.Method()); method {
	case "INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "UPDATE", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE", "PUBLISH", "MESSAGE", "INFO":
		return method
	case "":
	default:
		return "request"
	}
	if status := m.Status(); status >= 100 && status < 700 {
		return strconv.Itoa(status/100) + "xx"
	}
	return "answer"
}

// Surer reports that the sign tells more than another of the same kind.
func (s *Sign) Surer(than *Sign) bool { return s.Confidence.rank() > than.Confidence.rank() }

// AddSign adds a sign to the findings. It never is worse than a warning.
func (j *Judge) AddSign(s *Sign) {
	j.ready()
	f, fresh := (&caseJudge{Judge: j}).finding(s.Rule, s.Path, s.Direction, s.Message, s.Field)
	if fresh || s.Confidence.rank() > f.Confidence.rank() {
		f.Call, f.Sent, f.Got, f.Confidence, f.Otherwise = s.Call, s.Sent, s.Got, s.Confidence, s.Otherwise
		f.Summary = s.Rule.Summary + ": " + s.Evidence
		f.Severity = s.Rule.Severity
		if s.Confidence == Low {
			f.Severity = Info
		}
		f.Frames = nil
	}
	f.Count += s.Count
	if len(f.Frames) < maxMarks {
		f.Frames = append(f.Frames, s.Frames...)
	}
}

// signRules are about traces that an application gateway leaves.
func signRules() []Rule {
	return []Rule{signAnswerAltered, signAnswerRedirected, signRepetitionAltered, signReceivedMapped, signMixedAddresses, signIceMismatch, signContentLength, signProductMark}
}

// proveIt is the advice that all signs share.
const proveIt = "Take captures on both sides of the firewall at the same time and compare them (nofixup pcap --inside FILE --outside FILE), or " +
	"run nofixup probe from the inside: one side alone proves nothing."

// Signs are those in one message by itself.
func (h *Heard) Signs() (list []Sign) {
	d := h.description()
	if s, ok := h.mixed(d); ok {
		list = append(list, s.by(h))
	}
	for _, s := range d.iceMismatches(h) {
		list = append(list, s.by(h))
	}
	if s, ok := h.contentLength(d); ok {
		list = append(list, s.by(h))
	}
	if s, ok := h.mark(d); ok {
		list = append(list, s.by(h))
	}
	if s, ok := h.receivedMapped(); ok {
		list = append(list, s.by(h))
	}
	return list
}

// part returns the first leaf of a header's value, by the value's number.
func part(m *sip.Message, h sip.Header, index int, p sip.Part) []byte {
	for _, s := range m.Spans {
		if s.Header == h && int(s.Index) == index && s.Part == p {
			return s.Bytes(m.Raw)
		}
	}
	return nil
}

// param returns the value of a parameter of a header's value; an empty one where it has none.
func param(m *sip.Message, h sip.Header, index int, name string) (value []byte, ok bool) {
	for _, s := range m.Spans {
		if s.Header == h && int(s.Index) == index && s.Part == sip.PartParam && bytes.EqualFold(m.Raw[s.NameOff:s.NameEnd], []byte(name)) {
			if s.Off == s.NameOff {
				return nil, true // its own name: no value
			}
			return s.Bytes(m.Raw), true
		}
	}
	return nil, false
}

// countOf counts the values of a header.
func countOf(m *sip.Message, h sip.Header) (n int) {
	for _, s := range m.Spans {
		if s.Header == h {
			n = max(n, int(s.Index)+1)
		}
	}
	return n
}

// hostPort reads an address with or without a port; SIP's port stands for one that is missing (RFC 3261 18.2.2). A name gives an
// invalid one.
func hostPort(b []byte) netip.AddrPort {
	s := string(bytes.TrimSpace(b[:min(len(b), 64)]))
	if strings.Count(s, ":") == 1 || strings.Contains(s, "]:") {
		if a, err := netip.ParseAddrPort(s); err == nil {
			return netip.AddrPortFrom(a.Addr().Unmap(), cmp.Or(a.Port(), 5060))
		}
	}
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), 5060)
}

// uriAddr is the address that the URI of a header's value names.
func uriAddr(m *sip.Message, h sip.Header, index int) netip.AddrPort {
	a := hostPort(part(m, h, index, sip.PartHost))
	port := part(m, h, index, sip.PartPort)
	if len(port) == 0 || !a.IsValid() {
		return a
	}
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr(), cmp.Or(uint16(n), 5060))
}

// Contact is the address that a message names for requests to its sender; invalid if it is a name or missing.
func Contact(m *sip.Message) netip.AddrPort { return uriAddr(m, sip.HeaderContact, 0) }

// Target is the address that a request's URI names.
func Target(m *sip.Message) netip.AddrPort { return uriAddr(m, sip.StartLine, 0) }

// textOf is an address as messages have it.
func textOf(a netip.Addr) []byte { return []byte(a.String()) }
