package probe

import (
	"context"
	"strings"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// stepBrokenAnswers are answers of the called side that break the rules: a gateway that follows calls can make nothing of
// them. One request of the reflector is enough for all, since an answer is no transaction of its own.
const stepBrokenAnswers = "broken-answer"

var brokenAnswers = []struct {
	name  string
	spoil func(answer string) string
}{
	{"no-cseq", func(answer string) string {
		return string(without([]byte(answer), "CSeq"))
	}},
	{"bad-cseq", func(answer string) string {
		return strings.Replace(answer, "\r\nCSeq: ", "\r\nCSeq: x", 1)
	}},
	{"bad-status", func(answer string) string {
		return strings.Replace(answer, "SIP/2.0 200 ", "SIP/2.0 OK ", 1)
	}},
}

// answerBadly has the reflector send a request and answers it, once as it should be and then badly.
func (r *runner) answerBadly(ctx context.Context, l *link, s Step, try int) {
	own, ok := r.own(l, s.Shape)
	hello := r.invite(ctx, l, r.bracket(s.Flow), try)
	if hello == nil || !ok {
		return
	}
	var got *sighting
	if !r.insist(ctx, l, try, func(try int) bool {
		a := r.ask(ctx, l, s.part("options"), try, wire.Action{Action: wire.ActionRequest, Method: "OPTIONS", To: hello.there.seq})
		if a == nil {
			return false
		}
		got = a.in
		return true
	}) {
		return
	}
	request := sip.Parse(got.raw)
	for _, b := range brokenAnswers {
		step := s.part(b.name)
		step.Breaks = breaksOf(step.Name)
		r.insist(ctx, l, try, func(try int) bool {
			t := r.template(l, own, step)
			m := &sent{number: t.tag.Number, link: l, step: step, try: try, raw: []byte(b.spoil(string(t.respond(200, &request))))}
			r.transmit(m)
			return r.ledger.wait(ctx, r.patience(l.Path.Transport), func() bool { return m.there != nil })
		})
	}
	// What breaks the rules stands between two messages that do not.
	r.post(ctx, l.flow, r.bracket(s.Flow), try)
}

// brokenAnswerNames are the messages of the step.
func brokenAnswerNames() []string {
	names := []string{stepBrokenAnswers + "-options", stepBrokenAnswers + "-options-200"}
	for _, b := range brokenAnswers {
		names = append(names, stepBrokenAnswers+"-"+b.name)
	}
	return names
}

// answersBadly reports whether a flow is one for broken answers. Over TCP each that is dropped would take its connection with it.
func (f *PlannedFlow) answersBadly() bool {
	return f.Path.Transport == "udp" && !f.Brief && f.Path.Proto == alg.ProtoSIP
}
