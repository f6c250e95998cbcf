package zarr

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/betongo/betongo/array"
)

// reader reads rows of an array. It is not safe for concurrent use.
type reader struct {
	f     *File
	n     *node
	m     *meta
	plain []byte // a chunk
	turned,
	packed []byte
	between [2][]byte // what lies between two codecs
	name    []byte

	shardRow   int
	indexes    map[string][]byte
	indexBytes int
}

// grow returns n bytes, in b's memory where that has room.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// Array reads an array into memory, in C order whatever the order of its
// chunks. The memory is the caller's.
func (f *File) Array(name string) (array.Strided, error) {
	n, err := f.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	size, err := n.Spec.Bytes()
	if err != nil || int64(size) > f.opts.MaxArray {
		return array.Strided{}, &FormatError{File: f.path, Array: n.Name, Offset: -1, Msg: fmt.Sprintf("array %v has %d bytes, at most %d are read at once", n.Spec, size, f.opts.MaxArray)}
	}
	r := reader{f: f, n: n, m: n.meta}
	data := make([]byte, size)
	if size > 0 {
		if err := r.rows(data, 0, rowsOf(n.Spec), true); err != nil {
			return array.Strided{}, err
		}
	}
	a, err := array.New(array.Spec{DType: n.Spec.DType, Shape: slices.Clone(n.Spec.Shape)}, data)
	return a.Strided(), err
}

// rowsOf is the length of axis 0; a scalar has one row.
func rowsOf(spec array.Spec) int {
	if len(spec.Shape) == 0 {
		return 1
	}
	return spec.Shape[0]
}

// rows reads rows from lo, which begins a row of chunks, up to hi, which ends
// one or the array. The array isn't empty. Fresh memory is zero.
func (r *reader) rows(dst []byte, lo, hi int, fresh bool) error {
	size := len(dst) / (hi - lo)
	step := 1
	if len(r.m.chunks) > 0 {
		step = r.m.chunks[0]
	}
	for lo < hi {
		n := min(step, hi-lo)
		if err := r.band(dst[:n*size:n*size], lo/step, fresh); err != nil {
			return err
		}
		dst, lo = dst[n*size:], lo+n
	}
	return nil
}

// each calls do for all places of a grid in C order.
func each(grid []int, do func(at []int) error) error {
	at := make([]int, len(grid))
	for _, n := range grid {
		if n == 0 {
			return nil
		}
	}
	for {
		if err := do(at); err != nil {
			return err
		}
		i := len(at) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < grid[i] {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return nil
		}
	}
}

// over is how many steps of one size cover n.
func over(n, step int) int {
	if n == 0 {
		return 0
	}
	return (n-1)/step + 1
}

// band reads one row of chunks.
func (r *reader) band(dst []byte, row int, fresh bool) error {
	m := r.m
	if len(m.chunks) == 0 && m.shards == nil {
		return r.file(dst, nil, fresh)
	}
	// The first axis stays where it is.
	count := make([]int, len(m.chunks))
	for i := range count {
		count[i] = over(m.spec.Shape[i], m.grid()[i])
	}
	if m.shards == nil {
		count[0] = 1
		at := make([]int, len(count))
		return each(count, func(rest []int) error {
			copy(at, rest)
			at[0] = row
			return r.file(dst, at, fresh)
		})
	}
	return r.shards(dst, row, count, fresh)
}

// file reads a chunk that is a value of its own.
func (r *reader) file(dst []byte, at []int, fresh bool) error {
	key := r.key(at)
	b, err := r.f.store.open(key)
	if errors.Is(err, fs.ErrNotExist) {
		r.missing(dst, at, fresh)
		return nil
	}
	if err == nil {
		err = r.whole(dst, at, &b)
		b.close()
	}
	return r.explain(err, key)
}

// key is the name of a chunk or a shard in the store.
func (r *reader) key(at []int) string {
	r.name = append(r.name[:0], r.n.Name...)
	if r.n.Name != "" {
		r.name = append(r.name, '/')
	}
	r.name = r.m.key(r.name, at)
	return string(r.name)
}

func (r *reader) explain(err error, key string) error {
	if err == nil || errors.Is(err, fs.ErrClosed) {
		return err
	}
	var what unsupported
	if errors.As(err, &what) {
		return &UnsupportedError{File: r.f.path, Array: r.n.Name, What: string(what)}
	}
	return &FormatError{File: r.f.path, Array: r.n.Name, Part: key, Offset: -1, Msg: err.Error()}
}

// bound is how many bytes a packed chunk may have: no codec makes more of it,
// but for filters that store elements as wider ones.
func (m *meta) bound() int64 {
	n := int64(m.size)
	for _, c := range m.codecs {
		if w, ok := c.(interface{ wider() int64 }); ok {
			n = min(n*w.wider(), int64(m.size)*8)
		}
	}
	return n + n/4 + 1<<16
}

// whole reads a chunk that is all of a value.
func (r *reader) whole(dst []byte, at []int, b *blob) (err error) {
	if len(r.m.codecs) > 0 {
		if b.size > r.m.bound() {
			return fmt.Errorf("%d bytes for a chunk of %d, want at most %d", b.size, r.m.size, r.m.bound())
		}
		if r.packed, err = b.all(r.packed); err != nil {
			return err
		}
		return r.chunk(dst, at, r.packed)
	}
	if b.size != int64(r.m.size) {
		return fmt.Errorf("%d bytes for a chunk of %d", b.size, r.m.size)
	}
	if into, ok := r.direct(dst, at); ok {
		_, err = b.all(into)
		return err
	}
	if r.plain, err = b.all(r.plain); err != nil {
		return err
	}
	r.put(dst, at, r.plain)
	return nil
}

// direct tells whether the bytes of a chunk are rows of the array, all of them
// wanted, and where they belong.
func (r *reader) direct(dst []byte, at []int) ([]byte, bool) {
	if r.m.axes != nil || len(dst) != r.m.size {
		return nil, false
	}
	for i := 1; i < len(at); i++ {
		if r.m.chunks[i] != r.m.spec.Shape[i] {
			return nil, false
		}
	}
	return dst, true
}

// chunk unpacks a chunk to where it belongs.
func (r *reader) chunk(dst []byte, at []int, packed []byte) error {
	into, ok := r.direct(dst, at)
	if !ok {
		if last := r.m.ratio(); int64(len(packed)) < (int64(r.m.size)-1<<16)/last {
			return fmt.Errorf("%d bytes can't unpack to a chunk of %d", len(packed), r.m.size)
		}
		r.plain = grow(r.plain, r.m.size)
		into = r.plain
	}
	if err := r.unpack(into, packed); err != nil || ok {
		return err
	}
	r.put(dst, at, into)
	return nil
}

// ratio is what all codecs together can do, up to 2^31.
func (m *meta) ratio() int64 {
	n := int64(1)
	for _, c := range m.codecs {
		n = min(n*c.ratio(), 1<<31)
	}
	return n
}

// unpack takes a chunk through the codecs backwards; dst has its size.
func (r *reader) unpack(dst, packed []byte) error {
	for i := len(r.m.codecs) - 1; i >= 0; i-- {
		c := r.m.codecs[i]
		into := dst[:0:len(dst)]
		if i > 0 {
			most := int(min(r.m.bound(), int64(len(packed))*c.ratio()+1<<16))
			r.between[i%2] = grow(r.between[i%2], most)
			into = r.between[i%2][:0:most]
		}
		var err error
		if packed, err = c.decode(into, packed); err != nil {
			return fmt.Errorf("%s: %w", r.m.packName(i), err)
		}
	}
	if len(packed) != len(dst) {
		return fmt.Errorf("unpacks to %d bytes, want %d", len(packed), len(dst))
	}
	if len(dst) > 0 && &packed[0] != &dst[0] {
		copy(dst, packed)
	}
	return nil
}

// packName is the name of codec i of those from bytes to bytes.
func (m *meta) packName(i int) string { return m.names[len(m.names)-len(m.codecs)+i] }

// extent is the part of a chunk that lies in the array.
func (r *reader) extent(at []int) []int {
	n := make([]int, len(at))
	for i := range at {
		n[i] = min(r.m.chunks[i], r.m.spec.Shape[i]-at[i]*r.m.chunks[i])
	}
	return n
}

// put copies what lies in the array out of a chunk.
func (r *reader) put(dst []byte, at []int, plain []byte) {
	m := r.m
	if m.axes != nil {
		r.turned = grow(r.turned, m.size)
		m.turn(r.turned, plain, true)
		plain = r.turned
	}
	item := m.spec.DType.ItemSize()
	n := r.extent(at)
	copyRegion(r.target(dst, at), strides(m.spec.Shape, item), plain, strides(m.chunks, item), n, item)
}

// target is where in a row of chunks one begins.
func (r *reader) target(dst []byte, at []int) []byte {
	off := 0
	for i, s := range strides(r.m.spec.Shape, r.m.spec.DType.ItemSize()) {
		if i > 0 {
			off += at[i] * r.m.chunks[i] * s
		}
	}
	return dst[off:]
}

// missing fills in a chunk that isn't there.
func (r *reader) missing(dst []byte, at []int, fresh bool) {
	m := r.m
	if m.fill == nil && fresh {
		return
	}
	item := m.spec.DType.ItemSize()
	dst = r.target(dst, at)
	n := r.extent(at)
	run := item
	if len(n) > 0 {
		run *= n[len(n)-1]
		n[len(n)-1] = 1
	}
	steps := strides(m.spec.Shape, item)
	each(n, func(at []int) error {
		off := 0
		for i, k := range at {
			off += k * steps[i]
		}
		fillRun(dst[off:off+run], m.fill)
		return nil
	})
}

// fillRun repeats an element; nil is zero.
func fillRun(dst, element []byte) {
	if element == nil {
		clear(dst)
		return
	}
	for n := copy(dst, element); n < len(dst); {
		n += copy(dst[n:], dst[:n])
	}
}

// shards reads a row of chunks that lie in shards.
func (r *reader) shards(dst []byte, row int, count []int, fresh bool) error {
	m := r.m
	per := make([]int, len(count)) // chunks in a shard
	for i := range per {
		per[i] = m.shards[i] / m.chunks[i]
	}
	shardRow := row / per[0]
	count[0] = 1
	where, at := make([]int, len(count)), make([]int, len(count))
	return each(count, func(rest []int) error {
		copy(where, rest)
		where[0] = shardRow
		key := r.key(where)
		s, err := r.openShard(key, shardRow)
		gone := errors.Is(err, fs.ErrNotExist)
		if err != nil && !gone {
			return r.explain(err, key)
		}
		if s != nil {
			defer s.close()
		}
		inner := slices.Clone(per)
		for i := range inner {
			inner[i] = min(per[i], over(m.spec.Shape[i], m.chunks[i])-where[i]*per[i])
		}
		inner[0] = 1
		err = each(inner, func(local []int) error {
			number := row % per[0]
			at[0] = row
			for i := 1; i < len(local); i++ {
				number = number*per[i] + local[i]
				at[i] = where[i]*per[i] + local[i]
			}
			if gone {
				r.missing(dst, at, fresh)
				return nil
			}
			packed, ok, err := s.chunk(r.packed, m.index, number, m.bound())
			if err != nil {
				return err
			}
			if !ok {
				r.missing(dst, at, fresh)
				return nil
			}
			r.packed = packed
			if err := r.chunk(dst, at, packed); err != nil {
				return fmt.Errorf("chunk %d of the shard: %w", number, err)
			}
			return nil
		})
		return r.explain(err, key)
	})
}

// DefaultChunk is how many bytes a stream gives at a time where nothing else is
// asked for.
const DefaultChunk = 8 << 20

// Stream gives the rows of an array in C order, about chunk bytes at a time (0
// is DefaultChunk) and at least one row. Chunks are unpacked once each: it needs
// memory for the rows of one row of chunks, or for chunk bytes where those are
// more, and for one chunk besides. A row of chunks that has more bytes than
// OpenOptions.MaxArray is refused.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	if chunk <= 0 {
		chunk = DefaultChunk
	}
	size, err := n.Spec.Bytes()
	if err != nil {
		return nil, err
	}
	s := &stream{reader: reader{f: f, n: n, m: n.meta}, rows: rowsOf(n.Spec)}
	if s.rows == 0 {
		return s, nil
	}
	s.row = size / s.rows
	s.most = max(1, chunk/max(s.row, 1))
	step := 1
	if len(n.meta.chunks) > 0 {
		step = n.meta.chunks[0]
	}
	s.most = min(s.most, s.rows)
	s.ahead = min(max(1, s.most/step), over(s.rows, step)) // rows of chunks
	if s.ahead > s.rows/step {
		s.ahead = s.rows
	} else {
		s.ahead *= step
	}
	if s.row > 0 && int64(s.ahead) > f.opts.MaxArray/int64(s.row) {
		return nil, &FormatError{File: f.path, Array: n.Name, Offset: -1, Msg: fmt.Sprintf("%d rows of %d bytes are a row of chunks, at most %d bytes are read at once", s.ahead, s.row, f.opts.MaxArray)}
	}
	return s, nil
}

// stream reads an array from front to back.
type stream struct {
	reader
	rows   int // of the array
	row    int // bytes of one
	most   int // rows at a time
	ahead  int // rows that are read together
	next   int
	lo, hi int // the rows in buf
	buf    []byte
	closed bool
}

var errClosed = errors.New("zarr: the stream is closed")

// Next returns the next rows.
func (s *stream) Next() (array.Array, error) {
	if s.closed {
		return array.Array{}, errClosed
	}
	if s.next == s.rows {
		return array.Array{}, io.EOF
	}
	if s.next == s.hi {
		lo, hi := s.hi, s.hi+min(s.ahead, s.rows-s.hi)
		fresh := s.buf == nil
		s.buf = grow(s.buf, (hi-lo)*s.row)
		if len(s.buf) > 0 {
			if err := s.reader.rows(s.buf, lo, hi, fresh); err != nil {
				return array.Array{}, err
			}
		}
		s.lo, s.hi = lo, hi
	}
	n := min(s.most, s.hi-s.next)
	spec := s.m.spec
	if len(spec.Shape) > 0 {
		spec.Shape = append([]int{n}, spec.Shape[1:]...)
	}
	at := (s.next - s.lo) * s.row
	s.next += n
	return array.Array{Spec: spec, Data: s.buf[at : at+n*s.row : at+n*s.row]}, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	s.closed = true
	s.buf, s.reader.plain, s.packed, s.turned, s.between = nil, nil, nil, nil, [2][]byte{}
	return nil
}
