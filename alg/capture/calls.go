package capture

import (
	"bytes"
	"net/netip"
	"strings"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
	"nofixup/sip/sdp"
)

// DefaultCalls is how many calls are followed unless told otherwise.
const DefaultCalls = 1 << 15

// maxMedia is how many announced addresses are kept of one call.
const maxMedia = 32

// Calls follows the calls that messages make: those of SIP by Call-ID, those of H.323 by callIdentifier. The zero value is
// ready.
type Calls struct {
	Max  int // calls that are followed, DefaultCalls if 0
	Left int // messages of calls beyond that

	index map[string]*call
	order []*call
	msg   *sip.Message // that is being added, of SIP
	own   sip.Message
	pdu   h323.PDU
	spans []sdp.Span
}

// The ends of a call.
const (
	caller = 0
	callee = 1
)

// call is what is known of one call.
type call struct {
	id, proto string
	flow      *Flow
	flows     []*Flow           // all that its messages were seen on, the first few
	ends      [2]netip.AddrPort // from and to where its first message went
	tag       string            // From tag of the caller
	names     [2]string
	keys      joinKeys
	first     int64
	last      int64
	began     bool // before the capture did: what made the call is not in it
	ringing   bool
	answered  int64
	ended     int64
	failed    string // status of the answer that refused it, or how it ended before an answer
	frames    []int

	session
	invites  [2]offer // of either end, in an INVITE that is not answered yet
	updates  [2]offer // in an UPDATE or a PRACK
	forks    []fork   // dialogs with different callees
	media    []announcedBy
	heard    [2]heard           // towards the caller, the callee
	channels [2]map[uint16]bool // of H.323: open towards the caller, the callee
	proposed []uint16           // channels to the caller in its fastStart, until somebody accepts them

	cseq    string // number of the INVITE that was answered
	oks     int    // answers 2xx to it, repeated ones included
	okFirst int64
	okLast  int64
	ackSeen bool
}

// heard is the longest stream of audio that goes one way.
type heard struct {
	ssrc    uint32
	packets int
}

// announcedBy is an address for media with the end that announced it.
type announcedBy struct {
	*Announcement
	end    int
	cseq   string // of SIP: number and method of the request that it was said in, or in answer to
	frames []int
	natted bool // by a message from a public address

	between [2]netip.Addr // the hosts that the message went between, the lower address first
	part    int
}

// Add takes the next message.
func (c *Calls) Add(m *Message) {
	if m.Call == "" || m.Stray || m.Copy != 0 || m.Proto == alg.ProtoRAS {
		return
	}
	switch m.Proto {
	case alg.ProtoSIP:
		c.msg = m.sip(&c.own)
	case alg.ProtoH245:
		c.pdu.ParseH245(m.Raw)
	default:
		c.pdu.ParseCall(m.Raw)
	}
	k := c.index[m.Call]
	if k == nil {
		if k = c.open(m); k == nil {
			return
		}
	}
	k.last = max(k.last, m.At)
	k.passes(m.Flow)
	if m.Proto == alg.ProtoSIP {
		k.sip(m, c.msg)
		return
	}
	k.h323(m, &c.pdu)
}

// maxHops is how many conversations are counted that carry messages of one call.
const maxHops = 16

func (k *call) passes(f *Flow) {
	for _, g := range k.flows {
		if g == f {
			return
		}
	}
	if len(k.flows) < maxHops {
		k.flows = append(k.flows, f)
	}
}

// open begins a call with a message that can begin one, or that belongs to one which began before the capture; for others it
// returns nil.
func (c *Calls) open(m *Message) *call {
	most := c.Max
	if most == 0 {
		most = DefaultCalls
	}
	k := &call{id: m.Call, proto: m.Proto, flow: m.Flow, first: m.At, frames: m.Frames, ends: [2]netip.AddrPort{m.Src, m.Dst}}
	if m.Proto == alg.ProtoSIP {
		if !k.begin(m, c.msg) {
			return nil
		}
	} else {
		if m.Proto != alg.ProtoH323 || c.pdu.Message != h323.Setup {
			return nil
		}
		k.names = [2]string{m.Src.String(), m.Dst.String()}
	}
	if len(c.index) >= most {
		c.Left++
		return nil
	}
	if m.Proto == alg.ProtoSIP {
		k.keys = c.keysOf(k)
	}
	if c.index == nil {
		c.index = map[string]*call{}
	}
	c.index[k.id] = k
	c.order = append(c.order, k)
	return k
}

// maxTag is how much of a tag is kept, in octets: what tells two dialogs apart stands in front of that.
const maxTag = 256

// tag is the tag in From or To.
func tag(s *sip.Message, h sip.Header) string { return short(tagOf(s, h)) }

// short is what is kept of a parameter that tells dialogs or transactions apart.
func short(v []byte) string { return string(v[:min(len(v), maxTag)]) }

// uri is the URI of a From or To, for people.
func uri(v []byte) string {
	if i := bytes.IndexByte(v, '<'); i >= 0 {
		v = v[i+1:]
		if i := bytes.IndexByte(v, '>'); i >= 0 {
			v = v[:i]
		}
	} else if i := bytes.IndexByte(v, ';'); i >= 0 {
		v = v[:i]
	}
	return strings.ToValidUTF8(string(bytes.TrimSpace(v[:min(len(v), 200)])), "?")
}

func (k *call) announce(m *Message, a *Announcement, end int, cseq string) {
	if len(k.media) == maxMedia {
		k.media = append(k.media[:maxMedia/2], k.media[maxMedia/2+1:]...)
	}
	by := announcedBy{
		Announcement: a, end: end, cseq: cseq, frames: m.Frames, between: [2]netip.Addr{m.Src.Addr(), m.Dst.Addr()},
		natted: !alg.Private(m.Src.Addr()) && alg.Private(a.Addr.Addr()),
	}
	if by.between[1].Less(by.between[0]) {
		by.between[0], by.between[1] = by.between[1], by.between[0]
	}
	k.media = append(k.media, by)
}

// answer marks that the call came about.
func (k *call) answer(at int64) {
	if k.answered == 0 {
		k.answered, k.failed = at, ""
		k.since = at
	}
}

func (k *call) end(at int64) {
	if k.ended == 0 {
		k.agree(at)
		k.ended = at
	}
}

// state says in a word how far the call came.
func (k *call) state() string {
	switch {
	case k.answered > 0 && k.ended > 0:
		return "ended"
	case k.answered > 0:
		return "answered" // the capture ends before the call does
	case k.failed == "cancelled" || k.failed == "refused":
		return k.failed
	case k.failed != "":
		return "failed " + k.failed
	case k.ended > 0:
		return "ended unanswered"
	case k.ringing:
		return "ringing"
	}
	return "unanswered"
}
