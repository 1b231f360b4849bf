package alg

import "fmt"

// sizes is what is known of how large a request may be over UDP on a path, each in octets, 0 if nothing is known.
type sizes struct {
	whole     int // the most that arrived in one packet
	wholeLost int // the least in one packet of which none arrives
	parts     int // the most that arrived in fragments
	partsLost int // the least in fragments of which none arrives
}

// keepSizes remembers for every path of SIP what the requests that were sent for their size show.
func (j *caseJudge) keepSizes(steps []*step) {
	for _, s := range steps {
		d := s.datagram()
		if s.path.Proto != ProtoSIP || s.path.Control || !s.outbound || d.Octets == 0 {
			continue
		}
		z := j.sizes[s.path]
		most, least := &z.whole, &z.wholeLost
		if d.Fragments > 1 {
			most, least = &z.parts, &z.partsLost
		}
		switch {
		case s.delivered > 0:
			*most = max(*most, d.Octets)
		case !j.gone(s):
			continue
		case *least == 0 || d.Octets < *least:
			*least = d.Octets
		}
		j.sizes[s.path] = z
	}
}

// safeInvite is the size in octets up to which an INVITE goes over UDP where the MTU of the path is not known: RFC 3261 18.1.1.
const safeInvite = 1300

// largest says how large an INVITE may be over UDP: the paths that carry least decide.
func (j *Judge) largest() string {
	var all sizes
	first := true
	for _, z := range j.sizes {
		if all.whole = min(all.whole, z.whole); first {
			all.whole, first = z.whole, false
		}
		all.parts = max(all.parts, z.parts)
		all.wholeLost, all.partsLost = least(all.wholeLost, z.wholeLost), least(all.partsLost, z.partsLost)
	}
	const rule = ", or use TCP or TLS (RFC 3261 18.1.1)"
	if all.whole == 0 {
		s := fmt.Sprintf("keep an INVITE over UDP below %s octets%s", thousands(least(safeInvite, all.wholeLost)), rule)
		if all.wholeLost > 0 {
			s += fmt.Sprintf(": of %s octets in one packet none arrives", thousands(all.wholeLost))
		}
		return s
	}
	s := fmt.Sprintf("keep an INVITE over UDP within %s octets, the most that arrived in one packet%s; ", thousands(all.whole), rule)
	switch {
	case all.partsLost > 0:
		return s + fmt.Sprintf("of %s octets in fragments none arrives", thousands(all.partsLost))
	case all.parts > 0:
		return s + fmt.Sprintf("fragments arrive as well, up to %s octets", thousands(all.parts))
	}
	return s + "whether fragments arrive is not known"
}

// least is the smaller of two sizes of which 0 means that there is none.
func least(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// thousands writes a number below a million as people do: 1,472.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
