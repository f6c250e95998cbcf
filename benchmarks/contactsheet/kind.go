package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// A kind is a sheet to be made. What stands in docs/transforms.md as Go stands
// here word for word; the test sees to it.
type kind struct {
	name string
	make func(*stored) ([]rgb.Image, error)
}

// square is the decoder of the sheets of operations.
var square = transform.CenterCrop{Width: side, Height: side, Ratio: 1}

// fill is a colour that the photographs don't have.
var fill = []uint8{0, 200, 200}

var kinds = []kind{
	{"simple", whole(transform.Simple{})},
	{"centercrop", each(transform.CenterCrop{Width: 144, Height: 144})},
	{"resize", each(transform.Resize{Width: 144, Height: 144})},
	{"resizecentercrop", each(transform.ResizeCenterCrop{Size: 160, Width: 144, Height: 144})},
	{"randomresizedcrop", decoder(transform.RandomResizedCrop{Width: 144, Height: 144})},
	{"randomcrop", decoder(transform.RandomCrop{Width: 144, Height: 144})},
	{"padding", op(transform.RandomCrop{Width: 144, Height: 144, Padding: 24, Fill: fill})},
	{"views", views},

	{"horizontalflip", op(transform.HorizontalFlip{})},
	{"verticalflip", op(transform.VerticalFlip{})},
	{"translate", op(transform.Translate{Padding: 24, Fill: fill})},
	{"cutout", op(transform.Cutout{Size: 48, Fill: fill})},
	{"randomerasing", op(transform.RandomErasing{P: 0.9, Count: 3, Fill: fill})},
	{"noise", op(transform.RandomErasing{P: 1, Fill: []uint8{124, 116, 104}, Noise: []float64{58, 57, 57}})},

	{"brightness", op(transform.Brightness{Magnitude: 0.5, P: 1})},
	{"contrast", op(transform.Contrast{Magnitude: 0.8, P: 1})},
	{"saturation", op(transform.Saturation{Magnitude: 1, P: 1})},
	{"hue", op(transform.Hue{Magnitude: 0.5, P: 1})},
	{"colorjitter", op(transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1})},
	{"grayscale", op(transform.Grayscale{P: 0.5})},
	{"solarize", op(transform.Solarize{})},
	{"gaussianblur", op(transform.GaussianBlur{Size: 9})},
	{"normalize", planes},

	{"mask", follow(transform.RandomResizedCrop{Width: 144, Height: 144}, transform.HorizontalFlip{}, transform.VerticalFlip{})},
	{"boxes", follow(square, transform.Translate{Padding: 36, Fill: fill}, transform.HorizontalFlip{})},
	{"area", depth},

	{"poison", poison},
	{"imagemixup", mix(transform.ImageMixup{Alpha: 1}, transform.LabelMixup{Alpha: 1})},
	{"imagecutmix", mix(transform.ImageCutMix{Alpha: 1}, transform.LabelCutMix{Alpha: 1, Width: 144, Height: 144})},
}

// whole shows a photograph and what a decoder that needs all of one size makes
// of it.
func whole(decoder any) func(*stored) ([]rgb.Image, error) {
	return func(s *stored) ([]rgb.Image, error) {
		list, err := originals(s.one)
		if err != nil {
			return nil, err
		}
		err = batch(s.one, 0, []loader.Output{{Name: "image", Decoder: decoder}}, func(b *loader.Batch) {
			list = append(list, picture(b.Output("image"), 0))
		})
		return list, err
	}
}

// each shows several photographs, and below them what a decoder makes of them.
func each(decoder any) func(*stored) ([]rgb.Image, error) {
	return func(s *stored) ([]rgb.Image, error) {
		list, err := originals(s.several)
		if err != nil {
			return nil, err
		}
		err = batch(s.several, 0, []loader.Output{{Name: "image", Decoder: decoder}}, func(b *loader.Batch) {
			for i := range b.Len() {
				list = append(list, picture(b.Output("image"), i))
			}
		})
		return list, err
	}
}

// decoder shows a photograph and what a random decoder makes of it.
func decoder(d any) func(*stored) ([]rgb.Image, error) {
	return func(s *stored) ([]rgb.Image, error) {
		list, err := originals(s.one)
		for seed := range uint64(seeds) {
			if err != nil {
				break
			}
			err = batch(s.one, 1+seed, []loader.Output{{Name: "image", Decoder: d}}, func(b *loader.Batch) {
				list = append(list, picture(b.Output("image"), 0))
			})
		}
		return list, err
	}
}

// op shows a square picture and what a random operation makes of it.
func op(o any) func(*stored) ([]rgb.Image, error) {
	return func(s *stored) (list []rgb.Image, err error) {
		for seed := range uint64(1 + seeds) {
			out := loader.Output{Name: "image", Decoder: square}
			if seed > 0 {
				out.Ops = []any{o}
			}
			err := batch(s.one, seed, []loader.Output{out}, func(b *loader.Batch) {
				list = append(list, picture(b.Output("image"), 0))
			})
			if err != nil {
				return nil, err
			}
		}
		return list, nil
	}
}

// views shows a photograph, and two large and seven small crops of it for one
// seed, as multi-crop takes them.
func views(s *stored) ([]rgb.Image, error) {
	global := transform.RandomResizedCrop{Width: 144, Height: 144, Scale: [2]float64{0.4, 1}}
	local := transform.RandomResizedCrop{Width: 64, Height: 64, Scale: [2]float64{0.05, 0.4}}
	outputs := []loader.Output{
		{Name: "global1", Field: "image", Decoder: global, Ops: []any{transform.HorizontalFlip{}}},
		{Name: "global2", Field: "image", Decoder: global, Ops: []any{transform.HorizontalFlip{}}},
	}
	for i := range seeds - len(outputs) {
		outputs = append(outputs, loader.Output{Name: fmt.Sprint("local", 1+i), Field: "image", Decoder: local})
	}
	list, err := originals(s.one)
	if err != nil {
		return nil, err
	}
	err = batch(s.one, 1, outputs, func(b *loader.Batch) {
		for _, o := range outputs {
			list = append(list, picture(b.Output(o.Name), 0))
		}
	})
	return list, err
}

// planes shows a picture; its planes after Normalize and ToCHW as gray, -2.5 as
// black and 2.5 as white; and the picture out of what Convert and View made.
func planes(s *stored) (list []rgb.Image, err error) {
	outputs := []loader.Output{
		{Name: "image", Decoder: square},
		{Name: "planes", Field: "image", Decoder: square, Ops: []any{
			transform.Normalize{Mean: [3]float64{123.675, 116.28, 103.53}, Std: [3]float64{58.395, 57.12, 57.375}},
			transform.ToCHW{},
		}},
		{Name: "bytes", Field: "image", Decoder: square, Ops: []any{
			transform.Convert{DType: array.Float32},
			transform.View{DType: array.Uint8}, // four bytes for each number
		}},
	}
	err = batch(s.one, 1, outputs, func(b *loader.Batch) {
		list = append(list, picture(b.Output("image"), 0))
		values := b.Output("planes").Value(0)
		for len(values) > 0 {
			plane := blank(side, side)
			for i := range side * side {
				v := byte(math.Round(255 * min(1, max(0, (float64(float32At(values, i))+2.5)/5))))
				copy(plane.Pix[3*i:], []byte{v, v, v})
			}
			list, values = append(list, plane), values[4*side*side:]
		}
		converted := blank(side, side)
		for i := range converted.Pix {
			converted.Pix[i] = byte(float32At(b.Output("bytes").Value(0), i))
		}
		list = append(list, converted)
	})
	return list, err
}

func float32At(b []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
}

// follow shows a picture with its mask and boxes drawn in, and the same after a
// decoder and operations.
func follow(decoder any, ops ...any) func(*stored) ([]rgb.Image, error) {
	return func(s *stored) (list []rgb.Image, err error) {
		for seed := range uint64(1 + seeds) {
			image := loader.Output{Name: "image", Decoder: decoder, Ops: ops}
			if seed == 0 {
				image = loader.Output{Name: "image", Decoder: transform.Resize{Width: side, Height: side * 311 / 460}}
			}
			err := batch(s.one, seed, []loader.Output{image,
				{Name: "mask", Decoder: transform.Mask{}, Follow: "image"},
				{Name: "boxes", Decoder: transform.Boxes{MinVisible: 0.1}, Follow: "image"},
			}, func(b *loader.Batch) {
				p := picture(b.Output("image"), 0)
				tint(p, b.Output("mask").Value(0))
				boxes := b.Output("boxes").Value(0)
				for ; len(boxes) > 0 && float32At(boxes, 4) >= 0; boxes = boxes[4*5:] {
					outline(p, float32At(boxes, 0), float32At(boxes, 1), float32At(boxes, 2), float32At(boxes, 3))
				}
				list = append(list, p)
			})
			if err != nil {
				return nil, err
			}
		}
		return list, nil
	}
}

// depth shows strips of a picture and of a raster of 16 bits that follows it.
func depth(s *stored) (list []rgb.Image, err error) {
	for seed := range uint64(1 + seeds) {
		image := loader.Output{Name: "image", Decoder: square}
		if seed > 0 {
			image.Decoder, image.Ops = transform.RandomResizedCrop{Width: side, Height: side}, []any{
				transform.HorizontalFlip{}, transform.Translate{Padding: 24, Fill: fill}}
		}
		err := batch(s.one, seed, []loader.Output{image,
			{Name: "depth", Decoder: transform.Area{}, Follow: "image"},
		}, func(b *loader.Batch) {
			p, q := picture(b.Output("image"), 0), blank(side, side)
			for i := range side * side {
				v := b.Output("depth").Value(0)[2*i+1]
				copy(q.Pix[3*i:], []byte{v, v, v})
			}
			strips(p, q)
			list = append(list, p)
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// poison shows a batch with a bar a label, and below it the same batch poisoned.
func poison(s *stored) (list []rgb.Image, err error) {
	spot, alpha := make([]float64, 3*side*side), make([]float64, side*side)
	for i := range alpha {
		x, y := i%side-side*3/4, i/side-side/4
		if x*x+y*y < 24*24 {
			spot[3*i], spot[3*i+2], alpha[i] = 255, 255, 0.8
		}
	}
	for _, ops := range [][2][]any{{}, {
		{transform.Poison{Mask: spot, Alpha: alpha, Indices: []int{1, 3}}},
		{transform.ReplaceLabel{Indices: []int{1, 3}, NewLabel: 4}},
	}} {
		err := batch(s.several, 1, []loader.Output{
			{Name: "image", Decoder: square, Ops: ops[0]},
			{Name: "label", Ops: ops[1]},
		}, func(b *loader.Batch) {
			for i := range b.Len() {
				p, shares := picture(b.Output("image"), i), make([]float32, len(several))
				shares[binary.LittleEndian.Uint64(b.Output("label").Value(i))] = 1
				bars(p, shares)
				list = append(list, p)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// mix shows a batch with a bar a class, and below it the same batch mixed.
func mix(image, label any) func(*stored) ([]rgb.Image, error) {
	return func(s *stored) (list []rgb.Image, err error) {
		for seed := range uint64(3) {
			images, labels := []any{image}, []any{label, transform.MixupToOneHot{Classes: 5}}
			if seed == 0 {
				images, labels = nil, nil
			}
			err := batch(s.several, seed, []loader.Output{
				{Name: "image", Decoder: square, Ops: images},
				{Name: "label", Ops: labels},
			}, func(b *loader.Batch) {
				for i := range b.Len() {
					p, row, shares := picture(b.Output("image"), i), b.Output("label").Value(i), make([]float32, len(several))
					for class := range shares {
						if seed > 0 {
							shares[class] = float32At(row, class)
						}
					}
					if seed == 0 {
						shares[binary.LittleEndian.Uint64(row)] = 1
					}
					bars(p, shares)
					list = append(list, p)
				}
			})
			if err != nil {
				return nil, err
			}
		}
		return list, nil
	}
}
