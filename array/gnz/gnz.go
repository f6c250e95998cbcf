// Package gnz reads and writes GNZ1 files: named arrays behind a header of
// JSON, each at a multiple of 4096 bytes, so that they can be mapped and used
// where they lie.
//
// # Format
//
// Numbers are little-endian.
//
//	0    "GNZ1"
//	4    u32, the length of the JSON text
//	8    the JSON text, as Python's json.dumps(sort_keys=True) writes it:
//	     {"arrays": {name: {"dtype": "<f4", "offset": 4096, "order": "C", "shape": [3, 4]}, …},
//	     "metadata": {…}, "version": 1}
//	     zeros up to the next multiple of 4096, and behind each array
//
// Offsets count from the file's begin. What the JSON text's length does to the
// offsets in it is followed up to a fixed point: the first array begins behind
// the header, whatever its length.
//
// An array's dtype is NumPy's dtype.str, which tells nothing about a struct's
// fields, nor of bfloat16. Such an array has one key more, "descr", with what
// array.ParseDType reads, beside a "dtype" of void; readers that don't know the
// key see plain bytes.
//
// # Lifetime
//
// The bytes of File.Array and Map.Array are the file's own by a map, and valid
// until Close.
package gnz

import "github.com/betongo/betongo/array"

const (
	magic      = "GNZ1"
	prefixSize = 8
	page       = 4096
	version    = 1
	maxDims    = 64 // NumPy's own limit
	maxHeader  = 1<<32 - 1
)

// FormatError says that a file is no GNZ1 file, or a broken one.
type FormatError = array.FormatError

// entry is an array in a file.
type entry struct {
	name    string
	spec    array.Spec
	fortran bool
	offset  int64
	size    int64
}

func (e *entry) member() array.Member {
	m := array.Member{Name: e.name, Spec: e.spec, Fortran: e.fortran}
	m.Spec.Shape = append([]int{}, e.spec.Shape...)
	return m
}

// strided is the array over its bytes.
func (e *entry) strided(data []byte) (array.Strided, error) {
	return array.Over(e.spec, e.fortran, data)
}

// up rounds up to a whole number of pages.
func up(n int64) int64 { return (n + page - 1) / page * page }
