package probe

import (
	"context"
	"strings"
	"time"

	"nofixup/alg"
)

// stepViaPort is a request whose Via names another port than it was sent from. Its rport asks for the answer to come back to
// where it was sent from (RFC 3581 4); a gateway that takes the sender for a telephone which listens elsewhere delivers it to
// the port in the Via. It goes on doing so for as long as it remembers the two ends, so that the request has a source port
// to itself.
const stepViaPort = "via-port"

// askElsewhere sends such a request from a socket of its own, with the port of another one in its Via, and listens on both.
// A good message goes first from the other: a firewall on this computer then lets in what comes there.
func (r *runner) askElsewhere(ctx context.Context, l *link, s Step, try int) {
	from, named := r.ownSocket(ctx, l.flow, nil), r.ownSocket(ctx, l.flow, nil)
	if from == nil || named == nil {
		return
	}
	if r.invite(ctx, named, r.bracket(s.Flow), try) == nil {
		return
	}
	s.Script = false
	r.insist(ctx, named, try, func(try int) bool {
		t := r.template(from, from.local(), s)
		m := &sent{number: t.tag.Number, link: from, step: s, try: try}
		m.raw = []byte(strings.Replace(string(t.options()), t.own.String()+";branch=", named.local().String()+";branch=", 1))
		r.transmit(m)
		return r.ledger.wait(ctx, r.patience(l.Path.Transport), m.settled)
	})
}

// ownSocket opens a socket for a flow that no other step uses, and listens there; nil if there is none to be had. What arrives is
// handed to also as well, unless that is nil.
func (r *runner) ownSocket(ctx context.Context, f *flow, also func(raw []byte)) *link {
	s, err := openSocket(ctx, r.cfg.Network, f.local, alg.Ephemeral)
	if err != nil {
		r.note(socketReason(alg.Ephemeral, err))
		return nil
	}
	r.mu.Lock()
	r.sockets = append(r.sockets, s)
	r.mu.Unlock()
	s.out.refused = func(e icmpError) { r.refused(s.out, e) }
	r.listen(s, also)
	l := r.newLink(f, s.local)
	l.socket = s.out
	return l
}

// listen takes what arrives at a socket until it is closed.
func (r *runner) listen(s *socket, also func(raw []byte)) {
	r.wg.Go(func() {
		s.read(func(raw []byte, at time.Time) {
			r.arrived(&sighting{at: at, raw: raw, local: s.local})
			if also != nil {
				also(raw)
			}
		})
	})
}

// asksElsewhere reports whether a flow is one that stepViaPort is sent on: from any port that a system chooses, since a
// softphone must not lose port 5060 to it.
func (f *PlannedFlow) asksElsewhere() bool {
	return f.Path.Transport == "udp" && f.Path.SourcePort == alg.Ephemeral && !f.Brief
}
