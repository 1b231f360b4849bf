package capture

import (
	"io"
	"os"
	"time"
)

const (
	// overlapTime is from how long an overlap on files are read side by side, in nanoseconds: where one program writes file
	// after file, the last packets of one are hardly later than the first ones of the next.
	overlapTime = int64(10 * time.Millisecond)
	// maxTogether is how many files are read side by side: each takes a buffer.
	maxTogether = 64
	// tailLen is how much of the end of a file is looked at for the time of its last packet.
	tailLen = 1 << 20
)

// span is a file with the times of its first packet and, where that can be told without reading it, of its last one.
type span struct {
	name        string
	first, last int64
}

// group is the files that the first of a list overlaps with, and those that they do: captures of two interfaces, say.
func group(list []span) int {
	last := list[0].last
	for n := 1; n < len(list); n++ {
		if list[n].last == 0 || list[n].first > last-overlapTime {
			return n
		}
		last = max(last, list[n].last)
	}
	return len(list)
}

// lastTime returns about when a file ends, 0 if that takes reading it: one that is compressed.
func (r *run) lastTime(name string) int64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	src, packed, done, err := decompress(f)
	if err != nil {
		return 0
	}
	defer done()
	if packed {
		return 0
	}
	in, err := newReader(name, src, r.buf)
	if err != nil || !in.keepFirst() {
		return 0
	}
	if from := info.Size() - tailLen; from > in.b.pos() {
		in = in.at(f, from, info.Size())
		if !in.toRecord() {
			return 0
		}
	}
	last := int64(0)
	for frame := (Frame{}); in.Next(&frame); {
		last = max(last, frame.At)
	}
	return last
}

// count returns how many packets a file has.
func (r *run) count(name string) (int, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	counted := &counter{src: f}
	in, err := newReader(name, counted, r.buf)
	if err != nil {
		return 0, err
	}
	for frame := (Frame{}); in.Next(&frame); {
		if in.n&0xffff == 0 {
			if err := r.ctx.Err(); err != nil {
				return 0, err
			}
			r.show(counted, 0)
		}
	}
	r.done += counted.n
	return in.n, nil
}

// beside is one of the files that are read side by side.
type beside struct {
	in      *Reader
	counted *counter
	file    File
	base    int
	packets int // that were counted: a file that is being written has more by now
	frame   Frame
	more    bool
}

func (s *beside) next() { s.more = s.in.Next(&s.frame) && s.in.n <= s.packets }

// together analyses files that overlap in time, packet by packet in the order of time. Every file is read twice: a packet's
// number over all files is known once those before are counted.
func (r *run) together(list []span) error {
	var all []*beside
	base := r.base
	for _, s := range list {
		n, err := r.count(s.name)
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		if err != nil {
			r.unreadable(err)
			continue
		}
		f, err := os.Open(s.name)
		if err != nil {
			r.unreadable(err)
			continue
		}
		defer f.Close()
		counted := &counter{src: f}
		in, err := NewReader(s.name, counted)
		if err != nil {
			r.unreadable(err)
			continue
		}
		b := &beside{in: in, counted: counted, file: File{Name: s.name}, base: base, packets: n}
		b.next()
		base += n
		all = append(all, b)
	}
	for n := 1; ; n++ {
		var next *beside
		for _, b := range all {
			if b.more && (next == nil || b.frame.At < next.frame.At) {
				next = b
			}
		}
		if next == nil {
			break
		}
		r.analyser.decoder.frame(&next.frame, next.base+next.frame.Number)
		next.file.time(next.frame.At)
		next.next()
		if n&0xffff == 0 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			read := &counter{}
			for _, b := range all {
				read.n += b.counted.n
			}
			r.show(read, r.base+n)
		}
	}
	c, before := r.capture, r.capture.Last // of the files before these: one that is compressed may overlap with them
	for _, b := range all {
		c.Left.Unordered = c.Left.Unordered || before > 0 && b.file.First > 0 && b.file.First < before-overlapTime
		b.in.n = min(b.in.n, b.packets)
		r.add(b.in, &b.file)
		r.done += b.counted.n
	}
	return nil
}

// at returns a reader of the same file from a place on at which a record is yet to be found.
func (r *Reader) at(src io.ReaderAt, from, to int64) *Reader {
	return &Reader{
		Name: r.Name, order: r.order, little: r.little, ng: r.ng, link: r.link, unit: r.unit, recHead: r.recHead, ifaces: append([]iface(nil), r.ifaces...),
		b: blocks{src: io.NewSectionReader(src, from, to-from), buf: make([]byte, 2*blockLen+maxRecord), base: from},
	}
}
