package probe

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// Scripts: steps of several messages that follow from each other.
const (
	stepCall   = "call"     // a call from here: the reflector answers when it is asked to
	stepCancel = "given-up" // a call from here that is cancelled
	stepCalled = "called"   // a call to here, and what else a server sends of its own accord
)

// messages returns the names that the messages of a step bear in the evidence, those that only answer left out.
func (s Step) messages(proto string) []string {
	if !s.Script {
		return []string{s.Name}
	}
	if names, ok := callMessages[s.Name]; ok && proto == alg.ProtoH323 {
		return names
	}
	if f, ok := framingOf(s.Name); ok {
		return f.messages()
	}
	var names []string
	switch s.Name {
	case stepCall:
		names = []string{stepCall}
		for _, status := range callResponses {
			names = append(names, stepCall+"-"+strconv.Itoa(status))
		}
		names = append(names, stepCall+"-ack")
		for _, m := range inCall {
			names = append(names, stepCall+"-"+m.name)
		}
	case stepViaPort:
		names = []string{stepViaPort}
	case stepPinhole:
		names = []string{stepPinhole, stepPinhole + "-486", stepPinhole + "-ack"}
	case stepBrokenAnswers:
		names = brokenAnswerNames()
	case stepLive:
		names = liveMessages
	case stepCancel:
		names = []string{stepCancel, stepCancel + "-cancel"}
	case stepCalled:
		for _, c := range calledRequests {
			names = append(names, stepCalled+"-"+c.name)
			for _, status := range c.statuses {
				names = append(names, stepCalled+"-"+c.name+"-"+strconv.Itoa(status))
			}
		}
	}
	return names
}

// callResponses are what the reflector answers to a call from here, in this order.
var callResponses = []int{100, 180, 183, 200}

type inCallRequest struct{ name, method string }

// inCall are the requests within a call from here.
var inCall = []inCallRequest{
	{"hold", "INVITE"}, {"resume", "INVITE"}, {"update", "UPDATE"}, {"info", "INFO"}, {"prack", "PRACK"}, {"refer", "REFER"}, {"bye", "BYE"},
}

// calledRequests are what the reflector sends, in this order, and what is answered to it.
var calledRequests = []struct {
	name     string
	action   wire.Action
	statuses []int
}{
	{"options", wire.Action{Method: "OPTIONS"}, []int{200}},
	{"notify", wire.Action{Method: "NOTIFY"}, []int{200}},
	{"message", wire.Action{Method: "MESSAGE"}, []int{200}},
	{"invite", wire.Action{Method: "INVITE", SDP: true, CSeq: 1}, []int{180, 200}},
	{"ack", wire.Action{Method: "ACK", Dialog: true, CSeq: 1}, nil},
	{"hold", wire.Action{Method: "INVITE", SDP: true, Dialog: true, CSeq: 2}, []int{200}},
	{"hold-ack", wire.Action{Method: "ACK", Dialog: true, CSeq: 2}, nil},
	{"bye", wire.Action{Method: "BYE", Dialog: true, CSeq: 3}, []int{200}},
}

// script works through a step of several messages, until one of them does not get through.
func (r *runner) script(ctx context.Context, l *link, s Step, try int) {
	if f, ok := framingOf(s.Name); ok {
		if own, ok := r.own(l, s.Shape); ok {
			r.framed(ctx, l, f, s, try, own)
		}
		return
	}
	switch s.Name {
	case stepCall:
		r.call(ctx, l, s, try)
	case stepLive:
		r.live(ctx, l, s, try)
	case stepCancel:
		r.giveUp(ctx, l, s, try)
	case stepCalled:
		r.beCalled(ctx, l, s, try)
	case stepViaPort:
		r.askElsewhere(ctx, l, s, try)
	case stepBrokenAnswers:
		r.answerBadly(ctx, l, s, try)
	case stepPinhole:
		r.pinhole(ctx, l, s, try)
	}
}

// part is a message of a script, as a step of its own.
func (s Step) part(name string) Step {
	return Step{Flow: s.Flow, Name: s.Name + "-" + name, Shape: s.Shape, Role: s.Role}
}

// insist repeats one message of a script over UDP until it gets through or its loss proves a drop; each try is a new message.
// Over TCP the system repeats what is lost, and a connection that is stalled is not mended by trying again: there the whole
// script is repeated over another one.
func (r *runner) insist(ctx context.Context, l *link, first int, send func(try int) bool) bool {
	for try := first; ; try++ {
		if send(try) {
			return true
		}
		if l.socket == nil || ctx.Err() != nil || r.spent() {
			return false
		}
		tallies := r.tallies()
		need := r.need(tallies, l.flow)
		_, noAnswers := tallies[l.flow].closed(need, r.connects(tallies, l.flow))
		if noAnswers || try-first+1 >= min(need, maxTries) {
			return false
		}
		// What else goes this way tells a drop from a line that is dead.
		r.one(ctx, l, r.bracket(slices.Index(r.flows, l.flow)), try)
	}
}

// invite sends the INVITE of a script, and returns it once the reflector has it; nil if it does not get there.
func (r *runner) invite(ctx context.Context, l *link, s Step, try int) *sent {
	s.Script = false
	var m *sent
	if !r.insist(ctx, l, try, func(try int) bool {
		m = r.one(ctx, l, s, try)
		return m != nil && r.ledger.wait(ctx, r.patience(l.Path.Transport), func() bool { return m.there != nil })
	}) {
		return nil
	}
	return m
}

// giveUp makes a call that nobody answers, and cancels it.
func (r *runner) giveUp(ctx context.Context, l *link, s Step, try int) {
	invite := r.invite(ctx, l, s, try)
	own, ok := r.own(l, s.Shape)
	if invite == nil || !ok {
		return
	}
	request := sip.Parse(invite.raw)
	r.insist(ctx, l, try, func(try int) bool {
		t := r.template(l, own, s.part("cancel"))
		m := &sent{number: t.tag.Number, link: l, step: s.part("cancel"), try: try, raw: t.cancel(&request)}
		r.transmit(m)
		return r.ledger.wait(ctx, r.patience(l.Path.Transport), m.settled)
	})
}

// call makes a call: INVITE, 100, 180, 183, 200, ACK, and requests within it.
func (r *runner) call(ctx context.Context, l *link, s Step, try int) {
	invite := r.invite(ctx, l, s, try)
	own, ok := r.own(l, s.Shape)
	if invite == nil || !ok {
		return
	}
	var response *sighting
	for _, status := range callResponses {
		action := wire.Action{
			Action: wire.ActionRespond, To: invite.there.seq, Status: status, SDP: status == 183 || status == 200,
		}
		r.insist(ctx, l, try, func(try int) bool {
			a := r.ask(ctx, l, s.part(strconv.Itoa(status)), try, action)
			if a == nil {
				return false
			}
			response = a.in
			return true
		})
	}
	if response == nil || ctx.Err() != nil {
		return
	}
	request, answer := sip.Parse(invite.raw), sip.Parse(response.raw)
	if answer.Status() != 200 {
		return // the 200 did not arrive
	}
	for i, c := range append([]inCallRequest{{"ack", "ACK"}}, inCall...) {
		r.insist(ctx, l, try, func(try int) bool {
			t := r.template(l, own, s.part(c.name))
			m := &sent{number: t.tag.Number, link: l, step: s.part(c.name), try: try, invite: c.method == "INVITE"}
			if c.method == "INVITE" || c.method == "UPDATE" {
				t.media = r.ports.take(mediaPorts)
			}
			m.raw = t.inDialog(c.method, i+1, &request, &answer)
			r.transmit(m)
			return r.ledger.wait(ctx, r.patience(l.Path.Transport), m.settled)
		})
	}
}

// beCalled has the reflector call, and send what else a server sends of its own accord. Where to, a message of ours says.
func (r *runner) beCalled(ctx context.Context, l *link, s Step, try int) {
	hello := r.invite(ctx, l, Step{Flow: s.Flow, Name: stepBracket, Shape: s.Shape, Role: alg.RoleBracket}, try)
	if hello == nil {
		return
	}
	var dialog uint64
	for _, c := range calledRequests {
		action := c.action
		action.Action, action.To = wire.ActionRequest, hello.there.seq
		if action.Dialog {
			if action.To = dialog; dialog == 0 {
				return // there was no call
			}
		}
		r.insist(ctx, l, try, func(try int) bool {
			if r.ask(ctx, l, s.part(c.name), try, action) == nil {
				return false
			}
			for _, status := range c.statuses {
				step := s.part(c.name + "-" + strconv.Itoa(status))
				var got *sent
				if !r.ledger.wait(ctx, r.patience(l.Path.Transport), func() bool {
					got = r.ledger.last(l, step, try)
					return got != nil && got.there != nil
				}) {
					return false
				}
				if c.name == "invite" {
					dialog = got.there.seq
				}
			}
			return true
		})
	}
}

// ask makes the reflector send a message, and returns it once it has arrived; nil if it does not.
func (r *runner) ask(ctx context.Context, l *link, s Step, try int, action wire.Action) *asked {
	if r.spent() || ctx.Err() != nil {
		return nil
	}
	action.Number = r.nextNumber()
	a := &asked{number: action.Number, link: l, step: s, try: try}
	r.ledger.expect(a)
	if _, err := r.session.Act(ctx, action); err != nil {
		var status *wire.StatusError
		// That an address has not proven itself follows from answers that do not arrive, which the paths tell.
		if ctx.Err() == nil && !(errors.As(err, &status) && status.Code == http.StatusForbidden) {
			r.note("the reflector did not send " + s.Name + ": " + err.Error())
		}
		return nil
	}
	if !r.ledger.wait(ctx, r.patience(l.Path.Transport), func() bool { return a.in != nil }) {
		return nil
	}
	return a
}

// note adds a note to the report, once.
func (r *runner) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

// called takes a message that the reflector was asked to send: a request is answered as a phone does.
func (r *runner) called(a *asked, got *sighting) {
	request := sip.Parse(got.raw)
	if !request.IsRequest() || string(request.Method()) == "ACK" {
		return
	}
	statuses := []int{200}
	for _, c := range calledRequests {
		if a.step.Name == stepCalled+"-"+c.name {
			statuses = c.statuses
		}
	}
	own, ok := r.own(a.link, a.step.Shape)
	if !ok {
		return
	}
	for _, status := range statuses {
		step := a.step
		step.Name += "-" + strconv.Itoa(status)
		t := r.template(a.link, own, step)
		if status == 200 && string(request.Method()) == "INVITE" {
			t.media = r.ports.take(mediaPorts)
		}
		r.transmit(&sent{number: t.tag.Number, link: a.link, step: step, try: a.try, raw: t.respond(status, &request)})
	}
}

// due returns the names of the messages of a step that must be there. What the reflector does not offer takes nothing away unless it
// was asked for by name, as in [runner.offered].
func (r *runner) due(s Step) []string {
	names := s.messages(r.flows[s.Flow].plan.Path.Proto)
	if s.Name == stepSetupH245 && r.withoutH245() && !slices.Contains(r.cfg.Plan.Protos, alg.ProtoH323) {
		return names[:len(callMessages[stepSetup])] // those of H.245 come behind those of any call
	}
	return names
}

func (r *runner) withoutH245() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.noH245
}

// scriptDone reports whether every message of a script got through in some try. Both ends may have one of the same name, as
// with Facility: each has to arrive then.
func (r *runner) scriptDone(s Step, noAnswers bool) bool {
	due := r.due(s)
	type message struct {
		name    string
		inbound bool
	}
	through := map[message]bool{} // false: it was sent, and did not get through
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range r.ledger.order {
		if m.step.Flow == s.Flow && m.step.Shape == s.Shape {
			k := message{m.step.Name, false}
			through[k] = through[k] || m.there != nil && (m.reply == nil || m.answer != nil)
		}
	}
	for _, a := range r.ledger.requests {
		if a.step.Flow == s.Flow && a.step.Shape == s.Shape {
			k := message{a.step.Name, true}
			through[k] = through[k] || a.in != nil
		}
	}
	for _, name := range due {
		out, sent := through[message{name, false}]
		in, asked := through[message{name, true}]
		if !sent && !asked || sent && !out || asked && !in {
			return noAnswers // without anything on the way in a script ends early
		}
	}
	return true
}
