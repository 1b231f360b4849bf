package capture

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/sip"
)

// maxDialogs is how many dialogs and registrations are known at a time: one more makes the oldest be forgotten.
const maxDialogs = 1 << 12

// party is one end of a dialog: what it names in Contact, and where its message came from.
type party struct {
	tag           uint64
	contact, from netip.AddrPort
	routed        bool // a proxy stays on the way (Record-Route): requests do not go to the Contact
	size, pieces  int  // of its answer to INVITE
}

// dialog is what is known of the ends of a call.
type dialog struct {
	ends [2]*party
	ack  netip.AddrPort // where the last ACK went

	caller uint64 // tag of who sent the first INVITE, 0 if it was not seen
}

// dialogs are those of calls, by a hash of Call-ID.
type dialogs struct {
	known map[uint64]*dialog
	queue []uint64
}

// add takes what a message says of its sender.
func (d *dialogs) add(id uint64, m *Message, s *sip.Message, g *Signalling) {
	method := string(s.Method())
	if method == "ACK" {
		if k := d.known[id]; k != nil {
			k.ack = m.Dst
		}
		return
	}
	contact := alg.Contact(s)
	tag := tagOf(s, sip.HeaderFrom)
	if method == "" {
		tag = tagOf(s, sip.HeaderTo)
		if status := s.Status(); status <= 100 || status >= 300 {
			return
		}
	}
	if !contact.IsValid() || len(tag) == 0 || method == "REGISTER" || strings.HasSuffix(string(s.Value(sip.HeaderCSeq, 0)), "REGISTER") {
		return
	}
	k := d.known[id]
	if k == nil {
		if d.known == nil {
			d.known = map[uint64]*dialog{}
		}
		for len(d.queue) >= maxDialogs {
			delete(d.known, d.queue[0])
			d.queue = d.queue[1:]
		}
		k = &dialog{}
		d.known[id] = k
		d.queue = append(d.queue, id)
	}
	p := &party{tag: g.hash(tag), contact: contact, from: m.Src, routed: s.Value(sip.HeaderRecordRoute, 0) != nil}
	if method == "" {
		p.size, p.pieces = len(m.Raw), m.Fragments
	}
	if method == "INVITE" && len(tagOf(s, sip.HeaderTo)) == 0 {
		k.caller = p.tag
	}
	for i, e := range k.ends {
		if e == nil || e.tag == p.tag || i == 1 {
			k.ends[i] = p
			return
		}
	}
}

// to returns the end of a dialog that a request goes to, nil if it is not known, or not reached by its Contact.
func (d *dialogs) to(id uint64, s *sip.Message, g *Signalling) *party {
	k, tag := d.known[id], tagOf(s, sip.HeaderTo)
	if k == nil || len(tag) == 0 || s.Value(sip.HeaderRoute, 0) != nil {
		return nil
	}
	for _, e := range k.ends {
		if e != nil && e.tag == g.hash(tag) && !e.routed {
			return e
		}
	}
	return nil
}

// Answerers fills in who answered calls whose answer got no ACK.
func (g *Signalling) Answerers(list []alg.Observed) {
	for i := range list {
		u := list[i].Unacked
		if u == nil || list[i].Proto != alg.ProtoSIP {
			continue
		}
		k := g.dialogs.known[g.hash([]byte(list[i].ID))]
		if k == nil || k.caller == 0 {
			continue
		}
		for _, e := range k.ends {
			if e != nil && e.tag != k.caller && !e.routed {
				u.Contact, u.Signals, u.Went, u.Size, u.Pieces = e.contact, e.from, k.ack, e.size, e.pieces
			}
		}
	}
}

// client is a registration.
type client struct {
	alg.Registration
	key    uint64 // of the address of record and the server
	callID uint64
	sentBy string
	at     int64
}

// clients are registrations that were accepted.
type clients struct {
	known map[uint64]*client
	addrs map[netip.AddrPort]*client // where they came from, and their Contacts
	queue []*client
	gone  []*alg.Registration // forgotten to make room, of those that moved
}

// registered takes an answer 2xx to a REGISTER.
func (c *clients) registered(m, request *Message, answer, register *sip.Message, g *Signalling) {
	contact := alg.Contact(register)
	user := bounded(uri(register.Value(sip.HeaderTo, 0)))
	if !contact.IsValid() || registerVias(register) != 1 || user == "" {
		return
	}
	if c.known == nil {
		c.known, c.addrs = map[uint64]*client{}, map[netip.AddrPort]*client{}
	}
	k := &client{
		Registration: alg.Registration{
			User: user, Path: m.Flow.Path(), Contact: contact, From: request.Src, Expires: granted(answer, register, contact), Frames: m.Frames,
		},
		key: g.hash([]byte(user), []byte(m.Src.String())), callID: g.hash([]byte(request.Call)),
		sentBy: bounded(string(sentBy(register))), at: m.At,
	}
	was := c.known[k.key]
	if k.Expires == 0 {
		if was != nil {
			was.Expires = 0
			delete(c.addrs, was.From)
			delete(c.addrs, was.Contact)
		}
		return
	}
	if was != nil && was.From != k.From {
		was.Now = k.From
		if was.callID == k.callID && was.sentBy == k.sentBy && was.Contact == k.Contact && was.From.Addr() == k.From.Addr() && request.Flow.Transport == "udp" {
			k.Moves = was.Moves + 1
			k.Gap = time.Duration(k.at - was.at)
			if was.Gap > 0 {
				k.Gap = min(k.Gap, was.Gap)
			}
		}
	} else if was != nil {
		k.Moves, k.Gap = was.Moves, was.Gap
	}
	for len(c.queue) >= 2*maxDialogs {
		c.forget(c.queue[0])
		c.queue = c.queue[1:]
	}
	c.queue = append(c.queue, k)
	c.known[k.key] = k
	c.addrs[k.From], c.addrs[k.Contact] = k, k
}

func (c *clients) forget(k *client) {
	if c.known[k.key] == k {
		delete(c.known, k.key)
		if k.Moves > 0 && len(c.gone) < maxUnsettled {
			c.gone = append(c.gone, &k.Registration)
		}
	}
	for _, a := range []netip.AddrPort{k.From, k.Contact} {
		if c.addrs[a] == k {
			delete(c.addrs, a)
		}
	}
}

// at is the registration that a request goes to, nil if there is none that is still granted.
func (c *clients) at(m *Message) *alg.Registration {
	k := c.addrs[m.Dst]
	if k == nil || m.At < k.at || time.Duration(m.At-k.at) > k.Expires {
		return nil
	}
	b := k.Registration
	b.Age = time.Duration(m.At - k.at)
	if b.Now == m.Dst {
		b.Now = netip.AddrPort{}
	}
	return &b
}

// moved are the registrations that came from other ports as time went on.
func (c *clients) moved() []*alg.Registration {
	list := c.gone
	for _, k := range c.queue {
		if c.known[k.key] == k && k.Moves > 0 {
			list = append(list, &k.Registration)
		}
	}
	return list
}

func sentBy(s *sip.Message) []byte {
	for _, v := range s.Spans {
		if v.Header == sip.HeaderVia && v.Index == 0 && v.Part == sip.PartSentBy {
			return v.Bytes(s.Raw)
		}
	}
	return nil
}

func registerVias(s *sip.Message) (n int) {
	for _, v := range s.Spans {
		if v.Header == sip.HeaderVia && v.Part == sip.PartSentBy {
			n++
		}
	}
	return n
}

// granted is for how long a registration holds: what the answer says of the Contact, else of all, else what was asked for, else
// an hour (RFC 3261 10.2.1.1, 10.3).
func granted(answer, register *sip.Message, contact netip.AddrPort) time.Duration {
	for _, s := range []*sip.Message{answer, register} {
		seconds, found := -1, false
		mine := false
		for _, v := range s.Spans {
			switch {
			case v.Header == sip.HeaderContact && v.Part == sip.PartHost:
				a, err := netip.ParseAddr(strings.Trim(string(v.Bytes(s.Raw)), "[]"))
				mine = err == nil && a.Unmap() == contact.Addr()
			case v.Header == sip.HeaderContact && v.Part == sip.PartParam && mine && strings.EqualFold(string(s.Raw[v.NameOff:v.NameEnd]), "expires"):
				if n, err := strconv.Atoi(string(v.Bytes(s.Raw))); err == nil && n >= 0 && !found {
					seconds, found = n, true
				}
			}
		}
		if !found {
			if n, err := strconv.Atoi(string(s.Value(sip.HeaderExpires, 0))); err == nil && n >= 0 {
				seconds, found = n, true
			}
		}
		if found {
			return time.Duration(min(seconds, 1<<24)) * time.Second
		}
	}
	return time.Hour
}
