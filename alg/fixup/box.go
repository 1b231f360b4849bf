package fixup

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Packet is a UDP datagram or a TCP segment, without anything below the ports.
// Of what TCP sends without data the answer to the first segment and the last
// segment of each direction pass as well, with no payload.
type Packet struct {
	Proto    string // "udp" or "tcp"
	Src, Dst netip.AddrPort
	Payload  []byte
	Open     bool // the first segment of a TCP connection, which has no payload
}

// How long the box remembers a flow without traffic. The first three are the
// defaults of the Linux kernel's connection tracking
// (nf_conntrack_proto_udp.c, nf_conntrack_proto_tcp.c).
const (
	lifeNew    = 30 * time.Second  // UDP, one direction seen
	lifeBoth   = 120 * time.Second // UDP, both directions seen
	lifeStream = 5 * 24 * time.Hour
)

// Box is the box in the middle: translation, filter and the rules of a style.
// It keeps the state of both, may be used on its own, and by several
// goroutines. Time is that of package time.
//
// Translation is port preserving where the port is free and maps an inside
// address and port to the same public port whatever the destination
// (endpoint-independent mapping, RFC 4787 4.1). Inbound packets pass only from
// an address and port that was sent to (address and port-dependent filtering,
// section 5), or where the style has opened a pinhole. IPv6 is filtered and not
// translated.
type Box struct {
	style  *Style
	block  func(p Packet, out bool) bool
	refuse func(p Packet, out bool) bool
	public netip.Addr
	nat    bool
	inside map[netip.Addr]bool

	mu       sync.Mutex
	flows    map[flowKey]*flow // under the addresses of either side
	publics  map[endpoint]netip.AddrPort
	owner    map[endpoint]netip.AddrPort // the inverse: who has a public port
	users    map[endpoint]int            // flows on a mapping, by inside endpoint
	expected map[expectKey]*expectation
	sweepAt  int // flows that trigger the next sweep
	chance   *rand.Rand
}

type endpoint struct {
	proto string
	at    netip.AddrPort
}

type flowKey struct {
	proto      string
	fromInside bool // local is the inside address, else the public one
	local      netip.AddrPort
	remote     netip.AddrPort
}

// flow is what the box knows of one pair of endpoints, with the state that the
// rules of the style keep.
type flow struct {
	proto   string
	inside  netip.AddrPort
	public  netip.AddrPort // the same as inside where nothing is translated
	outside netip.AddrPort
	inbound bool // the first packet came from outside
	pinhole bool // it came through an expectation
	passed  bool // at least one packet got through
	both    bool // packets went both ways
	helper  helper
	until   time.Time

	forced   uint16         // see rememberViaPort
	invite   uint32         // CSeq of the last INVITE
	register uint32         // and of the last REGISTER
	expects  []*expectation // oldest first

	// Of H.323, by the direction: 0 is that of the first packet. The ports and
	// lengths are what struct nf_ct_h323_master has.
	waiting    [2]int    // what a packet header alone has announced
	signalling [2]uint16 // the port that was announced for calls or for H.245, on either side
	pairs      [4]uint16 // the RTP ports that were announced, inside
	registered uint32    // for how many seconds
}

// NewBox makes the box of a network on its own. Latency, loss and the outside
// addresses of the configuration do not matter to it.
func NewBox(cfg Config) (*Box, error) {
	cfg.fill()
	style, err := lookup(cfg.Style)
	if err != nil {
		return nil, err
	}
	b := &Box{
		style:    style,
		block:    cfg.Block,
		refuse:   cfg.Refuse,
		public:   cfg.Public,
		nat:      !cfg.NoNAT,
		inside:   make(map[netip.Addr]bool),
		flows:    make(map[flowKey]*flow),
		publics:  make(map[endpoint]netip.AddrPort),
		owner:    make(map[endpoint]netip.AddrPort),
		users:    make(map[endpoint]int),
		expected: make(map[expectKey]*expectation),
		sweepAt:  1024,
		chance:   rand.New(rand.NewPCG(cfg.Seed, 2)),
	}
	for _, a := range cfg.Inside {
		b.inside[a] = true
	}
	return b, nil
}

// Style is the style of the box.
func (b *Box) Style() Style { return *b.style }

// fate is what becomes of a packet in the box.
type fate int

const (
	fateDropped fate = iota // nobody learns of it
	fateRefused             // both ends of the TCP connection get a reset
	fatePassed
)

// Out takes a packet that comes from inside and returns it as it leaves towards
// the outside, or false if it does not. The payload of the argument may be
// changed in place; the result may share its memory.
func (b *Box) Out(p Packet) (Packet, bool) {
	p, how := b.through(p, true)
	return p, how == fatePassed
}

// In takes a packet from the outside, as Out does.
func (b *Box) In(p Packet) (Packet, bool) {
	p, how := b.through(p, false)
	return p, how == fatePassed
}

// through asks the faults of the configuration first: what they stop leaves no
// trace in the box. They are code of the caller and run without the lock.
func (b *Box) through(p Packet, out bool) (Packet, fate) {
	if b.block != nil && b.block(p, out) {
		return p, fateDropped
	}
	if p.Proto == "tcp" && b.refuse != nil && b.refuse(p, out) {
		return p, fateRefused
	}
	pass := b.inwards
	if out {
		pass = b.outwards
	}
	if p, ok := pass(p); ok {
		return p, fatePassed
	}
	return p, fateDropped
}

func (b *Box) outwards(p Packet) (Packet, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inside[p.Dst.Addr()] || p.Dst.Addr() == b.public {
		return p, false
	}
	now := time.Now()
	f := b.find(flowKey{p.Proto, true, p.Src, p.Dst}, now)
	if f != nil && p.Open {
		b.drop(f)
		f = nil
	}
	if f == nil {
		f = &flow{proto: p.Proto, inside: p.Src, outside: p.Dst, public: b.mapping(p.Proto, p.Src)}
		if !f.public.IsValid() {
			return p, false
		}
		e := b.claim(expectKey{p.Proto, p.Src.Addr(), p.Dst}, now)
		f.pinhole = e != nil
		f.helper = b.style.helper(p, e)
		b.add(f, now)
	}
	out := p
	out.Src = f.public
	return b.pass(f, true, now, p, out)
}

func (b *Box) inwards(p Packet) (Packet, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	f := b.find(flowKey{p.Proto, false, p.Dst, p.Src}, now)
	if f == nil || p.Open {
		e := b.claim(expectKey{p.Proto, p.Src.Addr(), p.Dst}, now)
		if e == nil {
			return p, false
		}
		if f != nil {
			b.drop(f)
		}
		f = &flow{proto: p.Proto, inside: e.saved, public: p.Dst, outside: p.Src, inbound: true, pinhole: true}
		f.helper = b.style.helper(p, e)
		b.adopt(p.Proto, f.inside, f.public)
		b.add(f, now)
	}
	in := p
	in.Dst = f.inside
	return b.pass(f, false, now, p, in)
}

// pass lets the style at a packet whose translation is known.
func (b *Box) pass(f *flow, out bool, now time.Time, before, after Packet) (Packet, bool) {
	if out == f.inbound {
		f.both = true
	}
	f.until = now.Add(b.life(f))
	if f.helper == helperNone || len(before.Payload) == 0 {
		f.passed = true
		return after, true
	}
	m := &message{
		box: b, flow: f, now: now, out: out, reply: out == f.inbound,
		src: before.Src, dst: before.Dst, newSrc: after.Src, newDst: after.Dst,
		buf: before.Payload,
	}
	if !b.style.handle(m) {
		if !f.passed {
			// The kernel confirms a flow when its first packet leaves
			// (nf_conntrack_confirm). A drop before that undoes it.
			b.drop(f)
		}
		return after, false
	}
	f.passed = true
	after.Payload, after.Dst = m.buf, m.newDst
	return after, true
}

func (b *Box) life(f *flow) time.Duration {
	switch {
	case f.helper == helperSIP && b.style.life > 0:
		return b.style.life
	case f.proto == "tcp":
		return lifeStream
	case f.both:
		return lifeBoth
	}
	return lifeNew
}

// translated reports whether the box changes the addresses of the flow.
func (f *flow) translated() bool { return f.public != f.inside }

func (f *flow) keys() (in, out flowKey) {
	return flowKey{f.proto, true, f.inside, f.outside}, flowKey{f.proto, false, f.public, f.outside}
}

func (b *Box) find(k flowKey, now time.Time) *flow {
	f := b.flows[k]
	if f != nil && now.After(f.until) {
		b.drop(f)
		f = nil
	}
	return f
}

func (b *Box) add(f *flow, now time.Time) {
	if len(b.flows) >= b.sweepAt {
		for _, g := range b.flows {
			if now.After(g.until) {
				b.drop(g)
			}
		}
		b.sweepAt = max(1024, 2*len(b.flows))
	}
	f.until = now.Add(b.life(f))
	x, y := f.keys()
	b.flows[x], b.flows[y] = f, f
	b.users[endpoint{f.proto, f.inside}]++
}

// drop forgets a flow, what it expects, and the mapping if it was the last one
// there.
func (b *Box) drop(f *flow) {
	x, y := f.keys()
	delete(b.flows, x)
	delete(b.flows, y)
	b.flush(f, func(class) bool { return true })
	at := endpoint{f.proto, f.inside}
	if b.users[at]--; b.users[at] <= 0 {
		delete(b.users, at)
		if public, ok := b.publics[at]; ok {
			delete(b.publics, at)
			delete(b.owner, endpoint{f.proto, public})
		}
	}
}

// release forgets a TCP connection that both ends have closed.
func (b *Box) release(inside, outside netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.flows[flowKey{"tcp", true, inside, outside}]; f != nil {
		b.drop(f)
	}
}

// mapping is the public side of an inside endpoint, the one it has or a new
// one: the same port, else the next free one above it. It is invalid when no
// port is left.
func (b *Box) mapping(proto string, inside netip.AddrPort) netip.AddrPort {
	if !b.nat || !inside.Addr().Is4() {
		return inside
	}
	at := endpoint{proto, inside}
	if public, ok := b.publics[at]; ok {
		return public
	}
	port := inside.Port()
	for range 65535 {
		public := netip.AddrPortFrom(b.public, port)
		if _, taken := b.owner[endpoint{proto, public}]; !taken {
			b.adopt(proto, inside, public)
			return public
		}
		if port++; port == 0 {
			port = 1024
		}
	}
	return netip.AddrPort{}
}

// adopt notes a mapping unless either side has one.
func (b *Box) adopt(proto string, inside, public netip.AddrPort) {
	at, from := endpoint{proto, inside}, endpoint{proto, public}
	_, mapped := b.publics[at]
	_, taken := b.owner[from]
	if b.nat && !mapped && !taken && public != inside {
		b.publics[at], b.owner[from] = public, inside
	}
}
