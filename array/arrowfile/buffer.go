package arrowfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/betongo/betongo/internal/arrow"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// buffer is one of a batch's buffers, read from front to back. What isn't
// compressed is in memory; else as much of it is as was asked for last, so that
// no size that a file claims is ever made room for before the bytes are there.
type buffer struct {
	raw  []byte // in the file; of one that is compressed what lies behind its size
	size int64  // unpacked

	codec  arrow.Codec
	passed arrow.Passed
	src    *bytes.Reader // of raw
	in     io.Reader     // nil before the first read
	free   func()
	at     int64 // where kept begins
	kept   []byte
}

var errShort = errors.New("it is shorter than its rows need")

// newBuffer takes the bytes of a buffer as they lie in a file.
func newBuffer(raw []byte, codec arrow.Codec) (*buffer, error) {
	b := &buffer{raw: raw, size: int64(len(raw)), codec: arrow.NoCodec}
	if codec == arrow.NoCodec || len(raw) == 0 {
		return b, nil
	}
	if len(raw) < 8 {
		return nil, fmt.Errorf("a compressed buffer of %d bytes", len(raw))
	}
	size := int64(binary.LittleEndian.Uint64(raw))
	b.raw = raw[8:]
	switch {
	case size == -1: // not worth it, said the writer
		b.size = int64(len(b.raw))
		return b, nil
	case size < 0:
		return nil, fmt.Errorf("a compressed buffer of %d bytes unpacked", size)
	}
	b.size, b.codec = size, codec
	return b, nil
}

// view returns the whole buffer where it lies in the file as it is.
func (b *buffer) view() ([]byte, bool) { return b.raw, b.codec == arrow.NoCodec }

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		panic("arrowfile: " + err.Error())
	}
	return d
}}

var lz4Readers = sync.Pool{New: func() any { return lz4.NewReader(nil) }}

func (b *buffer) open() error {
	b.src = bytes.NewReader(b.raw)
	switch b.codec {
	case arrow.ZSTD:
		d := zstdReaders.Get().(*zstd.Decoder)
		if err := d.Reset(b.src); err != nil {
			return err
		}
		b.in, b.free = d, func() {
			if d.Reset(nil) == nil {
				zstdReaders.Put(d)
			}
		}
	default:
		d := lz4Readers.Get().(*lz4.Reader)
		d.Reset(b.src)
		b.in, b.free = d, func() {
			d.Reset(nil)
			lz4Readers.Put(d)
		}
	}
	return nil
}

// close gives back what the reading took.
func (b *buffer) close() {
	if b != nil && b.free != nil {
		b.free()
		b.free, b.in, b.kept = nil, nil, nil
	}
}

// bytes returns those from lo up to but without hi, borrowed until the next
// call. Lo may lie before the last call's hi, but not before its lo.
func (b *buffer) bytes(lo, hi int64) ([]byte, error) {
	if lo > hi || hi > b.size {
		return nil, errShort
	}
	if b.codec == arrow.NoCodec {
		b.passed.To(b.raw, int(lo))
		return b.raw[lo:hi:hi], nil
	}
	if b.in == nil {
		if err := b.open(); err != nil {
			return nil, err
		}
	}
	end := b.at + int64(len(b.kept))
	if lo < b.at {
		return nil, fmt.Errorf("bytes %d to %d are asked for behind byte %d", lo, hi, b.at)
	}
	if lo > end {
		if n, err := io.CopyN(io.Discard, b.in, lo-end); err != nil {
			return nil, unpacking(err, end+n)
		}
		end, b.kept = lo, b.kept[:0]
	} else {
		b.kept = b.kept[:copy(b.kept, b.kept[lo-b.at:])]
	}
	b.at = lo
	if need := int(hi - end); need > 0 {
		if err := b.fill(need); err != nil {
			return nil, err
		}
		b.passed.To(b.raw, len(b.raw)-b.src.Len())
	}
	return b.kept[:hi-lo], nil
}

// fill unpacks n bytes more, in steps, lest a claim alone take memory.
func (b *buffer) fill(n int) error {
	const step = 4 << 20
	for n > 0 {
		k := min(n, step)
		have := len(b.kept)
		if cap(b.kept)-have < k {
			grown := make([]byte, have, max(have+k, min(have+n, 2*have)))
			copy(grown, b.kept)
			b.kept = grown
		}
		got, err := io.ReadFull(b.in, b.kept[have:have+k])
		b.kept = b.kept[:have+got]
		if err != nil {
			return unpacking(err, b.at+int64(have+got))
		}
		n -= k
	}
	return nil
}

// unpacking is an error of a codec.
func unpacking(err error, at int64) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("compressed data end behind %d bytes unpacked", at)
	}
	return fmt.Errorf("unpack behind byte %d: %w", at, err)
}

// whole returns all of it; at most so many bytes.
func (b *buffer) whole(most int64) ([]byte, error) {
	if b.size > most {
		return nil, fmt.Errorf("%d bytes, %d are allowed at once", b.size, most)
	}
	return b.bytes(0, b.size)
}
