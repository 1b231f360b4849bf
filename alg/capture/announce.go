package capture

import (
	"net/netip"

	"nofixup/alg/media"
)

// Kinds of an announced address.
const (
	KindAudio   = "audio" // the types of m= lines
	KindVideo   = "video"
	KindImage   = "image" // T.38
	KindMedia   = "media" // RTP of another type, or of a logical channel
	KindControl = "rtcp"
	KindH245    = "h245"
)

// Announcement is an address that a message announced for something to be sent to.
type Announcement struct {
	Addr    netip.AddrPort
	Kind    string
	Path    string // field path of the address: "sdp.media[0]", "connect.h245Address"
	At      int64
	Flow    int // of the message
	Message int // its ID
	Call    string
	From    netip.AddrPort // who sent the message
	Origin  netip.Addr     // of the description (o=), invalid if that is a name
	Formats []media.Format
	Mode    string // sendrecv, sendonly, recvonly or inactive (RFC 8866 6.7); empty where SDP says nothing of it

	prev *Announcement // of the same address, while the messages of a file's second half are read
}

// before returns the announcement of the same address that was the latest at that time, or else the oldest.
func (a *Announcement) before(at int64) *Announcement {
	for a != nil && a.prev != nil && a.At > at {
		a = a.prev
	}
	return a
}

// maxAnnounced is how many addresses are kept in each of two generations: one more call makes the oldest be forgotten.
const maxAnnounced = 1 << 16

// Bounds of announcements that are kept beside the latest of their addresses: all, and those of one address.
const (
	maxChained = 1 << 16
	maxChain   = 1 << 8
)

// announced holds the addresses that messages announced, the latest announcement of each. It keeps those that are used: a
// generation is thrown away when the next is full, and what was looked up in between moved there.
type announced struct {
	now, old map[endpoint]*Announcement
	epoch    uint32 // counts announcements, so that flows know when to look again
	lost     uint64

	chained bool                  // announcements keep those before them
	chains  map[*Announcement]int // those that do, with how many are before each
}

type endpoint struct {
	ip   addr
	port uint16
}

func endpointOf(a netip.AddrPort) endpoint { return endpoint{addrOf(a.Addr()), a.Port()} }

func (t *announced) add(a *Announcement) {
	if !a.Addr.IsValid() || a.Addr.Port() == 0 || a.Addr.Addr().IsUnspecified() {
		return
	}
	t.epoch++
	key := endpointOf(a.Addr)
	if t.chained {
		if prev := t.get(key); prev != nil {
			t.chain(a, prev)
		}
	}
	t.put(key, a)
}

// chain puts an announcement behind the one before it of the same address, or in its place if there is no room.
func (t *announced) chain(a, prev *Announcement) {
	n := t.chains[prev]
	if n < maxChain && len(t.chains) < maxChained {
		a.prev = prev
		t.chains[a] = n + 1
		return
	}
	t.lost++
	if n > 0 {
		a.prev, prev.prev = prev.prev, nil
		delete(t.chains, prev)
		t.chains[a] = n
	}
}

// unchain forgets all announcements but the latest of each address.
func (t *announced) unchain() {
	for a := range t.chains {
		a.prev = nil
	}
	t.chained, t.chains = false, nil
}

func (t *announced) put(key endpoint, a *Announcement) {
	if t.now == nil {
		t.now = map[endpoint]*Announcement{}
	}
	if _, ok := t.now[key]; !ok && len(t.now) >= maxAnnounced {
		t.lost += uint64(len(t.old))
		t.old, t.now = t.now, map[endpoint]*Announcement{}
	}
	t.now[key] = a
}

func (t *announced) get(key endpoint) *Announcement {
	if a := t.now[key]; a != nil {
		return a
	}
	a := t.old[key]
	if a != nil {
		delete(t.old, key)
		t.put(key, a)
	}
	return a
}
