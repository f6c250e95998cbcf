// Package npk reads, writes and edits NumPack packs (.npk): folders of arrays,
// as NumPack 0.7 has them and reads them.
//
// # Format
//
// Numbers are little-endian, arrays in C order. A pack is a folder:
//
//	metadata.npkm        names, shapes, types and data files of all arrays
//	data_NAME.npkd       the rows of an array, or
//	data_NAME.npkseg     the list of its segments, JSON, which lie in
//	data_NAME_segments/  seg_000000.npkd and so on
//	deleted_NAME.npkb    which rows are left, where some were dropped
//
// The metadata tell how many rows lie in the data files, the bitmap which of
// them count: rows are given by their number among those, as they are to a user
// of NumPack. The data file of an array that was saved again may be called
// data_NAME.gen2.npkd: the metadata have its name, and NumPack goes by that.
//
// # Crash safety
//
// What an Editor changes stands from Flush on, wholly or not at all: new rows
// lie beside or behind those that count until the metadata, which are replaced
// by a rename, tell of them. Where more files than one must change, and where
// rows are replaced in place, a file npk.journal says what is left to do. Open
// and Edit do it first where a process was killed in between.
//
// One Editor at a time may be open for a pack; the second one gets an error.
// NumPack knows nothing of that, nor of journals: behind a process that was
// killed while it changed a pack, Open or Edit should be the first to look at
// it, and Edit before NumPack appends, which it does at the end of a file, rows
// that don't count included.
package npk

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

const (
	metaFile    = "metadata.npkm"
	journalFile = "npk.journal"
	maxDims     = 64  // NumPy's own limit
	maxName     = 200 // bytes; file names around them are a little longer
	bufferBytes = 1 << 20
)

// NumPackSegment is the size from which NumPack splits arrays into segments.
const NumPackSegment = 256 << 20

// FormatError says that a folder is no pack, or a broken one.
//
// Part is the file within the pack.
type FormatError = array.FormatError

// types are the element types by their number in the metadata.
var types = [...]array.DType{
	array.Bool, array.Uint8, array.Uint16, array.Uint32, array.Uint64, array.Int8, array.Int16, array.Int32, array.Int64,
	array.Float16, array.Float32, array.Float64, array.Complex64, array.Complex128,
}

// stored returns the type that a pack stores elements of t as, the
// little-endian one, and its number.
func stored(t array.DType) (array.DType, byte, error) {
	if t.Valid() {
		for i, have := range types {
			if t == have || t.Kind() == have.Kind() && t.Swapped() == have {
				return have, byte(i), nil
			}
		}
	}
	return t, 0, &array.UnsupportedError{DType: t.String(), Why: "a pack has bools, integers, floats of 2 to 8 bytes and complex numbers"}
}

// checkName says whether an array may be called so, which its files' names
// are made of.
func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("npk: the array's name %q is not UTF-8", name)
	case len(name) > maxName:
		return fmt.Errorf("npk: the array's name %.40q… has %d bytes, at most %d are possible", name, len(name), maxName)
	case strings.ContainsAny(name, "/\\\x00"):
		return fmt.Errorf("npk: the array's name %q can't be part of a file's name", name)
	case runtime.GOOS == "windows" && strings.ContainsAny(name, `<>:"|?*`):
		return fmt.Errorf("npk: the array's name %q can't be part of a file's name on Windows", name)
	}
	return nil
}

// checkSpec says whether the format has such an array, and how many bytes a row
// takes. Shape[0] counts no rows here.
func checkSpec(name string, spec array.Spec) (row int, err error) {
	if err := checkName(name); err != nil {
		return 0, err
	}
	if _, _, err := stored(spec.DType); err != nil {
		return 0, fmt.Errorf("npk: array %q: %w", name, err)
	}
	if len(spec.Shape) == 0 || len(spec.Shape) > maxDims {
		return 0, fmt.Errorf("npk: array %q: %w", name,
			&array.UnsupportedError{DType: spec.String(), Why: fmt.Sprintf("a pack's arrays have 1 to %d dimensions", maxDims)})
	}
	row, err = array.Spec{DType: spec.DType, Shape: spec.Shape[1:]}.Bytes()
	if err != nil {
		return 0, fmt.Errorf("npk: array %q: %w", name, err)
	}
	return row, nil
}

// times is a product of sizes; ok is false where an int doesn't hold it.
func times(a, b int) (n int, ok bool) {
	if a < 0 || b < 0 || b > 0 && a > math.MaxInt/b {
		return 0, false
	}
	return a * b, true
}

// fold is a file's name as the system compares it.
func fold(file string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return strings.ToLower(file)
	}
	return file
}

// The names of an array's files. New data are written beside those that count,
// so there is more than one name: gen numbers them.
func dataFile(name string, gen int) string   { return "data_" + name + mark(gen) + ".npkd" }
func listFile(name string, gen int) string   { return "data_" + name + mark(gen) + ".npkseg" }
func segmentDir(name string, gen int) string { return "data_" + name + mark(gen) + "_segments" }
func bitmapFile(name string) string          { return "deleted_" + name + ".npkb" }

func segmentFile(name string, gen, i int) string {
	return fmt.Sprintf("%s/seg_%06d.npkd", segmentDir(name, gen), i)
}

func mark(gen int) string {
	if gen == 0 {
		return ""
	}
	return fmt.Sprintf(".gen%d", gen+1)
}
