// Package matfile reads and writes MATLAB's .mat files of level 5, the format
// of save -v6 and -v7 and of scipy.io.savemat. Those of level 4 are read; level
// 7.3 is HDF5 and refused with a word on that.
//
// # What becomes of MATLAB's values
//
//   - A numeric array is a member in Fortran order, of two dimensions or more and
//     of its class's type, however MATLAB has stored it (SciPy's
//     mat_dtype=True); a logical one is of bools, a complex one of c8 or c16.
//   - A char array gives strings (U), one a row, as SciPy's chars_as_strings
//     does: dimensions (2, 5) are two strings of 5 characters, blanks included.
//   - A sparse matrix "s" gives three members, the parts of scipy.sparse's
//     csc_matrix: "s.data", "s.indices" and "s.indptr", whose attributes say
//     "sparse": "csc" and "shape": []int.
//   - A field of a struct is the member "s.field"; of an array of structs
//     "s(0).field", counted from 0 in MATLAB's order.
//   - An element of a cell array is "c{0}", counted so too.
//   - Objects, tables, MATLAB's strings and functions are refused, each by
//     name (File.Refused); the rest of the file is served.
//
// # What is written
//
// Numbers, bools, complex numbers and text (S as Latin-1). An array of one
// dimension becomes a row (1, n), as SciPy's default, a scalar (1, 1); strings
// of one dimension a char matrix with a row each, padded with blanks. A
// structured array becomes a struct with an array for each field. The elements
// lie in Fortran order, so that a matrix of many columns is written in many
// places as its rows arrive.
//
// The format holds less than 2 GiB a variable; what is larger is refused.
package matfile

import (
	"encoding/binary"

	"github.com/betongo/betongo/array"
)

// FormatError says what of a file is not as the format wants it.
type FormatError = array.FormatError

// The file's header: a text, then version and byte order.
const (
	headerSize  = 128
	textSize    = 116
	version     = 0x0100
	versionHDF5 = 0x0200
	tagSize     = 8
)

// MaxVariable is the size that one variable may have, its header included.
const MaxVariable = 1<<31 - 1

// Types of data elements.
const (
	miInt8       = 1
	miUint8      = 2
	miInt16      = 3
	miUint16     = 4
	miInt32      = 5
	miUint32     = 6
	miSingle     = 7
	miDouble     = 9
	miInt64      = 12
	miUint64     = 13
	miMatrix     = 14
	miCompressed = 15
	miUTF8       = 16
	miUTF16      = 17
	miUTF32      = 18
)

// Classes of arrays.
const (
	mxCell     = 1
	mxStruct   = 2
	mxObject   = 3
	mxChar     = 4
	mxSparse   = 5
	mxDouble   = 6
	mxSingle   = 7
	mxInt8     = 8
	mxUint8    = 9
	mxInt16    = 10
	mxUint16   = 11
	mxInt32    = 12
	mxUint32   = 13
	mxInt64    = 14
	mxUint64   = 15
	mxFunction = 16
	mxOpaque   = 17
)

// Flags of an array, above its class.
const (
	flagComplex = 0x0800
	flagGlobal  = 0x0400
	flagLogical = 0x0200
)

// storage is the type of each data element that holds numbers or characters.
var storage = map[uint32]array.DType{
	miInt8: array.Int8, miUint8: array.Uint8, miInt16: array.Int16, miUint16: array.Uint16,
	miInt32: array.Int32, miUint32: array.Uint32, miSingle: array.Float32, miDouble: array.Float64,
	miInt64: array.Int64, miUint64: array.Uint64,
	miUTF8: array.Uint8, miUTF16: array.Uint16, miUTF32: array.Uint32,
}

// classes is the type of each numeric class.
var classes = map[uint32]array.DType{
	mxDouble: array.Float64, mxSingle: array.Float32, mxInt8: array.Int8, mxUint8: array.Uint8,
	mxInt16: array.Int16, mxUint16: array.Uint16, mxInt32: array.Int32, mxUint32: array.Uint32,
	mxInt64: array.Int64, mxUint64: array.Uint64,
}

// classNames are MATLAB's words for what is refused.
var classNames = map[uint32]string{mxObject: "object", mxFunction: "function", mxOpaque: "object (opaque)"}

// orderByte is NumPy's letter for a byte order.
func orderByte(o binary.ByteOrder) byte {
	if o == binary.ByteOrder(binary.BigEndian) {
		return '>'
	}
	return '<'
}

func up8(n int64) int64 { return (n + 7) &^ 7 }
