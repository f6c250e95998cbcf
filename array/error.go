package array

import (
	"fmt"
	"strconv"
)

// FormatError says what of a file of arrays is not as its format wants it.
type FormatError struct {
	// File is the file or folder as it was opened; "" where bytes in memory
	// were read.
	File string
	// Part is the file, entry or key within File; "" where File is all there is.
	Part string
	// Array is the array's name; "" where it is of no single one.
	Array string
	// Offset is where in Part, or in File; -1 where it is of no single place, as
	// inside of compressed data.
	Offset int64
	Msg    string // what was found there, and what was expected
}

// Error names file, array, part and offset, as far as there are such.
func (e *FormatError) Error() string {
	return Place(e.File, e.Array, e.Part, e.Offset) + e.Msg
}

// Place is how errors name a place in a file, with a colon and a blank behind
// it; what is empty, and a negative offset, is left out.
func Place(file, array, part string, offset int64) string {
	s := ""
	if file != "" {
		s = file + ": "
	}
	if array != "" {
		s += "array " + strconv.Quote(array) + ": "
	}
	if part != "" {
		s += strconv.Quote(part) + ": "
	}
	if offset >= 0 {
		s += fmt.Sprintf("at byte %d: ", offset)
	}
	return s
}
