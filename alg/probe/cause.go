package probe

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// variant is an INVITE by what each of its places holds. The address of none is a host name, that of SDP leaves the body out.
type variant struct {
	via, from, contact, sdp, other string
}

// Host names that stand where no address shall: RFC 2606 keeps them from ever being anybody's.
const namedHost = "phone.example.net"

// causeSteps are the variants that tell by what a box goes.
var causeSteps = []string{
	alg.StepCauseVia, alg.StepCauseFrom, alg.StepCauseContact, alg.StepCauseSDP, alg.StepCauseOther, alg.StepCausePort,
	alg.StepCauseNames, alg.StepCausePrivate, alg.StepCausePublic, alg.StepCauseNoSIP,
}

// isCause reports whether a step is one of them.
func isCause(step string) bool { return slices.Contains(causeSteps, step) }

// causeTries bounds the tries of a variant: it proves by what is done to it, not by getting lost, and most of it is lost only
// where a box drops it.
const causeTries = 3

// cause composes a variant.
func (t *template) cause(step string) []byte {
	own, v6 := host(t.own.Addr()), t.own.Addr().Is6()
	port := strconv.Itoa(int(t.own.Port()))
	named := variant{via: namedHost + ":" + port, from: namedHost, contact: namedHost + ":" + port}
	everywhere := func(via, contact, sdp string) variant {
		return variant{via: via + ":" + port, from: via, contact: contact + ":" + port, sdp: strings.Trim(sdp, "[]"), other: contact}
	}
	v := named
	switch step {
	case alg.StepCauseVia:
		v.via = own + ":" + port
	case alg.StepCauseFrom:
		// Without a port it would stand for 5060 (RFC 3261 19.1.2).
		v.from = own + ":" + port
	case alg.StepCauseContact:
		v.contact = own + ":" + port
	case alg.StepCauseSDP:
		v.sdp = t.own.Addr().String()
	case alg.StepCauseOther:
		v.other = own + ":" + port
	case alg.StepCausePort:
		v.contact = own + ":" + strconv.Itoa(int(t.media))
	case alg.StepCausePrivate:
		a := alg.CausePrivate(v6)
		v = everywhere(host(a[0]), host(a[1]), host(a[2]))
	case alg.StepCausePublic:
		public := host(alg.CausePublic(v6))
		v = everywhere(public, public, public)
	case alg.StepCauseNoSIP:
		return []byte(t.agent + " " + t.tag.String() + " " + own + ":" + port + "\r\n")
	}
	return t.invitation(v)
}

// invitation is the INVITE of a variant.
func (t *template) invitation(v variant) []byte {
	fields := []sip.Field{
		{Name: "Via", Value: fmt.Sprintf("SIP/2.0/%s %s;branch=z9hG4bK%s;rport", t.protocol(), v.via, t.tag)},
		{Name: "From", Value: fmt.Sprintf("<sip:nofixup@%s>;tag=%s", v.from, t.fromTag())},
		{Name: "To", Value: "<" + t.user() + ">"},
		{Name: "Call-ID", Value: t.tag.String() + "@" + namedHost},
		{Name: "CSeq", Value: "1 INVITE"},
		{Name: "Contact", Value: fmt.Sprintf("<sip:nofixup@%s>", v.contact)},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "User-Agent", Value: t.agent},
	}
	if v.other != "" {
		fields = append(fields, sip.Field{Name: "X-Canary", Value: v.other}, sip.Field{Name: "Subject", Value: v.other})
	}
	var body []byte
	if v.sdp != "" {
		address := "IN " + t.family() + " " + v.sdp
		body = t.sdp(address, address, t.audio(t.media))
		fields = append(fields, sip.Field{Name: "Content-Type", Value: "application/sdp"})
	}
	fields = append(fields, sip.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
	return sip.Compose(nil, "INVITE "+t.user()+" SIP/2.0", fields, body)
}

// findCause sends what tells by what a box goes, where something was found to be altered or dropped.
func (r *runner) findCause(ctx context.Context) {
	if !r.cfg.Plan.Thorough || ctx.Err() != nil {
		return
	}
	r.lastReceipts(ctx) // what was dropped shows only in what is missing from a complete list
	report := r.judge(r.evidence()).Report()
	steps := append(r.variants(report), r.lesser(report)...)
	if len(steps) == 0 {
		return
	}
	r.total += len(steps)
	r.round(ctx, Round{Name: "cause", Steps: steps})
}

// variants are the steps for every port on which messages are altered on their way out: from one source port, an ephemeral one
// where messages from that are altered, too.
func (r *runner) variants(report *alg.Report) (steps []Step) {
	for _, p := range slices.Backward(report.Paths) { // ephemeral source ports come last
		if p.Outbound != alg.Altered || p.Speaks() != alg.ProtoSIP || p.Transport == "tls" {
			continue
		}
		i := slices.IndexFunc(r.plan.Flows, func(f PlannedFlow) bool { return f.Path == p.Path })
		if i < 0 || r.flows[i] == nil || slices.ContainsFunc(steps, func(s Step) bool { return samePort(r.plan.Flows[s.Flow].Path, p.Path) }) {
			continue
		}
		for _, name := range causeSteps {
			if name != alg.StepCauseNoSIP || p.Transport == "udp" {
				steps = append(steps, Step{Flow: i, Name: name, Shape: alg.ShapeLocal, Role: alg.RoleCause})
			}
		}
	}
	return steps
}

// samePort reports that two paths differ in nothing but the source port.
func samePort(a, b alg.Path) bool {
	a.SourcePort, b.SourcePort = alg.Ephemeral, alg.Ephemeral
	return a == b
}

// maxLesser bounds the variants of messages that are dropped.
const maxLesser = 120

// lesser are messages that were dropped, with one line left out each: one that gets through tells which line the box minds.
// A line that RFC 3261 or RFC 8866 demands is left in, since without it a message may be dropped for that.
func (r *runner) lesser(report *alg.Report) (steps []Step) {
	done := map[string]bool{}
	for _, f := range report.Findings {
		o, ok := oddOf(f.Field)
		if f.ID != alg.RuleMessageDropped || !ok || f.Direction != alg.Outbound || f.Transport != "udp" || done[f.Field] {
			continue
		}
		i := slices.IndexFunc(r.plan.Flows, func(p PlannedFlow) bool { return p.Path == f.Path() })
		if i < 0 || r.flows[i] == nil || r.flows[i].udp == nil {
			continue
		}
		done[f.Field] = true
		// Composed only to be read: the lines of a message are the same every time.
		t := template{
			tag: wire.Tag{Token: r.session.Grant.Token}, own: r.flows[i].udp.local(), server: r.plan.Flows[i].Target.Addr(),
			transport: "udp", agent: "nofixup", media: firstMediaPort,
		}
		for n, line := range omissible(o.compose(&t)) {
			if line != "" && len(steps) < maxLesser {
				steps = append(steps, Step{
					Flow: i, Name: o.name + "-" + strconv.Itoa(n+1), Shape: alg.ShapeLocal, Role: alg.RoleCause, Trait: alg.TraitWithout + line,
				})
			}
		}
	}
	return steps
}

// omissible lists the lines of a message, those that must stay as empty strings.
func omissible(raw []byte) (lines []string) {
	header := true
	for line := range bytes.Lines(raw) {
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			header = false
		}
		name, _, _ := strings.Cut(text, ":")
		optional := header && slices.Contains([]string{"User-Agent", "X-Canary", "Accept", "Event", "Subject"}, name) ||
			!header && (strings.HasPrefix(text, "a=") || strings.HasPrefix(text, "m="))
		if !optional {
			text = ""
		}
		lines = append(lines, excerpt(text))
	}
	return lines
}

// excerpt is the first word of a line: what follows in it differs from try to try.
func excerpt(line string) string {
	const most = 40
	word, _, _ := strings.Cut(line, " ")
	return word[:min(len(word), most)]
}

// lessOf splits the name of such a step into the odd message and the number of the line that is left out.
func lessOf(step string) (o odd, line int, ok bool) {
	i := strings.LastIndexByte(step, '-')
	if i < 0 {
		return odd{}, 0, false
	}
	line, err := strconv.Atoi(step[i+1:])
	if err != nil || line < 1 {
		return odd{}, 0, false
	}
	o, ok = oddOf(step[:i])
	return o, line, ok
}

// withoutLine leaves a line out, counted from 1, and makes Content-Length fit again.
func withoutLine(raw []byte, number int) []byte {
	var out []byte
	n := 0
	for line := range bytes.Lines(raw) {
		if n++; n != number {
			out = append(out, line...)
		}
	}
	m := sip.Parse(out)
	if span, ok := m.Find("content-length"); ok {
		out = slices.Concat(out[:span.Off], []byte(strconv.Itoa(len(m.Body()))), out[span.End:])
	}
	return out
}
