package transform

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/betongo/betongo/array"
)

// ReplaceLabel gives some samples another label (FFCV's ReplaceLabel). It draws
// nothing.
type ReplaceLabel struct {
	Indices  []int // the samples' numbers in the dataset, in any order
	NewLabel int64
}

// BindIndexed takes little-endian integers or floats (float32, float64) of any
// shape, all of which become NewLabel; the outcome has the same type and shape.
// A NewLabel that the type doesn't hold is an error. It works in place.
func (r ReplaceLabel) BindIndexed(in array.Spec) (array.Spec, IndexedFunc, bool, error) {
	n, err := in.Bytes()
	if err != nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ReplaceLabel: %w", err)
	}
	read := reader(in.DType)
	if read == nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ReplaceLabel takes little-endian integers or floats, got %v", in)
	}
	chosen, err := listed("ReplaceLabel", r.Indices)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	item := in.DType.ItemSize()
	if !r.held(in.DType) {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ReplaceLabel with NewLabel %d, which %v doesn't hold", r.NewLabel, in.DType)
	}
	var word [8]byte
	switch bits := uint64(r.NewLabel); in.DType {
	case array.Float32:
		binary.LittleEndian.PutUint32(word[:], math.Float32bits(float32(r.NewLabel)))
	case array.Float64:
		binary.LittleEndian.PutUint64(word[:], math.Float64bits(float64(r.NewLabel)))
	default:
		binary.LittleEndian.PutUint64(word[:], bits)
	}
	return in, func(dst, src []byte, sample int, _ *rand.Rand) error {
		if err := sized("ReplaceLabel", dst, src, n, n); err != nil {
			return err
		}
		carry(dst, src)
		if _, ok := slices.BinarySearch(chosen, sample); ok {
			for ; len(dst) > 0; dst = dst[item:] {
				copy(dst[:item], word[:])
			}
		}
		return nil
	}, true, nil
}

// held says whether a type has the new label.
func (r ReplaceLabel) held(t array.DType) bool {
	v, bits := r.NewLabel, 8*t.ItemSize()
	switch t.Kind() {
	case 'u':
		return v >= 0 && (bits == 64 || v < 1<<bits)
	case 'i':
		return bits == 64 || v >= -1<<(bits-1) && v < 1<<(bits-1)
	}
	if t == array.Float32 {
		return v >= -1<<24 && v <= 1<<24
	}
	return v >= -1<<53 && v <= 1<<53
}
