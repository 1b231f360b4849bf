package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// Flows of a [scene].
const (
	mainFlow    = 1 // to port 5060
	controlFlow = 2 // to the control port
	otherFlow   = 3 // to port 5060, from a port of the system's choice
)

// scene builds a case message by message, a second apart.
type scene struct {
	Case
	now time.Time
}

// newScene has a complete vantage point on both sides, no NAT, and no messages yet.
func newScene() *scene {
	s := &scene{now: testTime}
	for _, name := range []string{Inside, Outside} {
		s.Points = append(s.Points, Point{Name: name, From: testTime, To: testTime.Add(time.Hour), Complete: true})
	}
	control := sipPath
	control.Port, control.Control = 15060, true
	other := sipPath
	other.SourcePort = Ephemeral
	for i, p := range []Path{sipPath, control, other} {
		ends := [2]netip.AddrPort{client, netip.AddrPortFrom(server.Addr(), p.Port)}
		s.Flows = append(s.Flows, Flow{ID: i + 1, Path: p, Inside: ends, Outside: ends})
	}
	s.Flows = s.Flows[:2]
	return s
}

// message is a step of a scene.
type message struct {
	flow   int
	in     bool
	step   string // "options" unless set
	shape  string // ShapeLocal unless set
	role   Role
	breaks string
	tries  int // 1 unless set
	lost   int // of the tries, the first
	got    func(sent []byte) []byte
}

const options = "OPTIONS sip:bob@203.0.113.10 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK%d;rport\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: <sip:alice@10.0.0.9>;tag=1\r\n" +
	"To: <sip:bob@203.0.113.10>\r\n" +
	"Call-ID: %[1]d@10.0.0.9\r\n" +
	"CSeq: 1 OPTIONS\r\n" +
	"Contact: <sip:alice@10.0.0.9:5060>\r\n" +
	"Content-Length: 0\r\n\r\n"

const answer = "SIP/2.0 200 OK\r\n" +
	"Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK%d;rport=5060;received=10.0.0.9\r\n" +
	"From: <sip:alice@10.0.0.9>;tag=1\r\n" +
	"To: <sip:bob@203.0.113.10>;tag=2\r\n" +
	"Call-ID: %[1]d@10.0.0.9\r\n" +
	"CSeq: 1 OPTIONS\r\n" +
	"Content-Length: 0\r\n\r\n"

func (s *scene) add(messages ...message) *scene {
	for _, m := range messages {
		if m.step == "" {
			m.step = "options"
		}
		if m.shape == "" {
			m.shape = ShapeLocal
		}
		for try := range max(1, m.tries) {
			s.now = s.now.Add(time.Second)
			id := len(s.Pairs) + 1
			p := Pair{
				ID: id, Flow: m.flow, Seq: id, Try: try + 1, Outbound: !m.in, Step: m.step, Shape: m.shape, Role: m.role, Breaks: m.breaks,
			}
			text := options
			if m.in {
				text = answer
			}
			raw := fmt.Appendf(nil, text, id)
			sent := &Sighting{At: s.now, End: len(raw), Raw: raw}
			var got *Sighting
			if try >= m.lost {
				got = &Sighting{At: s.now.Add(time.Millisecond), End: len(raw), Raw: bytes.Clone(raw)}
				if m.got != nil {
					got.Raw = m.got(got.Raw)
					got.End = len(got.Raw)
				}
			}
			p.Inside, p.Outside = sent, got
			if m.in {
				p.Inside, p.Outside = got, sent
			}
			s.Pairs = append(s.Pairs, p)
		}
	}
	return s
}

// good is what passes both ways on a flow, n times.
func good(flow, n int) []message {
	return []message{{flow: flow, tries: n}, {flow: flow, tries: n, in: true}}
}

// around puts messages between good ones, after enough good ones on the control port to measure its loss by: 20 of 20
// arrived is an assumed loss of 1 in 22, hence 6 tries.
func around(messages ...message) []message {
	return slices.Concat(good(controlFlow, 20), good(mainFlow, 1), messages, good(mainFlow, 1))
}

const enough = 6

func replace(old, with string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(with)) }
}

// proxy is what a SIP proxy does to a request.
func proxy(b []byte) []byte {
	b = bytes.Replace(b, []byte("Via: "), []byte("Via: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bKp\r\nVia: "), 1)
	return bytes.Replace(b, []byte("Max-Forwards: 70"), []byte("Max-Forwards: 69"), 1)
}

func translated(s *scene) *scene {
	for i := range s.Flows {
		s.Flows[i].Outside[0] = public
	}
	return s
}

func TestVerdicts(t *testing.T) {
	noCSeq := "RFC 3261 8.1.1: no CSeq"
	lost := message{flow: mainFlow, step: "invite", tries: enough, lost: enough}
	lostControl := message{flow: controlFlow, step: "invite"}
	with := func(m message, f func(*message)) message { f(&m); return m }
	for _, c := range []struct {
		name     string
		scene    *scene
		out, in  Verdict
		reason   string // part of it
		overall  Overall
		findings []string
	}{
		{
			"clean", newScene().add(around()...),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"altered outbound", newScene().add(around(message{flow: mainFlow, step: "invite", got: replace("UDP 10.0.0.9", "UDP 198.51.100.2")})...),
			Altered, Clean, "invite differ", OverallInterference,
			[]string{"via-rewritten"},
		},
		{
			"altered inbound", newScene().add(around(message{flow: mainFlow, in: true, step: "invite", got: replace("rport=5060", "rport=1")})...),
			Clean, Altered, "invite differ", OverallInterference,
			[]string{"via-rewritten"},
		},
		{
			"altered in one try of many", newScene().add(append(around(),
				message{flow: mainFlow, tries: 3}, message{flow: mainFlow, got: replace("70", "71")})...),
			Altered, Clean, "options differ", OverallInterference,
			[]string{"message-rewritten"},
		},
		{
			"dropped", newScene().add(append(around(lost), lostControl)...),
			Dropped, Clean, "invite is dropped here, in 6 tries", OverallInterference,
			[]string{"message-dropped"},
		},
		{
			"dropped inbound", newScene().add(append(around(with(lost, func(m *message) { m.in = true })),
				with(lostControl, func(m *message) { m.in = true }))...),
			Clean, Dropped, "invite is dropped here", OverallInterference,
			[]string{"message-dropped"},
		},
		{
			"too few tries", newScene().add(append(around(with(lost, func(m *message) { m.tries, m.lost = enough-1, enough-1 })), lostControl)...),
			Untested, Clean, "5 times, 6 would prove", OverallInconclusive, nil,
		},
		{
			"one try of many arrived", newScene().add(append(around(with(lost, func(m *message) { m.tries++ })), lostControl)...),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"no good message before", newScene().add(slices.Concat(good(controlFlow, 20), []message{lost}, good(mainFlow, 1), []message{lostControl})...),
			Untested, Clean, "so were the messages around it", OverallInconclusive, nil,
		},
		{
			"no good message after", newScene().add(slices.Concat(good(controlFlow, 20), good(mainFlow, 1), []message{lost, lostControl})...),
			Untested, Clean, "so were the messages around it", OverallInconclusive, nil,
		},
		{
			"a lost bracket is no evidence", newScene().add(append(around(),
				message{flow: mainFlow, step: "bracket", role: RoleBracket, tries: 9, lost: 9})...),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"not tried on the control port", newScene().add(around(lost)...),
			Untested, Clean, "without a control port", OverallInconclusive, nil,
		},
		{
			"lost on the control port as well", newScene().add(append(around(lost), with(lostControl, func(m *message) { m.lost = 1 }))...),
			Untested, Clean, "as well", OverallInconclusive, nil,
		},
		{
			"control port closed", newScene().add(slices.Concat([]message{{flow: controlFlow, tries: 20, lost: 20}}, good(mainFlow, 1),
				[]message{lost}, good(mainFlow, 1), []message{with(lostControl, func(m *message) { m.lost = 1 })})...),
			Untested, Clean, "as well", OverallInconclusive, nil,
		},
		{
			"inspected", newScene().add(append(around(with(lost, func(m *message) { m.breaks = noCSeq })),
				with(lostControl, func(m *message) { m.breaks = noCSeq }))...),
			Inspected, Clean, "invite (RFC 3261 8.1.1: no CSeq) is dropped here", OverallInterference,
			[]string{"nonconforming-dropped"},
		},
		{
			"what breaks the rules is dropped everywhere", newScene().add(append(around(with(lost, func(m *message) { m.breaks = noCSeq })),
				with(lostControl, func(m *message) { m.breaks, m.tries, m.lost = noCSeq, enough, enough }))...),
			Untested, Clean, "as well", OverallInconclusive, nil,
		},
		{
			"dropped and altered", newScene().add(append(around(lost, message{flow: mainFlow, got: replace("70", "71")}), lostControl)...),
			Altered, Clean, "dropped", OverallInterference,
			[]string{"message-dropped", "message-rewritten"},
		},
		{
			"blocked, only this port", newScene().add(append(good(controlFlow, 20), message{flow: mainFlow, tries: 9, lost: 9})...),
			Blocked, Untested, "while the control port works", OverallInterference,
			[]string{"port-blocked"},
		},
		{
			"blocked, the control port too", newScene().add(message{flow: controlFlow, tries: 11, lost: 11}, message{flow: mainFlow, tries: 11, lost: 11}),
			Blocked, Untested, "nor on the control port", OverallInterference,
			[]string{"port-blocked"},
		},
		{
			"blocked, no control port", newScene().add(message{flow: mainFlow, tries: 11, lost: 11}),
			Blocked, Untested, "no control port to compare with", OverallInterference,
			[]string{"port-blocked"},
		},
		{
			"nothing arrived in too few tries", newScene().add(message{flow: mainFlow, tries: 10, lost: 10}),
			Untested, Untested, "10 messages were sent, 11 would prove it", OverallInconclusive, nil,
		},
		{
			"only what breaks the rules was sent", newScene().add(append(good(controlFlow, 20),
				message{flow: mainFlow, tries: 9, lost: 9, breaks: noCSeq})...),
			Untested, Untested, "not known", OverallInconclusive, nil,
		},
		{
			"no answer on any port", newScene().add(message{flow: controlFlow, tries: 20}, message{flow: controlFlow, in: true, tries: 20, lost: 20},
				message{flow: mainFlow, tries: 20}, message{flow: mainFlow, in: true, tries: 20, lost: 20}),
			Clean, Untested, "a firewall on this computer", OverallInconclusive, nil,
		},
		{
			"no answer on this port", newScene().add(append(good(controlFlow, 20),
				message{flow: mainFlow, tries: 9}, message{flow: mainFlow, in: true, tries: 9, lost: 9})...),
			Clean, Blocked, "while the control port works", OverallInterference,
			[]string{"port-blocked"},
		},
		{
			"nothing sent", newScene(),
			Untested, Untested, "nothing was sent", OverallInconclusive, nil,
		},
		{
			"nobody answered", newScene().add(message{flow: mainFlow}),
			Clean, Untested, "inbound: nothing was sent", OverallInconclusive, nil,
		},
		{
			"lost once", newScene().add(append(around(message{flow: mainFlow, step: "invite", lost: 1}), lostControl)...),
			Untested, Clean, "1 times, 6 would prove", OverallInconclusive, nil,
		},
		{
			"vantage point incomplete", func() *scene {
				s := newScene().add(append(around(lost), lostControl)...)
				s.Points[1].Complete = false
				return s
			}(),
			Untested, Clean, "not known whether invite arrived", OverallInconclusive, nil,
		},
		{
			"vantage point ended before", func() *scene {
				s := newScene().add(append(around(lost), lostControl)...)
				s.Points[1].To = testTime.Add(time.Second)
				return s
			}(),
			Untested, Clean, "not known whether invite arrived", OverallInconclusive, nil,
		},
		{
			"no vantage point at all", func() *scene {
				s := newScene().add(message{flow: mainFlow, tries: 30, lost: 30})
				s.Points = nil
				return s
			}(),
			Untested, Untested, "not known", OverallInconclusive, nil,
		},
		{
			"cut short", func() *scene {
				s := newScene().add(around()...)
				s.CutShort = true
				return s
			}(),
			Untested, Untested, "cut short", OverallInconclusive, nil,
		},
		{
			"cut short after interference", func() *scene {
				s := newScene().add(around(message{flow: mainFlow, got: replace("70", "71")})...)
				s.CutShort = true
				return s
			}(),
			Altered, Untested, "cut short", OverallInterference,
			[]string{"message-rewritten"},
		},
		{
			"second NAT hides the outer box", translated(newScene()).add(around()...),
			Untested, Untested, "second NAT", OverallInconclusive, nil,
		},
		{
			"second NAT, the public address tested outbound alone", translated(newScene()).add(around(message{flow: mainFlow, shape: ShapePublic})...),
			Untested, Untested, "second NAT", OverallInconclusive, nil,
		},
		{
			"second NAT, a step without addresses lost", translated(newScene()).add(append(around(with(lost, func(m *message) { m.shape, m.breaks = ShapeNone, noCSeq })),
				with(lostControl, func(m *message) { m.shape, m.breaks = ShapeNone, noCSeq }))...),
			Inspected, Untested, "second NAT", OverallInterference,
			[]string{"nonconforming-dropped"},
		},
		{
			"NAT, a step without addresses passed", translated(newScene()).add(around(message{flow: mainFlow, shape: ShapeNone, breaks: noCSeq})...),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"NAT, an answer with the public address passed", translated(newScene()).add(around(message{flow: mainFlow, in: true, shape: ShapePublic})...),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"second NAT, the inner box rewrites", translated(newScene()).add(around(message{flow: mainFlow, got: replace("70", "71")})...),
			Altered, Untested, "second NAT", OverallInterference,
			[]string{"message-rewritten"},
		},
		{
			"no source port", func() *scene {
				s := newScene()
				s.Trials = []Trial{{Kind: "socket", Path: sipPath, Outcome: OutcomeFailed, Detail: "port 5060 is in use here"}}
				return s
			}(),
			Untested, Untested, "port 5060 is in use here", OverallInconclusive, nil,
		},
		{
			"a source port at the second try", func() *scene {
				s := newScene().add(around(message{flow: mainFlow, got: replace("70", "71")})...)
				s.Trials = []Trial{{Kind: "socket", Path: sipPath, Outcome: OutcomeFailed}}
				return s
			}(),
			Altered, Untested, "socket failed", OverallInterference,
			[]string{"message-rewritten"},
		},
		{
			"a trial that went well", func() *scene {
				s := newScene().add(around()...)
				s.Trials = []Trial{{Kind: "socket", Path: sipPath, Outcome: OutcomeOK}}
				return s
			}(),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"a proxy that says so", newScene().add(around(
				message{flow: mainFlow, step: "invite", got: proxy},
				message{flow: mainFlow, step: "invite", in: true, got: func(b []byte) []byte { return b }})...),
			Clean, Clean, "", OverallClean,
			[]string{"sip-proxy"},
		},
		{
			"control altered, too", newScene().add(append(around(message{flow: mainFlow, got: replace("70", "71")}),
				message{flow: controlFlow, got: replace("70", "71")})...),
			Altered, Clean, "", OverallInterference,
			[]string{"message-rewritten"},
		},
		{
			"control altered alone", newScene().add(append(around(), message{flow: controlFlow, got: replace("70", "71")})...),
			Clean, Clean, "", OverallInterference,
			[]string{"message-rewritten"},
		},
		{
			"no control", func() *scene {
				s := newScene().add(good(mainFlow, 3)...)
				s.Flows = s.Flows[:1]
				return s
			}(),
			Clean, Clean, "", OverallClean, nil,
		},
		{
			"control blocked", newScene().add(append(good(mainFlow, 3), message{flow: controlFlow, tries: 20, lost: 20})...),
			Clean, Clean, "", OverallClean, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j Judge
			j.Add(c.scene.Case)
			r := j.Report()
			p := r.Paths[0]
			if p.Path != sipPath {
				t.Fatalf("first path %v", p.Path)
			}
			if p.Outbound != c.out || p.Inbound != c.in || r.Verdict != c.overall {
				t.Errorf("%s outbound, %s inbound, overall %s: want %s, %s, %s (reason %q)", p.Outbound, p.Inbound, r.Verdict, c.out, c.in, c.overall, p.Reason)
			}
			if !strings.Contains(p.Reason, c.reason) {
				t.Errorf("reason %q lacks %q", p.Reason, c.reason)
			}
			if (p.Reason == "") != (p.Outbound == Clean && p.Inbound == Clean) {
				t.Errorf("%s and %s with the reason %q", p.Outbound, p.Inbound, p.Reason)
			}
			var ids []string
			for _, f := range r.Findings {
				ids = appendNew(ids, f.ID)
			}
			slices.Sort(ids)
			if !slices.Equal(ids, c.findings) {
				t.Errorf("findings %v, want %v", ids, c.findings)
			}
			checkReport(t, r, c.scene.Case)
		})
	}
}

// checkReport asserts what holds for every report.
func checkReport(t *testing.T, r *Report, c Case) {
	t.Helper()
	interference := false
	for _, p := range r.Paths {
		interference = interference || p.Outbound.Interference() || p.Inbound.Interference()
		if p.Outbound == "" || p.Inbound == "" {
			t.Errorf("%v has no verdict", p.Path)
		}
	}
	if r.Verdict == OverallInterference && !interference {
		t.Error("interference on no path")
	}
	pairs := map[int]Pair{}
	for _, p := range c.Pairs {
		pairs[p.ID] = p
	}
	for _, f := range r.Findings {
		if len(f.Marks) == 0 || len(f.Marks) > maxMarks || f.Count < 1 || f.Summary == "" || f.Advice == "" || f.Severity.rank() < 0 {
			t.Errorf("finding %+v", f)
		}
		for _, m := range f.Marks {
			p := pairs[m.Pair]
			sent, got := p.ends()
			if sent == nil || m.SentEnd > len(sent.Raw) || got != nil && m.GotEnd > len(got.Raw) {
				t.Fatalf("mark %+v lies outside of its pair", m)
			}
			if got != nil && m == f.Marks[0] && f.Kind != "" &&
				(!bytes.Equal(f.Sent, sent.Raw[m.SentOff:m.SentEnd]) || !bytes.Equal(f.Got, got.Raw[m.GotOff:m.GotEnd])) {
				t.Errorf("the first mark of %s is not what it shows", f.ID)
			}
		}
	}
}

// The more is lost on the control port, the more tries it takes, until nothing can be said.
func TestVerdictByLoss(t *testing.T) {
	for _, c := range []struct {
		percent, tries int
		want           Verdict
	}{
		{0, 4, Dropped},
		{0, 3, Untested},
		{5, 6, Dropped},
		{5, 5, Untested},
		{20, 11, Dropped},
		{20, 10, Untested},
		{60, 1000, Untested},
	} {
		t.Run(fmt.Sprintf("%d%% loss, %d tries", c.percent, c.tries), func(t *testing.T) {
			s := newScene().add(slices.Concat(
				[]message{{flow: controlFlow, tries: 100, lost: c.percent}, {flow: controlFlow, tries: 100, in: true}}, good(mainFlow, 1),
				[]message{{flow: mainFlow, step: "invite", tries: c.tries, lost: c.tries}}, good(mainFlow, 1),
				[]message{{flow: controlFlow, step: "invite"}})...)
			s.Points[1].To = s.now
			var j Judge
			j.Add(s.Case)
			p := j.Report().Paths[0]
			if p.Outbound != c.want {
				t.Errorf("%s (%s)", p.Outbound, p.Reason)
			}
			if c.percent == 60 && !strings.Contains(p.Reason, "too lossy: about 59 %") {
				t.Errorf("reason %q", p.Reason)
			}
		})
	}
}

// A proxy takes its own Via off an answer; a Via that no request was seen to get is somebody's to miss.
func TestProxyAnswers(t *testing.T) {
	own := "Via: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bKp\r\n"
	for _, c := range []struct {
		name    string
		request func([]byte) []byte
		want    Verdict
	}{{"proxy", proxy, Clean}, {"no proxy", nil, Altered}} {
		s := newScene().add(message{flow: mainFlow, got: c.request}, message{flow: mainFlow, in: true})
		p := &s.Pairs[1]
		p.Outside.Raw = bytes.Replace(p.Outside.Raw, []byte("Via: "), []byte(own+"Via: "), 1)
		var j Judge
		j.Add(s.Case)
		if got := j.Report().Paths[0]; got.Inbound != c.want || got.Outbound != Clean {
			t.Errorf("%s: %s, %s", c.name, got.Outbound, got.Inbound)
		}
	}
}

// Nothing on one path says something about another.
func TestPathsApart(t *testing.T) {
	s := newScene()
	s.Flows = append(s.Flows, Flow{ID: otherFlow, Path: Path{Proto: "sip", Transport: "udp", Family: 4, Port: 5060}})
	s.add(around(message{flow: mainFlow, got: replace("70", "71")})...).add(good(otherFlow, 1)...)
	var j Judge
	j.Add(s.Case)
	r := j.Report()
	got := map[string]Verdict{}
	for _, p := range r.Paths {
		got[p.Path.String()] = p.Outbound
	}
	want := map[string]Verdict{
		"sip/udp/5060 from 5060": Altered, "sip/udp/5060 from ephemeral": Clean, "sip/udp/15060 from 5060": Clean,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if len(r.Triggers) != 1 || !strings.Contains(r.Triggers[0], "it is the port that sets the box off") {
		t.Errorf("triggers %q", r.Triggers)
	}
}

func TestJudgeIncremental(t *testing.T) {
	change := message{flow: mainFlow, got: replace("70", "71")}
	other := message{flow: mainFlow, got: replace("Contact: <sip:alice@10.0.0.9", "Contact: <sip:alice@198.51.100.2")}
	var j Judge
	if f := j.Add(newScene().add(around(change, change)...).Case); len(f) != 1 || f[0].Count != 2 {
		t.Errorf("first case: %+v", f)
	}
	if f := j.Add(newScene().add(around(change)...).Case); len(f) != 0 {
		t.Errorf("nothing new: %+v", f)
	}
	if f := j.Add(newScene().add(around(change, other)...).Case); len(f) != 1 || f[0].Field != "contact[0].uri.host" {
		t.Errorf("one new: %+v", f)
	}
	for range 20 {
		j.Add(newScene().add(around(change)...).Case)
	}
	j.Add(newScene().add(around()...).Case)
	r := j.Report()
	if len(r.Findings) != 2 || len(r.Paths) != 2 || len(r.Triggers) != 1 || r.Paths[0].Outbound != Altered {
		t.Fatalf("%d findings, %d paths, triggers %q", len(r.Findings), len(r.Paths), r.Triggers)
	}
	for _, f := range r.Findings {
		if f.Field == "max-forwards" && (f.Count != 24 || len(f.Marks) != maxMarks) {
			t.Errorf("count %d, %d marks", f.Count, len(f.Marks))
		}
	}
	// A report is a copy: what is judged later does not change it.
	before := fmt.Sprint(r.Paths, r.Findings)
	j.Add(newScene().add(message{flow: mainFlow, tries: 11, lost: 11}).Case)
	if after := fmt.Sprint(r.Paths, r.Findings); after != before {
		t.Error("the report changed")
	}
}

// Two changes of one field in one message are one message.
func TestCountMessages(t *testing.T) {
	s := newScene().add(message{flow: mainFlow, got: func(b []byte) []byte {
		b = bytes.Replace(b, []byte("UDP 10"), []byte("UDP  10"), 1)
		return bytes.Replace(b, []byte(";rport"), []byte("; rport"), 1)
	}})
	var j Judge
	f := j.Add(s.Case)
	if len(f) != 1 || f[0].Count != 1 || len(f[0].Marks) != 2 {
		t.Errorf("%+v", f)
	}
}

// However many fields somebody changes, what is kept of it is bounded, and said to be.
func TestFindingsAreBounded(t *testing.T) {
	many := func(b []byte) []byte {
		var more []byte
		for i := range 10000 {
			more = fmt.Appendf(more, "X-%d: 1\r\n", i)
		}
		return bytes.Replace(b, []byte("Max-Forwards:"), append(more, "Max-Forwards:"...), 1)
	}
	var j Judge
	j.Add(newScene().add(around(message{flow: mainFlow, got: many})...).Case)
	r := j.Report()
	if n := len(r.Findings); n <= maxFindings || n > maxFindings+10 {
		t.Errorf("%d findings", n)
	}
	if len(r.Network.Notes) != 1 || !strings.Contains(r.Network.Notes[0], "2048 different findings are kept apart; what else was found, 79") {
		t.Errorf("%q", r.Network.Notes)
	}
	if r.Verdict != OverallInterference {
		t.Error(r.Verdict)
	}
}
