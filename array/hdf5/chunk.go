package hdf5

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
)

// ours tells whether this package unpacks the chunks itself.
func (d *dataset) ours() bool {
	if d.layout != layoutChunked || d.vlen || d.odd {
		return false
	}
	return !slices.ContainsFunc(d.filters, func(x filter) bool {
		return x.id != filterDeflate && x.id != filterShuffle && x.id != filterFletcher32 && x.id != filterLZF
	})
}

// chunkSize is how many bytes a chunk has, unpacked; check has looked that they
// fit.
func (d *dataset) chunkSize() int {
	n, err := array.Spec{DType: d.dtype, Shape: slices.Concat(d.chunks, d.shape)}.Bytes()
	if err != nil {
		panic("hdf5: " + err.Error())
	}
	return n
}

// worker is what it takes to unpack or pack chunks, one at a time.
type worker struct {
	raw   []byte // as in the file
	plain []byte
	work  [2][]byte // between two filters
	coder coder

	// What is to be written.
	at     [maxRank + 1]uint64
	packed []byte
	mask   uint32
}

// maxAtOnce bounds the memory of workers besides the first.
const maxAtOnce = 256 << 20

// workers returns one for each processor, or fewer for large chunks.
func workers(have []*worker, size, jobs int) []*worker {
	n := min(runtime.GOMAXPROCS(0), jobs, max(1, maxAtOnce/max(1, 3*size)))
	for len(have) < n {
		have = append(have, &worker{})
	}
	return have[:n]
}

// grid is the chunks that some rows of a dataset lie in.
type grid struct {
	d      *dataset
	lo     int   // the first row
	count  []int // chunks along each axis
	item   int   // bytes of an element with those of an array type
	steps  []int // bytes between neighbours, of the rows
	inside []int // and within a chunk
}

func newGrid(d *dataset, lo, hi int) *grid {
	g := &grid{d: d, lo: lo, count: make([]int, len(d.dims)), item: d.dtype.ItemSize()}
	for _, n := range d.shape {
		g.item *= n
	}
	for i, n := range d.dims {
		if i == 0 {
			n = hi - lo
		}
		g.count[i] = (n + d.chunks[i] - 1) / d.chunks[i]
	}
	g.steps, g.inside = make([]int, len(d.dims)), make([]int, len(d.dims))
	step, in := g.item, g.item
	for i := len(d.dims) - 1; i >= 0; i-- {
		g.steps[i], g.inside[i] = step, in
		step, in = step*d.dims[i], in*d.chunks[i]
	}
	return g
}

// jobs is how many chunks there are.
func (g *grid) jobs() int {
	n := 1
	for _, c := range g.count {
		n *= c
	}
	return n
}

// at is where chunk number i begins, in elements.
func (g *grid) at(i int, at []uint64) {
	for axis := len(g.count) - 1; axis >= 0; axis-- {
		at[axis] = uint64(i % g.count[axis] * g.d.chunks[axis])
		i /= g.count[axis]
	}
	at[0] += uint64(g.lo)
}

// region is the part of a chunk that lies in the rows: where it begins in them
// in bytes, and how many elements it has along each axis.
func (g *grid) region(at []uint64, hi int, extent []int) (off int) {
	for i := range extent {
		begin, end := int(at[i]), g.d.dims[i]
		if i == 0 {
			end = hi
		}
		extent[i] = min(g.d.chunks[i], end-begin)
		if i == 0 {
			begin -= g.lo
		}
		off += begin * g.steps[i]
	}
	return off
}

// copyBlock copies a block of elements between two arrays of other strides; the
// last axis lies without gaps in both.
func copyBlock(dst []byte, to []int, src []byte, from []int, extent []int, item int) {
	if len(extent) == 0 {
		copy(dst[:item], src)
		return
	}
	// Axes that lie together in both are one.
	run, last := item, len(extent)
	for last > 0 && to[last-1] == run && from[last-1] == run {
		last--
		run *= extent[last]
	}
	var blocks func(axis, d, s int)
	blocks = func(axis, d, s int) {
		if axis == last {
			copy(dst[d:d+run], src[s:s+run])
			return
		}
		for range extent[axis] {
			blocks(axis+1, d, s)
			d, s = d+to[axis], s+from[axis]
		}
	}
	blocks(0, 0, 0)
}

// parallel has workers do all jobs, each the next one that is left.
func parallel(ws []*worker, jobs int, do func(w *worker, job int) error) error {
	if len(ws) == 1 {
		for i := range jobs {
			if err := do(ws[0], i); err != nil {
				return err
			}
		}
		return nil
	}
	var mu sync.Mutex
	next, failed := 0, false
	var group errgroup.Group // Wait below ends all
	for _, w := range ws {
		group.Go(func() error {
			for {
				mu.Lock()
				i := next
				next++
				stop := failed || i >= jobs
				mu.Unlock()
				if stop {
					return nil
				}
				if err := mmap.Guard(func() error { return do(w, i) }); err != nil {
					mu.Lock()
					failed = true
					mu.Unlock()
					return err
				}
			}
		})
	}
	return group.Wait()
}

// chunks reads rows out of the chunks that they lie in. The library only hands
// out what is stored.
func (r *reader) chunks(dst []byte, lo, hi int, fresh bool) error {
	d := r.d
	size := d.chunkSize()
	g := newGrid(d, lo, hi)
	r.ws = workers(r.ws, size, g.jobs())
	return parallel(r.ws, g.jobs(), func(w *worker, job int) error {
		var at [maxRank + 1]uint64
		g.at(job, at[:len(d.dims)])
		var ext [maxRank]int
		extent := ext[:len(d.dims)]
		off := g.region(at[:], hi, extent)
		mask, there, err := r.stored(w, at[:], size)
		if err == nil && there && d.direct(extent) {
			// Whole rows: unpacked to where they belong.
			err = w.unpack(d, mask, dst[off:off+size:off+size])
		} else if err == nil && there {
			w.plain = grow(w.plain, size)
			if err = w.unpack(d, mask, w.plain); err == nil {
				copyBlock(dst[off:], g.steps, w.plain, g.inside, extent, g.item)
			}
		} else if err == nil && !(fresh && d.fill == nil) {
			w.plain = grow(w.plain, size)
			fill(w.plain, d.fill)
			copyBlock(dst[off:], g.steps, w.plain, g.inside, extent, g.item)
		}
		if err != nil && !errors.As(err, new(*failure)) {
			return fmt.Errorf("chunk at %v: %w", at[:len(d.dims)], err)
		}
		return err
	})
}

// direct tells whether a chunk is whole rows of the array.
func (d *dataset) direct(extent []int) bool {
	if extent[0] != d.chunks[0] {
		return false
	}
	for i := 1; i < len(extent); i++ {
		if d.chunks[i] != d.dims[i] {
			return false
		}
	}
	return true
}

// missing is what all releases say of a chunk that was never written; where none
// was, they say size 0.
const missing = "chunk storage is not allocated"

// stored reads a chunk as it is in the file, with the mask of filters that it
// didn't pass. A chunk may be missing.
func (r *reader) stored(w *worker, at []uint64, size int) (mask uint32, there bool, err error) {
	l := r.f.l
	err = r.f.locked(func() error {
		var n uint64
		if l.Dget_chunk_storage_size(r.id, &at[0], &n) < 0 {
			if err := l.fail("find the chunk at %v", at[:len(r.d.dims)]); !err.says(missing) {
				return err
			}
			return nil
		}
		if n == 0 {
			return nil
		}
		// No filter makes much more of a chunk.
		if most := uint64(size) + uint64(size)/8 + 1<<12; n > most || n > uint64(r.f.m.Size()) {
			return &FormatError{Offset: -1, Msg: fmt.Sprintf("%d bytes for a chunk of %d, in a file of %d", n, size, r.f.m.Size())}
		}
		w.raw = grow(w.raw, int(n))
		if l.Dread_chunk(r.id, 0, &at[0], &mask, unsafe.Pointer(&w.raw[0])) < 0 {
			return l.fail("read the chunk at %v", at[:len(r.d.dims)])
		}
		there = true
		return nil
	})
	return mask, there, err
}
