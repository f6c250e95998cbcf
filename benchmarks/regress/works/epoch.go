package main

import (
	"context"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

var (
	mean = [3]float64{123.675, 116.28, 103.53}
	std  = [3]float64{58.395, 57.12, 57.375}
)

var _ = register(
	work{name: "epoch-rrc224", times: 3, prepare: photoFile, begin: func(p place) (func() error, error) {
		return epochs(p.file("photos.beton"), &loader.Options{BatchSize: 8, Order: loader.Random, Outputs: []loader.Output{{
			Name: "image", Decoder: transform.RandomResizedCrop{Width: 224, Height: 224}, Ops: []any{transform.HorizontalFlip{}}}}})
	}},
	work{name: "epoch-rrc224-f32", times: 3, prepare: photoFile, begin: func(p place) (func() error, error) {
		return epochs(p.file("photos.beton"), &loader.Options{BatchSize: 8, Order: loader.Random, Outputs: []loader.Output{{
			Name: "image", Decoder: transform.RandomResizedCrop{Width: 224, Height: 224},
			Ops: []any{transform.HorizontalFlip{}, transform.Normalize{Mean: mean, Std: std}, transform.ToCHW{}}}}})
	}},
	work{name: "epoch-small", times: 6, prepare: smallFile, begin: func(p place) (func() error, error) {
		return epochs(p.file("small.beton"), &loader.Options{BatchSize: 256, Order: loader.Random, Outputs: []loader.Output{{
			Name: "image", Decoder: transform.Simple{},
			Ops: []any{transform.HorizontalFlip{}, transform.Translate{Padding: 2}, transform.Cutout{Size: 4, Fill: []uint8{127, 127, 127}}}}}})
	}},
	work{name: "rows-sequential", times: 80, prepare: rowFile, begin: func(p place) (func() error, error) {
		return epochs(p.file("rows.beton"), &loader.Options{BatchSize: 256})
	}},
	work{name: "rows-random", times: 24, prepare: rowFile, begin: func(p place) (func() error, error) {
		return epochs(p.file("rows.beton"), &loader.Options{BatchSize: 256, Order: loader.Random})
	}},
)

// epochs returns what runs one more epoch over a file, with one worker. The first
// one, in which memory is taken and what is kept for later is made, is done here.
func epochs(path string, opts *loader.Options) (func() error, error) {
	f, err := ffcv.Open(path, nil)
	if err != nil {
		return nil, err
	}
	opts.Workers, opts.Seed = 1, 1
	l, err := loader.New(f, opts)
	if err != nil {
		return nil, err
	}
	epoch := 0
	once := func() error {
		for b, err := range l.Epoch(context.Background(), epoch) {
			if err != nil {
				return err
			}
			b.Release()
		}
		epoch++
		return nil
	}
	return once, once()
}

func photoFile(p place) error {
	s, err := photoSamples(p, 16)
	if err != nil {
		return err
	}
	return write(p.file("photos.beton"), photoSpecs(), s)
}

func rowFile(p place) error {
	var s samples
	for i := range 10_000 {
		x := make([]float32, 32)
		for k := range x {
			x[k] = float32(i) + float32(k)/32
		}
		s = append(s, []any{x, int64(i % 10)})
	}
	return write(p.file("rows.beton"), []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{32}}}, {Name: "label", Field: fields.Int{}}}, s)
}

func smallFile(p place) error {
	var s samples
	spec := array.Spec{DType: array.Uint8, Shape: []int{32, 32, 3}}
	for i := range 1024 {
		s = append(s, []any{array.Array{Spec: spec, Data: noise(make([]byte, 32*32*3), uint64(i+1))}, int64(i % 10)})
	}
	return write(p.file("small.beton"), []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{Mode: fields.ModeRaw}}, {Name: "label", Field: fields.Int{}}}, s)
}
