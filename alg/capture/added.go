package capture

import (
	"time"

	"nofixup/alg"
)

// addedBetween reports that nobody on the sender's side sent a message that the other side has: its capture is complete at that
// time, as far as its own account and the media in it tell, and has no message like it. What leaves the inside must belong to a
// call, or answer a request, that passed both points: phones of which the capture of the inside knows nothing may share the public
// address and port.
func (b *between) addedBetween(s *seen, outbound bool, points []alg.Point) bool {
	sender, at, side := b.outside, s.At, 1
	if outbound {
		sender, at, side = b.inside, s.At-b.offset, 0
	}
	when := time.Unix(0, at)
	switch {
	case s.Flow.Transport != "udp" && s.Proto != alg.ProtoSIP: // what is no message of SIP cannot be told from a part of one
		return false
	case !b.timed || !sender.whole() || b.missed[side] > 0 || when.Before(points[0].From) || when.After(points[0].To):
		return false
	case sender.has(s.keys[0]) || sender.has(s.keys[1]):
		return false
	}
	if outbound {
		_, ok := b.outside.passed[s.Call]
		return ok
	}
	return true
}

// has reports that a message with that key was seen, at any time.
func (v *vantage) has(key string) bool {
	if v.keys == nil {
		v.keys = map[string]bool{}
		for _, s := range v.list {
			v.keys[s.keys[0]], v.keys[s.keys[1]] = true, true
		}
	}
	return key != "" && v.keys[key]
}

// took is by how much a message passed the second point later than the first, at least, in ms: 0 where it was sent more than
// once, so that it may be another one, and where the clocks do not tell.
func (b *between) took(s *seen, outbound bool) float64 {
	if b.doubt < 0 || s.again || s.other.again {
		return 0
	}
	d := s.other.At - b.offset - s.At
	if !outbound {
		d = -d
	}
	return max(0, milliseconds(d-b.doubt))
}
