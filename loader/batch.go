package loader

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Batch is the outputs of some samples. It belongs to the consumer until
// Release. Reading it is safe for concurrent use; Release is not while anything
// reads.
type Batch struct {
	index    int
	ids      []int
	columns  []Column
	pool     *pool
	mem      *memory
	skipped  []Skipped
	released bool

	// Extra is what Options.Collate leaves for the consumer. It stays with the
	// batch's memory: a later batch finds it as it was, and may use it again.
	Extra any
}

// Column is one output of a batch. It borrows the batch's memory, as do all
// slices taken from it: they are valid until the batch is released, and as
// long as the Batch or a Column of it is reachable.
type Column struct {
	// Name is the output's name.
	Name string
	// Array holds the values, one after another; Shape[0] is the length of the
	// batch. Of a ragged output it holds the items of all rows, and Shape[0] is
	// how many these are.
	array.Array
	// Lengths holds the true lengths, in items (bytes, unless Output.Item says
	// otherwise), of an output whose rows differ (Bytes, JSON, Raw images); the
	// rest of such a row is zero. nil otherwise.
	Lengths []int
	// Offsets says where the rows of a ragged output lie: row i is items
	// Offsets[i] to Offsets[i+1]. It is one longer than the batch. nil otherwise.
	Offsets []int64
	// Images describes the rows of a Raw image output; nil otherwise.
	Images []ImageInfo

	batch *Batch
	item  int // bytes of an item, where rows differ
}

// ImageInfo is the stored kind and size of an image.
type ImageInfo struct {
	JPEG          bool // otherwise raw pixels
	Width, Height int  // as the metadata says
}

// Index returns the batch's place in its epoch, from 0.
func (b *Batch) Index() int { return b.index }

// Len returns the number of samples.
func (b *Batch) Len() int { return len(b.ids) }

// Samples returns the numbers of the samples in the dataset, in batch order.
// The slice is the batch's, until Release.
func (b *Batch) Samples() []int {
	b.check()
	return b.ids
}

// Outputs returns all outputs in order. The slice is the batch's, until
// Release.
func (b *Batch) Outputs() []Column {
	b.check()
	return b.columns
}

// Output returns the output of that name, the first of several. It panics when
// the loader has none.
func (b *Batch) Output(name string) Column {
	b.check()
	for i := range b.columns {
		if b.columns[i].Name == name {
			return b.columns[i]
		}
	}
	names := make([]string, len(b.columns))
	for i := range b.columns {
		names[i] = fmt.Sprintf("%q", b.columns[i].Name)
	}
	panic(fmt.Sprintf("loader: no output %q in the batch, it has %s", name, strings.Join(names, ", ")))
}

// Release gives the batch's memory back to the loader, for a later batch.
// After it neither the Batch nor anything taken from it may be used: it would
// show another batch's values. A build with the tag betongodebug catches that:
// the methods panic and the memory faults. There, a second Release panics too.
func (b *Batch) Release() {
	if debugging && b.released {
		panic("loader: batch released twice")
	}
	if !b.released {
		b.released = true
		b.pool.put(b)
	}
}

// check catches the use of a released batch, in a debug build.
func (b *Batch) check() {
	if debugging && b.released {
		panic("loader: batch used after its Release")
	}
}

// Value returns the bytes of row i, without padding. It borrows the batch's
// memory.
func (c Column) Value(i int) []byte {
	c.batch.check()
	n := c.Len()
	if i < 0 || i >= n {
		panic(fmt.Sprintf("loader: row %d of output %q, the batch has %d", i, c.Name, n))
	}
	if c.Lengths != nil {
		return c.place(i, int64(c.Lengths[i]*c.item))
	}
	size := len(c.Data) / n
	return c.Data[i*size : (i+1)*size : (i+1)*size]
}

// Len returns the number of rows.
func (c Column) Len() int {
	if c.Lengths != nil {
		return len(c.Lengths)
	}
	return c.Shape[0]
}

// Slice returns rows lo to hi-1 as a Column of their own. It borrows the batch's
// memory. Offsets of a ragged output don't begin at 0 then: they count in the
// same Data.
func (c Column) Slice(lo, hi int) Column {
	c.batch.check()
	if n := c.Len(); lo < 0 || hi < lo || hi > n {
		panic(fmt.Sprintf("loader: rows %d to %d of output %q, the batch has %d", lo, hi, c.Name, n))
	}
	if c.Lengths != nil {
		c.Lengths = c.Lengths[lo:hi:hi]
	}
	if c.Images != nil {
		c.Images = c.Images[lo:hi:hi]
	}
	if c.Offsets != nil {
		c.Offsets = c.Offsets[lo : hi+1 : hi+1]
		return c
	}
	size := 0
	if n := c.Shape[0]; n > 0 {
		size = len(c.Data) / n
	}
	c.Data = c.Data[lo*size : hi*size : hi*size]
	c.Shape = append([]int{hi - lo}, c.Shape[1:]...)
	return c
}

// JSON returns row i of a JSON output, the text as it stands in the file. It
// borrows the batch's memory.
func (c Column) JSON(i int) json.RawMessage { return json.RawMessage(c.Value(i)) }

// Image returns row i of a Raw image output. It borrows the batch's memory. It
// panics when the output isn't one.
func (c Column) Image(i int) rgb.Encoded {
	if c.Images == nil {
		panic(fmt.Sprintf("loader: output %q does not hold Raw images", c.Name))
	}
	v := c.Images[i]
	return rgb.Encoded{JPEG: v.JPEG, Width: v.Width, Height: v.Height, Data: c.Value(i)}
}
