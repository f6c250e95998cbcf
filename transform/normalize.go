package transform

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Normalize gives (value - Mean) / Std for each channel as float32 (FFCV's
// NormalizeImage). Mean and Std are in units of pixel values, 0 to 255.
type Normalize struct {
	Mean, Std [3]float64
	DType     array.DType // zero: float32, the only one so far
}

// Bind takes images and gives float32 of the same shape. It draws nothing.
func (z Normalize) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, err := image("Normalize", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if z.DType != (array.DType{}) && z.DType != array.Float32 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Normalize to %v, want %v", z.DType, array.Float32)
	}
	table, err := z.table()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	n := 3 * width * height
	out := array.Spec{DType: array.Float32, Shape: []int{height, width, 3}}
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("Normalize", dst, src, 4*n, n); err != nil {
			return err
		}
		for len(src) >= 3 && len(dst) >= 12 {
			binary.LittleEndian.PutUint32(dst, table[0][src[0]])
			binary.LittleEndian.PutUint32(dst[4:], table[1][src[1]])
			binary.LittleEndian.PutUint32(dst[8:], table[2][src[2]])
			src, dst = src[3:], dst[12:]
		}
		return nil
	}, false, nil
}

// table holds the bits of the outcome for each channel's values; computed in
// float64 and rounded once, as NumPy does for FFCV.
func (z Normalize) table() (*[3][256]uint32, error) {
	var table [3][256]uint32
	for c := range 3 {
		if !(math.Abs(z.Mean[c]) <= math.MaxFloat32 && z.Std[c] > 0 && z.Std[c] <= math.MaxFloat32) {
			return nil, fmt.Errorf("transform: Normalize with Mean %v and Std %v: channel %d is not a finite mean and a deviation above 0", z.Mean, z.Std, c)
		}
		for v := range 256 {
			table[c][v] = math.Float32bits(float32((float64(v) - z.Mean[c]) / z.Std[c]))
		}
	}
	return &table, nil
}
