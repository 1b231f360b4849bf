package reflector

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"nofixup/reflector/wire"
)

// Refusals of media.
var (
	errNoRecord  = refuse(http.StatusNotFound, "record: no such media", "the seq of media of this session, of direction in")
	errNoLine    = refuse(http.StatusBadRequest, "line: the message announces no such medium", "an m= line of a session description, or a logical channel, from 0 on")
	errNoMedia   = refuse(http.StatusBadRequest, "there is no media on this address", "the grant says where there is")
	errNoOther   = refuse(http.StatusBadRequest, "from: there is no other one", "a reflector on a second address, with more than one pair of ports of media")
	errTalks     = refuse(http.StatusTooManyRequests, "too much media is being sent to this session", "wait for some of it to end")
	errPinholes  = refuse(http.StatusTooManyRequests, "the budget of pinhole datagrams is spent", "open a new session")
	errMediaPort = refuse(http.StatusForbidden, "the port could be another service's", "send media from another one")
)

// pinholeSize is the size of a pinhole datagram of RTP in octets; one of RTCP has wire.RTCPSize. Neither exceeds 64.
const pinholeSize = wire.MinMediaSize

// usual values of an action.
const (
	usualSize     = 172 // 20 ms of G.711
	usualInterval = 20  // ms
)

// checkMedia refuses what no record and no message could make possible.
func checkMedia(a wire.Action, l *Limits) error {
	bad := func(what, hint string) error { return refuse(http.StatusBadRequest, what, hint) }
	plain := a
	plain.Action, plain.To, plain.Number, plain.Port, plain.Record, plain.Line, plain.RTCP = "", 0, 0, 0, 0, 0, false
	if a.Action == wire.ActionMedia {
		plain.Count, plain.Size, plain.Interval = 0, 0, 0
	} else {
		plain.From, plain.Neighbour = "", false
	}
	interval := cmp.Or(a.Interval, usualInterval)
	switch {
	case plain != (wire.Action{}):
		return bad(a.Action+": a field does not apply", "docs/protocol.md has those that do")
	case a.Number > wire.MaxNumber:
		return bad("number: too large for a tag", "at most 1048575")
	case a.Line < 0 || a.Line >= maxAnnounced:
		return bad("line: there are not so many", "from 0 to 31")
	case a.Action == wire.ActionPinhole:
		switch {
		case a.To == 0 || a.Record != 0:
			return bad("pinhole: it goes by a message", "to is the seq of the receipt of a message that announces where media is taken")
		case a.Port == 0:
			return bad("port: none is named", "the even port of media that the reflector announced, or would")
		case !slices.Contains([]string{wire.FromMedia, wire.FromPort, wire.FromHost}, a.From):
			return bad("from: no such place", "media, port or host")
		}
		return nil
	case (a.To == 0) == (a.Record == 0):
		return bad("media: it goes by a record or by a message", "either record or to")
	case a.Record != 0 && (a.Port != 0 || a.Line != 0):
		return bad("media: port and line do not apply to a record", "it goes back from where the media came to")
	case a.To != 0 && a.Port == 0:
		return bad("port: none is named", "an even port of media, to send from")
	case a.Count < 1 || a.Count > l.MediaPerSecond*l.MediaSeconds:
		return bad("count: too few or too many packets", "from 1 to what the budget has")
	case !a.RTCP && a.Size != 0 && (a.Size < wire.MinMediaSize || a.Size > wire.MaxMediaSize) || a.RTCP && a.Size != 0:
		return bad("size: not one that is sent", "from 48 to 1200 octets; none with rtcp")
	case interval < 5 || interval > 1000 || a.Count*interval > l.MediaSeconds*1000:
		return bad("interval: too short or too long", "from 5 to 1000 ms, all packets within media_seconds")
	}
	return nil
}

// sendMedia does an action of media. What is not sent for where it would go costs nothing.
func (s *Server) sendMedia(sess *session, a wire.Action) (wire.Sent, error) {
	o := occasion{}
	var err error
	if a.Record != 0 {
		o, err = sess.mediaOccasion(a.Record)
	} else {
		o, err = sess.occasion(a)
	}
	if err != nil {
		return wire.Sent{}, err
	}
	var sent wire.Sent
	if a.Action == wire.ActionPinhole {
		sent, err = s.sendPinhole(sess, a, o)
	} else {
		sent, err = s.startTalk(sess, a, o)
	}
	if err != nil || sent.NotSent != "" {
		sess.mu.Lock()
		sess.actions--
		sess.mu.Unlock()
		return sent, err
	}
	s.counters.actions.Add(1)
	return sent, nil
}

// mediaOccasion finds the media that an action answers, and takes the action off the budget.
func (s *session) mediaOccasion(seq uint64) (o occasion, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.media
	if s.gone {
		return o, errNoSession
	}
	if seq > uint64(m.records) {
		return o, errNoRecord
	}
	r := &m.pages[(seq-1)/pageSize][(seq-1)%pageSize]
	switch {
	case r.out:
		return o, errNoRecord
	case !s.isProven(r.remote.Addr()):
		return o, errUnproven
	case isServicePort(r.remote.Port()):
		return o, errMediaPort
	case s.actions >= s.limits.Actions:
		return o, errActions
	}
	s.actions++
	o.receipt.Local, o.receipt.Remote = r.local, r.remote
	return o, nil
}

// startTalk begins to send media: back to where some came from, or to where a message says that it is taken.
func (s *Server) startTalk(sess *session, a wire.Action, o occasion) (sent wire.Sent, err error) {
	tag := wire.Tag{Token: wire.NewToken(), Number: a.Number}
	t := &talk{
		srv: s, sess: sess, local: o.receipt.Local, remote: o.receipt.Remote, number: a.Number, count: a.Count,
		packet:   newPacket(tag, a.RTCP, cmp.Or(a.Size, usualSize)),
		interval: time.Duration(cmp.Or(a.Interval, usualInterval)) * time.Millisecond,
	}
	var list []announcement
	if a.To != 0 {
		if err := s.checkMediaPort(t.local.Addr(), a.Port); err != nil {
			return sent, err
		}
		if list, err = lines(o, a.Line); err != nil {
			return sent, err
		}
		t.local = netip.AddrPortFrom(t.local.Addr(), side(a.Port, a.RTCP))
	}
	if t.svc = s.mediaSocket(t.local.Addr(), t.local.Port()); t.svc == nil {
		return sent, errNoMedia
	}
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.gone {
		return sent, errNoSession
	}
	if a.To != 0 {
		if t.remote, sent.NotSent = sess.target(list[a.Line].side(a.RTCP)); sent.NotSent != "" {
			sent.Addr = t.remote
			return sent, nil
		}
	}
	if !t.start() {
		return sent, errTalks
	}
	return wire.Sent{Tag: tag.String(), Addr: t.remote}, nil
}

// side returns the port for RTP or RTCP of a pair.
func side(port uint16, rtcp bool) uint16 {
	if rtcp {
		port++
	}
	return port
}

// lines returns what a message announces, of which there is the given line.
func lines(o occasion, line int) ([]announcement, error) {
	list := announced(o)
	if line >= len(list) {
		return nil, errNoLine
	}
	return list, nil
}

// sendPinhole sends one datagram to a port that a message announces, or to its neighbour.
func (s *Server) sendPinhole(sess *session, a wire.Action, o occasion) (sent wire.Sent, err error) {
	svc, local, err := s.pinholeSource(a, o)
	if err != nil {
		return sent, err
	}
	list, err := lines(o, a.Line)
	if err != nil {
		return sent, err
	}
	to := list[a.Line].side(a.RTCP)
	taken := map[uint16]bool{}
	if a.Neighbour && to.port != 0 {
		for _, other := range list {
			taken[other.rtp.port], taken[other.rtcp.port] = true, true
		}
		sess.noteAnnounced(taken)
		to.port = neighbour(to.port)
	}
	tag := wire.Tag{Token: wire.NewToken(), Number: a.Number}
	raw := newPacket(tag, a.RTCP, pinholeSize).raw
	if !s.store.reserve(sess, mediaOverhead) {
		return sent, errNoRoom
	}
	defer func() {
		if sent.Seq == 0 {
			s.store.octets.Add(-mediaOverhead)
		}
	}()
	sess.mu.Lock()
	defer sess.mu.Unlock()
	if sess.gone {
		return sent, errNoSession
	}
	m := &sess.media
	if !m.opened {
		m.opened, m.pinholes = true, credit{sess.limits.Pinholes, sess.limits.Pinholes * 64}
	}
	remote, why := sess.target(to)
	if why == "" && taken[to.port] {
		why = wire.NotSentAnnounced
	}
	sent = wire.Sent{Addr: remote, NotSent: why}
	switch {
	case why != "":
		return sent, nil
	case m.pinholes.packets < 1:
		return wire.Sent{}, errPinholes
	}
	if s.send(svc.sock, raw, leave{proven: sess.isProven(remote.Addr()), credit: &m.pinholes}, local, remote) != nil {
		return wire.Sent{}, errNotSent
	}
	sent.Seq, sent.Tag = sess.keepSent(raw, local, remote, a.Number), tag.String()
	s.counters.pinholes.Add(1)
	sess.notify()
	return sent, nil
}

// neighbour returns the port beside an announced one that a pinhole datagram goes to.
func neighbour(port uint16) uint16 {
	if port > 65535-wire.Neighbour {
		return port - wire.Neighbour
	}
	return port + wire.Neighbour
}

// pinholeSource returns the socket and the address that a pinhole datagram leaves from.
func (s *Server) pinholeSource(a wire.Action, o occasion) (*service, netip.AddrPort, error) {
	host := o.receipt.Local.Addr()
	if err := s.checkMediaPort(host, a.Port); err != nil {
		return nil, netip.AddrPort{}, err
	}
	port := a.Port
	switch a.From {
	case wire.FromPort:
		if port = s.mediaPorts.far(port); port == a.Port {
			return nil, netip.AddrPort{}, errNoOther
		}
	case wire.FromHost:
		svc := s.otherHost(host, side(port, a.RTCP))
		if svc == nil {
			return nil, netip.AddrPort{}, errNoOther
		}
		return svc, svc.local, nil
	}
	port = side(port, a.RTCP)
	return s.mediaSocket(host, port), netip.AddrPortFrom(host, port), nil
}

// noteAnnounced adds the ports that the session's own descriptions have announced so far.
func (s *session) noteAnnounced(ports map[uint16]bool) {
	s.mu.Lock()
	pages := s.since(0)
	s.mu.Unlock()
	for _, page := range pages {
		for i := range page {
			if page[i].Direction == wire.In {
				noteAnnounced(ports, page[i].Data)
			}
		}
	}
}
