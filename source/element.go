package source

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/betongo/betongo/array"
)

// order is the byte order of t's elements.
func order(t array.DType) binary.ByteOrder {
	if t.Order() == '>' {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// whole says whether t's elements are whole numbers or truth values.
func whole(t array.DType) bool {
	return t.Kind() == 'i' || t.Kind() == 'u' || t.Kind() == 'b'
}

// realFloat says whether t's elements are floats that a float64 holds.
func realFloat(t array.DType) bool { return t.Kind() == 'f' && t.ItemSize() <= 8 }

// wholeAt reads one element of a whole type as an int64.
func wholeAt(t array.DType, b []byte) (int64, error) {
	u := bitsAt(t, b)
	switch t.Kind() {
	case 'u':
		if u > math.MaxInt64 {
			return 0, fmt.Errorf("%d is larger than an int field holds (%d)", u, math.MaxInt64)
		}
		return int64(u), nil
	case 'b':
		return int64(min(u, 1)), nil
	}
	shift := 64 - 8*t.ItemSize()
	return int64(u<<shift) >> shift, nil
}

// floatAt reads one element of a real float type.
func floatAt(t array.DType, b []byte) float64 {
	u := bitsAt(t, b)
	switch t.ItemSize() {
	case 2:
		return halfFloat(uint16(u))
	case 4:
		return float64(math.Float32frombits(uint32(u)))
	}
	return math.Float64frombits(u)
}

// bitsAt reads the 1, 2, 4 or 8 bytes of an element.
func bitsAt(t array.DType, b []byte) uint64 {
	switch o := order(t); t.ItemSize() {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(o.Uint16(b))
	case 4:
		return uint64(o.Uint32(b))
	default:
		return o.Uint64(b)
	}
}

func putBits(t array.DType, b []byte, u uint64) {
	switch o := order(t); t.ItemSize() {
	case 1:
		b[0] = byte(u)
	case 2:
		o.PutUint16(b, uint16(u))
	case 4:
		o.PutUint32(b, uint32(u))
	default:
		o.PutUint64(b, u)
	}
}

// putElement stores the JSON scalar text as one element of type t. Nothing is
// cast silently: a whole type takes whole numbers in its range, a float type
// the number nearest to the text.
func putElement(t array.DType, b []byte, text string) error {
	bits := 8 * t.ItemSize()
	switch {
	case t.Kind() == 'b':
		switch text {
		case "true", "1":
			b[0] = 1
		case "false", "0":
			b[0] = 0
		default:
			return fmt.Errorf("%s is not a bool; expected true or false", excerpt(text))
		}
	case t.Kind() == 'i':
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return notWhole(text, t)
		}
		putBits(t, b, uint64(n))
	case t.Kind() == 'u':
		n, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return notWhole(text, t)
		}
		putBits(t, b, n)
	case realFloat(t):
		u, err := floatBits(text, bits)
		if err != nil {
			return fmt.Errorf("%s is not a number in the range of %v", excerpt(text), t)
		}
		putBits(t, b, u)
	default:
		return fmt.Errorf("elements of dtype %v cannot be written in a table; expected bool, integer or float, or a .npy file (inline=false)", t)
	}
	return nil
}

func notWhole(text string, t array.DType) error {
	return fmt.Errorf("%s is not a whole number in the range of %v", excerpt(text), t)
}

// floatBits returns the bits of the float of that many bits nearest to text.
// A finite number outside the range is an error.
func floatBits(text string, bits int) (uint64, error) {
	if bits != 16 {
		f, err := strconv.ParseFloat(text, bits)
		switch {
		case bits == 32:
			return uint64(math.Float32bits(float32(f))), err
		case math.IsNaN(f):
			return 0x7ff8 << 48, err // Python's; Go's has another bit set
		}
		return math.Float64bits(f), err
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, err
	}
	h, ok := halfBits(f)
	if !ok {
		return 0, strconv.ErrRange
	}
	return uint64(h), nil
}

// halfBits rounds f to the nearest half-precision float, to even between two;
// ok is false for a finite f outside the range.
func halfBits(f float64) (bits uint16, ok bool) {
	var sign uint16
	if math.Signbit(f) {
		sign, f = 1<<15, -f
	}
	switch {
	case math.IsNaN(f):
		return sign | 0x7e00, true
	case math.IsInf(f, 1):
		return sign | 0x7c00, true
	case f >= 65520: // rounds to 2^16
		return 0, false
	case f < 0x1p-14:
		// Subnormal; a result of 1024 is the smallest normal number.
		return sign | uint16(math.RoundToEven(f*0x1p24)), true
	}
	frac, exp := math.Frexp(f) // frac in [0.5, 1)
	// A mantissa rounded up to 2048 carries into the exponent, as it should.
	m := uint16(math.RoundToEven(frac*2048)) - 1024
	return sign | (uint16(exp+14)<<10 + m), true
}

func halfFloat(h uint16) float64 {
	exp, m := int(h>>10&31), float64(h&1023)
	var f float64
	switch exp {
	case 0:
		f = m * 0x1p-24
	case 31:
		f = math.Inf(1)
		if m != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(m+1024, exp-25)
	}
	if h>>15 != 0 {
		f = -f
	}
	return f
}
