package transform

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// BatchFunc makes the rows of a batch in dst of those in src, len(samples) rows
// each. dst and src are apart.
type BatchFunc = func(dst, src []byte, samples []int, rng *rand.Rand) error

// ImageMixup mixes each image of a batch with the one before it, the first with
// the last (FFCV's ImageMixup): lambda*x[i] + (1-lambda)*x[i-1], with lambda
// drawn of the Beta distribution with both parameters Alpha. A LabelMixup with
// the same settings in another output mixes the labels of the same batch alike:
// its generator is in the same state.
//
// It draws one lambda a batch or one an image, in the batch's order. A lambda
// takes two numbers a try up to an Alpha of 1 and two or more above; see FFCV's,
// that is NumPy's, way with it.
type ImageMixup struct {
	Alpha      float64 // 0: 1, for which lambda is uniform
	SameLambda bool    // one lambda for the batch
}

// LabelMixup makes of a label (y[i], y[i-1], lambda) as float32 (FFCV's
// LabelMixup); see ImageMixup.
type LabelMixup struct {
	Alpha      float64 // as ImageMixup's
	SameLambda bool    // as ImageMixup's
}

// Stream is the name of the random stream that ImageMixup and LabelMixup have in
// common.
func (ImageMixup) Stream() string { return "mixup" }

// Stream is as [ImageMixup.Stream].
func (LabelMixup) Stream() string { return "mixup" }

// BindBatch takes rows of uint8, float32 or float64 of any shape; the outcome's
// are the same. Bytes are computed in float64 and lose their fraction, floats
// are computed in float64 and rounded once. It is not in place.
func (m ImageMixup) BindBatch(in array.Spec) (array.Spec, BatchFunc, bool, error) {
	b, err := newBeta("ImageMixup", m.Alpha, m.SameLambda)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row, err := in.Bytes()
	if err != nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ImageMixup: %w", err)
	}
	mixed := mixer(in.DType)
	if mixed == nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ImageMixup takes |u1, <f4 or <f8, got %v", in)
	}
	return in, func(dst, src []byte, samples []int, rng *rand.Rand) error {
		n := len(samples)
		if err := sized("ImageMixup", dst, src, n*row, n*row); err != nil {
			return err
		}
		lambda := b.sampler(rng)
		for i := range n {
			before := (i + n - 1) % n
			mixed(dst[i*row:(i+1)*row], src[i*row:(i+1)*row], src[before*row:(before+1)*row], lambda.next())
		}
		return nil
	}, false, nil
}

// BindBatch takes one number a row, integer or float, and gives three of
// float32. It is not in place.
func (m LabelMixup) BindBatch(in array.Spec) (array.Spec, BatchFunc, bool, error) {
	b, err := newBeta("LabelMixup", m.Alpha, m.SameLambda)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	read, err := label("LabelMixup", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row := in.DType.ItemSize()
	return triple(), func(dst, src []byte, samples []int, rng *rand.Rand) error {
		n := len(samples)
		if err := sized("LabelMixup", dst, src, 12*n, n*row); err != nil {
			return err
		}
		lambda := b.sampler(rng)
		for i := range n {
			before := (i + n - 1) % n
			putTriple(dst[12*i:], read(src[i*row:]), read(src[before*row:]), lambda.next())
		}
		return nil
	}, false, nil
}

// Drawn tells the lambda that BindBatch's function would draw first: the batch's
// with SameLambda, else the first row's.
func (m ImageMixup) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return drawnLambda(m.Alpha, rng)
}

// Drawn is as [ImageMixup.Drawn].
func (m LabelMixup) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return drawnLambda(m.Alpha, rng)
}

func drawnLambda(alpha float64, rng *rand.Rand) map[string]any {
	b, err := newBeta("", alpha, true)
	if err != nil {
		return map[string]any{}
	}
	return map[string]any{"lambda": b.draw(rng)}
}

// MixupToOneHot makes a row of Classes float32 of what LabelMixup and
// LabelCutMix give: lambda at the first label, 1-lambda at the second, 1 where
// both are the same (where FFCV's MixupToOneHot writes 1-lambda). It draws
// nothing.
type MixupToOneHot struct {
	Classes int
}

// Bind takes float32 (3,). A label that is not a whole number from 0 to
// Classes-1 is an error of the returned function.
func (m MixupToOneHot) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	if !in.Equal(triple()) {
		return array.Spec{}, nil, false, fmt.Errorf("transform: MixupToOneHot takes what LabelMixup and LabelCutMix give, %v, got %v", triple(), in)
	}
	if m.Classes < 1 || m.Classes > 1<<24 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: MixupToOneHot with Classes %d, want 1 to %d", m.Classes, 1<<24)
	}
	out := array.Spec{DType: array.Float32, Shape: []int{m.Classes}}
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("MixupToOneHot", dst, src, 4*m.Classes, 12); err != nil {
			return err
		}
		clear(dst)
		le := binary.LittleEndian
		lambda := math.Float32frombits(le.Uint32(src[8:]))
		for i, share := range [2]float32{lambda, 1 - lambda} {
			y := math.Float32frombits(le.Uint32(src[4*i:]))
			if !(y >= 0 && y < float32(m.Classes)) || y != float32(int(y)) {
				return fmt.Errorf("transform: MixupToOneHot of label %v, want 0 to %d", y, m.Classes-1)
			}
			at := dst[4*int(y):]
			le.PutUint32(at, math.Float32bits(math.Float32frombits(le.Uint32(at))+share))
		}
		return nil
	}, false, nil
}

// triple is the spec of a mixed label.
func triple() array.Spec { return array.Spec{DType: array.Float32, Shape: []int{3}} }

func putTriple(dst []byte, y, before, lambda float64) {
	for i, v := range [3]float64{y, before, lambda} {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(float32(v)))
	}
}

// label gives the function that reads one number.
func label(op string, in array.Spec) (func(b []byte) float64, error) {
	count, err := in.Count()
	read := reader(in.DType)
	if err != nil || count != 1 || read == nil {
		return nil, fmt.Errorf("transform: %s takes one little-endian number, integer or float, got %v", op, in)
	}
	return read, nil
}

// reader reads a number of a type, or is nil.
func reader(t array.DType) func(b []byte) float64 {
	le := binary.LittleEndian
	switch t {
	case array.Uint8:
		return func(b []byte) float64 { return float64(b[0]) }
	case array.Int8:
		return func(b []byte) float64 { return float64(int8(b[0])) }
	case array.Uint16:
		return func(b []byte) float64 { return float64(le.Uint16(b)) }
	case array.Int16:
		return func(b []byte) float64 { return float64(int16(le.Uint16(b))) }
	case array.Uint32:
		return func(b []byte) float64 { return float64(le.Uint32(b)) }
	case array.Int32:
		return func(b []byte) float64 { return float64(int32(le.Uint32(b))) }
	case array.Uint64:
		return func(b []byte) float64 { return float64(le.Uint64(b)) }
	case array.Int64:
		return func(b []byte) float64 { return float64(int64(le.Uint64(b))) }
	case array.Float32:
		return func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }
	case array.Float64:
		return func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }
	}
	return nil
}

// mixer mixes rows of a type, or is nil.
func mixer(t array.DType) func(dst, a, b []byte, lambda float64) {
	le := binary.LittleEndian
	switch t {
	case array.Uint8:
		return func(dst, a, b []byte, lambda float64) {
			var m mix
			m.set(lambda)
			m.bytes(dst, a, b)
		}
	case array.Float32:
		return mixFloats
	case array.Float64:
		return func(dst, a, b []byte, lambda float64) {
			rest := 1 - lambda
			for ; len(dst) >= 8 && len(a) >= 8 && len(b) >= 8; dst, a, b = dst[8:], a[8:], b[8:] {
				x, y := math.Float64frombits(le.Uint64(a)), math.Float64frombits(le.Uint64(b))
				le.PutUint64(dst, math.Float64bits(float64(lambda*x)+float64(rest*y)))
			}
		}
	}
	return nil
}
