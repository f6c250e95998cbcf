package transform

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// BFloat16 is the element type of bfloat16 numbers, which NumPy hasn't: two
// opaque bytes, |V2, little-endian. It is how NumPy shows the arrays of
// ml_dtypes; PyTorch takes them as bytes viewed as torch.bfloat16.
var BFloat16 = opaque2()

func opaque2() array.DType {
	t, err := array.ParseDType("|V2")
	if err != nil {
		panic("transform: " + err.Error())
	}
	return t
}

// Normalize gives (value - Mean) / Std for each channel (FFCV's
// NormalizeImage). Mean and Std are in units of pixel values, 0 to 255.
type Normalize struct {
	Mean, Std [3]float64
	DType     array.DType // array.Float32 (also zero), array.Float16 or BFloat16
}

func (z Normalize) dtype() array.DType {
	if z.DType == (array.DType{}) {
		return array.Float32
	}
	return z.DType
}

// Bind takes images and gives floats of the same shape, computed in float64 and
// rounded once, to the nearest and to even between two. It draws nothing.
func (z Normalize) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, err := image("Normalize", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	out := array.Spec{DType: z.dtype(), Shape: []int{height, width, 3}}
	kind := pixelType(out.DType)
	if kind == rgb.Uint8 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Normalize to %v, want %v, %v or BFloat16 (%v)", z.DType, array.Float32, array.Float16, BFloat16)
	}
	table, err := z.table(kind)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	n, size := 3*width*height, kind.Size()
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("Normalize", dst, src, size*n, n); err != nil {
			return err
		}
		le := binary.LittleEndian
		if size == 2 {
			for ; len(src) >= 3 && len(dst) >= 6; src, dst = src[3:], dst[6:] {
				le.PutUint16(dst, uint16(table[0][src[0]]))
				le.PutUint16(dst[2:], uint16(table[1][src[1]]))
				le.PutUint16(dst[4:], uint16(table[2][src[2]]))
			}
			return nil
		}
		for ; len(src) >= 3 && len(dst) >= 12; src, dst = src[3:], dst[12:] {
			le.PutUint32(dst, table[0][src[0]])
			le.PutUint32(dst[4:], table[1][src[1]])
			le.PutUint32(dst[8:], table[2][src[2]])
		}
		return nil
	}, false, nil
}

// table holds the bits of the outcome for each channel's values; computed in
// float64 and rounded once, as NumPy does for FFCV.
func (z Normalize) table(kind rgb.PixelType) (*[3][256]uint32, error) {
	var table [3][256]uint32
	for c := range 3 {
		if !(math.Abs(z.Mean[c]) <= math.MaxFloat32 && z.Std[c] > 0 && z.Std[c] <= math.MaxFloat32) {
			return nil, fmt.Errorf("transform: Normalize with Mean %v and Std %v: channel %d is not a finite mean and a deviation above 0", z.Mean, z.Std, c)
		}
		for v := range 256 {
			table[c][v] = kind.Bits((float64(v) - z.Mean[c]) / z.Std[c])
		}
	}
	return &table, nil
}
