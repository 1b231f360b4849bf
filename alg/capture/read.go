package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"

	"nofixup/alg/media"
)

// Options say what to do with what is found.
type Options struct {
	Limits Limits
	// Message is given every message, in the order of completion; nil means that nobody wants them. It may keep the message.
	Message func(*Message)
	// RTP is given every packet of RTP: the stream, the time, and the packet as captured, which is valid during the call.
	RTP func(s *media.Stream, at int64, packet []byte)
	// Progress is called now and then; nil means never.
	Progress func(Progress)
	// OneCore keeps large files from being read in two halves at once. With RTP set they never are.
	OneCore bool
	// Stdin is what the file name "-" stands for; nil means os.Stdin.
	Stdin io.Reader

	traces    bool              // keep what streams are found by at another point
	other     map[uint32]uint32 // of a point that was read before: see media.Table.Other
	splitLen  int64             // for tests: from what length on a file is read in two halves, also on one core
	splitKeep int               // for tests: how many octets of what the second half leaves are kept
}

// Progress is how far reading has come.
type Progress struct {
	Read, Total int64 // octets of the files; Total is 0 where it is not known
	Packets     int64
}

// bothProgress makes one progress of the two readings of two vantage points, one after the other.
func bothProgress(cfg *Config) (shown [2]func(Progress)) {
	if cfg.Progress == nil {
		return shown
	}
	inside, known := sizes(cfg.Inside)
	outside, also := sizes(cfg.Outside)
	total := inside + outside
	if !known || !also {
		total = 0
	}
	var before, last Progress
	show := func(p Progress) {
		last = Progress{before.Read + p.Read, total, before.Packets + p.Packets}
		cfg.Progress(last)
	}
	shown[0] = show
	first := true
	shown[1] = func(p Progress) {
		if first {
			before, first = Progress{Read: cmp.Or(inside, last.Read), Packets: last.Packets}, false
		}
		show(p)
	}
	return shown
}

// sizes is how many octets files have, and whether that is known of all.
func sizes(files []string) (n int64, known bool) {
	known = true
	for _, name := range files {
		info, err := os.Stat(name)
		if name == "-" || err != nil || !info.Mode().IsRegular() {
			known = false
			continue
		}
		n += info.Size()
	}
	return n, known
}

// File is one file of a capture.
type File struct {
	Name        string
	Packets     int
	First, Last int64 // times of packets
	Dropped     uint64
}

// Capture is what was found in one or several files of one vantage point.
type Capture struct {
	Files       []File
	First, Last int64 // times of packets, in nanoseconds since 1970
	Packets     int
	Messages    int
	Flows       []*Flow
	Streams     []Stream // in the order in which they began
	Mappings    []Mapping
	Errors      []ICMPError

	Damages []Damage // the first places of damage
	Damaged int      // how many there are
	Left    Left
}

// Left is what was left out, and why.
type Left struct {
	Dropped         uint64         // packets that the capturing system lost, by its own account
	Flows           uint64         // packets of conversations for which there was no room
	Forgotten       uint64         // idle conversations without anything known that made room for others
	Streams         uint64         // packets of RTP for whose stream there was no room
	Announcements   uint64         // announced addresses that were forgotten
	Relays          uint64         // messages about clients and channels of TURN servers for which there was no room
	Octets          uint64         // of TCP streams, since too many waited
	Gaps            uint64         // places in TCP streams at which octets are missing in the capture
	Unframed        uint64         // messages in TCP streams that are too long, or whose length (Content-Length, TPKT) says nothing
	Fragmented      uint64         // packets of which a fragment is missing
	Overlaps        uint64         // fragments that contradict others
	Malformed       uint64         // packets whose headers contradict their length
	Errors          uint64         // ICMP errors beyond those that were kept
	Links           map[int]uint64 // frames of a link layer that is not known, by its LINKTYPE
	Unordered       bool           // the files overlap in time
	UnreadableFiles []string       // each with the reason
}

// Complete says whether all that the files hold was looked at: what is missing then was not captured.
func (c *Capture) Complete() bool {
	l := &c.Left
	return c.Damaged == 0 && l.Dropped+l.Flows+l.Streams+l.Announcements+l.Relays+l.Octets+l.Gaps+l.Unframed+l.Fragmented+l.Errors == 0 && !l.Unordered && len(l.Links) == 0 && len(l.UnreadableFiles) == 0
}

// Frame returns the file that a frame is in, and its number there, from 1.
func (c *Capture) Frame(n int) (file string, number int) {
	for _, f := range c.Files {
		if n <= f.Packets {
			return f.Name, n
		}
		n -= f.Packets
	}
	return "", 0
}

// Read analyses the files of one vantage point: one, or several that a capture was split into, which are put into the order
// of time, packet by packet where they overlap. "-" is standard input. Damaged files are read as far as they go; an error means that no file could be read at all,
// or that ctx was done.
func Read(ctx context.Context, files []string, o Options) (*Capture, error) {
	r := &run{ctx: ctx, options: o, analyser: newAnalyser(o.Limits), capture: &Capture{}}
	r.analyser.message, r.analyser.packet = o.Message, o.RTP
	r.analyser.table.Traces, r.analyser.table.Other = o.traces, o.other
	r.buf = make([]byte, 2*blockLen+maxRecord)
	list, err := r.order(files)
	if err != nil {
		return nil, err
	}
	for len(list) > 0 {
		n := group(list)
		switch {
		case n > 1 && n <= maxTogether:
			err = r.together(list[:n])
		default:
			n = 1
			err = r.file(list[0].name)
		}
		if err != nil {
			return nil, err
		}
		list = list[n:]
	}
	if len(r.capture.Files) == 0 && len(files) > 0 {
		return nil, r.first
	}
	r.analyser.finish()
	r.collect()
	return r.capture, nil
}

// run is one call of Read.
type run struct {
	ctx      context.Context
	options  Options
	analyser *analyser
	capture  *Capture
	buf      []byte
	base     int   // frames of earlier files
	done     int64 // octets of earlier files
	total    int64
	first    error // why the first file could not be read
}

// order puts several files into the order of their first packets.
func (r *run) order(files []string) ([]span, error) {
	var list []span
	if n, known := sizes(files); known {
		r.total = n
	}
	for _, name := range files {
		if name == "-" {
			if len(files) > 1 {
				return nil, errors.New("standard input cannot be one of several files")
			}
			return []span{{name: name}}, nil
		}
		s := span{name: name}
		if len(files) > 1 {
			s.first, s.last = r.firstTime(name), r.lastTime(name)
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	for rest := list; r.total > 0 && len(rest) > 0; {
		n := group(rest)
		if n > 1 && n <= maxTogether {
			again, _ := sizes(names(rest[:n]))
			r.total += again
		} else {
			n = 1
		}
		rest = rest[n:]
	}
	return list, nil
}

func names(list []span) (names []string) {
	for _, s := range list {
		names = append(names, s.name)
	}
	return names
}

// firstTime returns the time of a file's first packet, 0 if there is none; what is wrong with the file shows later.
func (r *run) firstTime(name string) int64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	src, _, done, err := decompress(f)
	if err != nil {
		return 0
	}
	defer done()
	in, err := newReader(name, src, r.buf)
	if err != nil {
		return 0
	}
	var frame Frame
	if !in.Next(&frame) {
		return 0
	}
	return frame.At
}

// file analyses one file.
func (r *run) file(name string) error {
	var raw io.Reader
	if name == "-" {
		raw = cmp.Or[io.Reader](r.options.Stdin, os.Stdin)
	} else {
		f, err := os.Open(name)
		if err != nil {
			r.unreadable(err)
			return nil
		}
		defer f.Close()
		raw = f
	}
	counted := &counter{src: raw}
	src, packed, done, err := decompress(counted)
	if err != nil {
		r.unreadable(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	defer done()
	in, err := newReader(name, src, r.buf)
	if err != nil {
		r.unreadable(err)
		return nil
	}
	var back *second
	if f, ok := raw.(*os.File); ok && !packed && !r.options.OneCore && r.options.RTP == nil {
		if back = r.split(f, in); back != nil {
			counted.ahead = &back.read
		}
	}
	file := File{Name: in.Name}
	err = r.frames(in, counted, &file)
	if back != nil && err == nil {
		err = r.join(in, back, counted, &file)
	}
	back.stop()
	c := r.capture
	c.Left.Unordered = c.Left.Unordered || c.Last > 0 && file.First > 0 && file.First < c.Last-overlapTime
	r.add(in, &file)
	r.done += counted.read()
	return err
}

func (r *run) unreadable(err error) {
	if r.first == nil {
		r.first = err
	}
	r.capture.Left.UnreadableFiles = append(r.capture.Left.UnreadableFiles, err.Error())
}

// frames analyses the packets of a file, as far as the reader goes.
func (r *run) frames(in *Reader, counted *counter, file *File) error {
	a := r.analyser
	var some [batchLen]Frame
	other := func(f *Frame) { a.decoder.frame(f, r.base+f.Number) }
	for n := in.batch(some[:]); n > 0; n = in.batch(some[:]) {
		for i := range some[:n] {
			file.time(some[i].At)
		}
		a.batch(some[:n], other)
		if before := in.n - n; before>>16 != in.n>>16 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			r.show(counted, r.base+in.n)
		}
	}
	return r.ctx.Err()
}

// show says how far reading has come.
func (r *run) show(counted *counter, packets int) {
	if r.options.Progress != nil {
		r.options.Progress(Progress{r.done + counted.read(), r.total, int64(packets)})
	}
}

func (f *File) time(at int64) {
	if f.First == 0 || at < f.First {
		f.First = at
	}
	f.Last = max(f.Last, at)
}

// add puts a file that was read into the result.
func (r *run) add(in *Reader, file *File) {
	c := r.capture
	file.Packets, file.Dropped = in.n, in.Dropped
	if c.First == 0 || file.First > 0 && file.First < c.First {
		c.First = file.First
	}
	c.Last = max(c.Last, file.Last)
	c.Packets += file.Packets
	r.base += file.Packets
	c.Files = append(c.Files, *file)
	c.Damaged += in.Damaged
	c.Damages = append(c.Damages, in.Damages[:min(len(in.Damages), maxDamages-len(c.Damages))]...)
	c.Left.Dropped += in.Dropped
}

// collect makes the result.
func (r *run) collect() {
	a, c := r.analyser, r.capture
	c.Flows, c.Messages = a.flows, a.messages
	c.Mappings, c.Errors = a.stun.mappings, a.icmp.all()
	byMedia := map[*media.Flow]*Flow{}
	for _, f := range a.flows {
		for _, m := range f.media {
			if m != nil {
				byMedia[m] = f
			}
		}
	}
	c.Streams = make([]Stream, 0, a.table.Len())
	for s := range a.table.Streams() {
		f := byMedia[s.Flow()]
		if f == nil {
			continue
		}
		to := f.side(s.Flow().Src)
		by, ok := a.origins[s]
		if !ok {
			by = origins{f.to[to], f.to[1-to]}
		}
		c.Streams = append(c.Streams, Stream{Stats: s.Stats(), Flow: f, Receiver: by.receiver, Sender: by.sender})
	}
	d := &a.decoder
	l := &c.Left
	l.Flows, l.Forgotten, l.Streams, l.Announcements = a.full, a.evicted, a.table.Overflow, a.announced.lost
	l.Relays = a.turn.full
	l.Octets, l.Gaps, l.Unframed = a.tcp.given, a.tcp.gaps, a.tcp.unframed
	l.Fragmented, l.Overlaps, l.Malformed, l.Links = d.fragments.lost, d.fragments.overlap, d.malformed, d.unknown
	l.Errors = a.icmp.more
	for _, f := range a.flows {
		f.media = [2]*media.Flow{} // not needed any more, and large
	}
}

// counter counts what is read of a file, for the progress.
type counter struct {
	src   io.Reader
	n     int64
	ahead *atomic.Int64 // read of the second half, nil if there is none
}

func (c *counter) read() int64 {
	if c.ahead == nil {
		return c.n
	}
	return c.n + c.ahead.Load()
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.src.Read(b)
	c.n += int64(n)
	return n, err
}
