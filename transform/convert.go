package transform

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Convert changes the element type of uint8 arrays; values stay what they are,
// 0 to 255.
type Convert struct {
	// DType is an integer or float of 2 to 8 bytes, either byte order, or
	// BFloat16.
	DType array.DType
}

// Bind takes uint8 arrays of any shape. It draws nothing.
func (c Convert) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	if in.DType != array.Uint8 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Convert takes |u1, got %v", in)
	}
	item := c.DType.ItemSize()
	table, ok := c.table()
	if !ok {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Convert to %q, want an integer or float of 2 to 8 bytes or BFloat16 (|V2)", c.DType)
	}
	n, err := in.Bytes()
	out := array.Spec{DType: c.DType, Shape: in.Shape}
	if err == nil {
		_, err = out.Bytes()
	}
	if err != nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Convert: %w", err)
	}
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("Convert", dst, src, item*n, n); err != nil {
			return err
		}
		le := binary.LittleEndian
		switch item {
		case 2:
			for ; len(src) > 0 && len(dst) >= 2; src, dst = src[1:], dst[2:] {
				le.PutUint16(dst, uint16(table[src[0]]))
			}
		case 4:
			for ; len(src) > 0 && len(dst) >= 4; src, dst = src[1:], dst[4:] {
				le.PutUint32(dst, uint32(table[src[0]]))
			}
		default:
			for ; len(src) > 0 && len(dst) >= 8; src, dst = src[1:], dst[8:] {
				le.PutUint64(dst, table[src[0]])
			}
		}
		return nil
	}, false, nil
}

// table holds the bits of 0 to 255 in the type, so that writing them
// little-endian gives the type's byte order; false for a type not served.
func (c Convert) table() (*[256]uint64, bool) {
	var table [256]uint64
	kind, item := c.DType.Kind(), c.DType.ItemSize()
	if c.DType == BFloat16 {
		for v := range table {
			table[v] = uint64(rgb.BFloat16.Bits(float64(v)))
		}
		return &table, true
	}
	if kind != 'i' && kind != 'u' && kind != 'f' || item != 2 && item != 4 && item != 8 {
		return nil, false
	}
	for v := range table {
		b := uint64(v)
		switch {
		case kind != 'f':
		case item == 2 && v != 0:
			e := bits.Len(uint(v)) - 1
			b = uint64((e+15)<<10 | v<<(10-e)&0x3FF)
		case item == 4:
			b = uint64(math.Float32bits(float32(v)))
		case item == 8:
			b = math.Float64bits(float64(v))
		}
		if c.DType.Order() == '>' {
			b = bits.ReverseBytes64(b) >> (64 - 8*item)
		}
		table[v] = b
	}
	return &table, true
}
