package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/mmap"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codecs are the compressions, by the numbers of parquet.thrift.
var codecs = [...]string{"none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"}

// The compressions that are served.
const (
	NoCodec     = 0 // pages are as they are
	codecSnappy = 1
	codecGzip   = 2
	codecBrotli = 4
	codecZstd   = 6
	codecLZ4Raw = 7
)

// CodecError tells why a compression isn't served.
func CodecError(codec int32) error {
	switch codec {
	case NoCodec, codecSnappy, codecGzip, codecBrotli, codecZstd, codecLZ4Raw:
		return nil
	case 3, 5:
		return fmt.Errorf("compression %s is not supported; other writers' lz4 is lz4_raw, which is", codecs[codec])
	}
	return fmt.Errorf("compression %d is not supported", codec)
}

// Pages goes through a column chunk's pages.
type Pages struct {
	b     []byte // the chunk's bytes that are left
	at    int64  // of b in the file
	codec int32
	most  int // bytes a page may have

	chunk  []byte // all bytes of the chunk
	passed arrow.Passed
	buf    []byte
	un     unpacker
}

// unpacker keeps what decompresses from page to page.
type unpacker struct {
	src    bytes.Reader
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
}

// NewPages returns the pages of a column chunk, whose bytes lie in the file from at
// on. A page may have most bytes; mapped says that the bytes are of a file's map.
func NewPages(chunk []byte, at int64, codec int32, most int, mapped bool) Pages {
	return Pages{b: chunk, chunk: chunk, at: at, codec: codec, most: most, passed: arrow.Passed{Mapped: mapped}}
}

// Offset is where the next page lies in the file.
func (p *Pages) Offset() int64 { return p.at }

// Close gives back what decompressing took.
func (p *Pages) Close() { p.un.close() }

// Next reads a page's header; io.EOF where no byte is left. The page's bytes are
// as they lie in the file.
func (p *Pages) Next() (Header, []byte, error) {
	if len(p.b) == 0 {
		return Header{}, nil, io.EOF
	}
	p.passed.To(p.chunk, len(p.chunk)-len(p.b))
	t := &thrift{b: p.b}
	h := t.page()
	if t.err != nil {
		return h, nil, fmt.Errorf("page: %w", t.err)
	}
	left := len(p.b) - t.at
	switch {
	case h.Packed < 0 || int(h.Packed) > left:
		return h, nil, fmt.Errorf("a page of %d bytes, %d are left", h.Packed, left)
	case h.Unpacked < 0 || h.Values < 0:
		return h, nil, fmt.Errorf("a page of %d bytes and %d values", h.Unpacked, h.Values)
	case int(h.Unpacked) > p.most:
		return h, nil, fmt.Errorf("a page of %d bytes, OpenOptions.MaxPage allows %d", h.Unpacked, p.most)
	}
	body := p.b[t.at : t.at+int(h.Packed)]
	if h.checked && crc32.ChecksumIEEE(body) != uint32(h.crc) {
		return h, nil, errors.New("a page's checksum differs")
	}
	p.b = p.b[t.at+int(h.Packed):]
	p.at += int64(t.at) + int64(h.Packed)
	return h, body, nil
}

// Unpack returns size bytes that were compressed, borrowed until the next call.
func (p *Pages) Unpack(body []byte, size int) ([]byte, error) {
	var err error
	if p.codec != NoCodec {
		mmap.Touch(body)
	}
	switch p.codec {
	case NoCodec:
		if len(body) != size {
			return nil, fmt.Errorf("%d bytes in a page of %d", len(body), size)
		}
		return body, nil
	case codecSnappy:
		// The block tells its size itself; 64 bytes take 3 at least.
		if n, err := s2.DecodedLen(body); err != nil || n != size || n/64 > len(body) {
			return nil, fmt.Errorf("a snappy block of %d bytes for %d: %v", n, size, err)
		}
		return s2.Decode(room(&p.buf, size), body)
	case codecLZ4Raw:
		if size/255 > len(body) {
			return nil, fmt.Errorf("an lz4 block of %d bytes for %d", len(body), size)
		}
		if size == 0 {
			return nil, nil
		}
		n, err := lz4.UncompressBlock(body, room(&p.buf, size))
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes in a page of %d", n, size)
		}
		return p.buf[:size], err
	}
	in, err := p.un.reader(p.codec, body)
	if err != nil {
		return nil, err
	}
	if p.buf, err = readAll(in, p.buf, size); err != nil {
		return nil, fmt.Errorf("unpack %d bytes of %s: %w", size, codecs[p.codec], err)
	}
	return p.buf, nil
}

// room returns n bytes of a buffer that is kept.
func room(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return *b
}

// readAll reads just size bytes. Memory grows with what is there.
func readAll(in io.Reader, buf []byte, size int) ([]byte, error) {
	const step = 4 << 20
	buf = buf[:0]
	for len(buf) < size {
		n := min(size-len(buf), step)
		have := len(buf)
		if cap(buf)-have < n {
			grown := make([]byte, have, max(have+n, min(size, 2*have)))
			copy(grown, buf)
			buf = grown
		}
		got, err := io.ReadFull(in, buf[have:have+n])
		buf = buf[:have+got]
		if err != nil {
			return buf, fmt.Errorf("they end at byte %d: %w", len(buf), err)
		}
	}
	var more [1]byte
	if n, err := in.Read(more[:]); n > 0 || err != nil && err != io.EOF {
		return buf, fmt.Errorf("there are more: %v", err)
	}
	return buf, nil
}

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		panic("parquet: " + err.Error())
	}
	return d
}}

func (u *unpacker) reader(codec int32, body []byte) (io.Reader, error) {
	u.src.Reset(body)
	switch codec {
	case codecZstd:
		if u.zstd == nil {
			u.zstd = zstdReaders.Get().(*zstd.Decoder)
		}
		return u.zstd, u.zstd.Reset(&u.src)
	case codecGzip:
		if u.gzip == nil {
			var err error
			u.gzip, err = gzip.NewReader(&u.src)
			return u.gzip, err
		}
		return u.gzip, u.gzip.Reset(&u.src)
	}
	if u.brotli == nil {
		u.brotli = brotli.NewReader(&u.src)
		return u.brotli, nil
	}
	return u.brotli, u.brotli.Reset(&u.src)
}

func (u *unpacker) close() {
	if u.zstd != nil {
		if u.zstd.Reset(nil) == nil {
			zstdReaders.Put(u.zstd)
		}
		u.zstd = nil
	}
}

// Content splits a data page into levels of repetition, of definition, and
// values.
func (p *Pages) Content(h Header, body []byte, n *Node) (rep, def, values []byte, err error) {
	if h.Kind == DataPage2 {
		levels := int64(h.repLen) + int64(h.defLen)
		if h.repLen < 0 || h.defLen < 0 || levels > int64(len(body)) || levels > int64(h.Unpacked) {
			return nil, nil, nil, fmt.Errorf("levels of %d and %d bytes in a page of %d", h.repLen, h.defLen, h.Unpacked)
		}
		rep, def, values = body[:h.repLen], body[h.repLen:levels], body[levels:]
		if size := int(h.Unpacked) - int(levels); !h.uncompressed && p.codec != NoCodec {
			// An empty page may have no compressed bytes at all.
			if size == 0 && len(values) == 0 {
				return rep, def, nil, nil
			}
			values, err = p.Unpack(values, size)
		} else if len(values) != size {
			err = fmt.Errorf("%d bytes of values, want %d", len(values), size)
		}
		return rep, def, values, err
	}
	if values, err = p.Unpack(body, int(h.Unpacked)); err != nil {
		return nil, nil, nil, err
	}
	if n.Rep > 0 {
		if rep, values, err = levelsOf(values, h.repEnc); err != nil {
			return nil, nil, nil, err
		}
	}
	if n.Def > 0 {
		if def, values, err = levelsOf(values, h.defEnc); err != nil {
			return nil, nil, nil, err
		}
	}
	return rep, def, values, nil
}

// levelsOf cuts levels off, before which their size lies.
func levelsOf(b []byte, encoding int32) (levels, rest []byte, err error) {
	if encoding != rle {
		return nil, nil, fmt.Errorf("levels in encoding %d are not supported", encoding)
	}
	if len(b) < 4 {
		return nil, nil, ErrShort
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n > int64(len(b)-4) {
		return nil, nil, fmt.Errorf("levels of %d bytes in %d", n, len(b)-4)
	}
	return b[4 : 4+n], b[4+n:], nil
}
