package capture

import (
	"cmp"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// splitLen is from what length on a file is read in two halves, in octets: below that one core is done in no time.
	splitLen = 128 << 20
	// splitChain is how many records in a row must look right where a file is cut: by chance hardly any three do.
	splitChain = 16
	// maxLater is how many frames the second half leaves to the first one.
	maxLater = 1 << 17
	// maxKept is how many octets of those frames are kept; the others are read again.
	maxKept = 4 << 20
	// chunkLen is how much memory for them is taken at a time.
	chunkLen = 64 << 10
	// checkLater is how many batches of frames go by between two looks at whether the work is still wanted.
	checkLater = 1 << 7
)

// second is the second half of a file, which is read while the first one is. It does what needs no memory of what was
// before: the account of media. Everything else, signalling above all, is rare; it is put aside, or where it stands is written down,
// and it is analysed in its turn once the first half is done. So the halves together give what one reading would.
//
// Handing packets to a second core one by one costs more than it saves; a file that is cut costs nothing.
type second struct {
	in       *Reader
	file     File
	analyser *analyser
	later    []laterFrame
	room     int     // for so many octets of them
	chunk    []byte  // where the last of these are
	ifaces   []iface // that were known where it began
	cut      int64
	read     atomic.Int64 // octets

	ready  chan struct{} // something was handed over
	cancel chan struct{}
	done   chan struct{}

	mu     sync.Mutex
	handed []laterFrame // of later, what can be analysed: it will not be taken back
}

// laterFrame is where a frame stands that is yet to be analysed.
type laterFrame struct {
	off    int64 // of its octets in the file
	at     int64
	data   []byte // nil where there was no room
	n      int32
	size   int32
	number int32
	link   int32
}

// split begins to read the second half of a file, if it is worth it. in is at the beginning, and will end at the cut.
func (r *run) split(f *os.File, in *Reader) *second {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() < r.splitLen() {
		return nil
	}
	if !in.keepFirst() {
		return nil
	}
	from := info.Size() / 64 * 27 // the first half has the signalling to follow, and takes longer for as much
	back := in.at(f, from, info.Size())
	if !back.toRecord() {
		return nil
	}
	s := &second{in: back, file: File{Name: in.Name}, analyser: newAnalyser(r.options.Limits), ifaces: back.ifaces, cut: back.b.pos(), room: cmp.Or(r.options.splitKeep, maxKept), ready: make(chan struct{}, 1), cancel: make(chan struct{}), done: make(chan struct{})}
	s.analyser.half, s.analyser.table.Eager = true, true
	s.analyser.table.Traces, s.analyser.table.Other = r.options.traces, r.options.other
	in.end = s.cut
	go s.run()
	return s
}

// splitLen is from what length on files are read in two halves: none is where there is one core.
func (r *run) splitLen() int64 {
	switch {
	case r.options.splitLen > 0:
		return r.options.splitLen
	case runtime.GOMAXPROCS(0) < 2:
		return math.MaxInt64
	}
	return splitLen
}

// toRecord moves on to the next place at which so many records or blocks in a row look right that it is no accident.
func (r *Reader) toRecord() bool {
	b := r.b.peek(maxRecord + blockLen/2)
	for i := range len(b) {
		if r.ng && r.plausibleChain(b[i:]) || !r.ng && r.plausible(b[i:], splitChain, 0) {
			r.b.r += i
			return true
		}
	}
	return false
}

// plausibleChain is plausible for pcapng: packet blocks whose two lengths agree.
func (r *Reader) plausibleChain(b []byte) bool {
	for range splitChain {
		if len(b) < 12 || !r.plausibleBlock(b) || r.u32(b) != blockEnhanced || !r.whole(b) {
			return false
		}
		b = b[r.u32(b[4:]):]
	}
	return true
}

func (s *second) run() {
	defer close(s.done)
	defer s.handOver()
	a := s.analyser
	left := false // is the frame at hand
	a.decoder.later = func() { left = true }
	a.decoder.take = func(p *packet) {
		was := left
		left = false
		if b := p.payload; p.proto != protoUDP || len(b) < 8 || b[0]>>6 != 2 || p.sport == portRAS || p.dport == portRAS || p.dport == portRASDiscovery {
			left = true
		} else {
			a.take(p)
		}
		switch {
		case p.partial:
			left = was // of the frame that is of another packet
		case p.frames != nil && !left:
			s.takeBack(p)
		}
	}
	var some [batchLen]Frame
	other := func(f *Frame) {
		left = false
		if a.decoder.frame(f, f.Number); left {
			s.leave(f)
		}
	}
	rounds := 0
	for len(s.later) < maxLater {
		n := s.in.batch(some[:])
		if n == 0 {
			return
		}
		for i := range some[:n] {
			s.file.time(some[i].At)
		}
		a.batch(some[:n], other)
		if rounds++; rounds%checkLater == 0 {
			s.read.Store(s.in.b.pos() - s.cut)
			if len(a.decoder.fragments.partial) == 0 {
				s.handOver()
			}
			select {
			case <-s.cancel:
				return
			default:
			}
		}
	}
}

// leave puts a frame aside: where it stands, and its octets while there is room.
func (s *second) leave(f *Frame) {
	n := len(f.Data)
	l := laterFrame{off: f.Off + int64(f.head), at: f.At, n: int32(n), size: int32(f.Size), number: int32(f.Number), link: int32(f.Link)}
	if n <= s.room {
		s.room -= n
		if len(s.chunk)+n > cap(s.chunk) {
			s.chunk = make([]byte, 0, max(n, chunkLen))
		}
		s.chunk = append(s.chunk, f.Data...)
		l.data = s.chunk[len(s.chunk)-n:]
	}
	s.later = append(s.later, l)
}

// handOver gives what was left to whoever reads the first half.
func (s *second) handOver() {
	s.mu.Lock()
	news := len(s.later) > len(s.handed)
	s.handed = s.later
	s.mu.Unlock()
	if news {
		select {
		case s.ready <- struct{}{}:
		default:
		}
	}
}

// takeBack takes the fragments of a packet of media off what was left: they are accounted for.
func (s *second) takeBack(p *packet) {
	for _, number := range slices.Backward(p.frames) {
		i, found := slices.BinarySearchFunc(s.later, number, func(l laterFrame, number int) int { return int(l.number) - number })
		if !found {
			continue // the one that completes the packet is not left yet
		}
		s.room += len(s.later[i].data)
		if s.later[i].data, s.later[i].n = nil, 0; i == len(s.later)-1 {
			s.later = s.later[:i]
		}
	}
}

// stop ends the reading of a second half that is not wanted any more; of none at all, too.
func (s *second) stop() {
	if s == nil {
		return
	}
	select {
	case <-s.cancel:
	default:
		close(s.cancel)
	}
	<-s.done
}

// join puts the second half of a file behind the first. in has read the first one.
func (r *run) join(in *Reader, s *second, counted *counter, file *File) error {
	in.end = 0
	if in.b.pos() != s.cut || len(in.stats) > 0 || !slices.Equal(in.ifaces, s.ifaces) {
		// The cut fell where no record begins, or the file describes its interfaces anew, or what it says of lost packets goes on from
		// what it said in the first half: one core has to do.
		s.stop()
		return r.frames(in, counted, file)
	}
	a := r.analyser
	a.closeHalf()
	a.announced.chained, a.announced.chains = true, map[*Announcement]int{}
	if err := r.replay(in, s, counted); err != nil {
		return err
	}
	a.merge(s.analyser)
	a.placeAll()
	a.announced.unchain()
	if s.file.First > 0 {
		file.time(s.file.First)
		file.time(s.file.Last)
	}
	// The reader goes on where the second half ended: at the end of the file, or before it where too much was left.
	back := s.in
	back.n += in.n
	back.Damages = append(in.Damages, back.Damages...)
	back.Damaged += in.Damaged
	back.Dropped += in.Dropped
	*in = *back
	return r.frames(in, counted, file)
}

// replay analyses the frames that the second half leaves to the first, behind which they come, while the rest of it is read.
func (r *run) replay(in *Reader, s *second, counted *counter) error {
	var b [maxRecord]byte
	src := counted.src.(io.ReaderAt)
	n := 0
	for ended := false; ; {
		s.mu.Lock()
		list := s.handed[n:]
		s.mu.Unlock()
		n += len(list)
		for _, l := range list {
			data := l.data
			switch {
			case l.n == 0:
				continue // it was taken back
			case data == nil:
				data = b[:l.n]
				if _, err := src.ReadAt(data, l.off); err != nil {
					in.damage(l.off, "%v", err)
					continue
				}
			}
			r.analyser.decoder.frame(&Frame{Number: in.n + int(l.number), At: l.at, Link: int(l.link), Data: data, Size: int(l.size)}, r.base+in.n+int(l.number))
		}
		if ended {
			return nil
		}
		select {
		case <-s.ready:
		case <-s.done:
			ended = true
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// merge puts the media of the second half of a file behind what is known of the first, and of what that half left.
func (a *analyser) merge(b *analyser) {
	list := make([]*entry, 0, len(b.entries))
	for _, e := range b.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, compareEntries)
	for _, next := range list {
		e := a.entries[next.key]
		if e == nil {
			if next.dirs[0].packets+next.dirs[1].packets == 0 {
				continue // all of it was left
			}
			if len(a.entries) >= a.limits.Flows && !a.sweep() {
				a.full += next.dirs[0].packets + next.dirs[1].packets
				continue
			}
			e = &entry{key: next.key, first: next.first, last: next.last, opener: next.opener, epoch: a.announced.epoch - 1}
			a.entries[e.key] = e
		}
		media := e.kind != speaksSIP && e.kind != speaksRAS
		if next.first < e.first {
			e.first = next.first
			if e.flow == nil { // else its ends have their sides
				e.opener = next.opener
			}
		}
		e.last = max(e.last, next.last)
		e.epoch = a.announced.epoch - 1 // what was announced until then may be news
		for dir := range e.dirs {
			d, n := &e.dirs[dir], &next.dirs[dir]
			d.packets, d.octets = d.packets+n.packets, d.octets+n.octets
			if media && n.media != nil && (d.media != nil || a.openMedia(e, dir)) {
				d.media.Join(n.media)
			}
		}
	}
	a.now = max(a.now, b.now)
	a.full, a.evicted = a.full+b.full, a.evicted+b.evicted
	a.table.Overflow += b.table.Overflow
	a.decoder.malformed += b.decoder.malformed
	for kind, n := range b.decoder.unknown {
		if a.decoder.unknown == nil {
			a.decoder.unknown = map[int]uint64{}
		}
		a.decoder.unknown[kind] += n
	}
}

// closeHalf writes down what announced the streams of the first half: what is announced from now on did not.
func (a *analyser) closeHalf() {
	for _, e := range a.entries {
		if e.hasMedia() {
			a.lookUp(e)
			a.keepOrigins(e, math.MaxInt64)
		}
	}
}

// placeAll writes down what announced the streams of the second half, of which all is known now.
func (a *analyser) placeAll() {
	for _, e := range a.entries {
		if e.hasMedia() {
			a.lookUp(e)
			a.placeOrigins(e)
		}
	}
}
