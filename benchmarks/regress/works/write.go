package main

import (
	"context"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

var _ = register(
	work{name: "write-photos", times: 5, begin: func(p place) (func() error, error) {
		s, err := photoSamples(p, 8)
		return writing(p.file("written.beton"), photoSpecs(), s), err
	}},
	work{name: "write-bytes", times: 15, begin: func(p place) (func() error, error) {
		var s samples
		for i := range 2048 {
			s = append(s, []any{noise(make([]byte, 1000+i), uint64(i+1)), int64(i)})
		}
		specs := []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}}
		return writing(p.file("bytes-written.beton"), specs, s), nil
	}},
)

// writing returns what writes a file, over the one of before.
func writing(path string, specs []ffcv.FieldSpec, s samples) func() error {
	return func() error {
		w, err := ffcv.Create(path, specs, &ffcv.Options{Workers: 1, PageSize: pageSize, Overwrite: true})
		if err != nil {
			return err
		}
		defer w.Close()
		return w.WriteDataset(context.Background(), s, nil)
	}
}
