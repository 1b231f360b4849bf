package capture

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// blockLen is how much is read at a time: large enough that system calls cost nothing, small enough for a cache.
	blockLen = 256 << 10

	// maxRecord is the longest packet that is taken for one, in octets: tcpdump's own limit (MAXIMUM_SNAPLEN).
	maxRecord = 256 << 10

	// zstdWindow is the largest window of a compressed file, in octets: zstd writes up to 8 MiB unless told --ultra or --long.
	zstdWindow = 32 << 20
)

// blocks hands out the octets of a file in pieces of known length, each contiguous, without copying: a view into a buffer
// that moves on. Positions are octets from the start of the (decompressed) file.
type blocks struct {
	src  io.Reader
	buf  []byte
	r, w int   // buf[r:w] is read and not yet taken
	base int64 // position of buf[0]
	err  error // what ended the file, io.EOF if nothing is wrong
}

func (b *blocks) pos() int64 { return b.base + int64(b.r) }

// peek returns the next n octets, or as many as there are until the end of the file. n is at most maxRecord + blockLen/2.
func (b *blocks) peek(n int) []byte {
	if b.w-b.r < n {
		b.fill(n)
	}
	return b.buf[b.r:min(b.r+n, b.w)]
}

func (b *blocks) fill(n int) {
	copy(b.buf, b.buf[b.r:b.w])
	b.base += int64(b.r)
	b.w -= b.r
	b.r = 0
	idle := 0
	for b.w < n && b.err == nil {
		got, err := b.src.Read(b.buf[b.w:min(b.w+blockLen, len(b.buf))])
		b.w += got
		b.err = err
		if idle++; got > 0 {
			idle = 0
		} else if err == nil && idle == 100 {
			b.err = io.ErrNoProgress
		}
	}
}

// skip takes n octets, also more than fit into the buffer. It returns false if the file ends before.
func (b *blocks) skip(n int64) bool {
	for {
		have := int64(b.w - b.r)
		if n <= have {
			b.r += int(n)
			return true
		}
		n -= have
		b.r = b.w
		if len(b.peek(1)) == 0 {
			return false
		}
	}
}

// failed returns what went wrong with the file itself, or nil.
func (b *blocks) failed() error {
	if b.err == nil || errors.Is(b.err, io.EOF) {
		return nil
	}
	return b.err
}

// decompress looks at the first octets of src and returns a reader of what is in it, and whether that is something else than
// src has. done releases what it holds.
func decompress(src io.Reader) (r io.Reader, packed bool, done func(), err error) {
	done = func() {}
	var magic [4]byte
	n, err := io.ReadFull(src, magic[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, done, err
	}
	r = io.MultiReader(&prefix{magic[:n]}, src)
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b: // RFC 1952 2.3.1
		z, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
		if err != nil {
			return nil, false, done, fmt.Errorf("gzip: %w", err)
		}
		return z, true, done, nil
	case magic == [4]byte{0x28, 0xb5, 0x2f, 0xfd}: // RFC 8878 3.1.1
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, false, done, fmt.Errorf("zstd: %w", err)
		}
		return z, true, z.Close, nil
	}
	return r, false, done, nil
}

// prefix is the octets that were looked at.
type prefix struct{ b []byte }

func (p *prefix) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b)
	p.b = p.b[n:]
	return n, nil
}
