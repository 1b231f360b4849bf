package alg

import (
	"fmt"
	"strings"

	"nofixup/sip"
)

// A client behind a NAT that does not know its public address writes the private one everywhere, one that knows it the public
// one. Most clients know it in one place and not in another, so that a mixture says little, but for some pairs that one line of
// code writes.
var signMixedAddresses = Rule{
	ID:       "sign-mixed-addresses",
	Severity: Warning,
	Summary:  "private addresses stand beside the public one that a NAT gave in one message",
	Symptom:  "None by itself. Where a gateway did it, what it left out leads nowhere: calls without audio, or that end after 32 s.",
	Advice:   proveIt,
	Source:   "RFC 3261 8.1.1, RFC 3264 5.1",
	Benign:   true,
}

const (
	learns = "a client that learns its public address from STUN, from answers (received=) or by configuration, and does not write it everywhere"
	relays = "a proxy with a media relay, which puts the relay's address into c= and leaves the rest alone"
)

// mixed looks at a message of a sender with a public address for fields that hold it beside such with a private one. What came
// through proxies has fields of several senders.
func (h *Heard) mixed(d described) (Sign, bool) {
	m, own := h.Message, h.Src.Addr()
	if Private(own) {
		return Sign{}, false // this side of the NAT: what the client writes is its own
	}
	direct := h.direct()
	var private, public []place
	add := func(p place) {
		switch {
		case p.addr == own:
			public = append(public, p)
		case Private(p.addr):
			private = append(private, p)
		}
	}
	var via, contact place
	if direct {
		sentBy := part(m, sip.HeaderVia, 0, sip.PartSentBy)
		via = place{path: "via[0].sent-by", media: -2, addr: hostPort(sentBy).Addr(), text: sentBy}
		contact = place{path: "contact[0].uri.host", media: -2, addr: Contact(m).Addr(), text: part(m, sip.HeaderContact, 0, sip.PartHost)}
		add(via)
		add(contact)
	}
	add(d.origin)
	for _, p := range d.connection {
		add(p)
	}
	for _, p := range d.control {
		add(p)
	}
	if len(private) == 0 || len(public) == 0 {
		return Sign{}, false
	}
	s := Sign{Rule: &signMixedAddresses, Confidence: Low, Otherwise: learns, Own: own, Field: private[0].path, Sent: public[0].text, Got: private[0].text}
	if p, q, ok := d.torn(h); ok {
		s.Field, s.Sent, s.Got = p.path, q.text, p.text
		s.Confidence, s.Otherwise = Medium, "a relay for one kind of media alone"
	} else if via.addr == own && contact.addr.IsValid() && Private(contact.addr) {
		s.Field, s.Sent, s.Got = contact.path, via.text, contact.text
		s.Confidence, s.Otherwise = Medium, "a client that learns its address from answers and writes it into Via alone"
	}
	if !direct {
		s.Confidence, s.Otherwise = Low, relays
	}
	s.Evidence = fmt.Sprintf("%s in %s, private in %s", own, paths(public), paths(private))
	return s, true
}

// torn finds two addresses that whoever writes a description writes together, one of them private: those of two media, or of
// RTP and RTCP of one.
func (d *described) torn(h *Heard) (private, public place, ok bool) {
	own := h.Src.Addr()
	for i := range d.media {
		p, has := d.address(i)
		if !has || d.media[i].port == 0 {
			continue
		}
		switch {
		case p.addr == own:
			public = p
		case Private(p.addr):
			private = p
		}
	}
	if private.path != "" && public.path != "" {
		return private, public, true
	}
	for _, c := range d.control {
		if p, has := d.address(c.media); has && p.addr == own && Private(c.addr) {
			return c, p, true
		}
	}
	return private, public, false
}

func paths(list []place) string {
	var names []string
	for _, p := range list {
		names = appendNew(names, p.path+" ("+strings.ToValidUTF8(string(p.text[:min(len(p.text), 64)]), "?")+")")
	}
	return and(names[:min(len(names), 6)])
}
