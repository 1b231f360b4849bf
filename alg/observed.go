package alg

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Observed is one call as captures show it: what was agreed on, and what of the audio was seen. Nobody sent anything for the
// sake of a test, so that what is missing means less than in a probe.
type Observed struct {
	Call
	Path     Path // of the signalling
	Answered bool
	Known    bool   // what both ends said of audio was captured
	Fax      bool   // it was one of T.38 for some time
	Callee   bool   // the callee is on the inside, else the caller
	Ways     [2]Way // of audio: towards the caller, towards the callee
	Unacked  *Unacked
	Frames   []int // of the first message
}

// Way is the audio of a call in one direction.
type Way struct {
	Agreed    bool           // it was agreed on at some time while the call was up
	Expected  bool           // and for long enough to be missed
	Announced netip.AddrPort // where the receiver said that it listens
	Path      string         // field path of that address
	Frames    []int          // of the message with it
	Natted    bool           // that message bears a public source address where the one that it announces is private
	Far       netip.Addr     // from where the other end signals
	Packets   int            // while the call was up
	Before    int            // packets that passed the other vantage point, on their way here
	First     time.Time
	Last      time.Time
	Steady    bool           // without a pause but for those agreed on and without comfort noise, as long as it lasted
	Quiet     time.Duration  // for how long after Last it was still agreed on and the other way audio went on
	Went      netip.AddrPort // where most of it went to
	Source    netip.AddrPort // where it came from, as seen farthest from its sender
	Origin    netip.Addr     // of the description that announced it (o=), invalid if it is a name
	Hosts     []netip.Addr   // all that the receiver announced for media in the course of the call, on this hop and on others
	Written   netip.AddrPort // Announced as the receiver wrote it, where another vantage point saw that; else invalid
	Refused   time.Duration  // from the first ICMP error that says that nobody is there to the last, while the call was up
	Errors    int            // how many of them
	NoWay     int            // how many of them say that there is no way to the host, or none that is allowed, well before the end
	By        netip.Addr     // who sent them
	Blocked   bool           // the stream passed one vantage point and, for all that is known, was to pass the other, and never did
}

// Unacked is an answer to an INVITE that its sender repeated, since it got no ACK.
type Unacked struct {
	Count int
	Span  time.Duration // from the first to the last
	Seen  bool          // an ACK passed here all the same

	Went    netip.AddrPort // where the ACK went, invalid if none passed
	Contact netip.AddrPort // that the answer names, invalid if it is a name, or if there are proxies that stay on the way
	Signals netip.AddrPort // where the answer came from
	Size    int            // octets of the answer
	Pieces  int            // fragments that it came in, 0 if it came in one packet
}

// astray reports that the ACK goes to a Contact that is not where the answer came from, or would have to.
func (u *Unacked) astray() bool {
	return u.Contact.IsValid() && u.Contact != u.Signals && (u.Went == u.Contact || !u.Went.IsValid() && Private(u.Contact.Addr()) && !Private(u.Signals.Addr()))
}

// AudioUnknown is the Audio of a call of whose media nothing passed where the capture was taken: it may have gone another way.
const AudioUnknown = "unknown"

const (
	minHeard   = 50               // packets that one end sends before it means something that the other sends none: a second of audio
	minTalk    = 2 * time.Second  // and how long they must last
	few        = 5                // packets that make no audio: the first ones of a stream that never came up
	minStopped = 15 * time.Second // for which a stream that never paused is missing before that is called an end
)

// span is from the first packet to the last.
func (w *Way) span() time.Duration { return w.Last.Sub(w.First) }

// refused reports that nearly all of it found nobody. A phone that hangs up refuses the last packets, too, and one that is slow
// the first; that there is no way to it changes less, and routers do not say it of every packet.
func (w *Way) refused() bool {
	return w.NoWay >= 2 && w.Packets > 0 || w.Errors >= 3 && w.Packets > 0 && w.Refused >= minTalk && w.Refused >= w.span()/2
}

// astray reports that it is sent to a private address by an end that is public, at a point where the receiver is public, too.
func (w *Way) astray() bool {
	return w.Natted && w.Went == w.Announced && w.privately() && w.Packets > few
}

// silent reports that next to nothing was sent this way while the other way audio went on.
func (w *Way) silent(other *Way) bool {
	return other.Packets >= minHeard && other.span() >= minTalk && w.Packets <= max(few, other.Packets/50)
}

// stopped reports that it ended long before the other way did.
func (w *Way) stopped() bool {
	return w.Steady && w.Packets >= minHeard && w.Quiet >= minStopped
}

// AddCall judges a call that a capture holds, after the case of its messages if there is one, and returns it with its audio and
// the cause.
func (j *Judge) AddCall(o *Observed) Call {
	j.ready()
	c := o.Call
	left := j.left[c.ID]
	delete(j.left, c.ID)
	j.unacked(o)
	caller, callee := &o.Ways[0], &o.Ways[1]
	c.Packets = [2]int{caller.Packets, callee.Packets}
	if c.Audio, c.Why = o.unjudged(); c.Audio != "" {
		return c
	}
	bad := func(w, other *Way) bool { return w.refused() || w.astray() || w.silent(other) }
	badCaller, badCallee := bad(caller, callee), bad(callee, caller)
	switch {
	case badCaller && badCallee:
		c.Audio, c.Cause = AudioNone, j.deaf(o, 0, &mediaBlocked, left)
		j.deaf(o, 1, &mediaBlocked, left)
	case badCaller:
		c.Audio, c.Missing, c.Cause = AudioOneWay, o.direction(0), j.deaf(o, 0, &mediaOneWay, left)
	case badCallee:
		c.Audio, c.Missing, c.Cause = AudioOneWay, o.direction(1), j.deaf(o, 1, &mediaOneWay, left)
	case caller.stopped():
		c.Audio, c.Missing, c.Cause = AudioOneWay, o.direction(0), j.ended(o, 0)
	case callee.stopped():
		c.Audio, c.Missing, c.Cause = AudioOneWay, o.direction(1), j.ended(o, 1)
	case caller.Packets <= few || callee.Packets <= few:
		c.Audio, c.Why = AudioUnknown, "too little audio passed to tell"
	default:
		c.Audio, c.Cause = AudioTwoWay, j.latched(o)
	}
	return c
}

// unjudged says what is to be said of the audio of a call of which nothing can be missed, and why; nothing of others.
func (o *Observed) unjudged() (audio, why string) {
	caller, callee := &o.Ways[0], &o.Ways[1]
	heard := caller.Packets > few && callee.Packets > few
	switch {
	case !o.Answered:
		return AudioNotExpected, "not answered"
	case !o.Known && heard, caller.Agreed && callee.Agreed && heard && !(caller.Expected && callee.Expected):
		return AudioTwoWay, ""
	case !o.Known && o.Began:
		return AudioUnknown, "began before the capture"
	case !o.Known:
		return AudioUnknown, "what both ends agreed on was not captured"
	case !caller.Agreed && !callee.Agreed && o.Fax:
		return AudioNotExpected, "fax (T.38)"
	case !caller.Agreed && !callee.Agreed:
		return AudioNotExpected, "no audio by agreement"
	case !caller.Agreed:
		return AudioNotExpected, fmt.Sprintf("to the callee alone by agreement: %s packets, %s the other way", number(callee.Packets), number(caller.Packets))
	case !callee.Agreed:
		return AudioNotExpected, fmt.Sprintf("to the caller alone by agreement: %s packets, %s the other way", number(caller.Packets), number(callee.Packets))
	case !caller.Expected || !callee.Expected:
		why := "audio both ways was agreed on for less than 3 s"
		if o.Fax {
			return AudioNotExpected, why + ", then a fax (T.38)"
		}
		return AudioUnknown, why
	case caller.Packets+callee.Packets == 0:
		return AudioUnknown, "no audio passed here"
	}
	return "", ""
}

// direction is that of media towards an end.
func (o *Observed) direction(towards int) Direction {
	return directionOf((towards == 0) == o.Callee)
}

// path is the path of the media of the call.
func (o *Observed) path() Path {
	p := o.Path
	p.Proto = ProtoMedia
	return p
}

// callFinding adds a call to a finding.
func (j *Judge) callFinding(rule *Rule, o *Observed, p Path, d Direction, evidence string) *Finding {
	f, fresh := (&caseJudge{Judge: j}).finding(rule, p, d, "call", "")
	if fresh {
		f.Call = o.ID
		if evidence != "" {
			f.Summary += ": " + evidence
		}
	}
	f.Count++
	if len(f.Frames) < maxMarks {
		f.Frames = append(f.Frames, o.Frames...)
	}
	return f
}

// deaf reports an end at which nothing arrives, and why, and returns the ID of the cause.
func (j *Judge) deaf(o *Observed, towards int, rule *Rule, left string) string {
	w, other := &o.Ways[towards], &o.Ways[1-towards]
	d := o.direction(towards)
	what := fmt.Sprintf("%s packets go to %s", number(other.Packets), other.Went)
	switch {
	case w.Packets <= few && w.Before > few:
		what = fmt.Sprintf("%s packets to %s pass one vantage point, %d the other, while the other way audio goes on", number(w.Before), w.Went, w.Packets)
	case w.Packets == 0:
		what += ", and none comes back"
	case w.astray():
		what = fmt.Sprintf("%s packets go to %s, which is private, where the receiver signals from a public address", number(w.Packets), w.Went)
	case w.refused():
		what = fmt.Sprintf("nobody is there for %s packets to %s", number(w.Packets), w.Went)
	default:
		what += fmt.Sprintf(", and no more than %d come back", w.Packets)
	}
	if w.Announced.IsValid() {
		what += fmt.Sprintf(" (announced in %s: %s)", w.Path, w.Announced)
	}
	f := j.callFinding(rule, o, o.path(), d, what)
	cause := f.ID
	switch {
	case left != "" && d == Inbound:
		cause = left
	case w.half(other):
		evidence := fmt.Sprintf("%s became %s, while the media of that end comes from %s", w.Written, w.Announced, other.Source)
		cause = j.callFinding(&sdpPortUntouched, o, o.path(), d, evidence).ID
	case w.privately():
		evidence := fmt.Sprintf("%s, to a far end at %s", w.Announced, w.Far)
		cause = j.callFinding(&mediaAddressPrivate, o, o.path(), d, evidence).ID
	case w.halfSeen(other):
		evidence := fmt.Sprintf("%s is announced by an end that calls itself %s, while its media comes from %s", w.Announced, w.Origin, other.Source)
		cause = j.callFinding(&sdpPortUntouched, o, o.path(), d, evidence).ID
	case w.elsewhere(other):
		evidence := fmt.Sprintf("%s is announced, and the media of that end comes from %s", w.Announced, other.Source)
		cause = j.callFinding(&mediaSentAstray, o, o.path(), d, evidence).ID
	case w.refused():
		evidence := fmt.Sprintf("%s says so of %s, in %d ICMP errors", w.By, w.Went, w.Errors)
		cause = j.callFinding(&mediaRefused, o, o.path(), d, evidence).ID
	case w.Blocked && rule != &mediaBlocked:
		evidence := fmt.Sprintf("%s packets to %s pass one capture and none the other, while messages of the call pass both", number(w.Before), w.Went)
		cause = j.callFinding(&mediaBlocked, o, o.path(), d, evidence).ID
	}
	if f.Count == 1 && cause != f.ID { // the evidence is the first call's, and so is the cause
		f.Cause = cause
	}
	return cause
}

// privately reports that an end announced a private address to one that is public and so cannot send there.
func (w *Way) privately() bool {
	return Private(w.Announced.Addr()) && w.Far.IsValid() && !Private(w.Far)
}

// half reports that a gateway wrote the public address into the description and left the port, which is another one there.
func (w *Way) half(other *Way) bool {
	return w.Written.IsValid() && w.Written.Addr() != w.Announced.Addr() && w.Written.Port() == w.Announced.Port() &&
		other.Source.Addr() == w.Announced.Addr() && other.Source.Port() != w.Announced.Port()
}

// halfSeen is half as one vantage point outside sees it: the address is the one that media comes from, the port is not, and the
// origin of the description (o=) is still private. A client that knows its public address writes it there as well, or its media
// comes from the port that it names.
func (w *Way) halfSeen(other *Way) bool {
	return !w.Written.IsValid() && len(w.Hosts) == 1 && Private(w.Origin) && !Private(w.Announced.Addr()) && other.Source.Addr() == w.Announced.Addr() &&
		other.Source.Port() != w.Announced.Port()
}

// elsewhere reports that an end sends its media from another address than it announced, while the other end goes by the
// announced one or sends nothing that passes here.
func (w *Way) elsewhere(other *Way) bool {
	return w.Announced.IsValid() && other.Source.IsValid() && !Private(w.Announced.Addr()) && !Private(other.Source.Addr()) &&
		other.Source.Addr() != w.Announced.Addr() && !slices.Contains(w.Hosts, other.Source.Addr()) && (w.Packets == 0 || w.Went == w.Announced)
}

// ended reports media that stopped while the other end went on.
func (j *Judge) ended(o *Observed, towards int) string {
	w := &o.Ways[towards]
	return j.callFinding(&mediaOneWay, o, o.path(), o.direction(towards), fmt.Sprintf(
		"what goes to %s stops after %.1f s, the other way audio goes on for %.0f s", w.Went, w.span().Seconds(), w.Quiet.Seconds())).ID
}

// latched reports that a call has audio although one end announced an address that the other cannot send to, or sends from
// another one than it announced. It returns the ID of what it reports.
func (j *Judge) latched(o *Observed) (id string) {
	for i := range o.Ways {
		w, own := &o.Ways[i], &o.Ways[1-i]
		switch {
		case w.privately():
			evidence := fmt.Sprintf("%s, and packets go to %s", w.Announced, w.Went)
			if w.Went == w.Announced {
				evidence = fmt.Sprintf("%s, to a far end at %s", w.Announced, w.Far)
			}
			id = j.callFinding(&mediaLatched, o, o.path(), o.direction(i), evidence).ID
		case w.Went == w.Announced && own.Source.Addr() == w.Announced.Addr() && own.Source.Port() != w.Announced.Port():
			evidence := fmt.Sprintf("%s listens at %s and sends from %s", w.Announced.Addr(), w.Announced, own.Source)
			id = cmp.Or(id, j.callFinding(&mediaAsymmetric, o, o.path(), o.direction(1-i), evidence).ID)
		case w.Went == w.Announced && w.elsewhere(own):
			evidence := fmt.Sprintf("%s is announced, and packets come from %s", w.Announced, own.Source)
			id = cmp.Or(id, j.callFinding(&mediaFromElsewhere, o, o.path(), o.direction(1-i), evidence).ID)
		}
	}
	return id
}

// unacked reports an answer that was repeated until its sender gave up.
func (j *Judge) unacked(o *Observed) {
	u := o.Unacked
	if u == nil || u.Count < 5 || u.Span < 10*time.Second {
		return
	}
	what := fmt.Sprintf("the answer came %d times in %.0f s", u.Count, u.Span.Seconds())
	if u.Seen {
		what += ", the ACK passed here and got lost behind"
	} else {
		what += ", no ACK passed here"
	}
	d := directionOf(!o.Callee)
	f := j.callFinding(&ackMissing, o, o.Path, d, what)
	cause := ""
	switch {
	case u.astray():
		what := fmt.Sprintf("the answer names %s in Contact and comes from %s", u.Contact, u.Signals)
		if u.Went.IsValid() {
			what += "; the ACK goes to " + u.Went.String()
		}
		cause = j.callFinding(&contactUnreachable, o, o.Path, d, what).ID
	case u.Pieces > 1 && !u.Seen:
		cause = j.callFinding(&largeMessageLost, o, o.Path, directionOf(o.Callee), fmt.Sprintf("the answer of %d octets, in %d fragments", u.Size, u.Pieces)).ID
	}
	if f.Count == 1 { // the evidence is the first call's, and so is the cause
		f.Cause = cause
	}
}

// Private reports whether an address is of no use elsewhere: private (RFC 1918, RFC 4193), shared (RFC 6598), link-local or
// loopback.
func Private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() || sharedSpace.Contains(a)
}

// sharedSpace is behind carriers' NATs (RFC 6598).
var sharedSpace = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)

// number writes a count.
func number(n int) string {
	if n < 1000000 {
		return thousands(n)
	}
	return fmt.Sprint(n)
}

// Fault reports whether the report names something that makes calls fail or go without audio.
func (r *Report) Fault() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Critical })
}
