package main

import "github.com/betongo/betongo/rgb"

// crops are regions of a photograph as random resized crops have them.
var crops = []rgb.Rect{{X: 40, Y: 30, W: 200, H: 180}, {X: 0, Y: 0, W: 320, H: 240}, {X: 120, Y: 90, W: 97, H: 130}}

var _ = register(
	work{name: "jpeg-crop", times: 3, begin: func(p place) (func() error, error) {
		return render(p, &rgb.Target{Width: 224, Height: 224}, true)
	}},
	work{name: "jpeg-crop-f32", times: 2, begin: func(p place) (func() error, error) {
		t := &rgb.Target{Width: 224, Height: 224, Type: rgb.Float32, Layout: rgb.CHW,
			Mean: [3]float64{124, 116, 104}, Std: [3]float64{58, 57, 57}}
		return render(p, t, true)
	}},
	work{name: "jpeg-crop-without-checkpoints", times: 2, begin: func(p place) (func() error, error) {
		return render(p, &rgb.Target{Width: 224, Height: 224}, false)
	}},
)

// render makes crops of photographs, with checkpoints or without.
func render(p place, t *rgb.Target, marks bool) (func() error, error) {
	photos, err := photographs(p, 8)
	if err != nil {
		return nil, err
	}
	var list []rgb.Encoded
	for _, b := range photos {
		info, err := rgb.ScanJPEG(b)
		if err != nil {
			return nil, err
		}
		e := rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: b}
		if marks {
			if e.Marks, err = rgb.AppendMarks(nil, b); err != nil {
				return nil, err
			}
		}
		list = append(list, e)
	}
	dst, s := make([]byte, t.Bytes()), new(rgb.Scratch)
	return func() error {
		for i, e := range list {
			for j, c := range crops {
				c.W, c.H = min(c.W, e.Width-c.X), min(c.H, e.Height-c.Y)
				if err := s.Render(dst, e, c, (i+j)%2 == 1, t); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil
}
