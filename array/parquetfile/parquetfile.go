// Package parquetfile reads and writes Parquet files.
//
// A column is an array: numbers, truth values and times of one dimension; groups
// are structured dtypes; text and bytes of any length become as wide as the
// longest one. Lists whose length Arrow's schema tells, which pyarrow and this
// package keep in the file, are further dimensions: fixed-size lists and
// fixed-shape tensors. A value that is missing is NaN or NaT, or an error where
// the type has no such (OpenOptions.Fill). Columns that no array can hold (lists
// of any length, maps, decimal numbers) are refused by name, and stand in
// nobody's way.
//
// Open maps a file. A Stream reads the pages of its column alone, one at a time,
// in all encodings, and all compressions but lzo and the first lz4. A Writer
// writes row groups of the columns that it gets, by Apache's arrow-go.
//
// What Parquet's types don't tell (byte order, the width of text, the layout of a
// struct) is in Arrow's schema under betongo's name, where other programs pass
// over it. Encrypted files are refused.
package parquetfile

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
)

// FormatError says that a file is no Parquet, or a broken one.
type FormatError = array.FormatError

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
	// MaxArray is how many bytes an array may have that Array reads; 0 is 4 GiB.
	MaxArray int64
	// MaxPage is how many bytes a page may have before compression; 0 is 1 GiB.
	MaxPage int
}

const (
	defaultMaxText  = 4096
	defaultMaxArray = 4 << 30
	defaultMaxPage  = 1 << 30
)

func (o *OpenOptions) orDefault() (OpenOptions, error) {
	if o == nil {
		o = &OpenOptions{}
	}
	got := *o
	if got.MaxText < 0 || got.MaxArray < 0 || got.MaxPage < 0 {
		return got, fmt.Errorf("parquetfile: limits of %d characters, %d and %d bytes", got.MaxText, got.MaxArray, got.MaxPage)
	}
	if err := arrow.CheckFill(got.Fill); err != nil {
		return got, fmt.Errorf("parquetfile: %w", err)
	}
	if got.MaxText == 0 {
		got.MaxText = defaultMaxText
	}
	if got.MaxArray == 0 {
		got.MaxArray = defaultMaxArray
	}
	if got.MaxPage == 0 {
		got.MaxPage = defaultMaxPage
	}
	return got, nil
}

var errClosed = errors.New("the file is closed")
