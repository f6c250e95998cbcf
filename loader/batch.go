package loader

import (
	"encoding/json"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Batch is the outputs of some samples. It belongs to the consumer until
// Release. It is not safe for concurrent use with Release.
type Batch struct {
	index   int
	ids     []int
	columns []Column
	pool    *pool
}

// Column is one output of a batch. It borrows the batch's memory, as do all
// slices taken from it: they are valid until the batch is released, and as
// long as the Batch or the Column is reachable.
type Column struct {
	// Name is the output's name.
	Name string
	// Array holds the values, Shape[0] is the batch's length. Row i is at
	// Data[i*stride:], stride = len(Data)/Shape[0].
	array.Array
	// Lengths holds the true sizes in bytes of an output whose rows differ
	// (Bytes, JSON, Raw images); the rest of such a row is zero. nil otherwise.
	Lengths []int
	// Images describes the rows of a Raw image output; nil otherwise.
	Images []ImageInfo

	batch *Batch // keeps the memory reachable
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
func (b *Batch) Samples() []int { return b.ids }

// Outputs returns all outputs in order. The slice is the batch's, until
// Release.
func (b *Batch) Outputs() []Column { return b.columns }

// Output returns the output of that name. It panics when the loader has none.
func (b *Batch) Output(name string) Column { panic("loader: " + name) }

// Release gives the batch's memory back to the loader, for a later batch.
// After it neither the Batch nor anything taken from it may be used; a build
// with the tag betongodebug catches that. Releasing twice is such a use.
func (b *Batch) Release() {}

// Row returns row i without its padding.
func (c Column) Row(i int) []byte { return nil }

// JSON returns row i of a JSON output as it stands in the file. It borrows the
// batch's memory.
func (c Column) JSON(i int) json.RawMessage { return json.RawMessage(c.Row(i)) }

// Image returns row i of a Raw image output. It borrows the batch's memory.
func (c Column) Image(i int) rgb.Encoded { return rgb.Encoded{} }
