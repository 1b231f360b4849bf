package alg

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nofixup/sip"
)

// Judge turns evidence into findings and verdicts, case by case: what it keeps grows with the number of different findings
// and paths, not with the number of messages. The zero value is ready.
type Judge struct {
	paths    []PathResult // each path once
	findings []*Finding
	index    map[findingKey]*Finding
	causes   []cause                  // at most one for each port, transport and address family
	passed   map[Path]map[string]bool // names of steps of which nothing was altered
	partial  map[findingKey][]string  // steps in which a call was rewritten but for the address of its media
	played   []Trial                  // of media
	bindings []Trial
	sizes    map[Path]sizes    // of requests over UDP, by path of SIP
	udpLoss  map[int]float64   // of SIP on its way in, by address family
	left     map[string]string // by call, the ID of the finding that the address of its media was not rewritten as the rest was
	bench    comparison        // of one message at a time
	joined   int               // how often something was found that another finding had to take in
}

// maxFindings is how many findings are kept apart. One message can differ in tens of thousands of fields, which nobody reads: those
// beyond the bound are counted in one finding for each rule, path and direction.
const maxFindings = 2048

type findingKey struct {
	id      string
	path    Path
	dir     Direction
	message string
	field   string
}

func (j *Judge) ready() {
	if j.index != nil {
		return
	}
	j.index = map[findingKey]*Finding{}
	j.passed = map[Path]map[string]bool{}
	j.partial = map[findingKey][]string{}
	j.sizes = map[Path]sizes{}
	j.udpLoss = map[int]float64{}
	j.left = map[string]string{}
}

// Add judges one case and returns the findings that it brought for the first time.
func (j *Judge) Add(c Case) []Finding {
	j.ready()
	c.Trials = slices.DeleteFunc(slices.Clone(c.Trials), func(t Trial) bool {
		if t.Binding != nil {
			j.bindings = append(j.bindings, t)
		}
		if t.Media != nil {
			j.played = append(j.played, t) // judged when all is known: see mediaJudge
		}
		return t.Media != nil
	})
	if len(c.Flows)+len(c.Pairs)+len(c.Trials) == 0 {
		return nil
	}
	before := len(j.findings)
	one := &caseJudge{Judge: j, c: &c}
	results, steps := one.judge()
	slices.SortStableFunc(results, func(a, b PathResult) int { return comparePaths(a.Path, b.Path) })
	for _, r := range results {
		j.merge(r)
	}
	j.addCauses(causes(results, steps, one.traces))
	for _, s := range steps {
		if s.delivered > 0 && !s.changed {
			if j.passed[s.path] == nil {
				j.passed[s.path] = map[string]bool{}
			}
			j.passed[s.path][s.name] = true
		}
	}
	var fresh []Finding
	for _, f := range j.findings[before:] {
		fresh = append(fresh, *f)
	}
	return fresh
}

// merge adds a result to what other cases showed of the same path: the worst of them holds.
func (j *Judge) merge(r PathResult) {
	i := slices.IndexFunc(j.paths, func(p PathResult) bool { return p.Path == r.Path })
	if i < 0 {
		j.paths = append(j.paths, r)
		return
	}
	p := &j.paths[i]
	if reason := r.Reason; reason != "" && !strings.Contains(p.Reason, reason) {
		switch worse := p.Outbound.Worse(r.Outbound) != p.Outbound || p.Inbound.Worse(r.Inbound) != p.Inbound; {
		case p.Reason == "", worse:
			p.Reason = reason
		}
	}
	p.Outbound, p.Inbound = p.Outbound.Worse(r.Outbound), p.Inbound.Worse(r.Inbound)
}

// Report returns what was judged so far. The caller adds what it alone knows: tool, version, times, network, evidence.
func (j *Judge) Report() *Report {
	r := &Report{Schema: Schema, Tool: "nofixup", Paths: slices.Clone(j.paths), Triggers: j.triggers()}
	for _, f := range j.findings {
		r.Findings = append(r.Findings, *f)
	}
	j.media(r)
	if j.joined > 0 {
		r.Network.Notes = append(r.Network.Notes, fmt.Sprintf("%d different findings are kept apart; what else was found, %d times, is counted in those without a field", maxFindings, j.joined))
	}
	r.Verdict = overall(r.Paths)
	r.normalise()
	return r
}

// overall is interference if any path is, clean if every path is, else inconclusive. A control path that could not be
// tested is reported and takes nothing from the others.
func overall(paths []PathResult) Overall {
	verdict, asked := OverallClean, 0
	for _, p := range paths {
		worst := p.Outbound.Worse(p.Inbound)
		switch {
		case p.Control && worst != Altered:
			continue
		case worst.Interference():
			return OverallInterference
		case worst != Clean:
			verdict = OverallInconclusive
		}
		asked++
	}
	if asked == 0 {
		return OverallInconclusive
	}
	return verdict
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// caseJudge judges one case.
type caseJudge struct {
	*Judge
	c     *Case
	flows map[int]*Flow
	all   []*step
	loss  map[bool]float64 // by Pair.Outbound, measured on the control flows
	seen  map[bool]bool    // something arrived there: loss is a measure

	control map[side]bool // the control flows that were tried, and whether anything arrived there

	counted map[*Finding]*Pair      // the last message that a finding counts
	proxies map[int]map[string]bool // by flow, see exchange
	proxied map[Path]bool           // where a SIP proxy forwards messages
	traces  map[Path]trace          // by which alone a path is inspected
}

// side is a path in one direction.
type side struct {
	path     Path
	outbound bool
}

// step is one planned message and all its tries.
type step struct {
	side
	name, shape string
	trait       string
	breaks      string
	tries       []*Pair
	delivered   int
	lost        int     // not delivered although the receiving point would have seen it
	unknown     int     // not delivered, and nobody can tell
	behind      []*step // for each try that is unknown since it waited on its connection behind one that was lost: that one
	changed     bool
	redirected  bool // delivered to another socket
}

func (j *caseJudge) judge() ([]PathResult, []*step) {
	j.flows, j.counted = map[int]*Flow{}, map[*Finding]*Pair{}
	j.proxies, j.proxied, j.traces = map[int]map[string]bool{}, map[Path]bool{}, map[Path]trace{}
	var paths []Path
	known := map[Path]bool{}
	add := func(p Path) {
		if !known[p] {
			known[p] = true
			paths = append(paths, p)
		}
	}
	for i := range j.c.Flows {
		f := &j.c.Flows[i]
		j.flows[f.ID] = f
		add(f.Path)
	}
	for i := range j.c.Trials {
		add(j.c.Trials[i].Path)
	}
	j.findProxies()
	steps := j.steps()
	j.all = steps
	j.measureLoss(steps)
	j.judgeSplits(steps)
	j.keepSizes(steps)

	var results []PathResult
	for _, p := range paths {
		r := PathResult{Path: p}
		var reasons []string
		var out, in string
		r.Outbound, out = j.verdict(side{p, true}, steps)
		r.Inbound, in = j.verdict(side{p, false}, steps)
		if why := j.noH245(p); why != "" && !r.Outbound.Interference() {
			r.Outbound, out = Blocked, why
		}
		j.largeDatagrams(p)
		if why := j.banned(p); why != "" {
			r.Outbound = r.Outbound.Worse(Inspected)
			if out != "" {
				why += "; before that: " + out
			}
			out = why
		}
		reasons = appendReason(reasons, Outbound, out)
		reasons = appendReason(reasons, Inbound, in)
		why := j.interception(p)
		if tcp := j.tcpInterception(p); why == "" {
			why = tcp
		}
		if why != "" {
			// What else happens then is that somebody's doing.
			r.Outbound, r.Inbound = Intercepted, Intercepted
			r.Reason = strings.Join(append([]string{why}, reasons...), "; ")
			results = append(results, r)
			continue
		}
		inspected := func(why string, t trace) {
			if why != "" && !r.Outbound.Interference() {
				r.Outbound, j.traces[p] = Inspected, t
			}
			reasons = appendReason(reasons, Outbound, why)
		}
		inspected(j.pinhole(p))
		inspected(j.binding(p))
		// Doubt makes a clean side untested; it takes nothing from interference that was seen.
		if doubt, nothing := j.doubt(p, steps); doubt != "" {
			if nothing {
				reasons = nil // that nothing was sent follows from it
			}
			if nothing || r.Outbound == Clean || r.Inbound == Clean {
				reasons = append(reasons, doubt)
			}
			if r.Outbound == Clean {
				r.Outbound = Untested
			}
			if r.Inbound == Clean {
				r.Inbound = Untested
			}
		}
		r.Reason = strings.Join(reasons, "; ")
		results = append(results, r)
	}
	return results, steps
}

func appendReason(reasons []string, d Direction, why string) []string {
	if why == "" {
		return reasons
	}
	return append(reasons, string(d)+": "+why)
}

// steps gathers the tries of every step, compares what was delivered and reports the changes.
func (j *caseJudge) steps() []*step {
	type key struct {
		side
		name, shape string
	}
	type stream struct {
		flow     int
		outbound bool
	}
	stalled := map[stream]*step{}
	var out []*step
	index := map[key]*step{}
	for i := range j.c.Pairs {
		p := &j.c.Pairs[i]
		flow, ok := j.flows[p.Flow]
		if !ok {
			continue
		}
		if j.lostToBan(p, flow.Path) {
			continue
		}
		if p.Delivered() && j.answered(p, flow) {
			continue // it says nothing of what the far end sends
		}
		k := key{side{flow.Path, p.Outbound}, p.Step, p.Shape}
		s := index[k]
		if s == nil {
			s = &step{side: k.side, name: p.Step, shape: p.Shape, trait: p.Trait, breaks: p.Breaks}
			index[k] = s
			out = append(out, s)
		}
		s.tries = append(s.tries, p)
		sent, _ := p.ends()
		switch {
		case p.Delivered():
			s.delivered++
			j.delayed(p, flow)
			if j.changes(p, flow) {
				s.changed = true
			}
			if j.redirected(p, flow) {
				s.redirected = true
			}
		case stalled[stream{p.Flow, p.Outbound}] != nil:
			s.unknown++
			s.behind = append(s.behind, stalled[stream{p.Flow, p.Outbound}])
		case sent != nil && j.receiver(p.Outbound).covers(sent.At):
			s.lost++
			if flow.Path.Transport != "udp" {
				stalled[stream{p.Flow, p.Outbound}] = s // what follows on the same connection waits behind it
			}
		default:
			s.unknown++
		}
	}
	return out
}

// receiver is the vantage point where a message of that direction should have shown up.
func (j *caseJudge) receiver(outbound bool) *Point {
	if outbound {
		return j.c.point(Outside)
	}
	return j.c.point(Inside)
}

// changes reports what differs in a delivered pair, and whether any of it is interference.
func (j *caseJudge) changes(p *Pair, flow *Flow) bool {
	if sent, got := p.ends(); bytes.Equal(sent.Raw, got.Raw) {
		return false // nearly every message: not worth parsing
	}
	x := j.exchange(p, flow)
	rules := rulesFor(x.proto)
	x.proxies = j.proxies[flow.ID]
	interference := false
	for i := range x.changes {
		c := &x.changes[i]
		rule := claim(rules, x, c)
		j.report(rule, x, flow, c)
		interference = interference || !rule.Benign
	}
	for i := range rules {
		rule := &rules[i]
		if rule.message == nil {
			continue
		}
		if c, ok := rule.message(x); ok {
			j.report(rule, x, flow, &c)
			interference = interference || !rule.Benign
		}
	}
	return interference
}

// report adds a change to the finding that it belongs to.
func (j *caseJudge) report(rule *Rule, x *exchange, flow *Flow, c *Change) {
	f, fresh := j.finding(rule, flow.Path, directionOf(x.pair.Outbound), x.name(), c.Field)
	if fresh {
		f.Kind, f.Shape, f.Call = c.Kind, x.pair.Shape, flow.Call
		f.Sent, f.Got = bytes.Clone(c.Sent), bytes.Clone(c.Got)
	}
	if slices.Contains(leavesMedia, rule.ID) {
		key := findingKey{rule.ID, flow.Path, f.Direction, f.Message, f.Field}
		j.partial[key] = appendNew(j.partial[key], x.pair.Step)
		if flow.Call != "" && j.c.captured() {
			j.left[flow.Call] = rule.ID
		}
	}
	if j.counted[f] != x.pair {
		j.counted[f] = x.pair
		f.Count++
	}
	sent, got := x.pair.ends()
	if len(f.Marks) < maxMarks {
		f.Marks = append(f.Marks, Mark{
			Pair:    x.pair.ID,
			SentOff: c.SentOff, SentEnd: c.SentOff + len(c.Sent),
			GotOff: c.GotOff, GotEnd: c.GotOff + len(c.Got),
		})
		f.Frames = append(append(f.Frames, sent.Frames...), got.Frames...)
	}
}

func (j *caseJudge) finding(rule *Rule, path Path, dir Direction, message, field string) (f *Finding, fresh bool) {
	key := findingKey{rule.ID, path, dir, message, field}
	if f := j.index[key]; f != nil {
		return f, false
	}
	if len(j.findings) >= maxFindings {
		j.joined++
		message, field = "", ""
		key.message, key.field = message, field
		if f := j.index[key]; f != nil {
			return f, false
		}
	}
	f = &Finding{
		ID: rule.ID, Severity: rule.Severity,
		Proto: path.Proto, Transport: path.Transport, Family: path.Family, Port: path.Port, SourcePort: path.SourcePort,
		Direction: dir, Message: message, Field: field,
		Summary: rule.Summary, Symptom: rule.Symptom, Advice: rule.advice(path.Proto),
	}
	j.index[key] = f
	j.findings = append(j.findings, f)
	return f, true
}

// messageName is what a message is called in a finding: its method, or the status and the method that it answers.
func messageName(m *sip.Message) string {
	const most = 40 // octets: what is longer is no name
	if method := m.Method(); m.IsRequest() {
		return string(method[:min(len(method), most)])
	}
	if m.Status() == 0 {
		return "datagram"
	}
	name := strconv.Itoa(m.Status())
	if _, method, ok := bytes.Cut(m.Value(sip.HeaderCSeq, 0), []byte(" ")); ok {
		method = bytes.TrimSpace(method)
		name += " " + string(method[:min(len(method), most)])
	}
	return name
}

// doubt is why a path on which nothing was seen to happen is not clean all the same, "" if there is no reason. nothing says
// that no message was sent.
func (j *caseJudge) doubt(p Path, steps []*step) (why string, nothing bool) {
	nothing = !slices.ContainsFunc(steps, func(s *step) bool { return s.path == p })
	for _, t := range j.c.Trials {
		// That connecting failed has a verdict of its own.
		if t.Path == p && t.Outcome == OutcomeFailed && !t.judged() {
			return cmp.Or(t.Detail, t.Kind+" failed"), nothing
		}
	}
	switch {
	case nothing:
		return "", true
	case j.c.CutShort:
		return "the run was cut short", false
	case slices.ContainsFunc(j.c.Trials, func(t Trial) bool { return t.Path == p && t.TLS != nil && t.Outcome == OutcomeOK && !t.TLS.telling() }):
		return "the reflector does not say which certificate is its own", false
	case !p.Control && !j.c.captured() && j.hidden(p, steps):
		return "a second NAT could hide a gateway: only the local address was tested", false
	}
	return "", false
}

// hidden reports that a second NAT could hide an application gateway from this path: there is a NAT, and nothing but
// messages with the local address passed. A gateway behind a second NAT leaves those alone.
func (j *caseJudge) hidden(p Path, steps []*step) bool {
	nat := false
	for _, f := range j.flows {
		nat = nat || f.Path == p && f.Translated()
	}
	if !nat {
		return false
	}
	for _, s := range steps {
		if s.path == p && s.delivered > 0 && s.unhides() {
			return false
		}
	}
	return true
}

// nameOf is what the message in raw is called in a finding.
func nameOf(proto string, raw []byte) string {
	if proto != ProtoSIP {
		return h323Name(proto, raw)
	}
	m := sip.Parse(raw)
	return messageName(&m)
}

// name is what the message is called in a finding.
func (x *exchange) name() string {
	sent, got := x.pair.ends()
	if x.proto == ProtoSIP {
		if len(sent.Raw) == 0 {
			return messageName(&x.got)
		}
		return messageName(&x.sent)
	}
	if len(sent.Raw) == 0 { // somebody else sent it
		return h323Name(x.proto, got.Raw)
	}
	return h323Name(x.proto, sent.Raw)
}

// unhides reports whether a step that was delivered would have shown a gateway that does not see the client's own address.
func (s *step) unhides() bool {
	switch s.path.Proto {
	case ProtoH323:
		// The Setup with which the client is called names its address as the far end sees it.
		return !s.outbound && s.name == StepCalledSetup || strings.HasPrefix(s.shape, "via ")
	case ProtoRAS:
		return true // nothing in RAS does: whoever gathers the evidence must tell
	}
	return s.shape != ShapeLocal && (!s.outbound || s.shape == ShapeNone)
}

func startLine(raw []byte) []byte {
	line, _, _ := bytes.Cut(bytes.TrimLeft(raw, "\r\n"), []byte("\n"))
	return bytes.Clone(bytes.TrimRight(line, "\r"))
}
