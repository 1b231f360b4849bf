package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// Config says what to probe and how. Reflector is all that must be set.
type Config struct {
	Reflector string       // "https://host[:port]" or a host
	Control   wire.Options // how to reach it; Dial is taken from Network when nil
	Network   Network      // nil means System{}
	Plan      PlanOptions
	Source    netip.Addr    // local address to send from; the zero address means the system's choice
	Timeout   time.Duration // of the whole run; 0 means DefaultTimeout or ThoroughTimeout, or more where the line is slow
	Version   string        // of the tool, for User-Agent and the report
	Kind      string        // "probe" or "demo", for the report

	// Progress is told how far the run is, now and then, from one goroutine; nil means nobody is.
	Progress func(Progress)
}

// Progress says how far a run is.
type Progress struct {
	Done, Total int           // steps; 0, 0 before there is a plan
	What        string        // what is being done
	Left        time.Duration // about how long the rest takes if nothing is dropped; 0 before there is a plan
	SoFar       alg.Overall   // what the report would say if nothing else were planned; empty while nothing is known
}

// DefaultTimeout bounds a run: many times what one takes, so that only a network that hangs reaches it.
const DefaultTimeout = 3 * time.Minute

// ThoroughTimeout is for a thorough run, which waits for bindings to close.
const ThoroughTimeout = 5 * time.Minute

// ErrNoTarget says that the reflector offers nothing that the plan could use.
var ErrNoTarget = errors.New("the reflector offers no address that fits")

const (
	pace     = 15 * time.Millisecond // between two messages of one flow: the order on the way stays the order of sending
	maxTries = 32                    // of one step; up to 50 % loss fewer prove a drop, above nothing does
	farewell = 64                    // messages that the budget must still hold at the end
	goodbye  = time.Second           // for ending registrations and the session when the run is cut short
)

// Run probes the network between here and a reflector. The error says why nothing could be tested; once a session is open
// there is always a report, cut short if the context ends.
func Run(ctx context.Context, cfg Config) (*alg.Report, error) {
	if cfg.Network == nil {
		cfg.Network = System{}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	r := &runner{cfg: cfg, started: time.Now(), book: mediaBook{turn: make(chan struct{}, 1)}}
	opening, cancel := context.WithDeadline(ctx, r.deadline())
	defer cancel()
	if err := r.open(opening); err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.bind(opening); err != nil {
		return nil, err
	}
	working, cancel := context.WithDeadline(ctx, r.deadline())
	defer cancel()
	r.work(working)
	return r.report(working), nil
}

// deadline is when the run ends at the latest. Unless the user has set it, a plan has several times as long as it takes where
// nothing gets lost.
func (r *runner) deadline() time.Time {
	limit := r.cfg.Timeout
	if limit <= 0 {
		limit = DefaultTimeout
		if r.cfg.Plan.Thorough {
			limit = ThoroughTimeout
		}
		limit = max(limit, 3*r.plan.Estimate(r.rtt))
	}
	return r.started.Add(limit)
}

type runner struct {
	cfg     Config
	started time.Time
	client  *wire.Client
	session *wire.Session
	rtt     time.Duration // of a request to the reflector over an open connection
	ledger  *ledger
	plan    Plan
	flows   []*flow // as in the plan; nil where there is no way to the target or no socket
	links   []*link // in the order of their ids
	sockets []*socket
	trials  []alg.Trial
	notes   []string
	local   netip.Addr
	inner   []netip.Addr         // what an inner NAT is known by, as found out
	reached map[netip.Addr]error // addresses of the reflector that were tried over HTTPS
	ports   *portWalk
	book    mediaBook
	total   int // steps planned
	settled int // steps done
	soFar   alg.Overall
	left    time.Duration // what the rounds that have not begun take, by the estimate
	reserve int           // messages kept for the end
	offline bool          // HTTPS does not work any more

	pinholes map[alg.Path]*holeCount

	mu        sync.Mutex
	number    uint32
	parts     int // receipts that messages took which were cut, beside their own
	pollErr   error
	livePorts int  // of the reflector's, that calls with media have used
	noH245    bool // the reflector takes none on connections of its own

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
	r.cfg.Progress(Progress{What: "asking the reflector for a session"})
	session, err := client.Open(ctx)
	if err != nil {
		client.CloseIdle()
		return err
	}
	r.client, r.session = client, session
	r.ledger = newLedger(session.Grant.Token, r.nextNumber)
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
	r.plan = newPlan(r.session.Grant.Targets, r.cfg.Plan, len(r.session.Grant.Media) > 0)
	r.offered()
	r.offeredMedia()
	r.fallBack(ctx)
	r.ports = newPortWalk(time.Now())
	r.flows = make([]*flow, len(r.plan.Flows))
	type key struct {
		family int
		port   alg.SourcePort
		ras    bool // a gatekeeper is asked from a port of its own
	}
	sockets, failed := map[key]*socket{}, map[key]error{}
	var noRoute error
	for i, p := range r.plan.Flows {
		local, err := r.source(ctx, p)
		if err != nil {
			// An address family without a way there is not tested, and not asked for either.
			noRoute = err
			r.note(fmt.Sprintf("IPv%d was not tested: %v", p.Path.Family, err))
			continue
		}
		if !r.local.IsValid() || local.Is4() {
			r.local = local
		}
		f := &flow{plan: p, local: local}
		if d, ok := r.cfg.Network.(describer); ok {
			_, f.mtu = d.Interface(local)
		}
		r.flows[i] = f
		if p.Path.Transport != "udp" {
			continue
		}
		k := key{p.Path.Family, p.Path.SourcePort, p.Path.Proto == alg.ProtoRAS}
		if sockets[k] == nil && failed[k] == nil {
			s, err := openSocket(ctx, r.cfg.Network, local, p.Path.SourcePort)
			if err != nil {
				failed[k] = err
				r.note(socketReason(p.Path.SourcePort, err))
			} else {
				sockets[k] = s
				r.sockets = append(r.sockets, s)
				s.out.refused = func(e icmpError) { r.refused(s.out, e) }
			}
		}
		if err := failed[k]; err != nil {
			r.flows[i] = nil
			r.trial(alg.TrialSocket, p, local, socketReason(p.Path.SourcePort, err))
			continue
		}
		f.udp = r.newLink(f, sockets[k].local)
		f.udp.socket = sockets[k].out
	}
	if len(r.trials) == 0 && !slices.ContainsFunc(r.flows, func(f *flow) bool { return f != nil }) {
		if noRoute != nil {
			return fmt.Errorf("%w: %w", ErrNoTarget, noRoute)
		}
		return ErrNoTarget
	}
	return nil
}

// offered says what the reflector does not offer. What was asked for by name is then not tested; else it was not asked for.
func (r *runner) offered() {
	for _, proto := range protocols {
		asked := slices.Contains(r.cfg.Plan.Protos, proto.name)
		if r.cfg.Plan.Protos != nil && !asked || slices.ContainsFunc(r.session.Grant.Targets, func(t wire.Target) bool { return t.Service == proto.service }) {
			continue
		}
		why := "the reflector does not offer " + alg.ProtoName(proto.name) + ": it was not tested"
		r.note(why)
		if asked {
			r.trial(alg.TrialStep, PlannedFlow{Path: alg.Path{
				Proto: proto.name, Transport: proto.transports[0], Family: 4, Port: proto.port, SourcePort: proto.sources[0],
			}}, netip.Addr{}, why)
		}
	}
}

// offeredMedia says so if the reflector takes no media.
func (r *runner) offeredMedia() {
	if len(r.session.Grant.Media) > 0 || !r.cfg.Plan.wants(alg.ProtoMedia) {
		return
	}
	const why = "the reflector does not take media: whether audio passes was not tested"
	r.note(why)
	if r.cfg.Plan.Protos != nil {
		r.trial(alg.TrialStep, PlannedFlow{Path: alg.Path{Proto: alg.ProtoMedia, Transport: "udp", Family: 4, Port: 5060}}, netip.Addr{}, why)
	}
}

// trial enters an attempt on a planned flow that failed.
func (r *runner) trial(kind string, p PlannedFlow, local netip.Addr, detail string) {
	r.failed(alg.Trial{
		Kind: kind, Path: p.Path, Src: netip.AddrPortFrom(local, uint16(p.Path.SourcePort)), Dst: p.Target, Detail: detail,
	})
}

// failed enters an attempt that failed just now.
func (r *runner) failed(t alg.Trial) {
	t.At, t.Outcome = time.Now(), alg.OutcomeFailed
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trials = append(r.trials, t)
}

// newLink makes a link of a flow, from a local address.
func (r *runner) newLink(f *flow, local netip.AddrPort) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &link{flow: f, began: time.Now(), turn: make(chan struct{}, 1), Flow: alg.Flow{
		ID: len(r.links) + 1, Path: f.plan.Path, Inside: [2]netip.AddrPort{local, f.plan.Target},
	}}
	r.links = append(r.links, l)
	return l
}

// source is the address that a flow is sent from.
func (r *runner) source(ctx context.Context, p PlannedFlow) (netip.Addr, error) {
	if r.cfg.Source.IsValid() {
		if r.cfg.Source.Is6() != (p.Path.Family == 6) {
			return netip.Addr{}, fmt.Errorf("source address %s is of another family than %s", r.cfg.Source, p.Target)
		}
		return r.cfg.Source, nil
	}
	local, err := localAddr(ctx, r.cfg.Network, p.Target)
	switch {
	case err != nil:
		return local, fmt.Errorf("this computer has no way there (%w)", innermost(err))
	case local.IsLinkLocalUnicast() && !p.Target.Addr().IsLinkLocalUnicast():
		return local, errors.New("this computer has no address for it but a link-local one")
	}
	return local, r.reachable(ctx, p.Target.Addr(), local)
}

func socketReason(port alg.SourcePort, err error) string {
	if port == alg.Ephemeral {
		return "no socket: " + innermost(err).Error()
	}
	reason := fmt.Sprintf("source port %s cannot be used on this computer: %v", port, innermost(err))
	if errors.Is(err, syscall.EADDRINUSE) {
		reason += " (end the softphone or other program that has it)"
	}
	return reason
}

// work carries out the plan.
func (r *runner) work(ctx context.Context) {
	for _, s := range r.sockets {
		r.listen(s, nil)
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
	var unused sync.WaitGroup
	unused.Go(func() { r.tryUnused(ctx) })
	r.reserve = min(farewell, r.session.Grant.Budget.Messages/8)
	r.left = r.plan.Estimate(r.rtt)
	broken := false
	var idle *sync.WaitGroup
	var idleFrom time.Time
	for i, round := range r.plan.Rounds {
		if ctx.Err() != nil {
			break
		}
		r.left -= r.plan.duration(round.Steps, r.rtt)
		if round.breaking() && !broken {
			// Should a ban reach as far as HTTPS, what was sent up to here is known.
			broken = true
			r.lastReceipts(ctx)
		}
		r.tooLossy(round)
		r.round(ctx, round)
		if i == 0 { // the answers of the first round let what follows prove its address
			idle, idleFrom = r.idle(ctx), time.Now()
		}
		if round.breaking() {
			r.recheck(ctx, round)
		}
		r.soFar = r.judge(r.evidence()).Report().Verdict
	}
	r.narrow(ctx)
	r.findCause(ctx)
	unused.Wait()
	if idle != nil {
		r.awaitIdle(ctx, idle, idleFrom)
	}
	// Whatever happened, no registration stays behind: a gateway keeps a pinhole for as long as one lives.
	r.reserve, r.left = 0, 0
	bye := ctx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		bye, cancel = context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
	}
	r.round(bye, r.plan.Farewell)
	r.lastReceipts(bye)
}

// patience is how long a message that has not arrived is waited for: its way there, the report over HTTPS, and some; over
// TCP also until the system has sent it again.
func (r *runner) patience(transport string) time.Duration {
	d := 300*time.Millisecond + 4*r.rtt
	if transport != "udp" {
		d += alg.StallTime
	}
	return d
}

// round sends the steps of a round until each is settled or has been lost often enough to prove a drop. Tries double from
// one wait to the next, so that a drop is proven within a few waits. Around the repetitions go messages known to be good.
func (r *runner) round(ctx context.Context, round Round) {
	tallies := r.tallies()
	open := slices.DeleteFunc(slices.Clone(round.Steps), func(s Step) bool {
		f := r.flows[s.Flow]
		if f == nil || !r.ready(s) {
			return true
		}
		noWay, _ := tallies[f].closed(r.need(tallies, f), r.connects(tallies, f))
		return noWay
	})
	skipped := len(round.Steps) - len(open)
	steps := len(open)
	progress := func(done int) {
		left := r.left
		if len(open) > 0 {
			left += r.plan.duration(open, r.rtt)
		}
		r.cfg.Progress(Progress{Done: r.settled + done, Total: r.total, What: round.Name, Left: left, SoFar: r.soFar})
	}
	progress(0)
	tries := map[Step]int{}
	for burst := 1; len(open) > 0 && ctx.Err() == nil; {
		tallies = r.tallies()
		var batch []attempt
		for _, s := range open {
			f := r.flows[s.Flow]
			n := min(burst, max(1, r.tries(tallies, s)-tries[s]))
			if f.udp == nil {
				n = 1 // each takes its time, so that the other flows would wait
			}
			batch = append(batch, attempt{Step: s, first: tries[s] + 1, count: n})
			tries[s] += n
		}
		r.send(ctx, batch)
		if tries[open[0]] > 1 {
			burst = min(2*burst, 8)
		}
		tallies = r.tallies()
		open = slices.DeleteFunc(open, func(s Step) bool {
			f := r.flows[s.Flow]
			need := r.tries(tallies, s)
			connects := r.connects(tallies, f)
			// Where connections fail, tries count once there are as many as that takes.
			enough := tries[s] >= need && (tallies[f].connected > 0 || tallies[f].unconnected == 0 || tries[s] >= maxTries)
			return enough || r.done(s, tallies[f], need, connects)
		})
		progress(steps - len(open))
	}
	r.settled += steps
	r.total -= min(skipped, r.total-r.settled)
}

// tries is how often a step is sent at the most.
func (r *runner) tries(tallies map[*flow]*tally, s Step) int {
	need := min(r.needOf(tallies, s), maxTries)
	if s.Role == alg.RoleCause {
		return min(need, causeTries)
	}
	return need
}

// attempt is a step and the tries of it that are due.
type attempt struct {
	Step
	first, count int
}

// actionless reports that a step cannot be carried out, since the reflector sends nothing of its own accord.
func (r *runner) actionless(s Step) bool {
	return (s.Name == stepCall || s.Name == stepCalled || s.Name == stepBrokenAnswers) && r.session.Grant.Budget.Actions <= 0
}

// ready reports whether a step makes sense by now. After the first round a flow on which nothing arrived is left alone,
// and where the public address is the local one it adds nothing to what was sent before.
func (r *runner) ready(s Step) bool {
	f := r.flows[s.Flow]
	r.ledger.mu.Lock()
	mapped := f.mapped
	r.ledger.mu.Unlock()
	_, framed := framingOf(s.Name)
	switch {
	case f.shut != nil || !r.sendable(s), s.Name == stepPinhole && !r.makesHoles():
		return false
	case s.Name == stepDeregister:
		return r.registration(f, s.Shape) != nil
	case s.Name == stepARQ || s.Name == stepURQ:
		r.mu.Lock()
		defer r.mu.Unlock()
		return f.gatekeeper.endpoint != ""
	case r.actionless(s):
		return false
	case s.Shape == alg.ShapeLocal && (!s.Script || framed || f.plan.Path.Proto == alg.ProtoH323):
		return true
	case s.Shape == alg.ShapePublic:
		return mapped.IsValid() && (mapped.Addr() != f.local || f.udp != nil && mapped != f.udp.local())
	default:
		return mapped.IsValid()
	}
}
