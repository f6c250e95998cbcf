package main

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
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

// Sizes of values of bytes.
const (
	leastBytes = 1 << 10
	mostBytes  = 64 << 10
)

// blobs is a dataset of made-up bytes, of 1 to 64 KiB each, and labels.
type blobs int

func (n blobs) Len() int { return int(n) }

func (n blobs) Sample(_ context.Context, i int) ([]any, string, error) {
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	x := make([]byte, leastBytes+rng.IntN(mostBytes-leastBytes+1), mostBytes+8)
	for at := 0; at < len(x); at += 8 {
		binary.LittleEndian.PutUint64(x[at:at+8], rng.Uint64())
	}
	return []any{x, int64(i % 1000)}, "", nil
}

func writeBytes(ctx context.Context, path string, n int) error {
	return write(ctx, path, blobs(n), []ffcv.FieldSpec{{Name: "x", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}})
}

// smallSide is the side of small images.
const smallSide = 32

// small is a dataset of made-up images as small as CIFAR's.
type small int

func (n small) Len() int { return int(n) }

func (n small) Sample(_ context.Context, i int) ([]any, string, error) {
	m := rgb.Image{Width: smallSide, Height: smallSide, Pix: make([]byte, 3*smallSide*smallSide)}
	for j := range m.Pix {
		m.Pix[j] = byte((i*2654435761 + j*j*40503) >> 7)
	}
	return []any{m, int64(i % 10)}, "", nil
}

func writeSmall(ctx context.Context, path string, n int) error {
	return write(ctx, path, small(n), []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{Mode: fields.ModeRaw}},
		{Name: "label", Field: fields.Int{}},
	})
}

func write(ctx context.Context, path string, ds ffcv.Dataset, specs []ffcv.FieldSpec) error {
	w, err := ffcv.Create(path, specs, &ffcv.Options{Overwrite: true})
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteDataset(ctx, ds, nil)
}
