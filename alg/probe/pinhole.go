package probe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// stepPinhole is a call in which nothing is sent from the ports that it announces for media. What comes in to them all the same
// was let in by somebody who read the call, unless it comes in to a port that nobody announced as well.
const stepPinhole = "pinhole"

// pinholeSteps are the steps by what the flows speak.
func pinholeSteps() stepsOf {
	step := []Step{{Name: stepPinhole, Shape: alg.ShapeLocal, Script: true}}
	return stepsOf{alg.ProtoSIP: step, alg.ProtoH323: step}
}

// holeStages are the rounds of such calls. What is told in one spares datagrams in those that follow.
const (
	holesOfControl = iota // to the control port, by whatever they are carried
	holesOfUDP            // of which more is tried
	holesOfTCP            // SIP and H.323
	holeStages
)

// holeStage is when the calls on a path are made.
func holeStage(path alg.Path) int {
	switch {
	case path.Control:
		return holesOfControl
	case path.Transport == "udp":
		return holesOfUDP
	}
	return holesOfTCP
}

// pinholeRounds are the rounds of the stages that have any steps.
func (p *Plan) pinholeRounds() (rounds []Round) {
	var stages [holeStages][]Step
	done := map[alg.Path]bool{} // a second address of the reflector would show nothing more
	for _, s := range p.spread(pinholeSteps()) {
		path := p.Flows[s.Flow].Path
		if done[path] {
			continue
		}
		done[path] = true
		stages[holeStage(path)] = append(stages[holeStage(path)], s)
	}
	for _, steps := range stages {
		if len(steps) > 0 {
			rounds = append(rounds, Round{Name: "pinholes", Steps: steps})
		}
	}
	return rounds
}

// opensPorts reports whether a flow is one that stepPinhole is sent on: one that a gateway can read, from any port that a system
// chooses.
func (f *PlannedFlow) opensPorts() bool {
	return f.Path.Transport != "tls" && f.Path.SourcePort == alg.Ephemeral && !f.Brief
}

// makesHoles reports whether the reflector sends to ports that calls announce.
func (r *runner) makesHoles() bool {
	b := r.session.Grant.Budget
	return b.Actions > 0 && b.Pinholes > 0 && len(r.session.Grant.Media) > 0
}

// holeTime is how long a call takes beside the round trips: often nothing comes in, which takes a while to be sure of.
const holeTime = 300 * time.Millisecond

// hole is one call: a datagram from somewhere to what it announces.
type hole struct {
	from string // one of the From constants of package wire
	rtcp bool
}

// holeCount counts the datagrams of a path.
type holeCount struct {
	sent   int // that the reflector sent, as its budget counts them
	opened int // that came in to an announced port
	open   int // that came in to a port that nobody announced
	shut   int // that would have come in if nothing filtered, and did not
}

// pinholePorts is how many ports a call of stepPinhole takes: those that its offer announces, and the neighbours of the first two.
const pinholePorts = wire.Neighbour + 2

// pinholeShare is how many datagrams the calls of a path may take of the session's: an equal part of what earlier stages have left
// over, but for what later ones take at the least, and what is tried after silence.
func (r *runner) pinholeShare(path alg.Path) int {
	const least = 1 + alg.LeastBeside
	_, silences := r.idleHoles()
	left := r.session.Grant.Budget.Pinholes - len(silences)
	stage, flows := holeStage(path), 0
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, round := range r.plan.Rounds {
		for _, s := range round.Steps {
			f := r.flows[s.Flow]
			if s.Name != stepPinhole || f == nil {
				continue
			}
			switch at := holeStage(f.plan.Path); {
			case at < stage:
				left -= r.holes(f.plan.Path).sent
			case at == stage:
				flows++
			case at > stage:
				left -= least
			}
		}
	}
	return left / max(1, flows)
}

// holes returns the count of a path. The runner is locked.
func (r *runner) holes(path alg.Path) *holeCount {
	if r.pinholes[path] == nil {
		if r.pinholes == nil {
			r.pinholes = map[alg.Path]*holeCount{}
		}
		r.pinholes[path] = new(holeCount)
	}
	return r.pinholes[path]
}

func (r *runner) holesSoFar(path alg.Path) holeCount {
	r.mu.Lock()
	defer r.mu.Unlock()
	return *r.holes(path)
}

// shutSoFar is how many datagrams of an address family would have come in if nothing filtered, and did not, whatever call they
// belong to.
func (r *runner) shutSoFar(family int) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, c := range r.pinholes {
		if path.Family == family {
			n += c.shut
		}
	}
	return n
}

// measuredHoles is how many messages tell enough of the loss: if none of them gets lost, five datagrams prove that something filters.
const measuredHoles = 32

// holeLoss is the loss of messages over UDP: datagrams of media are not sent again, whatever carries the call. It is assumed where
// there is no measure.
func (r *runner) holeLoss(family int) float64 {
	q := 0.0
	for _, f := range r.flows {
		if f == nil {
			continue
		}
		if p := f.plan.Path; p.Control && p.Proto == alg.ProtoSIP && p.Transport == "udp" && p.Family == family {
			q = r.worstLoss(r.tallies(), f)
		}
	}
	return cmp.Or(q, alg.AssumedLoss)
}

// measureHoles sends messages known to be good over a control flow until enough were answered to tell the loss.
func (r *runner) measureHoles(ctx context.Context, l *link, s Step) {
	mark := r.ledger.mark()
	for n := r.tallies()[l.flow].replied; n < measuredHoles && ctx.Err() == nil && !r.spent(); n++ {
		r.one(ctx, l, r.bracket(s.Flow), 1)
		time.Sleep(pace)
	}
	r.ledger.await(ctx, r.ledger.on(l, mark), r.patience("udp"))
}

// pinhole makes the calls of a flow, one after the other.
func (r *runner) pinhole(ctx context.Context, l *link, s Step, try int) {
	path := l.Path
	if path.Control {
		if path.Transport == "udp" {
			r.measureHoles(ctx, l, s)
		}
		r.makeHole(ctx, l, s, try, hole{from: wire.FromMedia}, 0)
		return
	}
	q := r.holeLoss(path.Family)
	calls := []hole{{from: wire.FromMedia}}
	for lost := q; lost > maxLostHoles && alg.Tries(q) > 0; lost *= q {
		calls = append(calls, hole{from: wire.FromMedia})
	}
	if path.Transport == "udp" {
		calls = append(calls, hole{from: wire.FromPort}, hole{from: wire.FromHost}, hole{from: wire.FromMedia, rtcp: true})
	}
	share := r.pinholeShare(path)
	for n, h := range calls {
		so, at := r.holesSoFar(path), l
		switch {
		case n == 0:
		case so.opened > 0 && h == calls[0]:
			continue // it got through the first time
		case so.open > 0 || ctx.Err() != nil:
			return // nothing filters
		case so.sent >= share:
			r.note(noMoreHoles)
			return
		case l.ordered(): // a connection has one call
			if at = r.dial(ctx, l.flow, s, try); at == nil {
				return
			}
			defer at.abort()
		}
		if !r.makeHole(ctx, at, s, try, h, q) {
			return
		}
	}
}

const noMoreHoles = "not all was tried of what ports that calls announce let in: the session's budget allows no more datagrams"

// spareHoles is how many datagrams are sent beyond those that the loss so far asks for.
const spareHoles = 3

// maxLostHoles is the chance to accept that an announced port is taken for shut because its datagrams got lost.
const maxLostHoles = 0.05

// makeHole makes one call and sees what comes in to the port that it announces. If something does, it tries the neighbour, until
// so many datagrams did not come in as prove at a loss of q that something filters. It reports whether another call is worth while.
func (r *runner) makeHole(ctx context.Context, l *link, s Step, try int, h hole, q float64) bool {
	port, heard, closing := r.listenForMedia(ctx, l.local().Addr())
	if heard == nil {
		return false
	}
	defer closing()
	s.Script = false
	call := r.announce(ctx, l, s, try, port)
	if call == nil {
		return false
	}
	action := wire.Action{
		Action: wire.ActionPinhole, To: call.offer.there.seq, Line: call.line, Port: call.port, From: h.from, RTCP: h.rtcp,
	}
	share := r.pinholeShare(l.Path)
	fire := func(neighbour bool, count int) (more bool) {
		action.Neighbour = neighbour
		var shots []*shot
		more = true
		sent := r.holesSoFar(l.Path).sent
		if count > share-sent && (neighbour || sent == 0) {
			r.note(noMoreHoles)
		}
		for range min(count, share-sent) {
			var x *shot
			if x, more = r.shoot(ctx, l, action); x != nil {
				shots = append(shots, x)
			}
			if !more {
				break
			}
		}
		r.collect(ctx, heard, shots)
		r.enterHoles(l, shots)
		return more
	}
	before := r.holesSoFar(l.Path)
	more := fire(false, 1)
	after := r.holesSoFar(l.Path)
	switch {
	case l.Path.Control:
	case after.opened > before.opened && after.open == 0:
		if need := alg.Tries(q); need > 0 {
			count := max(need-r.shutSoFar(l.Path.Family), alg.TriesBeside(q)-after.shut)
			if holeStage(l.Path) == holesOfTCP && count > 0 {
				// Some more, of what is left over at last: what is lost later raises the loss that the judge goes by.
				count = max(count, min(count+spareHoles, share-after.sent))
			}
			fire(true, count)
		}
	case after.opened == before.opened && h == hole{from: wire.FromMedia} && after.sent > before.sent && r.firewall() != alg.FirewallNone:
		more = false // this computer may be what lets nothing in
	}
	call.hangUp(ctx)
	return more
}

// announcedCall is a call of which the reflector has the message that announces media, and from whose ports nothing is sent.
type announcedCall struct {
	offer  *sent  // that message
	line   int    // which of its announcements is meant: an m= line or a logical channel
	port   uint16 // where the reflector takes media of it, as it announced it; 0 if it did not
	hangUp func(ctx context.Context)
}

// announce makes a call that announces media from a port on; nil if that does not get there.
func (r *runner) announce(ctx context.Context, l *link, s Step, try int, port uint16) *announcedCall {
	if l.ordered() {
		return r.newCall(l, s, try, l.local()).announce(ctx, port)
	}
	var invite *sent
	if !r.insist(ctx, l, try, func(try int) bool {
		t := r.template(l, l.local(), s)
		t.media = port
		invite = &sent{number: t.tag.Number, link: l, step: s, try: try, raw: t.callInvite()}
		r.transmit(invite)
		return r.ledger.wait(ctx, r.patience(l.Path.Transport), func() bool { return invite.there != nil })
	}) {
		return nil
	}
	return &announcedCall{offer: invite, hangUp: func(ctx context.Context) { r.hangUp(ctx, l, s, try, invite) }}
}

// hangUp has the reflector refuse the call, so that a gateway closes what it opened, and acknowledges that.
func (r *runner) hangUp(ctx context.Context, l *link, s Step, try int, invite *sent) {
	var answer *sighting
	r.insist(ctx, l, try, func(try int) bool {
		a := r.ask(ctx, l, s.part("486"), try, wire.Action{Action: wire.ActionRespond, To: invite.there.seq, Status: 486})
		if a != nil {
			answer = a.in
		}
		return a != nil
	})
	if answer == nil {
		return
	}
	request, response := sip.Parse(invite.raw), sip.Parse(answer.raw)
	r.insist(ctx, l, try, func(try int) bool {
		t := r.template(l, l.local(), s.part("ack"))
		m := &sent{number: t.tag.Number, link: l, step: s.part("ack"), try: try, raw: t.ack(&request, &response)}
		r.transmit(m)
		return r.ledger.wait(ctx, r.patience(l.Path.Transport), m.settled)
	})
}

// shot is one datagram that the reflector was asked for.
type shot struct {
	action  wire.Action
	sent    wire.Sent
	at      time.Time
	arrived bool
}

// listenForMedia binds the ports of a call: the pair of RTP and RTCP, and the neighbours of both, of which nobody is told. What
// comes to them can be heard until closing is called. heard is nil if they cannot be had.
func (r *runner) listenForMedia(ctx context.Context, local netip.Addr) (port uint16, heard chan []byte, closing func()) {
	const attempts, most, room = 8, 128, 64
	var err error
	for range attempts {
		port = r.ports.take(pinholePorts)
		var open []*socket
		for _, p := range []uint16{port, port + 1, port + wire.Neighbour, port + wire.Neighbour + 1} {
			var s *socket
			if s, err = openSocket(ctx, r.cfg.Network, local, alg.SourcePort(p)); err != nil {
				break
			}
			open = append(open, s)
		}
		closing = func() {
			for _, s := range open {
				s.conn.Close()
			}
		}
		if err != nil {
			closing()
			continue
		}
		heard = make(chan []byte, room)
		for _, s := range open {
			s.out.refused = func(icmpError) {} // nothing is sent from here
			r.wg.Go(func() {
				s.read(func(raw []byte, _ time.Time) {
					select {
					case heard <- raw[:min(len(raw), most)]:
					default: // more than anybody was asked for
					}
				})
			})
		}
		return port, heard, closing
	}
	r.note("no ports for media could be had on this computer: " + innermost(err).Error())
	return 0, nil, nil
}

// shoot asks for one datagram. It returns nil if there is none of the kind, and whether more can be asked for on this flow.
func (r *runner) shoot(ctx context.Context, l *link, action wire.Action) (x *shot, more bool) {
	i := slices.IndexFunc(r.session.Grant.Media, func(m wire.MediaPorts) bool { return m.Addr == l.Inside[1].Addr() })
	if i < 0 {
		return nil, false
	}
	media := r.session.Grant.Media[i]
	if action.Port < media.First || action.Port > media.Last {
		action.Port = media.First
	}
	action.Number = r.nextNumber()
	x = &shot{action: action, at: time.Now()}
	var err error
	x.sent, err = r.session.Send(ctx, action)
	var status *wire.StatusError
	switch {
	case errors.As(err, &status) && status.Code == http.StatusBadRequest && action.From != wire.FromMedia:
		return nil, true // the reflector has no other port, or no other address
	case errors.As(err, &status) && status.Code == http.StatusForbidden, ctx.Err() != nil:
		return nil, false // that an address has not proven itself the paths tell
	case err != nil:
		r.note("the reflector sent nothing to announced ports: " + err.Error())
		return nil, false
	}
	switch x.sent.NotSent {
	case "", wire.NotSentPort, wire.NotSentAnnounced:
		return x, true
	}
	return x, false // it would be the same in the next call
}

// collect waits for what was sent. Once the announced port has got its datagram the others, which went the same way, are due.
func (r *runner) collect(ctx context.Context, heard chan []byte, shots []*shot) {
	const grace = 150 * time.Millisecond
	waiting := func() (announced, any bool) {
		for _, x := range shots {
			open := x.sent.NotSent == "" && !x.arrived
			any = any || open
			announced = announced || open && !x.action.Neighbour
		}
		return announced, any
	}
	timer := time.NewTimer(r.patience("udp"))
	defer timer.Stop()
	for {
		before, open := waiting()
		if !open {
			return
		}
		select {
		case raw := <-heard:
			for _, x := range shots {
				x.arrived = x.arrived || x.sent.Tag != "" && bytes.Contains(raw, []byte(x.sent.Tag))
			}
			if after, _ := waiting(); before && !after {
				timer.Reset(grace + r.rtt)
			}
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// enterHoles enters what became of the datagrams of a call as trials.
func (r *runner) enterHoles(l *link, shots []*shot) {
	listening := r.firewall()
	missed := 0
	r.mu.Lock()
	count := r.holes(l.Path)
	for _, x := range shots {
		switch {
		case x.sent.NotSent != "":
		case x.arrived:
			count.sent++
			if x.action.Neighbour {
				count.open++
			} else {
				count.opened++
			}
		default:
			count.sent++
			missed++
			if x.action.Neighbour || l.Path.Control {
				count.shut++
			}
		}
		r.trials = append(r.trials, r.holeTrial(l, x, listening))
	}
	r.mu.Unlock()
	if missed > 0 {
		r.noteFirewall(listening)
	}
}

// holeTrial is what became of a datagram as a trial, with this computer's firewall.
func (r *runner) holeTrial(l *link, x *shot, listening string) alg.Trial {
	t := alg.Trial{
		Kind: alg.TrialPinhole, Path: l.Path, Src: r.holeSource(l, x.action), Dst: x.sent.Addr, At: x.at, Outcome: alg.OutcomeFailed,
		Pinhole: &alg.Pinhole{
			From: x.action.From, Neighbour: x.action.Neighbour, RTCP: x.action.RTCP, NotSent: x.sent.NotSent, Listening: listening,
		},
	}
	switch {
	case x.sent.NotSent != "":
		t.Outcome = alg.OutcomeUnsent
	case x.arrived:
		t.Outcome = alg.OutcomeOK
	}
	return t
}

// holeSource is where a datagram comes from, as docs/protocol.md has it; the zero value where that is the reflector's choice.
func (r *runner) holeSource(l *link, a wire.Action) netip.AddrPort {
	host, port := l.Inside[1].Addr(), a.Port
	var others []netip.Addr
	for _, m := range r.session.Grant.Media {
		switch {
		case m.Addr == host && a.From == wire.FromPort:
			pairs := (int(m.Last) - int(m.First) + 1) / 2
			if port = m.First + 2*uint16(pairs-1); int(a.Port-m.First)/2 >= (pairs+1)/2 {
				port = m.First
			}
		case m.Addr != host && m.Addr.Is4() == host.Is4():
			others = append(others, m.Addr)
		}
	}
	if a.From == wire.FromHost {
		if len(others) != 1 {
			return netip.AddrPort{}
		}
		host = others[0]
	}
	if a.RTCP {
		port++
	}
	return netip.AddrPortFrom(host, port)
}
