package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// piece is how many bytes are written at a time: systems take several times as
// long to find memory for some larger ones.
const piece = 1 << 20

// place is where a buffer's bytes go: to a file from byte at on.
type place struct {
	f  *os.File
	at int64
}

func (p *place) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		n := min(len(b), piece)
		if _, err := p.f.WriteAt(b[:n], p.at); err != nil {
			return all - len(b), err
		}
		p.at += int64(n)
		b = b[n:]
	}
	return all, nil
}

// out is one buffer that is being written, compressed where that is asked for.
type out struct {
	to    io.Writer
	n     int64 // bytes before compression
	codec io.WriteCloser
}

// newOut begins a buffer. Before a compressed one lies its size, which is known
// at its end.
func newOut(to io.Writer, c Compression) (*out, error) {
	o := &out{to: to}
	var err error
	switch c {
	case ZSTD:
		// Numbers rarely repeat themselves, but their highest bytes are a few: only
		// with the entropy of all literals do floats get any smaller.
		o.codec, err = zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true),
			zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	case LZ4:
		w := lz4.NewWriter(to)
		o.codec, err = w, w.Apply(lz4.ChecksumOption(false), lz4.ConcurrencyOption(1))
	}
	return o, err
}

func (o *out) Write(b []byte) (int, error) {
	o.n += int64(len(b))
	if o.codec != nil {
		return o.codec.Write(b)
	}
	return o.to.Write(b)
}

func (o *out) close() error {
	if o.codec == nil {
		return nil
	}
	return o.codec.Close()
}

// leafOut takes a leaf's elements.
type leafOut struct {
	*arrow.Leaf
	valid  *arrow.Spool // of times: a bit for each element; dropped where none is missing
	starts *arrow.Spool // of text
	data   io.Writer
	kept   *arrow.Spool // that data writes to; nil where it is the file
	nulls  int64
	n      int64 // elements
	ends   int64 // of text: bytes so far

	elements, packed, begins []byte // between Gather and writing
	bits                     byte   // of truth values that are no whole byte yet
	validBits                byte
}

// write takes some rows.
func (l *leafOut) write(rows []byte, row, n int) error {
	size := l.DType.ItemSize()
	elements := rows
	if !l.Fills(row) || l.DType.Order() == '>' {
		elements = grow(&l.elements, n*l.Count*size)
		l.Gather(elements, rows, row)
	}
	if l.valid != nil {
		if err := l.times(elements); err != nil {
			return err
		}
	}
	var err error
	switch {
	case l.Type.Type == arrow.Bool:
		err = l.truth(elements)
	case l.Type.Type.Text():
		err = l.texts(elements, n*l.Count)
	case l.Same():
		_, err = l.data.Write(elements)
	default:
		packed := grow(&l.packed, n*l.Count*l.Stored())
		if err = l.Pack(packed, elements); err == nil {
			_, err = l.data.Write(packed)
		}
	}
	l.n += int64(n * l.Count)
	return err
}

// grow returns n bytes of a buffer that is kept.
func grow(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n]
}

// times notes which times are none.
func (l *leafOut) times(elements []byte) error {
	order := binary.ByteOrder(binary.LittleEndian)
	if l.DType.Order() == '>' {
		order = binary.BigEndian
	}
	missing := func(i int) bool { return order.Uint64(elements[8*i:]) == 1<<63 }
	return pack(l.valid, &l.validBits, l.n, len(elements)/8, func(i int) bool {
		if missing(i) {
			l.nulls++
			return false
		}
		return true
	})
}

func (l *leafOut) truth(elements []byte) error {
	return pack(l.data, &l.bits, l.n, len(elements), func(i int) bool { return elements[i] != 0 })
}

// pack writes n bits behind at others; those that make no byte stay in last.
func pack(to io.Writer, last *byte, at int64, n int, bit func(i int) bool) error {
	b := make([]byte, 0, n/8+1)
	for i := range n {
		if bit(i) {
			*last |= 1 << ((at + int64(i)) & 7)
		}
		if (at+int64(i))&7 == 7 {
			b = append(b, *last)
			*last = 0
		}
	}
	_, err := to.Write(b)
	return err
}

func (l *leafOut) texts(elements []byte, n int) error {
	size := l.DType.ItemSize()
	text, starts := l.packed[:0], l.begins[:0]
	large := startSize(l.Type.Type) == 8
	if l.n == 0 {
		starts = appendStart(starts, 0, large)
	}
	for i := range n {
		var err error
		before := len(text)
		if text, err = l.AppendText(text, elements[i*size:(i+1)*size]); err != nil {
			return fmt.Errorf("element %d: %w", l.n+int64(i), err)
		}
		l.ends += int64(len(text) - before)
		if !large && l.ends > math.MaxInt32 {
			return errors.New("more than 2 GiB of text in one batch of a kind that tells places by 32 bits")
		}
		starts = appendStart(starts, l.ends, large)
	}
	l.packed, l.begins = text, starts
	if _, err := l.starts.Write(starts); err != nil {
		return err
	}
	_, err := l.data.Write(text)
	return err
}

func appendStart(b []byte, at int64, large bool) []byte {
	if large {
		return binary.LittleEndian.AppendUint64(b, uint64(at))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(at))
}

// end writes what makes no whole byte.
func (l *leafOut) end() error {
	if l.n == 0 && l.starts != nil {
		if _, err := l.starts.Write(appendStart(nil, 0, startSize(l.Type.Type) == 8)); err != nil {
			return err
		}
	}
	if l.n&7 != 0 && l.valid != nil {
		if _, err := l.valid.Write([]byte{l.validBits}); err != nil {
			return err
		}
	}
	if l.n&7 != 0 && l.Type.Type == arrow.Bool {
		_, err := l.data.Write([]byte{l.bits})
		return err
	}
	return nil
}

// body is a record batch's body that is being written to a file.
type body struct {
	w       *Writer
	at      int64 // of the body in the file
	end     int64 // of what is written
	nodes   []arrow.Node
	buffers []arrow.Buffer
}

// columnOut takes a column's rows.
type columnOut struct {
	b      *body
	c      *arrow.Column
	leaves []*leafOut
	direct *out // the only buffer, which goes to its place at once
	place  *place
}

// column begins a column.
func (b *body) column(c *arrow.Column) (*columnOut, error) {
	k := &columnOut{b: b, c: c}
	dir := b.w.dir
	for i := range c.Leaves {
		l := &leafOut{Leaf: &c.Leaves[i]}
		if t := l.DType.Kind(); t == 'M' || t == 'm' {
			l.valid = &arrow.Spool{Dir: dir}
		}
		if l.Type.Type.Text() {
			l.starts = &arrow.Spool{Dir: dir}
		}
		l.kept = &arrow.Spool{Dir: dir}
		l.data = l.kept
		k.leaves = append(k.leaves, l)
	}
	if l := k.leaves[0]; len(k.leaves) == 1 && l.valid == nil && l.starts == nil {
		var err error
		k.place = &place{b.w.f.File, b.end}
		if b.w.opts.Compression != None {
			k.place.at += 8
		}
		if k.direct, err = newOut(k.place, b.w.opts.Compression); err != nil {
			return nil, err
		}
		l.data, l.kept = k.direct, nil
	}
	return k, nil
}

// write takes rows.
func (k *columnOut) write(rows array.Array) error {
	n := 1
	if len(rows.Shape) > 0 {
		n = rows.Shape[0]
	}
	for _, l := range k.leaves {
		if err := l.write(rows.Data, k.c.Row, n); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets what isn't in its place.
func (k *columnOut) drop() error {
	var errs []error
	for _, l := range k.leaves {
		errs = append(errs, l.valid.Drop(), l.starts.Drop(), l.kept.Drop())
	}
	return errors.Join(errs...)
}

// finish brings the buffers to their places and tells the batch of them.
func (k *columnOut) finish(rows int) error {
	for _, l := range k.leaves {
		if err := l.end(); err != nil {
			return err
		}
	}
	leaves := k.leaves
	return errors.Join(k.b.fields(k, k.c.Field, int64(rows), &leaves), k.drop())
}

// fields notes a field's nodes and buffers, with those of its parts.
func (b *body) fields(k *columnOut, f *arrow.Field, n int64, leaves *[]*leafOut) error {
	if len(f.Children) > 0 {
		b.nodes = append(b.nodes, arrow.Node{Rows: n})
		b.buffers = append(b.buffers, arrow.Buffer{Offset: b.end - b.at})
		if f.Type == arrow.FixedSizeList {
			n *= int64(f.Size)
		}
		for i := range f.Children {
			if err := b.fields(k, &f.Children[i], n, leaves); err != nil {
				return err
			}
		}
		return nil
	}
	l := (*leaves)[0]
	*leaves = (*leaves)[1:]
	b.nodes = append(b.nodes, arrow.Node{Rows: n, Nulls: l.nulls})
	if l.nulls == 0 {
		b.buffers = append(b.buffers, arrow.Buffer{Offset: b.end - b.at})
	} else if err := b.append(l.valid); err != nil {
		return err
	}
	if l.starts != nil {
		if err := b.append(l.starts); err != nil {
			return err
		}
	}
	if l.kept != nil {
		return b.append(l.kept)
	}
	if err := k.direct.close(); err != nil {
		return err
	}
	return b.placed(k.place, k.direct.n)
}

// append writes a buffer that was kept until now.
func (b *body) append(s *arrow.Spool) error {
	p := &place{b.w.f.File, b.end}
	if b.w.opts.Compression == None || s.Size() == 0 {
		if _, err := s.WriteTo(p); err != nil {
			return err
		}
		return b.placed(p, s.Size())
	}
	p.at += 8
	o, err := newOut(p, b.w.opts.Compression)
	if err != nil {
		return err
	}
	if _, err = s.WriteTo(o); err == nil {
		err = o.close()
	}
	if err != nil {
		return err
	}
	return b.placed(p, s.Size())
}

// align is what the places of buffers are multiples of, in the file.
const align = 64

func aligned(n int64) int64 { return (n + align - 1) &^ (align - 1) }

// placed notes a buffer of n bytes, before compression, that ends where p is.
func (b *body) placed(p *place, n int64) error {
	if n == 0 {
		p.at = b.end
	} else if b.w.opts.Compression != None {
		if _, err := p.f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(n)), b.end); err != nil {
			return err
		}
	}
	b.buffers = append(b.buffers, arrow.Buffer{Offset: b.end - b.at, Size: p.at - b.end})
	b.end = aligned(p.at)
	return nil
}
