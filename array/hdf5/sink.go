package hdf5

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/shuffle"
)

// output takes the rows of a dataset.
type output struct {
	l     *library
	d     *dataset
	id    hid
	file  *os.File // of what lies in one piece
	level int

	rows int    // of the dataset so far, those in buf among them
	buf  []byte // rows of a row of chunks that isn't full
	ws   []*worker
}

// inPlace tells whether rows go to a place in the file that is known before.
func (o *output) inPlace() bool { return o.d.layout == layoutContiguous && !o.d.vlen && o.size() > 0 }

// size is how many bytes the dataset has; layout has looked that they fit.
func (o *output) size() int {
	n, err := o.d.spec().Bytes()
	if err != nil {
		panic("hdf5: " + err.Error())
	}
	return n
}

// row is how many bytes a row has.
func (o *output) row() int {
	spec := o.d.spec()
	if len(o.d.dims) > 0 {
		spec.Shape = spec.Shape[1:]
	}
	n, err := spec.Bytes()
	if err != nil {
		panic("hdf5: " + err.Error())
	}
	return n
}

// rowsOf is how many rows an array has; a scalar is one.
func (o *output) rowsOf(a array.Spec) int {
	if len(o.d.dims) == 0 {
		return 1
	}
	return a.Shape[0]
}

// put takes rows.
func (o *output) put(rows array.Array) error {
	n := o.rowsOf(rows.Spec)
	switch {
	case o.d.vlen:
		return o.putTexts(rows, n)
	case o.d.layout == layoutChunked:
		return o.putChunks(rows.Data, n)
	case len(rows.Data) > 0:
		if _, err := o.file.WriteAt(rows.Data, o.place()); err != nil {
			return err
		}
	}
	o.rows += n
	return nil
}

// place is where the next row lies.
func (o *output) place() int64 { return int64(o.d.offset) + int64(o.rows)*int64(o.row()) }

// extent takes rows from where they lie in a file.
func (o *output) extent(rows array.Extent) error {
	if err := rows.CopyTo(o.file, o.place()); err != nil {
		return err
	}
	o.rows += o.rowsOf(rows.Spec)
	return nil
}

// putTexts writes strings of any length, by the library.
func (o *output) putTexts(rows array.Array, n int) error {
	return o.l.locked(func() error {
		if err := o.grow(o.rows + n); err != nil {
			return err
		}
		if err := o.l.writeTexts(o.id, o.d, o.rows, rows); err != nil {
			return err
		}
		o.rows += n
		return nil
	})
}

// grow gives a dataset that can grow some number of rows; the library is locked.
func (o *output) grow(rows int) error {
	if len(o.d.dims) == 0 || rows <= o.d.dims[0] {
		return nil
	}
	dims := make([]uint64, len(o.d.dims))
	for i, n := range o.d.dims {
		dims[i] = uint64(n)
	}
	dims[0] = uint64(rows)
	if o.l.Dset_extent(o.id, &dims[0]) < 0 {
		return o.l.fail("make it %d rows", rows)
	}
	o.d.dims = slices.Clone(o.d.dims)
	o.d.dims[0] = rows
	return nil
}

// maxBand is how many bytes of rows are packed together, as far as that is more
// than one row of chunks: enough for all processors.
const maxBand = 16 << 20

// putChunks takes rows, and writes each row of chunks as soon as it is full.
func (o *output) putChunks(data []byte, n int) error {
	row, step := o.row(), o.d.chunks[0]
	for n > 0 {
		have := o.rows % step
		if have == 0 && n >= step {
			// Whole rows of chunks need not be gathered.
			take := n / step * step
			take = min(take, max(step, maxBand/max(1, row)/step*step))
			if err := o.band(data[:take*row], o.rows, o.rows+take); err != nil {
				return err
			}
			data, n, o.rows = data[take*row:], n-take, o.rows+take
			continue
		}
		take := min(n, step-have)
		if have == 0 {
			o.buf = o.buf[:0]
		}
		// Memory grows with the rows that come, not with what was declared.
		o.buf = append(o.buf, data[:take*row]...)
		data, n, o.rows = data[take*row:], n-take, o.rows+take
		if have+take == step {
			if err := o.band(o.buf, o.rows-step, o.rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// band packs and writes rows, which begin a row of chunks and end one, or are
// the last.
func (o *output) band(rows []byte, lo, hi int) error {
	if err := o.l.locked(func() error { return o.grow(hi) }); err != nil {
		return err
	}
	d := o.d
	size := d.chunkSize()
	g := newGrid(d, lo, hi)
	o.ws = workers(o.ws, size, g.jobs())
	// Packed all at once, written one after the other: the same rows give the
	// same file.
	for first := 0; first < g.jobs(); first += len(o.ws) {
		ws := o.ws[:min(len(o.ws), g.jobs()-first)]
		err := parallel(ws, len(ws), func(_ *worker, i int) error { return ws[i].packChunk(o, g, rows, hi, first+i) })
		if err != nil {
			return err
		}
		for _, w := range ws {
			if err := o.l.locked(func() error { return o.write(w) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// packChunk packs chunk number job of rows up to hi, for write.
func (w *worker) packChunk(o *output, g *grid, rows []byte, hi, job int) (err error) {
	d := o.d
	size := d.chunkSize()
	g.at(job, w.at[:len(d.dims)])
	var ext [maxRank]int
	extent := ext[:len(d.dims)]
	off := g.region(w.at[:], hi, extent)
	plain := rows[off:]
	if d.direct(extent) {
		plain = plain[:size]
	} else {
		w.plain = grow(w.plain, size)
		if !slices.Equal(extent, d.chunks) {
			fill(w.plain, d.fill) // what lies outside of the array
		}
		copyBlock(w.plain, g.inside, rows[off:], g.steps, extent, g.item)
		plain = w.plain
	}
	w.packed, w.mask, err = w.pack(d, plain, o.level)
	return err
}

// write writes the chunk that a worker packed; the library is locked.
func (o *output) write(w *worker) error {
	mmap.Touch(w.packed) // rows as they are may lie in a map
	if o.l.Dwrite_chunk(o.id, 0, w.mask, &w.at[0], uintptr(len(w.packed)), unsafe.Pointer(&w.packed[0])) < 0 {
		return o.l.fail("write the chunk at %v", w.at[:len(o.d.dims)])
	}
	return nil
}

// flush writes the rows of a row of chunks that isn't full.
func (o *output) flush() error {
	if o.d.layout != layoutChunked || o.d.vlen {
		return nil
	}
	have := o.rows % o.d.chunks[0]
	if have == 0 {
		return nil
	}
	return o.band(o.buf, o.rows-have, o.rows)
}

// end closes the dataset, and tells what went wrong with that.
func (o *output) end(_ int, err error) error {
	if err == nil {
		err = o.flush()
	} else {
		err = nil
	}
	failed := o.l.locked(func() error {
		if o.id >= 0 && o.l.Dclose(o.id) < 0 {
			return o.l.fail("close it")
		}
		return nil
	})
	o.id, o.buf, o.ws = -1, nil, nil
	return cmp.Or(err, failed)
}

// pack takes a chunk through the filters. What gzip doesn't make smaller is
// stored as it is, which the mask says. The bytes are the worker's, or plain.
func (w *worker) pack(d *dataset, plain []byte, level int) ([]byte, uint32, error) {
	var mask uint32
	b := plain
	for i, x := range d.filters {
		switch x.id {
		case filterShuffle:
			item := d.dtype.ItemSize()
			if len(x.values) > 0 && x.values[0] > 0 {
				item = int(x.values[0])
			}
			w.work[0] = grow(w.work[0], len(b))
			shuffle.Apart(w.work[0], b, item)
			b = w.work[0]
		case filterDeflate:
			packed, err := w.coder.deflate(b, level)
			if err != nil {
				return nil, 0, err
			}
			if len(packed) >= len(b) {
				mask |= 1 << i
				continue
			}
			b = packed
		case filterFletcher32:
			w.work[1] = grow(w.work[1], len(b)+4)
			copy(w.work[1], b)
			binary.LittleEndian.PutUint32(w.work[1][len(b):], fletcher32(b))
			b = w.work[1]
		default:
			return nil, 0, fmt.Errorf("no way to write the filter %s", x.name)
		}
	}
	if len(b) == 0 {
		return nil, 0, errors.New("a chunk of no bytes")
	}
	return b, mask, nil
}
