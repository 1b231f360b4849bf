package capture

import (
	"slices"
	"time"
)

// Bounds of reassembly. A sender may have 64 KiB per packet; a hostile file begins as many packets as it likes.
const (
	maxFragmented   = 1024    // packets that are incomplete at the same time
	maxFragmentKept = 8 << 20 // octets of all of them
	maxPieces       = 128     // pieces of one: 64 KiB in the smallest MTU that anything has
	fragmentTime    = int64(30 * time.Second)
)

// fragmentKey tells which packet a fragment belongs to (RFC 791 3.2, RFC 8200 4.5).
type fragmentKey struct {
	src, dst addr
	id       uint32
	proto    uint8
}

// fragments are the packets of which something is missing.
type fragments struct {
	partial map[fragmentKey]*partial
	queue   []*partial // the oldest first; those that are done stay until they come to the front
	kept    int        // octets

	lost    uint64 // packets of which a fragment never came
	overlap uint64 // fragments that contradict others
}

type partial struct {
	key    fragmentKey
	at     int64 // when its first fragment came
	pieces []piece
	total  int // octets of the whole, -1 while the last fragment is missing
	frames []int
	first  packet // of the fragment with offset 0, or of any
	done   bool
}

type piece struct {
	off, size int
	data      []byte // as captured
}

// fragment takes a fragment: b as captured, size octets on the wire, off octets into the packet.
func (d *decoder) fragment(key fragmentKey, b []byte, size, off int, more bool, depth int) {
	if d.later != nil {
		d.later()
	}
	f := &d.fragments
	f.expire(d)
	q := f.partial[key]
	if q == nil {
		if f.partial == nil {
			f.partial = map[fragmentKey]*partial{}
		}
		for len(f.partial) >= maxFragmented {
			f.drop(d)
		}
		q = &partial{key: key, at: d.p.at, total: -1, first: d.p}
		f.partial[key] = q
		if len(f.queue) >= 4*maxFragmented {
			f.queue = slices.DeleteFunc(f.queue, func(q *partial) bool { return q.done })
		}
		f.queue = append(f.queue, q)
	}
	if len(q.frames) < maxPieces {
		q.frames = append(q.frames, d.p.frame)
	}
	if off == 0 {
		frames := q.first.frames
		q.first = d.p
		q.first.frames = frames
	}
	if size <= 0 || off+size > 1<<16 || len(q.pieces) >= maxPieces {
		return // it can belong to no packet
	}
	if !more {
		q.total = off + size
	}
	f.insert(q, piece{off, size, b})
	for f.kept > maxFragmentKept && len(f.queue) > 1 {
		f.drop(d)
	}
	if q.done || q.total < 0 || !q.complete() {
		return
	}
	whole := make([]byte, 0, q.total)
	for _, p := range q.pieces {
		if whole = append(whole, p.data...); len(p.data) < p.size {
			break // what is behind was not captured
		}
	}
	f.forget(q)
	at, frame := d.p.at, d.p.frame
	d.p = q.first
	d.p.at, d.p.frame, d.p.frames = at, frame, q.frames
	d.transport(key.proto, whole, q.total, depth)
}

// insert copies a piece to its place. Of what is there twice the first copy stays: systems differ (RFC 5722 forbids it), and
// a duplicate of the capture is the usual reason.
func (f *fragments) insert(q *partial, p piece) {
	i, found := slices.BinarySearchFunc(q.pieces, p.off, func(p piece, off int) int { return p.off - off })
	if found {
		return
	}
	if i > 0 && q.pieces[i-1].end() > p.off || i < len(q.pieces) && p.end() > q.pieces[i].off {
		f.overlap++
		return
	}
	p.data = slices.Clone(p.data)
	q.pieces = slices.Insert(q.pieces, i, p)
	f.kept += len(p.data)
}

func (p *piece) end() int { return p.off + p.size }

func (q *partial) complete() bool {
	end := 0
	for i := range q.pieces {
		if q.pieces[i].off != end {
			return false
		}
		end = q.pieces[i].end()
	}
	return end == q.total
}

func (f *fragments) forget(q *partial) {
	q.done = true
	for _, p := range q.pieces {
		f.kept -= len(p.data)
	}
	q.pieces = nil
	delete(f.partial, q.key)
	for len(f.queue) > 0 && f.queue[0].done {
		f.queue = f.queue[1:]
	}
}

// drop gives up the oldest packet.
func (f *fragments) drop(d *decoder) {
	for len(f.queue) > 0 && f.queue[0].done {
		f.queue = f.queue[1:]
	}
	if len(f.queue) > 0 {
		f.giveUp(d, f.queue[0])
	}
}

// giveUp forgets a packet that is not complete. If its beginning is there it is handed on as one that was cut: it says what
// got lost.
func (f *fragments) giveUp(d *decoder, q *partial) {
	f.lost++
	if len(q.pieces) > 0 && q.pieces[0].off == 0 && q.key.proto == protoUDP && len(q.pieces[0].data) >= 8 {
		was := d.p
		d.p = q.first
		d.p.at, d.p.frames, d.p.partial = q.at, q.frames, true
		head := q.pieces[0].data
		size := int(head[4])<<8 | int(head[5]) // the datagram's own length
		d.transport(protoUDP, head, max(size, len(head)), maxDepth)
		d.p = was
	}
	f.forget(q)
}

// expire gives up packets whose fragments have not come for too long (RFC 8200 4.5: 60 s; no fragment is half as late).
func (f *fragments) expire(d *decoder) {
	for len(f.queue) > 0 && (f.queue[0].done || d.p.at-f.queue[0].at > fragmentTime) {
		if f.queue[0].done {
			f.queue = f.queue[1:]
			continue
		}
		f.giveUp(d, f.queue[0])
	}
}

// finish gives up all that is left.
func (f *fragments) finish(d *decoder) {
	for len(f.partial) > 0 {
		f.drop(d)
	}
}
