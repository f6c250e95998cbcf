package ffcv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/hash"
)

// SampleError says which sample of a dataset could not be written.
type SampleError struct {
	Sample int    // its number in the dataset, or its place in the stream
	Key    string // "" none
	Field  string // the field that refused its value, "" none
	Err    error
}

func (e *SampleError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sample %d", e.Sample)
	if e.Key != "" {
		fmt.Fprintf(&b, " (%s)", e.Key)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, ", field %q", e.Field)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *SampleError) Unwrap() error { return e.Err }

// PanicError is a panic of a dataset, a field, a callback or a loader's
// operation, caught and returned as an error.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the goroutine that panicked, as debug.Stack prints it
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.Value, e.Stack) }

// Unwrap returns Value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// recovered, when deferred, turns a panic into an error.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = panicked(r)
	}
}

// errGoexit says that a user's function ended its goroutine, as t.FailNow does.
var errGoexit = errors.New("the goroutine was ended by runtime.Goexit")

// chunk is a run of consecutive samples on their way through the pipeline. One
// goroutine holds it at a time: the producer fills in what to encode, an
// encoder encodes, the placer gives out space, a writer writes and frees it.
// Its memory is used again.
type chunk struct {
	// What to encode: samples lo to lo+n of the dataset's order, or the
	// stream's samples in, from place lo on.
	lo, n int
	in    []streamed

	// What encode made of the chunk or of a part of it: the samples that did
	// not fail, one after another.
	good     int
	upto     int    // of the chunk's n samples, those that are done with
	rows     []byte // metadata, with provisional pointers
	arena    alloc.Arena
	bytes    int // in the arena's regions
	keys     []byte
	ends     []int // where each sample's key ends in keys
	named    int   // samples with a key
	marks    []byte
	markEnds []int  // where each sample's marks of each marked field end in marks
	sums     []byte // of each region, as they stand in the section
	failed   []*SampleError
	more     bool // the encoder waits for resume with another part

	// What place made.
	part   int64    // its number, with a journal
	row    int64    // of the first good sample
	ptrs   []uint64 // final, of each region
	table  []byte
	keyAt  int64 // in the text of all keys
	markAt int64 // in that of all marks

	ready  chan struct{} // a part is encoded: the placer's turn
	resume chan struct{} // the part is written: the encoder's turn
}

// streamed is a sample of a stream, or the error in its place.
type streamed struct {
	Sample
	err error
}

func newChunk() *chunk {
	return &chunk{ready: make(chan struct{}, 1), resume: make(chan struct{}, 1)}
}

// reset empties the chunk of what encode made.
func (c *chunk) reset() {
	c.good, c.bytes, c.named, c.more = 0, 0, 0, false
	c.rows, c.keys, c.ends = c.rows[:0], c.keys[:0], c.ends[:0]
	c.marks, c.markEnds, c.sums = c.marks[:0], c.markEnds[:0], c.sums[:0]
	clear(c.failed)
	c.failed = c.failed[:0]
	c.arena.Reset()
}

// size is how much memory the encoded part takes.
func (c *chunk) size() int { return c.bytes + len(c.rows) + len(c.keys) + len(c.marks) }

// partSize is how many bytes of a chunk are encoded before they go on to be
// written. It bounds a chunk's memory when samples are larger than the ones
// before let expect, and when the user chose large chunks.
const partSize = 8 << 20

// encoder encodes chunks. Each worker has its own.
type encoder struct {
	p     *pipeline
	c     *chunk       // being encoded
	alloc fields.Alloc // e.region, made once
	field int          // being encoded, -1 none
	begun time.Time    // the part that is being encoded
	data  [][]byte     // of the value that gets marks

	// Of stored values.
	from    []fieldRef // that each field took its last one from
	regions []fields.Region
	marks   []byte // for those that cannot be borrowed
}

func newEncoder(p *pipeline) *encoder {
	e := &encoder{p: p, field: -1}
	e.alloc = e.region
	return e
}

// run encodes the chunk part by part, and returns when the last part is on its
// way or ctx is done.
func (e *encoder) run(ctx context.Context, c *chunk) {
	e.c, e.begun = c, time.Now()
	c.reset()
	for i := range c.n {
		if i%16 == 0 && ctx.Err() != nil {
			return
		}
		if c.size() >= partSize && !e.part(ctx, i) {
			return
		}
		if err := e.sample(ctx, i); err != nil {
			last := e.p.onError == nil // the placer ends everything here
			if last && e.p.journal != nil && c.good > 0 && !e.part(ctx, i) {
				return // else what came before is kept
			}
			if c.failed = append(c.failed, err); last {
				break
			}
		}
	}
	clear(c.in)
	c.in = c.in[:0]
	c.upto = c.n
	e.p.pace.learn(c, time.Since(e.begun))
	c.ready <- struct{}{}
}

// part hands on what is encoded, the chunk's samples up to n, and comes back
// when the chunk is empty again; false when ctx is done.
func (e *encoder) part(ctx context.Context, n int) bool {
	c := e.c
	e.p.pace.learn(c, time.Since(e.begun))
	c.more, c.upto = true, n
	c.ready <- struct{}{}
	select {
	case <-c.resume:
	case <-ctx.Done():
		return false
	}
	c.reset()
	e.begun = time.Now()
	return true
}

// sample encodes sample i of the chunk. On an error, which may be a panic of
// the dataset or of a field, nothing of the sample is left in the chunk.
func (e *encoder) sample(ctx context.Context, i int) (fail *SampleError) {
	c, pos, key, done := e.c, e.c.lo+i, "", false
	rows, regions, bytes := len(c.rows), c.arena.Mark(), c.bytes
	marks, markEnds, sums := len(c.marks), len(c.markEnds), len(c.sums)
	defer func() {
		if r := recover(); r != nil {
			fail = &SampleError{Sample: pos, Key: key, Err: panicked(r)}
		} else if !done {
			fail = &SampleError{Sample: pos, Key: key, Err: errGoexit}
			e.p.stop(fail)
		}
		if fail != nil {
			if e.field >= 0 {
				fail.Field = e.p.plan.specs[e.field].Name
			}
			c.rows, c.bytes = c.rows[:rows], bytes
			c.arena.Truncate(regions)
			c.marks, c.markEnds, c.sums = c.marks[:marks], c.markEnds[:markEnds], c.sums[:sums]
		}
	}()
	e.field = -1
	var values []any
	var err error
	if e.p.ds != nil {
		pos = e.p.order.at(pos)
		values, key, err = e.p.ds.Sample(ctx, pos)
	} else {
		values, key, err = c.in[i].Values, c.in[i].Key, c.in[i].err
	}
	if err == nil {
		err = e.values(pos, values)
	}
	if done = true; err != nil {
		return &SampleError{Sample: pos, Key: key, Err: err}
	}
	c.good++
	if key != "" {
		c.named++
	}
	c.keys = append(c.keys, key...)
	c.ends = append(c.ends, len(c.keys))
	return nil
}

// values encodes a sample's values into a new row and new regions.
func (e *encoder) values(pos int, values []any) error {
	c, plan := e.c, &e.p.plan
	if len(values) != len(plan.specs) {
		return fmt.Errorf("%d values for %d fields", len(values), len(plan.specs))
	}
	base, first := len(c.rows), c.arena.Mark()
	c.rows = slices.Grow(c.rows, plan.row.size)[:base+plan.row.size]
	row := c.rows[base:]
	clear(row)
	seed := sampleSeed(e.p.seed, pos)
	for f := range plan.specs {
		e.field = f
		m, off, mark := &plan.members[f], plan.row.offsets[f], c.arena.Mark()
		meta := row[off : off+m.Size : off+m.Size]
		at := fields.At{Sample: pos, Rand: fieldRand(seed, f), Alloc: e.alloc}
		stored, copied := values[f].(*Stored)
		var err error
		if copied {
			err = e.stored(f, stored, meta)
		} else {
			err = plan.specs[f].Field.Encode(meta, values[f], at)
		}
		if err != nil {
			return err
		}
		regions := c.arena.Regions(mark)
		if err := checkPointers(meta, m.Pointers, regions); err != nil {
			return err
		}
		if !e.p.plain {
			first := len(c.sums)
			c.sums = appendSums(c.sums, regions)
			if copied {
				if err := stored.checkSums(regions, c.sums[first:]); err != nil {
					return err
				}
			}
		}
		if plan.markers == nil || plan.markers[f] == nil {
			continue
		}
		if copied {
			e.storedMarks(stored)
		} else if err := e.mark(plan.markers[f], meta, regions); err != nil {
			return err
		}
	}
	e.field = -1
	return e.checkSize(first)
}

// mark makes the marks of a value.
func (e *encoder) mark(m fields.Marker, meta []byte, regions []alloc.Region) error {
	c := e.c
	e.data = e.data[:0]
	for i := range regions {
		n := regions[i].Size
		e.data = append(e.data, regions[i].Buf[:n:n])
	}
	marks, err := m.AppendMarks(c.marks, meta, e.data)
	if err == nil && len(marks) < len(c.marks) {
		err = fmt.Errorf("%d bytes with the marks, %d without: they were not appended", len(marks), len(c.marks))
	}
	if err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	c.marks = marks
	c.markEnds = append(c.markEnds, len(marks))
	return nil
}

// region is the fields.Alloc of the value being encoded.
func (e *encoder) region(size int) (uint64, []byte, error) {
	if size > MaxPageSize && !e.p.large {
		// Refused before it takes memory.
		return 0, nil, &alloc.TooLargeError{Size: uint64(size), PageSize: uint64(e.p.pageSize)}
	}
	ptr, buf, err := e.c.arena.Alloc(size)
	if err == nil {
		e.c.bytes += size
	}
	return ptr, buf, err
}

// checkPointers holds a field to its contract: as many regions as pointers,
// each stored where the layout says. Otherwise the rewritten pointers would
// destroy the metadata.
func checkPointers(meta []byte, ptrs []int, got []alloc.Region) error {
	if len(got) != len(ptrs) {
		return fmt.Errorf("the field took %d regions, its layout has %d pointers", len(got), len(ptrs))
	}
	for i, off := range ptrs {
		if p := binary.LittleEndian.Uint64(meta[off:]); p != got[i].Ptr {
			return fmt.Errorf("the field stored 0x%x at byte %d of its metadata, want region %d's pointer 0x%x", p, off, i, got[i].Ptr)
		}
	}
	return nil
}

// checkSize says whether the sample whose regions begin at mark can be placed:
// here, where its error can still let it go.
func (e *encoder) checkSize(mark int) error {
	regions := e.c.arena.Regions(mark)
	total := 0
	for i := range regions {
		total += len(regions[i].Buf)
	}
	if total <= e.p.pageSize {
		return nil
	}
	sizes := make([]int, len(regions))
	for i := range regions {
		sizes[i] = regions[i].Size
	}
	return alloc.NewPages(0, uint64(e.p.pageSize), e.p.large).Place(sizes, make([]uint64, len(sizes)))
}

// sampleSeed is where the random bits of a sample come from.
func sampleSeed(seed uint64, sample int) uint64 { return mix(mix(seed) + uint64(sample)) }

// fieldRand is a field's fields.At.Rand, from its sample's seed.
func fieldRand(sampleSeed uint64, field int) uint64 { return mix(sampleSeed + uint64(field)) }

// mix is the output of SplitMix64 that follows the state z.
func mix(z uint64) uint64 { return hash.Mix(z + hash.Weyl) }
