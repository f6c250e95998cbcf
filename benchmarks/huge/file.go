package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

const (
	rowSize  = 16  // bytes of a metadata row of either kind: a number or a pointer, and a label
	marked   = 997 // about as many rows of a sparse file are written, the others are holes
	itemSize = 4   // bytes of a dense file's array
)

// step is how far the rows of a sparse file lie apart whose label is the row's
// number; all others' is 0.
func step(n int) int { return max(1, n/marked) }

// writeSparse makes a file of n samples of a Float and an Int. Nearly all of it
// is a hole: every value is 0, but for the labels of some rows, see step. It takes a few megabytes of the disk, whatever n is, where the file
// system knows holes.
func writeSparse(path string, n int) error {
	specs := []ffcv.FieldDesc{{Type: fields.TypeFloat, Name: "value"}, {Type: fields.TypeInt, Name: "label"}}
	return create(path, func(f *os.File) error {
		rows, pages, err := begin(f, specs, n, 0)
		if err != nil {
			return err
		}
		var label [8]byte
		for i := 0; i < n; i += step(n) {
			binary.LittleEndian.PutUint64(label[:], uint64(i))
			if _, err := f.WriteAt(label[:], rows+int64(i)*rowSize+8); err != nil {
				return err
			}
		}
		return f.Truncate(pages)
	})
}

// writeDense makes a file of n samples of an NDArray f4[1] and an Int, both the
// sample's number, with pages and allocation table as the format has them: 44
// bytes a sample.
func writeDense(path string, n int) error {
	args, err := fields.NDArray{DType: array.Float32, Shape: []int{1}}.Args()
	if err != nil {
		return err
	}
	specs := []ffcv.FieldDesc{{Type: fields.TypeNDArray, Name: "value", Args: args}, {Type: fields.TypeInt, Name: "label"}}
	return create(path, func(f *os.File) error {
		rows, pages, err := begin(f, specs, n, int64(n)*itemSize)
		if err != nil {
			return err
		}
		table := tableAt(pages, int64(n)*itemSize)
		if err := f.Truncate(table); err != nil {
			return err
		}
		ptr := func(i int) uint64 { return uint64(pages) + uint64(i)*itemSize }
		le := binary.LittleEndian
		if err := section(f, rows, n, rowSize, func(b []byte, i int) {
			le.PutUint64(b, ptr(i))
			le.PutUint64(b[8:], uint64(i))
		}); err != nil {
			return err
		}
		if err := section(f, pages, n, itemSize, func(b []byte, i int) { le.PutUint32(b, math.Float32bits(float32(i))) }); err != nil {
			return err
		}
		return section(f, table, n, alloc.EntrySize, func(b []byte, i int) {
			alloc.Entry{Sample: uint64(i), Ptr: ptr(i), Size: itemSize}.Put(b)
		})
	})
}

// create makes a file, and removes it again when write fails.
func create(path string, write func(f *os.File) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync() // or what is written would disturb what is measured
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// begin writes the header and the descriptors. It returns where the metadata
// rows and the data pages begin.
func begin(f *os.File, specs []ffcv.FieldDesc, n int, data int64) (rows, pages int64, err error) {
	rows = ffcv.HeaderSize + int64(len(specs))*ffcv.DescriptorSize
	if int64(n) > (math.MaxInt64>>2-rows)/rowSize {
		return 0, 0, fmt.Errorf("%d samples: larger than a file can be", n)
	}
	pages = pageUp(rows + int64(n)*rowSize)
	b := make([]byte, rows)
	ffcv.Header{Version: ffcv.Version, NumFields: uint16(len(specs)), PageSize: ffcv.DefaultPageSize,
		NumSamples: uint64(n), AllocTable: uint64(tableAt(pages, data))}.Put(b)
	for i := range specs {
		specs[i].Put(b[ffcv.HeaderSize+i*ffcv.DescriptorSize:])
	}
	_, err = f.WriteAt(b, 0)
	return rows, pages, err
}

// tableAt is where the allocation table begins: after the last page.
func tableAt(pages, data int64) int64 { return pageUp(pages + data) }

func pageUp(n int64) int64 {
	return (n + ffcv.DefaultPageSize - 1) / ffcv.DefaultPageSize * ffcv.DefaultPageSize
}

// section writes n items of a size one after another from an offset on.
func section(f *os.File, off int64, n, size int, put func(b []byte, i int)) error {
	if _, err := f.Seek(off, 0); err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	b := make([]byte, size)
	for i := range n {
		put(b, i)
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return w.Flush()
}
