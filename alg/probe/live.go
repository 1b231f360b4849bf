package probe

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"nofixup/alg"
	"nofixup/alg/media"
	"nofixup/reflector/wire"
)

// Steps that are calls with media.
const (
	stepLive   = alg.StepLive
	stepLive27 = alg.StepLive + "-27" // over H.323, with the Setup that Linux misreads
)

// liveBatches are the calls with media, by what is made side by side: as many at once as the reflector takes media of. The first
// is part of every probe.
var liveBatches = [][]struct {
	proto, transport string
	control          bool
	step             string
}{
	{{alg.ProtoSIP, "udp", false, stepLive}, {alg.ProtoSIP, "udp", true, stepLive}, {alg.ProtoH323, "tcp", false, stepLive}},
	{{alg.ProtoSIP, "tcp", false, stepLive}, {alg.ProtoSIP, "tcp", true, stepLive}, {alg.ProtoH323, "tcp", false, stepLive27}},
	{{alg.ProtoH323, "tcp", true, stepLive}},
}

// liveRounds adds the calls with media, one address family after the other.
func (p *Plan) liveRounds(all bool) {
	for _, family := range []int{4, 6} {
		for i, batch := range liveBatches {
			if i > 0 && !all {
				break
			}
			var steps []Step
			for _, call := range batch {
				n := slices.IndexFunc(p.Flows, func(f PlannedFlow) bool {
					return f.Path.Family == family && f.Path.Proto == call.proto && f.Path.Transport == call.transport &&
						f.Path.Control == call.control && f.Path.SourcePort == alg.Ephemeral && !f.Brief
				})
				if n < 0 {
					continue
				}
				role := alg.RoleProbe
				if call.control {
					role = alg.RoleControl
				}
				steps = append(steps, Step{Flow: n, Name: call.step, Shape: alg.ShapeLocal, Role: role, Script: true})
			}
			if len(steps) > 0 {
				p.Rounds = append(p.Rounds, Round{Name: "calls with media", Steps: steps})
			}
		}
	}
}

// isLive reports that a step is a call with media.
func isLive(step string) bool { return step == stepLive || step == stepLive27 }

// liveCall is a call with media, once it is established.
type liveCall struct {
	*runner
	link  *link
	step  Step
	end   *mediaEnd
	id    string         // Call-ID or callIdentifier
	proto string         // of the signalling
	offer *sent          // the message that announces where this end takes media
	lines [2]int         // which of its announcements are audio and video
	port  uint16         // the reflector's for audio, as it announced it
	audio netip.AddrPort // where the far end takes media, as its announcement arrived here
	video netip.AddrPort
}

// mediaPath is the path that the media of a call is about.
func (c *liveCall) mediaPath() alg.Path {
	p := c.link.flow.plan.Path
	p.Proto = alg.ProtoMedia
	return p
}

// talk sends media both ways and enters what became of it. First this end talks, which is what lets the reflector answer; then the
// reflector does, back to where the media came from and to where the call announced.
func (c *liveCall) talk(ctx context.Context) {
	var sides sync.WaitGroup
	var audio, video, control []wire.Media
	sides.Go(func() { audio = c.out(ctx, c.end.at(audioPort), audioPort, c.audio, audioBurst) })
	if c.video.IsValid() {
		sides.Go(func() { video = c.out(ctx, c.end.at(videoPort), videoPort, c.video, videoBurst) })
	}
	sides.Go(func() {
		to := netip.AddrPortFrom(c.audio.Addr(), c.audio.Port()+1)
		control = c.out(ctx, c.end.at(audioControlPort), audioControlPort, to, rtcpBurst)
	})
	if c.step.Role == alg.RoleProbe && c.proto == alg.ProtoSIP {
		for _, port := range otherPorts {
			sides.Go(func() { c.outFrom(ctx, port) })
		}
	}
	sides.Wait()
	if ctx.Err() != nil {
		return
	}
	// What came in is what may go back.
	half := len(audio) / 2
	if half > 0 {
		sides.Go(func() {
			c.back(ctx, alg.MediaAudio, alg.TowardsSource, c.end.at(audioPort), wire.Action{Record: audio[0].Seq, Count: half, Interval: 44})
		})
	}
	if len(video) > 0 {
		sides.Go(func() {
			c.back(ctx, alg.MediaVideo, alg.TowardsSource, c.end.at(videoPort), wire.Action{
				Record: video[0].Seq, Count: len(video), Size: videoBurst.octets, Interval: 56,
			})
		})
	}
	if len(control) > 0 {
		sides.Go(func() {
			c.back(ctx, alg.MediaRTCP, alg.TowardsSource, c.end.at(audioControlPort), wire.Action{
				Record: control[0].Seq, Count: len(control), RTCP: true, Interval: 300,
			})
		})
	}
	if c.offer != nil && c.offer.there != nil {
		sides.Go(func() {
			c.back(ctx, alg.MediaAudio, alg.TowardsAnnounced, c.end.at(audioPort), wire.Action{
				To: c.offer.there.seq, Line: c.lines[0], Port: c.port, Count: max(half, 1), Interval: 44,
			})
		})
	}
	sides.Wait()
}

// otherPorts are ports of this computer beside those of the call that media is sent from as well, spread over the range: some
// firewalls let out a part of it.
var otherPorts = []uint16{12200, 33200, 49800}

// outFrom sends media from another port of this computer.
func (c *liveCall) outFrom(ctx context.Context, port uint16) {
	for n := range uint16(openTries) {
		from := netip.AddrPortFrom(c.end.local, port+2*n)
		conn, err := c.cfg.Network.ListenPacket(ctx, "udp", from.String())
		if err != nil {
			continue
		}
		defer conn.Close()
		c.sendOut(ctx, conn, from, c.audio, portBurst)
		return
	}
}

func (c *liveCall) out(ctx context.Context, from netip.AddrPort, port int, to netip.AddrPort, b burst) []wire.Media {
	return c.sendOut(ctx, c.end.conns[port], from, to, b)
}

// sendOut sends a burst to the far end, enters what became of it, and returns the reflector's records.
func (c *liveCall) sendOut(ctx context.Context, conn net.PacketConn, from, to netip.AddrPort, b burst) []wire.Media {
	if !c.safe(to) {
		c.note(fmt.Sprintf("media was not sent to %s, the address that arrived in the answer to a call: it is not the reflector's", to))
		c.untested(to, "media was not sent: the address that arrived in the answer is not the reflector's")
		return nil
	}
	number := c.nextNumber()
	c.mu.Lock()
	nonce := c.link.flow.nonce
	c.mu.Unlock()
	began := time.Now()
	sent := c.play(ctx, conn, to, b, number, nonce)
	got, told := c.recorded(ctx, wire.In, number, sent)
	if !told {
		c.untested(to, untold)
		return got
	}
	t := c.trial(b.kind, true, alg.TowardsAnnounced, from, to, began)
	t.Media.Octets, t.Media.Sent, t.Media.Span = b.octets, sent, milliseconds(time.Duration(sent)*b.interval)
	if b.kind == alg.MediaRTCP {
		t.Media.Octets = wire.RTCPSize
	}
	skew := c.skew()
	var packets []packet
	for _, m := range got {
		dscp := uint8(0)
		if m.TOS > 0 {
			dscp = uint8(m.TOS >> 2)
		}
		packets = append(packets, packet{m.At.Add(-skew), m.Remote, dscp, m.Length, m.Head})
	}
	c.account(&t, packets, alg.Outside, b, firstSequence)
	c.enter(t)
	return got
}

// untested enters why nobody knows what would become of media, which leaves its path in doubt.
func (c *liveCall) untested(to netip.AddrPort, why string) {
	c.failed(alg.Trial{Kind: alg.TrialStep, Path: c.mediaPath(), Dst: to, Detail: why})
}

const untold = "what became of the media of a call is not known: the reflector's records of it are not complete"

// safe reports that an address is one of the reflector's: media goes nowhere else, whatever somebody wrote into an answer.
func (c *liveCall) safe(to netip.AddrPort) bool {
	return slices.ContainsFunc(c.session.Grant.Media, func(m wire.MediaPorts) bool { return m.Addr == to.Addr() }) && to.Port() >= 1024
}

// back has the reflector send media here, and enters what became of it.
func (c *liveCall) back(ctx context.Context, kind, towards string, to netip.AddrPort, a wire.Action) {
	a.Action, a.Number = wire.ActionMedia, c.nextNumber()
	began := time.Now()
	sent, err := c.session.Send(ctx, a)
	if err != nil {
		if ctx.Err() == nil {
			c.note("the reflector sent no media: " + err.Error())
			c.untested(to, "the reflector sent no media")
		}
		return
	}
	t := c.trial(kind, false, towards, c.audio, to, began)
	t.Media.Octets = a.Size
	switch {
	case a.RTCP:
		t.Media.Octets = wire.RTCPSize
	case a.Size == 0:
		t.Media.Octets = audioBurst.octets
	}
	if towards == alg.TowardsAnnounced {
		t.Media.Rewritten = !bytes.Equal(c.offer.raw, c.offer.there.raw)
	}
	if sent.Addr.IsValid() && towards == alg.TowardsAnnounced {
		t.Detail = "announced as " + sent.Addr.String()
	}
	if t.Media.NotSent = sent.NotSent; sent.NotSent != "" {
		t.Outcome = alg.OutcomeUnsent
		c.enter(t)
		return
	}
	span := time.Duration(a.Count*a.Interval) * time.Millisecond
	// Waited for by what was sent, since a gateway may drop all of it.
	out, told := c.recorded(ctx, wire.Out, a.Number, a.Count)
	deadline := time.Now().Add(c.patience("udp"))
	for len(c.end.with(sent.Tag)) < len(out) && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(pace)
	}
	if !told || ctx.Err() != nil {
		c.untested(to, untold)
		return
	}
	t.Media.Sent, t.Media.Span = len(out), milliseconds(span)
	if len(out) > 0 {
		t.Src = out[0].Local
	}
	var packets []packet
	for _, p := range c.end.with(sent.Tag) {
		packets = append(packets, packet{p.at, p.from, 0, p.length, p.head})
	}
	first := 0
	if len(out) > 0 {
		if h, ok := media.ParseHeader(out[0].Head); ok {
			first = int(h.Sequence)
		}
	}
	c.account(&t, packets, alg.Inside, burst{kind, a.Count, t.Media.Octets, time.Duration(a.Interval) * time.Millisecond}, first)
	c.enter(t)
}

// trial begins the account of media one way.
func (c *liveCall) trial(kind string, outbound bool, towards string, src, dst netip.AddrPort, at time.Time) alg.Trial {
	return alg.Trial{
		Kind: alg.TrialMedia, Path: c.mediaPath(), Src: src, Dst: dst, At: at, Outcome: alg.OutcomeFailed,
		Media: &alg.Media{Call: c.id, Signalling: c.proto, Step: c.step.Name, Kind: kind, Outbound: outbound, Towards: towards},
	}
}

func (c *liveCall) enter(t alg.Trial) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trials = append(c.trials, t)
}

// packet is one datagram of media as the receiving end saw it.
type packet struct {
	at     time.Time
	from   netip.AddrPort
	dscp   uint8
	length int
	head   []byte
}

// account enters what arrived of a burst that began with the given sequence number.
func (c *liveCall) account(t *alg.Trial, packets []packet, point string, b burst, first int) {
	m := t.Media
	if len(packets) == 0 {
		return
	}
	t.Outcome = alg.OutcomeOK
	m.Seen = packets[0].from
	m.Delay = max(0, milliseconds(packets[0].at.Sub(t.At)))
	if b.kind == alg.MediaRTCP {
		m.Received, m.Heard = min(len(packets), m.Sent), m.Span
		return
	}
	var table media.Table
	flow := table.Flow(m.Seen, t.Dst)
	flow.Announce(t.At.UnixNano(), []media.Format{{Payload: 0, Name: "PCMU", Rate: 8000}, {Payload: 97, Name: "H264", Rate: 90000}})
	last, renumbered := 0, false
	for _, p := range packets {
		flow.Add(p.at.UnixNano(), p.dscp, p.head, p.length)
		if h, ok := media.ParseHeader(p.head); ok {
			if n := int(h.Sequence - uint16(first)); n < b.count {
				last = max(last, n)
			} else {
				renumbered = true
			}
		}
	}
	for s := range flow.Streams() {
		st := s.Stats()
		m.Received = min(int(st.Packets)-int(st.Duplicates), m.Sent)
		m.Heard = milliseconds(time.Duration(last+1) * b.interval)
		if renumbered {
			m.Heard = m.Span // somebody numbers anew: until when it was heard cannot be told
		}
		m.Stream = &alg.Stream{
			Src: m.Seen, Dst: t.Dst, SSRC: fmt.Sprintf("0x%08x", st.SSRC), Packets: m.Received, Lost: max(0, m.Sent-m.Received),
			Late: int(st.Late), Duplicates: int(st.Duplicates), Jitter: milliseconds(st.MeanJitter),
			First: time.Unix(0, st.First).UTC(), Last: time.Unix(0, st.Last).UTC(), Point: point, DSCP: int(st.DSCP),
		}
		if len(st.Payloads) > 0 {
			m.Stream.Payload, m.Stream.Codec = int(st.Payloads[0].Format.Payload), st.Payloads[0].Format.Name
		}
		return
	}
}

// milliseconds keeps three digits behind the point.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// skew is the reflector's clock minus ours, as far as it is known.
func (r *runner) skew() time.Duration {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	return r.ledger.skew - r.rtt/2
}

// silentCalls enters a trial for every planned call with media that never came to its media: what was not tested is not clean.
func (r *runner) silentCalls(ctx context.Context) {
	r.mu.Lock()
	type call struct {
		path alg.Path
		step string
	}
	heard := map[call]bool{}
	for _, t := range r.trials {
		if t.Media != nil {
			heard[call{t.Path, t.Media.Step}] = true
		}
	}
	r.mu.Unlock()
	for _, round := range r.plan.Rounds {
		for _, s := range round.Steps {
			f := r.flows[s.Flow]
			if !isLive(s.Name) || f == nil {
				continue
			}
			path := f.plan.Path
			path.Proto = alg.ProtoMedia
			if heard[call{path, s.Name}] {
				continue
			}
			heard[call{path, s.Name}] = true
			why := "the call did not come about, so that no media was sent"
			if ctx.Err() != nil {
				why = "the run was cut short"
			}
			r.failed(alg.Trial{Kind: alg.TrialStep, Path: path, Dst: f.plan.Target, Detail: why})
		}
	}
}

// mediaBook holds the reflector's records of media, fetched when somebody asks for them.
type mediaBook struct {
	turn chan struct{} // holds one while somebody fetches; no lock, since that takes its time

	mu      sync.Mutex // guards the rest
	after   uint64
	records []wire.Media
	dropped bool // the reflector kept no record of some
}

func (b *mediaBook) lacks() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// recorded returns the records of one direction with a number, once there are as many as wanted, or nothing more comes. told is
// false where there may be more than the reflector told.
func (r *runner) recorded(ctx context.Context, dir wire.Direction, number uint32, want int) (list []wire.Media, told bool) {
	deadline := time.Now().Add(r.patience("udp"))
	for seen := 0; ; {
		if err := r.fetchMedia(ctx); err != nil && ctx.Err() == nil {
			r.note("the reflector does not tell what media it received: " + err.Error())
			return nil, false
		}
		list = r.book.find(dir, number)
		if len(list) > seen {
			seen, deadline = len(list), time.Now().Add(r.patience("udp")) // more may come
		}
		if seen >= want || time.Now().After(deadline) || ctx.Err() != nil {
			return list, len(list) >= want || ctx.Err() == nil && !r.book.lacks()
		}
		select {
		case <-time.After(2 * pace):
		case <-ctx.Done():
		}
	}
}

// fetchMedia fetches the records that are new.
func (r *runner) fetchMedia(ctx context.Context) error {
	b := &r.book
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	got, err := r.session.Media(ctx, b.after, 0) // who has the turn alone changes after
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records, b.after = append(b.records, got.Media...), got.Next
	if got.Dropped > 0 {
		b.dropped = true
		r.note("the reflector kept no record of some media: the session's budget was spent")
	}
	return nil
}

func (b *mediaBook) find(dir wire.Direction, number uint32) (list []wire.Media) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.records {
		if m.Direction == dir && m.Number == number {
			list = append(list, m)
		}
	}
	return list
}

// livePort is an even port of the reflector's media on an address, another one for each call: first of two pairs, for audio and for
// video. ok is false if it has none.
func (r *runner) livePort(to netip.Addr) (port uint16, ok bool) {
	for _, m := range r.session.Grant.Media {
		if pairs := (int(m.Last) - int(m.First) + 1) / 4; m.Addr == to && pairs > 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.livePorts++
			return m.First + 4*uint16(r.livePorts%pairs), true
		}
	}
	return 0, false
}
