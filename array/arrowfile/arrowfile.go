// Package arrowfile reads and writes Arrow's files: the IPC file format, which
// is Feather's second version too, and the IPC stream format.
//
// A column is an array: numbers, truth values and times of one dimension;
// fixed-size lists and fixed-shape tensors of more; structs are structured
// dtypes; text and bytes of any length become as wide as the longest one;
// dictionaries are looked up. A value that is missing is NaN or NaT, or an error
// where the type has no such (OpenOptions.Fill). Columns that no array can hold
// (lists of any length, unions, decimal numbers) are refused by name, and stand
// in nobody's way.
//
// Open maps a file. Numbers that aren't compressed are views of the map: Array's
// where all rows lie in one batch, else a Stream's. Nothing is unpacked but the
// columns that are asked for.
//
// A Writer writes columns as they come. What Arrow's types don't tell (byte
// order, the width of text, the layout of a struct) it keeps in the field's
// metadata under betongo's name, where other programs pass over it.
//
// Feather's first version is refused. Byte order other than little-endian, and
// schemas older than Arrow 0.15's format version 4, are too.
package arrowfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
)

// FormatError says that a file is none of Arrow's, or a broken one.
type FormatError = array.FormatError

const (
	magic      = "ARROW1"
	feather1   = "FEA1"
	firstBytes = 8 // the magic, with zeros behind
	// extra is what lies behind the footer of a file: its size, and the magic.
	extra = 4 + len(magic)
)

// Layout is one of the two formats.
type Layout int

// The layouts.
const (
	ByName Layout = iota // a stream for the extension .arrows, else a file
	IsFile
	IsStream
)

func (l Layout) of(path string) Layout {
	if l == ByName {
		if strings.EqualFold(filepath.Ext(path), ".arrows") {
			return IsStream
		}
		return IsFile
	}
	return l
}

// OpenOptions say how Open reads; nil and the zero value are the defaults.
type OpenOptions struct {
	// Columns are the names of those that are served; nil is all of them. It
	// saves Open the time to find the longest text of the others.
	Columns []string
	// Fill stands for missing values of types without NaN or NaT: a bool, int,
	// float64 or string. Nil makes them an error, where they are read.
	Fill any
	// MaxText is how many characters or bytes a text may have; 0 is 4096. All
	// texts of a column take as much room as the longest.
	MaxText int
	// MaxArray is how many bytes an array may have that Array unpacks; 0 is
	// 4 GiB. It doesn't hold for views.
	MaxArray int64
}

const (
	defaultMaxText  = 4096
	defaultMaxArray = 4 << 30
)

func (o *OpenOptions) orDefault() (OpenOptions, error) {
	if o == nil {
		o = &OpenOptions{}
	}
	got := *o
	if got.MaxText < 0 || got.MaxArray < 0 {
		return got, fmt.Errorf("arrowfile: limits of %d characters and %d bytes", got.MaxText, got.MaxArray)
	}
	if err := arrow.CheckFill(got.Fill); err != nil {
		return got, fmt.Errorf("arrowfile: %w", err)
	}
	if got.MaxText == 0 {
		got.MaxText = defaultMaxText
	}
	if got.MaxArray == 0 {
		got.MaxArray = defaultMaxArray
	}
	return got, nil
}

// column is one that may be asked for. Its own is what lies before it in a batch.
type column = arrow.Entry[arrow.Layout]

// Compression is how the buffers of a file are packed.
type Compression string

// The compressions.
const (
	None Compression = ""
	LZ4  Compression = "lz4"
	ZSTD Compression = "zstd"
)

var errClosed = errors.New("the file is closed")
