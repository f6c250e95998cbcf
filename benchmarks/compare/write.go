package main

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// rowLen is the number of float32 in a row.
const rowLen = 32

// rows is a dataset of made-up rows.
type rows int

func (n rows) Len() int { return int(n) }

func (n rows) Sample(_ context.Context, i int) ([]any, string, error) {
	x := make([]byte, 4*rowLen)
	for j := range rowLen {
		binary.LittleEndian.PutUint32(x[4*j:], math.Float32bits(float32(i)+float32(j)/rowLen))
	}
	a, err := array.New(array.Spec{DType: array.Float32, Shape: []int{rowLen}}, x)
	return []any{a, int64(i % 1000)}, "", err
}

func writeRows(ctx context.Context, path string, n int) error {
	return write(ctx, path, rows(n), []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{rowLen}}},
		{Name: "label", Field: fields.Int{}},
	})
}

// writePhotos packs a folder as ffcvwrite does and returns how many there are.
func writePhotos(ctx context.Context, path, folder string) (int, error) {
	src, err := source.OpenFolder(ctx, folder, nil)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	var specs []ffcv.FieldSpec
	for _, f := range src.Fields() {
		specs = append(specs, ffcv.FieldSpec{Name: f.Name, Field: f.Field})
	}
	return src.Len(), write(ctx, path, src, specs)
}

func write(ctx context.Context, path string, ds ffcv.Dataset, specs []ffcv.FieldSpec) error {
	w, err := ffcv.Create(path, specs, &ffcv.Options{Overwrite: true})
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteDataset(ctx, ds, nil)
}
