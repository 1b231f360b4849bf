package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// Config says what to probe and how. Reflector is all that must be set.
type Config struct {
	Reflector string       // "https://host[:port]" or a host
	Control   wire.Options // how to reach it; Dial is taken from Network when nil
	Network   Network      // nil means System{}
	Plan      PlanOptions
	Source    netip.Addr    // local address to send from; the zero address means the system's choice
	Timeout   time.Duration // of the whole run; 0 means DefaultTimeout
	Version   string        // of the tool, for User-Agent and the report
	Kind      string        // "probe" or "demo", for the report

	// Progress is told how many of the steps are done, now and then, from one goroutine; nil means nobody is.
	Progress func(done, total int, what string)
}

// DefaultTimeout bounds a run: many times what one takes, so that only a network that hangs reaches it.
const DefaultTimeout = 2 * time.Minute

// ErrNoTarget says that the reflector offers nothing that the plan could use.
var ErrNoTarget = errors.New("the reflector offers no address that fits")

const (
	pace     = 15 * time.Millisecond // between two messages of one flow: the order on the way stays the order of sending
	maxTries = 32                    // of one step; the number that proves a drop is below it up to 60 % loss
	goodbye  = time.Second           // for ending registrations and the session when the run is cut short
)

// Run probes the network between here and a reflector. The error says why nothing could be tested; once a session is open
// there is always a report, cut short if the context ends.
func Run(ctx context.Context, cfg Config) (*alg.Report, error) {
	if cfg.Network == nil {
		cfg.Network = System{}
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Progress == nil {
		cfg.Progress = func(int, int, string) {}
	}
	r := &runner{cfg: cfg, started: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.bind(ctx); err != nil {
		return nil, err
	}
	r.work(ctx)
	return r.report(ctx), nil
}

type runner struct {
	cfg     Config
	started time.Time
	client  *wire.Client
	session *wire.Session
	rtt     time.Duration // of a request to the reflector over an open connection
	ledger  *ledger
	plan    Plan
	flows   []*flow // as in the plan; nil where the socket could not be had
	sockets []*socket
	trials  []alg.Trial
	notes   []string
	local   netip.Addr
	inner   []netip.Addr // what an inner NAT is known by, as found out
	ports   *portWalk
	total   int // steps planned
	settled int // steps done

	mu      sync.Mutex
	number  uint32
	pollErr error

	wg       sync.WaitGroup
	stopPoll context.CancelFunc
	asked    time.Time // when the last complete fetch of receipts was asked for
}

// open gets a session and measures the round trip.
func (r *runner) open(ctx context.Context) error {
	opts := r.cfg.Control
	if opts.Dial == nil {
		opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return r.cfg.Network.DialContext(ctx, network, "", address)
		}
	}
	if opts.UserAgent == "" {
		opts.UserAgent = "nofixup/" + r.cfg.Version
	}
	client, err := wire.NewClient(r.cfg.Reflector, opts)
	if err != nil {
		return err
	}
	r.cfg.Progress(0, 0, "asking the reflector for a session")
	session, err := client.Open(ctx)
	if err != nil {
		client.CloseIdle()
		return err
	}
	r.client, r.session = client, session
	r.ledger = newLedger(session.Grant.Token)
	before := time.Now()
	if _, err := session.Receipts(ctx, 0, 0); err != nil {
		r.end()
		return err
	}
	r.rtt = time.Since(before)
	return nil
}

// bind plans, finds the local addresses and opens the sockets.
func (r *runner) bind(ctx context.Context) error {
	r.plan = NewPlan(r.session.Grant.Targets, r.cfg.Plan)
	r.ports = newPortWalk(time.Now())
	r.flows = make([]*flow, len(r.plan.Flows))
	type key struct {
		family int
		port   alg.SourcePort
	}
	sockets, failed := map[key]*socket{}, map[key]error{}
	var noRoute error
	for i, p := range r.plan.Flows {
		local, err := r.source(ctx, p)
		if err != nil {
			// An address family without a way there is not tested, and not asked for either.
			noRoute = err
			r.notes = append(r.notes, fmt.Sprintf("IPv%d was not tested: %v", p.Path.Family, err))
			continue
		}
		if !r.local.IsValid() || local.Is4() {
			r.local = local
		}
		k := key{p.Path.Family, p.Path.SourcePort}
		if _, ok := sockets[k]; !ok && failed[k] == nil {
			s, err := openSocket(ctx, r.cfg.Network, local, p.Path.SourcePort)
			if err != nil {
				failed[k] = err
			} else {
				sockets[k] = s
				r.sockets = append(r.sockets, s)
			}
		}
		if err := failed[k]; err != nil {
			r.trials = append(r.trials, alg.Trial{
				Kind: "socket", Path: p.Path, Src: netip.AddrPortFrom(local, uint16(p.Path.SourcePort)), Dst: p.Target,
				At: time.Now(), Outcome: alg.OutcomeFailed, Detail: socketReason(p.Path.SourcePort, err),
			})
			continue
		}
		s := sockets[k]
		r.flows[i] = &flow{plan: p, socket: s, Flow: alg.Flow{
			ID: i + 1, Path: p.Path, Inside: [2]netip.AddrPort{s.local, p.Target},
		}}
	}
	for _, err := range failed {
		r.notes = append(r.notes, err.Error())
	}
	slices.Sort(r.notes)
	r.notes = slices.Compact(r.notes)
	if len(r.sockets) == 0 && len(r.trials) == 0 {
		if noRoute != nil {
			return fmt.Errorf("%w: %w", ErrNoTarget, noRoute)
		}
		return ErrNoTarget
	}
	return nil
}

// source is the address that a flow is sent from.
func (r *runner) source(ctx context.Context, p PlannedFlow) (netip.Addr, error) {
	if r.cfg.Source.IsValid() {
		if r.cfg.Source.Is6() != (p.Path.Family == 6) {
			return netip.Addr{}, fmt.Errorf("source address %s is of another family than %s", r.cfg.Source, p.Target)
		}
		return r.cfg.Source, nil
	}
	return localAddr(ctx, r.cfg.Network, p.Target)
}

func socketReason(port alg.SourcePort, err error) string {
	if port == alg.Ephemeral {
		return "no socket: " + err.Error()
	}
	return fmt.Sprintf("source port %s cannot be used on this computer: %v", port, err)
}

// work carries out the plan.
func (r *runner) work(ctx context.Context) {
	for _, s := range r.sockets {
		r.wg.Go(func() { s.read(r.arrived) })
	}
	pollCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stopPoll = stop
	r.wg.Go(func() {
		if err := r.ledger.poll(pollCtx, r.session); err != nil {
			r.mu.Lock()
			r.pollErr = err
			r.mu.Unlock()
		}
	})
	for _, round := range append(slices.Clone(r.plan.Rounds), r.plan.Farewell) {
		for _, s := range round.Steps {
			if r.flows[s.Flow] != nil {
				r.total++
			}
		}
	}
	for _, round := range r.plan.Rounds {
		if ctx.Err() != nil {
			break
		}
		r.round(ctx, round)
	}
	r.narrow(ctx)
	// Whatever happened, no registration stays behind: a gateway keeps a pinhole for as long as one lives.
	bye := ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		bye, cancel = context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
	}
	r.round(bye, r.plan.Farewell)
	r.lastReceipts(bye)
}

// patience is how long a message that has not arrived is waited for: its way there, the report over HTTPS, and some.
func (r *runner) patience() time.Duration { return 300*time.Millisecond + 4*r.rtt }

// round sends the steps of a round until each is settled or has been lost often enough to prove a drop. Tries double from
// one wait to the next, so that a drop is proven within a few waits. Around the repetitions go messages known to be good.
func (r *runner) round(ctx context.Context, round Round) {
	tallies := r.tallies()
	need := r.need(tallies)
	open := slices.DeleteFunc(slices.Clone(round.Steps), func(s Step) bool {
		f := r.flows[s.Flow]
		if f == nil || !r.ready(s) {
			return true
		}
		noWay, _ := tallies[f].closed(need)
		return noWay
	})
	skipped := len(round.Steps) - len(open)
	steps := len(open)
	r.cfg.Progress(r.settled, r.total, round.Name)
	for try, burst := 1, 1; len(open) > 0 && ctx.Err() == nil; {
		messages := r.send(ctx, open, try, burst)
		r.ledger.await(ctx, messages, r.patience())
		try += burst
		if try > 2 {
			burst = min(2*burst, 8)
		}
		tallies := r.tallies()
		need := r.need(tallies)
		open = slices.DeleteFunc(open, func(s Step) bool {
			return try > need || try > maxTries || r.done(s, tallies[r.flows[s.Flow]], need)
		})
		r.cfg.Progress(r.settled+steps-len(open), r.total, round.Name)
	}
	r.settled += steps
	r.total -= min(skipped, r.total-r.settled)
}

// ready reports whether a step makes sense by now. After the first round a flow on which nothing arrived is left alone,
// and where the public address is the local one it adds nothing to what was sent before.
func (r *runner) ready(s Step) bool {
	f := r.flows[s.Flow]
	mapped := r.mapped(f)
	switch {
	case s.Name == stepDeregister:
		return r.registration(f, s.Shape) != nil
	case s.Shape == alg.ShapeLocal:
		return true
	case s.Shape == alg.ShapePublic:
		return mapped.IsValid() && mapped != f.socket.local
	default:
		return mapped.IsValid()
	}
}

// registration is the last REGISTER of a shape that reached the reflector on a flow, nil if none did.
func (r *runner) registration(f *flow, shape string) *sent {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	for _, m := range slices.Backward(r.ledger.order) {
		if m.flow == f && m.step.Name == stepRegister && m.step.Shape == shape && m.receipt != nil {
			return m
		}
	}
	return nil
}

// mapped is the source that the reflector saw on a flow, invalid while it saw nothing.
func (r *runner) mapped(f *flow) netip.AddrPort {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	return f.mapped
}

// own returns the address that a message of a shape calls its own.
func (r *runner) own(f *flow, shape string) (netip.AddrPort, bool) {
	switch shape {
	case alg.ShapeLocal, alg.ShapeNone:
		return f.socket.local, true
	case alg.ShapePublic:
		mapped := r.mapped(f)
		return mapped, mapped.IsValid()
	}
	for _, a := range r.cfg.Plan.ViaAddresses {
		if shapeVia(a) == shape {
			// Which port the inner NAT chose cannot be seen from here; most keep it.
			return netip.AddrPortFrom(a, f.socket.local.Port()), true
		}
	}
	return netip.AddrPort{}, false
}

// send sends the steps, side by side on their flows, each as often as burst says. From the second try on a bracket goes
// before and after.
func (r *runner) send(ctx context.Context, steps []Step, try, burst int) []*sent {
	byFlow := make([][]Step, len(r.flows))
	for _, s := range steps {
		byFlow[s.Flow] = append(byFlow[s.Flow], s)
	}
	var mu sync.Mutex
	var out []*sent
	var wg sync.WaitGroup
	for i, steps := range byFlow {
		if len(steps) == 0 {
			continue
		}
		f := r.flows[i]
		wg.Go(func() {
			post := func(s Step, try int) {
				m := r.post(ctx, f, s, try)
				if m == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				out = append(out, m)
			}
			bracket := Step{Flow: i, Name: stepBracket, Shape: alg.ShapeLocal, Role: alg.RoleBracket}
			for n := range burst {
				for _, s := range steps {
					if try > 1 || s.Breaks != "" {
						post(bracket, try+n)
					}
					post(s, try+n)
				}
			}
			if try > 1 || slices.ContainsFunc(steps, func(s Step) bool { return s.Breaks != "" }) {
				post(bracket, try+burst)
			}
		})
	}
	wg.Wait()
	return out
}

// post composes and sends one message; nil when the run is over.
func (r *runner) post(ctx context.Context, f *flow, s Step, try int) *sent {
	own, ok := r.own(f, s.Shape)
	if !ok || ctx.Err() != nil || r.spent() {
		return nil
	}
	t := r.template(f, own)
	m := &sent{number: t.tag.Number, flow: f, step: s, try: try}
	switch s.Name {
	case stepInvite, stepCanary:
		t.media = r.ports.take(mediaPorts)
		m.invite = true
	case stepDeregister:
		call := r.registration(f, s.Shape)
		if call == nil {
			return nil
		}
		t.call = call.number
		t.cseq = try + 1
	}
	m.raw, m.at = t.compose(s.Name), time.Now()
	r.transmit(m)
	select {
	case <-time.After(pace):
	case <-ctx.Done():
	}
	return m
}

// spent reports that the session's budget would not hold the receipts of another message and its answer.
func (r *runner) spent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 2*int(r.number+1) > r.session.Grant.Budget.Messages || r.number >= wire.MaxNumber
}

func (r *runner) template(f *flow, own netip.AddrPort) template {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	return template{
		tag: wire.Tag{Token: r.session.Grant.Token, Number: r.number}, own: own, nonce: f.nonce,
		server: f.plan.Target.Addr(), agent: "nofixup/" + r.cfg.Version,
	}
}

// transmit enters a message into the ledger and sends it. That the system refuses to send is no evidence of anything on
// the path: the message then counts as never sent.
func (r *runner) transmit(m *sent) {
	r.ledger.add(m)
	if _, err := m.flow.socket.conn.WriteTo(m.raw, net.UDPAddrFromAddrPort(m.flow.plan.Target)); err != nil {
		r.ledger.mu.Lock()
		m.failed = err
		r.ledger.mu.Unlock()
	}
}

// arrived takes a datagram that a socket read: an answer, which an INVITE's sender acknowledges.
func (r *runner) arrived(raw []byte, at time.Time) {
	m, fresh := r.ledger.arrived(raw, at)
	if !fresh {
		return
	}
	response, request := sip.Parse(raw), sip.Parse(m.raw)
	if tag, ok := response.Find("to.tag"); ok {
		r.mu.Lock()
		m.flow.nonce = string(tag.Bytes(raw))
		r.mu.Unlock()
	}
	if string(request.Method()) != "INVITE" || response.Status() < 300 {
		return
	}
	own, ok := r.own(m.flow, m.step.Shape)
	if !ok {
		return
	}
	t := r.template(m.flow, own)
	step := Step{Flow: m.step.Flow, Name: stepAck, Shape: m.step.Shape, Role: m.step.Role}
	ack := &sent{number: t.tag.Number, flow: m.flow, step: step, try: m.try, at: time.Now(), raw: t.ack(&request, &response)}
	r.ledger.mu.Lock()
	m.ack = ack
	r.ledger.mu.Unlock()
	r.transmit(ack)
}
