package fixup

import (
	"net/netip"
	"slices"
	"time"
)

// class is what an expected flow is for; each has a limit of its own per
// signalling flow (sip_exp_policy in nf_conntrack_sip.c). With H.323 it is what
// kind of flow expects it, whatever that is for (q931_exp_policy and the like
// in nf_conntrack_h323_main.c).
type class int

const (
	classSignalling class = iota
	classAudio
	classVideo
	classImage
	classQ931
	classH245
	classRAS
)

var classLimit = [...]int{
	classSignalling: 1, classAudio: 4, classVideo: 4, classImage: 2,
	classQ931: 20, classH245: 18, classRAS: 32,
}

// lifeExpected is how long an expectation for media waits for its flow.
const lifeExpected = 180 * time.Second

// expectKey says which first packet is expected: from any port of peer.
type expectKey struct {
	proto string
	peer  netip.Addr
	at    netip.AddrPort // where it is sent to, on the sender's side of the box
}

// expectation is a pinhole: the announcement of a flow that another flow has
// made (struct nf_conntrack_expect).
type expectation struct {
	expectKey
	class    class
	helper   helper         // what looks at the flow, if not what its port says
	flow     *flow          // the one that announced it
	saved    netip.AddrPort // whom the packet is for, on the far side of the box
	until    time.Time
	inactive bool // a registration without its 200 yet
	stays    bool // more than one flow may use it
}

type expectResult int

const (
	expectDone    expectResult = iota
	expectAlready              // another flow announced exactly this
	expectBusy                 // it overlaps with another one
)

// expect adds an expectation. For the media of SIP a duplicate of another flow
// is an error of its own, for all else it is a clash (NF_CT_EXP_F_SKIP_MASTER in
// nf_conntrack_expect.c). Beyond the limit of a class the oldest one goes.
func (b *Box) expect(e *expectation, now time.Time) expectResult {
	if old := b.awaited(e.expectKey, now); old != nil {
		switch {
		case old.flow == e.flow && old.class == e.class:
			b.forget(old)
		case isMedia(e.class):
			return expectAlready
		default:
			return expectBusy
		}
	}
	count := 0
	var oldest *expectation
	for _, x := range e.flow.expects {
		if x.class == e.class {
			if count++; oldest == nil {
				oldest = x
			}
		}
	}
	if count >= classLimit[e.class] {
		b.forget(oldest)
	}
	b.expected[e.expectKey] = e
	e.flow.expects = append(e.flow.expects, e)
	return expectDone
}

// awaited is the expectation under a key, nil when there is none or its time is
// over.
func (b *Box) awaited(k expectKey, now time.Time) *expectation {
	e := b.expected[k]
	if e != nil && now.After(e.until) {
		b.forget(e)
		e = nil
	}
	return e
}

// claim returns the expectation that the first packet of a flow fulfils. One
// for media serves one flow only.
func (b *Box) claim(k expectKey, now time.Time) *expectation {
	e := b.awaited(k, now)
	if e == nil || e.inactive {
		return nil
	}
	if !e.stays {
		b.forget(e)
	}
	return e
}

func (b *Box) forget(e *expectation) {
	delete(b.expected, e.expectKey)
	e.flow.expects = slices.DeleteFunc(e.flow.expects, func(x *expectation) bool { return x == e })
}

// flush forgets what a flow expects of the classes that which accepts.
func (b *Box) flush(f *flow, which func(class) bool) {
	for _, e := range slices.Clone(f.expects) {
		if which(e.class) {
			b.forget(e)
		}
	}
}

// isMedia says whether SIP expects media.
func isMedia(c class) bool { return c >= classAudio && c <= classImage }
