package capture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nofixup/alg"
	"nofixup/sip/sdp"
)

// joinKeys are what two calls have in common when a server (a B2BUA) made the second one because of the first.
type joinKeys struct {
	session string // local UUID of Session-ID (RFC 7989), which is made for this
	origin  string // username, session ID and address of o=, which a server that leaves media alone hands on
	users   string // of From and To
}

// keysOf takes the keys from the INVITE in c.msg, which begins the call.
func (c *Calls) keysOf(k *call) (keys joinKeys) {
	s := c.msg
	if k.began || !s.IsRequest() {
		return keys
	}
	id, _, _ := strings.Cut(string(s.Named("Session-ID", 0)), ";")
	if id = strings.TrimSpace(id); len(id) == 32 && strings.Trim(id, "0") != "" {
		keys.session = strings.ToLower(id)
	}
	from, to := user(k.names[caller]), user(k.names[callee])
	if from != "" && to != "" {
		keys.users = from + " " + to
	}
	off, end, ok := s.SDP()
	if !ok {
		return keys
	}
	body := s.Raw[off:end]
	c.spans = sdp.AppendSpans(c.spans[:0], body)
	for _, span := range c.spans {
		if span.Type == 'o' && span.Media < 0 {
			switch v := string(span.Bytes(body)); span.Part {
			case sdp.PartUsername, sdp.PartSessionID, sdp.PartAddress:
				keys.origin += v[:min(len(v), 64)] + " "
			}
		}
	}
	return keys
}

// user is the user part of a URI, "" if it has none.
func user(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	name, _, ok := strings.Cut(rest, "@")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, ";")
	return name
}

// maxCandidates is how many calls with the same key may be under way at once: where it is more, the key tells nothing.
const maxCandidates = 16

// group returns for each call that is a leg of another's the one that it was made because of. A key says so, and that no third one
// is possible in place of the first: rather a leg too many than two calls joined that have nothing to do with one another.
func (c *Calls) group() map[*call]*call {
	parent := map[*call]*call{}
	candidates := map[string][]*call{}
	streams := map[[2]uint32]int{}
	for _, k := range c.order {
		streams[k.ssrcs()]++
	}
	for _, k := range c.order {
		if k.proto != alg.ProtoSIP || k.began {
			continue
		}
		keys := k.joins(streams[k.ssrcs()] == 2)
		for _, key := range keys {
			if parent[k] != nil {
				break
			}
			var found []*call
			for _, p := range candidates[key] {
				if p != k && legOf(k, p, key[0]) {
					found = append(found, p)
				}
			}
			if len(found) > 1 {
				found = innermost(found, parent)
			}
			if len(found) == 1 {
				parent[k] = found[0]
			}
		}
		for _, key := range keys {
			list := slices.DeleteFunc(candidates[key], func(p *call) bool { return p.over(k.first) })
			if len(list) < maxCandidates {
				list = append(list, k)
			}
			candidates[key] = list
		}
	}
	return parent
}

// joins are the keys of a call, the strongest first, with a letter in front that says what they are.
// relayed says that one other call has the same streams: a relay leaves SSRCs alone, and so does who plays a recording again and
// again.
func (k *call) joins(relayed bool) (list []string) {
	if k.keys.session != "" {
		list = append(list, "s"+k.keys.session)
	}
	if relayed && k.heard[caller].packets > 0 && k.heard[callee].packets > 0 {
		list = append(list, fmt.Sprintf("r%08x", k.ssrcs()))
	}
	for i := range k.media {
		if a := &k.media[i]; a.end == caller && a.Addr.IsValid() && a.Kind == KindAudio {
			list = append(list, "m"+a.Addr.String())
			break
		}
	}
	if k.keys.origin != "" {
		list = append(list, "o"+k.keys.origin)
	}
	if k.keys.users != "" {
		list = append(list, "u"+k.keys.users)
	}
	return list
}

func (k *call) ssrcs() [2]uint32 { return [2]uint32{k.heard[caller].ssrc, k.heard[callee].ssrc} }

// over says whether a call can no longer be what made others at that time.
func (k *call) over(at int64) bool {
	return k.ended > 0 && k.ended < at || k.last+int64(time.Hour) < at
}

// legOf says whether k can be a leg that a server made because of p, where they have a key of that kind in common.
func legOf(k, p *call, kind byte) bool {
	if k.first < p.first || p.over(k.first) || k.ends == p.ends || k.ends[callee].Addr() == p.ends[callee].Addr() {
		return false
	}
	// A server calls on while the one who called waits, and answers when it is answered.
	waits := (p.answered == 0 || k.first <= p.answered) && (k.answered == 0 || p.answered == 0 || k.answered <= p.answered+int64(time.Second))
	switch kind {
	case 's':
		return true
	case 'u':
		return waits && k.ends[caller].Addr() == p.ends[callee].Addr() && k.first-p.first <= int64(10*time.Second)
	}
	return waits && k.ends[caller].Addr() != p.ends[caller].Addr()
}

// innermost leaves of calls that are legs of one another the last one: it is what the next leg was made because of.
func innermost(found []*call, parent map[*call]*call) []*call {
	last := found[len(found)-1]
	for p := last; p != nil && len(found) > 0; p = parent[p] {
		found = slices.DeleteFunc(found, func(q *call) bool { return q == p })
	}
	if len(found) > 0 {
		return nil
	}
	return []*call{last}
}

// Legs makes one call of those that are legs of one another, each of them judged by itself.
func (c *Calls) Legs(list []alg.Call) []alg.Call {
	parent := c.group()
	if len(parent) == 0 {
		return list
	}
	place := map[string]int{}
	var out []alg.Call
	for i := range list {
		l := &list[i]
		k := c.index[l.ID]
		root := k
		for root != nil && parent[root] != nil {
			root = parent[root]
		}
		if root != k {
			parent[k] = root // so that the way of the next one is short
		}
		at, ok := 0, false
		if root != nil && root != k {
			at, ok = place[root.id]
		}
		if !ok {
			place[l.ID] = len(out)
			out = append(out, *l)
			continue
		}
		if first := &out[at]; len(first.Legs) == 0 {
			first.Legs = []alg.Leg{c.leg(first)}
		}
		out[at].Join(c.leg(l), l)
	}
	return out
}

func (c *Calls) leg(l *alg.Call) alg.Leg {
	leg := alg.Leg{ID: l.ID, State: l.State, Audio: l.Audio, Cause: l.Cause, Packets: l.Packets}
	if k := c.index[l.ID]; k != nil {
		leg.Caller, leg.Callee = k.ends[caller], k.ends[callee]
	}
	return leg
}
