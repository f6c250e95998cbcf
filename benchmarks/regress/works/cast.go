package main

import "github.com/betongo/betongo/array"

var _ = register(
	work{name: "array-cast", times: 24, begin: func(place) (func() error, error) {
		const n = 1 << 18
		src := array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{n}}, Data: make([]byte, 4*n)}
		dst := make([]byte, 8*n)
		return func() error {
			for _, t := range []array.DType{array.Uint8, array.Float16, array.Float64, array.Int32} {
				if _, err := array.CastInto(dst[:n*t.ItemSize()], src, t); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}},
)
