package array

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
)

// ToFileOptions say how ToFile writes; nil and the zero value are binary.
type ToFileOptions struct {
	// Sep, where it isn't empty, is put between the elements, which are written
	// as text then.
	Sep string
	// Format is one of Python's % formats, like "%.3f", for each element of a
	// text; "" is Python's repr.
	Format string
}

// ToFile writes the elements in C order and nothing else, as NumPy's tofile:
// type and shape are not in the file. What was at path is replaced, once
// everything is written.
func ToFile(path string, a Array, opts *ToFileOptions) error {
	if opts == nil {
		opts = &ToFileOptions{}
	}
	if _, err := New(a.Spec, a.Data); err != nil {
		return err
	}
	if opts.Sep == "" && opts.Format != "" {
		return errors.New("tofile: a format without a separator; the file would be binary")
	}
	f, err := aside.Create(path, true)
	if err != nil {
		return err
	}
	defer f.Abort()
	if opts.Sep == "" {
		_, err = f.Write(a.Data)
	} else {
		w := bufio.NewWriterSize(f, 1<<16)
		err = WriteText(w, a, opts.Sep, opts.Format)
		err = errors.Join(err, w.Flush())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Commit()
}

// WriteText writes the elements in C order with sep between, each by one of
// Python's % formats or, for "", as Python's repr.
func WriteText(w io.Writer, a Array, sep, format string) error {
	f, err := ParseFormat(format)
	if err != nil {
		return err
	}
	item := a.DType.ItemSize()
	var line []byte
	for i, n := 0, len(a.Data)/max(item, 1); i < n; i++ {
		line = line[:0]
		if i > 0 {
			line = append(line, sep...)
		}
		if line, err = f.Append(line, a.Data[i*item:(i+1)*item], a.DType); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// FromFileOptions say what FromFile reads; the type is required.
type FromFileOptions struct {
	DType  DType
	Count  int    // of elements; 0 and -1 are all there are
	Offset int64  // bytes of the file, not elements, that are passed over
	Sep    string // between elements of a text; "" for a binary file
}

// FromFile reads elements that lie in a file without anything else, as NumPy's
// fromfile, into memory: an array of one dimension. Where NumPy takes what fits
// these are errors: bytes from Offset on that are no whole number of elements,
// a file with fewer than Count, and text that is no element. Offset is for
// binary files only, as in NumPy.
func FromFile(path string, opts *FromFileOptions) (Array, error) {
	if opts == nil || !opts.DType.Valid() {
		return Array{}, fmt.Errorf("%s: a raw file needs a dtype", path)
	}
	f, err := regular.Open(path)
	if err != nil {
		return Array{}, err
	}
	defer f.Close()
	var a Array
	if opts.Sep != "" {
		a, err = fromText(f, opts)
	} else {
		a, err = fromBinary(f, opts)
	}
	if err != nil {
		return Array{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func fromBinary(f *os.File, opts *FromFileOptions) (Array, error) {
	info, err := f.Stat()
	if err != nil {
		return Array{}, err
	}
	size := info.Size()
	if opts.Offset < 0 || opts.Offset > size {
		return Array{}, fmt.Errorf("offset %d in a file of %d bytes", opts.Offset, size)
	}
	n, err := wholeItems(size-opts.Offset, opts.DType, opts.Count)
	if err != nil {
		return Array{}, fmt.Errorf("from byte %d: %w", opts.Offset, err)
	}
	data := aligned(n * opts.DType.ItemSize())
	if _, err := f.ReadAt(data, opts.Offset); err != nil && !(err == io.EOF && len(data) == 0) {
		return Array{}, fmt.Errorf("read %d bytes from byte %d: %w", len(data), opts.Offset, err)
	}
	return New(Spec{DType: opts.DType, Shape: []int{n}}, data)
}

// wholeItems returns how many elements are asked for of size bytes.
func wholeItems(size int64, t DType, count int) (int, error) {
	item := int64(t.ItemSize())
	switch {
	case item == 0:
		return 0, fmt.Errorf("elements of type %v have no bytes to count by", t)
	case count < -1:
		return 0, fmt.Errorf("count %d", count)
	case size > math.MaxInt:
		return 0, fmt.Errorf("%d bytes don't fit in memory", size)
	case count > 0:
		if int64(count) > size/item {
			return 0, fmt.Errorf("%d bytes, want %d elements of %d bytes (%v)", size, count, item, t)
		}
		return count, nil
	case size%item != 0:
		return 0, fmt.Errorf("%d bytes are no whole number of elements of %d bytes (%v)", size, item, t)
	}
	return int(size / item), nil
}

// FromBuffer returns the elements that lie in b from byte offset on, a view:
// the bytes stay b's. Count 0 and -1 are all there are; the errors are those
// of FromFile.
func FromBuffer(b []byte, t DType, count, offset int) (Array, error) {
	if !t.Valid() {
		return Array{}, errors.New("buffer: no dtype")
	}
	if offset < 0 || offset > len(b) {
		return Array{}, fmt.Errorf("buffer: offset %d in %d bytes", offset, len(b))
	}
	n, err := wholeItems(int64(len(b)-offset), t, count)
	if err != nil {
		return Array{}, fmt.Errorf("buffer: from byte %d: %w", offset, err)
	}
	end := offset + n*t.ItemSize()
	return New(Spec{DType: t, Shape: []int{n}}, b[offset:end:end])
}

// maxWord bounds one element's text.
const maxWord = 1 << 20

// fromText reads elements between separators; white space around either is
// nothing, and a separator of white space is any white space.
func fromText(r io.Reader, opts *FromFileOptions) (Array, error) {
	if opts.Offset != 0 {
		return Array{}, fmt.Errorf("offset %d in a text file", opts.Offset)
	}
	if opts.Count < -1 {
		return Array{}, fmt.Errorf("count %d", opts.Count)
	}
	words := bufio.NewScanner(r)
	words.Buffer(nil, maxWord)
	sep := []byte(strings.TrimSpace(opts.Sep))
	if len(sep) == 0 {
		words.Split(bufio.ScanWords)
	} else {
		words.Split(func(b []byte, end bool) (int, []byte, error) {
			if i := bytes.Index(b, sep); i >= 0 {
				return i + len(sep), b[:i], nil
			}
			if end && len(bytes.TrimSpace(b)) > 0 {
				return len(b), b, nil
			}
			if end {
				return len(b), nil, nil
			}
			return 0, nil, nil
		})
	}
	item := opts.DType.ItemSize()
	var data []byte
	n := 0
	for ; (opts.Count <= 0 || n < opts.Count) && words.Scan(); n++ {
		data = append(data, make([]byte, item)...)
		if err := ParseElement(data[len(data)-item:], words.Text(), opts.DType); err != nil {
			return Array{}, fmt.Errorf("element %d: %w", n, err)
		}
	}
	if err := words.Err(); err != nil {
		return Array{}, fmt.Errorf("element %d: %w", n, err)
	}
	if n < opts.Count {
		return Array{}, fmt.Errorf("%d elements, want %d", n, opts.Count)
	}
	return New(Spec{DType: opts.DType, Shape: []int{n}}, data)
}
