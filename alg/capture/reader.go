package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxDamages is how many places of damage are kept of one run; the others are counted.
const maxDamages = 64

// Damage is a place in a file that could not be read as it should.
type Damage struct {
	File string `json:"file"`
	Off  int64  `json:"offset"` // octets from the start of the file, of a compressed one of what is in it
	What string `json:"what"`   // lower case
}

func (d Damage) String() string { return fmt.Sprintf("%s: offset %d: %s", d.File, d.Off, d.What) }

// Frame is one packet of a file.
type Frame struct {
	Number int    // in the file, from 1
	At     int64  // nanoseconds since 1970
	Link   int    // link-layer header type, one of tcpdump's LINKTYPE values
	Data   []byte // as captured; valid until the next call
	Size   int    // octets on the wire
	Off    int64  // of its record in the file

	head int // octets of the record before Data
}

// Reader reads the packets of one pcap or pcapng file. Whatever the file holds, it takes about half a MiB of memory and
// never fails after its start: what cannot be read is skipped and reported as damage.
type Reader struct {
	Name string
	// Damages are the first places of damage, Damaged is how many there are.
	Damages []Damage
	Damaged int
	// Dropped is how many packets the capturing system says it lost (pcapng interface statistics, isb_ifdrop and isb_osdrop).
	Dropped uint64

	b      blocks
	order  binary.ByteOrder
	little bool
	ng     bool
	n      int
	last   int64 // time of the last packet
	end    int64 // position at which to stop, 0 for the end of the file
	kept   bool  // first is the next packet
	first  Frame

	// pcap
	link    int
	unit    int64 // nanoseconds per unit of the fraction
	recHead int   // octets of a record header

	// pcapng
	ifaces []iface
	stats  map[int]uint64
}

// The magic numbers of the formats, as the writing machine would read them.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // a patched libpcap of 1999: longer record headers
	magicSection  = 0x0a0d0d0a // pcapng: a palindrome
	magicOrder    = 0x1a2b3c4d // pcapng: byte-order magic
)

// errFormat is the cause when a file is no capture.
var errFormat = errors.New("neither pcap nor pcapng")

// NewReader returns a reader of the capture that src holds. name is for reports.
func NewReader(name string, src io.Reader) (*Reader, error) {
	return newReader(name, src, nil)
}

// newReader takes a buffer of an earlier reader, or nil.
func newReader(name string, src io.Reader, buf []byte) (*Reader, error) {
	if buf == nil {
		buf = make([]byte, 2*blockLen+maxRecord)
	}
	r := &Reader{Name: name, b: blocks{src: src, buf: buf}}
	head := r.b.peek(24)
	if err := r.b.failed(); err != nil && len(head) < 24 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(head) < 4 {
		return nil, fmt.Errorf("%s: %d octets: %w", name, len(head), errFormat)
	}
	if binary.BigEndian.Uint32(head) == magicSection {
		r.ng = true
		return r, nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		r.order, r.little, r.recHead = order, order == binary.LittleEndian, 16
		switch order.Uint32(head) {
		case magicMicro:
			r.unit = 1000
		case magicNano:
			r.unit = 1
		case magicModified:
			r.unit, r.recHead = 1000, 24
		default:
			continue
		}
		if len(head) < 24 {
			return nil, fmt.Errorf("%s: file header of %d octets, want 24", name, len(head))
		}
		// The upper bits say whether frames end with a check sequence; nothing here cares, IP knows its length.
		r.link = int(order.Uint32(head[20:]) & 0xffff)
		r.b.r += 24
		return r, nil
	}
	return nil, fmt.Errorf("%s: begins with %x: %w", name, head[:4], errFormat)
}

// Next reads the next packet into f. It returns false at the end of the file.
func (r *Reader) Next(f *Frame) bool {
	if r.kept {
		*f, r.kept = r.first, false
		return true
	}
	if r.end > 0 && r.b.pos() >= r.end {
		return false
	}
	if r.ng {
		return r.nextBlock(f)
	}
	return r.nextRecord(f)
}

// batch reads several packets, as many as are in the buffer as a whole and fit into the list, and returns their number: at least
// one, if there is one. All of them are valid until the next call.
func (r *Reader) batch(list []Frame) (n int) {
	switch {
	case r.kept: // see keepFirst
	case r.ng:
		n = r.quickBlocks(list)
	default:
		n = r.quickRecords(list)
	}
	if n == 0 && r.Next(&list[0]) {
		n = 1
	}
	return n
}

// keepFirst reads the first packet, so that what describes the packets is known, and keeps it for Next. It returns false if
// there is none.
func (r *Reader) keepFirst() bool {
	r.kept = r.Next(&r.first)
	return r.kept
}

func (r *Reader) damage(off int64, format string, args ...any) {
	r.Damaged++
	if len(r.Damages) < maxDamages {
		r.Damages = append(r.Damages, Damage{r.Name, off, fmt.Sprintf(format, args...)})
	}
}

// atEnd is called where nothing more can be read, and says why.
func (r *Reader) atEnd() bool {
	if err := r.b.failed(); err != nil {
		r.damage(r.b.base+int64(r.b.w), "%v", err)
		r.b.err = io.EOF // once
	}
	return false
}
