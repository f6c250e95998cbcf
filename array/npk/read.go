package npk

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/array"
)

// OpenOptions say how Open reads. There is nothing to say yet; nil and the
// zero value are the defaults.
type OpenOptions struct{}

// File is a pack that is open for reading, as it was when it was opened. Its
// methods are safe for concurrent use, except for Close; a stream is for one
// goroutine.
type File struct{ p *pack }

// Open reads the metadata of a pack, its lists of segments and its bitmaps, and
// compares the sizes of all data files with them. No data are read. Names and
// links that leave the folder are refused.
//
// An Editor or NumPack that replaces rows changes what an open File gives;
// rows that are appended or dropped it doesn't see.
func Open(path string, _ *OpenOptions) (*File, error) {
	p, err := openPack(path)
	if err != nil {
		return nil, err
	}
	if err := p.settle(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	if err := p.load(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &File{p}, nil
}

// Name returns the pack's path as Open got it.
func (f *File) Name() string { return f.p.root.Name() }

// Members returns the arrays in the order of the metadata, which is a random
// one if NumPack wrote them. Their shapes tell the rows that are left.
func (f *File) Members() []array.Member { return f.p.members() }

// Attrs returns nil: the format has none.
func (f *File) Attrs() map[string]any { return nil }

// Array returns a whole array. Where it is one data file without dropped rows
// its bytes are the file's: read-only, and valid until Close. Else, for an
// array of several segments or one that rows were dropped from, it is read into
// memory; Stream needs less.
func (f *File) Array(name string) (array.Strided, error) { return f.p.array(name) }

// Rows returns a copy of some rows, by their number among those that are left;
// negative ones count from the end. One that isn't there is an error.
func (f *File) Rows(name string, rows []int) (array.Array, error) { return f.p.gather(name, rows) }

// Stream gives the rows that are left, about chunk bytes at a time (0 is
// DefaultChunk) and at least one row. It needs memory for one chunk.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	return f.p.stream(name, chunk, 0)
}

// Batches is Stream with a number of rows at a time, as NumPack's stream_load
// has it.
func (f *File) Batches(name string, rows int) (array.Stream, error) {
	if rows <= 0 {
		return nil, fmt.Errorf("npk: array %q: batches of %d rows", name, rows)
	}
	return f.p.stream(name, 0, rows)
}

// Modified returns when an array was modified, in microseconds since 1970.
func (f *File) Modified(name string) (int64, error) {
	t, err := f.p.find(name)
	if err != nil {
		return 0, err
	}
	return int64(t.modified), nil
}

// Close unmaps and closes the files. A second Close does nothing.
func (f *File) Close() error { return f.p.close() }
