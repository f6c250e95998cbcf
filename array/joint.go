package array

import (
	"io"
	"os"

	"github.com/betongo/betongo/internal/aside"
)

// Member is an array in a file of arrays.
type Member struct {
	Name    string
	Spec    Spec           // Shape[0] may be -1 for a sink that learns the number of rows as it goes
	Fortran bool           // the elements lie in Fortran order in the file
	Attrs   map[string]any // what the format keeps beside the array; nil for none
}

// Stream gives an array's rows from front to back. It is not safe for
// concurrent use.
type Stream interface {
	// Next returns some rows of axis 0 in C order, at least one; io.EOF behind
	// the last. A scalar comes as one array of shape (). The bytes are borrowed
	// until the next call or Close.
	Next() (Array, error)
	Close() error
}

// Sink takes an array's rows from front to back. It is not safe for concurrent
// use.
type Sink interface {
	// Write takes some rows of axis 0 in C order, of the member's type and
	// other dimensions; a scalar as one array of shape (). The bytes are not
	// kept.
	Write(rows Array) error
	// Close says that the rows are complete. Fewer than the member's shape
	// tells are an error.
	Close() error
}

// DefaultChunk is how many bytes a stream gives at a time where nothing else
// is asked for: as much as a processor's second cache holds. Systems that look
// for memory in large pieces take several times as long for writes of a megabyte
// and more.
const DefaultChunk = 256 << 10

// Extent is rows that lie in a file, in C order and without gaps.
type Extent struct {
	Spec
	File   *os.File // open for reading; borrowed as a Stream's bytes are
	Offset int64    // of the first row
}

// CopyTo copies the rows to another file, from byte at on. The system does it
// where it can, without bringing them into the process. Fewer bytes in the file
// than rows are a *FormatError.
func (e Extent) CopyTo(to *os.File, at int64) error {
	size, err := e.Bytes()
	if err != nil {
		return err
	}
	n, err := aside.CopyRange(to, at, e.File, e.Offset, int64(size))
	if err == io.ErrUnexpectedEOF {
		err = &FormatError{File: e.File.Name(), Offset: e.Offset + n, Msg: "the file ends within an array's data"}
	}
	return err
}

// ExtentStream is a Stream that may know where its rows lie in a file.
type ExtentStream interface {
	Stream
	// Extents tells whether NextExtent may be called.
	Extents() bool
	// NextExtent is Next without reading: it tells where the next rows lie,
	// about bytes of them and at least one row.
	NextExtent(bytes int) (Extent, error)
}

// ExtentSink is a Sink that may take rows from where they lie in a file.
type ExtentSink interface {
	Sink
	// Extents tells whether WriteExtent may be called.
	Extents() bool
	// WriteExtent is Write of rows that lie in a file.
	WriteExtent(rows Extent) error
}

// FortranStream is a Stream of an array that may lie in Fortran order.
type FortranStream interface {
	Stream
	// Fortran returns all elements in that order, as an array of one dimension,
	// and how many are a row of axis 0; nil where they don't lie so, or rows were
	// given already. It comes in the place of Next, and is valid until Close of
	// this stream.
	Fortran() (elements Stream, each int)
}

// FortranSink is a Sink of a format that may have arrays in Fortran order.
type FortranSink interface {
	Sink
	// Fortran has Write and WriteExtent take all elements in that order, as rows
	// of one dimension. It does nothing and is false where the array isn't
	// stored so, or rows were written already.
	Fortran() bool
}

// copyExtent is how many bytes the system copies between two calls of did.
const copyExtent = 64 << 20

// Copy brings all rows that a stream has left to a sink, and closes neither.
// Where the rows lie in a file as the sink's format has them, the system copies
// them from file to file by itself; from Fortran order to Fortran order nothing
// is turned round. After each step did, unless it is nil, gets
// the number of rows that were copied (1 of a scalar); an error of it ends the
// copy, as one of stream or sink does.
func Copy(to Sink, from Stream, did func(rows int) error) error {
	if in, ok := from.(FortranStream); ok {
		if out, ok := to.(FortranSink); ok {
			if elements, each := in.Fortran(); elements != nil && out.Fortran() {
				return copyRows(to, elements, inRows(did, each))
			}
		}
	}
	return copyRows(to, from, did)
}

// inRows has did count elements, each of which are a row.
func inRows(did func(rows int) error, each int) func(int) error {
	if did == nil {
		return nil
	}
	rest := 0
	return func(n int) error {
		rest += n
		rows := rest / each
		rest -= rows * each
		return did(rows)
	}
}

func copyRows(to Sink, from Stream, did func(rows int) error) error {
	step := func() (Spec, error) {
		rows, err := from.Next()
		if err == nil {
			err = to.Write(rows)
		}
		return rows.Spec, err
	}
	in, ok := from.(ExtentStream)
	out, ok2 := to.(ExtentSink)
	if ok && ok2 && in.Extents() && out.Extents() {
		step = func() (Spec, error) {
			rows, err := in.NextExtent(copyExtent)
			if err == nil {
				err = out.WriteExtent(rows)
			}
			return rows.Spec, err
		}
	}
	for {
		spec, err := step()
		if err == nil && did != nil {
			err = did(rowsOf(spec))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// rowsOf is the length of axis 0; a scalar is one row.
func rowsOf(spec Spec) int {
	if len(spec.Shape) == 0 {
		return 1
	}
	return spec.Shape[0]
}
