package matfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// text makes strings of characters: elements of the last axis are the
// characters of one.
func (f *File) text(l *leaf, b []byte) (array.Strided, error) {
	units, err := units(b, l)
	if err != nil {
		return array.Strided{}, &FormatError{File: f.m.Name(), Array: l.Name, Offset: -1, Msg: err.Error()}
	}
	last := len(l.dims) - 1
	width := l.dims[last]
	count := 1
	for _, d := range l.dims[:last] {
		count *= d
	}
	whole := make([]byte, 4*len(units[:count*width]))
	row := make([]rune, 0, width)
	// Element i of column j lies at j*count + i; rows of three and more
	// dimensions are counted in Fortran order.
	if width == 0 {
		count = 0 // however many empty strings there are
	}
	for i := range count {
		row = row[:0]
		for j := range width {
			row = append(row, units[j*count+i])
		}
		for j, r := range paired(row) {
			binary.LittleEndian.PutUint32(whole[4*(i*width+j):], uint32(r))
		}
	}
	return array.FortranOf(l.Spec, whole)
}

// units returns the stored characters; at least as many as the array has.
func units(b []byte, l *leaf) ([]rune, error) {
	n := 1
	for _, d := range l.dims {
		n *= d
	}
	if l.re.kind == miUTF8 {
		list := make([]rune, 0, n)
		for len(b) > 0 {
			r, size := utf8.DecodeRune(b)
			list, b = append(list, r), b[size:]
		}
		if len(list) == n {
			return list, nil
		}
		// Characters beyond 16 bits count twice in MATLAB.
		var wide []rune
		for _, u := range utf16.Encode(list) {
			wide = append(wide, rune(u))
		}
		if len(wide) != n {
			return nil, fmt.Errorf("%d characters, want %d", len(list), n)
		}
		return wide, nil
	}
	list := make([]rune, 0, n)
	order := l.v.order
	switch size := storage[l.re.kind].ItemSize(); {
	case l.re.kind == miDouble: // level 4
		for ; len(b) >= 8; b = b[8:] {
			v := math.Float64frombits(order.Uint64(b))
			if !(v >= 0 && v <= 0xffff) {
				return nil, fmt.Errorf("the character %v", v)
			}
			list = append(list, rune(v))
		}
	case size == 1:
		for _, c := range b {
			list = append(list, rune(c))
		}
	case size == 2:
		for ; len(b) >= 2; b = b[2:] {
			list = append(list, rune(order.Uint16(b)))
		}
	case size == 4 && l.re.kind != miSingle:
		for ; len(b) >= 4; b = b[4:] {
			r := order.Uint32(b)
			if r > utf8.MaxRune {
				return nil, fmt.Errorf("the character %#x", r)
			}
			list = append(list, rune(r))
		}
	default:
		return nil, fmt.Errorf("characters of type %d", l.re.kind)
	}
	return list, nil
}

// paired joins the halves of UTF-16's pairs.
func paired(row []rune) []rune {
	out := row[:0]
	for i := 0; i < len(row); i++ {
		r := row[i]
		if utf16.IsSurrogate(r) && i+1 < len(row) {
			if both := utf16.DecodeRune(r, row[i+1]); both != utf8.RuneError {
				r = both
				i++
			}
		}
		out = append(out, r)
	}
	return out
}
