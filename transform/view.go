package transform

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/betongo/betongo/array"
)

// View takes the same bytes for another type (FFCV's View, NumPy's view): the
// last dimension becomes as long as its bytes allow. It draws nothing.
type View struct {
	DType array.DType
}

// Bind takes arrays of any type. One whose last dimension's bytes are not a
// whole number of the type's elements is an error, and so is a scalar when the
// sizes differ. It works in place, where it does nothing.
func (v View) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	n, err := in.Bytes()
	if err != nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: View: %w", err)
	}
	if !v.DType.Valid() || v.DType.ItemSize() < 1 || in.DType.ItemSize() < 1 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: View of %v as %v: elements of no bytes", in, v.DType)
	}
	out := array.Spec{DType: v.DType, Shape: slices.Clone(in.Shape)}
	if from, to := in.DType.ItemSize(), v.DType.ItemSize(); from != to {
		last := len(in.Shape) - 1
		if last < 0 || in.Shape[last]*from%to != 0 {
			return array.Spec{}, nil, false, fmt.Errorf("transform: View of %v as %v: the last dimension isn't a whole number of %d bytes", in, v.DType, to)
		}
		out.Shape[last] = in.Shape[last] * from / to
	}
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("View", dst, src, n, n); err != nil {
			return err
		}
		carry(dst, src)
		return nil
	}, true, nil
}
