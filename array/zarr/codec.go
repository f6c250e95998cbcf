package zarr

import (
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/shuffle"
)

// codec turns bytes into bytes. It is safe for concurrent use.
type codec interface {
	// decode writes what src unpacks to into dst's memory from its begin, at
	// most cap(dst) bytes; more are an error. The result may be src's memory.
	decode(dst, src []byte) ([]byte, error)
	// encode appends to dst.
	encode(dst, src []byte) ([]byte, error)
	// ratio is how many times smaller than what it holds a packed chunk may be.
	ratio() int64
}

var errLong = errors.New("unpacks to more than was declared")

// codec2 makes a filter or compressor of version 2.
func codec2(id string, config map[string]any) (codec, error) {
	level := func(def int64) int {
		if n, ok := config["level"].(int64); ok && n >= -1<<10 && n <= 1<<10 {
			return int(n)
		}
		return int(def)
	}
	switch id {
	case "gzip":
		return gzipCodec{level: level(1)}, nil
	case "zlib":
		return zlibCodec{level: level(1)}, nil
	case "zstd":
		return zstdCodec{level: level(0), checksum: config["checksum"] == true}, nil
	case "lz4":
		return lz4Codec{}, nil
	case "bz2":
		return bz2Codec{}, nil
	case "crc32c":
		if at := config["location"]; at == nil || at == "end" {
			return crcCodec{}, nil
		}
	case "shuffle":
		size, ok := config["elementsize"].(int64)
		if config["elementsize"] == nil {
			size, ok = 4, true
		}
		if !ok || size < 1 || size > maxItem {
			return nil, fmt.Errorf("shuffle: elementsize is %s", brief(config["elementsize"]))
		}
		return shuffleCodec{size: int(size)}, nil
	case "blosc":
		return bloscCodec{}, nil
	}
	c, err := filter2(id, config)
	if c == nil && err == nil {
		err = unsupported("codec " + strconv.Quote(brief(id)))
	}
	return c, err
}

// codecs3 reads the chain of version 3 for elements of type t: what orders
// axes, what makes bytes, what packs those.
func (m *meta) codecs3(v any, t array.DType) error {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return errors.New("codecs is no list of at least one")
	}
	bytes := false
	for _, v := range list {
		name, config, err := named(v)
		if err != nil {
			return fmt.Errorf("codecs: %w", err)
		}
		m.names = append(m.names, name)
		switch {
		case name == "transpose" && !bytes:
			err = m.transpose(config)
		case name == "bytes" && !bytes:
			bytes = true
			m.spec.DType, err = bytes3(config, t)
		case name == "sharding_indexed" && !bytes:
			if len(list) > 1 {
				return unsupported("sharding_indexed together with other codecs")
			}
			return m.sharding(config, t)
		case name == "transpose", name == "bytes", name == "sharding_indexed", !bytes:
			if slices.Contains(names3rd, name) {
				return fmt.Errorf("codecs: %s is out of place", name)
			}
			return unsupported("codec " + strconv.Quote(brief(name)))
		default:
			err = m.pack(name, config)
		}
		if err != nil {
			return err
		}
	}
	if !bytes {
		return errors.New("codecs: nothing makes bytes")
	}
	return nil
}

// names3rd are the codecs of version 3 that are served.
var names3rd = []string{"transpose", "bytes", "sharding_indexed", "gzip", "zstd", "blosc", "crc32c"}

// pack adds a codec from bytes to bytes.
func (m *meta) pack(name string, config map[string]any) error {
	id := name
	switch name {
	case "gzip", "zstd", "blosc", "crc32c":
	case "numcodecs.gzip", "numcodecs.zlib", "numcodecs.zstd", "numcodecs.lz4", "numcodecs.blosc", "numcodecs.bz2", "numcodecs.shuffle", "numcodecs.crc32c",
		"numcodecs.fletcher32", "numcodecs.crc32", "numcodecs.adler32":
		id = name[len("numcodecs."):]
	default:
		return unsupported("codec " + strconv.Quote(brief(name)))
	}
	c, err := codec2(id, config)
	if err == nil {
		m.codecs = append(m.codecs, c)
	}
	return err
}

// bytes3 gives the type its byte order.
func bytes3(config map[string]any, t array.DType) (array.DType, error) {
	switch config["endian"] {
	case "little":
		return t, nil
	case "big":
		return t.WithOrder('>'), nil
	case nil:
		if t.WithOrder('<') == t.WithOrder('>') {
			return t, nil
		}
	}
	return t, fmt.Errorf("codecs: bytes of %v: endian is %s, want little or big", t, brief(config["endian"]))
}

// transpose reads the order of axes in the bytes.
func (m *meta) transpose(config map[string]any) error {
	n := len(m.chunks)
	order := make([]int, 0, n)
	switch v := config["order"].(type) {
	case string: // of files before the final text of version 3
		for i := range n {
			if v == "F" {
				i = n - 1 - i
			}
			order = append(order, i)
		}
		if v != "C" && v != "F" {
			return fmt.Errorf("codecs: transpose: order is %s", brief(v))
		}
	default:
		var err error
		if order, err = ints(config, "order"); err != nil {
			return fmt.Errorf("codecs: transpose: %w", err)
		}
	}
	sorted := slices.Sorted(slices.Values(order))
	for i, a := range sorted {
		if a != i {
			sorted = nil
			break
		}
	}
	if len(sorted) != n {
		return fmt.Errorf("codecs: transpose: order %v isn't each of %d axes once", order, n)
	}
	if m.axes == nil {
		m.axes = order
		return nil
	}
	axes := make([]int, n)
	for i, a := range order {
		axes[i] = m.axes[a]
	}
	m.axes = axes
	return nil
}

type gzipCodec struct{ level int }

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func (gzipCodec) decode(dst, src []byte) ([]byte, error) {
	r := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(r)
	if err := r.Reset(bytes.NewReader(src)); err != nil {
		return nil, err
	}
	return inflate(dst, r)
}

// inflate reads r to its end.
func inflate(dst []byte, r io.Reader) ([]byte, error) {
	dst = dst[:cap(dst)]
	n := 0
	for {
		var one [1]byte
		into := dst[n:]
		if len(into) == 0 {
			into = one[:]
		}
		k, err := r.Read(into)
		if n == len(dst) && k > 0 {
			return nil, errLong
		}
		n += k
		if err == io.EOF {
			return dst[:n], nil
		}
		if err != nil {
			return nil, fmt.Errorf("behind %d bytes: %w", n, err)
		}
	}
}

// deflateLevel makes a level one that this package's library knows.
func deflateLevel(level int) int { return min(max(level, -1), 9) }

func (c gzipCodec) encode(dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w, err := gzip.NewWriterLevel(out, deflateLevel(c.level))
	if err == nil {
		_, err = w.Write(src)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

func (gzipCodec) ratio() int64 { return 1100 }

type zlibCodec struct{ level int }

func (zlibCodec) decode(dst, src []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	return inflate(dst, r)
}

func (c zlibCodec) encode(dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	w, err := zlib.NewWriterLevel(out, deflateLevel(c.level))
	if err == nil {
		_, err = w.Write(src)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

func (zlibCodec) ratio() int64 { return 1100 }

type bz2Codec struct{}

func (bz2Codec) decode(dst, src []byte) ([]byte, error) {
	return inflate(dst, bzip2.NewReader(bytes.NewReader(src)))
}

func (bz2Codec) encode([]byte, []byte) ([]byte, error) {
	return nil, errors.New("bz2 is read only")
}

func (bz2Codec) ratio() int64 { return 1 << 17 }

type zstdCodec struct {
	level    int
	checksum bool
}

// unzstd has no state between calls and never writes beyond the memory given.
var unzstd = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))
})

func (zstdCodec) decode(dst, src []byte) ([]byte, error) {
	d, err := unzstd()
	if err != nil {
		return nil, err
	}
	out, err := d.DecodeAll(src, dst[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, errLong
	}
	return out, err
}

// zstders are the encoders of each level and checksum; they have no state
// between calls.
var zstders sync.Map

func (c zstdCodec) encode(dst, src []byte) ([]byte, error) {
	level := zstd.EncoderLevelFromZstd(c.level)
	if c.level == 0 {
		level = zstd.SpeedDefault // Zstandard's own 3
	} else if c.level < 0 {
		level = zstd.SpeedFastest
	}
	key := [2]any{level, c.checksum}
	e, ok := zstders.Load(key)
	if !ok {
		made, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(c.checksum), zstd.WithZeroFrames(true), zstd.WithSingleSegment(true))
		if err != nil {
			return nil, err
		}
		e, _ = zstders.LoadOrStore(key, made)
	}
	return e.(*zstd.Encoder).EncodeAll(src, dst), nil
}

// A block of 128 KiB of one byte takes four.
func (zstdCodec) ratio() int64 { return 1 << 15 }

// lz4Codec is numcodecs' form of LZ4: u32 size, then a block.
type lz4Codec struct{}

func (lz4Codec) decode(dst, src []byte) ([]byte, error) {
	if len(src) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	size := binary.LittleEndian.Uint32(src)
	if uint64(size) > uint64(cap(dst)) {
		return nil, fmt.Errorf("tells %d bytes, want at most %d", size, cap(dst))
	}
	return lz4Block(dst[:size], src[4:])
}

// lz4Block unpacks a block that must fill dst.
func lz4Block(dst, src []byte) ([]byte, error) {
	if len(dst) == 0 {
		return dst, nil
	}
	n, err := lz4.UncompressBlock(src, dst)
	if err != nil {
		return nil, err
	}
	if n != len(dst) {
		return nil, fmt.Errorf("unpacks to %d bytes, want %d", n, len(dst))
	}
	return dst, nil
}

func (lz4Codec) encode(dst, src []byte) ([]byte, error) {
	if len(src) > lz4Max {
		return nil, fmt.Errorf("lz4: chunks have at most %d bytes, this one %d", lz4Max, len(src))
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
	n := len(dst)
	dst = slices.Grow(dst, lz4Bound(len(src)))
	k, err := packLZ4(dst[n:n+lz4Bound(len(src))], src, 1)
	return dst[:n+k], err
}

// lz4Max is LZ4's own limit of a block.
const lz4Max = 0x7E000000

func (lz4Codec) ratio() int64 { return 256 }

// crcCodec puts the checksum behind the bytes.
type crcCodec struct{}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (crcCodec) decode(_, src []byte) ([]byte, error) {
	n := len(src) - 4
	if n < 0 {
		return nil, io.ErrUnexpectedEOF
	}
	if got, want := crc32.Checksum(src[:n], castagnoli), binary.LittleEndian.Uint32(src[n:]); got != want {
		return nil, fmt.Errorf("checksum is %08x, want %08x", got, want)
	}
	return src[:n:n], nil
}

func (crcCodec) encode(dst, src []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(append(dst, src...), crc32.Checksum(src, castagnoli)), nil
}

func (crcCodec) ratio() int64 { return 1 }

// shuffleCodec puts the bytes of one place in the elements together.
type shuffleCodec struct{ size int }

func (c shuffleCodec) decode(dst, src []byte) ([]byte, error) {
	if len(src) > cap(dst) {
		return nil, errLong
	}
	dst = dst[:len(src)]
	shuffle.Together(dst, src, c.size)
	return dst, nil
}

func (c shuffleCodec) encode(dst, src []byte) ([]byte, error) {
	n := len(dst)
	dst = slices.Grow(dst, len(src))[:n+len(src)]
	shuffle.Apart(dst[n:], src, c.size)
	return dst, nil
}

func (shuffleCodec) ratio() int64 { return 1 }
