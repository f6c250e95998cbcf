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
// NormalizeImage). Mean and Std are in units of pixel values, 0 to 255; of an
// image of one or two channels the first of them count.
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

// Bind takes images of 1 to 3 channels and gives floats of the same shape,
// computed in float64 and rounded once, to the nearest and to even between two.
// It draws nothing.
func (z Normalize) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("Normalize", in)
	if err == nil && channels > 3 {
		err = fmt.Errorf("transform: Normalize takes |u1 (height, width, channels) of 1 to 3 channels, got %v", in)
	}
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	out := array.Spec{DType: z.dtype(), Shape: []int{height, width, channels}}
	kind := pixelType(out.DType)
	if kind == rgb.Uint8 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Normalize to %v, want %v, %v or BFloat16 (%v)", z.DType, array.Float32, array.Float16, BFloat16)
	}
	k, err := z.normalizer(kind, channels)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	n, size := channels*width*height, kind.Size()
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("Normalize", dst, src, size*n, n); err != nil {
			return err
		}
		k.write(dst, src)
		return nil
	}, false, nil
}

// turns is how many numbers the kernels take at a time: whole pixels of any
// number of channels.
const turns = 24

// normalizer is what the values of each channel become.
type normalizer struct {
	kind     rgb.PixelType
	channels int
	table    [3][256]uint32 // bits
	line     *line          // nil: by table
}

// normalizer makes the table for each channel's values; computed in float64 and
// rounded once, as NumPy does for FFCV.
func (z Normalize) normalizer(kind rgb.PixelType, channels int) (*normalizer, error) {
	k := &normalizer{kind: kind, channels: channels}
	for c := range channels {
		if !(math.Abs(z.Mean[c]) <= math.MaxFloat32 && z.Std[c] > 0 && z.Std[c] <= math.MaxFloat32) {
			return nil, fmt.Errorf("transform: Normalize with Mean %v and Std %v: channel %d is not a finite mean and a deviation above 0", z.Mean, z.Std, c)
		}
		for v := range 256 {
			k.table[c][v] = kind.Bits((float64(v) - z.Mean[c]) / z.Std[c])
		}
	}
	if fast {
		k.line = findLine(kind, z.Mean[:channels], z.Std[:channels], k.table[:channels])
	}
	return k, nil
}

// write makes numbers of values.
func (k *normalizer) write(dst, src []byte) {
	if n := len(src) / turns * turns; k.line != nil && n > 0 {
		k.line.write(k.kind, dst, src[:n])
		dst, src = dst[k.kind.Size()*n:], src[n:]
	}
	if k.kind.Size() == 2 {
		k.write2(dst, src)
	} else {
		k.write4(dst, src)
	}
}

func (k *normalizer) write2(dst, src []byte) {
	le := binary.LittleEndian
	if k.channels == 3 {
		for ; len(src) >= 3 && len(dst) >= 6; src, dst = src[3:], dst[6:] {
			le.PutUint16(dst, uint16(k.table[0][src[0]]))
			le.PutUint16(dst[2:], uint16(k.table[1][src[1]]))
			le.PutUint16(dst[4:], uint16(k.table[2][src[2]]))
		}
		return
	}
	for i, v := range src {
		le.PutUint16(dst[2*i:], uint16(k.table[i%k.channels][v]))
	}
}

func (k *normalizer) write4(dst, src []byte) {
	le := binary.LittleEndian
	if k.channels == 3 {
		for ; len(src) >= 3 && len(dst) >= 12; src, dst = src[3:], dst[12:] {
			le.PutUint32(dst, k.table[0][src[0]])
			le.PutUint32(dst[4:], k.table[1][src[1]])
			le.PutUint32(dst[8:], k.table[2][src[2]])
		}
		return
	}
	for i, v := range src {
		le.PutUint32(dst[4*i:], k.table[i%k.channels][v])
	}
}

// A line gives the numbers of a table without looking them up: for a value v
//
//	t = v - middle
//	(t*slope + offset) + (t*slopeLow + offsetLow)
//
// in float32, each operation rounded. The first sum is exact, for slope and
// offset have few bits, and the second is the rest of a division in float64.
// What the last addition makes of both is then nearly always what that division
// is when it is rounded; findLine takes no other.
type line struct {
	middle, slope, offset, slopeLow, offsetLow [turns]float32
}

// at computes the number of value v at place c.
func (l *line) at(c, v int) float32 {
	t := float32(v) - l.middle[c]
	return float32(float32(t*l.slope[c])+l.offset[c]) + float32(float32(t*l.slopeLow[c])+l.offsetLow[c])
}

// findLine looks for a line that gives every number of the tables, bit for bit.
// It returns nil if there is none.
func findLine(kind rgb.PixelType, mean, std []float64, table [][256]uint32) *line {
	l := new(line)
	for c := range mean {
		if !l.find(c, kind, mean[c], std[c], &table[c]) {
			return nil
		}
	}
	for i := len(mean); i < turns; i++ {
		c := i % len(mean)
		l.middle[i], l.slope[i], l.offset[i] = l.middle[c], l.slope[c], l.offset[c]
		l.slopeLow[i], l.offsetLow[i] = l.slopeLow[c], l.offsetLow[c]
	}
	return l
}

// find is findLine for a channel. The parts of low weight are tried as they are
// and a little beside that, until no value comes to lie on the wrong side of a
// half.
func (l *line) find(c int, kind rgb.PixelType, mean, std float64, table *[256]uint32) bool {
	middle := math.RoundToEven(mean)
	slope, offset := 1/std, (middle-mean)/std
	_, e := math.Frexp(slope * (math.Max(math.Abs(middle), math.Abs(255-middle)) + 1))
	unit := math.Ldexp(1, e-23)
	hiSlope, hiOffset := math.RoundToEven(slope/unit)*unit, math.RoundToEven(offset/unit)*unit
	l.middle[c], l.slope[c], l.offset[c] = float32(middle), float32(hiSlope), float32(hiOffset)
	for i := range 2 * 8 {
		for j := range 2 * 20 {
			l.slopeLow[c] = float32(slope - hiSlope + nudge(i, -27)*unit)
			l.offsetLow[c] = float32(offset - hiOffset + nudge(j, -20)*unit)
			if offset == 0 {
				l.offsetLow[c] = 0
			}
			if l.gives(c, kind, table) {
				return true
			}
		}
	}
	return false
}

// nudge is 0, then 1, -1, 2, -2, 4 and so on, times a power of two.
func nudge(i, exp int) float64 {
	if i == 0 {
		return 0
	}
	v := math.Ldexp(1, exp+(i+1)/2)
	if i%2 == 0 {
		return -v
	}
	return v
}

// gives tells whether the line of a channel gives all its numbers.
func (l *line) gives(c int, kind rgb.PixelType, table *[256]uint32) bool {
	for v, want := range table {
		if kind.Bits(float64(l.at(c, v))) != want {
			return false
		}
	}
	return true
}
