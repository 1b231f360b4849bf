package capture

import (
	"strings"

	"nofixup/alg"
	"nofixup/h323"
)

// h323 follows a call of H.323.
func (k *call) h323(m *Message, p *h323.PDU) {
	end := callee
	if m.Proto == alg.ProtoH323 && m.FromClient() || m.Proto == alg.ProtoH245 && m.Src.Addr() == k.ends[caller].Addr() {
		end = caller // who connects for call signalling calls
	}
	switch p.Message {
	case h323.Connect:
		k.answer(m.At)
	case h323.Alerting:
		k.ringing = true
	case h323.ReleaseComplete:
		if k.answered == 0 {
			k.failed = "refused"
			if end == caller {
				k.failed = "cancelled"
			}
		}
		k.end(m.At)
	case h323.EndSessionCommand:
		k.end(m.At)
	}
	k.agree(m.At)
	for _, a := range m.Announced {
		if a.Kind != KindMedia {
			continue
		}
		if by, ok := k.announcer(a); ok && by != end {
			continue // fastStart as it is accepted repeats what the other end proposed
		}
		k.announce(m, a, end, "")
		k.says[end].where = a.Addr
	}
	k.logical(m, p, end)
	for i := range k.says {
		k.says[i].receives = len(k.channels[i]) > 0
		k.says[1-i].sends = k.says[i].receives
		k.says[i].said = k.says[i].said || k.says[i].receives
	}
}

// maxChannels is how many logical channels are kept in one direction.
const maxChannels = 64

// logical follows logical channels: each goes one way, towards the end that names an address for its media (H.245 C.3).
func (k *call) logical(m *Message, p *h323.PDU, end int) {
	accepted := false
	for _, s := range p.Spans {
		if lastField(s) != h323.FieldForwardLogicalChannelNumber || len(s.Bytes(m.Raw)) != 2 {
			continue
		}
		number := uint16(s.Bytes(m.Raw)[0])<<8 | uint16(s.Bytes(m.Raw)[1])
		what := s.Message
		if s.Inner != h323.MessageNone {
			what = s.Inner
		}
		switch {
		case s.Field == h323.FieldFastStart:
			accepted = accepted || end == callee
		case what == h323.OLCAck:
		case what == h323.CloseLogicalChannel:
			delete(k.channels[1-end], number) // who closes it sends on it
			continue
		case what == h323.OpenLogicalChannelReject:
			k.says[end].said = true
			continue
		default:
			continue
		}
		path := strings.TrimSuffix(s.Path(), h323.FieldForwardLogicalChannelNumber.String())
		for _, a := range m.Announced {
			if by, ok := k.announcer(a); a.Kind != KindMedia || !strings.HasPrefix(a.Path, path) || !ok || by != end {
				continue
			}
			if s.Field == h323.FieldFastStart && end == caller {
				k.proposed = append(k.proposed[:min(len(k.proposed), maxChannels)], number)
			} else {
				k.opens(end, number)
			}
		}
	}
	if accepted {
		for _, n := range k.proposed { // what the caller proposed to receive (H.323 8.1.7)
			k.opens(caller, n)
		}
		k.proposed = nil
	}
}

func (k *call) opens(towards int, number uint16) {
	if k.channels[towards] == nil {
		k.channels[towards] = map[uint16]bool{}
	}
	if len(k.channels[towards]) < maxChannels {
		k.channels[towards][number] = true
	}
}

// announcer returns the end that announced an address of this kind, the latest one.
func (k *call) announcer(a *Announcement) (end int, ok bool) {
	for i := len(k.media) - 1; i >= 0; i-- {
		if k.media[i].Addr == a.Addr && k.media[i].Kind == a.Kind {
			return k.media[i].end, true
		}
	}
	return 0, false
}
